//! From the outcomes of probes to a judgement. Pure: time is an input, in the form of the time since the start.
//!
//! | state | a success | failures |
//! |---|---|---|
//! | starting | healthy | unhealthy after `retries` of them, counted at most once an interval after the start period |
//! | healthy | stays | unhealthy after `retries` in a row |
//! | unhealthy | healthy | stays |
//!
//! While a unit is starting it is probed far more often than its interval says, so that a rollout sees it healthy soon
//! after it is; these extra probes must not use up its retries, which is why failures count once an interval there.

use fleet_units::diagnostic::Reason;
use fleet_units::spec::HealthSpec;
use fleet_units::status::Health;
use std::time::Duration;

/// The second probe comes so soon after the first; from then on the pause doubles up to the interval.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// No interval is shorter, whatever the unit says: a probe costs the node a connection.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// No probe gets less time.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);

/// The judgement of one unit since one start.
#[derive(Clone, Debug)]
pub struct Judge {
    interval: Duration,
    timeout: Duration,
    retries: u32,
    health: Health,
    reason: Option<Reason>,
    /// Failures counted since the last success.
    failures: u32,
    /// The pause after the next probe while starting.
    pause: Duration,
    /// Time since the start from which the next failure counts, while starting.
    counts_from: Duration,
}

impl Judge {
    /// A judge for a unit that has just started.
    #[must_use]
    pub fn new(spec: &HealthSpec) -> Self {
        let interval = spec.interval.max(SHORTEST_INTERVAL);
        Judge {
            interval,
            timeout: spec.timeout.max(SHORTEST_TIMEOUT),
            retries: spec.retries.max(1),
            health: Health::Starting,
            reason: None,
            failures: 0,
            pause: FIRST_PAUSE,
            counts_from: spec.start_period.saturating_add(interval),
        }
    }

    /// The judgement as it stands.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }

    /// How long a probe may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Takes in a probe that ended `elapsed` after the start. Returns what is to be reported: a new judgement, or,
    /// while the unit is not healthy, another kind of reason (a new code) for it.
    pub fn on(&mut self, elapsed: Duration, outcome: Result<(), Reason>) -> Option<(Health, Option<Reason>)> {
        let (health, reason) = match outcome {
            Ok(()) => {
                self.failures = 0;
                (Health::Healthy, None)
            }
            Err(reason) => (self.failed(elapsed), Some(reason)),
        };
        // One failure among successes is no news.
        let reason = if health == Health::Healthy { None } else { reason };
        let code = |reason: &Option<Reason>| reason.as_ref().map(|reason| reason.code.clone());
        let changed = health != self.health || code(&reason) != code(&self.reason);
        self.health = health;
        self.reason.clone_from(&reason);
        changed.then_some((health, reason))
    }

    /// How long to wait before the next probe, after one that ended `elapsed` after the start.
    pub fn delay(&mut self, elapsed: Duration) -> Duration {
        if self.health != Health::Starting {
            return self.interval;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(self.interval);
        match self.counts_from.saturating_sub(elapsed) {
            // The probe that counts is on time.
            until if !until.is_zero() => pause.min(until),
            _ => pause,
        }
    }

    fn failed(&mut self, elapsed: Duration) -> Health {
        if self.health == Health::Starting {
            if elapsed < self.counts_from {
                return Health::Starting;
            }
            self.counts_from = elapsed.saturating_add(self.interval);
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.retries { Health::Unhealthy } else { self.health }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn spec() -> HealthSpec {
        let zero = Duration::ZERO;
        HealthSpec {
            check: None,
            interval: 10 * SECOND,
            timeout: 2 * SECOND,
            retries: 3,
            start_period: zero,
            ..HealthSpec::default()
        }
    }

    fn failure(code: &str) -> Result<(), Reason> {
        Err(Reason::new(code, "text"))
    }

    fn healthy(judge: &mut Judge) -> Duration {
        assert_eq!(judge.on(SECOND, Ok(())), Some((Health::Healthy, None)));
        SECOND
    }

    /// Fails every probe of a starting unit; when each took place, and when it became unhealthy.
    fn fail_from_the_start(spec: &HealthSpec) -> (Vec<Duration>, Duration) {
        let mut judge = Judge::new(spec);
        let mut now = Duration::ZERO;
        let mut probes = Vec::new();
        loop {
            probes.push(now);
            if let Some((Health::Unhealthy, _)) = judge.on(now, failure("refused")) {
                return (probes, now);
            }
            now += judge.delay(now);
        }
    }

    #[test]
    fn the_first_success_makes_a_starting_unit_healthy() {
        let mut judge = Judge::new(&spec());
        assert_eq!(judge.health(), Health::Starting);
        healthy(&mut judge);
    }

    #[test]
    fn a_starting_unit_is_probed_quickly_but_its_retries_last_as_long_as_its_interval_says() {
        let (probes, unhealthy) = fail_from_the_start(&spec());
        let first: Vec<u128> = probes.iter().take(5).map(Duration::as_millis).collect();
        assert_eq!(first, [0, 20, 60, 140, 300]);
        assert_eq!(unhealthy, 30 * SECOND);
        assert!(probes.len() < 16, "{}", probes.len());
    }

    #[test]
    fn failures_within_the_start_period_do_not_count() {
        let (_, unhealthy) = fail_from_the_start(&HealthSpec { start_period: 60 * SECOND, ..spec() });
        assert_eq!(unhealthy, 90 * SECOND);
    }

    #[test]
    fn a_healthy_unit_becomes_unhealthy_by_failures_in_a_row_only() {
        let mut judge = Judge::new(&spec());
        let now = healthy(&mut judge);
        for outcome in [failure("a"), failure("a"), Ok(()), failure("a"), failure("b")] {
            assert_eq!(judge.on(now, outcome), None);
        }
        let (health, reason) = judge.on(now, failure("b")).unwrap();
        assert_eq!((health, reason.unwrap().code.as_str()), (Health::Unhealthy, "b"));
        assert_eq!(judge.on(now, Ok(())), Some((Health::Healthy, None)));
    }

    #[test]
    fn only_a_new_kind_of_reason_is_reported_again() {
        let mut judge = Judge::new(&spec());
        assert!(judge.on(SECOND, failure("refused")).is_some());
        assert_eq!(judge.on(SECOND, failure("refused")), None);
        assert_eq!(judge.on(SECOND, failure("status")).unwrap().0, Health::Starting);
    }

    #[test]
    fn once_judged_the_interval_is_kept() {
        let mut judge = Judge::new(&spec());
        let now = healthy(&mut judge);
        assert_eq!(judge.delay(now), 10 * SECOND);
    }

    #[test]
    fn a_zero_in_the_unit_makes_no_busy_loop() {
        let zero = Duration::ZERO;
        let mut judge = Judge::new(&HealthSpec { interval: zero, timeout: zero, retries: 0, ..spec() });
        healthy(&mut judge);
        assert!(!judge.delay(SECOND).is_zero() && !judge.timeout().is_zero());
        assert_eq!(judge.on(SECOND, failure("a")).unwrap().0, Health::Unhealthy);
    }
}
