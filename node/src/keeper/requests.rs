//! What the supervisor does when the agent asks.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};
use std::sync::atomic::Ordering;

use fleet_proto::control::signal::Target;
use fleet_proto::control::{
    Adopt, Attach, Failure, Process, Release, Remember, Reply, Request, Signal, Signalled, Table, diary_entry, reply,
    request, to_agent,
};

use super::held::Tracked;
use super::launch::{part, unit_name};
use super::members::{self, Marks};
use super::poll::Source;
use super::shared::{Asked, Facts, Part};
use super::supervisor::Supervisor;
use crate::kernel::process::Stat;
use crate::kernel::spawn::failure;
use crate::kernel::{directory, process};

/// How often processes are looked for and killed in one request where there are no cgroups: those that fork meanwhile
/// are found the next time. What is still left then, the agent asks for again.
const ROUNDS: u32 = 10;

impl Supervisor {
    /// Does what a connection asked, in order, as far as its replies fit.
    pub(crate) fn serve(&mut self, connection: u64) {
        while let Some(Request { id, request }) = self.server.next_request(&self.poll, connection) {
            let result = match request {
                Some(request::Request::Attach(attach)) => self.attach(connection, &attach).map(Some),
                Some(request) if self.server.is_attached(connection) => {
                    self.act(request, self.server.asked(connection, id))
                }
                Some(_) => Err(refused("attach", "attach first; another agent may have taken over")),
                None => Err(refused("request", "this supervisor does not know it")),
            };
            let (failure, reply) = match result {
                Ok(reply) => (None, reply),
                Err(failure) => (Some(failure), None),
            };
            self.server.send(connection, to_agent::Message::Reply(Reply { id, failure, reply }));
        }
    }

    fn act(&mut self, request: request::Request, asked: Asked) -> Result<Option<reply::Reply>, Failure> {
        match request {
            request::Request::Spawn(spawn) => self.spawn(&spawn, asked).map(reply::Reply::Spawned).map(Some),
            request::Request::Signal(signal) => self.signal(&signal).map(reply::Reply::Signalled).map(Some),
            request::Request::Adopt(adopt) => self.adopt(&adopt, asked).map(reply::Reply::Adopted).map(Some),
            request::Request::Release(release) => self.release(&release).map(|()| None),
            request::Request::Remember(remember) => {
                unit_name(&remember.unit)?;
                self.held.unit(&remember.unit).remembered = remember.remembered.to_vec();
                self.held.drop_unused(&remember.unit);
                self.note(diary_entry::Entry::Remember(remember));
                Ok(None)
            }
            request::Request::AckEvents(acknowledged) => {
                self.events.acknowledge(acknowledged.through);
                self.note(diary_entry::Entry::Acknowledged(acknowledged.through));
                Ok(None)
            }
            request::Request::WriteLog(log) => {
                self.write_line(&log)?;
                Ok(None)
            }
            request::Request::Attach(_) => Err(refused("attach", "is the first request only")),
        }
    }

    fn attach(&mut self, connection: u64, attach: &Attach) -> Result<reply::Reply, Failure> {
        if attach.protocol != fleet_proto::CONTROL_PROTOCOL {
            let ours = fleet_proto::CONTROL_PROTOCOL;
            return Err(refused("attach", &format!("this supervisor speaks version {ours} of the protocol")));
        }
        if !self.server.attach(&self.poll, connection, attach.session) {
            return Err(refused("attach", "a newer agent has attached"));
        }
        // What has happened by now is in the table and in the events, in neither twice nor in none.
        self.take_ends();
        self.events.rewind();
        Ok(reply::Reply::Table(Table {
            protocol: fleet_proto::CONTROL_PROTOCOL,
            boot_id: self.boot_id.clone(),
            supervisor_pid: std::process::id(),
            units: self.units_with_ended(),
            cgroups: self.cgroups.is_some(),
            continuity: self.continuity,
        }))
    }

    fn signal(&mut self, signal: &Signal) -> Result<Signalled, Failure> {
        let unit = &signal.unit;
        if !self.held.units.contains_key(unit) {
            return Ok(Signalled::default());
        }
        let processes = match signal.target() {
            Target::Main => self.signal_role(unit, Part::Main, signal.signal)?,
            Target::Control => self.signal_role(unit, Part::Control, signal.signal)?,
            Target::All => self.signal_all(unit, signal.signal, None)?,
            Target::AllButMain => {
                let main = self.held.units[unit].process(Part::Main).map(|process| process.pid);
                self.signal_all(unit, signal.signal, main)?
            }
            Target::Unspecified => return Err(refused("signal", "no target")),
        };
        let populated = self.is_populated(unit);
        // Whoever hears that something is there hears also when it is gone.
        self.held.unit(unit).populated |= populated;
        Ok(Signalled { processes, populated })
    }

