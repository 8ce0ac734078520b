//! A Spawn: the group, the pipes, the process, and what is written down about it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fleet_proto::control::{Exited, Failure, Spawn, Spawned, WriteLog};
use fleet_units::ids::UnitName;
use nix::sys::inotify::AddWatchFlags;
use rustix::fs::{Gid, OFlags, Uid};
use rustix::pipe::{PipeFlags, pipe_with};

use super::held::Tracked;
use super::point::point;
use super::shared::{Asked, Facts, Part, STREAMS, Use};
use super::supervisor::Supervisor;
use crate::kernel::spawn::{Command, Kind, Program, Running, UnitSetup, failure, start};

/// Exit statuses of systemd.exec(5).
const EXIT_STDOUT: u32 = 209;
const EXIT_STDERR: u32 = 222;
const EXIT_CGROUP: u32 = 219;

/// Where one stream of a process goes.
enum Sink {
    Null,
    Captured { reader: OwnedFd, writer: OwnedFd },
}

impl Sink {
    fn descriptor<'a>(&'a self, null: &'a File) -> BorrowedFd<'a> {
        match self {
            Self::Null => null.as_fd(),
            Self::Captured { writer, .. } => writer.as_fd(),
        }
    }
}

impl Sink {
    fn reader(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Null => None,
            Self::Captured { reader, .. } => Some(reader.as_fd()),
        }
    }
}

impl Supervisor {
    /// Starts a process of a unit. It is in the shared table before it is there.
    pub(crate) fn spawn(&mut self, spawn: &Spawn, asked: Asked) -> Result<Spawned, Failure> {
        unit_name(&spawn.unit)?;
        let part = part(&spawn.role)?;
        if let Some((pid, start_time)) = self.done_before(asked) {
            return Ok(Spawned { pid, start_time, ..Spawned::default() });
        }
        let folder = self.group_folder(&spawn.unit)?;
        let (stdout, stderr) = (sink(spawn, &spawn.stdout, EXIT_STDOUT)?, sink(spawn, &spawn.stderr, EXIT_STDERR)?);
        let group = self.cgroups.as_ref().map(|tree| tree.unit(&spawn.unit));
        let mut environment: Vec<&[u8]> = spawn.environment.iter().map(String::as_bytes).collect();
        let notify_socket = format!("NOTIFY_SOCKET={}", self.notify.address);
        if spawn.notify {
            environment.push(notify_socket.as_bytes());
        }
        let own = spawn.own_binary;
        let program = if own { Program::Open(self.own_binary.as_fd()) } else { Program::Path(&spawn.program) };
        let mut argv: Vec<&[u8]> = spawn.argv.iter().map(String::as_bytes).collect();
        if argv.is_empty() {
            argv.push(spawn.program.as_bytes()); // a program without argv[0] meets surprises (execve(2))
        }
        let facts = Facts { unit: spawn.unit.clone(), part, invocation_id: spawn.invocation_id.clone(), asked };
        let place = self.shared.take(&facts).map_err(|error| failure("table of processes", 0, &error))?;
        point("spawn-taken");
        // Before there is anybody to write: from here on the pipes outlive this process.
        if let Err(error) = self.deposit(place, [stdout.reader(), stderr.reader(), None]) {
            self.give_up(place);
            return Err(failure("pipes to the guard", EXIT_STDOUT, &error));
        }
        let started = start(&Command {
            program,
            argv,
            environment,
            kind: Kind::Unit(UnitSetup {
                spawn,
                pid: self.shared.pid_place(place),
                stdio: [self.null.as_fd(), stdout.descriptor(&self.null), stderr.descriptor(&self.null)],
                cgroup: group.as_ref(),
                folder: folder.as_ref(),
                open_files: self.open_files,
            }),
        });
        point("spawn-deposited");
        self.held.unit(&spawn.unit).places.push(place);
        let running = match started {
            Ok(running) => running,
            Err(failure) => {
                self.give_up(place); // nobody is told about a process that never was
                return Err(failure);
            }
        };
        point("spawn-made");
        self.write_down(place, facts, &running);
        point("spawn-written");
        Ok(Spawned { pid: running.pid, start_time: running.start_time, unenforced: running.unenforced })
    }

    /// The process that an earlier supervisor made for this very request, which it did not come to answer. It may be over,
    /// but the agent, which still waits for the answer, has not acknowledged that.
    fn done_before(&self, asked: Asked) -> Option<(u32, u64)> {
        if let Some(process) = self.held.asked_for(asked) {
            return Some((process.pid, process.start_time));
        }
        let same =
            |exited: &Exited| asked.session != 0 && (exited.session, exited.request) == (asked.session, asked.id);
        self.events.ends().find(|(_, exited)| same(exited)).map(|(_, exited)| (exited.pid, 0))
    }

    fn write_down(&mut self, place: Use, facts: Facts, running: &Running) {
        let (pid, start_time) = (running.pid, running.start_time);
        self.shared.set_start_time(place, start_time);
        self.shared.runs(place);
        let Facts { unit, part, invocation_id, asked } = facts;
        self.held
            .track(&unit, Tracked { pid, start_time, part, invocation_id, asked, place, draining: None, handle: None });
    }

