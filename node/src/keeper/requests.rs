//! What the supervisor does when the agent asks.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::{Component, Path};

use fleet_proto::control::signal::Target;
use fleet_proto::control::{
    Adopt, Attach, Failure, Process, Release, Reply, Request, Signal, Signalled, Table, UnitEntry, reply, request,
    to_agent,
};

use super::launch::unit_name;
use super::members::{self, Marks};
use super::poll::Source;
use super::record::Record;
use super::supervisor::{Supervisor, is_child};
use super::table::{MAIN, Tracked};
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
                Some(request) if self.server.is_attached(connection) => self.act(request),
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

    fn act(&mut self, request: request::Request) -> Result<Option<reply::Reply>, Failure> {
        match request {
            request::Request::Spawn(spawn) => self.spawn(&spawn).map(reply::Reply::Spawned).map(Some),
            request::Request::Signal(signal) => self.signal(&signal).map(reply::Reply::Signalled).map(Some),
            request::Request::Adopt(adopt) => self.adopt(&adopt).map(reply::Reply::Adopted).map(Some),
            request::Request::Release(release) => self.release(&release).map(|()| None),
            request::Request::Remember(remember) => {
                unit_name(&remember.unit)?;
                self.table.unit(&remember.unit).remembered = remember.remembered.to_vec();
                self.table.drop_unused(&remember.unit);
                Ok(None)
            }
            request::Request::AckEvents(acknowledged) => {
                self.events.acknowledge(acknowledged.through);
                Ok(None)
            }
            request::Request::WriteLog(log) => {
                self.output.write_line(&unit_name(&log.unit)?, &log.invocation_id, &log.text);
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
        self.server.attach(&self.poll, connection);
        // What has happened by now is in the table and in the events, in neither twice nor in none.
        self.reap();
        self.events.rewind();
        Ok(reply::Reply::Table(Table {
            protocol: fleet_proto::CONTROL_PROTOCOL,
            boot_id: self.boot_id.clone(),
            supervisor_pid: std::process::id(),
            units: self.units_with_ended(),
            cgroups: self.cgroups.is_some(),
        }))
    }

    /// The table, with the processes whose ends are still to be heard of: an agent that did not live to hear that one was
    /// spawned would spawn it again.
    fn units_with_ended(&self) -> Vec<UnitEntry> {
        let mut units = self.table.to_wire();
        for (name, exited) in self.events.ends() {
            if let Some(entry) = units.iter_mut().find(|entry| entry.unit == name) {
                let (role, invocation_id) = (exited.role.clone(), exited.invocation_id.clone());
                entry.processes.push(Process { pid: exited.pid, start_time: 0, role, invocation_id, ended: true });
            }
        }
        units
    }

    fn signal(&mut self, signal: &Signal) -> Result<Signalled, Failure> {
        let unit = &signal.unit;
        if !self.table.units.contains_key(unit) {
            return Ok(Signalled::default());
        }
        let processes = match signal.target() {
            Target::Main => self.signal_role(unit, MAIN, signal.signal)?,
            Target::Control => self.signal_role(unit, "control", signal.signal)?,
            Target::All => self.signal_all(unit, signal.signal, None)?,
            Target::AllButMain => {
                let main = self.table.units[unit].process(MAIN).map(|process| process.pid);
                self.signal_all(unit, signal.signal, main)?
            }
            Target::Unspecified => return Err(refused("signal", "no target")),
        };
        Ok(Signalled { processes, populated: self.is_populated(unit) })
    }

    fn signal_role(&self, unit: &str, role: &str, number: i32) -> Result<u32, Failure> {
        let mut count = 0;
        for process in self.table.units[unit].processes.iter().filter(|process| process.role == role) {
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
    fn kill_unit(&self, unit: &str) -> u32 {
        let before = self.processes_of(unit);
        if let Some(tree) = &self.cgroups
            && tree.unit(unit).kill().is_ok()
        {
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
            self.table.units.iter().filter(|(_, unit)| unit.populated).map(|(name, _)| name.clone()).collect();
        for unit in units {
            for number in [libc::SIGTERM, libc::SIGCONT] {
                let _ = self.signal_all(&unit, number, None); // what is not signalled is killed later
            }
        }
    }

    /// Kills everything of every unit.
    pub(crate) fn kill_all(&self) {
        for (name, _) in self.table.units.iter().filter(|(_, unit)| unit.populated) {
            self.kill_unit(name);
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
            None => self.table.units.get(unit).is_some_and(|unit| !members::now(&Marks::of(unit)).is_empty()),
        }
    }

    fn adopt(&mut self, adopt: &Adopt) -> Result<Process, Failure> {
        let pid = if adopt.pid == 0 { self.only_child(&adopt.unit)? } else { adopt.pid };
        let step = format!("adopt {pid}");
        let stat = process::stat(pid).map_err(|error| failure(&step, 0, &error))?;
        if stat.is_zombie() {
            return Err(refused(&step, "the process is over"));
        }
        if self.unit_of(pid).as_deref() != Some(adopt.unit.as_str()) {
            return Err(refused(&step, &format!("the process is not of {}", adopt.unit)));
        }
        let handle = if is_child(&stat) || self.table.tracked(pid).is_some() {
            None
        } else {
            let handle = process::open(pid, stat.start_time).map_err(|error| failure(&step, 0, &error))?;
            self.last_watched += 1;
            self.poll.add(&handle, Source::Adopted(self.last_watched)).map_err(|error| failure(&step, 0, &error))?;
            Some((self.last_watched, handle))
        };
        for other in self.table.unit(&adopt.unit).processes.iter_mut().filter(|other| other.role == adopt.role) {
            other.role.clear();
        }
        if self.table.tracked(pid).is_none() {
            let invocation_id = self.table.unit(&adopt.unit).invocation.clone();
            let (unit, start_time) = (adopt.unit.clone(), stat.start_time);
            self.records.write(&Record { pid, start_time, unit, invocation_id: invocation_id.clone() });
            let role = adopt.role.clone();
            self.table.track(&adopt.unit, Tracked { pid, start_time, role, invocation_id, handle });
        }
        let own = |process: &&mut Tracked| process.pid == pid;
        let process = self.table.unit(&adopt.unit).processes.iter_mut().find(own).expect("tracked just now or before");
        process.role.clone_from(&adopt.role);
        Ok(process.to_wire())
    }

    /// The process that can only be the main one: an orphan of the unit, and the only one.
    fn only_child(&self, unit: &str) -> Result<u32, Failure> {
        let orphan = |pid: &u32| {
            let named = self.table.tracked(*pid).is_some_and(|process| !process.role.is_empty());
            !named && process::stat(*pid).is_ok_and(|stat| is_child(&stat) && !stat.is_zombie())
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
        self.reap();
        if let Some(unit) = self.table.units.get_mut(&release.unit) {
            if release.forget {
                unit.remembered.clear();
            }
            unit.released = unit.populated;
            if !unit.populated {
                self.forget_group(&release.unit);
            }
            self.table.drop_unused(&release.unit);
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
