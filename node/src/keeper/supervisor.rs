//! The loop of the supervisor, its start and its end.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use fleet_proto::control::to_agent;
use nix::sys::inotify::{InitFlags, Inotify};
use nix::sys::signalfd::SignalFd;
use rustix::fs::{Mode, OFlags};

use super::agent::Agent;
use super::control::Server;
use super::events::Events;
use super::notify::Notify;
use super::output::Output;
use super::poll::{Poll, Source};
use super::record::Records;
use super::table::Table;
use super::{KeeperError, STOP_UNITS, SupervisorConfig, leftover, lock, socket};
use crate::kernel::cgroup::Tree;
use crate::kernel::limits::{self, Pair};
use crate::kernel::{boot, process, signals};
use crate::logs::spool::Spool;

/// How long killed processes may take to be gone at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far the supervisor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Asked to end: the agent stops the units until this time.
    Leaving {
        deadline: Instant,
        /// There is no agent, so the units were told to end from here.
        told: bool,
    },
    /// Nothing runs any more, or its time is over: kill what is left.
    Killing,
}

/// Everything the supervisor has.
pub(crate) struct Supervisor {
    pub(crate) config: SupervisorConfig,
    pub(crate) poll: Poll,
    pub(crate) table: Table,
    pub(crate) events: Events,
    pub(crate) output: Output,
    pub(crate) notify: Notify,
    pub(crate) server: Server,
    pub(crate) agent: Agent,
    pub(crate) records: Records,
    /// `None`: this host or user has no cgroups of its own.
    pub(crate) cgroups: Option<Tree>,
    /// Watches `cgroup.events` of the units.
    pub(crate) groups: Inotify,
    pub(crate) own_binary: OwnedFd,
    pub(crate) null: File,
    pub(crate) open_files: Pair,
    pub(crate) boot_id: String,
    /// Of the latest adopted process that is watched.
    pub(crate) last_watched: u64,
    signals: SignalFd,
    phase: Phase,
    /// Held, never read.
    _locks: [File; 2],
}

/// Runs the supervisor of a node until it is told to end by SIGTERM or SIGINT. Must be called on the only thread of the
/// process; children of the process and its signals are the supervisor's from then on.
///
/// At the end the agent is asked, by [`STOP_UNITS`], to stop the units in order and to exit. Without an agent, and for
/// what it left, all processes get SIGTERM. A second signal, or the end of [`SupervisorConfig::stop_timeout`], cuts that
/// short. No process, cgroup or socket of the node stays. SIGHUP goes on to the agent, which has nothing to read again.
///
/// # Errors
/// When it cannot start: another supervisor has the state folder, folders or sockets cannot be made.
pub fn run(config: SupervisorConfig) -> Result<(), KeeperError> {
    let mut supervisor = Supervisor::start(config)?;
    while supervisor.phase != Phase::Killing {
        supervisor.turn()?;
    }
    supervisor.finish()
}

/// Messages of units that are read in one turn of the loop.
const NOTIFICATIONS: usize = 64;

impl Supervisor {
    fn start(config: SupervisorConfig) -> Result<Self, KeeperError> {
        single_threaded()?;
        let lock = lock::take(&config.state)?;
        make_runtime(&config.runtime)?;
        // Before what is left is ended: it may be another supervisor's.
        let runtime_lock = lock::take_runtime(&config.runtime)?;
        let boot_id = boot::id().map_err(KeeperError::system("read the boot id"))?;
        let records = Records::open(&config.runtime, &boot_id).map_err(KeeperError::path("make", &config.runtime))?;
        leftover::end(&records, &config.node);
        // Before the first child: orphans below it come here instead of to the machine's init.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|error| KeeperError::system("become subreaper")(error.into()))?;
        let signals = signals::receive().map_err(KeeperError::system("receive signals"))?;
        let poll = Poll::new().map_err(KeeperError::system("make an epoll"))?;
        let groups = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map_err(|error| KeeperError::system("make an inotify")(error.into()))?;
        let watch = |result: io::Result<()>| result.map_err(KeeperError::system("watch a descriptor"));
        watch(poll.add(&signals, Source::Signals))?;
        watch(poll.add(&groups, Source::Groups))?;
        let (control, notify) = (config.runtime.join("control.sock"), config.runtime.join("notify.sock"));
        let cgroups = own_cgroups(&config, &records);
        let spool = Spool::open(&config.state.join("spool"), config.spool_limits)?;
        Ok(Self {
            server: Server::bind(&control, &poll).map_err(KeeperError::path("listen on", control))?,
            notify: Notify::bind(&notify, &poll).map_err(KeeperError::path("listen on", notify))?,
            own_binary: own_binary()?,
            null: File::options()
                .read(true)
                .write(true)
                .open("/dev/null")
                .map_err(KeeperError::path("open", "/dev/null"))?,
            open_files: raise_open_files().map_err(KeeperError::system("read the limit of open files"))?,
            output: Output::new(spool),
            table: Table::default(),
            events: Events::default(),
            agent: Agent::new(),
            last_watched: 0,
            phase: Phase::Serving,
            _locks: [lock, runtime_lock],
            config,
            poll,
            records,
            cgroups,
            groups,
            boot_id,
            signals,
        })
    }

