//! When a unit is started again, and how soon (the table of `Restart=` in systemd.service(5)).

use super::{Exit, Outcome};
use crate::spec::service::ExitStatusSet;
use crate::spec::{Restart, ServiceSpec};
use crate::time::Moment;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Whether a life that ended so is followed by another one.
#[must_use]
pub fn shall_restart(service: &ServiceSpec, outcome: Outcome, main_exit: Option<Exit>) -> bool {
    if outcome.is_skip() || matches!(outcome, Outcome::StartLimitHit | Outcome::Assert) {
        return false;
    }
    if matches(&service.restart_prevent, main_exit) {
        return false;
    }
    matches(&service.restart_force, main_exit) || policy_restarts(service.restart, outcome)
}

fn policy_restarts(restart: Restart, outcome: Outcome) -> bool {
    let watchdog = matches!(outcome, Outcome::Watchdog | Outcome::Unhealthy);
    match restart {
        Restart::No => false,
        Restart::OnSuccess => outcome == Outcome::Success,
        Restart::OnFailure => outcome != Outcome::Success,
        Restart::OnAbnormal => !matches!(outcome, Outcome::Success | Outcome::ExitCode),
        Restart::OnWatchdog => watchdog,
        Restart::OnAbort => matches!(outcome, Outcome::Signal | Outcome::CoreDump),
        Restart::Always => true,
    }
}

fn matches(set: &ExitStatusSet, exit: Option<Exit>) -> bool {
    match exit {
        None => false,
        Some(Exit::Code(code)) => set.codes.contains(&code),
        Some(Exit::Signal { number, .. }) => set.signals.contains(&number),
    }
}

/// What an exit means. `daemon`: SIGHUP, SIGINT, SIGTERM and SIGPIPE are clean too, as they are for a main process;
/// for helpers and oneshots only code 0 is, and what SuccessExitStatus= names.
#[must_use]
pub fn judge(exit: Exit, success: &ExitStatusSet, daemon: bool) -> Outcome {
    const CLEAN_SIGNALS: [i32; 4] = [1, 2, 15, 13];
    match exit {
        Exit::Code(0) => Outcome::Success,
        Exit::Code(code) if success.codes.contains(&code) => Outcome::Success,
        Exit::Code(_) => Outcome::ExitCode,
        Exit::Signal { number, .. } if success.signals.contains(&number) => Outcome::Success,
        Exit::Signal { number, .. } if daemon && CLEAN_SIGNALS.contains(&number) => Outcome::Success,
        Exit::Signal { core: true, .. } => Outcome::CoreDump,
        Exit::Signal { core: false, .. } => Outcome::Signal,
    }
}

/// How long to wait before restart number `step`, from 1 (`RestartSteps=`, `RestartMaxDelaySec=`): from
/// `RestartSec=` to the maximum by equal factors, as systemd 254 does.
#[must_use]
pub fn delay(service: &ServiceSpec, step: u32) -> Duration {
    let first = service.restart_sec;
    let Some(max) = service.restart_max_delay else { return first };
    let steps = service.restart_steps;
    if steps == 0 || step <= 1 || first.is_zero() || first >= max {
        return first;
    }
    if step > steps {
        return max;
    }
    let factor = (max.as_secs_f64() / first.as_secs_f64()).powf(f64::from(step - 1) / f64::from(steps));
    Duration::from_micros((first.as_secs_f64() * factor * 1e6).round() as u64).min(max)
}

/// How long a unit has to stay up before its back-off starts over. systemd never starts it over; a unit that was well
/// for longer than it would have waited is not the one that crashed in a loop.
#[must_use]
pub fn healthy_stretch(service: &ServiceSpec) -> Duration {
    service.restart_max_delay.unwrap_or(service.restart_sec).max(Duration::from_secs(10))
}

/// The start limit's count (`StartLimitIntervalSec=`, `StartLimitBurst=`): so many starts in a window that begins
/// with the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartLimit {
    begin: Option<Moment>,
    count: u32,
}

impl StartLimit {
    /// Counts a start; false when it is one too many.
    pub fn allows(&mut self, now: Moment, interval: Duration, burst: u32) -> bool {
        if interval.is_zero() || burst == 0 {
            return true;
        }
        match self.begin {
            Some(begin) if now.since(begin) < interval => {
                if self.count >= burst {
                    return false;
                }
                self.count += 1;
            }
            Some(_) | None => {
                self.begin = Some(now);
                self.count = 1;
            }
        }
        true
    }
}