    fn signal_role(&self, unit: &str, part: Part, number: i32) -> Result<u32, Failure> {
        let mut count = 0;
        for process in self.held.units[unit].processes.iter().filter(|process| process.part == part) {
            let sent = process::signal_exactly(process.pid, process.start_time, number)
                .map_err(|error| failure(format!("signal {}", process.pid), 0, &error))?;
            count += u32::from(sent);
        }
        Ok(count)
    }

    fn signal_all(&mut self, unit: &str, number: i32, but: Option<u32>) -> Result<u32, Failure> {
        if number == libc::SIGKILL && but.is_none() {
            return Ok(self.kill_unit(unit));
        }
        let mut count = 0;
        let mut refusal = None;
        for (pid, start_time) in self.processes_of(unit) {
            if Some(pid) != but {
                match self.signal_member(unit, pid, start_time, number) {
                    Ok(sent) => count += u32::from(sent),
                    Err(error) => refusal = Some(failure(format!("signal {pid}"), 0, &error)),
                }
            }
        }
        // One that may not be signalled (it changed its user) must not spare the others.
        refusal.map_or(Ok(count), Err)
    }

    /// Signals a process if it is the one that was seen and still is of the unit: groups list pids only, and a pid may
    /// have changed hands before its start time was read.
    fn signal_member(&self, unit: &str, pid: u32, start_time: u64, number: i32) -> io::Result<bool> {
        let handle = match process::open(pid, start_time) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        if self.cgroups.as_ref().is_some_and(|tree| tree.unit_of(pid).as_deref() != Some(unit)) {
            return Ok(false);
        }
        match process::signal(handle.as_fd(), number) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Kills everything of a unit. Gives how many processes that were.
    fn kill_unit(&mut self, unit: &str) -> u32 {
        let before = self.processes_of(unit);
        if let Some(tree) = &self.cgroups
            && tree.unit(unit).kill().is_ok()
        {
            self.held.unit(unit).killed = true;
            return u32::try_from(before.len()).unwrap_or(u32::MAX);
        }
        let mut killed = BTreeMap::new();
        let mut found = before;
        for _ in 0..ROUNDS {
            found.retain(|pid, start_time| killed.get(pid) != Some(start_time));
            if found.is_empty() {
                break;
            }
            for (pid, start_time) in found {
                let _ = self.signal_member(unit, pid, start_time, libc::SIGKILL); // the agent sees what stays
                killed.insert(pid, start_time);
            }
            found = self.processes_of(unit);
        }
        u32::try_from(killed.len()).unwrap_or(u32::MAX)
    }

    /// Asks everything of every unit to end, also what is stopped.
    pub(crate) fn end_all(&mut self) {
        let units: Vec<String> =
            self.held.units.iter().filter(|(_, unit)| unit.populated).map(|(name, _)| name.clone()).collect();
        for unit in units {
            for number in [libc::SIGTERM, libc::SIGCONT] {
                let _ = self.signal_all(&unit, number, None); // what is not signalled is killed later
            }
        }
    }

    /// Kills everything of every unit.
    pub(crate) fn kill_all(&mut self) {
        let populated = self.held.units.iter().filter(|(_, unit)| unit.populated);
        let names: Vec<String> = populated.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.kill_unit(&name);
        }
    }

    /// The processes of a unit that are alive, by pid with their start times.
    fn processes_of(&self, unit: &str) -> BTreeMap<u32, u64> {
        let Some(tree) = &self.cgroups else {
            return self.members(unit, &process::all().unwrap_or_default());
        };
        let alive = |pid| process::stat(pid).ok().filter(|stat| !stat.is_zombie());
        let stats = tree.unit(unit).processes().into_iter().filter_map(alive);
        stats.map(|stat| (stat.pid, stat.start_time)).collect()
    }

    fn is_populated(&self, unit: &str) -> bool {
        match &self.cgroups {
            Some(tree) => tree.unit(unit).populated(),
            None => {
                self.held.units.get(unit).is_some_and(|unit| !members::now(&Marks::of(unit), &self.fosters).is_empty())
            }
        }
    }

