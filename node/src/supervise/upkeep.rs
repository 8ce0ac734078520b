//! Units kept as others want them: `Upholds=` starts again what is down, `StopWhenUnneeded=` stops what nobody needs
//! (systemd.unit(5)). Looked at whenever everything else is done.

use super::engine::Engine;
use super::supervisor::Supervisor;
use super::unit::Unit;
use fleet_units::ids::UnitName;
use fleet_units::jobs::Verb;
use fleet_units::lifecycle::Outcome;
use fleet_units::lifecycle::restart::StartLimit;
use fleet_units::status::ActiveState;
use fleet_units::time::Moment;
use std::time::Duration;

/// One unit is started so often, within this time, because others uphold it (systemd's limit).
const TRIES: u32 = 16;
const WINDOW: Duration = Duration::from_secs(10);

/// What is remembered of upholding one unit.
#[derive(Debug, Default)]
pub(super) struct Upheld {
    limit: StartLimit,
    last: Option<Moment>,
}

impl Upheld {
    /// Whether it may be started at `now`, which is then counted; else when to look again. A unit whose start the host
    /// or the unit itself refuses (`stubborn`) is tried again once in a window only.
    fn may_start(&mut self, now: Moment, stubborn: bool) -> Result<(), Moment> {
        let again = self.last.filter(|_| stubborn).map(|last| last.after(WINDOW)).filter(|at| *at > now);
        if let Some(again) = again {
            return Err(again);
        }
        if !self.limit.allows(now, WINDOW, TRIES) {
            return Err(now.after(WINDOW));
        }
        self.last = Some(now);
        Ok(())
    }
}

impl<S: Supervisor> Engine<S> {
    /// Starts and stops what is due; false when nothing is.
    pub(super) fn keep_up(&mut self) -> bool {
        self.uphold_at = None;
        if self.stopping || self.found.is_some() {
            return false;
        }
        let upheld = self.upheld_and_down();
        let started = upheld.into_iter().filter(|unit| self.start_upheld(unit)).count();
        let unneeded = self.unneeded();
        for unit in &unneeded {
            tracing::info!(unit = %unit, reason = "unneeded", "no unit needs it any more");
            self.add_job(unit, Verb::Stop);
        }
        started > 0 || !unneeded.is_empty()
    }

    fn upheld_and_down(&self) -> Vec<UnitName> {
        let up = |name: &UnitName| self.is_active(name) && self.queue.job(name).is_none();
        let down = |name: &&UnitName| {
            let may =
                |unit: &Unit| unit.is_down() && !unit.removed && (!unit.completed || unit.machine.outcome().is_skip());
            self.units.get(*name).is_some_and(may) && !self.holds.contains_key(*name) && self.queue.job(name).is_none()
        };
        let upholders = self.graph.upholders().filter(|(unit, _)| up(unit));
        upholders.flat_map(|(_, others)| others).filter(down).cloned().collect()
    }

    fn start_upheld(&mut self, name: &UnitName) -> bool {
        let now = self.clock.now();
        let Some(unit) = self.units.get_mut(name).filter(|unit| unit.not_run_here().is_none()) else { return false };
        let outcome = unit.machine.outcome();
        let stubborn = outcome.is_skip() || matches!(outcome, Outcome::StartLimitHit | Outcome::Assert);
        match unit.upheld.may_start(now, stubborn) {
            Ok(()) => {
                tracing::info!(unit = %name, reason = "upheld", "an active unit upholds it");
                self.add_job(name, Verb::Start);
                true
            }
            Err(again) => {
                self.uphold_at = Some(self.uphold_at.map_or(again, |at| at.min(again)));
                false
            }
        }
    }

    /// Units with `StopWhenUnneeded=` that are up and that no unit needs which is up, on its way, or about to be.
    fn unneeded(&self) -> Vec<UnitName> {
        let needs = |name: &UnitName| {
            let there = self.units.get(name).is_some_and(|unit| !unit.is_down());
            there || self.queue.job(name).is_some()
        };
        let unneeded = |name: &&UnitName| {
            let idle = self.is_active(name) && self.queue.job(name).is_none();
            idle && !self.graph.needed_by(name).iter().any(needs)
        };
        self.stop_when_unneeded.iter().filter(unneeded).cloned().collect()
    }

    fn is_active(&self, name: &UnitName) -> bool {
        let active =
            |unit: &Unit| matches!(unit.machine.state().active_state(), ActiveState::Active | ActiveState::Reloading);
        self.units.get(name).is_some_and(active)
    }
}
