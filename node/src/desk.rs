//! The agent's desk: what comes in from the coordinator or from people on this host is taken in here, stored, and handed
//! to the engine.
//!
//! ```text
//! link  --Stored, Command-->  Desk  --Desired, Act-->  engine
//! local --Asked----------->    |
//!                              `--> STATE/assignment.pb, bundles/
//! ```

use crate::host_units::HostUnits;
use crate::link::{LinkState, Whoami};
use crate::reconcile;
use crate::report::Statuses;
use crate::stored::{Folder, SYNCS, Stored};
use crate::supervise::{Act, ActResult, ApplyError, Handle, UnitAct};
use crate::trace;
use fleet_proto::{NODE_PROTOCOL, v1};
use fleet_units::diagnostic::{Reason, did_you_mean};
use fleet_units::ids::UnitName;
use fleet_units::spec;
use fleet_units::status::Hold;
use fleet_units::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tonic::Status;

/// Code of the reason why an assignment was refused that this node could not store.
pub const NOT_STORED: &str = "not-stored";
/// How long a stop on this host holds when nobody says otherwise.
const DEFAULT_HOLD: Duration = Duration::from_secs(3600);
/// Version of the directive table of this agent, told in its hello.
const DIRECTIVE_TABLE: u32 = 1;

/// What a person on this host asks.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The unit.
    pub unit: UnitName,
    /// What to do.
    pub action: v1::UnitAction,
    /// Who asks.
    pub who: String,
    /// Why; may be empty.
    pub why: String,
    /// How long a stop holds; `None`: one hour.
    pub hold: Option<Duration>,
    /// Do not wait for the job.
    pub no_block: bool,
}

/// What the desk is set up with.
pub struct Setup {
    /// Who this node is.
    pub whoami: Whoami,
    /// Where the assignment is stored.
    pub folder: Folder,
    /// Where the units' logs are.
    pub spool: PathBuf,
    /// What runs the units.
    pub engine: Handle,
    /// What units are read for on this host.
    pub context: spec::Context,
    /// The node's own facts.
    pub facts: BTreeMap<String, String>,
    /// Tells what the host runs by itself.
    pub host_units: HostUnits,
    /// The host's boot.
    pub boot_id: String,
    /// How the link stands.
    pub link: watch::Receiver<LinkState>,
    /// Takes new roots to trust.
    pub trust: Box<dyn Fn(v1::TrustUpdate) + Send + Sync>,
    /// When this agent started.
    pub started: Timestamp,
    /// The supervisor's process.
    pub supervisor_pid: u32,
    /// Where the coordinator is.
    pub endpoints: Vec<String>,
    /// The time of day.
    pub wall: fn() -> Timestamp,
}

/// Cheap to clone; all clones are one desk.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    setup: Setup,
    nonce: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stored: Option<Stored>,
    /// Why the last offer was refused.
    refused: Option<Reason>,
    /// Assigned units that this version does not understand.
    refusals: BTreeMap<UnitName, Reason>,
}

