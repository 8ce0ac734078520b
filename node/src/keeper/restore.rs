//! What a new supervisor finds of an earlier one: the diary, the shared table, the cgroups. Together they are
//! what the earlier one held; nothing of it is guessed.

use std::collections::BTreeSet;

use fleet_proto::control::{DiaryBegun, DiaryEvent, DiaryUnit, Process, Remember, Stray, diary_entry, event};
use nix::sys::inotify::AddWatchFlags;

use super::diary::{self, Diary};
use super::held::{Tracked, Unit};
use super::poll::Source;
use super::shared::{Phase, Seen};
use super::supervisor::Supervisor;
use crate::kernel::process;

impl Supervisor {
    /// Takes over. Before anything is served.
    pub(crate) fn restore(&mut self) {
        let read = diary::read(&self.config.runtime, &self.boot_id);
        let known = read.begun.continuity != 0 && read.damaged.is_none();
        if let Some(aside) = &read.damaged {
            let aside = aside.display();
            tracing::error!(node = self.config.node, %aside, "the diary is damaged: set aside, rebuilt from table and cgroups");
        }
        self.continuity = if known { read.begun.continuity } else { getrandom::u64().unwrap_or(1) | 1 };
        self.events.resume(read.begun.last_event);
        let told = self.replay(read.entries);
        let mut found = 0;
        for seen in self.shared.seen() {
            found += usize::from(seen.phase.is_alive());
            self.restore_slot(&seen, told.contains(&seen.place.serial));
        }
        self.find_fosters();
        self.restore_groups();
        self.begin_diary();
        if found > 0 {
            tracing::info!(node = self.config.node, processes = found, "took over what runs");
        }
    }

    /// Goes through what an earlier supervisor wrote down. Gives the uses of slots whose ends are among the events.
    fn replay(&mut self, entries: Vec<diary_entry::Entry>) -> BTreeSet<u64> {
        let mut told = BTreeSet::new();
        for entry in entries {
            match entry {
                diary_entry::Entry::Begun(_) => {} // the first alone
                diary_entry::Entry::Remember(Remember { unit, remembered }) => {
                    self.held.unit(&unit).remembered = remembered.to_vec();
                }
                diary_entry::Entry::Acknowledged(through) => self.events.acknowledge(through),
                diary_entry::Entry::Unit(unit) => restore_unit(self.held.unit(&unit.unit), &unit),
                diary_entry::Entry::Event(DiaryEvent { event: Some(event), serial }) => {
                    told.insert(serial);
                    let unit = self.held.unit(&event.unit);
                    match &event.event {
                        Some(event::Event::Exited(exited)) => unit.had(&exited.invocation_id),
                        Some(event::Event::Emptied(_)) => unit.emptied(),
                        Some(event::Event::Notified(_)) | None => {}
                    }
                    self.events.restore(event);
                }
                diary_entry::Entry::Event(DiaryEvent { event: None, .. }) => {}
            }
        }
        told
    }

    fn restore_slot(&mut self, seen: &Seen, told: bool) {
        let Seen { place, phase, pid, start_time, facts } = seen;
        match phase {
            Phase::Free => return,
            // The earlier supervisor did not come to make it.
            Phase::Taken if *pid == 0 => return self.give_up(*place),
            Phase::Told => {}
            Phase::Ended | Phase::Lost if told => self.shared.told(*place),
            Phase::Taken | Phase::Running | Phase::Ended | Phase::Lost => {
                let (pid, invocation_id) = (*pid, facts.invocation_id.clone());
                let mut process = Tracked {
                    pid,
                    start_time: *start_time,
                    part: facts.part,
                    invocation_id,
                    asked: facts.asked,
                    place: *place,
                    handle: None,
                    draining: None,
                };
                if phase.is_alive() {
                    self.shared.runs(*place);
                    self.look_again(&mut process);
                }
                self.held.track(&facts.unit, process);
            }
        }
        if !self.shared.is_closed(*place) {
            self.held.unit(&facts.unit).places.push(*place);
        }
    }

    /// A process that was running when it was last looked at.
    fn look_again(&mut self, process: &mut Tracked) {
        let stat = process::stat(process.pid);
        if process.start_time == 0
            && let Ok(stat) = &stat
        {
            process.start_time = stat.start_time;
            self.shared.set_start_time(process.place, stat.start_time);
        }
        let same = stat.ok().filter(|stat| stat.start_time == process.start_time);
        if same.as_ref().is_some_and(|stat| self.is_orphan(stat)) {
            return; // the guard hears of its end
        }
        match process::open(process.pid, process.start_time) {
            Ok(handle) => {
                self.last_watched += 1;
                if let Err(error) = self.poll.add(&handle, Source::Adopted(self.last_watched)) {
                    tracing::error!(pid = process.pid, %error, "its end will not be noticed");
                }
                process.handle = Some((self.last_watched, handle));
            }
            // The guard writes how it ended before it reaps it; one that is gone and has no end was another one's child.
            Err(_) => drop(self.shared.lose(process.place)),
        }
    }

