//! A coordinator that answers from a script, behind the TLS configuration of the real one.

use crate::run::Person;
use crate::service::Script;
use fleet_certs::authority::{Authority, CheckedRequest};
use fleet_certs::clock::TrustClock;
use fleet_certs::keystore::{Credentials, Keystore, PendingKey};
use fleet_certs::tls::{LeafResolver, NothingRevoked, TrustRoots, server_config};
use fleet_proto::v1::operator_service_server::OperatorServiceServer;
use fleet_units::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;

const DAY: Duration = Duration::from_secs(86400);

/// Runs until it is dropped.
pub(crate) struct Coordinator {
    pub(crate) port: u16,
    pub(crate) script: Arc<Script>,
    authority: Arc<Authority>,
    runtime: Option<tokio::runtime::Runtime>,
    _folder: TempDir,
}

fn now() -> Timestamp {
    TrustClock::system().now()
}

fn issue(authority: &Authority, identity: &str, life: Duration, now: Timestamp) -> Credentials {
    let key = PendingKey::generate().unwrap();
    let request = CheckedRequest::parse(&key.request().unwrap()).unwrap();
    let uri = format!("{}/{identity}", authority.domain().uri());
    let (_, identity) = fleet_certs::identity::Identity::from_uri(&uri).unwrap();
    let issued = authority.sign(&request, &identity, life, now).unwrap();
    key.complete(issued.chain, authority.roots().to_vec()).unwrap()
}

impl Coordinator {
    pub(crate) fn start(script: Script) -> Coordinator {
        let folder = tempfile::tempdir().unwrap();
        let domain = "fleet.test".parse().unwrap();
        let authority = Arc::new(Authority::create(&folder.path().join("ca"), &domain, now()).unwrap());
        let credentials = issue(&authority, "coordinator/main", DAY, now());
        let script = Arc::new(Script { authority: Some(Arc::clone(&authority)), ..script });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let leaf = LeafResolver::new(&credentials).unwrap();
        let roots = TrustRoots::new(credentials.roots()).unwrap();
        let tls = server_config(leaf, roots, domain, TrustClock::system(), Arc::new(NothingRevoked)).unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, incoming) = mpsc::channel(8);
        runtime.spawn(accept(listener, TlsAcceptor::from(tls), sender));
        let service = OperatorServiceServer::from_arc(Arc::clone(&script));
        let incoming = ReceiverStream::new(incoming);
        runtime.spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        Coordinator { port, script, authority, runtime: Some(runtime), _folder: folder }
    }

    /// A person with a context for this coordinator and a fresh operator certificate.
    pub(crate) fn operator(&self) -> Person {
        self.operator_issued(now())
    }

    /// The same, whose certificate (30 days) was issued at `then`.
    pub(crate) fn operator_issued(&self, then: Timestamp) -> Person {
        let person = Person::new();
        let credentials = issue(&self.authority, "operator/ann", 30 * DAY, then);
        Keystore::new(&person.path("identity")).replace(&credentials).unwrap();
        let port = self.port;
        let line =
            format!("context add here --endpoint 127.0.0.1:{port} --trust-domain fleet.test --identity identity");
        person.fleet(&line).exits(0);
        person
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Takes TLS off connections: what tonic sees is the plain side of a pipe.
async fn accept(listener: TcpListener, tls: TlsAcceptor, plain: mpsc::Sender<std::io::Result<DuplexStream>>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("a TCP socket has it");
        tokio::spawn(relay(stream, tls.clone(), plain.clone()));
    }
}

async fn relay(stream: TcpStream, tls: TlsAcceptor, plain: mpsc::Sender<std::io::Result<DuplexStream>>) {
    let Ok(mut encrypted) = tls.accept(stream).await else { return };
    let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
    if plain.send(Ok(theirs)).await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut encrypted, &mut ours).await;
    }
}
