//! Who may call what: one table, deny by default, as a layer over the whole main listener.
//!
//! The caller's identity comes from the certificate alone, an operator's role from the journal, the rule from [`TABLE`].
//! Handlers find the caller in the request's extensions as [`PeerIdentity`] and [`Caller`]; node messages have no field
//! for a node's name, so a node cannot speak for another.

#[cfg(test)]
mod tests;

use crate::http::Metrics;
use crate::journal::{Journal, JournalState, Role};
use crate::listen::Connection;
use fleet_certs::identity::Identity;
use fleet_certs::peer::PeerIdentity;
use fleet_units::ids::{EnvironmentName, NodeName, OperatorName};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

/// Who a rule lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nodes, each for itself.
    Node,
    /// Operators of this role, or of one that includes it.
    Operator(Role),
    /// Whoever has a certificate that counts.
    Anyone,
    /// Nobody on this listener: the RPC is served elsewhere.
    NotHere,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// Who may.
    pub access: Access,
    /// How long the handler may take to answer; `None`: as long as it wants. Streams are bounded only until they begin.
    pub within: Option<Duration>,
}

/// For calls that answer from memory.
const SOON: Option<Duration> = Some(Duration::from_secs(10));
/// For calls that wait for git or for processes.
const LONG: Option<Duration> = None;

const fn rule(path: &'static str, access: Access, within: Option<Duration>) -> Rule {
    Rule { path, access, within }
}

const VIEWER: Access = Access::Operator(Role::Viewer);
const OPERATOR: Access = Access::Operator(Role::Operator);
const ADMIN: Access = Access::Operator(Role::Admin);

/// Every RPC there is. What has no row is denied.
pub const TABLE: &[Rule] = &[
    rule("/fleet.v1.NodeService/Control", Access::Node, SOON),
    rule("/fleet.v1.NodeService/Logs", Access::Node, SOON),
    rule("/fleet.v1.NodeService/FetchManifest", Access::Node, SOON),
    rule("/fleet.v1.NodeService/FetchBundles", Access::Node, SOON),
    rule("/fleet.v1.NodeService/Renew", Access::Node, SOON),
    rule("/fleet.v1.OperatorService/Status", VIEWER, SOON),
    rule("/fleet.v1.OperatorService/Nodes", VIEWER, SOON),
    rule("/fleet.v1.OperatorService/Logs", VIEWER, LONG),
    rule("/fleet.v1.OperatorService/Events", VIEWER, SOON),
    rule("/fleet.v1.OperatorService/History", VIEWER, SOON),
    rule("/fleet.v1.OperatorService/Plan", VIEWER, LONG),
    rule("/fleet.v1.OperatorService/Sync", OPERATOR, LONG),
    rule("/fleet.v1.OperatorService/Act", OPERATOR, LONG),
    rule("/fleet.v1.OperatorService/Promote", OPERATOR, LONG),
    rule("/fleet.v1.OperatorService/Rollback", OPERATOR, LONG),
    rule("/fleet.v1.OperatorService/CreateToken", ADMIN, SOON),
    rule("/fleet.v1.OperatorService/ListTokens", ADMIN, SOON),
    rule("/fleet.v1.OperatorService/RevokeToken", ADMIN, SOON),
    rule("/fleet.v1.OperatorService/RemoveNode", ADMIN, SOON),
    rule("/fleet.v1.OperatorService/LabelNode", ADMIN, SOON),
    rule("/fleet.v1.OperatorService/RenewOperator", VIEWER, SOON),
    rule("/fleet.v1.EnrollService/Join", Access::NotHere, SOON),
    rule("/grpc.health.v1.Health/Check", Access::Anyone, SOON),
    rule("/grpc.health.v1.Health/Watch", Access::Anyone, SOON),
    rule("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", VIEWER, SOON),
];

/// Who calls, with what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A node, for itself.
    Node {
        /// Its environment.
        environment: EnvironmentName,
        /// Its name.
        name: NodeName,
    },
    /// An operator.
    Operator {
        /// Their name.
        name: OperatorName,
        /// Their role now.
        role: Role,
    },
    /// A coordinator of this fleet.
    Coordinator,
}

