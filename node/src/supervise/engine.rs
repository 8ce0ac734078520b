//! The loop: waits for one input, takes all that are there, does what they lead to, tells what changed.

use super::clock::{Clock, HostClock};
use super::effects::{Done, What};
use super::handle::{COMMANDS, Command, Handle, HealthReport};
use super::job_clock::JobClock;
use super::spawn::Host;
use super::supervisor::Supervisor;
use super::timers::Timers;
use super::unit::{Admission, Desired, Unit};
use super::{notify, unit};
use crate::host_units::HostUnits;
use crate::report::Statuses;
use crate::trace;
use fleet_proto::control::{self, AckEvents, Table, UnitEntry, event, request};
use fleet_units::bundle::Bundle;
use fleet_units::ids::{UnitDigest, UnitName};
use fleet_units::jobs::{Graph, Queue};
use fleet_units::lifecycle::{Event, Exit, Role, Timer};
use fleet_units::spec::UnitSpec;
use fleet_units::status::{Health, Hold};
use fleet_units::time::{Moment, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Finds what a unit was run from by its digest: the specification, and the files it delivers.
pub type Earlier = Box<dyn Fn(&UnitName, &UnitDigest) -> Option<(Arc<UnitSpec>, Arc<Bundle>)> + Send>;

/// What an engine is told at its start.
pub struct Config {
    /// What all units share.
    pub host: Host,
    /// Holds as stored.
    pub holds: BTreeMap<UnitName, Hold>,
    /// Oneshots that completed since the host booted, and the digest they ran from, as stored: they do not run again
    /// because the supervisor that remembered them is gone.
    pub completed: BTreeMap<UnitName, UnitDigest>,
    /// Tells what the host runs by itself.
    pub host_units: HostUnits,
    /// May refuse units.
    pub admission: Box<dyn Admission>,
    /// The specification an earlier agent ran a unit from, by digest, if it can still be read: what a change is then
    /// compared with. Without it a unit whose digest is another one restarts.
    pub earlier: Earlier,
    /// When each persistent timer elapsed last, as stored.
    pub stamps: BTreeMap<UnitName, Timestamp>,
    /// The clocks timers go by.
    pub clock: Box<dyn HostClock>,
}

/// All units of a node. Owned by one task; see [`Handle`].
pub struct Engine<S> {
    pub(super) supervisor: S,
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) units: BTreeMap<UnitName, Unit>,
    pub(super) wanted: BTreeSet<UnitName>,
    pub(super) graph: Graph,
    pub(super) queue: Queue,
    /// What the machines are to be told next, in order.
    pub(super) pending: VecDeque<(UnitName, Event)>,
    pub(super) timers: BTreeSet<(Moment, UnitName, Timer)>,
    pub(super) holds: BTreeMap<UnitName, (Hold, Moment)>,
    /// What the supervisor had at the start, until the first desired set says what it means.
    pub(super) found: Option<BTreeMap<UnitName, UnitEntry>>,
    pub(super) early: Vec<control::Event>,
    /// What was applied last, to admit units again that were refused.
    pub(super) last: Desired,
    /// When that is due; `None`: nothing is refused.
    pub(super) readmit_at: Option<Moment>,
    /// When to look again at a unit that others uphold and that was started too often.
    pub(super) uphold_at: Option<Moment>,
    /// Units of the set with `StopWhenUnneeded=`.
    pub(super) stop_when_unneeded: BTreeSet<UnitName>,
    pub(super) job_clock: JobClock,
    pub(super) clockwork: Timers,
    pub(super) stopping: bool,
    pub(super) stopped: Vec<oneshot::Sender<()>>,
    pub(super) changed: BTreeSet<UnitName>,
    pub(super) holds_changed: bool,
    pub(super) done: mpsc::UnboundedSender<Done>,
    pub(super) health: mpsc::UnboundedSender<HealthReport>,
    statuses: watch::Sender<Arc<Statuses>>,
    holds_told: watch::Sender<BTreeMap<UnitName, Hold>>,
    heard: u64,
    acknowledged: u64,
}

/// Everything the loop waits for.
struct Inputs {
    commands: mpsc::Receiver<Command>,
    events: mpsc::Receiver<control::Event>,
    // Unbounded, because the engine must never wait for itself; each entry answers one request of the engine's own.
    done: mpsc::UnboundedReceiver<Done>,
    health: mpsc::UnboundedReceiver<HealthReport>,
}

