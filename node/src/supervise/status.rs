//! What the engine says of a unit.

use super::engine::Engine;
use super::supervisor::Supervisor;
use super::unit::Unit;
use fleet_units::diagnostic::Reason;
use fleet_units::ids::UnitName;
use fleet_units::lifecycle::{Exit, Outcome, State};
use fleet_units::status::UnitStatus;

impl<S: Supervisor> Engine<S> {
    pub(super) fn status(&self, name: &UnitName) -> Option<UnitStatus> {
        let unit = self.units.get(name)?;
        let (machine, state) = (&unit.machine, unit.machine.state());
        let mut unenforced = machine.spec().unenforced.clone();
        let found = unit.unenforced.iter().chain(&unit.unanswered);
        unenforced.extend(found.filter(|entry| !unenforced.contains(entry)).cloned().collect::<Vec<_>>());
        Some(UnitStatus {
            unit: name.clone(),
            active_state: state.active_state(),
            sub_state: unit.timing.as_ref().map_or(state.as_str(), |timing| timing.phase.as_str()).to_owned(),
            result: machine.outcome().as_str().to_owned(),
            main_pid: machine.main_pid().unwrap_or(0),
            restarts: machine.memory().restarts,
            health: unit.health,
            digest: unit.runs_from.as_ref().map(|runs| runs.0),
            unit_revision: unit.runs_from.as_ref().map(|runs| runs.1.clone()),
            since: unit.since,
            held: self.holds.get(name).map(|(hold, _)| hold.clone()),
            unenforced,
            invocation_id: unit.invocation,
            wanted: self.wanted.contains(name),
            completed: unit.completed,
            reason: reason(unit),
            next_elapse: unit.timing.as_ref().and_then(|timing| timing.next),
        })
    }
}

/// Why it is not in the state it should be in.
fn reason(unit: &Unit) -> Option<Reason> {
    if let Some(refused) = &unit.refused {
        return Some(refused.clone());
    }
    let (outcome, unmet) = (unit.machine.outcome(), &unit.machine.memory().unmet);
    if unit.machine.state() == State::Dead && !unmet.is_empty() {
        return Some(Reason::new(outcome.as_str(), unmet.clone()));
    }
    let ended = matches!(unit.machine.state(), State::Failed | State::AutoRestart);
    if ended && outcome != Outcome::Success {
        // What the node itself said of the start is more than the number it led to.
        return Some(unit.reason.clone().unwrap_or_else(|| Reason::new(code(outcome), why(unit, outcome))));
    }
    unit.reason.clone().or_else(|| unit.health_reason.clone())
}

fn code(outcome: Outcome) -> &'static str {
    if outcome == Outcome::Unhealthy { "unhealthy" } else { outcome.as_str() }
}

fn why(unit: &Unit, outcome: Outcome) -> String {
    let exit = match unit.machine.memory().main_exit {
        Some(Exit::Code(code)) => format!(": the main process exited with code {code}"),
        Some(Exit::Signal { number, core }) => {
            let dumped = if core { ", with a core dump" } else { "" };
            format!(": signal {number} ended the main process{dumped}")
        }
        None => String::new(),
    };
    match outcome {
        Outcome::Unhealthy => "its health check failed".to_owned(),
        Outcome::StartLimitHit => "started too often (StartLimitBurst=); a start by a person clears this".to_owned(),
        Outcome::Timeout => "a timeout passed".to_owned(),
        other => format!("{}{exit}", other.as_str()),
    }
}