    /// Waits for something to happen, and does what it asks for.
    fn turn(&mut self) -> Result<(), KeeperError> {
        if self.agent.due().is_some_and(|due| due <= Instant::now()) {
            self.agent.start(&self.config, self.own_binary.as_fd(), &self.records);
        }
        self.tell();
        let sources = self.poll.wait(self.timeout()).map_err(KeeperError::system("wait for events"))?;
        for source in sources {
            self.handle(source);
        }
        self.leave_on();
        Ok(())
    }

    /// While it leaves: what is left without an agent is told to end, once; the end comes when all is gone or late.
    fn leave_on(&mut self) {
        let Phase::Leaving { deadline, told } = self.phase else { return };
        if Instant::now() >= deadline {
            self.phase = Phase::Killing;
        } else if self.agent.pid().is_none() {
            if !told {
                self.phase = Phase::Leaving { deadline, told: true };
                self.end_all();
            }
            if self.table.units.values().all(|unit| !unit.populated) {
                self.phase = Phase::Killing;
            }
        }
    }

    fn handle(&mut self, source: Source) {
        match source {
            Source::Signals => self.on_signals(),
            Source::Listener => self.server.accept(&self.poll),
            // What is left wakes the loop again, after everything else had its turn.
            Source::Notify => self.read_notifications(NOTIFICATIONS),
            Source::Groups => self.on_groups(),
            Source::Connection(number) => {
                self.server.receive(&self.poll, number);
                self.serve(number);
            }
            Source::Pipe(number) => self.output.readable(&self.poll, number),
            Source::Adopted(number) => self.on_adopted_end(number),
        }
    }

    /// Nothing wakes an idle supervisor: a timeout exists only while an agent waits for its start or units for their end.
    fn timeout(&self) -> Option<Duration> {
        let deadline = match self.phase {
            Phase::Leaving { deadline, .. } => Some(deadline),
            Phase::Serving | Phase::Killing => None,
        };
        let earliest = self.agent.due().into_iter().chain(deadline).min()?;
        Some(earliest.saturating_duration_since(Instant::now()))
    }

    /// Tells the agent what it does not know yet, as far as it takes it, and stops reading notifications while too much
    /// is untold.
    fn tell(&mut self) {
        while let Some(agent) = self.server.listening()
            && let Some(event) = self.events.next()
        {
            self.server.send(agent, to_agent::Message::Event(event));
        }
        self.server.flush(&self.poll);
        // Requests that had to wait until their sender read its replies; usually none.
        for number in self.server.numbers() {
            self.serve(number);
        }
        self.server.flush(&self.poll);
        self.notify.listen(&self.poll, !self.events.is_full());
    }

