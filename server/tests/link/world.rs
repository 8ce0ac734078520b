//! A coordinator's identity, journal and two listeners, with stub services behind them.

use crate::stub::{Nodes, Operators};
use fleet_certs::authority::{Authority, CheckedRequest};
use fleet_certs::client::{ConnectError, LinkOptions, connect};
use fleet_certs::clock::system_time;
use fleet_certs::identity::Identity;
use fleet_certs::join_token::JoinToken;
use fleet_certs::keystore::{Keystore, PendingKey};
use fleet_certs::renewal::LiveIdentity;
use fleet_certs::tls;
use fleet_server::api::auth::AuthLayer;
use fleet_server::api::enroll::EnrollApi;
use fleet_server::config::Lives;
use fleet_server::journal::{Entry, Journal, NewToken, Role};
use fleet_server::listen::{self, Connections, Limits};
use fleet_units::time::Timestamp;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Channel;

pub(crate) const NODE: &str = "node/develop/develop-1";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) authority: Arc<Authority>,
    pub(crate) journal: Journal,
    pub(crate) identity: Arc<LiveIdentity>,
    pub(crate) connections: Connections,
    pub(crate) main: SocketAddr,
    pub(crate) enrolment: SocketAddr,
    stop: CancellationToken,
    _guard: DropGuard,
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(HOUR, Limits::main()).await
    }

    /// The coordinator's own leaf lives for `life`; its main listener accepts within `limits`.
    pub(crate) async fn with(life: Duration, limits: Limits) -> World {
        let folder = tempfile::tempdir().unwrap();
        let domain = "fleet.test".parse().unwrap();
        let authority = Arc::new(Authority::create(&folder.path().join("ca"), &domain, system_time()).unwrap());
        let journal = Journal::create(&folder.path().join("journal")).unwrap();
        let keystore = certify(&authority, folder.path().join("identity"), "coordinator/main", life).0;
        let identity = LiveIdentity::open(keystore.clone(), keystore.clock()).unwrap();
        let stop = CancellationToken::new();
        let revocation: Arc<dyn tls::Revocation> = Arc::new(journal.clone());
        let connections = Connections::new(Arc::clone(&revocation));
        tokio::spawn(connections.clone().watch(journal.subscribe(), stop.clone()));

        let (leaf, roots, clock) = (identity.leaf(), identity.roots(), identity.clock());
        let config = tls::server_config(leaf.clone(), roots.clone(), domain, clock.clone(), revocation).unwrap();
        let listener = listen::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let main = listener.local_addr().unwrap();
        let incoming = listen::incoming(listener, config, limits, connections.clone(), stop.clone());
        let router = listen::main_router(Nodes, Operators, AuthLayer::new(journal.clone()));
        tokio::spawn(router.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned()));

        let config = tls::enrolment_config(leaf, roots, clock).unwrap();
        let listener = listen::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let enrolment = listener.local_addr().unwrap();
        let incoming = listen::incoming(listener, config, Limits::enrolment(), connections.clone(), stop.clone());
        let api = EnrollApi::new(authority.clone(), journal.clone(), Lives::default(), vec![main.to_string()]);
        let router = listen::enrolment_router(api);
        tokio::spawn(router.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned()));
        let _guard = stop.clone().drop_guard();
        World { folder, authority, journal, identity, connections, main, enrolment, stop, _guard }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// A keystore for an operator with `role`, who is in the journal.
    pub(crate) fn operator(&self, name: &str, role: Role) -> Keystore {
        let (keystore, serial) = certify(&self.authority, self.path(name), &format!("operator/{name}"), HOUR);
        let name = name.parse().unwrap();
        self.journal.append(Entry::OperatorAdded { name, role, serial, by: "test".into() }).unwrap();
        keystore
    }

    /// A keystore for a node of develop whose leaf lives for `life`, and that has joined.
    pub(crate) fn node(&self, name: &str, life: Duration) -> Keystore {
        let (keystore, serial) = certify(&self.authority, self.path(name), &format!("node/develop/{name}"), life);
        let key = fleet_units::ids::Sha256Digest::of(name.as_bytes());
        self.journal
            .append(Entry::NodeEnrolled {
                node: name.parse().unwrap(),
                environment: "develop".parse().unwrap(),
                labels: Default::default(),
                token: None,
                serial,
                key,
            })
            .unwrap();
        keystore
    }

    pub(crate) async fn connect(&self, keystore: &Keystore) -> Result<Channel, ConnectError> {
        connect(&[self.main.to_string()], keystore, &LinkOptions::node()).await
    }

    /// A token for develop, changed by `change`.
    pub(crate) fn token(&self, change: impl FnOnce(&mut NewToken)) -> JoinToken {
        let token = JoinToken::generate(self.authority.root_digest());
        let mut made = NewToken {
            id: token.id(),
            hash: token.hash(),
            uses: 1,
            expires: Timestamp(u64::MAX),
            environment: "develop".parse().unwrap(),
            labels: Default::default(),
            name: String::new(),
            replace: false,
            by: "operator/test".into(),
        };
        change(&mut made);
        self.journal.append(Entry::TokenCreated(made)).unwrap();
        token
    }
}

/// A keystore in `folder` for the identity `path`, and the serial number of its leaf.
pub(crate) fn certify(authority: &Authority, folder: PathBuf, path: &str, life: Duration) -> (Keystore, String) {
    let identity: Identity = path.parse().unwrap();
    let key = PendingKey::generate().unwrap();
    let request = CheckedRequest::parse(&key.request().unwrap()).unwrap();
    let issued = authority.sign(&request, &identity, life, system_time()).unwrap();
    let credentials = key.complete(issued.chain, authority.roots().to_vec()).unwrap();
    let keystore = Keystore::new(&folder);
    keystore.replace(&credentials).unwrap();
    (keystore, credentials.me().serial.to_string())
}
