//! Ends of processes, emptiness of units, and what units say: what becomes an event.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use fleet_proto::control::{Emptied, Exited, Notified, event};

use super::members::{self, Marks};
use super::supervisor::Supervisor;
use super::table::Tracked;
use crate::kernel::process::{self, Stat};
use crate::kernel::wait::{self, Ended};

/// Messages read before processes are reaped: as many as the kernel ever queues for the socket where
/// net.unix.max_dgram_qlen is left alone (512 at most), so the last words of what is over are among them.
const NOTIFY_QUEUE: usize = 512;

impl Supervisor {
    /// Takes note of every child that is over.
    pub(crate) fn reap(&mut self) {
        if wait::peek().is_none() {
            return;
        }
        // Before any of them is reaped: a sender that is over can still be looked up now, and not afterwards.
        self.read_notifications(NOTIFY_QUEUE);
        self.note_strays();
        while let Some(ended) = wait::any() {
            self.records.remove(ended.pid);
            if self.agent.pid() == Some(ended.pid) {
                self.agent_ended(&ended);
            } else {
                self.process_ended(ended);
            }
        }
        self.look_for_empty();
    }

    fn agent_ended(&mut self, ended: &Ended) {
        let wait = self.agent.ended();
        let (node, code, signal) = (&self.config.node, ended.code, ended.signal);
        if self.is_serving() {
            tracing::warn!(node, code, signal, wait_ms = wait.as_millis(), "the agent ended and is started again");
        } else {
            self.agent.stop_starting();
            tracing::info!(node, code, signal, "the agent ended");
        }
    }

    fn process_ended(&mut self, ended: Ended) {
        let Some((unit, process)) = self.table.untrack(ended.pid) else { return };
        let exited =
            Exited { code: ended.code, signal: ended.signal, core_dumped: ended.core_dumped, ..exited(&process) };
        self.tell_end(&unit, process, exited);
    }

    /// An adopted process that is another one's child is over. If it became this one's child meanwhile, it is told when
    /// it is reaped.
    pub(crate) fn on_adopted_end(&mut self, number: u64) {
        let Some(pid) = self.table.watched(number) else { return };
        if process::stat(pid).is_ok_and(|stat| super::supervisor::is_child(&stat)) {
            self.reap();
        }
        // Still there: its parent will reap it, or has.
        if self.table.watched(number).is_some()
            && let Some((unit, process)) = self.table.untrack(pid)
        {
            self.records.remove(pid);
            let exited = Exited { unknown: true, ..exited(&process) };
            self.tell_end(&unit, process, exited);
            self.look_for_empty();
        }
    }

    fn tell_end(&mut self, unit: &str, process: Tracked, exited: Exited) {
        if let Some((_, handle)) = &process.handle {
            self.poll.remove(handle.as_fd());
        }
        // What it wrote is in the log before anybody hears of its end.
        self.output.drain(&self.poll, unit);
        self.events.push(unit, event::Event::Exited(exited));
    }

    /// Some unit's group became empty, or not.
    pub(crate) fn on_groups(&mut self) {
        // Which does not matter: few are looked at, those believed to have processes but none that is tracked.
        let mut changed = Vec::new();
        while let Ok(events) = self.groups.read_events() {
            changed.extend(events.into_iter().map(|event| event.wd.as_raw()));
        }
        // The process that emptied it may not be reaped yet; its end is told first.
        self.reap();
        let mut units: Vec<String> =
            changed.into_iter().filter_map(|watch| self.table.by_watch(watch)).map(str::to_owned).collect();
        units.sort_unstable();
        units.dedup();
        for unit in units {
            self.check_empty(&unit, &[]);
        }
    }

