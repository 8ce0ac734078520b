//! Services that answer everything: what is refused here was refused by the layer in front of them.

use fleet_certs::peer::PeerIdentity;
use fleet_proto::v1;
use fleet_proto::v1::node_service_server::NodeService;
use fleet_proto::v1::operator_service_server::OperatorService;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

type Answers<T> = ReceiverStream<Result<T, Status>>;

fn nothing<T>() -> Result<Response<Answers<T>>, Status> {
    Ok(Response::new(ReceiverStream::new(mpsc::channel(1).1)))
}

fn who<T>(request: &Request<T>) -> String {
    request.extensions().get::<PeerIdentity>().map(|peer| peer.identity.to_string()).unwrap_or_default()
}

pub(crate) struct Nodes;

#[tonic::async_trait]
impl NodeService for Nodes {
    type ControlStream = Answers<v1::CoordinatorMessage>;
    type LogsStream = Answers<v1::LogAck>;
    type FetchManifestStream = Answers<v1::Chunk>;
    type FetchBundlesStream = Answers<v1::BundleChunk>;

    /// Greets with the caller's identity, then pings until the stream is gone.
    async fn control(
        &self,
        request: Request<Streaming<v1::NodeMessage>>,
    ) -> Result<Response<Self::ControlStream>, Status> {
        let name = who(&request);
        let (sender, answers) = mpsc::channel(1);
        tokio::spawn(async move {
            let _held_open = request.into_inner();
            let welcome = v1::Welcome { coordinator_version: name, ..Default::default() };
            let mut next = v1::coordinator_message::Message::Welcome(welcome);
            for nonce in 1.. {
                if sender.send(Ok(v1::CoordinatorMessage { message: Some(next) })).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                next = v1::coordinator_message::Message::Ping(v1::Ping { nonce });
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn logs(&self, _: Request<Streaming<v1::LogBatch>>) -> Result<Response<Self::LogsStream>, Status> {
        nothing()
    }

    async fn fetch_manifest(
        &self,
        _: Request<v1::FetchManifestRequest>,
    ) -> Result<Response<Self::FetchManifestStream>, Status> {
        nothing()
    }

    async fn fetch_bundles(
        &self,
        _: Request<v1::FetchBundlesRequest>,
    ) -> Result<Response<Self::FetchBundlesStream>, Status> {
        nothing()
    }

    async fn renew(&self, _: Request<v1::RenewRequest>) -> Result<Response<v1::RenewResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

pub(crate) struct Operators;

macro_rules! operator_service {
    ($($method:ident($request:ty) -> $response:ty;)*) => {
        #[tonic::async_trait]
        impl OperatorService for Operators {
            type LogsStream = Answers<v1::LogsResponse>;
            type EventsStream = Answers<v1::Event>;

            async fn logs(&self, _: Request<v1::LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
                nothing()
            }

            async fn events(&self, _: Request<v1::EventsRequest>) -> Result<Response<Self::EventsStream>, Status> {
                nothing()
            }

            $(async fn $method(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                Ok(Response::new(Default::default()))
            })*
        }
    };
}

operator_service! {
    status(v1::StatusRequest) -> v1::StatusResponse;
    nodes(v1::NodesRequest) -> v1::NodesResponse;
    sync(v1::SyncRequest) -> v1::SyncResponse;
    act(v1::ActRequest) -> v1::ActResponse;
    plan(v1::PlanRequest) -> v1::PlanResponse;
    promote(v1::PromoteRequest) -> v1::PromoteResponse;
    rollback(v1::RollbackRequest) -> v1::RollbackResponse;
    history(v1::HistoryRequest) -> v1::HistoryResponse;
    create_token(v1::CreateTokenRequest) -> v1::CreateTokenResponse;
    list_tokens(v1::ListTokensRequest) -> v1::ListTokensResponse;
    revoke_token(v1::RevokeTokenRequest) -> v1::RevokeTokenResponse;
    remove_node(v1::RemoveNodeRequest) -> v1::RemoveNodeResponse;
    label_node(v1::LabelNodeRequest) -> v1::LabelNodeResponse;
    renew_operator(v1::RenewOperatorRequest) -> v1::RenewOperatorResponse;
}
