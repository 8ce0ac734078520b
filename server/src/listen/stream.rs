//! One accepted connection: a TLS stream that can be cut from outside, and says who is on it.

use super::Registration;
use fleet_certs::peer::PeerIdentity;
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

/// Who is on a connection; in every request's extensions.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Out of the verified certificate; `None` on the enrolment listener.
    pub peer: Option<PeerIdentity>,
    /// The other end's address.
    pub remote: SocketAddr,
}

/// An accepted connection.
pub struct PeerStream {
    tls: TlsStream<TcpStream>,
    connection: Connection,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    registration: Registration,
    _place: OwnedSemaphorePermit,
}

impl PeerStream {
    pub(super) fn new(
        tls: TlsStream<TcpStream>,
        connection: Connection,
        registration: Registration,
        place: OwnedSemaphorePermit,
    ) -> PeerStream {
        let cut = Box::pin(registration.cut.clone().cancelled_owned());
        PeerStream { tls, connection, cut, registration, _place: place }
    }
}

fn was_cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the certificate was revoked")
}

impl Connected for PeerStream {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        self.connection.clone()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // An HTTP/2 connection always waits in a read, so this is where a cut wakes it.
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(was_cut()));
        }
        Pin::new(&mut self.tls).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.registration.cut.is_cancelled() {
            return Poll::Ready(Err(was_cut()));
        }
        Pin::new(&mut self.tls).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.registration.cut.is_cancelled() {
            return Poll::Ready(Err(was_cut()));
        }
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.registration.cut.is_cancelled() {
            return Poll::Ready(Err(was_cut()));
        }
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
