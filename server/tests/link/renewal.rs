use crate::world::{NODE, World};
use fleet_certs::authority::CheckedRequest;
use fleet_certs::clock::system_time;
use fleet_certs::renewal::{LiveIdentity, renew_when_due};
use fleet_proto::v1::node_service_client::NodeServiceClient;
use fleet_server::listen::Limits;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const LIFE: Duration = Duration::from_secs(4);

/// How both ends have their leaves signed here: by the authority, for the same identity, for the same short life.
fn signer(
    world: &World,
    path: &str,
) -> impl Fn(Vec<u8>) -> std::future::Ready<Result<(Ders, Ders), Infallible>> + Send + use<> {
    let (authority, identity) = (Arc::clone(&world.authority), path.parse().unwrap());
    move |request| {
        let request = CheckedRequest::parse(&request).unwrap();
        let issued = authority.sign(&request, &identity, LIFE, system_time()).unwrap();
        std::future::ready(Ok((issued.chain, authority.roots().to_vec())))
    }
}

type Ders = Vec<rustls::pki_types::CertificateDer<'static>>;

/// Waits until an identity has been renewed twice.
async fn twice(mut changes: watch::Receiver<Arc<fleet_certs::keystore::Credentials>>) {
    for _ in 0..2 {
        changes.changed().await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_stays_open_over_two_renewals_on_both_sides() {
    let world = World::with(LIFE, Limits::main()).await;
    let keystore = world.node("develop-1", LIFE);
    let node = LiveIdentity::open(keystore.clone(), keystore.clock()).unwrap();
    let first = node.credentials().me().clone();
    let channel = world.connect(&keystore).await.unwrap();
    let mut stream = NodeServiceClient::new(channel).control(tokio_stream::pending()).await.unwrap().into_inner();

    let both = async { tokio::join!(twice(node.changes()), twice(world.identity.changes())) };
    let (node_signer, own_signer) = (signer(&world, NODE), signer(&world, "coordinator/main"));
    tokio::spawn(renew_when_due(Arc::clone(&node), node_signer, world.stopping()));
    tokio::spawn(renew_when_due(Arc::clone(&world.identity), own_signer, world.stopping()));
    let mut messages = 0;
    tokio::pin!(both);
    loop {
        tokio::select! {
            message = stream.message() => {
                message.expect("the stream does not break").expect("nor end");
                messages += 1;
            }
            _ = &mut both => break,
        }
    }
    assert!(messages > 10);
    while !first.expired(system_time()) {
        stream.message().await.unwrap().unwrap();
    }
    stream.message().await.unwrap().expect("it outlives the certificate it was opened with");
    world.connect(&keystore).await.expect("a new connection shows the new certificates");
}
