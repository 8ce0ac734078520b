//! The git verbs: plan, promote, rollback, history. Each proposes first; the proposal's plan has an id that can be
//! enforced; only then a commit is made.

use super::no_environment;
use super::operator::{OperatorApi, node_plans};
use crate::reconcile::EnvironmentPlan;
use crate::source::{Accepted, Act, Proposed, Refusal, Source, SourceError};
use fleet_proto::v1;
use fleet_units::ids::{EnvironmentName, Revision};
use tonic::{Code, Status};

/// How often a commit is tried again when the branch moved meanwhile.
const RETRIES: usize = 3;
/// How many digits of a plan's id have to be given, so that no other plan is meant by chance.
const EXPECTED: usize = 7;
/// History entries when nobody says how many.
const HISTORY: usize = 20;

/// What would change, and the id that stands for it.
struct Plan {
    id: String,
    nodes: EnvironmentPlan,
}

impl OperatorApi {
    pub(super) async fn plan_of(&self, request: v1::PlanRequest) -> Result<v1::PlanResponse, Status> {
        self.look.now().await;
        let environment = self.known(&request.environment)?;
        if request.revision.is_empty() && !(request.from.is_empty() && self.is_first(&environment)) {
            let from = (!request.from.is_empty()).then(|| self.known(&request.from)).transpose()?;
            let to = environment.clone();
            let proposed = self.git(move |source| source.propose_promotion(from.as_ref(), &to, None)).await?;
            let proposed = match proposed {
                Err(refusal) if refusal.nothing_to_do() => return self.no_change(&environment).await,
                proposed => proposed.map_err(refused)?,
            };
            let plan = self.plan(&proposed).await?;
            let diagnostics = proposed.diagnostics.into_iter().chain(plan.nodes.diagnostics.iter().cloned());
            return Ok(v1::PlanResponse {
                plan_id: plan.id,
                environment: environment.to_string(),
                from: text(proposed.accepted.as_ref()),
                to: proposed.source.to_string(),
                diagnostics: diagnostics.map(Into::into).collect(),
                nodes: node_plans(plan.nodes),
            });
        }
        self.plan_revision(environment, request.revision).await
    }

    /// What running any revision of the repository would change; without one, the head of the branch.
    async fn plan_revision(&self, environment: EnvironmentName, wanted: String) -> Result<v1::PlanResponse, Status> {
        let name = environment.clone();
        let compiled = self
            .git(move |source| -> Result<_, SourceError> {
                let revision = if wanted.is_empty() { source.branch_head(&name)? } else { source.find(&wanted)? };
                let Some(revision) = revision else { return Ok(None) };
                let (fleet, diagnostics) = source.compile_at(&name, &revision)?;
                let tree = source.tree(&revision)?;
                Ok(Some((revision, tree, fleet, diagnostics)))
            })
            .await?
            .map_err(unreadable)?;
        let Some((revision, tree, fleet, diagnostics)) = compiled else {
            return Err(Status::not_found("there is no such revision in the repository"));
        };
        let current = self.fleet.head(environment.clone()).await?;
        let nodes = self.fleet.plan(environment.clone(), fleet).await?;
        let id = nodes.id(environment.as_str(), &text(current.as_ref()), &tree).to_string();
        Ok(v1::PlanResponse {
            plan_id: id,
            environment: environment.to_string(),
            from: text(current.as_ref()),
            to: revision.to_string(),
            diagnostics: diagnostics.into_iter().chain(nodes.diagnostics.iter().cloned()).map(Into::into).collect(),
            nodes: node_plans(nodes),
        })
    }

    async fn no_change(&self, environment: &EnvironmentName) -> Result<v1::PlanResponse, Status> {
        let current = text(self.fleet.head(environment.clone()).await?.as_ref());
        Ok(v1::PlanResponse {
            environment: environment.to_string(),
            from: current.clone(),
            to: current,
            ..Default::default()
        })
    }

