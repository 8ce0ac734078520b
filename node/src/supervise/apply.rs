//! The desired set: admitted, planned, swapped in, executed.

use super::engine::Engine;
use super::handle::{ApplyError, HealthReport};
use super::supervisor::Supervisor;
use super::unit::{Assigned, Desired, Unit};
use crate::health;
use fleet_units::diagnostic::Reason;
use fleet_units::ids::UnitName;
use fleet_units::jobs::{Graph, Verb};
use fleet_units::lifecycle::State;
use fleet_units::plan::{self, Action, Due, Plan};
use fleet_units::status::Health;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often refused units are asked for again.
const READMIT: Duration = Duration::from_secs(5);

impl<S: Supervisor> Engine<S> {
    pub(super) fn apply(&mut self, desired: Desired) -> Result<Plan, ApplyError> {
        if self.stopping {
            return Err(ApplyError::Stopping);
        }
        self.take_over(&desired);
        self.last = desired.clone();
        let (units, refused) = self.admit(desired);
        let target = target(&units);
        let mut observed = self.observed();
        // What is refused and never ran here is neither started nor stopped.
        observed.units.retain(|name, _| target.units.contains_key(name) || !refused.contains_key(name));
        let plan = plan::plan(&target, &observed);
        let wanted = plan::wanted(&target);
        self.changed.extend(self.wanted.symmetric_difference(&wanted).cloned());
        self.wanted = wanted;
        self.swap_in(units, refused);
        self.graph = Graph::new(self.units.values().map(|unit| &*unit.assigned.spec));
        self.job_clock.set(self.units.values().map(|unit| &*unit.assigned.spec));
        self.stop_when_unneeded =
            self.units.iter().filter(|(_, unit)| unit.stops_when_unneeded()).map(|(name, _)| name.clone()).collect();
        for step in &plan.steps {
            if step.action != Action::Keep {
                let (unit, action) = (&step.unit, step.action.as_str());
                tracing::info!(unit = %unit, action, reason = %step.reason.code, "{}", step.reason.text);
            }
            self.execute(&step.unit, step.action);
        }
        for event in std::mem::take(&mut self.early) {
            if let Ok(name) = event.unit.parse() {
                self.hear(&name, event);
            }
        }
        self.set_readmit();
        self.take_timers();
        self.work();
        Ok(plan)
    }

    pub(super) fn plan(&mut self, desired: &Desired) -> Plan {
        plan::plan(&target(&desired.units), &self.observed())
    }

    fn observed(&self) -> plan::Observed {
        let observe = |(name, unit): (&UnitName, &Unit)| {
            let observed = plan::ObservedUnit {
                spec: unit.assigned.spec.clone(),
                digest: unit.assigned.digest,
                active: unit.machine.state().active_state(),
                held: self.holds.contains_key(name),
                due: unit.due,
            };
            (name.clone(), observed)
        };
        plan::Observed { units: self.units.iter().map(observe).collect(), host: self.config.host_units.running() }
    }

    /// What of the desired set may run here. A refused change leaves the unit in its old form; a refused new unit is
    /// known, and not run.
    fn admit(&mut self, mut desired: Desired) -> (BTreeMap<UnitName, Assigned>, BTreeMap<UnitName, Reason>) {
        let mut refused = std::mem::take(&mut desired.refused);
        for (name, assigned) in &desired.units {
            let unchanged = self.units.get(name).is_some_and(|unit| {
                unit.admitted && unit.assigned.digest == assigned.digest && unit.refused.is_none() && !unit.removed
            });
            if !unchanged && let Err(reason) = self.config.admission.admit(&assigned.spec) {
                refused.insert(name.clone(), reason);
            }
        }
        for name in refused.keys() {
            match self.units.get_mut(name) {
                Some(unit) => {
                    // The form an earlier agent ran it in. The refused form itself was just asked for.
                    let other = desired.units.get(name).is_none_or(|new| new.digest != unit.assigned.digest);
                    if !unit.admitted && other && !unit.form_unknown {
                        unit.admitted = self.config.admission.admit(&unit.assigned.spec).is_ok();
                    }
                    if !unit.admitted && unit.is_down() {
                        desired.units.remove(name);
                    } else {
                        desired.units.insert(name.clone(), unit.assigned.clone());
                    }
                }
                None => {
                    if let Some(assigned) = desired.units.remove(name) {
                        let mut unit = Unit::new(assigned);
                        unit.refused = refused.get(name).cloned();
                        self.units.insert(name.clone(), unit);
                        self.changed.insert(name.clone());
                    }
                }
            }
        }
        (desired.units, refused)
    }

