//! What the engine holds of one unit.

use super::clock::Clock;
use super::handle::ActResult;
use super::remember::Remembered;
use super::timers::Timing;
use super::upkeep::Upheld;
use fleet_proto::control;
use fleet_units::bundle::Bundle;
use fleet_units::diagnostic::Reason;
use fleet_units::ids::{InvocationId, Revision, UnitDigest, UnitName};
use fleet_units::jobs::Verb;
use fleet_units::lifecycle::{Machine, Timer};
use fleet_units::plan::Due;
use fleet_units::spec::UnitSpec;
use fleet_units::status::{ActiveState, Health, Unenforced};
use fleet_units::time::{Moment, Timestamp};
use fleet_units::timers::Stamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// One unit as assigned, with everything needed to run it.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// As understood on this host.
    pub spec: Arc<UnitSpec>,
    /// Its source files; delivered ones are taken from it.
    pub bundle: Arc<Bundle>,
    /// The bundle's digest.
    pub digest: UnitDigest,
    /// The revision in which this bundle became the unit's.
    pub revision: Revision,
}

/// Everything a node shall run; swapped in whole.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// By unit name.
    pub units: BTreeMap<UnitName, Assigned>,
    /// Units that are assigned and cannot be understood here (`unsupported-by-agent`); what runs of them is kept.
    pub refused: BTreeMap<UnitName, Reason>,
}

/// May refuse units: the node's policy and the claims of other nodes of this host.
pub trait Admission: Send {
    /// Whether the unit may run here; asked for each new or changed unit. A refused change keeps the old form.
    ///
    /// # Errors
    /// Why not.
    fn admit(&mut self, unit: &UnitSpec) -> Result<(), Reason>;

    /// The unit is gone from this node.
    fn forget(&mut self, unit: &UnitName);
}

/// Admits everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

impl Admission for Everything {
    fn admit(&mut self, _: &UnitSpec) -> Result<(), Reason> {
        Ok(())
    }

    fn forget(&mut self, _: &UnitName) {}
}

/// Somebody who waits for a job, and what they asked for.
pub(super) type Waiter = (Verb, oneshot::Sender<ActResult>);

#[derive(Debug)]
pub(super) struct Unit {
    /// What it was last told to run from; the machine follows when the plan says so.
    pub(super) assigned: Assigned,
    pub(super) machine: Machine,
    /// What the machine runs from; `None`: it never ran.
    pub(super) runs_from: Option<(UnitDigest, Revision)>,
    pub(super) invocation: InvocationId,
    /// Public state as last seen, and since when.
    pub(super) active: ActiveState,
    pub(super) since: Timestamp,
    pub(super) health: Health,
    pub(super) health_reason: Option<Reason>,
    pub(super) health_task: Option<AbortHandle>,
    /// Requests whose answers the machine waits for; until they are here, events wait in `inbox`, because an exit must
    /// not be told before the spawn it belongs to.
    pub(super) in_flight: u32,
    pub(super) inbox: VecDeque<control::Event>,
    pub(super) timers: BTreeMap<Timer, Moment>,
    pub(super) due: Option<Due>,
    pub(super) completed: bool,
    /// It is not in the desired set any more.
    pub(super) removed: bool,
    pub(super) refused: Option<Reason>,
    /// Nobody knows what an earlier agent ran it from.
    pub(super) form_unknown: bool,
    /// The form it has was admitted, by this agent.
    pub(super) admitted: bool,
    /// It is to reload as soon as it can.
    pub(super) owes_reload: bool,
    /// Its stop job came with that of another unit, this one.
    pub(super) stopped_with: Option<UnitName>,
    /// Why its last job failed before the machine heard of it.
    pub(super) reason: Option<Reason>,
    /// The running start job was told to the machine.
    pub(super) start_told: bool,
    /// A person asked for the start.
    pub(super) fresh: bool,
    pub(super) files: Option<PathBuf>,
    pub(super) undelivered: bool,
    /// What this host does not put into effect, by the last starts.
    pub(super) unenforced: BTreeSet<Unenforced>,
    /// Conditions this host could not answer at the last start: they counted as met.
    pub(super) unanswered: Vec<Unenforced>,
    pub(super) upheld: Upheld,
    /// Of an active timer.
    pub(super) timing: Option<Timing>,
    /// When the first agent of this boot started, as a timer remembers it.
    pub(super) startup: Option<Moment>,
    pub(super) left_inactive: Option<Stamp>,
    pub(super) became_inactive: Option<Stamp>,
    pub(super) remembered: Vec<u8>,
    pub(super) waiters: Vec<Waiter>,
}

impl Unit {
    /// A oneshot that has run and shall not run again.
    pub(super) fn completed(assigned: Assigned) -> Unit {
        let mut unit = Unit::new(assigned);
        unit.runs_from = Some((unit.assigned.digest, unit.assigned.revision.clone()));
        unit.due = None;
        unit.completed = true;
        unit
    }

    pub(super) fn new(assigned: Assigned) -> Unit {
        let machine = Machine::new(assigned.spec.clone());
        Unit {
            assigned,
            machine,
            runs_from: None,
            invocation: InvocationId::default(),
            active: ActiveState::Inactive,
            since: Clock::wall(),
            health: Health::None,
            health_reason: None,
            health_task: None,
            in_flight: 0,
            inbox: VecDeque::new(),
            timers: BTreeMap::new(),
            due: Some(Due::New),
            completed: false,
            removed: false,
            refused: None,
            form_unknown: false,
            admitted: false,
            reason: None,
            owes_reload: false,
            stopped_with: None,
            start_told: false,
            fresh: false,
            files: None,
            undelivered: false,
            unenforced: BTreeSet::new(),
            unanswered: Vec::new(),
            upheld: Upheld::default(),
            timing: None,
            startup: None,
            left_inactive: None,
            became_inactive: None,
            remembered: Vec::new(),
            waiters: Vec::new(),
        }
    }

    /// Lets the machine follow what is assigned.
    pub(super) fn follow(&mut self) {
        self.machine.set_spec(self.assigned.spec.clone());
        self.form_unknown = false;
        self.owes_reload = false;
        if self.runs_from.is_some() {
            self.runs_from = Some((self.assigned.digest, self.assigned.revision.clone()));
        }
    }

    /// Why nothing of it may be started. A refused change of an admitted unit is no reason: the old form goes on.
    pub(super) fn not_run_here(&self) -> Option<&Reason> {
        self.refused.as_ref().filter(|_| !self.admitted)
    }

    pub(super) fn stops_when_unneeded(&self) -> bool {
        self.assigned.spec.details.as_ref().is_some_and(|details| details.stop_when_unneeded)
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(
            self.machine.state().active_state(),
            ActiveState::Activating | ActiveState::Active | ActiveState::Reloading
        )
    }

    /// Nothing of it runs and nothing will by itself.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.machine.state().active_state(), ActiveState::Inactive | ActiveState::Failed)
    }

    pub(super) fn remember(&self) -> Remembered {
        Remembered {
            memory: self.machine.memory().clone(),
            invocation: self.invocation.to_string(),
            assigned: Some(self.assigned.digest),
            digest: self.runs_from.as_ref().map(|runs| runs.0),
            revision: self.runs_from.as_ref().map(|runs| runs.1.clone()),
            since: self.since,
            completed: self.completed,
            due: self.due.is_some(),
            timing: self.timing.clone(),
            startup: self.startup,
            left_inactive: self.left_inactive,
            became_inactive: self.became_inactive,
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if let Some(task) = self.health_task.take() {
            task.abort();
        }
    }
}
