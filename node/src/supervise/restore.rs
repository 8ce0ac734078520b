//! Taking over: what the supervisor runs and remembers becomes units again, at the first desired set.

use super::engine::{Engine, role};
use super::remember::Remembered;
use super::supervisor::Supervisor;
use super::unit::{Assigned, Desired, Unit};
use fleet_proto::control::{Process, Release, Signal, UnitEntry, request, signal};
use fleet_units::bundle::{Bundle, SourceFile};
use fleet_units::ids::{UnitKind, UnitName};
use fleet_units::lifecycle::machine::Present;
use fleet_units::lifecycle::{Effect, Machine, Role};
use fleet_units::plan::Due;
use fleet_units::spec::{Context, UnitSpec, Values, load};
use std::sync::Arc;

impl<S: Supervisor> Engine<S> {
    pub(super) fn take_over(&mut self, desired: &Desired) {
        let Some(found) = self.found.take() else { return };
        let mut to_do = Vec::new();
        for (name, entry) in found {
            let remembered = Remembered::from_bytes(&entry.remembered);
            match self.assigned_before(&name, desired, remembered.as_ref()) {
                Some((assigned, form_unknown)) => {
                    // What is not known cannot go on as remembered: timers and commands mean nothing without it.
                    let (mut unit, effects) = self.restored(assigned, &entry, remembered, form_unknown);
                    unit.form_unknown = form_unknown;
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

    /// What the unit ran from, and whether that is a stand-in because it is not known any more; `None`: it is not
    /// assigned any more and nobody knows how it is stopped.
    fn assigned_before(
        &mut self,
        name: &UnitName,
        desired: &Desired,
        remembered: Option<&Remembered>,
    ) -> Option<(Assigned, bool)> {
        let digest = remembered.and_then(|remembered| remembered.assigned);
        let now = desired.units.get(name);
        match (now, digest) {
            (Some(now), Some(digest)) if now.digest == digest => Some((now.clone(), false)),
            (Some(now), None) => Some((now.clone(), false)),
            (now, Some(digest)) => {
                let earlier = (self.config.earlier)(name, &digest);
                // A form that may not run here is no stand-in for one that did.
                let admitted = now.filter(|now| self.config.admission.admit(&now.spec).is_ok());
                let kept = now.is_some() || desired.refused.contains_key(name);
                let (spec, bundle, unknown) = match (earlier, admitted) {
                    (Some((spec, bundle)), _) => (spec, bundle, false),
                    (None, Some(now)) => (unlike(&now.spec), now.bundle.clone(), false),
                    (None, None) if kept => (stand_in(name)?, Arc::default(), true),
                    (None, None) => return None,
                };
                let revision = remembered.and_then(|remembered| remembered.revision.clone());
                let revision = revision.or_else(|| now.map(|now| now.revision.clone()))?;
                Some((Assigned { spec, bundle, digest, revision }, unknown))
            }
            (None, None) => None,
        }
    }

    fn restored(
        &self,
        assigned: Assigned,
        entry: &UnitEntry,
        known: Option<Remembered>,
        form_unknown: bool,
    ) -> (Unit, Vec<Effect>) {
        let pid = |wanted| {
            let mut processes = entry.processes.iter().filter(|process| !process.ended);
            processes.find(|process| role(&process.role) == Some(wanted)).map(|process| process.pid)
        };
        // Its end is told by an event; that it was spawned has to be known before.
        let ended = |wanted, known: &Remembered| {
            let own = |process: &&Process| process.ended && process.invocation_id == known.invocation;
            let mut processes = entry.processes.iter().rev().filter(own);
            processes.find(|process| role(&process.role) == Some(wanted)).map(|process| process.pid)
        };
        let present = Present { main: pid(Role::Main), control: pid(Role::Control), populated: entry.populated };
        let now = self.clock.now();
        let spec = assigned.spec.clone();
        let mut unit = Unit::new(assigned);
        let believable =
            |known: &Remembered| !form_unknown && (!known.memory.state.is_over() || present.main.is_none());
        let effects = match known.filter(believable) {
            Some(known) => {
                let (ended_main, ended_control) = (ended(Role::Main, &known), ended(Role::Control, &known));
                unit.invocation = known.invocation_id();
                unit.runs_from = known.digest.zip(known.revision);
                unit.since = known.since;
                unit.completed = known.completed;
                unit.due = known.due.then_some(Due::New);
                unit.timing = known.timing;
                unit.startup = known.startup;
                unit.left_inactive = known.left_inactive;
                unit.became_inactive = known.became_inactive;
                let present = Present {
                    main: present.main.or(ended_main),
                    control: present.control.or(ended_control),
                    ..present
                };
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
        let release = Release { unit: name.to_string(), forget: true, ..Release::default() };
        self.send(request::Request::Release(release));
    }
}

fn unit_files<S>(engine: &Engine<S>, unit: &Unit) -> Option<std::path::PathBuf> {
    let spec = &unit.assigned.spec;
    (!spec.delivered.is_empty()).then(|| engine.config.host.files.join(spec.name.as_str()).join("current"))
}

/// A service without commands of its own, for one that runs and that nobody can read: it can be watched and stopped.
fn stand_in(name: &UnitName) -> Option<Arc<UnitSpec>> {
    let target = name.kind() == UnitKind::Target;
    let text: &[u8] = if target { b"[Unit]\n" } else { b"[Service]\nExecStart=/bin/true\n" };
    let bundle = Bundle { files: [(format!("units/{name}"), SourceFile::new(false, text))].into() };
    let context = Context { environment: "unknown".parse().ok()?, host: None };
    load(name, &bundle, &context).spec.map(|spec| unlike(&Arc::new(spec)))
}

/// The same unit with nothing to compare: any change of its digest is then taken to need a restart.
fn unlike(spec: &Arc<UnitSpec>) -> Arc<UnitSpec> {
    let mut other = UnitSpec::clone(spec);
    other.values = Values::default();
    Arc::new(other)
}
