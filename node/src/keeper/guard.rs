//! The guard: what `fleet node run` is. The parent of the node's other processes and of every unit's process.
//!
//! It keeps what must not be lost when one of the others dies: the processes themselves, how they ended, sockets. It
//! starts the others again, and knows nothing else: no unit file, no protocol, no network, no disk but a table below /run.
//!
//! ```text
//! SIGCHLD        -> reap: write the end into the shared table, ring the supervisor
//! its bell       <- the supervisor: "reap now"
//! its store      <- the supervisor: copies of units' pipes; passed on to the logger, and kept for the next one
//! SIGTERM        -> the table says "leave", ring the supervisor, which stops the units and ends; then this ends
//! ```

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signalfd::SignalFd;
use rustix::fs::{Mode, OFlags};

use super::bell::Bell;
use super::point::point;
use super::poll::{Interest, Poll, Source};
use super::role::Role;
use super::shared::{self, Descriptors, Leave, NodeProcess, Reaping, Shared};
use super::store::{self, Store};
use super::takeover::{self, TakenOver};
use super::{KeeperError, control, diary, leftover, lock, notify};
use crate::kernel::limits::{self, Pair};
use crate::kernel::wait::{self, Ended};
use crate::kernel::{boot, signals};

/// What a guard is started with.
#[derive(Debug, Clone)]
pub struct GuardConfig {
    /// The node's name, for messages.
    pub node: String,
    /// The node's state folder; the lock is in it. Made if missing.
    pub state: PathBuf,
    /// The node's runtime folder: sockets and the shared table. Made if missing, 0755.
    pub runtime: PathBuf,
    /// How the supervisor is started: this very executable with these arguments, `argv[0]` first (`fleet: supervisor
    /// NAME`), and this process's environment.
    pub supervisor_argv: Vec<OsString>,
    /// The logger, likewise.
    pub logger_argv: Vec<OsString>,
    /// The agent, likewise.
    pub agent_argv: Vec<OsString>,
}

/// How long the supervisor may take to look before children are reaped: it may be starting a process, or be stopped.
const LOOK: Duration = Duration::from_millis(100);

/// After so many signals to end, the guard kills what is left by itself.
const ENOUGH_SIGNALS: u32 = 3;

/// How long the logger may take to write what is left in the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

struct Guard {
    config: GuardConfig,
    shared: Shared,
    poll: Poll,
    signals: SignalFd,
    bell: Bell,
    supervisor_bell: Bell,
    logger_bell: Bell,
    control: UnixListener,
    notify: UnixDatagram,
    /// The supervisor's end of the channel to the store.
    depositor: OwnedFd,
    store: Store,
    /// The logger's end of the channel from the store.
    inlet: OwnedFd,
    own_binary: OwnedFd,
    roles: [Role; 3],
    /// Since when the supervisor was asked to look before children are reaped.
    asked: Option<Instant>,
    /// Signals to end so far.
    told_to_end: u32,
    /// Until when the logger may write what is left, once all else is gone.
    last_words: Option<Instant>,
    outlet_interest: Interest,
    /// Held, never read.
    _locks: [File; 2],
}

/// Runs the guard of a node until it is told to end by SIGTERM or SIGINT. Must be called on the only thread of the
/// process; children of the process and its signals are the guard's from then on.
///
/// At the end the agent is asked to stop the units in order and to exit. Without an agent, and for what it left, all
/// processes get SIGTERM. A second signal, or the end of the time for it, cuts that short. No process, cgroup or socket of
/// the node stays. SIGHUP goes on to the agent, which has nothing to read again.
///
/// # Errors
/// When it cannot start: another guard has the state folder, folders or sockets cannot be made.
pub fn guard(config: GuardConfig) -> Result<(), KeeperError> {
    let mut guard = Guard::start(config)?;
    while !guard.is_over() {
        guard.turn()?;
    }
    guard.finish();
    Ok(())
}