impl<S: Supervisor> Engine<S> {
    /// Starts the engine on what [`crate::control::Control::attach`] gave. Nothing is touched before the first
    /// [`Handle::apply`]; then what runs is continued.
    pub fn start(supervisor: S, table: Table, events: mpsc::Receiver<control::Event>, config: Config) -> Handle {
        let (commands, commands_in) = mpsc::channel(COMMANDS);
        let (done, done_in) = mpsc::unbounded_channel();
        let (health, health_in) = mpsc::unbounded_channel();
        let (statuses, statuses_out) = watch::channel(Arc::new(Statuses::new()));
        let (holds_told, holds_out) = watch::channel(config.holds.clone());
        let clock = Clock::new(&*config.clock);
        let (clockwork, stamps) = Timers::new(clock.now(), config.stamps.clone());
        let timed = |(unit, hold): (&UnitName, &Hold)| (unit.clone(), (hold.clone(), clock.moment_of(hold.until)));
        let named = |entry: UnitEntry| entry.unit.parse().ok().map(|unit: UnitName| (unit, entry));
        let engine = Engine {
            supervisor,
            clock,
            units: BTreeMap::new(),
            wanted: BTreeSet::new(),
            graph: Graph::default(),
            queue: Queue::default(),
            pending: VecDeque::new(),
            timers: BTreeSet::new(),
            holds: config.holds.iter().map(timed).collect(),
            config,
            found: Some(table.units.into_iter().filter_map(named).collect()),
            early: Vec::new(),
            last: Desired::default(),
            readmit_at: None,
            uphold_at: None,
            stop_when_unneeded: BTreeSet::new(),
            job_clock: JobClock::default(),
            clockwork,
            stopping: false,
            stopped: Vec::new(),
            changed: BTreeSet::new(),
            holds_changed: false,
            done,
            health,
            statuses,
            holds_told,
            heard: 0,
            acknowledged: 0,
        };
        let inputs = Inputs { commands: commands_in, events, done: done_in, health: health_in };
        tokio::spawn(engine.run(inputs));
        Handle { commands, statuses: statuses_out, holds: holds_out, stamps }
    }

    async fn run(mut self, mut inputs: Inputs) {
        while self.wait(&mut inputs).await {
            self.take_all(&mut inputs);
            self.fire_due();
            self.work();
            self.publish();
        }
        tracing::debug!("the engine ended");
    }

    /// Waits for one input; false when there will be no more.
    async fn wait(&mut self, inputs: &mut Inputs) -> bool {
        let wake = self.next_wake().map(|at| self.clock.instant(at));
        tokio::select! {
            biased;
            Some(done) = inputs.done.recv() => self.on_done(done),
            event = inputs.events.recv() => match event {
                Some(event) => self.on_event(event),
                None => return false,
            },
            command = inputs.commands.recv() => match command {
                Some(command) => self.on_command(command),
                None => return false,
            },
            Some(report) = inputs.health.recv() => self.on_health(report),
            () = sleep_until(wake) => {}
        }
        true
    }

    fn take_all(&mut self, inputs: &mut Inputs) {
        while let Ok(done) = inputs.done.try_recv() {
            self.on_done(done);
        }
        while let Ok(event) = inputs.events.try_recv() {
            self.on_event(event);
        }
        while let Ok(report) = inputs.health.try_recv() {
            self.on_health(report);
        }
    }

    fn next_wake(&self) -> Option<Moment> {
        let timer = self.timers.first().map(|(at, _, _)| *at);
        // Before the first desired set there is nothing to start again.
        let hold = self.holds.values().map(|(_, at)| *at).min().filter(|_| self.found.is_none());
        timer
            .into_iter()
            .chain(hold)
            .chain(self.readmit_at)
            .chain(self.uphold_at)
            .chain(self.job_clock.next())
            .chain(self.clockwork.next_wake())
            .min()
    }

    fn fire_due(&mut self) {
        let now = self.clock.now();
        while let Some((at, _, _)) = self.timers.first() {
            if *at > now {
                break;
            }
            let (_, unit, timer) = self.timers.pop_first().expect("it was there a line ago");
            if let Some(entry) = self.units.get_mut(&unit) {
                entry.timers.remove(&timer);
            }
            self.pending.push_back((unit, Event::Due(timer)));
        }
        if self.found.is_some() {
            return;
        }
        self.expire_jobs();
        self.fire_timers();
        let over: Vec<_> = self.holds.iter().filter(|(_, (_, at))| *at <= now).map(|(unit, _)| unit.clone()).collect();
        for unit in over {
            self.end_hold(&unit);
            self.start_if_due(&unit);
        }
        if self.readmit_at.is_some_and(|at| at <= now) {
            self.readmit();
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Apply(desired, answer) => drop(answer.send(self.apply(desired))),
            Command::Plan(desired, answer) => drop(answer.send(self.plan(&desired))),
            Command::Act(act, answer) => self.act(act, answer),
            Command::Hold(unit, hold) => self.set_hold(unit, hold),
            Command::StopAll(answer) => self.stop_all(answer),
            Command::ClockSet => self.clock_was_set(),
            Command::Health(report) => self.on_health(report),
        }
    }

    fn on_health(&mut self, report: HealthReport) {
        let Some(unit) = self.units.get_mut(&report.unit) else { return };
        tracing::info!(unit = %report.unit, health = report.health.as_str(), "health");
        unit.health = report.health;
        unit.health_reason = report.reason;
        if report.health == Health::Unhealthy {
            self.pending.push_back((report.unit.clone(), Event::Unhealthy));
        }
        self.changed.insert(report.unit);
    }

