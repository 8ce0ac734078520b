//! The coordinator's gRPC listeners: own accept loop, TLS, and every limit of HTTP/2, set in one place.
//!
//! ```text
//! bind -> accept loop -(cap on connections)-> handshakes (capped, timed out) -> PeerStream -> tonic
//!                                                               |                  ^
//!                                                               v                  | cut
//!                                                         Connections <- journal changes
//! ```
//! Who is on the other end is read from the certificate once, here, and travels in the request's extensions as
//! [`Connection`]; `api::auth` turns it into a caller. When a certificate stops counting, its connections are cut.

mod stream;

pub use stream::{Connection, PeerStream};

use crate::api::auth::AuthLayer;
use crate::journal::JournalState;
use fleet_certs::client::{CONNECTION_WINDOW, MESSAGE_LIMIT, STREAM_WINDOW};
use fleet_certs::identity::Identity;
use fleet_certs::peer::PeerIdentity;
use fleet_certs::port;
use fleet_certs::socket;
use fleet_certs::tls::Revocation;
use fleet_proto::v1::enroll_service_server::{EnrollService, EnrollServiceServer};
use fleet_proto::v1::node_service_server::{NodeService, NodeServiceServer};
use fleet_proto::v1::operator_service_server::{OperatorService, OperatorServiceServer};
use rustls::ServerConfig;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tower::layer::util::{Identity as NoLayer, Stack};

/// Connections that finished their handshake and wait for tonic to take them; it does at once.
const READY: usize = 64;
/// Wait after an accept that failed for want of files or memory: trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Someone else has the port.
    #[error("cannot listen on {address}: it is taken by {holder}; stop that, or choose another address")]
    Taken {
        /// The address.
        address: SocketAddr,
        /// Who has it.
        holder: String,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// What a listener allows. `main` and `enrolment` are the two there are.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest TLS handshake.
    pub handshake: Duration,
    /// Handshakes at one time; further connections wait in the kernel's queue.
    pub handshakes: usize,
    /// Connections at one time; further ones are closed at once.
    pub connections: usize,
    /// HTTP/2 streams at one time on a connection.
    pub streams: u32,
    /// Streams reset because the peer broke the rules, until the connection is closed (RUSTSEC-2024-0003).
    pub local_error_resets: usize,
    /// Streams the peer opened and reset before they were taken (CVE-2023-44487).
    pub pending_accept_resets: usize,
    /// Bytes of a request's headers.
    pub header_list: u32,
    /// Bytes of a message, in either direction.
    pub message: usize,
}

impl Limits {
    /// Of the main listener. 10,000 nodes, operators, and room; the files a process may open allow for it or bound it.
    #[must_use]
    pub fn main() -> Limits {
        Limits {
            handshake: Duration::from_secs(10),
            handshakes: 256,
            connections: 12_000,
            streams: 128,
            local_error_resets: 1024,
            pending_accept_resets: 20,
            header_list: 16 * 1024,
            message: MESSAGE_LIMIT,
        }
    }

    /// Of the enrolment listener, where nobody has shown a certificate.
    #[must_use]
    pub fn enrolment() -> Limits {
        Limits {
            handshakes: 64,
            connections: 256,
            streams: 4,
            local_error_resets: 64,
            message: 64 * 1024, // a token, a request for a certificate, some facts
            ..Limits::main()
        }
    }

    /// A tonic server with all of these set; nothing else sets any. tonic would leave most of them off.
    fn server(&self) -> Server {
        Server::builder()
            .max_concurrent_streams(self.streams)
            .http2_max_local_error_reset_streams(Some(self.local_error_resets))
            .http2_max_pending_accept_reset_streams(Some(self.pending_accept_resets))
            .http2_max_header_list_size(self.header_list)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .accept_http1(false)
    }
}

/// What answers on the main listener.
pub type MainRouter = Router<Stack<AuthLayer, NoLayer>>;

/// The main listener's services behind the authorization table, with every limit set.
pub fn main_router<N: NodeService, O: OperatorService>(node: N, operator: O, auth: AuthLayer) -> MainRouter {
    let limits = Limits::main();
    let node = NodeServiceServer::new(node)
        .max_decoding_message_size(limits.message)
        .max_encoding_message_size(limits.message);
    let operator = OperatorServiceServer::new(operator)
        .max_decoding_message_size(limits.message)
        .max_encoding_message_size(limits.message);
    limits.server().layer(auth).add_service(node).add_service(operator)
}

/// The enrolment listener's one service, with every limit set.
pub fn enrolment_router<E: EnrollService>(enroll: E) -> Router {
    let limits = Limits::enrolment();
    let enroll = EnrollServiceServer::new(enroll)
        .max_decoding_message_size(limits.message)
        .max_encoding_message_size(limits.message);
    limits.server().add_service(enroll)
}

/// Opens a listening socket; a taken port is an error that names the holder.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { address, holder: port::holder(address.port()) },
        _ => ListenError::Bind { address, source },
    })
}

