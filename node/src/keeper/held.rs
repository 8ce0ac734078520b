//! What the supervisor holds: units, their processes, and what the agent asked to remember.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::time::Instant;

use fleet_proto::control;

use super::shared::{Asked, Part, Use};

/// Output that has to be in the spool before something is told.
#[derive(Debug)]
pub(crate) struct Draining {
    pub(crate) since: Instant,
    /// Slots with open pipes, with the number of what was asked.
    pub(crate) wanted: Vec<(Use, u32)>,
}

/// A process that was spawned or adopted and is not known to be over.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) pid: u32,
    pub(crate) start_time: u64,
    pub(crate) part: Part,
    pub(crate) invocation_id: String,
    /// Who asked for it.
    pub(crate) asked: Asked,
    /// Its slot in the shared table.
    pub(crate) place: Use,
    /// It is over, and its output is not in the spool yet.
    pub(crate) draining: Option<Draining>,
    /// Of an adopted process that is not (yet) the guard's child: its end is seen here only.
    pub(crate) handle: Option<(u64, OwnedFd)>,
}

impl Tracked {
    pub(crate) fn to_wire(&self) -> control::Process {
        control::Process {
            pid: self.pid,
            start_time: self.start_time,
            role: self.part.word().to_owned(),
            invocation_id: self.invocation_id.clone(),
            ended: self.draining.is_some(),
        }
    }
}

/// One unit.
#[derive(Debug, Default)]
pub(crate) struct Unit {
    pub(crate) remembered: Vec<u8>,
    pub(crate) processes: Vec<Tracked>,
    /// Slots with pipes that may be open.
    pub(crate) places: Vec<Use>,
    /// It is empty, and its output is not in the spool yet.
    pub(crate) draining: Option<Draining>,
    /// It had processes since the last Emptied.
    pub(crate) populated: bool,
    /// Watch of its `cgroup.events`.
    pub(crate) watch: Option<i32>,
    /// Its group was killed as a whole since it was made, or may have been.
    pub(crate) killed: bool,
    /// Invocations it was started with: how its stray processes are recognised where there are no cgroups.
    pub(crate) invocations: BTreeSet<String>,
    /// The latest of them.
    pub(crate) invocation: String,
    /// Released while something still ran: forgotten when that ends.
    pub(crate) released: bool,
    /// Where there are no cgroups: other processes seen to be of the unit (pid, start time).
    pub(crate) strays: BTreeMap<u32, u64>,
}

impl Unit {
    /// A process of this invocation was started.
    pub(crate) fn had(&mut self, invocation_id: &str) {
        self.populated = true;
        self.released = false;
        if !invocation_id.is_empty() {
            self.invocations.insert(invocation_id.to_owned());
            self.invocation = invocation_id.to_owned();
        }
    }

    /// Its last process is gone.
    pub(crate) fn emptied(&mut self) {
        self.populated = false;
        self.invocations.clear();
        self.strays.clear();
    }

    pub(crate) fn process(&self, part: Part) -> Option<&Tracked> {
        self.processes.iter().find(|process| process.part == part)
    }

    /// Every process of the unit that is known, as (pid, start time).
    pub(crate) fn known(&self) -> BTreeMap<u32, u64> {
        let tracked = self.processes.iter().map(|process| (process.pid, process.start_time));
        tracked.chain(self.strays.iter().map(|(pid, start_time)| (*pid, *start_time))).collect()
    }
}

/// All units, by name.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) units: BTreeMap<String, Unit>,
    /// Which unit a tracked pid belongs to.
    owners: BTreeMap<u32, String>,
}

impl Held {
    /// The unit, made if it is new.
    pub(crate) fn unit(&mut self, name: &str) -> &mut Unit {
        self.units.entry(name.to_owned()).or_default()
    }