    /// Events of a unit that waits for an answer wait too; see [`unit::Unit`].
    fn on_event(&mut self, event: control::Event) {
        self.heard = self.heard.max(event.id);
        if self.found.is_some() {
            return self.early.push(event);
        }
        let Ok(name) = event.unit.parse::<UnitName>() else { return };
        match self.units.get_mut(&name) {
            Some(unit) if unit.in_flight > 0 || !unit.inbox.is_empty() => unit.inbox.push_back(event),
            Some(_) => self.hear(&name, event),
            None => {}
        }
    }

    pub(super) fn hear(&mut self, name: &UnitName, event: control::Event) {
        let Some(unit) = self.units.get(name) else { return };
        match event.event {
            Some(event::Event::Exited(exited)) => {
                trace::stage("end heard", Some(name), 0);
                let exit = match (exited.unknown, exited.signal) {
                    // It was another one's child: nobody knows; a crash is never assumed.
                    (true, _) => Exit::Code(0),
                    (false, 0) => Exit::Code(exited.code),
                    (false, number) => Exit::Signal { number, core: exited.core_dumped },
                };
                self.pending.push_back((name.clone(), Event::Exited { pid: exited.pid, exit }));
            }
            Some(event::Event::Notified(notified)) if unit.machine.listens_to(role(&notified.role)) => {
                let notices = notify::parse(&notified.text);
                self.pending.extend(notices.into_iter().map(|notice| (name.clone(), Event::Notified(notice))));
            }
            Some(event::Event::Notified(_)) => {}
            Some(event::Event::Emptied(_)) => self.pending.push_back((name.clone(), Event::Emptied)),
            None => {}
        }
    }

    fn on_done(&mut self, done: Done) {
        let Some(unit) = self.units.get_mut(&done.unit) else { return };
        if !matches!(done.what, What::Checked(_)) {
            unit.in_flight = unit.in_flight.saturating_sub(1);
        }
        match done.what {
            What::Checked(judgement) => {
                unit.unanswered = judgement.unanswered;
                self.pending.push_back((done.unit.clone(), Event::Checked(judgement.verdict)));
            }
            What::Event(event) => self.pending.push_back((done.unit.clone(), event)),
            What::Spawned { role, pid, unenforced } => {
                trace::stage("started", Some(&done.unit), 0);
                unit.unenforced.extend(unenforced);
                self.pending.push_back((done.unit.clone(), Event::Spawned { role, pid }));
            }
            What::NotSpawned { role, exit_status, why } => {
                self.pending.push_back((done.unit.clone(), Event::SpawnFailed { role, exit_status }));
                self.log(&done.unit, why);
            }
            What::Lost => {}
        }
        self.hear_waiting(&done.unit);
    }

    fn hear_waiting(&mut self, name: &UnitName) {
        while let Some(unit) = self.units.get_mut(name)
            && unit.in_flight == 0
            && let Some(event) = unit.inbox.pop_front()
        {
            self.hear(name, event);
        }
    }

    /// Everything that follows, until nothing does.
    pub(super) fn work(&mut self) {
        loop {
            while let Some((unit, event)) = self.pending.pop_front() {
                self.tell(&unit, event);
            }
            let idle = !self.run_jobs() && self.pending.is_empty();
            if idle && !self.keep_up() {
                break;
            }
        }
        self.drop_removed();
        self.time_jobs();
    }

    fn publish(&mut self) {
        if !self.changed.is_empty() {
            let changed = std::mem::take(&mut self.changed);
            let statuses: Vec<_> = changed.into_iter().map(|unit| (self.status(&unit), unit)).collect();
            self.statuses.send_modify(|all| {
                let all = Arc::make_mut(all);
                for (status, unit) in statuses {
                    match status {
                        Some(status) => drop(all.insert(unit, status)),
                        None => drop(all.remove(&unit)),
                    }
                }
            });
        }
        if std::mem::take(&mut self.holds_changed) {
            let holds = self.holds.iter().map(|(unit, (hold, _))| (unit.clone(), hold.clone())).collect();
            self.holds_told.send_replace(holds);
        }
        if self.stopping && self.queue.is_empty() && self.units.values().all(Unit::is_down) {
            for answer in self.stopped.drain(..) {
                let _ = answer.send(()); // who gave up waiting needs no answer
            }
        }
        self.clockwork.publish();
        self.acknowledge();
    }

    /// Only what was taken care of and remembered: not while an event waits for an answer or for a desired set.
    fn acknowledge(&mut self) {
        let waiting = self.found.is_some() || self.units.values().any(|unit: &unit::Unit| !unit.inbox.is_empty());
        if self.heard > self.acknowledged && !waiting {
            self.acknowledged = self.heard;
            self.send(request::Request::AckEvents(AckEvents { through: self.heard }));
        }
    }
}

pub(super) fn role(word: &str) -> Option<Role> {
    [Role::Main, Role::Control].into_iter().find(|role| role.as_str() == word)
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
