//! The job queue at work: which machine is told what, and when a job is done.

use super::engine::Engine;
use super::handle::ActResult;
use super::supervisor::Supervisor;
use super::unit::{Unit, Waiter};
use fleet_units::diagnostic::Reason;
use fleet_units::ids::UnitName;
use fleet_units::jobs::{Done, Standing, Turn, Verb};
use fleet_units::lifecycle::{Event, Outcome, State};
use fleet_units::plan::Due;
use fleet_units::status::ActiveState;
use std::collections::BTreeSet;

/// The code of the reason of a unit whose last reload failed; it does not run from what it was assigned.
const RELOAD_FAILED: &str = "reload-failed";

impl<S: Supervisor> Engine<S> {
    pub(super) fn add_job(&mut self, unit: &UnitName, verb: Verb) {
        if self.stopping && verb != Verb::Stop {
            return;
        }
        if verb != Verb::Stop && self.graph.asks_the_host() {
            self.graph.set_host(self.config.host_units.running());
        }
        let (units, holds) = (&self.units, &self.holds);
        let standing = |name: &UnitName| match units.get(name) {
            Some(unit) if unit.is_up() => Standing::Up,
            Some(_) if holds.contains_key(name) => Standing::Held,
            Some(unit) if unit.not_run_here().is_some() => Standing::Refused,
            // One that was skipped is looked at again when it is pulled in again.
            Some(unit) if unit.completed && !unit.machine.outcome().is_skip() => Standing::Completed,
            Some(_) | None => Standing::Down,
        };
        self.queue.add(&self.graph, &standing, unit, verb);
        self.note_stops(unit, verb);
    }

    /// Writes down which units a stop of `root` takes along: they are to come back with it.
    fn note_stops(&mut self, root: &UnitName, verb: Verb) {
        if let Some(unit) = self.units.get_mut(root) {
            unit.stopped_with = None; // somebody means this very unit
        }
        if verb != Verb::Stop {
            return;
        }
        for name in self.taken_along(root) {
            if self.queue.job(&name) == Some(Verb::Stop)
                && let Some(unit) = self.units.get_mut(&name)
            {
                unit.stopped_with.get_or_insert_with(|| root.clone());
            }
        }
    }

    /// What stopping `root` stops, directly or through others.
    fn taken_along(&self, root: &UnitName) -> BTreeSet<UnitName> {
        let mut seen = BTreeSet::from([root.clone()]);
        let mut left = vec![root];
        while let Some(next) = left.pop() {
            let along = self.graph.stopped_with(next).union(self.graph.stop_goes_to(next));
            left.extend(along.filter(|other| seen.insert((*other).clone())));
        }
        seen.remove(root);
        seen
    }

    /// Gives every job that may run its turn; false when none did.
    pub(super) fn run_jobs(&mut self) -> bool {
        let turns = self.queue.next(&self.graph);
        let any = !turns.is_empty();
        for turn in turns {
            match turn {
                Turn::Run { unit, verb, restarting } => self.run_job(&unit, verb, restarting),
                Turn::Failed { unit, reason } => self.job_failed(&unit, reason),
            }
        }
        any
    }

    fn run_job(&mut self, name: &UnitName, verb: Verb, restarting: bool) {
        let Some(unit) = self.units.get_mut(name) else { return self.queue.forget(name) };
        match verb {
            Verb::Start => {
                unit.start_told = false;
                self.look_at_job(name);
            }
            Verb::Stop | Verb::Restart => self.tell(name, Event::Stop { restarting }),
            Verb::Reload => self.run_reload(name),
        }
    }

    fn run_reload(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get_mut(name) else { return };
        let runs = matches!(unit.machine.state(), State::Running | State::Exited | State::Active);
        if runs && !unit.machine.can_reload() && !self.graph.reload_goes_to(name).is_empty() {
            return self.finish(name, Done::Well, ""); // it only passes the reload on
        }
        if !runs || !unit.machine.can_reload() {
            return self.finish(name, Done::Badly, "it does not run, or cannot reload");
        }
        unit.owes_reload = false;
        // It runs from the new form once the reload came to something.
        unit.machine.set_spec(unit.assigned.spec.clone());
        self.deliver(name);
        self.tell(name, Event::Reload);
    }

