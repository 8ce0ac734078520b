use crate::world::{HOUR, World};
use fleet_certs::client::ConnectErrorKind;
use fleet_proto::v1;
use fleet_proto::v1::node_service_client::NodeServiceClient;
use fleet_server::init;
use fleet_server::journal::{Entry, Role, inbox};
use std::time::{Duration, Instant};
use tonic::Streaming;
use tonic::transport::Channel;

/// What DESIGN.md section 11 promises.
const PROMISE: Duration = Duration::from_secs(5);

async fn stream(channel: &Channel) -> Streaming<v1::CoordinatorMessage> {
    let mut stream =
        NodeServiceClient::new(channel.clone()).control(tokio_stream::pending()).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    stream
}

/// How long until the stream breaks.
async fn until_broken(stream: &mut Streaming<v1::CoordinatorMessage>) -> Duration {
    let start = Instant::now();
    let broken = async { while let Ok(Some(_)) = stream.message().await {} };
    tokio::time::timeout(PROMISE, broken).await.expect("the stream is cut in time");
    start.elapsed()
}

#[tokio::test]
async fn a_revoked_certificate_loses_its_stream_and_cannot_come_back() {
    let world = World::new().await;
    let keystore = world.node("develop-1", HOUR);
    let channel = world.connect(&keystore).await.unwrap();
    let mut revoked = stream(&channel).await;
    let other = world.connect(&world.node("develop-2", HOUR)).await.unwrap();
    let mut kept = stream(&other).await;

    let serial = keystore.load().unwrap().me().serial.to_string();
    world.journal.append(Entry::CertificateRevoked { serial, by: "test".into(), why: "lost".into() }).unwrap();
    until_broken(&mut revoked).await;
    let error = world.connect(&keystore).await.unwrap_err();
    assert_eq!(error.kind, ConnectErrorKind::OurCertificate);
    assert!(error.to_string().contains("revoked"), "{error}");
    kept.message().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_removed_node_loses_its_stream_and_its_place_in_the_list() {
    let world = World::new().await;
    let keystore = world.node("develop-1", HOUR);
    let channel = world.connect(&keystore).await.unwrap();
    let mut removed = stream(&channel).await;
    assert_eq!(world.connections.count(), 1);
    world.journal.append(Entry::NodeRemoved { node: "develop-1".parse().unwrap(), by: "test".into() }).unwrap();
    until_broken(&mut removed).await;
    let gone = async {
        while world.connections.count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PROMISE, gone).await.expect("the connection is gone");
}

#[tokio::test]
async fn an_operator_issued_on_the_host_gets_in_while_the_coordinator_runs() {
    let world = World::new().await;
    world.operator("alice", Role::Admin);
    let keystore = fleet_certs::keystore::Keystore::new(&world.path("bob"));
    let lives = fleet_server::config::Lives::default();
    init::issue_operator(world.folder.path(), &lives, "bob", &keystore).unwrap();
    assert!(world.connect(&keystore).await.is_err(), "not before the coordinator has taken it in");

    let folder = inbox::folder(&init::journal_path(world.folder.path()));
    let watching = tokio::spawn(inbox::watch(world.journal.clone(), folder, world.stopping()));
    let mut changes = world.journal.subscribe();
    let known = changes.wait_for(|state| state.operators.contains_key(&"bob".parse().unwrap()));
    tokio::time::timeout(PROMISE, known).await.unwrap().unwrap();
    world.connect(&keystore).await.unwrap();
    world.stopping().cancel();
    watching.await.unwrap();
}