    /// Processes that a killed guard left are children of somebody who is of no unit, and so their orphans will be.
    fn find_fosters(&mut self) {
        let watched =
            self.held.units.values().flat_map(|unit| &unit.processes).filter(|process| process.handle.is_some());
        let parents = watched.filter_map(|process| process::stat(process.pid).ok()).map(|stat| stat.parent);
        let mut fosters: Vec<u32> = parents.filter(|parent| self.unit_of(*parent).is_none()).collect();
        fosters.sort_unstable();
        fosters.dedup();
        self.fosters.extend(fosters);
    }

    /// Watches the groups of known units again, and finds those that only the kernel knows of.
    fn restore_groups(&mut self) {
        let Some(tree) = &self.cgroups else { return };
        for name in tree.units() {
            let group = tree.unit(&name);
            if group.populated() {
                self.held.unit(&name).populated = true;
            }
            if let Some(unit) = self.held.units.get_mut(&name)
                && let Ok(watch) = self.groups.add_watch(&group.events_file(), AddWatchFlags::IN_MODIFY)
            {
                unit.watch = Some(watch.as_raw());
                unit.killed = true; // for all that is known
            }
        }
    }

    /// Writes everything that is held as a new diary.
    pub(crate) fn begin_diary(&mut self) {
        let begun = DiaryBegun {
            boot_id: self.boot_id.clone(),
            continuity: self.continuity,
            last_event: self.events.before_the_first(),
            ..DiaryBegun::default()
        };
        let units = self.held.units.iter().flat_map(|(name, unit)| {
            let remember = Remember { unit: name.clone(), remembered: unit.remembered.clone().into() };
            [diary_entry::Entry::Unit(unit_entry(name, unit)), diary_entry::Entry::Remember(remember)]
        });
        // The slot of each end among them says that it is told, so its serial is not needed any more.
        let events = self
            .events
            .all()
            .map(|event| diary_entry::Entry::Event(DiaryEvent { event: Some(event.clone()), serial: 0 }));
        self.diary = Some(Diary::begin(&self.config.runtime, begun, units.chain(events)));
    }

    /// Adds to the diary.
    pub(crate) fn note(&mut self, entry: diary_entry::Entry) {
        if let Some(diary) = &mut self.diary {
            diary.write(entry);
        }
    }

    /// Between two events: none is written down there whose slot does not say that it is told.
    pub(crate) fn keep_diary_short(&mut self) {
        if self.diary.as_ref().is_some_and(Diary::is_long) {
            self.begin_diary();
        }
    }

    /// Adds what the unit is now.
    pub(crate) fn note_unit(&mut self, name: &str) {
        if let Some(unit) = self.held.units.get(name) {
            self.note(diary_entry::Entry::Unit(unit_entry(name, unit)));
        }
    }

    /// The table as the agent is told it, with the processes whose ends are still to be heard of: an agent that did not live
    /// to hear that one was spawned would spawn it again.
    pub(crate) fn units_with_ended(&self) -> Vec<fleet_proto::control::UnitEntry> {
        let mut units = self.held.to_wire();
        for (name, exited) in self.events.ends() {
            if let Some(entry) = units.iter_mut().find(|entry| entry.unit == name) {
                let (role, invocation_id) = (exited.role.clone(), exited.invocation_id.clone());
                entry.processes.push(Process { pid: exited.pid, start_time: 0, role, invocation_id, ended: true });
            }
        }
        units
    }
}

fn restore_unit(unit: &mut Unit, known: &DiaryUnit) {
    unit.populated = known.populated;
    unit.released = known.released;
    unit.invocations = known.invocations.iter().cloned().collect();
    unit.invocation.clone_from(&known.invocation);
    unit.strays = known.strays.iter().map(|stray| (stray.pid, stray.start_time)).collect();
}

fn unit_entry(name: &str, unit: &Unit) -> DiaryUnit {
    DiaryUnit {
        unit: name.to_owned(),
        populated: unit.populated,
        released: unit.released,
        invocations: unit.invocations.iter().cloned().collect(),
        invocation: unit.invocation.clone(),
        strays: unit.strays.iter().map(|(pid, start_time)| Stray { pid: *pid, start_time: *start_time }).collect(),
    }
}
