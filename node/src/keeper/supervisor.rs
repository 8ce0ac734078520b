//! The loop of the supervisor, its start and its end.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::time::{Duration, Instant};

use fleet_proto::control::to_agent;
use nix::sys::inotify::{InitFlags, Inotify};

use super::bell::Bell;
use super::control::Server;
use super::diary::Diary;
use super::events::Events;
use super::held::Held;
use super::inherit::{self, GivenToSupervisor};
use super::notify::Notify;
use super::poll::{Poll, Source};
use super::shared::{Exact, Leave, NodeProcess, Shared};
use super::store::Depositor;
use super::{KeeperError, STOP_UNITS, SupervisorConfig, guard, socket};
use crate::kernel::cgroup::Tree;
use crate::kernel::limits::Pair;
use crate::kernel::{boot, process, signals};

/// How long killed processes may take to be gone at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what an earlier supervisor left may take to be gone at the start.
const KILLED: Duration = Duration::from_secs(1);

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
    pub(crate) shared: Shared,
    /// The guard's pid.
    pub(crate) guard: u32,
    /// Whose children orphans of units become: the guard's, and of units that a killed guard left, somebody else's.
    pub(crate) fosters: Vec<u32>,
    pub(crate) bell: Bell,
    pub(crate) guard_bell: Bell,
    pub(crate) logger_bell: Bell,
    /// Where copies of pipes go.
    pub(crate) depositor: Depositor,
    pub(crate) held: Held,
    /// `None` until it is begun.
    pub(crate) diary: Option<Diary>,
    /// Of the diary.
    pub(crate) continuity: u64,
    pub(crate) events: Events,
    pub(crate) notify: Notify,
    pub(crate) server: Server,
    /// `None`: this host or user has no cgroups of its own.
    pub(crate) cgroups: Option<Tree>,
    /// Watches `cgroup.events` of the units.
    pub(crate) groups: Inotify,
    pub(crate) own_binary: OwnedFd,
    pub(crate) null: File,
    /// The limit of open files the guard was started with.
    pub(crate) open_files: Pair,
    pub(crate) boot_id: String,
    /// Of the latest adopted process that is watched.
    pub(crate) last_watched: u64,
    phase: Phase,
}