/// Accepts connections until `shutdown`: TLS by `tls`, within `limits`, each registered in `connections` while it is
/// open. The stream is for `serve_with_incoming_shutdown`.
#[must_use]
pub fn incoming(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    limits: Limits,
    connections: Connections,
    shutdown: CancellationToken,
) -> ReceiverStream<io::Result<PeerStream>> {
    let (ready, stream) = mpsc::channel(READY);
    let acceptor = Acceptor {
        tls: TlsAcceptor::from(tls),
        handshake: limits.handshake,
        handshakes: Arc::new(Semaphore::new(limits.handshakes)),
        open: Arc::new(Semaphore::new(limits.connections)),
        connections,
        ready,
    };
    tokio::spawn(async move {
        tokio::select! {
            () = acceptor.run(&listener) => {}
            () = shutdown.cancelled() => {}
        }
    });
    ReceiverStream::new(stream)
}

#[derive(Clone)]
struct Acceptor {
    tls: TlsAcceptor,
    handshake: Duration,
    handshakes: Arc<Semaphore>,
    open: Arc<Semaphore>,
    connections: Connections,
    ready: mpsc::Sender<io::Result<PeerStream>>,
}

impl Acceptor {
    async fn run(&self, listener: &TcpListener) {
        let mut full = false;
        loop {
            let Ok(slot) = Arc::clone(&self.handshakes).acquire_owned().await else { return };
            let (tcp, remote) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&self.open).try_acquire_owned() else {
                if !full {
                    tracing::warn!(%remote, "closed a connection: there are as many as are allowed");
                }
                full = true;
                continue;
            };
            full = false;
            let this = self.clone();
            tokio::spawn(async move {
                match tokio::time::timeout(this.handshake, this.secure(tcp, remote, place)).await {
                    Ok(Ok(stream)) => drop(this.ready.send(Ok(stream)).await),
                    Ok(Err(error)) => tracing::debug!(%remote, %error, "a handshake failed"),
                    Err(_) => tracing::debug!(%remote, "a handshake took too long"),
                }
                drop(slot);
            });
        }
    }

    async fn secure(&self, tcp: TcpStream, remote: SocketAddr, place: OwnedSemaphorePermit) -> io::Result<PeerStream> {
        socket::tune(&tcp, socket::OTHER_USER_TIMEOUT)?;
        let tls = self.tls.accept(tcp).await?;
        let leaf = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let peer = leaf.map(|leaf| PeerIdentity::from_certificate(leaf)).transpose().map_err(io::Error::other)?;
        if peer.as_ref().is_some_and(|peer| matches!(peer.identity, Identity::Node { .. })) {
            socket::tune(tls.get_ref().0, socket::NODE_USER_TIMEOUT)?;
        }
        let registration = self.connections.register(peer.clone());
        if peer.as_ref().is_some_and(|peer| self.connections.inner.revocation.refuse(peer).is_some()) {
            // Revoked between the handshake's look and the registration: nobody else would cut it.
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the certificate was revoked"));
        }
        Ok(PeerStream::new(tls, Connection { peer, remote }, registration, place))
    }
}

/// The open connections of a listener, and who is on them.
#[derive(Clone)]
pub struct Connections {
    inner: Arc<ConnectionsInner>,
}

struct ConnectionsInner {
    open: Mutex<Open>,
    revocation: Arc<dyn Revocation>,
}

#[derive(Default)]
struct Open {
    next: u64,
    peers: HashMap<u64, (Option<PeerIdentity>, CancellationToken)>,
}

impl Connections {
    /// None yet; `revocation` says which are to be cut.
    #[must_use]
    pub fn new(revocation: Arc<dyn Revocation>) -> Connections {
        Connections { inner: Arc::new(ConnectionsInner { open: Mutex::default(), revocation }) }
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().peers.len()
    }

    /// Cuts every connection whose certificate counts no more; returns how many.
    pub fn cut_revoked(&self) -> usize {
        let mut cut = 0;
        for (peer, token) in self.lock().peers.values() {
            let Some(reason) = peer.as_ref().and_then(|peer| self.inner.revocation.refuse(peer)) else { continue };
            if !token.is_cancelled() {
                let peer = peer.as_ref().map(|peer| peer.identity.to_string()).unwrap_or_default();
                tracing::info!(peer, %reason, "cut a connection");
                token.cancel();
                cut += 1;
            }
        }
        cut
    }

    /// Cuts what is to be cut after every change of the journal, until `shutdown`.
    pub async fn watch(self, mut journal: watch::Receiver<Arc<JournalState>>, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                changed = journal.changed() => if changed.is_err() { return },
                () = shutdown.cancelled() => return,
            }
            journal.mark_unchanged();
            self.cut_revoked();
        }
    }

    fn register(&self, peer: Option<PeerIdentity>) -> Registration {
        let mut open = self.lock();
        let id = open.next;
        open.next += 1;
        let cut = CancellationToken::new();
        open.peers.insert(id, (peer, cut.clone()));
        Registration { connections: self.clone(), id, cut }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.inner.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in the list, for as long as it is open.
pub(crate) struct Registration {
    connections: Connections,
    id: u64,
    pub(crate) cut: CancellationToken,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.connections.lock().peers.remove(&self.id);
    }
}
