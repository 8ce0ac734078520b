//! The operator service: what people and programs ask of the coordinator.

use super::caller;
use super::not_found;
use crate::journal::{Entry, Journal, NodeRecord, Undecided};
use crate::logs::LogStore;
use crate::reconcile::{Act, EnvironmentPlan, Handle, Look};
use crate::source::SourceHandle;
use fleet_proto::v1;
use fleet_proto::v1::operator_service_server::OperatorService;
use fleet_units::ids::{EnvironmentName, NodeName};
use fleet_units::time::Timestamp;
use std::pin::Pin;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// Signs an operator's request for a new leaf.
pub type RenewOperator =
    dyn Fn(&fleet_certs::peer::PeerIdentity, &[u8]) -> Result<v1::RenewOperatorResponse, Status> + Send + Sync;

/// What the operator service works with.
pub struct OperatorApi {
    /// The fleet task.
    pub fleet: Handle,
    /// Looks at the branches.
    pub look: Look,
    /// The repository.
    pub source: SourceHandle,
    /// The environments, first to last.
    pub chain: Vec<EnvironmentName>,
    /// Tokens and audit.
    pub journal: Journal,
    /// Where logs are.
    pub logs: LogStore,
    /// How leaves are renewed.
    pub renew: Box<RenewOperator>,
    /// What a token pins: SHA-256 of the root certificate.
    pub pin: fleet_units::ids::Sha256Digest,
    /// The time of day.
    pub wall: fn() -> Timestamp,
    /// Ends every stream.
    pub shutdown: CancellationToken,
}

