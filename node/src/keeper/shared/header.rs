//! The head of the shared table: whose it is, and what its processes tell each other.

use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use super::text::Text;
use crate::kernel::limits::Pair;

/// "FleetTab"
const MAGIC: u64 = u64::from_le_bytes(*b"FleetTab");
const VERSION: u32 = 1;

/// A process that is not mistaken for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exact {
    pub(crate) pid: u32,
    pub(crate) start_time: u64,
}

/// The node's own processes, besides the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeProcess {
    Supervisor,
    Logger,
    Agent,
}

impl std::fmt::Display for NodeProcess {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Supervisor => "the supervisor",
            Self::Agent => "the agent",
            Self::Logger => "the logger",
        })
    }
}

impl NodeProcess {
    pub(crate) const ALL: [Self; 3] = [Self::Supervisor, Self::Logger, Self::Agent];
}

/// What goes on between the guard and the supervisor before children are reaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaping {
    /// Nothing.
    Idle,
    /// The guard has children to reap: is there anything to find out about them before?
    Asked,
    /// The supervisor has.
    Granted,
}

/// Whether the node ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    No,
    /// In order, since this time in nanoseconds of CLOCK_MONOTONIC.
    Since(u64),
    /// At once.
    Now,
}

/// Numbers of the descriptors that supervisor and logger get from the guard; they are the guard's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptors {
    /// The supervisor's bell.
    pub(crate) supervisor_bell: RawFd,
    /// The guard's bell.
    pub(crate) guard_bell: RawFd,
    /// The listening control socket.
    pub(crate) control: RawFd,
    /// The notify socket.
    pub(crate) notify: RawFd,
    /// The supervisor's end of the channel to the descriptor store.
    pub(crate) depositor: RawFd,
    /// The logger's bell.
    pub(crate) logger_bell: RawFd,
    /// The logger's end of the channel from the descriptor store.
    pub(crate) inlet: RawFd,
}

impl Descriptors {
    fn numbers(self) -> [RawFd; 7] {
        let Self { supervisor_bell, guard_bell, control, notify, depositor, logger_bell, inlet } = self;
        [supervisor_bell, guard_bell, control, notify, depositor, logger_bell, inlet]
    }

    /// What the supervisor gets.
    pub(crate) fn of_supervisor(self) -> Vec<RawFd> {
        vec![self.supervisor_bell, self.guard_bell, self.logger_bell, self.control, self.notify, self.depositor]
    }

    /// What the logger gets, besides the pipes.
    pub(crate) fn of_logger(self) -> Vec<RawFd> {
        vec![self.logger_bell, self.supervisor_bell, self.inlet]
    }
}

#[repr(C)]
#[derive(Default)]
struct Named {
    start_time: AtomicU64,
    /// Written last, cleared first.
    pid: AtomicU32,
    reserved: AtomicU32,
}

impl Named {
    fn set(&self, process: Option<Exact>) {
        self.pid.store(0, Ordering::Release);
        if let Some(Exact { pid, start_time }) = process {
            self.start_time.store(start_time, Ordering::Release);
            self.pid.store(pid, Ordering::Release);
        }
    }

    fn get(&self) -> Option<Exact> {
        let pid = self.pid.load(Ordering::Acquire);
        (pid != 0).then(|| Exact { pid, start_time: self.start_time.load(Ordering::Acquire) })
    }
}

/// The header, as it lies in the file.
#[repr(C, align(64))]
pub(crate) struct Header {
    magic: AtomicU64,
    version: AtomicU32,
    /// Slots from here on were never used.
    pub(super) used: AtomicU32,
    last_serial: AtomicU64,
    boot_id: Text<36>,
    guard: Named,
    processes: [Named; 4],
    leave_since: AtomicU64,
    leave_now: AtomicU32,
    left: AtomicU32,
    reaping: AtomicU32,
    /// 0: not known yet; 1: none; 2: there are, at `tree`.
    cgroups: AtomicU32,
    open_files: [AtomicU64; 2],
    descriptors: [AtomicI32; 16],
    inherited: AtomicU64,
    writing: AtomicU64,
    tree: Text<1024>,
    tree_shown: Text<1024>,
    reserved: [AtomicU64; 62],
}

impl Header {
    pub(super) fn begin(&self, boot_id: &str, guard: Exact) {
        self.boot_id.set(boot_id);
        self.guard.set(Some(guard));
        self.version.store(VERSION, Ordering::Relaxed);
        self.magic.store(MAGIC, Ordering::Release);
    }

    /// Another guard goes on with the table.
    pub(crate) fn take_over(&self, guard: Exact) {
        for process in &self.processes {
            process.set(None);
        }
        self.set_leave(Leave::No);
        self.set_reaping(Reaping::Idle);
        self.left.store(0, Ordering::Release);
        self.guard.set(Some(guard));
    }

    pub(super) fn is_understood(&self) -> bool {
        self.magic.load(Ordering::Acquire) == MAGIC && self.version.load(Ordering::Relaxed) == VERSION
    }

