//! Taking over: what the supervisor runs and remembers becomes units again, at the first desired set.

use super::engine::{Engine, role};
use super::remember::Remembered;
use super::supervisor::Supervisor;
use super::unit::{Assigned, Desired, Unit};
use fleet_proto::control::{Release, Signal, UnitEntry, request, signal};
use fleet_units::ids::UnitName;
use fleet_units::lifecycle::machine::Present;
use fleet_units::lifecycle::{Effect, Machine, Role};
use fleet_units::plan::Due;
use fleet_units::spec::UnitSpec;
use std::sync::Arc;

impl<S: Supervisor> Engine<S> {
    pub(super) fn take_over(&mut self, desired: &Desired) {
        let Some(found) = self.found.take() else { return };
        let mut to_do = Vec::new();
        for (name, entry) in found {
            let remembered = Remembered::from_bytes(&entry.remembered);
            match self.assigned_before(&name, desired, remembered.as_ref()) {
                Some(assigned) => {
                    let (unit, effects) = self.restored(assigned, &entry, remembered);
                    tracing::info!(unit = %name, state = unit.machine.state().as_str(), "continued");
                    self.units.insert(name.clone(), unit);
                    to_do.push((name, effects));
                }
                None => self.end_unknown(&name, &entry),
            }
        }
        for (name, digest) in std::mem::take(&mut self.config.completed) {
            let same = desired.units.get(&name).filter(|assigned| assigned.digest == digest);
            if let (Some(assigned), false) = (same, self.units.contains_key(&name)) {
                self.units.insert(name, Unit::completed(assigned.clone()));
            }
        }
        for (name, effects) in to_do {
            self.carry_out(&name, effects);
            self.watch_health(&name);
        }
    }

    /// What the unit ran from, as far as it can still be known; `None`: it is not assigned any more and nobody knows
    /// how it is stopped.
    fn assigned_before(&self, name: &UnitName, desired: &Desired, remembered: Option<&Remembered>) -> Option<Assigned> {
        let digest = remembered.and_then(|remembered| remembered.assigned);
        let now = desired.units.get(name);
        match (now, digest) {
            (Some(now), Some(digest)) if now.digest == digest => Some(now.clone()),
            (Some(now), None) => Some(now.clone()),
            (now, Some(digest)) => {
                let earlier = (self.config.earlier)(name, &digest);
                let spec = earlier.or_else(|| now.map(|now| unlike(&now.spec)))?;
                let revision = remembered.and_then(|remembered| remembered.revision.clone());
                let revision = revision.or_else(|| now.map(|now| now.revision.clone()))?;
                let bundle = now.map(|now| now.bundle.clone()).unwrap_or_default();
                Some(Assigned { spec, bundle, digest, revision })
            }
            (None, None) => None,
        }
    }

    fn restored(&self, assigned: Assigned, entry: &UnitEntry, known: Option<Remembered>) -> (Unit, Vec<Effect>) {
        let pid = |wanted| {
            let process = entry.processes.iter().find(|process| role(&process.role) == Some(wanted));
            process.map(|process| process.pid)
        };
        let present = Present { main: pid(Role::Main), control: pid(Role::Control), populated: entry.populated };
        let now = self.clock.now();
        let spec = assigned.spec.clone();
        let mut unit = Unit::new(assigned);
        let believable = |known: &Remembered| !known.memory.state.is_over() || present.main.is_none();
        let effects = match known.filter(believable) {
            Some(known) => {
                unit.invocation = known.invocation_id();
                unit.runs_from = known.digest.zip(known.revision);
                unit.since = known.since;
                unit.completed = known.completed;
                unit.due = known.due.then_some(Due::New);
                let (machine, effects) = Machine::restore(spec, known.memory, present, now);
                unit.machine = machine;
                effects
            }
            None if entry.populated => {
                let (machine, effects) = Machine::adopt(spec, present, now);
                unit.machine = machine;
                unit.due = None;
                unit.runs_from = Some((unit.assigned.digest, unit.assigned.revision.clone()));
                effects
            }
            None => Vec::new(),
        };
        unit.active = unit.machine.state().active_state();
        unit.files = unit_files(self, &unit);
        (unit, effects)
    }

    fn end_unknown(&mut self, name: &UnitName, entry: &UnitEntry) {
        if entry.populated {
            tracing::warn!(unit = %name, "runs, is not assigned, and how to stop it is not known: killed");
            let kill = Signal { unit: name.to_string(), signal: 9, target: signal::Target::All.into() };
            self.send(request::Request::Signal(kill));
        }
        let release = Release { unit: name.to_string(), remove_directories: Vec::new(), forget: true };
        self.send(request::Request::Release(release));
    }
}

fn unit_files<S>(engine: &Engine<S>, unit: &Unit) -> Option<std::path::PathBuf> {
    let spec = &unit.assigned.spec;
    (!spec.delivered.is_empty()).then(|| engine.config.host.files.join(spec.name.as_str()).join("current"))
}

/// The same unit with nothing to compare: any change of its digest is then taken to need a restart.
fn unlike(spec: &Arc<UnitSpec>) -> Arc<UnitSpec> {
    let mut other = UnitSpec::clone(spec);
    other.values.clear();
    Arc::new(other)
}
