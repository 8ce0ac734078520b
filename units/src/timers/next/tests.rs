//! Rules of systemd.timer(5), one a test. Times are seconds; the wall clock is ahead of the other one by a round number.

use super::*;
use crate::calendar::{CivilTime, Zone};

/// The wall clock's time at the host's boot: 2026-11-25 00:00 UTC.
const BOOT: u64 = 1_795_564_800;
const HOUR: u64 = 3600;

fn second(seconds: u64) -> u64 {
    seconds * 1_000_000
}

fn at(seconds: u64) -> Stamp {
    Stamp { moment: Moment(second(seconds)), wall: Timestamp(second(BOOT + seconds)) }
}

/// UTC, and a made-up zone an hour ahead that goes two hours ahead from 100 h to 200 h after the boot.
struct Clocks;

impl Clocks {
    fn ahead(zone: &Zone, at: u64) -> u64 {
        match zone {
            Zone::Local | Zone::Utc => 0,
            Zone::Named(_) if (BOOT + 100 * HOUR..BOOT + 200 * HOUR).contains(&at) => 2 * HOUR,
            Zone::Named(_) => HOUR,
        }
    }
}

impl Zones for Clocks {
    fn civil(&self, zone: &Zone, at: Timestamp) -> CivilTime {
        CivilTime::from_epoch_micros(at.0 + second(Self::ahead(zone, at.0 / 1_000_000)))
    }

    fn moment(&self, zone: &Zone, civil: CivilTime, like: Timestamp) -> Option<Timestamp> {
        let shown = civil.epoch_micros();
        let alike = Self::ahead(zone, like.0 / 1_000_000);
        // The further ahead, the earlier.
        [alike, 2 * HOUR, HOUR, 0].into_iter().find_map(|ahead| {
            let at = shown.checked_sub(second(ahead))?;
            (Self::ahead(zone, at / 1_000_000) == ahead).then_some(Timestamp(at))
        })
    }
}

/// A timer without the accuracy's slack.
fn timer(triggers: Vec<TimerTrigger>) -> TimerSpec {
    TimerSpec { triggers, accuracy: Duration::ZERO, ..TimerSpec::default() }
}

