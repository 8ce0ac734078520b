//! What people ask for: start, stop, restart, reload, holds, the end of everything.

use super::engine::Engine;
use super::handle::{Act, ActResult, UnitAct};
use super::supervisor::Supervisor;
use super::unit::Unit;
use fleet_units::ids::UnitName;
use fleet_units::jobs::Verb;
use fleet_units::plan::Due;
use fleet_units::status::Hold;
use tokio::sync::oneshot;

impl<S: Supervisor> Engine<S> {
    pub(super) fn act(&mut self, act: Act, answer: oneshot::Sender<ActResult>) {
        tracing::info!(unit = %act.unit, who = act.who, why = act.why, action = ?act.action, "asked for");
        let name = self.graph.resolve(&act.unit).clone();
        if let Err(error) = self.refuse(&name, act.action) {
            let status = self.status(&name);
            let _ = answer.send(ActResult { unit: act.unit, ok: false, error, status });
            return;
        }
        self.changed.insert(name.clone());
        let verb = match act.action {
            UnitAct::Start => Verb::Start,
            UnitAct::Stop(_) => Verb::Stop,
            UnitAct::Restart => Verb::Restart,
            UnitAct::Reload => Verb::Reload,
        };
        match act.action {
            UnitAct::Start | UnitAct::Restart => {
                self.end_hold(&name);
                self.unit_mut(&name).fresh = true;
            }
            UnitAct::Stop(Some(until)) => {
                let at = self.clock.moment_of(until);
                self.holds.insert(name.clone(), (Hold { who: act.who, why: act.why, until }, at));
                self.holds_changed = true;
            }
            UnitAct::Stop(None) | UnitAct::Reload => {}
        }
        if act.no_block {
            let status = self.status(&name);
            let _ = answer.send(ActResult { unit: act.unit, ok: true, error: String::new(), status });
        } else {
            self.unit_mut(&name).waiters.push((verb, answer));
        }
        self.add_job(&name, verb);
    }

    fn refuse(&self, name: &UnitName, action: UnitAct) -> Result<(), String> {
        let Some(unit) = self.units.get(name).filter(|unit| !unit.removed) else {
            return Err(format!("this node has no unit {name}"));
        };
        let starts = matches!(action, UnitAct::Start | UnitAct::Restart);
        match &unit.refused {
            Some(reason) if starts => Err(format!("{name} is not run here: {}", reason.text)),
            _ if self.stopping => Err("this node is stopping its units".to_owned()),
            _ if action == UnitAct::Reload && !self.can_reload(name) => Err(format!("{name} cannot reload")),
            _ => refused_to_people(unit, action).map_or(Ok(()), |why| Err(format!("{name} {why}"))),
        }
    }

    /// By itself, or for those a reload is passed on to.
    fn can_reload(&self, name: &UnitName) -> bool {
        let own = self.units.get(name).is_some_and(|unit| unit.machine.can_reload());
        own || !self.graph.reload_goes_to(name).is_empty()
    }

    fn unit_mut(&mut self, name: &UnitName) -> &mut super::unit::Unit {
        self.units.get_mut(name).expect("refuse() said it is there")
    }

    pub(super) fn set_hold(&mut self, unit: UnitName, hold: Option<Hold>) {
        match hold {
            Some(hold) => {
                let at = self.clock.moment_of(hold.until);
                self.holds.insert(unit.clone(), (hold, at));
                self.holds_changed = true;
                self.changed.insert(unit);
            }
            None => {
                self.end_hold(&unit);
                self.start_if_due(&unit);
            }
        }
    }

    /// Ends the hold on a unit; one that is down has to be started again.
    pub(super) fn end_hold(&mut self, name: &UnitName) {
        if self.holds.remove(name).is_none() {
            return;
        }
        self.holds_changed = true;
        self.changed.insert(name.clone());
        if let Some(unit) = self.units.get_mut(name)
            && !unit.is_up()
        {
            unit.due = Some(unit.due.unwrap_or(Due::HoldEnded));
        }
    }

    pub(super) fn stop_all(&mut self, answer: oneshot::Sender<()>) {
        self.stopping = true;
        self.stopped.push(answer);
        let up: Vec<_> = self.units.iter().filter(|(_, unit)| !unit.is_down()).map(|(name, _)| name.clone()).collect();
        for name in up {
            self.add_job(&name, Verb::Stop);
        }
    }
}

/// `RefuseManualStart=`, `RefuseManualStop=`; a restart is both.
fn refused_to_people(unit: &Unit, action: UnitAct) -> Option<&'static str> {
    let details = unit.assigned.spec.details.as_ref()?;
    let starts = matches!(action, UnitAct::Start | UnitAct::Restart);
    let stops = matches!(action, UnitAct::Stop(_) | UnitAct::Restart);
    match action {
        _ if starts && details.refuse_manual_start => Some("is started by other units only (RefuseManualStart=)"),
        _ if stops && details.refuse_manual_stop => Some("is stopped by other units only (RefuseManualStop=)"),
        UnitAct::Start | UnitAct::Stop(_) | UnitAct::Restart | UnitAct::Reload => None,
    }
}
