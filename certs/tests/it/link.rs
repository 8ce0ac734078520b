use crate::world::{ALICE, COORDINATOR, HOUR, NODE, World, greet};
use fleet_certs::client::{ConnectError, ConnectErrorKind, LinkOptions, connect};
use fleet_certs::clock::{TrustClock, system_time};
use fleet_certs::join_token::JoinToken;
use fleet_certs::keystore::Keystore;
use fleet_certs::peer::PeerIdentity;
use fleet_certs::tls::{self, LeafResolver, NothingRevoked, Revocation, TrustRoots};
use fleet_units::time::Timestamp;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

async fn dial(address: SocketAddr, keystore: &Keystore) -> Result<(), ConnectError> {
    connect(&[address.to_string()], keystore, &LinkOptions::operator()).await.map(drop)
}

async fn kind(address: SocketAddr, keystore: &Keystore) -> (ConnectErrorKind, String) {
    let error = dial(address, keystore).await.unwrap_err();
    (error.kind, error.to_string())
}

#[tokio::test]
async fn nodes_and_operators_of_the_fleet_connect() {
    let world = World::new();
    let address = greet(world.main_config(&world.issue(COORDINATOR), Arc::new(NothingRevoked))).await;
    for path in [NODE, ALICE] {
        dial(address, &world.keystore(path)).await.unwrap();
    }
}