    pub(super) async fn promotion(
        &self,
        who: String,
        request: v1::PromoteRequest,
    ) -> Result<v1::PromoteResponse, Status> {
        let to = self.known(&request.to)?;
        let from = (!request.from.is_empty()).then(|| self.known(&request.from)).transpose()?;
        let (target, wanted) = (to.clone(), request.revision.clone());
        let propose = move |source: &mut Source| -> Result<Proposed, Refusal> {
            let origin = from.clone().or_else(|| source.chain().predecessor(&target).map(|found| found.name.clone()));
            let revision = match (wanted.as_str(), origin) {
                ("", _) | (_, None) => None,
                (wanted, Some(origin)) => Some(source.resolve(&origin, wanted)?),
            };
            source.propose_promotion(from.as_ref(), &target, revision.as_ref())
        };
        match self.carry_out(&who, "promote", &to, propose, request.dry_run, &request.expect).await? {
            Outcome::Nothing(message) => Ok(v1::PromoteResponse {
                environment: to.to_string(),
                message,
                nothing_to_do: true,
                ..Default::default()
            }),
            Outcome::Would(proposed, plan) => Ok(promoted(&proposed, None, plan)),
            Outcome::Done(proposed, plan, accepted) => Ok(promoted(&proposed, Some(&accepted.revision), plan)),
        }
    }

    pub(super) async fn rolling_back(
        &self,
        who: String,
        request: v1::RollbackRequest,
    ) -> Result<v1::RollbackResponse, Status> {
        let environment = self.known(&request.environment)?;
        let (name, asked) = (environment.clone(), request.clone());
        let propose = move |source: &mut Source| -> Result<Proposed, Refusal> {
            let to = match asked.revision.as_str() {
                "" => None,
                wanted => Some(source.resolve(&name, wanted)?),
            };
            let again = (!asked.again.is_empty()).then_some(asked.again.as_str());
            source.propose_rollback(&name, to.as_ref(), &asked.reason, again)
        };
        let done = self.carry_out(&who, "rollback", &environment, propose, request.dry_run, &request.expect).await?;
        Ok(match done {
            Outcome::Nothing(message) => v1::RollbackResponse {
                environment: environment.to_string(),
                message,
                nothing_to_do: true,
                ..Default::default()
            },
            Outcome::Would(proposed, plan) => rolled_back(&proposed, None, plan),
            Outcome::Done(proposed, plan, accepted) => rolled_back(&proposed, Some(&accepted.revision), plan),
        })
    }