    fn on_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            match i32::try_from(signal.ssi_signo).unwrap_or(0) {
                libc::SIGCHLD => {} // below, once for all of them
                libc::SIGHUP => self.signal_agent(libc::SIGHUP),
                _ => self.leave(),
            }
        }
        self.reap();
    }

    fn leave(&mut self) {
        self.phase = match self.phase {
            Phase::Serving => {
                tracing::info!(node = self.config.node, "leaving: the agent stops the units");
                self.agent.stop_starting();
                self.signal_agent(STOP_UNITS);
                Phase::Leaving { deadline: Instant::now() + self.config.stop_timeout, told: false }
            }
            Phase::Leaving { .. } | Phase::Killing => Phase::Killing,
        };
    }

    fn signal_agent(&self, signal: i32) {
        if let Some(pid) = self.agent.pid() {
            // SAFETY: no memory is involved, and the pid of an unreaped child is nobody else's.
            unsafe { libc::kill(pid.cast_signed(), signal) };
        }
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// Kills what is left and removes what was made.
    fn finish(mut self) -> Result<(), KeeperError> {
        self.agent.stop_starting();
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.signal_agent(libc::SIGKILL);
            self.kill_all();
            self.reap();
            self.agent.stop_starting();
            let empty = self.agent.pid().is_none() && self.table.units.values().all(|unit| !unit.populated);
            if empty || Instant::now() >= deadline {
                break;
            }
            self.poll.wait(Some(Duration::from_millis(10))).map_err(KeeperError::system("wait for events"))?;
            while let Ok(Some(_)) = self.signals.read_signal() {} // else the wait returns at once
        }
        self.output.finish(&self.poll);
        for (unit, _) in self.table.units.iter().filter(|(_, entry)| entry.populated) {
            tracing::error!(node = self.config.node, unit, "processes that cannot be killed are left");
        }
        if let Some(tree) = &self.cgroups
            && let Err(error) = tree.whole().remove()
        {
            tracing::warn!(node = self.config.node, path = %tree.path().display(), %error, "the cgroup stays");
        }
        for name in ["control.sock", "notify.sock"] {
            let _ = fs::remove_file(self.config.runtime.join(name));
        }
        self.records.remove_folder();
        tracing::info!(node = self.config.node, "left");
        Ok(())
    }
}

fn single_threaded() -> Result<(), KeeperError> {
    let threads = fs::read_dir("/proc/self/task").map_err(KeeperError::system("count threads"))?.count();
    if threads == 1 { Ok(()) } else { Err(KeeperError::Threads(threads)) }
}

/// Units of every user have to reach the notify socket and the files in it.
fn make_runtime(runtime: &Path) -> Result<(), KeeperError> {
    fs::create_dir_all(runtime).map_err(KeeperError::path("make", runtime))?;
    fs::set_permissions(runtime, PermissionsExt::from_mode(0o755))
        .map_err(KeeperError::path("set the mode of", runtime))
}

/// Opened now: an upgrade may replace the file at the same path later.
fn own_binary() -> Result<OwnedFd, KeeperError> {
    let path = "/proc/self/exe";
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| KeeperError::path("open", path)(error.into()))
}

/// Two pipes for every process: as many descriptors as the system allows. Gives the limit as it was, for the children.
fn raise_open_files() -> io::Result<Pair> {
    let before = limits::get("NOFILE")?;
    let _ = limits::set("NOFILE", Pair { soft: before.hard, ..before }); // then fewer units fit
    Ok(before)
}

/// The node's own cgroup, named so that no other node's can have the name. An empty one of that name is taken.
fn own_cgroups(config: &SupervisorConfig, records: &Records) -> Option<Tree> {
    if !config.cgroups {
        return None;
    }
    let state = fs::canonicalize(&config.state).unwrap_or_else(|_| config.state.clone());
    let hash = socket::stable_hash(state.as_os_str().as_encoded_bytes());
    let tree = Tree::locate(&format!("fleet-{}-{hash:016x}", config.node))?;
    let _ = tree.whole().kill(); // of an earlier supervisor whose record is gone
    let _ = tree.whole().remove();
    match tree.make() {
        Ok(()) => {
            records.write_tree(tree.path());
            Some(tree)
        }
        Err(error) => {
            tracing::info!(node = config.node, %error, "no cgroups of its own: units are known by session and descent");
            None
        }
    }
}

/// Whether the process is this one's child.
pub(crate) fn is_child(stat: &process::Stat) -> bool {
    stat.parent == std::process::id()
}