#[tokio::test]
async fn the_coordinator_sees_who_the_certificate_says() {
    let world = World::new();
    let address = greet(world.main_config(&world.issue(COORDINATOR), Arc::new(NothingRevoked))).await;
    let config = tls::client_config(&world.issue(NODE), TrustClock::system()).unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(config).connect("x".try_into().unwrap(), tcp).await.unwrap();
    let mut greeting = [0; 9];
    stream.read_exact(&mut greeting).await.unwrap();
    stream.write_all(b"?").await.unwrap();
    let mut name = vec![0; NODE.len()];
    stream.read_exact(&mut name).await.unwrap();
    assert_eq!(name, NODE.as_bytes());
    let session = stream.get_ref().1;
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(session.alpn_protocol(), Some(b"h2".as_slice()));
    assert_eq!(session.tls13_tickets_received(), 0);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_on_either_side() {
    let (ours, theirs) = (World::new(), World::new());
    let address = greet(theirs.main_config(&theirs.issue(COORDINATOR), Arc::new(NothingRevoked))).await;
    let (kind_, text) = kind(address, &ours.keystore(NODE)).await;
    assert_eq!(kind_, ConnectErrorKind::WrongAuthority, "{text}");

    // Theirs trusts our coordinator, but not us.
    let stranger = theirs.issue(NODE).with_roots(ours.authority.roots().to_vec());
    let address = greet(ours.main_config(&ours.issue(COORDINATOR), Arc::new(NothingRevoked))).await;
    let stored = ours.store("stranger", &stranger);
    let (kind_, text) = kind(address, &stored).await;
    assert_eq!(kind_, ConnectErrorKind::OurCertificate, "{text}");
    assert!(text.contains("does not know the authority"), "{text}");
}

#[tokio::test]
async fn a_node_cannot_pose_as_the_coordinator() {
    let world = World::new();
    let address = greet(world.main_config(&world.issue(NODE), Arc::new(NothingRevoked))).await;
    assert_eq!(kind(address, &world.keystore(ALICE)).await.0, ConnectErrorKind::WrongAuthority);
}

#[tokio::test]
async fn expired_certificates_are_named_as_such_on_either_side() {
    let world = World::new();
    let long_ago = Timestamp(system_time().0 - 2 * 3_600_000_000);
    let address =
        greet(world.main_config(&world.issue_at(COORDINATOR, HOUR, long_ago), Arc::new(NothingRevoked))).await;
    let (kind_, text) = kind(address, &world.keystore(NODE)).await;
    assert_eq!(kind_, ConnectErrorKind::TheirCertificate, "{text}");

    let address = greet(world.main_config(&world.issue(COORDINATOR), Arc::new(NothingRevoked))).await;
    let old = world.store("old", &world.issue_at(ALICE, HOUR, long_ago));
    let (kind_, text) = kind(address, &old).await;
    assert_eq!(kind_, ConnectErrorKind::OurCertificate, "{text}");
    assert!(text.contains("our certificate has expired") && text.contains("operator issue"), "{text}");
}

#[derive(Debug)]
struct Everyone;

impl Revocation for Everyone {
    fn refuse(&self, _peer: &PeerIdentity) -> Option<String> {
        Some("because".to_owned())
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_in_the_handshake() {
    let world = World::new();
    let address = greet(world.main_config(&world.issue(COORDINATOR), Arc::new(Everyone))).await;
    let (kind_, text) = kind(address, &world.keystore(NODE)).await;
    assert_eq!(kind_, ConnectErrorKind::OurCertificate);
    assert!(text.contains("revoked"), "{text}");
}

#[tokio::test]
async fn each_way_of_not_being_there_has_its_words() {
    let world = World::new();
    let keystore = world.keystore(ALICE);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (kind_, text) = kind(free, &keystore).await;
    assert_eq!(kind_, ConnectErrorKind::Unreachable);
    assert!(text.contains("nothing listens there") && text.contains(&free.to_string()), "{text}");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = LinkOptions { connect_timeout: Duration::from_millis(100), ..LinkOptions::operator() };
    let endpoint = silent.local_addr().unwrap().to_string();
    let error = connect(&[endpoint], &keystore, &options).await.unwrap_err();
    assert_eq!(error.kind, ConnectErrorKind::Timeout);

    let chatty = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = chatty.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = chatty.accept().await.unwrap();
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = tcp.read(&mut [0; 1024]).await;
    });
    assert_eq!(kind(address, &keystore).await.0, ConnectErrorKind::Protocol);

    assert_eq!(kind(free, &Keystore::new(&world.path("none"))).await.0, ConnectErrorKind::Keystore);
}

#[tokio::test]
async fn the_next_endpoint_is_tried_and_a_refusal_is_told_before_an_unreachable_one() {
    let world = World::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let good = greet(world.main_config(&world.issue(COORDINATOR), Arc::new(NothingRevoked))).await.to_string();
    let refusing = greet(world.main_config(&world.issue(COORDINATOR), Arc::new(Everyone))).await.to_string();
    let keystore = world.keystore(NODE);
    connect(&[free.clone(), good], &keystore, &LinkOptions::node()).await.unwrap();
    let error = connect(&[free.clone(), refusing, free], &keystore, &LinkOptions::node()).await.unwrap_err();
    assert_eq!(error.kind, ConnectErrorKind::OurCertificate);
}

/// TLS to the enrolment listener with a token's pin; the error's text when it fails.
async fn pinned(address: SocketAddr, token: &JoinToken) -> Result<(), String> {
    let config = tls::enrolment_client_config(token.pin, TrustClock::system()).unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    let connected = tokio_rustls::TlsConnector::from(config).connect("x".try_into().unwrap(), tcp).await;
    connected.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_token_recognizes_its_own_coordinator_only() {
    let (ours, theirs) = (World::new(), World::new());
    let listen = async |world: &World, path: &str| {
        let leaf = LeafResolver::new(&world.issue(path)).unwrap();
        let roots = TrustRoots::new(world.authority.roots()).unwrap();
        greet(tls::enrolment_config(leaf, roots, TrustClock::system()).unwrap()).await
    };
    let token = JoinToken::generate(ours.authority.root_digest());
    pinned(listen(&ours, COORDINATOR).await, &token).await.unwrap();
    let foreign = pinned(listen(&theirs, COORDINATOR).await, &token).await.unwrap_err();
    assert!(foreign.contains("NotPinned") || foreign.contains("join token"), "{foreign}");
    assert!(pinned(listen(&ours, NODE).await, &token).await.is_err());
}

#[tokio::test]
async fn a_host_whose_clock_stands_in_1970_can_join_and_connect_but_not_be_fooled() {
    let world = World::new();
    let address = greet(world.main_config(&world.issue(COORDINATOR), Arc::new(NothingRevoked))).await;
    let clock = Arc::new(TrustClock::new(|| Timestamp(60_000_000), None));
    let keystore = world.keystore(NODE);
    let options = LinkOptions { clock: Some(Arc::clone(&clock)), ..LinkOptions::node() };
    connect(&[address.to_string()], &keystore, &options).await.unwrap();
    assert!(clock.seen() > Timestamp(system_time().0 - 3_600_000_000), "the certificate vouched for the time");

    // What has been expired since is expired, whatever the clock says.
    let long_ago = Timestamp(system_time().0 - 20 * 3_600_000_000);
    let address =
        greet(world.main_config(&world.issue_at(COORDINATOR, HOUR, long_ago), Arc::new(NothingRevoked))).await;
    let error = connect(&[address.to_string()], &keystore, &options).await.unwrap_err();
    assert_eq!(error.kind, ConnectErrorKind::TheirCertificate);
}