    /// Proposes, plans, and unless it is a dry run commits; again when the branch moved meanwhile and no certain plan
    /// was asked for.
    async fn carry_out(
        &self,
        who: &str,
        what: &str,
        environment: &EnvironmentName,
        propose: impl Fn(&mut Source) -> Result<Proposed, Refusal> + Clone + Send + 'static,
        dry_run: bool,
        expect: &str,
    ) -> Result<Outcome, Status> {
        if !expect.is_empty() && expect.len() < EXPECTED {
            return Err(Status::invalid_argument(format!(
                "a plan id has at least {EXPECTED} digits: {expect:?} is short"
            )));
        }
        for attempt in 1.. {
            // A push that returned before the command began is seen.
            self.look.now().await;
            let proposed = match self.git(propose.clone()).await? {
                Err(refusal) if refusal.nothing_to_do() => return Ok(Outcome::Nothing(refusal.to_string())),
                proposed => proposed.map_err(refused)?,
            };
            let plan = self.plan(&proposed).await?;
            if !expect.is_empty() && !plan.id.starts_with(expect) {
                let head = proposed.accepted.as_ref().map_or("nothing", Revision::short);
                return Err(Status::failed_precondition(format!(
                    "plan {} no longer holds: {environment} is at {head}\nhint: fleet plan {environment}",
                    short(expect)
                )));
            }
            if dry_run {
                return Ok(Outcome::Would(Box::new(proposed), plan));
            }
            self.audit(who, what, &format!("{environment} to {}", proposed.source))?;
            let commit = Act { actor: actor(who), plan_id: Some(plan.id.clone()), now: (self.wall)() };
            let attempted = proposed.clone();
            match self.git(move |source| source.commit(&attempted, &commit)).await? {
                Ok(accepted) => {
                    // If this call is given up here, the next look finds it.
                    self.look.now().await;
                    return Ok(Outcome::Done(Box::new(proposed), plan, Box::new(accepted)));
                }
                Err(Refusal::Raced(_)) if attempt < RETRIES && expect.is_empty() => {}
                Err(refusal) => return Err(refused(refusal)),
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn plan(&self, proposed: &Proposed) -> Result<Plan, Status> {
        let nodes = self.fleet.plan(proposed.environment.clone(), proposed.fleet.clone()).await?;
        let current = text(proposed.accepted.as_ref());
        let id = nodes.id(proposed.environment.as_str(), &current, &proposed.tree).to_string();
        Ok(Plan { id, nodes })
    }

    pub(super) async fn history_of(&self, request: v1::HistoryRequest) -> Result<v1::HistoryResponse, Status> {
        self.look.now().await;
        let environment = self.known(&request.environment)?;
        let limit = if request.limit == 0 { HISTORY } else { request.limit as usize };
        let entries = self.git(move |source| source.history(&environment, limit)).await?.map_err(unreadable)?;
        let entry = |entry: crate::source::HistoryEntry| v1::HistoryEntry {
            revision: entry.record.head.to_string(),
            kind: entry.record.kind.as_str().to_owned(),
            source_revision: text(entry.record.source.as_ref()),
            actor: entry.record.actor,
            reason: entry.record.reason,
            time_us: entry.record.time.0,
            subject: entry.subject,
            converged: entry.converged,
            bad: entry.bad,
        };
        Ok(v1::HistoryResponse { entries: entries.into_iter().map(entry).collect() })
    }

    async fn git<R: Send + 'static>(&self, work: impl FnOnce(&mut Source) -> R + Send + 'static) -> Result<R, Status> {
        self.source.run(work).await.map_err(unreadable)
    }

    fn known(&self, wanted: &str) -> Result<EnvironmentName, Status> {
        let found = self.chain.iter().find(|name| name.as_str() == wanted).cloned();
        found.ok_or_else(|| no_environment(wanted, &self.chain))
    }

    fn is_first(&self, environment: &EnvironmentName) -> bool {
        self.chain.first() == Some(environment)
    }
}

/// What came of a proposal.
enum Outcome {
    /// It is so already.
    Nothing(String),
    /// What would be, of a dry run.
    Would(Box<Proposed>, Plan),
    /// What is.
    Done(Box<Proposed>, Plan, Box<Accepted>),
}

fn promoted(proposed: &Proposed, revision: Option<&Revision>, plan: Plan) -> v1::PromoteResponse {
    v1::PromoteResponse {
        environment: proposed.environment.to_string(),
        revision: text(revision),
        source_revision: proposed.source.to_string(),
        common_tree: proposed.common_tree.clone(),
        plan_id: plan.id,
        message: revision.map(|revision| proposed.done(revision)).unwrap_or_default(),
        nothing_to_do: false,
        nodes: node_plans(plan.nodes),
    }
}

fn rolled_back(proposed: &Proposed, revision: Option<&Revision>, plan: Plan) -> v1::RollbackResponse {
    v1::RollbackResponse {
        environment: proposed.environment.to_string(),
        revision: text(revision),
        target_revision: proposed.source.to_string(),
        plan_id: plan.id,
        message: revision.map(|revision| proposed.done(revision)).unwrap_or_default(),
        nothing_to_do: false,
        nodes: node_plans(plan.nodes),
    }
}

/// The operator's name: the author of the commit.
fn actor(who: &str) -> String {
    who.rsplit('/').next().unwrap_or(who).to_owned()
}

fn short(id: &str) -> &str {
    id.get(..7).unwrap_or(id)
}

fn text(revision: Option<&Revision>) -> String {
    revision.map(String::from).unwrap_or_default()
}

/// A refusal as the command line shows it: what stands against it, then each finding and the way on as hints.
fn refused(refusal: Refusal) -> Status {
    let mut message = crate::error_chain(&refusal);
    for diagnostic in refusal.diagnostics().iter().filter(|found| found.is_error()) {
        message.push_str(&format!("\nhint: {}", diagnostic.to_string().replace('\n', " ")));
    }
    if !refusal.next_step().is_empty() {
        message.push_str(&format!("\nhint: {}", refusal.next_step()));
    }
    let code = match refusal.exit() {
        4 => Code::FailedPrecondition,
        2 => Code::InvalidArgument,
        _ => Code::Aborted,
    };
    Status::new(code, message)
}

fn unreadable(error: SourceError) -> Status {
    match error {
        SourceError::UnknownEnvironment(_) => Status::invalid_argument(error.to_string()),
        error => Status::internal(crate::error_chain(&error)),
    }
}
