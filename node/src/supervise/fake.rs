//! A supervisor without processes: answers at once, remembers what it was asked, tells exits as the real one does.

use super::supervisor::{Answer, Supervisor};
use crate::control::ControlError;
use fleet_proto::control::{
    Adopt, Emptied, Event, Exited, Notified, Process, Reply, Signal, Signalled, Spawn, Spawned, Table, UnitEntry,
    event, reply, request, signal,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::mpsc;

/// What ends a process that is not stubborn, SIGKILL apart: SIGINT, SIGQUIT, SIGABRT, SIGTERM.
const ENDS: [i32; 4] = [2, 3, 6, 15];

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) log: Vec<String>,
    pub(super) spawns: Vec<Spawn>,
    processes: BTreeMap<u32, (String, String)>,
    pub(super) remembered: BTreeMap<String, Vec<u8>>,
    /// Programs that cannot be executed.
    pub(super) missing: Vec<String>,
    /// Units whose processes ignore everything but SIGKILL.
    pub(super) stubborn: Vec<String>,
    next_pid: u32,
    next_event: u64,
    events: Option<mpsc::Sender<Event>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Fake(Arc<Mutex<World>>);

impl Fake {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// What a new agent gets.
    pub(super) fn attach(&self) -> (Table, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(1024);
        let mut world = self.world();
        world.events = Some(events);
        let mut units: BTreeMap<String, UnitEntry> = BTreeMap::new();
        for (unit, remembered) in &world.remembered {
            let entry = units.entry(unit.clone()).or_default();
            entry.remembered = remembered.clone().into();
        }
        for (pid, (unit, role)) in &world.processes {
            let entry = units.entry(unit.clone()).or_default();
            entry.populated = true;
            entry.processes.push(Process { pid: *pid, role: role.clone(), ..Process::default() });
        }
        let named = |(unit, entry): (String, UnitEntry)| UnitEntry { unit, ..entry };
        (Table { units: units.into_iter().map(named).collect(), ..Table::default() }, receiver)
    }

    /// The process of `unit` in place `role` exits.
    pub(super) fn exit(&self, unit: &str, role: &str, code: i32) {
        let mut world = self.world();
        let pid = world.pid(unit, role).expect("it runs");
        world.end(pid, code, 0);
    }

    /// A signal ends the process of `unit` in place `role`.
    pub(super) fn die(&self, unit: &str, role: &str, signal: i32) {
        let mut world = self.world();
        let pid = world.pid(unit, role).expect("it runs");
        world.end(pid, 0, signal);
    }

    pub(super) fn notify(&self, unit: &str, text: &str) {
        let mut world = self.world();
        let pid = world.pid(unit, "main").expect("it runs");
        let notified = Notified { pid, text: text.to_owned(), role: "main".to_owned() };
        world.tell(unit.to_owned(), event::Event::Notified(notified));
    }

    /// The log, repeated lines once: a last look at what an ended process left is as good as none.
    pub(super) fn distinct(&self) -> Vec<String> {
        let mut log = self.log();
        log.dedup();
        log
    }

    pub(super) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.world().log)
    }
}

impl World {
    pub(super) fn pid(&self, unit: &str, role: &str) -> Option<u32> {
        self.processes.iter().find(|(_, (u, r))| u == unit && r == role).map(|(pid, _)| *pid)
    }

    fn tell(&mut self, unit: String, event: event::Event) {
        self.next_event += 1;
        let told = Event { id: self.next_event, unit, time_us: 0, event: Some(event) };
        if let Some(events) = &self.events {
            let _ = events.try_send(told);
        }
    }

    fn end(&mut self, pid: u32, code: i32, signal: i32) {
        let Some((unit, role)) = self.processes.remove(&pid) else { return };
        let exited = Exited { pid, role, code, signal, ..Exited::default() };
        self.tell(unit.clone(), event::Event::Exited(exited));
        if !self.processes.values().any(|(other, _)| *other == unit) {
            self.tell(unit, event::Event::Emptied(Emptied {}));
        }
    }

    fn answer(&mut self, request: request::Request) -> Result<Reply, ControlError> {
        let reply = match request {
            request::Request::Spawn(spawn) => return self.spawn(spawn),
            request::Request::Signal(signal) => reply::Reply::Signalled(self.signal(&signal)),
            request::Request::Adopt(adopt) => return self.adopt(&adopt),
            request::Request::Remember(remember) => {
                self.remembered.insert(remember.unit, remember.remembered.to_vec());
                return Ok(Reply::default());
            }
            request::Request::Release(release) => {
                if release.forget {
                    self.remembered.remove(&release.unit);
                    self.log.push(format!("forget {}", release.unit));
                }
                return Ok(Reply::default());
            }
            _ => return Ok(Reply::default()),
        };
        Ok(Reply { reply: Some(reply), ..Reply::default() })
    }

    fn spawn(&mut self, spawn: Spawn) -> Result<Reply, ControlError> {
        self.log.push(format!("spawn {} {}", spawn.unit, spawn.program));
        self.spawns.push(spawn.clone());
        if self.missing.contains(&spawn.program) {
            let (step, text) = (format!("exec {}", spawn.program), "No such file".to_owned());
            return Err(ControlError::Refused { step, errno: 2, text, exit_status: 203 });
        }
        self.next_pid += 1;
        self.processes.insert(self.next_pid, (spawn.unit, spawn.role));
        let spawned = Spawned { pid: self.next_pid, ..Spawned::default() };
        Ok(Reply { reply: Some(reply::Reply::Spawned(spawned)), ..Reply::default() })
    }

    fn signal(&mut self, signal: &Signal) -> Signalled {
        let role = match signal.target() {
            signal::Target::Main => Some("main"),
            signal::Target::Control => Some("control"),
            _ => None,
        };
        let of_unit = |(_, (unit, place)): &(&u32, &(String, String))| {
            *unit == signal.unit && role.is_none_or(|role| role == place)
        };
        let pids: Vec<u32> = self.processes.iter().filter(of_unit).map(|(pid, _)| *pid).collect();
        let populated = self.processes.values().any(|(unit, _)| *unit == signal.unit);
        let ends = signal.signal == 9 || (ENDS.contains(&signal.signal) && !self.stubborn.contains(&signal.unit));
        if signal.signal != 18 {
            self.log.push(format!("signal {} {}", signal.unit, signal.signal));
        }
        for pid in pids.iter().filter(|_| ends) {
            self.end(*pid, 0, signal.signal);
        }
        Signalled { processes: pids.len() as u32, populated }
    }

    fn adopt(&mut self, adopt: &Adopt) -> Result<Reply, ControlError> {
        let Some((_, role)) = self.processes.get_mut(&adopt.pid).filter(|(unit, _)| *unit == adopt.unit) else {
            let text = "not a process of the unit".to_owned();
            return Err(ControlError::Refused { step: "adopt".to_owned(), errno: 0, text, exit_status: 0 });
        };
        role.clone_from(&adopt.role);
        let process = Process { pid: adopt.pid, ..Process::default() };
        Ok(Reply { reply: Some(reply::Reply::Adopted(process)), ..Reply::default() })
    }
}

impl Supervisor for Fake {
    fn request(&self, request: request::Request) -> Answer {
        let reply = self.world().answer(request);
        Box::pin(async move { reply })
    }
}
