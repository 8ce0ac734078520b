//! What a scripted coordinator says, and what it was asked.

use fleet_certs::authority::{Authority, CheckedRequest};
use fleet_certs::clock::TrustClock;
use fleet_proto::v1::operator_service_server::OperatorService;
use fleet_proto::v1::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_stream::Iter;
use tonic::{Request, Response, Status};

/// Answers by call; what is not set is an empty message.
#[derive(Default)]
pub(crate) struct Script {
    /// Set: every call but `RenewOperator` is refused with it.
    pub(crate) refusal: Option<Status>,
    /// One after another; the last one stays.
    pub(crate) status: Vec<StatusResponse>,
    pub(crate) nodes: NodesResponse,
    pub(crate) logs: Vec<LogsResponse>,
    pub(crate) events: Vec<Event>,
    pub(crate) act: ActResponse,
    pub(crate) plan: PlanResponse,
    pub(crate) promote: PromoteResponse,
    pub(crate) rollback: RollbackResponse,
    pub(crate) history: HistoryResponse,
    pub(crate) token: CreateTokenResponse,
    /// What it was asked, in order.
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) authority: Option<Arc<Authority>>,
}

impl Script {
    /// A coordinator that refuses everything.
    pub(crate) fn refusing(refusal: Status) -> Script {
        Script { refusal: Some(refusal), ..Script::default() }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn answer<Q: std::fmt::Debug, A>(&self, request: Request<Q>, answer: A) -> Result<Response<A>, Status> {
        self.asked.lock().unwrap().push(format!("{:?}", request.into_inner()));
        match &self.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(Response::new(answer)),
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Items<T> = Iter<std::vec::IntoIter<Result<T, Status>>>;

fn items<T: Clone>(all: &[T]) -> Items<T> {
    tokio_stream::iter(all.iter().cloned().map(Ok).collect::<Vec<_>>())
}

#[tonic::async_trait]
impl OperatorService for Script {
    type LogsStream = Items<LogsResponse>;
    type EventsStream = Items<Event>;

    async fn status(&self, request: Request<StatusRequest>) -> Answer<StatusResponse> {
        let so_far = self.asked().iter().filter(|asked| asked.starts_with("StatusRequest")).count();
        let answer = self.status.get(so_far).or(self.status.last()).cloned().unwrap_or_default();
        self.answer(request, answer)
    }
    async fn nodes(&self, request: Request<NodesRequest>) -> Answer<NodesResponse> {
        self.answer(request, self.nodes.clone())
    }
    async fn logs(&self, request: Request<LogsRequest>) -> Answer<Self::LogsStream> {
        self.answer(request, items(&self.logs))
    }
    async fn events(&self, request: Request<EventsRequest>) -> Answer<Self::EventsStream> {
        self.answer(request, items(&self.events))
    }
    async fn sync(&self, request: Request<SyncRequest>) -> Answer<SyncResponse> {
        self.answer(request, SyncResponse {})
    }
    async fn act(&self, request: Request<ActRequest>) -> Answer<ActResponse> {
        self.answer(request, self.act.clone())
    }
    async fn plan(&self, request: Request<PlanRequest>) -> Answer<PlanResponse> {
        self.answer(request, self.plan.clone())
    }
    async fn promote(&self, request: Request<PromoteRequest>) -> Answer<PromoteResponse> {
        self.answer(request, self.promote.clone())
    }
    async fn rollback(&self, request: Request<RollbackRequest>) -> Answer<RollbackResponse> {
        self.answer(request, self.rollback.clone())
    }
    async fn history(&self, request: Request<HistoryRequest>) -> Answer<HistoryResponse> {
        self.answer(request, self.history.clone())
    }
    async fn create_token(&self, request: Request<CreateTokenRequest>) -> Answer<CreateTokenResponse> {
        self.answer(request, self.token.clone())
    }
    async fn list_tokens(&self, request: Request<ListTokensRequest>) -> Answer<ListTokensResponse> {
        let tokens = self.token.view.clone().into_iter().collect();
        self.answer(request, ListTokensResponse { tokens })
    }
    async fn revoke_token(&self, request: Request<RevokeTokenRequest>) -> Answer<RevokeTokenResponse> {
        self.answer(request, RevokeTokenResponse {})
    }
    async fn remove_node(&self, request: Request<RemoveNodeRequest>) -> Answer<RemoveNodeResponse> {
        self.answer(request, RemoveNodeResponse {})
    }
    async fn label_node(&self, request: Request<LabelNodeRequest>) -> Answer<LabelNodeResponse> {
        self.answer(request, LabelNodeResponse {})
    }
    async fn renew_operator(&self, request: Request<RenewOperatorRequest>) -> Answer<RenewOperatorResponse> {
        let authority = self.authority.as_ref().expect("set at the start");
        let request = CheckedRequest::parse(&request.into_inner().csr_der).expect("the client makes a sound request");
        let (_, ann) = fleet_certs::identity::Identity::from_uri("spiffe://fleet.test/operator/ann").unwrap();
        let life = Duration::from_secs(30 * 86400);
        let issued = authority.sign(&request, &ann, life, TrustClock::system().now()).unwrap();
        self.asked.lock().unwrap().push("renewed".to_owned());
        let list =
            |list: &[_]| list.iter().map(|der: &rustls::pki_types::CertificateDer| der.to_vec().into()).collect();
        Ok(Response::new(RenewOperatorResponse { chain_der: list(&issued.chain), roots_der: list(authority.roots()) }))
    }
}