impl Desk {
    /// A desk with nothing taken in yet.
    #[must_use]
    pub fn new(setup: Setup) -> Desk {
        let nonce = format!("{:016x}", getrandom::u64().unwrap_or(setup.started.0));
        Desk(Arc::new(Inner { setup, nonce, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who this node is.
    #[must_use]
    pub fn whoami(&self) -> &Whoami {
        &self.0.setup.whoami
    }

    /// Where the units' logs are.
    #[must_use]
    pub fn spool(&self) -> &Path {
        &self.0.setup.spool
    }

    /// What the host runs by itself now.
    #[must_use]
    pub fn host_units(&self) -> BTreeSet<UnitName> {
        self.0.setup.host_units.running()
    }

    /// All units, as they change.
    #[must_use]
    pub fn statuses(&self) -> watch::Receiver<Arc<Statuses>> {
        self.0.setup.engine.statuses()
    }

    /// What this node acts on.
    #[must_use]
    pub fn held(&self) -> Option<Stored> {
        self.state().stored.clone()
    }

    /// The first message of a connection.
    #[must_use]
    pub fn hello(&self) -> v1::Hello {
        let setup = &self.0.setup;
        let mut hello = v1::Hello {
            protocol: NODE_PROTOCOL,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            directive_table: DIRECTIVE_TABLE,
            boot_id: setup.boot_id.clone(),
            instance_nonce: self.0.nonce.clone(),
            facts: setup.facts.clone().into_iter().collect(),
            ..Default::default()
        };
        if let Some(held) = self.held() {
            // Without it the coordinator sends all of it again, and with it the bundles the disk has lost.
            if held.is_complete() {
                hello.manifest_digest = held.assignment.manifest_digest().as_bytes().to_vec().into();
            }
            hello.generation = held.assignment.generation.0;
            hello.epoch = held.assignment.epoch.0;
            hello.revision = held.assignment.revision.to_string();
        }
        hello
    }

    /// The coordinator answered.
    pub fn welcomed(&self, welcome: &v1::Welcome) {
        tracing::debug!(version = welcome.coordinator_version, epoch = welcome.epoch, "welcomed");
    }

    /// There are new roots to trust.
    pub fn trust(&self, update: v1::TrustUpdate) {
        (self.0.setup.trust)(update);
    }

    /// Acts on the assignment an earlier agent stored: before the coordinator is reachable.
    pub async fn boot(&self, stored: Stored) {
        if let Err(reason) = self.act_on(stored).await {
            tracing::error!(reason = reason.code, "the stored assignment is not acted on: {reason}");
        }
    }

    /// Stores the offer durably, then acts on it.
    ///
    /// # Errors
    /// Why the old assignment stays.
    pub async fn take(&self, next: Stored) -> Result<(), Reason> {
        let (folder, saved) = (self.0.setup.folder.clone(), next.clone());
        let syncs = SYNCS.load(Ordering::Relaxed);
        let writing = tokio::task::spawn_blocking(move || folder.save(&saved));
        let written = writing.await.expect("saving does not panic");
        trace::stage("stored", None, SYNCS.load(Ordering::Relaxed) - syncs);
        written.map_err(|error| Reason::new(NOT_STORED, crate::error_chain(&error)))?;
        self.act_on(next).await?;
        let folder = self.0.setup.folder.clone();
        folder.keep(self.statuses().borrow().values().filter_map(|status| status.digest).collect());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = folder.settle() {
                tracing::warn!(error = %crate::error_chain(&error), "new bundles stay in the assignment's file");
            }
        });
        Ok(())
    }

    async fn act_on(&self, next: Stored) -> Result<(), Reason> {
        let desired = reconcile::desired(&next, &self.0.setup.context);
        for (unit, reason) in &desired.refused {
            tracing::warn!(%unit, reason = reason.code, "not run here: {reason}");
        }
        let refusals = desired.refused.clone();
        self.0.setup.engine.apply(desired).await.map_err(|error| {
            let code = if error == ApplyError::Stopping { "stopping" } else { "engine-gone" };
            Reason::new(code, error.to_string())
        })?;
        let mut state = self.state();
        (state.refusals, state.stored) = (refusals, Some(next));
        Ok(())
    }

    /// What this node acts on now, and why it refused what it was offered.
    #[must_use]
    pub fn applied(&self, refused: Option<Reason>) -> v1::Applied {
        let mut state = self.state();
        state.refused.clone_from(&refused);
        let held = state.stored.as_ref().map(|stored| stored.assignment.clone());
        let refusal = |(unit, reason): (&UnitName, &Reason)| v1::UnitRefusal {
            unit: unit.to_string(),
            reason: Some(reason.clone().into()),
        };
        v1::Applied {
            epoch: held.as_ref().map_or(0, |held| held.epoch.0),
            generation: held.as_ref().map_or(0, |held| held.generation.0),
            revision: held.map(|held| held.revision.to_string()).unwrap_or_default(),
            refused: refused.map(Into::into),
            refusals: state.refusals.iter().map(refusal).collect(),
        }
    }

    /// Does what the coordinator was asked by an operator. `None`: it told a hold, which has no answer.
    pub async fn command(&self, command: v1::Command) -> Option<v1::ActionResult> {
        let Ok(unit) = command.unit.parse::<UnitName>() else {
            return Some(self.failure(&command.unit, "this is no unit name"));
        };
        let action = v1::UnitAction::try_from(command.action).unwrap_or_default();
        if action == v1::UnitAction::Unspecified {
            if let Some(hold) = command.hold {
                self.hold_of_the_coordinator(unit, hold.into()).await;
                return None;
            }
            return Some(self.failure(&command.unit, "this agent does not know the action; upgrade it"));
        }
        let until = (command.hold_until_us > 0).then_some(Timestamp(command.hold_until_us));
        let asked = self.asked(action, until);
        Some(
            self.carry_out(Act { unit, action: asked, who: command.who, why: command.why, no_block: command.no_block })
                .await,
        )
    }

    /// A hold that was set while this node was away. One that is known already is left alone.
    async fn hold_of_the_coordinator(&self, unit: UnitName, hold: Hold) {
        let known = self.0.setup.engine.holds().borrow().get(&unit).is_some_and(|known| known.until >= hold.until);
        if known || hold.until <= (self.0.setup.wall)() {
            return;
        }
        // It counts also for a unit that this node does not have yet.
        self.0.setup.engine.set_hold(unit.clone(), Some(hold.clone())).await;
        let action = UnitAct::Stop(Some(hold.until));
        let act = Act { unit, action, who: hold.who, why: hold.why, no_block: true };
        self.0.setup.engine.act(act).await;
    }

    /// Does what a person on this host asks.
    pub async fn act(&self, asked: Asked) -> v1::ActionResult {
        if asked.action == v1::UnitAction::Unspecified {
            return self.failure(asked.unit.as_str(), "this agent does not know the action; upgrade it");
        }
        let until = (self.0.setup.wall)().after(asked.hold.unwrap_or(DEFAULT_HOLD));
        let action = self.asked(asked.action, Some(until));
        let Asked { unit, who, why, no_block, .. } = asked;
        self.carry_out(Act { unit, action, who, why, no_block }).await
    }

    fn asked(&self, action: v1::UnitAction, until: Option<Timestamp>) -> UnitAct {
        match action {
            v1::UnitAction::Start | v1::UnitAction::Unspecified => UnitAct::Start,
            v1::UnitAction::Stop => UnitAct::Stop(until),
            v1::UnitAction::Restart => UnitAct::Restart,
            v1::UnitAction::Reload => UnitAct::Reload,
        }
    }

    async fn carry_out(&self, act: Act) -> v1::ActionResult {
        let ActResult { unit, ok, error, status } = self.0.setup.engine.act(act).await;
        v1::ActionResult {
            node: self.whoami().node.to_string(),
            unit: unit.to_string(),
            ok,
            error,
            status: status.map(Into::into),
        }
    }

    fn failure(&self, unit: &str, error: &str) -> v1::ActionResult {
        v1::ActionResult {
            node: self.whoami().node.to_string(),
            unit: unit.to_owned(),
            ok: false,
            error: error.to_owned(),
            status: None,
        }
    }

    /// Stops every unit, in order; starts none from here on.
    pub async fn stop_all(&self) -> Vec<v1::ActionResult> {
        self.0.setup.engine.stop_all().await;
        let statuses = self.statuses().borrow().clone();
        let node = self.whoami().node.as_str();
        statuses.values().map(|status| fleet_proto::convert::action_result_ok(node, status.clone())).collect()
    }

    /// The unit a person means: with or without `.service`. NOT_FOUND names the nearest there is.
    pub fn unit(&self, text: &str) -> Result<UnitName, Status> {
        let full = if text.contains('.') { text.to_owned() } else { format!("{text}.service") };
        let statuses = self.statuses().borrow().clone();
        if let Some((name, _)) = statuses.iter().find(|(name, _)| name.as_str() == full) {
            return Ok(name.clone());
        }
        let mut message = format!("this node has no unit named {full:?}");
        if let Some(near) = did_you_mean(&full, statuses.keys().map(UnitName::as_str)) {
            message.push_str(&format!("\nhint: did you mean {near}?"));
        }
        Err(Status::not_found(message))
    }

    /// The node as `fleet node status` shows it.
    #[must_use]
    pub fn local_status(&self) -> v1::LocalStatusResponse {
        let setup = &self.0.setup;
        let link = setup.link.borrow().clone();
        let state = self.state();
        let held = state.stored.as_ref().map(|stored| stored.assignment.clone());
        v1::LocalStatusResponse {
            node: setup.whoami.node.to_string(),
            environment: setup.whoami.environment.to_string(),
            connected: link == LinkState::Connected,
            endpoint: setup.endpoints.join(", "),
            revision: held.as_ref().map(|held| held.revision.to_string()).unwrap_or_default(),
            generation: held.map_or(0, |held| held.generation.0),
            units: setup.engine.statuses().borrow().values().cloned().map(Into::into).collect(),
            link: match link {
                LinkState::Connected => None,
                LinkState::Away(reason) => Some(reason.into()),
            },
            started_us: setup.started.0,
            supervisor_pid: setup.supervisor_pid,
            agent_pid: std::process::id(),
            refused: state.refused.clone().map(Into::into),
        }
    }
}
