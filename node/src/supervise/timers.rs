//! Timers at work: `units` says when one elapses next, this arms the engine's clock for it and starts what it names.
//!
//! ```text
//! timer started, its unit came up or went down, the clock was set --> schedule --next--> wake at …
//! wake --> due? --> elapse: stamp, start job of its unit --> running until that is down --> schedule
//! ```
//! Rules of systemd.timer(5). The last elapse is remembered with the unit, so that a new agent goes on; of persistent
//! timers it is stored as well, so that the next boot makes up for what it missed.

use super::conditions;
use super::engine::Engine;
use super::supervisor::Supervisor;
use super::unit::Unit;
use super::zones::HostZones;
use fleet_units::ids::{Sha256Digest, UnitName};
use fleet_units::jobs::Verb;
use fleet_units::lifecycle::{Event, State};
use fleet_units::spec::{KindSpec, TimerSpec};
use fleet_units::status::ActiveState;
use fleet_units::time::{Moment, Timestamp};
use fleet_units::timers::{Next, Situation, Stamp, next};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::watch;

/// The least time between two elapses of one timer: one whose unit fails at once must not keep the node busy.
const LEAST: Duration = Duration::from_millis(10);

/// Where a timer that is active stands (`SubState` of systemd).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Phase {
    /// It elapses at some time.
    #[default]
    Waiting,
    /// What it started is not down again.
    Running,
    /// It cannot elapse any more by itself.
    Elapsed,
}

impl Phase {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Running => "running",
            Phase::Elapsed => "elapsed",
        }
    }
}

/// What is known of one active timer; remembered between two agents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Timing {
    pub(super) phase: Phase,
    /// When the timer was started.
    started: Stamp,
    last_trigger: Option<Stamp>,
    /// When it elapses next, for people.
    #[serde(skip)]
    pub(super) next: Option<Timestamp>,
    #[serde(skip)]
    wake: Option<Moment>,
}

/// What all timers of a node share.
pub(super) struct Timers {
    /// Active timers that wait for a moment.
    wakes: BTreeSet<(Moment, UnitName)>,
    /// The timers of each unit they start.
    of_unit: BTreeMap<UnitName, BTreeSet<UnitName>>,
    /// When the first agent of this boot started.
    startup: Moment,
    /// The last elapse of each persistent timer.
    stamps: BTreeMap<UnitName, Timestamp>,
    stamps_changed: bool,
    told: watch::Sender<BTreeMap<UnitName, Timestamp>>,
    random: u64,
    machine: Vec<u8>,
    place: u64,
    in_container: bool,
}

impl Timers {
    /// `stamps` are those stored by an earlier agent; they are told again at each change.
    pub(super) fn new(
        now: Moment,
        stamps: BTreeMap<UnitName, Timestamp>,
    ) -> (Timers, watch::Receiver<BTreeMap<UnitName, Timestamp>>) {
        let (told, stamps_told) = watch::channel(stamps.clone());
        let boot = crate::logs::boot_id().to_le_bytes();
        let timers = Timers {
            wakes: BTreeSet::new(),
            of_unit: BTreeMap::new(),
            startup: now,
            stamps,
            stamps_changed: false,
            told,
            // Without entropy delays are the same on all hosts that booted alike; still spread over the units.
            random: getrandom::u64().unwrap_or_else(|_| key(&boot, b"random")),
            machine: std::fs::read("/etc/machine-id").unwrap_or_default(),
            place: key(&boot, b"place") % 60_000_000,
            in_container: conditions::is_container(),
        };
        (timers, stamps_told)
    }

    pub(super) fn next_wake(&self) -> Option<Moment> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Tells the stamps if they changed.
    pub(super) fn publish(&mut self) {
        if std::mem::take(&mut self.stamps_changed) {
            self.told.send_replace(self.stamps.clone());
        }
    }

    fn stamp(&mut self, timer: &UnitName, at: Timestamp) {
        self.stamps_changed |= self.stamps.insert(timer.clone(), at) != Some(at);
    }

    /// Forgets a timer that is not assigned any more.
    pub(super) fn forget(&mut self, timer: &UnitName) {
        self.stamps_changed |= self.stamps.remove(timer).is_some();
    }
}

/// A number that stands for both.
fn key(one: &[u8], other: &[u8]) -> u64 {
    let digest = Sha256Digest::of(&[one, b"\0", other].concat());
    u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("a digest has 32 bytes"))
}

fn timer(unit: &Unit) -> Option<&TimerSpec> {
    match &unit.machine.spec().kind {
        KindSpec::Timer(timer) => Some(timer),
        KindSpec::Service(_) | KindSpec::Socket(_) | KindSpec::Target => None,
    }
}