impl Guard {
    fn start(config: GuardConfig) -> Result<Self, KeeperError> {
        super::single_threaded()?;
        signals::ignore_pipe();
        let lock = lock::take(&config.state)?;
        make_runtime(&config.runtime)?;
        // Before anything is taken over: it may be another guard's.
        let runtime_lock = lock::take_runtime(&config.runtime)?;
        // Before the first child: orphans below it come here instead of to the machine's init.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|error| KeeperError::system("become subreaper")(error.into()))?;
        let boot_id = boot::id().map_err(KeeperError::system("read the boot id"))?;
        let taken_over = takeover::take_over(&config.runtime, &boot_id, &config.node)?;
        let (shared, pipes) = match taken_over {
            Some(TakenOver { shared, pipes }) => (shared, pipes),
            None => (afresh(&config.runtime, &boot_id)?, Vec::new()),
        };
        let open_files = raise_open_files().map_err(KeeperError::system("read the limit of open files"))?;
        shared.header().set_open_files(open_files);
        let bell = || Bell::new().map_err(KeeperError::system("make an eventfd"));
        let (control, notify) = (config.runtime.join("control.sock"), config.runtime.join("notify.sock"));
        let channel = || store::channel().map_err(KeeperError::system("make a socket pair"));
        let ((depositor, theirs), (outlet, inlet)) = (channel()?, channel()?);
        let mut guard = Self {
            depositor,
            store: Store::new(theirs, outlet),
            inlet,
            logger_bell: bell()?,
            signals: signals::receive().map_err(KeeperError::system("receive signals"))?,
            poll: Poll::new().map_err(KeeperError::system("make an epoll"))?,
            bell: bell()?,
            supervisor_bell: bell()?,
            control: control::bind(&control).map_err(KeeperError::path("listen on", control))?,
            notify: notify::bind(&notify).map_err(KeeperError::path("listen on", notify))?,
            own_binary: own_binary()?,
            roles: NodeProcess::ALL.map(|which| Role::new(which, argv(&config, which))),
            asked: None,
            told_to_end: 0,
            last_words: None,
            outlet_interest: Interest::Nothing,
            _locks: [lock, runtime_lock],
            config,
            shared,
        };
        let watch = |result: io::Result<()>| result.map_err(KeeperError::system("watch a descriptor"));
        watch(guard.poll.add(&guard.signals, Source::Signals))?;
        watch(guard.poll.add(&guard.bell, Source::Bell))?;
        watch(guard.poll.add(&guard.store, Source::Store))?;
        watch(guard.poll.add_end(guard.store.outlet(), Source::Outlet))?;
        guard.shared.header().set_descriptors(guard.descriptors());
        guard.store.take_over(&guard.shared, pipes);
        Ok(guard)
    }

    fn descriptors(&self) -> Descriptors {
        Descriptors {
            supervisor_bell: self.supervisor_bell.as_fd().as_raw_fd(),
            guard_bell: self.bell.as_fd().as_raw_fd(),
            control: self.control.as_raw_fd(),
            notify: self.notify.as_raw_fd(),
            depositor: self.depositor.as_raw_fd(),
            logger_bell: self.logger_bell.as_fd().as_raw_fd(),
            inlet: self.inlet.as_raw_fd(),
        }
    }

    /// Starts what is due, waits for something to happen, and does what it asks for.
    fn turn(&mut self) -> Result<(), KeeperError> {
        self.start_what_is_due();
        let sources = self.poll.wait(self.timeout()).map_err(KeeperError::system("wait for events"))?;
        if sources.contains(&Source::Signals) {
            self.on_signals();
        }
        if sources.contains(&Source::Bell) {
            self.bell.hear();
        }
        if sources.contains(&Source::Store) {
            self.store.receive(&self.shared);
        }
        if sources.contains(&Source::Outlet) {
            self.store.pass_on();
        }
        self.listen_to_outlet()?;
        self.reap_when_looked();
        Ok(())
    }