/// Runs the supervisor of a node until the guard says that the node ends. Must be called on the only thread of a process
/// that a guard has started.
///
/// # Errors
/// When no guard has started it.
pub fn supervisor(config: SupervisorConfig) -> Result<(), KeeperError> {
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
        super::single_threaded()?;
        signals::ignore_pipe();
        let boot_id = boot::id().map_err(KeeperError::system("read the boot id"))?;
        let GivenToSupervisor { shared, guard, bell, guard_bell, logger_bell, control, notify, depositor } =
            inherit::to_supervisor(&config.runtime, &boot_id)?;
        let poll = Poll::new().map_err(KeeperError::system("make an epoll"))?;
        let groups = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map_err(|error| KeeperError::system("make an inotify")(error.into()))?;
        let watch = |result: io::Result<()>| result.map_err(KeeperError::system("watch a descriptor"));
        watch(poll.add(&bell, Source::Bell))?;
        watch(poll.add(&groups, Source::Groups))?;
        watch(poll.add_end(&depositor, Source::Guard))?;
        let cgroups = own_cgroups(&config, &shared);
        let socket = config.runtime.join("notify.sock");
        let mut supervisor = Self {
            server: Server::new(UnixListener::from(control), &poll).map_err(KeeperError::system("serve the socket"))?,
            notify: Notify::new(UnixDatagram::from(notify), &socket, &poll)
                .map_err(KeeperError::path("read", socket))?,
            own_binary: guard::own_binary()?,
            null: File::options()
                .read(true)
                .write(true)
                .open("/dev/null")
                .map_err(KeeperError::path("open", "/dev/null"))?,
            open_files: shared.header().open_files(),
            held: Held::default(),
            diary: None,
            continuity: 0,
            events: Events::default(),
            last_watched: 0,
            phase: Phase::Serving,
            config,
            poll,
            shared,
            guard,
            fosters: vec![guard],
            bell,
            guard_bell,
            logger_bell,
            depositor,
            cgroups,
            groups,
            boot_id,
        };
        supervisor.restore();
        supervisor.on_bell(); // what happened before this was started
        Ok(supervisor)
    }

    /// Waits for something to happen, and does what it asks for.
    fn turn(&mut self) -> Result<(), KeeperError> {
        self.tell();
        let sources = self.poll.wait(self.timeout()).map_err(KeeperError::system("wait for events"))?;
        for source in sources {
            if source == Source::Guard {
                return Err(KeeperError::GuardGone);
            }
            self.handle(source);
        }
        if self.drained_at_the_latest().is_some_and(|latest| latest <= Instant::now()) {
            self.tell_what_is_drained();
        }
        self.keep_diary_short();
        self.leave_when_asked();
        self.leave_on();
        Ok(())
    }

    /// While it leaves: what is left without an agent is told to end, once; the end comes when all is gone or late.
    fn leave_on(&mut self) {
        let Phase::Leaving { deadline, told } = self.phase else { return };
        if Instant::now() >= deadline {
            self.phase = Phase::Killing;
        } else if self.agent().is_none() {
            if !told {
                self.phase = Phase::Leaving { deadline, told: true };
                self.end_all();
            }
            if self.held.units.values().all(|unit| !unit.populated) {
                self.phase = Phase::Killing;
            }
        }
    }

    fn handle(&mut self, source: Source) {
        match source {
            // The guard's, and the logger's.
            Source::Signals | Source::Store | Source::Guard | Source::Outlet | Source::Inlet | Source::Pipe(_) => {}
            Source::Bell => self.on_bell(),
            Source::Listener => self.server.accept(&self.poll),
            // What is left wakes the loop again, after everything else had its turn.
            Source::Notify => self.read_notifications(NOTIFICATIONS),
            Source::Groups => self.on_groups(),
            Source::Connection(number) => {
                self.server.receive(&self.poll, number);
                self.serve(number);
            }
            Source::Adopted(number) => self.on_adopted_end(number),
        }
    }

    /// Nothing wakes an idle supervisor: a timeout exists only while units wait for their end, or ends for the logger.
    fn timeout(&self) -> Option<Duration> {
        let deadline = match self.phase {
            Phase::Leaving { deadline, .. } => Some(deadline),
            Phase::Serving | Phase::Killing => None,
        };
        let earliest = deadline.into_iter().chain(self.drained_at_the_latest()).min()?;
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

    /// The guard was asked to end.
    fn leave_when_asked(&mut self) {
        match (self.shared.header().leave(), self.phase) {
            (Leave::No, _) | (Leave::Since(_), Phase::Leaving { .. } | Phase::Killing) => {}
            (Leave::Since(since), Phase::Serving) => {
                self.signal_agent(STOP_UNITS);
                let passed = Duration::from_nanos(super::monotonic_ns().saturating_sub(since));
                let deadline = Instant::now() + self.config.stop_timeout.saturating_sub(passed);
                self.phase = Phase::Leaving { deadline, told: false };
            }
            (Leave::Now, _) => self.phase = Phase::Killing,
        }
    }

    fn agent(&self) -> Option<Exact> {
        self.shared.header().process(NodeProcess::Agent)
    }

    fn signal_agent(&self, signal: i32) {
        if let Some(Exact { pid, start_time }) = self.agent() {
            let _ = process::signal_exactly(pid, start_time, signal); // it is this user's, or gone
        }
    }

    /// Whether the process is the guard's child, as every process of a unit is whose own parent has gone.
    pub(crate) fn is_orphan(&self, stat: &process::Stat) -> bool {
        stat.parent == self.guard
    }

    /// Kills what is left and removes what was made.
    fn finish(mut self) -> Result<(), KeeperError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.signal_agent(libc::SIGKILL);
            self.kill_all();
            self.on_bell();
            let empty = self.agent().is_none() && self.held.units.values().all(|unit| !unit.populated);
            if empty || Instant::now() >= deadline {
                break;
            }
            self.poll.wait(Some(Duration::from_millis(10))).map_err(KeeperError::system("wait for events"))?;
        }
        for (unit, _) in self.held.units.iter().filter(|(_, entry)| entry.populated) {
            tracing::error!(node = self.config.node, unit, "processes that cannot be killed are left");
        }
        if let Some(tree) = &self.cgroups
            && let Err(error) = tree.whole().remove()
        {
            tracing::warn!(node = self.config.node, path = %tree.path().display(), %error, "the cgroup stays");
        }
        self.shared.header().set_left();
        Ok(())
    }
}

/// The node's own cgroup, named so that no other node's can have the name. An empty one of that name is taken.
fn own_cgroups(config: &SupervisorConfig, shared: &Shared) -> Option<Tree> {
    if let Some(known) = shared.header().tree() {
        return known.map(|(path, shown)| Tree::known(path, shown)); // of an earlier supervisor
    }
    let tree = config.cgroups.then(|| make_cgroups(config)).flatten();
    if shared.header().set_tree(tree.as_ref().map(|tree| (tree.path(), tree.shown()))) {
        return tree;
    }
    tracing::info!(node = config.node, "no cgroups of its own: their path is too long");
    shared.header().set_tree(None);
    None
}

fn make_cgroups(config: &SupervisorConfig) -> Option<Tree> {
    let state = fs::canonicalize(&config.state).unwrap_or_else(|_| config.state.clone());
    let hash = socket::stable_hash(state.as_os_str().as_encoded_bytes());
    let tree = Tree::locate(&format!("fleet-{}-{hash:016x}", config.node))?;
    // Of an earlier supervisor whose table is gone.
    let _ = tree.whole().kill();
    let deadline = Instant::now() + KILLED;
    while tree.whole().populated() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = tree.whole().remove();
    match tree.make() {
        Ok(()) => Some(tree),
        Err(error) => {
            tracing::info!(node = config.node, %error, "no cgroups of its own: units are known by session and descent");
            None
        }
    }
}
