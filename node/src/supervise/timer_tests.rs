//! Timers in the engine: paused time, and a wall clock that goes with it and can be set.

use super::fake::Fake;
use super::tests::{Node, act, attach, config, in_an_hour, name, plain, service};
use super::{Act, Assigned, Everything, HostClock, UnitAct};
use fleet_units::calendar::CivilTime;
use fleet_units::ids::{Sha256Digest, UnitName};
use fleet_units::spec::condition::{Condition, Subject};
use fleet_units::spec::{KindSpec, ServiceType, TimerSpec, TimerTrigger, UnitSpec};
use fleet_units::status::{ActiveState, UnitStatus};
use fleet_units::time::{Moment, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// 2026-11-25 00:00 UTC.
const MIDNIGHT: u64 = 1_795_564_800;
const HOUR: u64 = 3600;
const UPTIME: u64 = 500;

/// A wall clock that starts at midnight and goes with the paused time.
#[derive(Clone)]
struct WallClock {
    start: Instant,
    set: Arc<AtomicI64>,
}

impl HostClock for WallClock {
    fn wall(&self) -> Timestamp {
        self.now()
    }

    /// The host is up for [`UPTIME`] when the test begins.
    fn since_boot(&self) -> Moment {
        Moment(UPTIME * 1_000_000).after(self.start.elapsed())
    }
}

impl WallClock {
    fn new() -> WallClock {
        WallClock { start: Instant::now(), set: Arc::default() }
    }

    fn now(&self) -> Timestamp {
        let at = Timestamp(MIDNIGHT * 1_000_000).after(self.start.elapsed());
        Timestamp(at.0.saturating_add_signed(self.set.load(Ordering::Relaxed) * 1_000_000))
    }

    /// Puts it forward, or back.
    fn put(&self, seconds: i64) {
        self.set.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Seconds since midnight.
    fn seconds(&self) -> u64 {
        (self.now().0 / 1_000_000).saturating_sub(MIDNIGHT)
    }
}

fn node(fake: &Fake, clock: &WallClock, stamps: &[(&str, u64)]) -> Node {
    let mut config = config(Everything);
    config.clock = Box::new(clock.clone());
    let stamp = |(unit, at): &(&str, u64)| (name(unit), Timestamp(at * 1_000_000));
    config.stamps = stamps.iter().map(stamp).collect::<BTreeMap<UnitName, Timestamp>>();
    attach(fake.clone(), config)
}

/// `job.timer`, which starts `job.service`, without the slack of its accuracy.
fn timer(triggers: Vec<TimerTrigger>, change: impl FnOnce(&mut TimerSpec)) -> Assigned {
    let unit = Some(name("job.service"));
    let mut timer = TimerSpec { triggers, unit, accuracy: Duration::ZERO, ..TimerSpec::default() };
    change(&mut timer);
    let spec = UnitSpec::new(name("job.timer"), KindSpec::Timer(Box::new(timer)));
    let digest = Sha256Digest::of(format!("{spec:?}").as_bytes());
    Assigned { spec: Arc::new(spec), digest, ..plain("job.timer.service") }
}

/// What it starts: a oneshot.
fn job() -> Assigned {
    service("job.service", |unit, service| {
        service.service_type = ServiceType::Oneshot;
        service.timeout_start = None;
        unit.triggered_by = [name("job.timer")].into();
    })
}

fn span(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn event(text: &str) -> TimerTrigger {
    TimerTrigger::Calendar(text.parse().unwrap())
}

impl Node {
    /// Waits for the job's next run, lets it take so long, and ends it; gives when it began.
    async fn run_takes(&self, clock: &WallClock, seconds: u64) -> u64 {
        let run = self.is("job.service", "start").await.invocation_id;
        let began = clock.seconds();
        tokio::time::sleep(span(seconds)).await;
        self.fake.exit("job.service", "main", 0);
        // The next one may begin at once.
        self.until("job.service", |status| status.sub_state == "dead" || status.invocation_id != run).await;
        began
    }

    fn timer(&self) -> UnitStatus {
        self.handle.statuses().borrow()[&name("job.timer")].clone()
    }

    fn runs(&self) -> usize {
        self.fake.world().spawns.len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_timer_starts_its_unit_when_it_is_time_and_the_unit_does_not_start_by_itself() {
    let (fake, clock) = (Fake::default(), WallClock::new());
    let node = node(&fake, &clock, &[]);
    let units = || [timer(vec![TimerTrigger::Active(span(60)), TimerTrigger::UnitActive(span(600))], |_| {}), job()];
    assert_eq!(node.apply(units()).await, ["update job.service", "start job.timer"]);
    let waiting = node.is("job.timer", "waiting").await;
    assert_eq!(waiting.active_state, ActiveState::Active);
    assert_eq!(waiting.next_elapse.unwrap().0 / 1_000_000, MIDNIGHT + 60);
    assert_eq!(node.run_takes(&clock, 5).await, 60);
    assert_eq!(node.run_takes(&clock, 5).await, 660);
    assert_eq!(node.apply(units()).await, ["keep job.service", "keep job.timer"]);
    assert_eq!(node.run_takes(&clock, 5).await, 1260);
    assert_eq!(node.timer().next_elapse.unwrap().0 / 1_000_000, MIDNIGHT + 1860);
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_span_acts() {
    // In a container the time before the node's start does not count.
    let booted = if super::conditions::is_container() { 0 } else { UPTIME };
    for (triggers, began) in [
        (vec![TimerTrigger::Startup(span(30))], 30),
        (vec![TimerTrigger::Boot(span(1000))], 1000 - booted),
        (vec![TimerTrigger::Boot(Duration::ZERO)], 0),
        (vec![event("*-*-* *:05:00 UTC")], 300),
    ] {
        let (fake, clock) = (Fake::default(), WallClock::new());
        let node = node(&fake, &clock, &[]);
        node.apply([timer(triggers.clone(), |_| {}), job()]).await;
        assert_eq!(node.run_takes(&clock, 5).await, began, "{triggers:?}");
    }
    let (fake, clock) = (Fake::default(), WallClock::new());
    let node = node(&fake, &clock, &[]);
    node.apply([timer(vec![TimerTrigger::Active(span(10)), TimerTrigger::UnitInactive(span(100))], |_| {}), job()])
        .await;
    assert_eq!(node.run_takes(&clock, 50).await, 10);
    assert_eq!(node.run_takes(&clock, 50).await, 160, "after its end");
}

#[tokio::test(start_paused = true)]
async fn what_comes_due_while_the_unit_runs_is_made_up_for_once_unless_deferred() {
    for (deferred, second) in [(false, 3 * HOUR + 60), (true, 4 * HOUR)] {
        let (fake, clock) = (Fake::default(), WallClock::new());
        let node = node(&fake, &clock, &[]);
        node.apply([timer(vec![event("hourly UTC")], |timer| timer.defer_reactivation = deferred), job()]).await;
        node.is("job.timer", "waiting").await;
        assert_eq!(node.run_takes(&clock, 2 * HOUR + 60).await, HOUR);
        assert_eq!(node.run_takes(&clock, 1).await, second, "deferred: {deferred}");
        assert_eq!(node.run_takes(&clock, 1).await, if deferred { 5 * HOUR } else { 4 * HOUR });
    }
}

#[tokio::test(start_paused = true)]
async fn while_its_unit_runs_a_timer_is_running_and_elapses_no_more() {
    let (fake, clock) = (Fake::default(), WallClock::new());
    let node = node(&fake, &clock, &[]);
    node.apply([timer(vec![event("*:0/10 UTC")], |_| {}), job()]).await;
    node.is("job.service", "start").await;
    tokio::time::sleep(span(2 * HOUR)).await;
    assert_eq!((node.runs(), node.timer().sub_state.as_str(), node.timer().next_elapse), (1, "running", None));
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_is_over_remains_or_goes() {
    for (remains, sub_state, active) in [(true, "elapsed", ActiveState::Active), (false, "dead", ActiveState::Inactive)]
    {
        let (fake, clock) = (Fake::default(), WallClock::new());
        let node = node(&fake, &clock, &[]);
        let units = || [timer(vec![TimerTrigger::Active(span(5))], |timer| timer.remain_after_elapse = remains), job()];
        node.apply(units()).await;
        assert_eq!(node.run_takes(&clock, 5).await, 5);
        let status = node.is("job.timer", sub_state).await;
        assert_eq!((status.active_state, status.completed), (active, !remains));
        assert_eq!(node.apply(units()).await, ["keep job.service", "keep job.timer"], "it is not started again");
        assert!(node.handle.act(act("job.timer", UnitAct::Restart)).await.ok);
        node.is("job.service", "start").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_persistent_timer_makes_up_for_what_the_host_missed_and_others_do_not() {
    for (persistent, stamp, first) in [
        (true, Some(MIDNIGHT - 30 * HOUR), 0),
        (false, Some(MIDNIGHT - 30 * HOUR), HOUR),
        (true, None, HOUR),
        (true, Some(MIDNIGHT + 300 * HOUR), HOUR),
    ] {
        let (fake, clock) = (Fake::default(), WallClock::new());
        // One microsecond past midnight, which itself is over.
        let stamps: Vec<_> = stamp.map(|at| ("job.timer", at)).into_iter().collect();
        let node = node(&fake, &clock, &stamps);
        tokio::time::sleep(Duration::from_micros(1)).await;
        node.apply([timer(vec![event("hourly UTC")], |timer| timer.persistent = persistent), job()]).await;
        if persistent && stamp.is_none() {
            let stored = node.handle.stamps().wait_for(|stamps| !stamps.is_empty()).await.unwrap().clone();
            assert_eq!(stored[&name("job.timer")].0 / 1_000_000, MIDNIGHT, "the first start is noted");
        }
        assert_eq!(node.run_takes(&clock, 5).await, first, "{persistent} {stamp:?}");
        let stored = node.handle.stamps().borrow().get(&name("job.timer")).map(|at| at.0 / 1_000_000);
        assert_eq!(stored == Some(MIDNIGHT + first), persistent, "{stored:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_made_up_for_is_spread_by_the_random_delay() {
    let (fake, clock) = (Fake::default(), WallClock::new());
    let node = node(&fake, &clock, &[("job.timer", MIDNIGHT - 300 * HOUR)]);
    let late = |timer: &mut TimerSpec| (timer.persistent, timer.randomized_delay) = (true, span(HOUR));
    node.apply([timer(vec![event("daily UTC")], late), job()]).await;
    let began = node.run_takes(&clock, 5).await;
    assert!((1..HOUR).contains(&began), "{began}; that it is 0 has one chance in 3600");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_put_forward_or_back_is_followed() {
    let (fake, clock) = (Fake::default(), WallClock::new());
    let node = node(&fake, &clock, &[]);
    node.apply([timer(vec![event("hourly UTC")], |_| {}), job()]).await;
    assert_eq!(node.run_takes(&clock, 5).await, HOUR);
    // Forward over an event: it is due at once.
    clock.put(2 * 3600);
    node.handle.clock_was_set().await;
    let began = node.run_takes(&clock, 5).await;
    assert!((3 * HOUR..3 * HOUR + 60).contains(&began), "{began}");
    // Back: the events of those hours come again.
    clock.put(-2 * 3600);
    node.handle.clock_was_set().await;
    assert_eq!(node.run_takes(&clock, 5).await, 2 * HOUR);
    // Set without a word while it waits: the time it was armed for is looked at again.
    node.is("job.timer", "waiting").await;
    clock.put(-1800);
    assert_eq!(node.run_takes(&clock, 5).await, 3 * HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_timer_may_elapse_because_the_clock_was_set() {
    let (fake, clock) = (Fake::default(), WallClock::new());
    let node = node(&fake, &clock, &[]);
    node.apply([timer(vec![], |timer| timer.on_clock_change = true), job()]).await;
    node.is("job.timer", "waiting").await;
    tokio::time::sleep(span(HOUR)).await;
    assert_eq!(node.runs(), 0);
    clock.put(5);
    node.handle.clock_was_set().await;
    assert_eq!(node.run_takes(&clock, 1).await, HOUR + 5);
}

#[tokio::test(start_paused = true)]
async fn a_new_agent_goes_on_and_makes_up_for_what_came_due_without_one() {
    let (fake, clock) = (Fake::default(), WallClock::new());
    let units = || [timer(vec![event("hourly UTC"), TimerTrigger::Active(span(600))], |_| {}), job()];
    let first = node(&fake, &clock, &[]);
    first.apply(units()).await;
    assert_eq!(first.run_takes(&clock, 5).await, 600);
    let before = first.is("job.timer", "waiting").await;
    drop(first);
    let second = node(&fake, &clock, &[]);
    assert_eq!(second.apply(units()).await, ["keep job.service", "keep job.timer"]);
    assert_eq!(second.timer().next_elapse.map(|at| at.0 / 1_000_000), before.next_elapse.map(|at| at.0 / 1_000_000));
    assert_eq!(second.run_takes(&clock, 5).await, HOUR, "the span of ten minutes is over for good");
    drop(second);
    tokio::time::sleep(span(3 * HOUR)).await;
    let third = node(&fake, &clock, &[]);
    third.apply(units()).await;
    let began = third.run_takes(&clock, 5).await;
    assert!((4 * HOUR..4 * HOUR + 60).contains(&began), "{began}");
    assert_eq!(third.run_takes(&clock, 5).await, 5 * HOUR, "once");
}

#[tokio::test(start_paused = true)]
async fn held_stopped_and_skipped_units_do_not_stop_their_timer() {
    let (fake, clock) = (Fake::default(), WallClock::new());
    let node = node(&fake, &clock, &[]);
    let skipped = || {
        let mut job = job();
        let (subject, argument) = (Subject::PathExists, "/no/such/path".to_owned());
        let condition = Condition { assert: false, trigger: false, negate: false, subject, argument };
        Arc::make_mut(&mut job.spec).conditions.push(condition);
        job.digest = Sha256Digest::of(b"skipped");
        job
    };
    let hourly = || timer(vec![event("*:0/20 UTC")], |_| {});
    node.apply([hourly(), job()]).await;
    assert!(node.handle.act(act("job.service", UnitAct::Stop(in_an_hour()))).await.ok);
    tokio::time::sleep(span(1000)).await;
    assert_eq!(node.runs(), 0, "it is held");
    node.handle.act(Act { no_block: true, ..act("job.service", UnitAct::Start) }).await;
    node.is("job.service", "start").await;
    node.fake.exit("job.service", "main", 1);
    node.is("job.service", "failed").await;
    assert_eq!(node.run_takes(&clock, 5).await % 1200, 0, "after a failure as well");
    node.apply([hourly(), skipped()]).await;
    let runs = node.runs();
    tokio::time::sleep(span(2 * HOUR)).await;
    assert_eq!((node.runs(), node.timer().sub_state.as_str()), (runs, "waiting"));
    assert_eq!(node.is("job.service", "dead").await.result, "condition");
    // And a stopped timer starts nothing.
    node.apply([hourly(), job()]).await;
    assert!(node.handle.act(act("job.timer", UnitAct::Stop(None))).await.ok);
    tokio::time::sleep(span(2 * HOUR)).await;
    assert_eq!((node.runs(), node.timer().next_elapse), (runs, None));
}

#[tokio::test(start_paused = true)]
async fn a_changed_timer_counts_at_once_and_a_removed_one_is_forgotten() {
    let (fake, clock) = (Fake::default(), WallClock::new());
    let node = node(&fake, &clock, &[]);
    let at = |text: &str| timer(vec![event(text)], |timer| timer.persistent = true);
    node.apply([at("12:00 UTC"), job()]).await;
    node.is("job.timer", "waiting").await;
    assert_eq!(node.apply([at("01:00 UTC"), job()]).await, ["keep job.service", "update job.timer"]);
    assert_eq!(node.run_takes(&clock, 5).await, HOUR);
    assert_eq!(node.handle.stamps().borrow().len(), 1);
    node.apply([job()]).await;
    node.handle.stamps().wait_for(BTreeMap::is_empty).await.unwrap();
    let runs = node.runs();
    tokio::time::sleep(span(48 * HOUR)).await;
    assert_eq!(node.runs(), runs);
}

#[tokio::test(start_paused = true)]
async fn the_accuracy_and_the_random_delay_move_an_elapse_within_their_bounds() {
    let starts = |accuracy: u64, delay: u64, fixed: bool| async move {
        let (fake, clock) = (Fake::default(), WallClock::new());
        let node = node(&fake, &clock, &[]);
        let change = |timer: &mut TimerSpec| {
            (timer.accuracy, timer.randomized_delay, timer.fixed_random_delay) = (span(accuracy), span(delay), fixed);
        };
        node.apply([timer(vec![event("hourly UTC")], change), job()]).await;
        let mut late = Vec::new();
        for hour in 1..6 {
            late.push(node.run_takes(&clock, 1).await - hour * HOUR);
        }
        late
    };
    let accurate = starts(600, 0, false).await;
    assert!(accurate.iter().all(|late| *late <= 600 && *late == accurate[0]), "{accurate:?}: one place for all");
    let random = starts(0, 1800, false).await;
    assert!(random.iter().all(|late| *late < 1800) && random.iter().any(|late| *late != random[0]), "{random:?}");
    let fixed = starts(0, 1800, true).await;
    assert!(fixed.iter().all(|late| *late == fixed[0]), "{fixed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_timer_whose_unit_fails_at_once_does_not_keep_the_node_busy() {
    let (fake, clock) = (Fake::default(), WallClock::new());
    let node = node(&fake, &clock, &[]);
    node.fake.world().missing.push("/bin/main".into());
    node.apply([timer(vec![TimerTrigger::Active(span(1)), TimerTrigger::UnitInactive(Duration::ZERO)], |_| {}), job()])
        .await;
    tokio::time::sleep(span(30)).await;
    let runs = node.runs();
    assert!((5..=20).contains(&runs), "{runs} starts in 30 s: StartLimitBurst= in each StartLimitIntervalSec=");
}

#[tokio::test(start_paused = true)]
async fn civil_time_and_the_clock_of_these_tests_agree() {
    assert_eq!(CivilTime::from_epoch_micros(WallClock::new().now().0).to_string(), "2026-11-25 00:00:00.000000");
}
