//! Ends of processes, emptiness of units, and what units say: what becomes an event.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use fleet_proto::control::{DiaryEvent, Emptied, Exited, Notified, diary_entry, event};

use super::held::Tracked;
use super::members::{self, Marks};
use super::point::point;
use super::shared::{Reaping, Use};
use super::supervisor::Supervisor;
use crate::kernel::process::{self, Stat};
use crate::kernel::wait::Ended;

/// Messages read before processes are reaped: as many as the kernel ever queues for the socket where
/// net.unix.max_dgram_qlen is left alone (512 at most), so the last words of what is over are among them.
const NOTIFY_QUEUE: usize = 512;

impl Supervisor {
    /// The guard or somebody else has rung: something in the shared table is new.
    pub(crate) fn on_bell(&mut self) {
        self.bell.hear();
        // Before anything is reaped, and before an end is told: a sender that is over is still known now, and not afterwards.
        self.read_notifications(NOTIFY_QUEUE);
        if self.shared.header().reaping() == Reaping::Asked {
            self.note_strays();
            self.shared.header().set_reaping(Reaping::Granted);
            self.guard_bell.ring();
        }
        self.take_ends();
    }

    /// The process in this slot is over, and all it wrote is in the spool.
    pub(crate) fn tell_end(&mut self, place: Use) {
        let Some(end) = self.shared.end_of(place) else { return };
        let Some((unit, process)) = self.held.untrack(place) else { return };
        if let Some((_, handle)) = &process.handle {
            self.poll.remove(handle.as_fd());
        }
        let exited = match end {
            Some(Ended { code, signal, core_dumped, .. }) => Exited { code, signal, core_dumped, ..exited(&process) },
            None => Exited { unknown: true, ..exited(&process) },
        };
        self.push(&unit, event::Event::Exited(exited), place.serial);
        point("end-noted");
        // After the event is written down, with the use of this slot: so it is told once, whoever tells it.
        self.shared.told(place);
        point("end-told");
    }

    /// An adopted process that is another one's child is over. If it became this one's child meanwhile, it is told when
    /// it is reaped.
    pub(crate) fn on_adopted_end(&mut self, number: u64) {
        let Some(pid) = self.held.watched(number) else { return };
        let Some(Tracked { place, handle, .. }) = self.held.tracked(pid) else { return };
        if let Some((_, handle)) = handle {
            self.poll.remove(handle.as_fd()); // it has said all it has to say
        }
        // The guard writes how it ended before it reaps it: one that is gone and has no end was another one's child.
        if !process::stat(pid).is_ok_and(|stat| self.is_orphan(&stat)) {
            self.shared.lose(*place);
        }
        self.take_ends();
    }

    /// Has the agent told something, also by the next supervisor.
    fn push(&mut self, unit: &str, event: event::Event, serial: u64) {
        if let Some(event) = self.events.push(unit, event).cloned() {
            self.note(diary_entry::Entry::Event(DiaryEvent { event: Some(event), serial }));
        }
    }

    /// Some unit's group became empty, or not.
    pub(crate) fn on_groups(&mut self) {
        // Which does not matter: few are looked at, those believed to have processes but none that is tracked.
        let mut changed = Vec::new();
        while let Ok(events) = self.groups.read_events() {
            changed.extend(events.into_iter().map(|event| event.wd.as_raw()));
        }
        // The process that emptied it may not be reaped yet; its end is told first.
        self.take_ends();
        let mut units: Vec<String> =
            changed.into_iter().filter_map(|watch| self.held.by_watch(watch)).map(str::to_owned).collect();
        units.sort_unstable();
        units.dedup();
        for unit in units {
            self.check_empty(&unit, &[]);
        }
    }

    /// Looks whether units have lost their last process.
    pub(crate) fn look_for_empty(&mut self) {
        let bare = |unit: &super::held::Unit| unit.populated && unit.processes.is_empty();
        let units: Vec<String> =
            self.held.units.iter().filter(|(_, unit)| bare(unit)).map(|(name, _)| name.clone()).collect();
        if units.is_empty() {
            return;
        }
        // A new look, after the reaping: whoever ends after it makes another signal.
        let all = if self.cgroups.is_none() { process::all().unwrap_or_default() } else { Vec::new() };
        for unit in units {
            self.check_empty(&unit, &all);
        }
    }

    fn check_empty(&mut self, name: &str, all: &[Stat]) {
        let Some(unit) = self.held.units.get(name) else { return };
        if !unit.populated || !unit.processes.is_empty() {
            return;
        }
        match &self.cgroups {
            Some(tree) if tree.unit(name).populated() => return,
            Some(_) => {}
            None => {
                let left = self.members(name, all);
                if !left.is_empty() {
                    return self.set_strays(name, left);
                }
            }
        }
        if unit.draining.is_none() {
            let draining = self.ask_for_output(name);
            let at_once = self.is_drained(&draining);
            self.held.unit(name).draining = Some(draining);
            if at_once {
                self.tell_empty(name);
            }
        }
    }

