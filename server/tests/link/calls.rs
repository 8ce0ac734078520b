use crate::world::{HOUR, NODE, World};
use fleet_certs::client::MESSAGE_LIMIT;
use fleet_proto::v1;
use fleet_proto::v1::coordinator_message::Message;
use fleet_proto::v1::enroll_service_client::EnrollServiceClient;
use fleet_proto::v1::node_service_client::NodeServiceClient;
use fleet_proto::v1::operator_service_client::OperatorServiceClient;
use fleet_server::journal::Role;
use tonic::transport::Channel;
use tonic::{Code, Status};

async fn renew(channel: Channel) -> Result<(), Status> {
    NodeServiceClient::new(channel).renew(v1::RenewRequest::default()).await.map(drop)
}

async fn status(channel: Channel) -> Result<(), Status> {
    OperatorServiceClient::new(channel).status(v1::StatusRequest::default()).await.map(drop)
}

fn assert_denied(result: Result<(), Status>, words: &[&str]) {
    let status = result.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    for word in words {
        assert!(status.message().contains(word), "{word}: {}", status.message());
    }
}

#[tokio::test]
async fn a_node_is_denied_the_operator_service() {
    let world = World::new().await;
    let channel = world.connect(&world.node("develop-1", HOUR)).await.unwrap();
    renew(channel.clone()).await.unwrap();
    assert_denied(status(channel).await, &[NODE, "Status", "viewer"]);
}

#[tokio::test]
async fn an_operator_is_denied_the_node_service_even_as_admin() {
    let world = World::new().await;
    let channel = world.connect(&world.operator("alice", Role::Admin)).await.unwrap();
    status(channel.clone()).await.unwrap();
    assert_denied(renew(channel).await, &["operator/alice", "Renew", "only nodes"]);
}

#[tokio::test]
async fn a_viewer_may_look_and_is_denied_what_is_for_admins() {
    let world = World::new().await;
    let channel = world.connect(&world.operator("vera", Role::Viewer)).await.unwrap();
    status(channel.clone()).await.unwrap();
    let mut client = OperatorServiceClient::new(channel);
    let created = client.create_token(v1::CreateTokenRequest::default()).await.map(drop);
    assert_denied(created, &["operator/vera", "the role viewer", "the role admin"]);
    assert_denied(client.act(v1::ActRequest::default()).await.map(drop), &["the role operator"]);
}

#[tokio::test]
async fn a_role_that_changes_counts_from_the_next_call_on() {
    let world = World::new().await;
    let keystore = world.operator("vera", Role::Viewer);
    let mut client = OperatorServiceClient::new(world.connect(&keystore).await.unwrap());
    client.act(v1::ActRequest::default()).await.unwrap_err();
    world.operator("vera", Role::Operator);
    client.act(v1::ActRequest::default()).await.unwrap();
}

#[tokio::test]
async fn joining_is_denied_on_the_main_port() {
    let world = World::new().await;
    let channel = world.connect(&world.operator("alice", Role::Admin)).await.unwrap();
    let joined = EnrollServiceClient::new(channel).join(v1::JoinRequest::default()).await.map(drop);
    assert_denied(joined, &["enrolment port"]);
}

#[tokio::test]
async fn an_unknown_path_is_denied_and_not_merely_unimplemented() {
    let world = World::new().await;
    let channel = world.connect(&world.operator("alice", Role::Admin)).await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/fleet.v1.OperatorService/Nothing");
    let codec = tonic_prost::ProstCodec::<v1::SyncRequest, v1::SyncResponse>::default();
    let request = tonic::Request::new(v1::SyncRequest::default());
    assert_denied(client.unary(request, path, codec).await.map(drop), &["no rule"]);
}

#[tokio::test]
async fn a_node_is_seen_as_who_its_certificate_says() {
    let world = World::new().await;
    for name in ["develop-1", "develop-2"] {
        let channel = world.connect(&world.node(name, HOUR)).await.unwrap();
        let mut stream = NodeServiceClient::new(channel).control(tokio_stream::pending()).await.unwrap().into_inner();
        let Some(Message::Welcome(welcome)) = stream.message().await.unwrap().unwrap().message else {
            panic!("the stub greets first")
        };
        assert_eq!(welcome.coordinator_version, format!("node/develop/{name}"));
    }
}

#[tokio::test]
async fn a_message_above_the_cap_is_refused() {
    let world = World::new().await;
    let channel = world.connect(&world.operator("alice", Role::Admin)).await.unwrap();
    let mut client = OperatorServiceClient::new(channel);
    let environment = "x".repeat(MESSAGE_LIMIT + 1);
    let refused = client.status(v1::StatusRequest { environment }).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    client.status(v1::StatusRequest::default()).await.unwrap();
}