    /// Looks whether units have lost their last process.
    fn look_for_empty(&mut self) {
        let bare = |unit: &super::table::Unit| unit.populated && unit.processes.is_empty();
        let units: Vec<String> =
            self.table.units.iter().filter(|(_, unit)| bare(unit)).map(|(name, _)| name.clone()).collect();
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
        let Some(unit) = self.table.units.get(name) else { return };
        if !unit.populated || !unit.processes.is_empty() {
            return;
        }
        match &self.cgroups {
            Some(tree) if tree.unit(name).populated() => return,
            Some(_) => {}
            None => {
                let left = self.members(name, all);
                let unit = self.table.unit(name);
                unit.strays = left;
                if !unit.strays.is_empty() {
                    return;
                }
            }
        }
        self.output.drain(&self.poll, name);
        let unit = self.table.unit(name);
        unit.populated = false;
        unit.invocations.clear();
        let released = unit.released;
        self.events.push(name, event::Event::Emptied(Emptied {}));
        if released {
            self.forget_group(name);
            self.table.drop_unused(name);
        }
    }

    /// Where there are no cgroups: writes down who belongs to the units whose processes are over, as long as they can be
    /// recognised by them.
    fn note_strays(&mut self) {
        if self.cgroups.is_some() {
            return;
        }
        let all = process::all().unwrap_or_default();
        let over = all.iter().filter(|stat| stat.is_zombie() && super::supervisor::is_child(stat));
        let mut units: Vec<String> = over.filter_map(|stat| self.table.owner(stat.pid)).map(str::to_owned).collect();
        units.sort_unstable();
        units.dedup();
        for name in &units {
            let tracked: Vec<u32> = self.table.unit(name).processes.iter().map(|process| process.pid).collect();
            let mut found = self.members(name, &all);
            found.retain(|pid, _| !tracked.contains(pid));
            self.table.unit(name).strays.extend(found);
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
        let unit = self.table.unit(name);
        if !unit.strays.is_empty() || !unit.processes.iter().all(|process| over(process.pid)) {
            return;
        }
        let Some(since) = unit.processes.iter().map(|process| process.start_time).min() else { return };
        let agent = self.agent.pid();
        let orphan = |stat: &&Stat| {
            super::supervisor::is_child(stat)
                && !stat.is_zombie()
                && Some(stat.pid) != agent
                && stat.start_time >= since
                && self.unit_of(stat.pid).is_none()
        };
        let left: BTreeMap<u32, u64> = all.iter().filter(orphan).map(|stat| (stat.pid, stat.start_time)).collect();
        self.table.unit(name).strays.extend(left);
    }

    /// The processes of a unit among `all`, by what is known of it. Processes of other units are never among them.
    pub(crate) fn members(&self, name: &str, all: &[Stat]) -> BTreeMap<u32, u64> {
        let Some(unit) = self.table.units.get(name) else { return BTreeMap::new() };
        let own = |stat: &&Stat| self.table.owner(stat.pid).is_none_or(|owner| owner == name);
        let agent = self.agent.pid();
        let all: Vec<Stat> = all.iter().filter(own).filter(|stat| Some(stat.pid) != agent).copied().collect();
        members::find(&Marks::of(unit), &all, std::process::id(), process::started_with)
    }

    /// Reads what units said, as long as there is room for it, and at most `most` messages: whoever floods the socket
    /// does not keep the supervisor from its other work.
    pub(crate) fn read_notifications(&mut self, most: usize) {
        for _ in 0..most {
            if self.events.is_full() {
                return;
            }
            let Some(message) = self.notify.next() else { return };
            let Some(unit) = self.unit_of(message.pid) else { continue };
            let role = self.table.tracked(message.pid).map(|process| process.role.clone()).unwrap_or_default();
            let notified = Notified { pid: message.pid, text: message.text, role };
            self.events.push(&unit, event::Event::Notified(notified));
        }
    }

    /// The unit a process belongs to.
    pub(crate) fn unit_of(&self, pid: u32) -> Option<String> {
        if let Some(owner) = self.table.owner(pid) {
            return Some(owner.to_owned());
        }
        match &self.cgroups {
            Some(tree) => tree.unit_of(pid).filter(|unit| self.table.units.contains_key(unit)),
            None => {
                let all = process::all().unwrap_or_default();
                self.table.units.keys().find(|name| self.members(name, &all).contains_key(&pid)).cloned()
            }
        }
    }
}

fn exited(process: &Tracked) -> Exited {
    Exited {
        pid: process.pid,
        role: process.role.clone(),
        invocation_id: process.invocation_id.clone(),
        ..Exited::default()
    }
}