    fn adopt(&mut self, adopt: &Adopt, asked: Asked) -> Result<Process, Failure> {
        if let Some(done) = self.held.asked_for(asked) {
            return Ok(done.to_wire());
        }
        let pid = if adopt.pid == 0 { self.only_child(&adopt.unit)? } else { adopt.pid };
        let step = format!("adopt {pid}");
        let stat = process::stat(pid).map_err(|error| failure(&step, 0, &error))?;
        if stat.is_zombie() {
            return Err(refused(&step, "the process is over"));
        }
        if self.unit_of(pid).as_deref() != Some(adopt.unit.as_str()) {
            return Err(refused(&step, &format!("the process is not of {}", adopt.unit)));
        }
        let part = part(&adopt.role)?;
        let handle = if self.is_orphan(&stat) || self.held.tracked(pid).is_some() {
            None
        } else {
            let handle = process::open(pid, stat.start_time).map_err(|error| failure(&step, 0, &error))?;
            self.last_watched += 1;
            self.poll.add(&handle, Source::Adopted(self.last_watched)).map_err(|error| failure(&step, 0, &error))?;
            Some((self.last_watched, handle))
        };
        if self.held.tracked(pid).is_none() {
            let tracked = self.write_down_adopted(adopt, asked, &stat, handle)?;
            self.held.track(&adopt.unit, tracked);
        }
        for other in self.held.unit(&adopt.unit).processes.iter_mut() {
            let now = match (other.pid == pid, other.part == part) {
                (true, _) => part,
                (false, true) => Part::Other,
                (false, false) => continue,
            };
            other.part = now;
            self.shared.set_part(other.place, now);
        }
        let process = self.held.tracked(pid).expect("tracked just now or before");
        Ok(process.to_wire())
    }

    /// Gives a process that nobody here started a slot. It was seen alive; if the guard reaped it meanwhile without finding
    /// it there, it is gone.
    fn write_down_adopted(
        &self,
        adopt: &Adopt,
        asked: Asked,
        stat: &Stat,
        handle: Option<(u64, OwnedFd)>,
    ) -> Result<Tracked, Failure> {
        let (pid, start_time, part) = (stat.pid, stat.start_time, part(&adopt.role)?);
        let step = format!("adopt {pid}");
        let invocation_id = self.held.units.get(&adopt.unit).map(|unit| unit.invocation.clone()).unwrap_or_default();
        let facts = Facts { unit: adopt.unit.clone(), part, invocation_id: invocation_id.clone(), asked };
        let place = self.shared.take(&facts).map_err(|error| failure(&step, 0, &error))?;
        self.shared.set_start_time(place, start_time);
        self.shared.pid_place(place).store(pid, Ordering::Release);
        self.shared.runs(place);
        let there = process::stat(pid).is_ok_and(|now| now.start_time == start_time);
        if !there && self.shared.end_of(place).is_none() {
            self.shared.free(place);
            return Err(refused(&step, "the process is over"));
        }
        Ok(Tracked { pid, start_time, part, invocation_id, asked, place, draining: None, handle })
    }

    /// The process that can only be the main one: an orphan of the unit, and the only one.
    fn only_child(&self, unit: &str) -> Result<u32, Failure> {
        let orphan = |pid: &u32| {
            let named = self.held.tracked(*pid).is_some_and(|process| process.part != Part::Other);
            !named && process::stat(*pid).is_ok_and(|stat| self.is_orphan(&stat) && !stat.is_zombie())
        };
        let mut found = self.processes_of(unit).into_keys().filter(orphan);
        match (found.next(), found.next()) {
            (Some(pid), None) => Ok(pid),
            (None, _) => Err(refused("guess the main process", "no process is left that could be it")),
            (Some(_), Some(_)) => Err(refused("guess the main process", "several processes could be it")),
        }
    }

    fn release(&mut self, release: &Release) -> Result<(), Failure> {
        unit_name(&release.unit)?;
        self.take_ends();
        if release.forget && self.held.units.contains_key(&release.unit) {
            self.held.unit(&release.unit).remembered.clear();
            let remember = Remember { unit: release.unit.clone(), ..Remember::default() };
            self.note(diary_entry::Entry::Remember(remember));
        }
        if let Some(unit) = self.held.units.get_mut(&release.unit) {
            unit.released = unit.populated;
            match unit.populated {
                true => self.note_unit(&release.unit),
                false => self.forget_group(&release.unit),
            }
            self.held.drop_unused(&release.unit);
        }
        let mut result = Ok(());
        for path in &release.remove_directories {
            result = result.and(remove_directory(path, release.of_root)); // all of them are tried, the first failure is told
        }
        result
    }
}

fn refused(step: &str, text: &str) -> Failure {
    Failure { step: step.to_owned(), errno: 0, text: text.to_owned(), exit_status: 0 }
}

/// Removes a folder and what is in it, following no links. At least two levels deep, so that a wrong path costs no
/// `/run`.
fn remove_directory(text: &str, of_root: bool) -> Result<(), Failure> {
    let path = Path::new(text);
    let step = format!("remove {text}");
    let normal = path.components().skip(1).all(|component| matches!(component, Component::Normal(_)));
    if !path.is_absolute() || !normal || path.components().count() < 3 {
        return Err(refused(&step, "not the path of a unit's folder"));
    }
    directory::remove(path, of_root).map_err(|error| failure(step, 0, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_no_units_folder_are_not_removed() {
        for path in ["/", "/run", "run/x", "/run/../etc", "/run/x/../../etc", ""] {
            assert!(remove_directory(path, true).is_err(), "{path}");
        }
        assert!(remove_directory("/run/fleet-no-such-folder", true).is_ok());
    }
}
