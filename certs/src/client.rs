//! Dialling the coordinator: a tonic channel over mTLS, and errors people can act on.
//!
//! Used by the node's agent and the command line; [`crate::enroll`] shares the dialling. Every dial reads the keystore
//! again, so a channel that reconnects after a renewal shows the new certificate. After the handshake one read waits
//! for the coordinator's first bytes (HTTP/2 servers speak first): in TLS 1.3 only they tell that our certificate was
//! accepted, and without them a refusal would surface later as a broken pipe.

use crate::clock::TrustClock;
use crate::keystore::Keystore;
use crate::socket;
use crate::tls::{self, TlsError};
use hyper_util::rt::TokioIo;
use rustls::{AlertDescription, CertificateError};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

/// Largest message in either direction, in bytes; also the listeners'. Set it on each generated client:
/// `max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT)`.
pub const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;
/// HTTP/2 flow-control window of a stream, in bytes.
pub const STREAM_WINDOW: u32 = 256 * 1024;
/// HTTP/2 flow-control window of a connection, in bytes.
pub const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Longest wait for one endpoint: TCP, TLS and first bytes together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What kind of failure a [`ConnectError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectErrorKind {
    /// No TCP connection, or it broke.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// It is not the coordinator of this fleet.
    WrongAuthority,
    /// It is, but its certificate is not valid now.
    TheirCertificate,
    /// It refused our certificate.
    OurCertificate,
    /// Our own keys cannot be used.
    Keystore,
    /// Something else answers there.
    Protocol,
}

/// Why there is no connection: what failed, on what, why, and a next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot connect to the coordinator at {endpoint}: {why}; {next}")]
pub struct ConnectError {
    /// Its kind, for exit codes and retries.
    pub kind: ConnectErrorKind,
    /// host:port.
    pub endpoint: String,
    /// The cause.
    pub why: String,
    /// What to do.
    pub next: String,
}

impl ConnectError {
    fn new(kind: ConnectErrorKind, endpoint: &str, why: impl Into<String>, next: impl Into<String>) -> ConnectError {
        ConnectError { kind, endpoint: endpoint.to_owned(), why: why.into(), next: next.into() }
    }

    /// Finds the reason behind an error that came out of a channel ([`tonic::Status`] or a transport error).
    #[must_use]
    pub fn behind<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a ConnectError> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<ConnectError>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

/// How a link behaves.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// How long sent data may stay unacknowledged until the connection counts as dead.
    pub user_timeout: Duration,
    /// Longest wait for one endpoint: TCP, TLS and first bytes together.
    pub connect_timeout: Duration,
    /// The clock certificates are judged by; `None`: the keystore's.
    pub clock: Option<Arc<TrustClock>>,
}

impl LinkOptions {
    /// For a node's link.
    #[must_use]
    pub fn node() -> LinkOptions {
        LinkOptions { user_timeout: socket::NODE_USER_TIMEOUT, connect_timeout: CONNECT_TIMEOUT, clock: None }
    }

    /// For operators and everything else.
    #[must_use]
    pub fn operator() -> LinkOptions {
        LinkOptions { user_timeout: socket::OTHER_USER_TIMEOUT, ..LinkOptions::node() }
    }
}

/// Connects to the first of `endpoints` (`host:port`) that accepts us, with the identity in `keystore`. The channel
/// connects again by itself when a call finds the connection gone, beginning with the endpoint that worked last.
pub async fn connect(
    endpoints: &[String],
    keystore: &Keystore,
    options: &LinkOptions,
) -> Result<Channel, ConnectError> {
    let clock = options.clock.clone().unwrap_or_else(|| keystore.clock());
    let dialler = Arc::new(Dialler {
        endpoints: endpoints.to_vec(),
        start: AtomicUsize::new(0),
        keystore: keystore.clone(),
        options: LinkOptions { clock: Some(clock), ..options.clone() },
    });
    let connector = tower::service_fn(move |_uri: http::Uri| {
        let dialler = Arc::clone(&dialler);
        async move { dialler.dial_any().await.map(TokioIo::new) }
    });
    channel_settings().connect_with_connector(connector).await.map_err(|error| match ConnectError::behind(&error) {
        Some(found) => found.clone(),
        None => ConnectError::new(
            ConnectErrorKind::Protocol,
            &endpoints.join(", "),
            chain(&error),
            "see the coordinator's log",
        ),
    })
}

/// Every link's HTTP/2 settings. The URI is only what the request line says; the connector decides where it goes.
pub(crate) fn channel_settings() -> Endpoint {
    Endpoint::from_static("http://fleet")
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

struct Dialler {
    endpoints: Vec<String>,
    start: AtomicUsize,
    keystore: Keystore,
    options: LinkOptions,
}

impl Dialler {
    async fn dial_any(&self) -> Result<Spoken, ConnectError> {
        let start = self.start.load(Ordering::Relaxed);
        let mut first_reason: Option<ConnectError> = None;
        for step in 0..self.endpoints.len() {
            let at = (start + step) % self.endpoints.len();
            match self.dial(&self.endpoints[at]).await {
                Ok(stream) => {
                    self.start.store(at, Ordering::Relaxed);
                    return Ok(stream);
                }
                // A refusal says more than "unreachable" from the next one on the list.
                Err(error) => match &first_reason {
                    Some(kept) if kept.kind != ConnectErrorKind::Unreachable => {}
                    _ => first_reason = Some(error),
                },
            }
        }
        Err(first_reason.unwrap_or_else(|| {
            ConnectError::new(
                ConnectErrorKind::Unreachable,
                "(none)",
                "no endpoint is configured",
                "name one as host:port",
            )
        }))
    }

    async fn dial(&self, endpoint: &str) -> Result<Spoken, ConnectError> {
        let keystore = |why: String| {
            ConnectError::new(ConnectErrorKind::Keystore, endpoint, why, "this host needs an identity of the fleet")
        };
        let credentials = self.keystore.load().map_err(|error| keystore(error.to_string()))?;
        let clock = self.options.clock.clone().unwrap_or_else(|| self.keystore.clock());
        let config = tls::client_config(&credentials, clock).map_err(|error| keystore(error.to_string()))?;
        dial(endpoint, config, &self.options).await
    }
}

/// One connection: TCP, TLS, first bytes.
pub(crate) async fn dial(
    endpoint: &str,
    config: Arc<rustls::ClientConfig>,
    options: &LinkOptions,
) -> Result<Spoken, ConnectError> {
    let attempt = async {
        let tcp = TcpStream::connect(endpoint).await.map_err(|error| unreachable(endpoint, &error))?;
        socket::tune(&tcp, options.user_timeout).map_err(|error| unreachable(endpoint, &error))?;
        let name = rustls_pki_types::ServerName::try_from("fleet").expect("a DNS label");
        let mut tls = tokio_rustls::TlsConnector::from(config)
            .connect(name, tcp)
            .await
            .map_err(|error| refused(endpoint, &error))?;
        let mut first = vec![0; 256];
        let read = tls.read(&mut first).await.map_err(|error| refused(endpoint, &error))?;
        if read == 0 {
            let why = "it closed the connection at once";
            return Err(ConnectError::new(
                ConnectErrorKind::Unreachable,
                endpoint,
                why,
                "it may be full or stopping; try again",
            ));
        }
        first.truncate(read);
        Ok(Spoken { first, at: 0, tls })
    };
    tokio::time::timeout(options.connect_timeout, attempt).await.unwrap_or_else(|_| {
        let why = format!("no answer within {} s", options.connect_timeout.as_secs_f32());
        Err(ConnectError::new(
            ConnectErrorKind::Timeout,
            endpoint,
            why,
            "check the address, the network and firewalls on the way",
        ))
    })
}

fn unreachable(endpoint: &str, error: &io::Error) -> ConnectError {
    let next = match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there: is the coordinator running, and is this its port?",
        io::ErrorKind::InvalidInput => "an endpoint is written host:port",
        _ => "check the address, the network and firewalls on the way",
    };
    ConnectError::new(ConnectErrorKind::Unreachable, endpoint, error.to_string(), next)
}

/// Tells what a failed handshake means.
fn refused(endpoint: &str, error: &io::Error) -> ConnectError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (kind, why, next) = match tls {
        Some(rustls::Error::InvalidCertificate(reason)) => theirs(reason),
        Some(rustls::Error::AlertReceived(alert)) => ours(*alert),
        Some(other) => (
            ConnectErrorKind::Protocol,
            format!("what answers there does not speak Fleet's TLS ({other})"),
            "check the port: 7460 is the default for nodes and operators, 7461 for joining",
        ),
        None => (ConnectErrorKind::Unreachable, error.to_string(), "try again; see the coordinator's log"),
    };
    ConnectError::new(kind, endpoint, why, next)
}

/// What we found wrong with their certificate.
fn theirs(reason: &CertificateError) -> (ConnectErrorKind, String, &'static str) {
    let renew =
        "the coordinator renews its certificate while it runs: see its log, and compare the clocks of both hosts";
    match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            ConnectErrorKind::WrongAuthority,
            "its certificate was issued by another authority than this fleet's".to_owned(),
            "check the address; if the coordinator was set up anew, join again",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (ConnectErrorKind::TheirCertificate, format!("its certificate has expired ({reason})"), renew)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (ConnectErrorKind::TheirCertificate, format!("its certificate is not valid yet ({reason})"), renew)
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<TlsError>() {
            Some(TlsError::NotPinned) => (
                ConnectErrorKind::WrongAuthority,
                TlsError::NotPinned.to_string(),
                "the token belongs to another fleet: check the address, or get a token from this coordinator",
            ),
            Some(found) => (ConnectErrorKind::WrongAuthority, found.to_string(), "check the address"),
            None => (ConnectErrorKind::WrongAuthority, reason.to_string(), "check the address"),
        },
        _ => (
            ConnectErrorKind::WrongAuthority,
            format!("its certificate is not acceptable ({reason})"),
            "check the address",
        ),
    }
}

/// What they found wrong with ours.
fn ours(alert: AlertDescription) -> (ConnectErrorKind, String, &'static str) {
    let again = "a node joins again with a new token; an operator gets a new certificate by `fleet server operator issue NAME` on the coordinator's host";
    let why = match alert {
        AlertDescription::CertificateExpired => "it says that our certificate has expired",
        AlertDescription::CertificateRevoked => "it says that our certificate was revoked",
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "it does not know the authority of our certificate"
        }
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown | AlertDescription::AccessDenied => {
            "it does not accept our certificate"
        }
        AlertDescription::CertificateRequired => "it wants a client certificate",
        _ => {
            let next = "check the port: 7460 is the default for nodes and operators, 7461 for joining";
            return (ConnectErrorKind::Protocol, format!("it broke off the handshake ({alert:?})"), next);
        }
    };
    (ConnectErrorKind::OurCertificate, why.to_owned(), again)
}

/// A TLS stream whose first bytes were read already.
pub(crate) struct Spoken {
    first: Vec<u8>,
    at: usize,
    tls: TlsStream<TcpStream>,
}

impl AsyncRead for Spoken {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.at < this.first.len() {
            let take = buffer.remaining().min(this.first.len() - this.at);
            buffer.put_slice(&this.first[this.at..this.at + take]);
            this.at += take;
            if this.at == this.first.len() {
                this.first = Vec::new();
                this.at = 0;
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.tls).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Spoken {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