type Answer<T> = Result<Response<T>, Status>;
type Items<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl OperatorApi {
    fn who<T>(request: &Request<T>) -> Result<String, Status> {
        Ok(caller(request)?.identity.to_string())
    }

    /// Makes an entry durable before what it says is done.
    pub(super) fn record(&self, entry: Entry) -> Result<(), Status> {
        // Not UNAVAILABLE: the coordinator answers, and trying again at once helps nobody.
        let refused = |error| Status::resource_exhausted(format!("nothing was done: {}", crate::error_chain(&error)));
        self.journal.append(entry).map(drop).map_err(refused)
    }

    /// The journal's record of a node; NOT_FOUND, with what it may have meant, when there is none.
    fn member(&self, node: &str) -> Result<(NodeName, NodeRecord), Status> {
        let state = self.journal.state();
        let name: NodeName = name(node)?;
        match state.nodes.get(&name) {
            Some(record) => Ok((name, record.clone())),
            None => Err(not_found("node", node, state.nodes.keys().map(NodeName::as_str))),
        }
    }

    /// One line in the audit log: who did what to what. Refuses the action when it cannot be written.
    pub(super) fn audit(&self, who: &str, what: &str, on: &str) -> Result<(), Status> {
        self.record(Entry::Audit { who: who.to_owned(), what: what.to_owned(), detail: on.to_owned() })
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn name<T: std::str::FromStr<Err = fleet_units::ids::IdError>>(text: &str) -> Result<T, Status> {
    text.parse().map_err(|error: fleet_units::ids::IdError| Status::invalid_argument(error.to_string()))
}

pub(super) fn node_plans(plan: EnvironmentPlan) -> Vec<v1::NodePlan> {
    let node = |(node, plan): (NodeName, fleet_units::plan::Plan)| v1::NodePlan {
        node: node.to_string(),
        steps: plan.steps.into_iter().map(Into::into).collect(),
    };
    plan.nodes.into_iter().map(node).collect()
}

#[tonic::async_trait]
impl OperatorService for OperatorApi {
    type LogsStream = Items<v1::LogsResponse>;
    type EventsStream = Items<v1::Event>;

    async fn status(&self, request: Request<v1::StatusRequest>) -> Answer<v1::StatusResponse> {
        let view = self.fleet.view(some(request.into_inner().environment)).await?;
        Ok(Response::new(v1::StatusResponse { time_us: (self.wall)().0, ..view.into() }))
    }

    async fn nodes(&self, request: Request<v1::NodesRequest>) -> Answer<v1::NodesResponse> {
        let nodes = self.fleet.nodes(some(request.into_inner().environment)).await?;
        Ok(Response::new(v1::NodesResponse { nodes }))
    }

    async fn logs(&self, request: Request<v1::LogsRequest>) -> Answer<Self::LogsStream> {
        let request = request.into_inner();
        // An unknown environment is an error, not an empty answer.
        self.fleet.view(some(request.environment.clone())).await?;
        Ok(Response::new(Box::pin(self.logs.answer(request, self.shutdown.clone())?)))
    }

    async fn events(&self, request: Request<v1::EventsRequest>) -> Answer<Self::EventsStream> {
        let request = request.into_inner();
        self.fleet.view(some(request.environment.clone())).await?;
        let (kept, live) = self.fleet.events().await?;
        let wanted =
            move |event: &v1::Event| request.environment.is_empty() || event.environment == request.environment;
        let past = tokio_stream::iter(kept.into_iter().filter(wanted.clone()).map(Ok).collect::<Vec<_>>());
        if !request.follow {
            return Ok(Response::new(Box::pin(past)));
        }
        let live = BroadcastStream::new(live).filter_map(move |event| match event {
            Ok(event) => wanted(&event).then_some(Ok(event)),
            Err(lagged) => Some(Err(Status::data_loss(format!("{lagged}; follow again")))),
        });
        // The live half ends with the fleet task, which ends with the coordinator.
        Ok(Response::new(Box::pin(past.chain(live))))
    }

    async fn sync(&self, request: Request<v1::SyncRequest>) -> Answer<v1::SyncResponse> {
        self.fleet.view(some(request.into_inner().environment)).await?;
        self.look.now().await;
        Ok(Response::new(v1::SyncResponse {}))
    }

    async fn act(&self, request: Request<v1::ActRequest>) -> Answer<v1::ActResponse> {
        let who = Self::who(&request)?;
        let request = request.into_inner();
        let action = v1::UnitAction::try_from(request.action).unwrap_or_default();
        if action == v1::UnitAction::Unspecified {
            return Err(Status::invalid_argument("this coordinator does not know the action; upgrade it first"));
        }
        let node = some(request.node).map(|node| name::<NodeName>(&node)).transpose()?;
        let environment: EnvironmentName = name(&request.environment)?;
        let word = action.as_str_name().trim_start_matches("UNIT_ACTION_").to_ascii_lowercase();
        self.audit(&who, &word, &format!("{environment}/{}", request.unit))?;
        let act = Act {
            environment,
            node,
            unit: request.unit,
            action,
            who,
            why: request.why,
            hold_seconds: request.hold_seconds,
            no_block: request.no_block,
        };
        Ok(Response::new(v1::ActResponse { results: self.fleet.act(act).await? }))
    }

    async fn plan(&self, request: Request<v1::PlanRequest>) -> Answer<v1::PlanResponse> {
        self.plan_of(request.into_inner()).await.map(Response::new)
    }

    async fn promote(&self, request: Request<v1::PromoteRequest>) -> Answer<v1::PromoteResponse> {
        let who = Self::who(&request)?;
        self.promotion(who, request.into_inner()).await.map(Response::new)
    }

    async fn rollback(&self, request: Request<v1::RollbackRequest>) -> Answer<v1::RollbackResponse> {
        let who = Self::who(&request)?;
        self.rolling_back(who, request.into_inner()).await.map(Response::new)
    }

    async fn history(&self, request: Request<v1::HistoryRequest>) -> Answer<v1::HistoryResponse> {
        self.history_of(request.into_inner()).await.map(Response::new)
    }

    async fn create_token(&self, request: Request<v1::CreateTokenRequest>) -> Answer<v1::CreateTokenResponse> {
        let who = Self::who(&request)?;
        let request = request.into_inner();
        // The environment must exist: a token for a misspelt one would fail only later, on the new host.
        self.fleet.view(Some(request.environment.clone())).await?;
        self.new_token(who, request).map(Response::new)
    }

    async fn list_tokens(&self, _: Request<v1::ListTokensRequest>) -> Answer<v1::ListTokensResponse> {
        Ok(Response::new(v1::ListTokensResponse { tokens: self.tokens() }))
    }

    async fn revoke_token(&self, request: Request<v1::RevokeTokenRequest>) -> Answer<v1::RevokeTokenResponse> {
        let who = Self::who(&request)?;
        self.take_back_token(who, request.into_inner().id)?;
        Ok(Response::new(v1::RevokeTokenResponse {}))
    }

    async fn remove_node(&self, request: Request<v1::RemoveNodeRequest>) -> Answer<v1::RemoveNodeResponse> {
        let who = Self::who(&request)?;
        let (node, _) = self.member(&request.into_inner().node)?;
        self.record(Entry::NodeRemoved { node, by: who })?;
        Ok(Response::new(v1::RemoveNodeResponse {}))
    }

    async fn label_node(&self, request: Request<v1::LabelNodeRequest>) -> Answer<v1::LabelNodeResponse> {
        let who = Self::who(&request)?;
        let request = request.into_inner();
        let (node, _) = self.member(&request.node)?;
        // By the latest labels, with nobody in between.
        let decided = self.journal.decide(|state, _| {
            let record = state.nodes.get(&node).ok_or_else(|| Status::not_found(format!("{node} was removed")))?;
            let mut labels = record.labels.clone();
            labels.extend(request.set.clone());
            labels.retain(|label, _| !request.remove.contains(label));
            Ok::<_, Status>(Entry::NodeLabelled { node: node.clone(), labels, by: who.clone() })
        });
        match decided {
            Ok(_) => {}
            Err(Undecided::Refused(status)) => return Err(status),
            Err(Undecided::Journal(error)) => {
                return Err(Status::unavailable(format!("nothing was done: {}", crate::error_chain(&error))));
            }
        }
        Ok(Response::new(v1::LabelNodeResponse {}))
    }

    async fn renew_operator(&self, request: Request<v1::RenewOperatorRequest>) -> Answer<v1::RenewOperatorResponse> {
        let peer = caller(&request)?;
        (self.renew)(&peer, &request.into_inner().csr_der).map(Response::new)
    }
}