impl<S: Supervisor> Engine<S> {
    /// Now, on both clocks.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp { moment: self.clock.now(), wall: self.config.clock.wall() }
    }

    /// Follows a new set of units: which timers there are, what they start, and what they wait for now.
    pub(super) fn take_timers(&mut self) {
        self.timers_of_units();
        let startups = self.units.values().filter_map(|unit| unit.startup);
        self.clockwork.startup = startups.chain([self.clockwork.startup]).min().unwrap_or_default();
        let active: Vec<_> =
            self.units.iter().filter(|(_, unit)| timer(unit).is_some()).map(|(name, _)| name.clone()).collect();
        for name in active {
            self.look_at_timer(&name);
        }
    }

    fn timers_of_units(&mut self) {
        self.clockwork.of_unit.clear();
        for (name, unit) in self.units.iter().filter(|(_, unit)| timer(unit).is_some()) {
            if let Some(started) = unit.machine.spec().started() {
                let started = self.graph.resolve(started).clone();
                self.clockwork.of_unit.entry(started).or_default().insert(name.clone());
            }
        }
    }

    /// A timer has just become active.
    pub(super) fn timer_started(&mut self, name: &UnitName) {
        let (now, startup) = (self.stamp(), self.clockwork.startup);
        let stored = self.clockwork.stamps.get(name).copied();
        let Some(unit) = self.units.get_mut(name) else { return };
        let persistent = timer(unit).is_some_and(|timer| timer.persistent);
        // A stamp of the future is the work of a wrong clock.
        let last = stored.filter(|at| persistent && *at < now.wall).map(|wall| Stamp { moment: Moment(0), wall });
        unit.timing = Some(Timing { started: now, last_trigger: last, ..Timing::default() });
        unit.startup = Some(startup);
        if persistent && stored.is_none() {
            self.clockwork.stamp(name, now.wall);
        }
        self.schedule(name, false);
    }

    /// A timer is not active any more. One that has elapsed for good has done what it was for.
    pub(super) fn timer_ended(&mut self, name: &UnitName) {
        self.disarm_timer(name);
        if let Some(unit) = self.units.get_mut(name) {
            let timing = unit.timing.take();
            unit.completed |= timing.is_some_and(|timing| timing.phase == Phase::Elapsed);
        }
    }

    /// Something happened to a unit that timers may start: those of it look again.
    pub(super) fn tell_timers(&mut self, unit: &UnitName) {
        for timer in self.clockwork.of_unit.get(unit).cloned().unwrap_or_default() {
            self.look_at_timer(&timer);
        }
    }

    /// While what it started is up, a timer waits for the end of that.
    fn look_at_timer(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get(name) else { return };
        let Some(timing) = &unit.timing else { return };
        let started = unit.machine.spec().started().map(|started| self.graph.resolve(started).clone());
        let runs = started.is_some_and(|started| {
            let up = self.units.get(&started).is_some_and(|unit| !unit.is_down());
            up || self.queue.job(&started).is_some()
        });
        if timing.phase != Phase::Running || !runs {
            self.schedule(name, false);
        }
    }

    /// The wall clock was set: calendar events are looked for anew.
    pub(super) fn clock_was_set(&mut self) {
        let now = self.stamp();
        let waiting = |unit: &Unit| unit.timing.as_ref().is_some_and(|timing| timing.phase != Phase::Running);
        let timers: Vec<_> =
            self.units.iter().filter(|(_, unit)| waiting(unit)).map(|(name, _)| name.clone()).collect();
        for name in timers {
            let Some(unit) = self.units.get_mut(&name) else { continue };
            let elapses = timer(unit).is_some_and(|timer| timer.on_clock_change);
            let Some(timing) = &mut unit.timing else { continue };
            match &mut timing.last_trigger {
                // It would wait for the clock to come to where it was.
                Some(last) => last.wall = last.wall.min(now.wall),
                None => timing.started.wall = now.wall,
            }
            if elapses { self.elapse(&name) } else { self.schedule(&name, true) }
        }
    }

    fn situation(&self, name: &UnitName, clock_set: bool) -> Option<Situation> {
        let unit = self.units.get(name)?;
        let timing = unit.timing.as_ref()?;
        let started = unit.machine.spec().started().map(|started| self.graph.resolve(started));
        let started = started.and_then(|started| self.units.get(started));
        let shared = &self.clockwork;
        Some(Situation {
            now: self.stamp(),
            boot: if shared.in_container { shared.startup } else { Moment(0) },
            startup: shared.startup,
            started: timing.started,
            last_trigger: timing.last_trigger,
            unit_started: started.and_then(|unit| unit.left_inactive),
            unit_ended: started.and_then(|unit| unit.became_inactive),
            clock_set,
            random: shared.random ^ key(b"", name.as_str().as_bytes()),
            fixed: key(&shared.machine, name.as_str().as_bytes()),
            place: shared.place,
        })
    }

    /// Arms the clock for the next elapse; one that is due comes with the next turn of the loop.
    fn schedule(&mut self, name: &UnitName, clock_set: bool) {
        self.disarm_timer(name);
        let Some(situation) = self.situation(name, clock_set) else { return };
        let Some(unit) = self.units.get_mut(name) else { return };
        let spec = unit.machine.spec().clone();
        let (KindSpec::Timer(timer), Some(timing), State::Active) =
            (&spec.kind, &mut unit.timing, unit.machine.state())
        else {
            return;
        };
        let now = situation.now;
        match next(timer, &situation, &HostZones) {
            Next::Waits { moment, wall } => {
                let of_wall = wall.map(|at| now.moment.after(until(now.wall, at)));
                let due = moment.into_iter().chain(of_wall).min();
                let least = timing.last_trigger.map_or(Moment(0), |last| last.moment.after(LEAST));
                timing.phase = Phase::Waiting;
                timing.wake = due.map(|at| at.max(least));
                timing.next = timing.wake.map(|at| now.wall.after(at.since(now.moment)));
                self.clockwork.wakes.extend(timing.wake.map(|at| (at, name.clone())));
            }
            Next::Elapsed { remains: true } => timing.phase = Phase::Elapsed,
            Next::Elapsed { remains: false } => {
                timing.phase = Phase::Elapsed;
                self.pending.push_back((name.clone(), Event::Stop { restarting: false }));
            }
        }
        self.changed.insert(name.clone());
        self.remember(name);
    }

    fn disarm_timer(&mut self, name: &UnitName) {
        let Some(timing) = self.units.get_mut(name).and_then(|unit| unit.timing.as_mut()) else { return };
        timing.next = None;
        if let Some(at) = timing.wake.take() {
            self.clockwork.wakes.remove(&(at, name.clone()));
        }
    }

    /// Lets the timers elapse whose time has come. The wall clock may have been set since it was armed for: then they
    /// are armed again.
    pub(super) fn fire_timers(&mut self) {
        let now = self.clock.now();
        while let Some((at, name)) = self.clockwork.wakes.first().cloned() {
            if at > now {
                break;
            }
            self.disarm_timer(&name);
            if self.is_due(&name) { self.elapse(&name) } else { self.schedule(&name, false) }
        }
    }

    fn is_due(&self, name: &UnitName) -> bool {
        let Some(situation) = self.situation(name, false) else { return false };
        let Some(timer) = self.units.get(name).and_then(timer) else { return false };
        match next(timer, &situation, &HostZones) {
            Next::Waits { moment, wall } => {
                moment.is_some_and(|at| at <= situation.now.moment) || wall.is_some_and(|at| at <= situation.now.wall)
            }
            Next::Elapsed { .. } => false,
        }
    }

    fn elapse(&mut self, name: &UnitName) {
        let now = self.stamp();
        let Some(unit) = self.units.get_mut(name) else { return };
        let (persistent, started) =
            (timer(unit).is_some_and(|timer| timer.persistent), unit.machine.spec().started().cloned());
        let Some(timing) = &mut unit.timing else { return };
        timing.last_trigger = Some(now);
        timing.phase = Phase::Running;
        self.disarm_timer(name);
        if persistent {
            self.clockwork.stamp(name, now.wall);
        }
        self.changed.insert(name.clone());
        self.remember(name);
        let started = started.map(|started| self.graph.resolve(&started).clone());
        tracing::info!(unit = %name, starts = started.as_ref().map(tracing::field::display), "elapsed");
        match started.filter(|started| self.may_trigger(started)) {
            Some(started) => self.add_job(&started, Verb::Start),
            None => self.schedule(name, false),
        }
    }

    /// A held unit stays down, as does one that this node does not run.
    fn may_trigger(&self, started: &UnitName) -> bool {
        let here = self.units.get(started).is_some_and(|unit| !unit.removed && unit.not_run_here().is_none());
        here && !self.stopping && !self.holds.contains_key(started)
    }

    /// Notes when a unit left inactive and when it came back there; timers count from both.
    pub(super) fn note_activity(&mut self, name: &UnitName, before: ActiveState) {
        let now = self.stamp();
        let Some(unit) = self.units.get_mut(name) else { return };
        let was_down = matches!(before, ActiveState::Inactive | ActiveState::Failed);
        match (was_down, unit.is_down()) {
            (true, false) => unit.left_inactive = Some(now),
            (false, true) => unit.became_inactive = Some(now),
            (true, true) | (false, false) => {}
        }
        self.tell_timers(name);
    }
}

/// How far `at` is ahead of `now`; zero when it is not.
fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::from_micros(at.0.saturating_sub(now.0))
}