    /// The unit is empty, and all its output is in the spool.
    pub(crate) fn tell_empty(&mut self, name: &str) {
        let unit = self.held.unit(name);
        unit.draining = None;
        if !unit.populated || !unit.processes.is_empty() {
            return; // something was started meanwhile
        }
        unit.emptied();
        let released = unit.released;
        self.push(name, event::Event::Emptied(Emptied {}), 0);
        if released {
            self.forget_group(name);
            self.held.drop_unused(name);
        }
    }

    /// Where there are no cgroups: writes down who belongs to the units whose processes are over, as long as they can be
    /// recognised by them.
    fn note_strays(&mut self) {
        if self.cgroups.is_some() {
            return;
        }
        let all = process::all().unwrap_or_default();
        let over = all.iter().filter(|stat| stat.is_zombie() && self.is_orphan(stat));
        let mut units: Vec<String> = over.filter_map(|stat| self.held.owner(stat.pid)).map(str::to_owned).collect();
        units.sort_unstable();
        units.dedup();
        for name in &units {
            let tracked: Vec<u32> = self.held.unit(name).processes.iter().map(|process| process.pid).collect();
            let mut found = self.members(name, &all);
            found.retain(|pid, _| !tracked.contains(pid));
            let before = self.held.unit(name).strays.clone();
            self.set_strays(name, before.into_iter().chain(found).collect());
        }
        if let [name] = &units[..] {
            self.note_nameless(name, &all);
        }
    }

    /// A daemon that leads a session of its own and has overwritten its environment, as nginx does at once, carries no
    /// mark any more. An orphan that nobody claims, when all processes of one single unit have just ended and started
    /// before it, is taken for what they left.
    fn note_nameless(&mut self, name: &str, all: &[Stat]) {
        let over = |pid: u32| all.iter().any(|stat| stat.pid == pid && stat.is_zombie());
        let unit = self.held.unit(name);
        if !unit.strays.is_empty() || !unit.processes.iter().all(|process| over(process.pid)) {
            return;
        }
        let Some(since) = unit.processes.iter().map(|process| process.start_time).min() else { return };
        let header = self.shared.header();
        let orphan = |stat: &&Stat| {
            self.is_orphan(stat)
                && !stat.is_zombie()
                && !header.is_own(stat.pid)
                && stat.start_time >= since
                && self.unit_of(stat.pid).is_none()
        };
        let left: BTreeMap<u32, u64> = all.iter().filter(orphan).map(|stat| (stat.pid, stat.start_time)).collect();
        self.set_strays(name, left); // there were none
    }

    fn set_strays(&mut self, name: &str, strays: BTreeMap<u32, u64>) {
        let unit = self.held.unit(name);
        if unit.strays != strays {
            unit.strays = strays;
            self.note_unit(name);
        }
    }

    /// The processes of a unit among `all`, by what is known of it. Processes of other units are never among them.
    pub(crate) fn members(&self, name: &str, all: &[Stat]) -> BTreeMap<u32, u64> {
        let Some(unit) = self.held.units.get(name) else { return BTreeMap::new() };
        let own = |stat: &&Stat| self.held.owner(stat.pid).is_none_or(|owner| owner == name);
        let header = self.shared.header();
        let all: Vec<Stat> = all.iter().filter(own).filter(|stat| !header.is_own(stat.pid)).copied().collect();
        members::find(&Marks::of(unit), &all, &self.fosters, process::started_with)
    }

    /// Reads what units said, as long as there is room for it, and at most `most` messages: whoever floods the socket
    /// does not keep the supervisor from its other work.
    pub(crate) fn read_notifications(&mut self, most: usize) {
        for _ in 0..most {
            if self.events.is_full() {
                return;
            }
            let Some(message) = self.notify.next() else { return };
            let Some(unit) = self.unit_of(message.pid) else {
                self.notify.consume();
                continue;
            };
            let role = self.held.tracked(message.pid).map(|process| process.part.word().to_owned()).unwrap_or_default();
            let notified = Notified { pid: message.pid, text: message.text, role };
            self.push(&unit, event::Event::Notified(notified), 0);
            point("notified-noted");
            self.notify.consume();
        }
    }

    /// The unit a process belongs to.
    pub(crate) fn unit_of(&self, pid: u32) -> Option<String> {
        if let Some(owner) = self.held.owner(pid) {
            return Some(owner.to_owned());
        }
        match &self.cgroups {
            Some(tree) => tree.unit_of(pid).filter(|unit| self.held.units.contains_key(unit)),
            None => {
                let all = process::all().unwrap_or_default();
                self.held.units.keys().find(|name| self.members(name, &all).contains_key(&pid)).cloned()
            }
        }
    }
}

fn exited(process: &Tracked) -> Exited {
    Exited {
        pid: process.pid,
        role: process.part.word().to_owned(),
        invocation_id: process.invocation_id.clone(),
        session: process.asked.session,
        request: process.asked.id,
        ..Exited::default()
    }
}