    pub(super) fn is_of_boot(&self, boot_id: &str) -> bool {
        self.boot_id.is(boot_id)
    }

    pub(super) fn next_serial(&self) -> u64 {
        self.last_serial.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The guard.
    pub(crate) fn guard(&self) -> Option<Exact> {
        self.guard.get()
    }

    /// One of the node's other processes, while it runs.
    pub(crate) fn process(&self, which: NodeProcess) -> Option<Exact> {
        self.processes[which as usize].get()
    }

    pub(crate) fn set_process(&self, which: NodeProcess, process: Option<Exact>) {
        self.processes[which as usize].set(process);
    }

    /// Whether the pid is one of the node's own processes.
    pub(crate) fn is_own(&self, pid: u32) -> bool {
        let named = NodeProcess::ALL.into_iter().filter_map(|which| self.process(which)).chain(self.guard());
        named.into_iter().any(|process| process.pid == pid)
    }

    pub(crate) fn leave(&self) -> Leave {
        if self.leave_now.load(Ordering::Acquire) != 0 {
            return Leave::Now;
        }
        match self.leave_since.load(Ordering::Acquire) {
            0 => Leave::No,
            since => Leave::Since(since),
        }
    }

    pub(crate) fn set_leave(&self, leave: Leave) {
        match leave {
            Leave::No => {
                self.leave_since.store(0, Ordering::Release);
                self.leave_now.store(0, Ordering::Release);
            }
            Leave::Since(time) => self.leave_since.store(time.max(1), Ordering::Release),
            Leave::Now => self.leave_now.store(1, Ordering::Release),
        }
    }

    /// Nothing of the node runs any more but the guard.
    pub(crate) fn has_left(&self) -> bool {
        self.left.load(Ordering::Acquire) != 0
    }

    pub(crate) fn set_left(&self) {
        self.left.store(1, Ordering::Release);
    }

    pub(crate) fn reaping(&self) -> Reaping {
        match self.reaping.load(Ordering::Acquire) {
            1 => Reaping::Asked,
            2 => Reaping::Granted,
            _ => Reaping::Idle,
        }
    }

    pub(crate) fn set_reaping(&self, reaping: Reaping) {
        self.reaping.store(reaping as u32, Ordering::Release);
    }

    /// `None`: not known yet. Else the node's cgroup and how `/proc` shows it, if it has one.
    pub(crate) fn tree(&self) -> Option<Option<(PathBuf, String)>> {
        match self.cgroups.load(Ordering::Acquire) {
            1 => Some(None),
            2 => Some(Some((PathBuf::from(self.tree.get()), self.tree_shown.get()))),
            _ => None,
        }
    }

    /// `false`: the path is too long, and nothing is written.
    pub(crate) fn set_tree(&self, tree: Option<(&Path, &str)>) -> bool {
        let Some((path, shown)) = tree else {
            self.cgroups.store(1, Ordering::Release);
            return true;
        };
        let written = path.to_str().is_some_and(|path| self.tree.set(path)) && self.tree_shown.set(shown);
        if written {
            self.cgroups.store(2, Ordering::Release);
        }
        written
    }

    /// The limit of open files the guard was started with.
    pub(crate) fn open_files(&self) -> Pair {
        let [soft, hard] = &self.open_files;
        Pair { soft: soft.load(Ordering::Relaxed), hard: hard.load(Ordering::Relaxed) }
    }

    pub(crate) fn set_open_files(&self, pair: Pair) {
        let [soft, hard] = &self.open_files;
        soft.store(pair.soft, Ordering::Relaxed);
        hard.store(pair.hard, Ordering::Relaxed);
    }

    /// The logger has inherited the pipes of uses of slots up to this serial number. Others reach it by its inlet: their
    /// numbers mean nothing to it.
    pub(crate) fn inherited(&self) -> u64 {
        self.inherited.load(Ordering::Acquire)
    }

    pub(crate) fn set_inherited(&self, serial: u64) {
        self.inherited.store(serial, Ordering::Release);
    }

    /// The use of a slot whose pipe the logger is moving into the spool right now, by serial number; 0: none. After a killed
    /// logger: where a frame may be torn.
    pub(crate) fn writing(&self) -> u64 {
        self.writing.load(Ordering::Acquire)
    }

    pub(crate) fn set_writing(&self, serial: u64) {
        self.writing.store(serial, Ordering::Release);
    }

    pub(crate) fn descriptors(&self) -> Descriptors {
        let number = |index: usize| self.descriptors[index].load(Ordering::Relaxed);
        Descriptors {
            supervisor_bell: number(0),
            guard_bell: number(1),
            control: number(2),
            notify: number(3),
            depositor: number(4),
            logger_bell: number(5),
            inlet: number(6),
        }
    }

    pub(crate) fn set_descriptors(&self, descriptors: Descriptors) {
        for (place, number) in self.descriptors.iter().zip(descriptors.numbers()) {
            place.store(number, Ordering::Relaxed);
        }
    }
}