    pub(crate) fn track(&mut self, unit: &str, process: Tracked) {
        self.owners.insert(process.pid, unit.to_owned());
        let entry = self.unit(unit);
        entry.strays.remove(&process.pid);
        entry.had(&process.invocation_id);
        entry.draining = None; // it is not empty any more
        entry.processes.push(process);
    }

    pub(crate) fn owner(&self, pid: u32) -> Option<&str> {
        self.owners.get(&pid).map(String::as_str)
    }

    pub(crate) fn tracked(&self, pid: u32) -> Option<&Tracked> {
        let unit = self.units.get(self.owner(pid)?)?;
        unit.processes.iter().rev().find(|process| process.pid == pid)
    }

    /// The process that this request has made or adopted.
    pub(crate) fn asked_for(&self, asked: Asked) -> Option<&Tracked> {
        let mut processes = self.units.values().flat_map(|unit| &unit.processes);
        processes.find(|process| process.asked == asked && asked.session != 0)
    }

    /// Takes a process that is over out of the table.
    pub(crate) fn untrack(&mut self, place: Use) -> Option<(String, Tracked)> {
        let is_it = |process: &Tracked| process.place == place;
        let (name, unit) = self.units.iter_mut().find(|(_, unit)| unit.processes.iter().any(is_it))?;
        let name = name.clone();
        let process = unit.processes.remove(unit.processes.iter().position(is_it)?);
        // Its pid may be another one's by now.
        if self.tracked(process.pid).is_none() {
            self.owners.remove(&process.pid);
        }
        Some((name, process))
    }

    /// The adopted process that is watched under `number`.
    pub(crate) fn watched(&self, number: u64) -> Option<u32> {
        let processes = self.units.values().flat_map(|unit| &unit.processes);
        processes.filter(|process| process.handle.as_ref().is_some_and(|(own, _)| *own == number)).map(|p| p.pid).next()
    }

    /// The unit whose group is watched under `watch`.
    pub(crate) fn by_watch(&self, watch: i32) -> Option<&str> {
        self.units.iter().find(|(_, unit)| unit.watch == Some(watch)).map(|(name, _)| name.as_str())
    }

    /// Drops a unit of which nothing is left to know.
    pub(crate) fn drop_unused(&mut self, name: &str) {
        if let Some(unit) = self.units.get(name)
            && unit.processes.is_empty()
            && unit.remembered.is_empty()
            && !unit.populated
        {
            self.units.remove(name);
        }
    }

    pub(crate) fn to_wire(&self) -> Vec<control::UnitEntry> {
        let entry = |(name, unit): (&String, &Unit)| control::UnitEntry {
            unit: name.clone(),
            remembered: unit.remembered.clone().into(),
            processes: unit.processes.iter().map(Tracked::to_wire).collect(),
            populated: unit.populated,
        };
        self.units.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(pid: u32) -> Use {
        Use { index: pid as usize, serial: pid.into() }
    }

    fn process(pid: u32) -> Tracked {
        let (invocation_id, place) = ("1".to_owned(), place(pid));
        Tracked {
            pid,
            start_time: 1,
            part: Part::Main,
            invocation_id,
            asked: Asked::default(),
            place,
            draining: None,
            handle: None,
        }
    }

    #[test]
    fn a_process_is_found_by_its_pid_until_it_is_over() {
        let mut held = Held::default();
        held.track("a.service", process(7));
        assert_eq!(held.owner(7), Some("a.service"));
        let (unit, over) = held.untrack(place(7)).unwrap();
        assert_eq!((unit.as_str(), over.pid), ("a.service", 7));
        assert!(held.untrack(place(7)).is_none());
        assert!(held.units["a.service"].populated, "until somebody looked whether others are left");
    }

    #[test]
    fn a_unit_with_something_remembered_is_kept() {
        let mut held = Held::default();
        held.unit("a.service").remembered = b"x".to_vec();
        held.drop_unused("a.service");
        assert!(held.units.contains_key("a.service"));
        held.unit("a.service").remembered.clear();
        held.drop_unused("a.service");
        assert!(held.units.is_empty());
    }
}