    /// There is nothing (more) to know of this use of a slot.
    pub(crate) fn give_up(&self, place: Use) {
        self.depositor.drop(place);
        self.shared.free(place);
    }

    /// Gives the reading ends of pipes away, to be kept and read.
    fn deposit(&self, place: Use, ends: [Option<BorrowedFd<'_>>; STREAMS]) -> io::Result<()> {
        let inode = |end: &Option<BorrowedFd<'_>>| Some(rustix::fs::fstat(end.as_ref()?).ok()?.st_ino);
        self.shared.set_pipes(place, ends.each_ref().map(inode));
        self.depositor.keep(place, ends)
    }

    /// Adds a line of the node daemon's own: through a pipe like everything else, so it is not lost with this process, and
    /// comes after what it is about.
    pub(crate) fn write_line(&mut self, log: &WriteLog) -> Result<(), Failure> {
        let failed = |error: io::Error| failure("log line", 0, &error);
        let (unit, invocation_id) = (unit_name(&log.unit)?.into(), log.invocation_id.clone());
        let facts = Facts { unit, part: Part::Other, invocation_id, asked: Asked::default() };
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(|e| failed(e.into()))?;
        // What does not fit a pipe is cut off.
        rustix::io::write(&writer, format!("{}\n", log.text).as_bytes()).map_err(|e| failed(e.into()))?;
        let place = self.shared.take(&facts).map_err(failed)?;
        self.deposit(place, [None, None, Some(reader.as_fd())]).inspect_err(|_| self.give_up(place)).map_err(failed)?;
        self.shared.pipe_only(place);
        Ok(())
    }

    /// The open folder of the unit's group, which is made and watched if it is new. `None`: there are no groups, or a
    /// process has to enter it by itself.
    ///
    /// Linux (seen in 6.18) kills whatever is cloned straight into a group that was ever killed as a whole, so such a group
    /// is made anew once it is empty.
    fn group_folder(&mut self, name: &str) -> Result<Option<File>, Failure> {
        let Some(tree) = &self.cgroups else { return Ok(None) };
        let group = tree.unit(name);
        let failed = |error: &io::Error| failure(format!("cgroup of {name}"), EXIT_CGROUP, error);
        let unit = self.held.unit(name);
        // One that this supervisor did not make may have been killed, too.
        if (unit.killed || unit.watch.is_none()) && group.remove().is_ok() {
            (unit.killed, unit.watch) = (false, None);
        }
        let folder = group.make().map_err(|error| failed(&error))?;
        if unit.watch.is_none() {
            let watch = self.groups.add_watch(&group.events_file(), AddWatchFlags::IN_MODIFY);
            unit.watch = Some(watch.map_err(|error| failed(&error.into()))?.as_raw());
        }
        Ok((!unit.killed).then_some(folder))
    }

    /// Removes the unit's empty group. One that is not empty stays.
    pub(crate) fn forget_group(&mut self, name: &str) {
        if let Some(tree) = &self.cgroups
            && tree.unit(name).remove().is_ok()
            && let Some(unit) = self.held.units.get_mut(name)
        {
            unit.watch = None; // the kernel drops the watch with the file
        }
    }
}

pub(crate) fn part(role: &str) -> Result<Part, Failure> {
    Part::of_word(role).ok_or_else(|| Failure {
        step: "role".to_owned(),
        errno: libc::EINVAL,
        text: format!("no process of a unit is called {role:?}"),
        exit_status: 0,
    })
}

/// Only names of units become folders of the spool and of the cgroup tree.
pub(crate) fn unit_name(text: &str) -> Result<UnitName, Failure> {
    text.parse().map_err(|error: fleet_units::ids::IdError| Failure {
        step: "unit name".to_owned(),
        errno: libc::EINVAL,
        text: error.to_string(),
        exit_status: 0,
    })
}

fn sink(spawn: &Spawn, wanted: &str, exit_status: u32) -> Result<Sink, Failure> {
    match wanted {
        "" | "journal" => pipe(spawn).map_err(|error| failure("pipe for the output", exit_status, &error)),
        "null" => Ok(Sink::Null),
        other => Err(failure(format!("output to {other}"), exit_status, &io::Error::from_raw_os_error(libc::EINVAL))),
    }
}

fn pipe(spawn: &Spawn) -> io::Result<Sink> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    // The reading end alone: units expect writes that wait.
    rustix::fs::fcntl_setfl(&reader, OFlags::NONBLOCK)?;
    if spawn.set_user && rustix::process::geteuid().is_root() {
        // Programs that open /dev/stdout again need to own what is behind it.
        rustix::fs::fchown(&writer, Some(Uid::from_raw(spawn.uid)), Some(Gid::from_raw(spawn.gid)))?;
    }
    Ok(Sink::Captured { reader, writer })
}