fn span(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn event(text: &str) -> TimerTrigger {
    TimerTrigger::Calendar(text.parse().unwrap())
}

/// A host up for a minute, its node for 50 s, the timer for 40 s.
fn situation(now: u64) -> Situation {
    Situation { now: at(now), startup: at(10).moment, started: at(20), ..Situation::default() }
}

/// Seconds after the boot: on the steady clock, on the wall clock.
fn seconds(next: Next) -> (Option<u64>, Option<u64>) {
    match next {
        Next::Waits { moment, wall } => {
            (moment.map(|at| at.0 / 1_000_000), wall.map(|at| (at.0 / 1_000_000).saturating_sub(BOOT)))
        }
        Next::Elapsed { .. } => (None, None),
    }
}

fn steady(triggers: Vec<TimerTrigger>, situation: &Situation) -> Option<u64> {
    seconds(next(&timer(triggers), situation, &Clocks)).0
}

#[test]
fn spans_count_from_what_they_name() {
    let mut now = situation(60);
    assert_eq!(steady(vec![TimerTrigger::Active(span(100))], &now), Some(120));
    assert_eq!(steady(vec![TimerTrigger::Boot(span(100))], &now), Some(100));
    assert_eq!(steady(vec![TimerTrigger::Startup(span(100))], &now), Some(110));
    assert_eq!(steady(vec![TimerTrigger::UnitActive(span(100))], &now), None, "its unit was never started");
    now.unit_started = Some(at(30));
    now.unit_ended = Some(at(35));
    assert_eq!(steady(vec![TimerTrigger::UnitActive(span(100))], &now), Some(130));
    assert_eq!(steady(vec![TimerTrigger::UnitInactive(span(100))], &now), Some(135));
    assert_eq!(steady(vec![TimerTrigger::Active(Duration::MAX)], &now), None, "infinity");
}

#[test]
fn the_earliest_of_several_triggers_counts() {
    let now = situation(60);
    let triggers = vec![TimerTrigger::Boot(span(300)), TimerTrigger::Active(span(100)), event("*-*-* *:10:00")];
    assert_eq!(seconds(next(&timer(triggers), &now, &Clocks)), (Some(120), Some(600)));
}

#[test]
fn boot_and_startup_spans_that_passed_before_the_timer_was_started_elapse_at_once_and_once() {
    let mut now = situation(60);
    let triggers = || vec![TimerTrigger::Boot(span(5)), TimerTrigger::Startup(span(10))];
    assert_eq!(steady(triggers(), &now), Some(5), "in the past: now");
    now.last_trigger = Some(at(60));
    assert_eq!(next(&timer(triggers()), &now, &Clocks), Next::Elapsed { remains: true });
    // A later span of the same kind still comes.
    assert_eq!(steady(vec![TimerTrigger::Boot(span(5)), TimerTrigger::Boot(span(500))], &now), Some(500));
}

#[test]
fn a_unit_is_started_again_so_long_after_its_last_start_or_the_last_elapse() {
    let mut now = situation(60);
    let triggers = || vec![TimerTrigger::Active(span(10)), TimerTrigger::UnitActive(span(60))];
    now.last_trigger = Some(at(30));
    now.unit_started = Some(at(31));
    assert_eq!(steady(triggers(), &now), Some(91));
    now.last_trigger = Some(at(91));
    now.now = at(92);
    assert_eq!(steady(triggers(), &now), Some(151), "the unit was up already: counted from the elapse");
}

#[test]
fn a_timer_that_cannot_elapse_any_more_remains_if_it_shall_or_if_its_unit_may_set_it_going() {
    let elapsed = Situation { last_trigger: Some(at(40)), ..situation(60) };
    let once = TimerSpec { remain_after_elapse: false, ..timer(vec![TimerTrigger::Active(span(10))]) };
    assert_eq!(next(&once, &elapsed, &Clocks), Next::Elapsed { remains: false });
    let follows = TimerSpec { triggers: vec![TimerTrigger::UnitInactive(span(10))], ..once };
    assert_eq!(next(&follows, &situation(60), &Clocks), Next::Elapsed { remains: true });
    let waits = TimerSpec { on_clock_change: true, ..timer(vec![]) };
    assert_eq!(next(&waits, &situation(60), &Clocks), Next::Waits { moment: None, wall: None });
}

#[test]
fn calendar_events_follow_the_last_elapse_or_the_timers_own_start() {
    let hourly = || timer(vec![event("hourly")]);
    assert_eq!(seconds(next(&hourly(), &situation(60), &Clocks)).1, Some(HOUR));
    // The node was busy, or away for a while: what came due meanwhile is due now, once.
    let late = Situation { last_trigger: Some(at(HOUR)), ..situation(5 * HOUR) };
    assert_eq!(seconds(next(&hourly(), &late, &Clocks)).1, Some(2 * HOUR));
    let after = Situation { last_trigger: Some(at(5 * HOUR)), ..situation(5 * HOUR + 1) };
    assert_eq!(seconds(next(&hourly(), &after, &Clocks)).1, Some(6 * HOUR));
}

#[test]
fn what_was_missed_before_the_node_started_is_due_at_its_start_and_spread_by_the_delay() {
    let days_ago = Stamp { moment: Moment(0), wall: Timestamp(second(BOOT - 3 * 24 * HOUR)) };
    let now = Situation { last_trigger: Some(days_ago), random: 5, ..situation(60) };
    assert_eq!(seconds(next(&timer(vec![event("daily")]), &now, &Clocks)).1, Some(10), "the node's start");
    let spread = TimerSpec { randomized_delay: span(600), ..timer(vec![event("daily")]) };
    let due = seconds(next(&spread, &now, &Clocks)).1.unwrap();
    assert!((11..610).contains(&due), "{due}");
}

#[test]
fn with_deferred_reactivation_what_came_due_while_the_unit_ran_is_left_out() {
    let now =
        Situation { last_trigger: Some(at(HOUR)), unit_ended: Some(at(3 * HOUR + 60)), ..situation(3 * HOUR + 60) };
    let hourly = timer(vec![event("hourly")]);
    assert_eq!(seconds(next(&hourly, &now, &Clocks)).1, Some(2 * HOUR), "made up for at once");
    let deferred = TimerSpec { defer_reactivation: true, ..hourly };
    assert_eq!(seconds(next(&deferred, &now, &Clocks)).1, Some(4 * HOUR));
}

#[test]
fn a_clock_that_was_set_moves_calendar_events_and_not_spans() {
    let triggers = || vec![event("daily"), TimerTrigger::Active(span(100))];
    let before = seconds(next(&timer(triggers()), &situation(60), &Clocks));
    assert_eq!(before, (Some(120), Some(24 * HOUR)));
    let mut now = situation(60);
    now.now.wall = Timestamp(second(BOOT + 30 * HOUR));
    now.clock_set = true;
    // The timer's own start is moved along by who tells it of the clock.
    now.started.wall = now.now.wall;
    assert_eq!(seconds(next(&timer(triggers()), &now, &Clocks)), (Some(120), Some(48 * HOUR)));
}

#[test]
fn an_hour_that_is_left_out_has_no_events_and_one_that_comes_twice_has_them_once() {
    // Clocks of the zone go from 101:00 to 102:00 at 100 h, and from 202:00 back to 201:00 at 200 h.
    let of = |now: u64| {
        let trigger = event("*-*-* *:30:00 Europe/Berlin");
        let situation = Situation { last_trigger: Some(at(now)), ..situation(now) };
        seconds(next(&timer(vec![trigger]), &situation, &Clocks)).1.unwrap()
    };
    assert_eq!(of(99 * HOUR), 99 * HOUR + 1800);
    assert_eq!(of(99 * HOUR + 1800), 100 * HOUR + 1800, "101:30 is not shown by any clock");
    assert_eq!(of(199 * HOUR), 199 * HOUR + 1800);
    assert_eq!(of(199 * HOUR + 1800), 201 * HOUR + 1800, "201:30 came an hour ago");
    assert_eq!(of(200 * HOUR + 60), 200 * HOUR + 1800, "asked within the second one");
}

#[test]
fn a_random_delay_differs_each_time_unless_it_is_fixed() {
    let delayed = |fixed: bool, last: u64, random: u64| {
        let mut spec = timer(vec![event("hourly")]);
        (spec.randomized_delay, spec.fixed_random_delay) = (span(1800), fixed);
        let situation = Situation { last_trigger: Some(at(last)), random, fixed: 77, ..situation(last + 1) };
        seconds(next(&spec, &situation, &Clocks)).1.unwrap() - (last / HOUR + 1) * HOUR
    };
    let each: std::collections::BTreeSet<u64> = (0..50).map(|hour| delayed(false, hour * HOUR, 1)).collect();
    assert!(each.len() > 40 && each.iter().all(|delay| *delay < 1800), "{each:?}");
    assert_eq!(delayed(false, 0, 1), delayed(false, 0, 1), "a second look does not roll the dice again");
    let fixed: std::collections::BTreeSet<u64> = (0..50).map(|hour| delayed(true, hour * HOUR, hour)).collect();
    assert_eq!(fixed.len(), 1);
}

#[test]
fn an_offset_moves_every_event_of_a_host_by_the_same() {
    let mut spec = timer(vec![event("hourly")]);
    spec.randomized_offset = span(1800);
    let of = |fixed: u64, last: u64| {
        let situation = Situation { last_trigger: Some(at(last)), fixed, ..situation(last + 1) };
        seconds(next(&spec, &situation, &Clocks)).1.unwrap()
    };
    let first = of(5, 10 * HOUR);
    assert!((10 * HOUR + 1..12 * HOUR).contains(&first) && first % HOUR < 1800);
    assert_eq!(of(5, first + 1), first + HOUR);
    assert_ne!(of(6, 10 * HOUR) % HOUR, first % HOUR);
}

#[test]
fn the_accuracy_allows_for_company() {
    let mut now = situation(60);
    now.place = second(17);
    let spec = TimerSpec { accuracy: span(60), ..timer(vec![TimerTrigger::Boot(span(100)), event("*-*-* *:05:00")]) };
    assert_eq!(seconds(next(&spec, &now, &Clocks)), (Some(137), Some(317)));
}

#[test]
fn no_timer_makes_it_panic() {
    let never = timer(vec![event("*-02-30")]);
    assert_eq!(next(&never, &situation(60), &Clocks), Next::Elapsed { remains: true });
    let mut wild = timer(vec![event("2199-12-31 23:59:59"), TimerTrigger::Boot(Duration::from_secs(u64::MAX / 2))]);
    (wild.randomized_delay, wild.accuracy) = (Duration::MAX, Duration::MAX);
    let late = Situation { random: u64::MAX, ..situation(u64::MAX / 4_000_000) };
    assert!(matches!(next(&wild, &late, &Clocks), Next::Waits { .. }));
}