    fn start_what_is_due(&mut self) {
        for which in NodeProcess::ALL {
            if self.role(which).is_due() {
                let keep = self.descriptors_of(which);
                let (node, own_binary) = (&self.config.node, self.own_binary.as_fd());
                self.roles[which as usize].start(node, own_binary, keep, self.shared.header());
            }
        }
    }

    fn descriptors_of(&mut self, which: NodeProcess) -> Vec<RawFd> {
        match which {
            NodeProcess::Agent => Vec::new(),
            NodeProcess::Supervisor => self.descriptors().of_supervisor(),
            NodeProcess::Logger => {
                // What was sent is in the table before a logger reads it.
                self.store.receive(&self.shared);
                let mut numbers = self.descriptors().of_logger();
                let (newest, pipes) = self.store.numbers_for_logger();
                numbers.extend(pipes);
                self.shared.header().set_inherited(newest);
                numbers
            }
        }
    }

    /// Room on the way to the logger is news only while there is something to pass on.
    fn listen_to_outlet(&mut self) -> Result<(), KeeperError> {
        let wanted = if self.store.is_behind() { Interest::Write } else { Interest::Nothing };
        if wanted != self.outlet_interest {
            self.outlet_interest = wanted;
            let changed = self.poll.change(self.store.outlet(), Source::Outlet, wanted);
            changed.map_err(KeeperError::system("watch a descriptor"))?;
        }
        Ok(())
    }

    fn role(&self, which: NodeProcess) -> &Role {
        &self.roles[which as usize]
    }

    /// Nothing wakes an idle guard: a timeout exists only while something waits for its start, children to be reaped, or
    /// the logger to end.
    fn timeout(&self) -> Option<Duration> {
        let starts = self.roles.iter().filter_map(Role::due);
        let earliest = starts.chain(self.asked.map(|since| since + LOOK)).chain(self.last_words).min()?;
        Some(earliest.saturating_duration_since(Instant::now()))
    }