    fn reloaded(&mut self, name: &UnitName, good: bool) {
        if let Some(unit) = self.units.get_mut(name) {
            let current = std::sync::Arc::ptr_eq(unit.machine.spec(), &unit.assigned.spec);
            if good && current {
                unit.follow();
                unit.reason = unit.reason.take().filter(|reason| reason.code != RELOAD_FAILED);
            } else if !good {
                unit.reason = Some(Reason::new(RELOAD_FAILED, "the reload failed; it runs on as it was"));
            }
        }
        self.finish(name, if good { Done::Well } else { Done::Badly }, "the reload failed");
        self.remember(name);
    }

    /// A reload that came while there was another job, or while it was on its way up.
    pub(super) fn reload_if_owed(&mut self, name: &UnitName) {
        let owes = |unit: &Unit| {
            let up = matches!(unit.machine.state(), State::Running | State::Exited);
            unit.owes_reload && up && unit.machine.can_reload()
        };
        if self.units.get(name).is_some_and(owes) {
            self.add_job(name, Verb::Reload);
        }
    }

    /// Whether the job that runs is done, and the start it waits for may be told now.
    pub(super) fn look_at_job(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get_mut(name) else { return };
        let (state, outcome) = (unit.machine.state(), unit.machine.outcome());
        match self.queue.running(name) {
            None => {}
            Some(Verb::Start) if !unit.start_told && (state.is_over() || unit.is_up()) => self.tell_start(name),
            Some(Verb::Start) => match (state.active_state(), state, outcome) {
                // The job goes on, so that what waits for the unit waits on; who asked is told.
                (_, State::AutoRestart, _) => self.answer(name, false, "it failed and will be started again"),
                (ActiveState::Active | ActiveState::Reloading, _, _) => self.finish(name, Done::Well, ""),
                (ActiveState::Inactive, _, Outcome::Success) => self.finish(name, Done::Well, ""),
                (ActiveState::Inactive, _, outcome) if outcome.is_skip() => self.finish(name, Done::Skipped, ""),
                (ActiveState::Inactive | ActiveState::Failed, _, _) => self.finish(name, Done::Badly, "it failed"),
                (ActiveState::Activating | ActiveState::Deactivating, _, _) => {}
            },
            Some(Verb::Stop | Verb::Restart) if unit.is_down() => self.finish(name, Done::Well, ""),
            Some(Verb::Stop | Verb::Restart) => {}
            Some(Verb::Reload) if state.active_state() == ActiveState::Reloading => {}
            Some(Verb::Reload) => {
                let good = state.active_state() == ActiveState::Active && !unit.machine.memory().reload_failed;
                self.reloaded(name, good);
            }
        }
    }

    fn tell_start(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get_mut(name) else { return };
        if unit.not_run_here().is_some() {
            return self.finish(name, Done::Badly, "it is not run here");
        }
        if unit.machine.state().is_over() {
            unit.follow();
        }
        let fresh = std::mem::take(&mut unit.fresh);
        self.tell(name, Event::Start { fresh });
    }

    fn finish(&mut self, name: &UnitName, done: Done, why_not: &str) {
        let verb = self.queue.running(name);
        if !self.queue.finished(&self.graph, name, done) {
            return;
        }
        let good = done != Done::Badly;
        self.changed.insert(name.clone());
        let replaced = self.take_replaced(name, verb);
        self.answer(name, good, why_not);
        if let Some(unit) = self.units.get_mut(name).filter(|_| !replaced.is_empty()) {
            unit.waiters = replaced;
            self.answer(name, false, "somebody asked for something else meanwhile");
        }
        self.reload_if_owed(name);
        self.tell_timers(name);
        if good && verb == Some(Verb::Start) {
            self.retry_dependents(name);
        }
        if good && verb == Some(Verb::Stop) {
            self.owe_start(name);
        }
    }

