//! A Spawn: the group, the pipes, the process, and what is written down about it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fleet_proto::control::{Failure, Spawn, Spawned};
use fleet_units::ids::UnitName;
use fleet_units::log_record::Stream;
use nix::sys::inotify::AddWatchFlags;
use rustix::fs::{Gid, OFlags, Uid};
use rustix::pipe::{PipeFlags, pipe_with};

use super::record::Record;
use super::supervisor::Supervisor;
use super::table::Tracked;
use crate::kernel::process;
use crate::kernel::spawn::{Command, Program, UnitSetup, failure, start};

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

impl Supervisor {
    /// Starts a process of a unit.
    pub(crate) fn spawn(&mut self, spawn: &Spawn) -> Result<Spawned, Failure> {
        let unit = unit_name(&spawn.unit)?;
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
        let running = start(&Command {
            program,
            argv,
            environment,
            unit: Some(UnitSetup {
                spawn,
                stdio: [self.null.as_fd(), stdout.descriptor(&self.null), stderr.descriptor(&self.null)],
                cgroup: group.as_ref().zip(folder.as_ref()),
                open_files: self.open_files,
            }),
        })?;
        self.capture(&unit, spawn, Stream::Stdout, stdout);
        self.capture(&unit, spawn, Stream::Stderr, stderr);
        // It is there also if it is over by now: nobody else reaps it.
        let start_time = process::stat(running.pid).map(|stat| stat.start_time).unwrap_or_default();
        self.write_down(spawn, running.pid, start_time);
        Ok(Spawned { pid: running.pid, start_time, unenforced: running.unenforced })
    }

    fn write_down(&mut self, spawn: &Spawn, pid: u32, start_time: u64) {
        let (unit, invocation_id) = (spawn.unit.clone(), spawn.invocation_id.clone());
        self.records.write(&Record { pid, start_time, unit, invocation_id: invocation_id.clone() });
        let process = Tracked { pid, start_time, role: spawn.role.clone(), invocation_id, handle: None };
        self.table.track(&spawn.unit, process);
    }

    /// The open folder of the unit's group, which is made and watched if it is new.
    fn group_folder(&mut self, name: &str) -> Result<Option<File>, Failure> {
        let Some(tree) = &self.cgroups else { return Ok(None) };
        let group = tree.unit(name);
        let failed = |error: &io::Error| failure(format!("cgroup of {name}"), EXIT_CGROUP, error);
        let folder = group.make().map_err(|error| failed(&error))?;
        if self.table.unit(name).watch.is_none() {
            let watch = self.groups.add_watch(&group.events_file(), AddWatchFlags::IN_MODIFY);
            self.table.unit(name).watch = Some(watch.map_err(|error| failed(&error.into()))?.as_raw());
        }
        Ok(Some(folder))
    }

    /// Removes the unit's empty group. One that is not empty stays.
    pub(crate) fn forget_group(&mut self, name: &str) {
        if let Some(tree) = &self.cgroups
            && tree.unit(name).remove().is_ok()
            && let Some(unit) = self.table.units.get_mut(name)
        {
            unit.watch = None; // the kernel drops the watch with the file
        }
    }

    fn capture(&mut self, unit: &UnitName, spawn: &Spawn, stream: Stream, sink: Sink) {
        let Sink::Captured { reader, .. } = sink else { return };
        if let Err(error) = self.output.add(&self.poll, unit, stream, &spawn.invocation_id, reader) {
            tracing::error!(unit = %unit, %error, "output cannot be read");
        }
    }
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