    /// Asks again for what was refused, as long as there is any: another node may have given up what it claimed.
    pub(super) fn readmit(&mut self) {
        let Engine { last, units, config, .. } = self;
        let refused = |name: &UnitName| units.get(name).is_some_and(|unit| unit.refused.is_some());
        let mut asked = last.units.iter().filter(|(name, _)| refused(name) && !last.refused.contains_key(*name));
        let admitted = asked.any(|(_, assigned)| config.admission.admit(&assigned.spec).is_ok());
        if admitted {
            // It fails while everything is stopped only, and then nothing is to be admitted.
            let _ = self.apply(self.last.clone());
        } else {
            self.set_readmit();
        }
    }

    fn set_readmit(&mut self) {
        let again = |unit: &Unit| unit.refused.is_some() && !unit.removed;
        let any = !self.stopping && self.units.values().any(again);
        self.readmit_at = any.then(|| self.clock.now().after(READMIT));
    }

    fn swap_in(&mut self, units: BTreeMap<UnitName, Assigned>, refused: BTreeMap<UnitName, Reason>) {
        for (name, unit) in &mut self.units {
            unit.removed = !units.contains_key(name) && !refused.contains_key(name);
            if unit.refused.as_ref() != refused.get(name) {
                unit.refused = refused.get(name).cloned();
                self.changed.insert(name.clone());
            }
        }
        for (name, assigned) in units {
            match self.units.get_mut(&name) {
                Some(unit) if unit.refused.is_some() => {}
                Some(unit) => {
                    if unit.assigned.digest != assigned.digest {
                        self.changed.insert(name);
                    }
                    unit.assigned = assigned;
                    unit.admitted = true;
                }
                None => {
                    let mut unit = Unit::new(assigned);
                    unit.admitted = true;
                    self.units.insert(name.clone(), unit);
                    self.changed.insert(name);
                }
            }
        }
    }

    fn execute(&mut self, name: &UnitName, action: Action) {
        let Some(unit) = self.units.get_mut(name) else { return };
        if unit.refused.is_some() && !matches!(action, Action::Stop) {
            return;
        }
        // What was counted against the old form does not count against the new one, nor against a change of mind.
        unit.fresh |= matches!(action, Action::Start | Action::Restart);
        match action {
            Action::Start => {
                unit.due = Some(unit.due.unwrap_or(Due::New));
                // A plan knows no holds of units that are new to it.
                self.start_if_due(name);
            }
            Action::Stop => {
                unit.due = Some(Due::New);
                self.add_job(name, Verb::Stop);
            }
            Action::Restart => self.add_job(name, Verb::Restart),
            // Its next life, which is due, begins with the new form.
            Action::Reload if unit.machine.state() == State::AutoRestart => self.update(name),
            Action::Reload => {
                unit.owes_reload = true;
                self.add_job(name, Verb::Reload);
            }
            Action::Update => self.update(name),
            Action::Keep => {}
        }
    }

    /// Adopts the new digest without touching a process.
    fn update(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get_mut(name) else { return };
        if !self.wanted.contains(name) {
            unit.due = None;
        }
        let health_changed = unit.machine.spec().health != unit.assigned.spec.health;
        unit.follow();
        if health_changed && let Some(task) = unit.health_task.take() {
            task.abort();
        }
        self.deliver_if_up(name);
        self.watch_health(name);
        self.remember(name);
    }

    fn deliver_if_up(&mut self, name: &UnitName) {
        if self.units.get(name).is_some_and(Unit::is_up) {
            self.deliver(name);
        }
    }

    /// A health check runs exactly while its unit is up.
    pub(super) fn watch_health(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get_mut(name) else { return };
        let spec = unit.machine.spec().clone();
        let up = matches!(
            unit.machine.state(),
            State::Running | State::Exited | State::Reload | State::ReloadSignal | State::ReloadNotify
        );
        if !up || spec.health.check.is_none() {
            if let Some(task) = unit.health_task.take() {
                task.abort();
            }
            unit.health = Health::None;
            unit.health_reason = None;
        } else if unit.health_task.is_none() {
            let (reports, reported) = (self.health.clone(), name.clone());
            let report = move |health, reason| {
                // An engine that ended wants no reports.
                let _ = reports.send(HealthReport { unit: reported.clone(), health, reason });
            };
            unit.health_task = Some(tokio::spawn(health::run(spec.health.clone(), report)).abort_handle());
        }
    }
}

fn target(units: &BTreeMap<UnitName, Assigned>) -> plan::Desired {
    let unit = |assigned: &Assigned| plan::DesiredUnit { spec: assigned.spec.clone(), digest: assigned.digest };
    plan::Desired { units: units.iter().map(|(name, assigned)| (name.clone(), unit(assigned))).collect() }
}