    /// A unit that was stopped because another one was comes back with that one; after a stop of everything, with the
    /// next agent.
    fn owe_start(&mut self, name: &UnitName) {
        let held = |unit: &UnitName| self.holds.contains_key(unit);
        if held(name) || !self.wanted.contains(name) {
            return;
        }
        let is_held = |root: &UnitName| if held(root) { ", which is held" } else { "" };
        let Some(unit) = self.units.get_mut(name).filter(|unit| !unit.removed) else { return };
        match unit.stopped_with.take() {
            _ if self.stopping => unit.due = Some(Due::Boot),
            Some(root) => {
                let text = format!("it was stopped with {root}{}", is_held(&root));
                unit.due = Some(Due::HoldEnded);
                unit.reason = Some(Reason::new("dependency", text));
            }
            None => return,
        }
        self.remember(name);
    }

    /// Units that were to start and could not because of this one.
    fn retry_dependents(&mut self, name: &UnitName) {
        let others: BTreeSet<_> = self.graph.stopped_with(name).union(self.graph.stop_goes_to(name)).cloned().collect();
        for other in others {
            // dependency, dependency-held, dependency-missing, dependency-refused
            let lacked = |unit: &Unit| unit.reason.as_ref().is_some_and(|reason| reason.code.starts_with("dependency"));
            if self.units.get(&other).is_some_and(lacked) {
                self.start_if_due(&other);
            }
        }
    }

    fn job_failed(&mut self, name: &UnitName, reason: Reason) {
        tracing::warn!(unit = %name, reason = %reason.code, "{}", reason.text);
        if let Some(unit) = self.units.get_mut(name) {
            if unit.is_down() {
                unit.due = Some(unit.due.unwrap_or(Due::New));
            }
            unit.reason = Some(reason.clone());
        }
        self.changed.insert(name.clone());
        self.answer(name, false, &reason.text);
        self.remember(name);
        self.tell_timers(name);
    }

    /// Who waits for an end of the unit while it came up, or the other way round.
    fn take_replaced(&mut self, name: &UnitName, done: Option<Verb>) -> Vec<Waiter> {
        let Some(unit) = self.units.get_mut(name) else { return Vec::new() };
        let meant = |waiter: &Waiter| (waiter.0 == Verb::Stop) == (done == Some(Verb::Stop));
        let (meant, replaced) = std::mem::take(&mut unit.waiters).into_iter().partition(meant);
        unit.waiters = meant;
        replaced
    }

    pub(super) fn answer(&mut self, name: &UnitName, ok: bool, why_not: &str) {
        let Some(unit) = self.units.get_mut(name) else { return };
        let waiters = std::mem::take(&mut unit.waiters);
        if waiters.is_empty() {
            return;
        }
        let status = self.status(name);
        let detail = status.as_ref().and_then(|status| status.reason.clone()).map(|reason| reason.text);
        let error = match (ok, detail) {
            (true, _) => String::new(),
            (false, Some(detail)) if detail != why_not => format!("{name}: {why_not}: {detail}"),
            (false, _) => format!("{name}: {why_not}"),
        };
        for (_, waiter) in waiters {
            // Who gave up waiting needs no answer.
            let _ = waiter.send(ActResult { unit: name.clone(), ok, error: error.clone(), status: status.clone() });
        }
    }

    /// Starts a unit that is to run by itself and still has to be started.
    pub(super) fn start_if_due(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get(name) else { return };
        let may = unit.due.is_some() && !unit.removed && unit.refused.is_none() && !self.holds.contains_key(name);
        if may && self.wanted.contains(name) && !unit.is_up() {
            self.add_job(name, Verb::Start);
        }
    }

    /// Removed units go once they are down.
    pub(super) fn drop_removed(&mut self) {
        let gone = |(name, unit): (&UnitName, &Unit)| {
            (unit.removed && unit.is_down() && self.queue.job(name).is_none()).then(|| name.clone())
        };
        for name in self.units.iter().filter_map(gone).collect::<Vec<_>>() {
            self.release(&name, true);
            if let Some(unit) = self.units.remove(&name) {
                super::delivered::remove(&self.config.host.files, unit.machine.spec());
                for (timer, at) in &unit.timers {
                    self.timers.remove(&(*at, name.clone(), *timer));
                }
            }
            self.config.admission.forget(&name);
            self.clockwork.forget(&name);
            self.changed.insert(name);
        }
    }
}
