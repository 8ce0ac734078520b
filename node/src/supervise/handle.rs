//! The engine's remote control.

use super::unit::Desired;
use crate::report::Statuses;
use fleet_units::diagnostic::Reason;
use fleet_units::ids::UnitName;
use fleet_units::plan::Plan;
use fleet_units::status::{Health, Hold, UnitStatus};
use fleet_units::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// The engine has ended: its supervisor went away, or its last handle was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine has ended: its supervisor is gone")]
pub struct EngineGone;

/// Why a desired set is not acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Nobody is there to act on it.
    #[error(transparent)]
    Gone(#[from] EngineGone),
    /// All units were asked to stop; the next agent starts them again.
    #[error("this node is stopping its units")]
    Stopping,
}

/// What a person asks of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitAct {
    /// Bring it up; ends a hold and clears the start limit.
    Start,
    /// Take it down, and hold it until then; `None`: without a hold.
    Stop(Option<Timestamp>),
    /// Take it down and bring it up; ends a hold and clears the start limit.
    Restart,
    /// Have it read its configuration again.
    Reload,
}

/// One request of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// The unit.
    pub unit: UnitName,
    /// What.
    pub action: UnitAct,
    /// Who asks; for the hold and the log.
    pub who: String,
    /// Their reason; may be empty.
    pub why: String,
    /// Answer once the job is queued instead of when it is done.
    pub no_block: bool,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActResult {
    /// The unit.
    pub unit: UnitName,
    /// Whether it came to what was asked for.
    pub ok: bool,
    /// What failed and why; empty when ok.
    pub error: String,
    /// The unit afterwards; `None` when this node has no such unit.
    pub status: Option<UnitStatus>,
}

/// A health report of a unit's check.
#[derive(Debug)]
pub(super) struct HealthReport {
    pub(super) unit: UnitName,
    pub(super) health: Health,
    pub(super) reason: Option<Reason>,
}

#[derive(Debug)]
pub(super) enum Command {
    Apply(Desired, oneshot::Sender<Result<Plan, ApplyError>>),
    Plan(Desired, oneshot::Sender<Plan>),
    Act(Act, oneshot::Sender<ActResult>),
    Hold(UnitName, Option<Hold>),
    StopAll(oneshot::Sender<()>),
    ClockSet,
    Health(HealthReport),
}

/// Commands that may wait: callers await their answers, so few are ever queued.
pub(super) const COMMANDS: usize = 64;

/// Controls an engine; clones share it. The engine ends when the last one is dropped; the units run on.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) statuses: watch::Receiver<Arc<Statuses>>,
    pub(super) holds: watch::Receiver<BTreeMap<UnitName, Hold>>,
    pub(super) stamps: watch::Receiver<BTreeMap<UnitName, Timestamp>>,
}

impl Handle {
    /// Swaps the whole desired set in and starts doing what that takes; gives the plan, does not wait for the jobs.
    ///
    /// # Errors
    /// When the engine has ended or stops everything; the old set stays.
    pub async fn apply(&self, desired: Desired) -> Result<Plan, ApplyError> {
        self.ask(|answer| Command::Apply(desired, answer)).await?
    }

    /// What [`Handle::apply`] would do now.
    ///
    /// # Errors
    /// When the engine has ended.
    pub async fn plan(&self, desired: Desired) -> Result<Plan, EngineGone> {
        self.ask(|answer| Command::Plan(desired, answer)).await
    }

    /// Does what a person asks, and waits for the job to be done unless `no_block`.
    pub async fn act(&self, act: Act) -> ActResult {
        let unit = act.unit.clone();
        let gone = |EngineGone| ActResult { unit, ok: false, error: EngineGone.to_string(), status: None };
        self.ask(|answer| Command::Act(act, answer)).await.unwrap_or_else(gone)
    }

    /// Sets or ends a hold as the coordinator knows it; stops nothing by itself. When it ends a hold, the unit is
    /// started again if it shall run by itself.
    pub async fn set_hold(&self, unit: UnitName, hold: Option<Hold>) {
        // A dead engine holds nothing.
        let _ = self.commands.send(Command::Hold(unit, hold)).await;
    }

    /// Stops every unit, in order, and starts none from here on; returns when all are down.
    pub async fn stop_all(&self) {
        let _ = self.ask(Command::StopAll).await;
    }

    /// Tells what a unit's health check found; for checks that run elsewhere than in the engine.
    pub async fn report_health(&self, unit: UnitName, health: Health, reason: Option<Reason>) {
        let _ = self.commands.send(Command::Health(HealthReport { unit, health, reason })).await;
    }

    /// All units of this node, as they are; changes that come together are told together.
    #[must_use]
    pub fn statuses(&self) -> watch::Receiver<Arc<Statuses>> {
        self.statuses.clone()
    }

    /// The holds in force; to be stored durably at each change.
    #[must_use]
    pub fn holds(&self) -> watch::Receiver<BTreeMap<UnitName, Hold>> {
        self.holds.clone()
    }

    /// When each persistent timer elapsed last; to be stored durably at each change.
    #[must_use]
    pub fn stamps(&self) -> watch::Receiver<BTreeMap<UnitName, Timestamp>> {
        self.stamps.clone()
    }

    /// Tells that the wall clock was set: timers that wait for a time of day look again.
    pub async fn clock_was_set(&self) {
        // A dead engine has no timers.
        let _ = self.commands.send(Command::ClockSet).await;
    }

    /// Returns when the engine has ended.
    pub async fn closed(&self) {
        self.commands.closed().await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, EngineGone> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| EngineGone)?;
        answered.await.map_err(|_| EngineGone)
    }
}
