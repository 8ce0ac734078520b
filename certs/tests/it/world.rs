//! A fleet's authority, holders of its certificates, and a coordinator that greets whoever it accepts.

use fleet_certs::authority::{Authority, CheckedRequest};
use fleet_certs::clock::{TrustClock, system_time};
use fleet_certs::identity::Identity;
use fleet_certs::keystore::{Credentials, Keystore, PendingKey};
use fleet_certs::peer::PeerIdentity;
use fleet_certs::tls::{self, LeafResolver, Revocation, TrustRoots};
use fleet_units::time::Timestamp;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const NODE: &str = "node/develop/develop-1";
pub(crate) const ALICE: &str = "operator/alice";
pub(crate) const COORDINATOR: &str = "coordinator/main";

/// An empty HTTP/2 SETTINGS frame (RFC 9113, 6.5): what a coordinator says first.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
}

impl World {
    pub(crate) fn new() -> World {
        World::of("fleet.test")
    }

    pub(crate) fn of(domain: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(&folder.path().join("ca"), &domain.parse().unwrap(), system_time()).unwrap();
        World { folder, authority }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Credentials for `path` issued at `now`.
    pub(crate) fn issue_at(&self, path: &str, life: Duration, now: Timestamp) -> Credentials {
        let identity: Identity = path.parse().unwrap();
        let key = PendingKey::generate().unwrap();
        let request = CheckedRequest::parse(&key.request().unwrap()).unwrap();
        let issued = self.authority.sign(&request, &identity, life, now).unwrap();
        key.complete(issued.chain, self.authority.roots().to_vec()).unwrap()
    }

    pub(crate) fn issue(&self, path: &str) -> Credentials {
        self.issue_at(path, HOUR, system_time())
    }

    /// A keystore that holds credentials for `path`.
    pub(crate) fn keystore(&self, path: &str) -> Keystore {
        self.store(path, &self.issue(path))
    }

    pub(crate) fn store(&self, path: &str, credentials: &Credentials) -> Keystore {
        let keystore = Keystore::new(&self.path(&path.replace('/', "-")));
        keystore.replace(credentials).unwrap();
        keystore
    }

    /// What a coordinator with `credentials` listens with.
    pub(crate) fn main_config(&self, credentials: &Credentials, revocation: Arc<dyn Revocation>) -> Arc<ServerConfig> {
        tls::server_config(
            LeafResolver::new(credentials).unwrap(),
            TrustRoots::new(self.authority.roots()).unwrap(),
            self.authority.domain().clone(),
            TrustClock::system(),
            revocation,
        )
        .unwrap()
    }
}

/// Accepts, greets, and answers what it reads with the identity it saw.
pub(crate) async fn greet(config: Arc<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                let leaf = tls.get_ref().1.peer_certificates().map(|chain| chain[0].clone());
                let _ = tls.write_all(&SETTINGS).await;
                let mut byte = [0; 1];
                while tls.read_exact(&mut byte).await.is_ok() {
                    let peer = leaf.as_ref().map(|leaf| PeerIdentity::from_certificate(leaf).unwrap());
                    let name = peer.map_or_else(|| "nobody".to_owned(), |peer| peer.identity.to_string());
                    let _ = tls.write_all(name.as_bytes()).await;
                }
            });
        }
    });
    address
}