/// Decides one call. Pure. The error is what the caller is told.
pub fn decide(
    path: &str,
    peer: Option<&PeerIdentity>,
    state: &JournalState,
) -> Result<(Caller, &'static Rule), Box<Status>> {
    let denied = |why: String| Box::new(Status::permission_denied(why));
    let peer = peer.ok_or_else(|| Box::new(Status::unauthenticated("this needs a certificate of the fleet")))?;
    let Some(rule) = TABLE.iter().find(|rule| rule.path == path) else {
        return Err(denied(format!("no rule lets anyone call {path:?} here")));
    };
    if let Some(reason) = state.refuse(peer) {
        return Err(denied(reason));
    }
    let caller = caller(peer, state).ok_or_else(|| denied(format!("{} has no role in this fleet", peer.identity)))?;
    let allowed = match (rule.access, &caller) {
        (Access::Anyone, _) | (Access::Node, Caller::Node { .. }) => true,
        (Access::Operator(wanted), Caller::Operator { role, .. }) => role.includes(wanted),
        (Access::Node | Access::Operator(_) | Access::NotHere, _) => false,
    };
    if allowed { Ok((caller, rule)) } else { Err(denied(explain(rule, peer, state))) }
}

fn caller(peer: &PeerIdentity, state: &JournalState) -> Option<Caller> {
    Some(match &peer.identity {
        Identity::Node { environment, name } => Caller::Node { environment: environment.clone(), name: name.clone() },
        Identity::Operator { name } => Caller::Operator { name: name.clone(), role: state.operators.get(name)?.role },
        Identity::Coordinator { .. } => Caller::Coordinator,
    })
}

fn explain(rule: &Rule, peer: &PeerIdentity, state: &JournalState) -> String {
    let method = rule.path.rsplit('/').next().unwrap_or_default();
    let who = match caller(peer, state) {
        Some(Caller::Operator { role, .. }) => format!("{} with the role {role}", peer.identity),
        _ => peer.identity.to_string(),
    };
    let wanted = match rule.access {
        Access::Node => "only nodes may".to_owned(),
        Access::Operator(role) => format!("it needs an operator with the role {role}"),
        Access::Anyone => "anyone may".to_owned(),
        Access::NotHere => "it is served on the enrolment port".to_owned(),
    };
    format!("{who} may not call {method}: {wanted}")
}

/// The code an answer begins with; a stream that fails later has begun well.
fn answered_code(answer: &http::Response<Body>) -> &'static str {
    let status = answer.headers().get("grpc-status").map(|status| Code::from_bytes(status.as_bytes()));
    code_name(status.unwrap_or(Code::Ok))
}

/// The code's name in kebab case.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid-argument",
        Code::DeadlineExceeded => "deadline-exceeded",
        Code::NotFound => "not-found",
        Code::AlreadyExists => "already-exists",
        Code::PermissionDenied => "permission-denied",
        Code::ResourceExhausted => "resource-exhausted",
        Code::FailedPrecondition => "failed-precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out-of-range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data-loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// Puts the table in front of everything a listener serves.
#[derive(Clone, Debug)]
pub struct AuthLayer {
    journal: Journal,
    metrics: Arc<Metrics>,
}

impl AuthLayer {
    /// Roles and revocations come from `journal`, as they are when a call arrives.
    #[must_use]
    pub fn new(journal: Journal) -> AuthLayer {
        AuthLayer { journal, metrics: Arc::default() }
    }

    /// The same layer, counting its answers in `metrics`.
    #[must_use]
    pub fn counting(self, metrics: Arc<Metrics>) -> AuthLayer {
        AuthLayer { metrics, ..self }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth { inner, journal: self.journal.clone(), metrics: Arc::clone(&self.metrics) }
    }
}

/// A service behind the table.
#[derive(Clone, Debug)]
pub struct Auth<S> {
    inner: S,
    journal: Journal,
    metrics: Arc<Metrics>,
}

type Answer<E> = Pin<Box<dyn Future<Output = Result<http::Response<Body>, E>> + Send>>;

impl<S> Service<http::Request<Body>> for Auth<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Answer<S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let state: Arc<JournalState> = self.journal.state();
        let peer = request.extensions().get::<Connection>().and_then(|connection| connection.peer.clone());
        let (caller, rule) = match decide(request.uri().path(), peer.as_ref(), &state) {
            Ok(decided) => decided,
            Err(status) => {
                let peer = peer.map(|peer| peer.identity.to_string());
                tracing::warn!(peer, path = request.uri().path(), reason = status.message(), "denied a call");
                // Not by the path that was asked for: whoever asks could fill the memory with labels.
                self.metrics.answered("denied", code_name(status.code()));
                return Box::pin(async move { Ok(status.into_http()) });
            }
        };
        request.extensions_mut().insert(caller);
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let answer = self.inner.call(request);
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let answer = match rule.within {
                None => answer.await,
                Some(limit) => {
                    let late =
                        || Ok(Status::deadline_exceeded(format!("no answer within {} s", limit.as_secs())).into_http());
                    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| late())
                }
            };
            if let Ok(answer) = &answer {
                metrics.answered(rule.path.trim_start_matches('/'), answered_code(answer));
            }
            answer
        })
    }
}