    fn on_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            match i32::try_from(signal.ssi_signo).unwrap_or(0) {
                libc::SIGCHLD => {} // below, once for all of them
                libc::SIGHUP => self.hang_up(),
                _ => self.leave(),
            }
        }
        self.reap();
    }

    fn hang_up(&self) {
        if let Some(agent) = self.role(NodeProcess::Agent).pid() {
            // SAFETY: no memory is involved, and the pid of an unreaped child is nobody else's.
            unsafe { libc::kill(agent.cast_signed(), libc::SIGHUP) };
        }
    }

    fn leave(&mut self) {
        self.told_to_end += 1;
        let header = self.shared.header();
        if self.told_to_end == 1 {
            tracing::info!(node = self.config.node, "leaving: the agent stops the units");
            header.set_leave(Leave::Since(super::monotonic_ns()));
            self.roles[NodeProcess::Agent as usize].stop_starting();
        } else {
            header.set_leave(Leave::Now);
        }
        self.supervisor_bell.ring();
    }

    /// Takes note of the node's own processes that are over, and of others as soon as that may be.
    fn reap(&mut self) {
        for which in NodeProcess::ALL {
            if let Some(ended) = self.role(which).pid().and_then(wait::reap) {
                self.own_ended(which, &ended);
            }
        }
        if wait::peek().is_none() || self.asked.is_some() {
            return;
        }
        if self.must_look_before() {
            self.asked = Some(Instant::now());
            self.shared.header().set_reaping(Reaping::Asked);
            self.supervisor_bell.ring();
        } else {
            self.reap_all();
        }
    }

    /// Who has sent a message can be found out only as long as it is not reaped, and who belongs to a unit without a cgroup,
    /// too.
    fn must_look_before(&self) -> bool {
        let by_descent = self.shared.header().tree().is_none_or(|tree| tree.is_none());
        self.role(NodeProcess::Supervisor).pid().is_some() && (by_descent || notify::is_waiting(&self.notify))
    }

    fn reap_when_looked(&mut self) {
        let Some(since) = self.asked else { return };
        let looked = self.shared.header().reaping() == Reaping::Granted;
        if looked || since.elapsed() >= LOOK || self.role(NodeProcess::Supervisor).pid().is_none() {
            self.asked = None;
            self.shared.header().set_reaping(Reaping::Idle);
            self.reap_all();
        }
    }

    /// Each end is in the table before its pid can be used again.
    fn reap_all(&mut self) {
        while let Some(ended) = wait::peek() {
            let own = NodeProcess::ALL.into_iter().find(|which| self.role(*which).pid() == Some(ended.pid));
            if own.is_none() {
                self.shared.write_end(&ended);
            }
            if own.is_none() {
                point("reap-written");
            }
            let _ = wait::reap(ended.pid);
            if let Some(which) = own {
                self.own_ended(which, &ended);
            }
        }
        self.supervisor_bell.ring();
    }

    fn own_ended(&mut self, which: NodeProcess, ended: &Ended) {
        let header = self.shared.header();
        let leaving = header.leave() != Leave::No;
        let role = &mut self.roles[which as usize];
        let wait = role.ended(header);
        let (node, code, signal) = (&self.config.node, ended.code, ended.signal);
        if header.has_left() || (leaving && which == NodeProcess::Agent) {
            role.stop_starting();
            tracing::info!(node, code, signal, "{which} ended");
        } else {
            tracing::warn!(node, code, signal, wait_ms = wait.as_millis(), "{which} ended and is started again");
        }
        if header.has_left() && which == NodeProcess::Supervisor {
            self.last_words = Some(Instant::now() + LAST_WORDS);
            self.logger_bell.ring();
        }
        self.supervisor_bell.ring();
    }

    /// Everything is gone, or it has to be made so.
    fn is_over(&self) -> bool {
        let has_ended = |which| self.role(which).pid().is_none();
        let left = self.shared.header().has_left() && has_ended(NodeProcess::Supervisor);
        let written = has_ended(NodeProcess::Logger) || self.last_words.is_some_and(|until| until <= Instant::now());
        left && written || self.told_to_end >= ENOUGH_SIGNALS
    }

    fn finish(self) {
        leftover::end(&self.shared, &self.config.node);
        for name in ["control.sock", "notify.sock", shared::FILE] {
            let _ = fs::remove_file(self.config.runtime.join(name));
        }
        diary::remove(&self.config.runtime);
        tracing::info!(node = self.config.node, "left");
    }
}

/// Nothing runs that this guard could go on with.
fn afresh(runtime: &Path, boot_id: &str) -> Result<Shared, KeeperError> {
    diary::remove(runtime);
    Shared::create(runtime, boot_id).map_err(KeeperError::path("make", runtime.join(shared::FILE)))
}

fn argv(config: &GuardConfig, which: NodeProcess) -> Vec<OsString> {
    match which {
        NodeProcess::Supervisor => config.supervisor_argv.clone(),
        NodeProcess::Logger => config.logger_argv.clone(),
        NodeProcess::Agent => config.agent_argv.clone(),
    }
}

/// Units of every user have to reach the notify socket and the files in it.
fn make_runtime(runtime: &Path) -> Result<(), KeeperError> {
    fs::create_dir_all(runtime).map_err(KeeperError::path("make", runtime))?;
    fs::set_permissions(runtime, PermissionsExt::from_mode(0o755))
        .map_err(KeeperError::path("set the mode of", runtime))
}

/// Opened now: an upgrade may replace the file at the same path later.
pub(crate) fn own_binary() -> Result<OwnedFd, KeeperError> {
    let path = "/proc/self/exe";
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| KeeperError::path("open", path)(error.into()))
}

/// Two pipes for every process: as many descriptors as the system allows. Gives the limit as it was, for units.
fn raise_open_files() -> io::Result<Pair> {
    let before = limits::get("NOFILE")?;
    let _ = limits::set("NOFILE", Pair { soft: before.hard, ..before }); // then fewer units fit
    Ok(before)
}
