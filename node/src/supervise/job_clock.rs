//! How long jobs may take: `JobTimeoutSec=` from when a job is asked for, `JobRunningTimeoutSec=` from when it runs
//! (systemd.unit(5)). A job that takes too long is given up; its unit goes on as it was.

use super::engine::Engine;
use super::supervisor::Supervisor;
use fleet_units::diagnostic::Reason;
use fleet_units::ids::UnitName;
use fleet_units::spec::UnitSpec;
use fleet_units::time::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// The code of the reason of a unit whose job was given up.
pub(super) const JOB_TIMEOUT: &str = "job-timeout";

/// The limits of one unit's jobs.
#[derive(Clone, Copy, Debug)]
struct Limits {
    whole: Option<Duration>,
    running: Option<Duration>,
}

/// The moments at which the present job of a unit has taken too long.
#[derive(Clone, Copy, Debug, Default)]
struct Deadlines {
    whole: Option<Moment>,
    running: Option<Moment>,
}

/// Units whose jobs are limited, and the limits that run.
#[derive(Debug, Default)]
pub(super) struct JobClock {
    limits: BTreeMap<UnitName, Limits>,
    deadlines: BTreeMap<UnitName, Deadlines>,
}

impl JobClock {
    /// Takes the limits of another set of units; those that run go on.
    pub(super) fn set<'a>(&mut self, specs: impl Iterator<Item = &'a UnitSpec>) {
        let limits = |spec: &UnitSpec| {
            let details = spec.details.as_ref()?;
            let limits = Limits { whole: details.job_timeout, running: details.job_running_timeout };
            (limits.whole.is_some() || limits.running.is_some()).then(|| (spec.name.clone(), limits))
        };
        self.limits = specs.filter_map(limits).collect();
        self.deadlines.retain(|unit, _| self.limits.contains_key(unit));
    }

    /// Follows what the jobs are: `job` says of a unit whether it has one, and whether that runs.
    fn follow(&mut self, now: Moment, job: impl Fn(&UnitName) -> Option<bool>) {
        for (unit, limits) in &self.limits {
            let Some(runs) = job(unit) else {
                self.deadlines.remove(unit);
                continue;
            };
            let after = |limit: Option<Duration>| limit.map(|limit| now.after(limit));
            let fresh = || Deadlines { whole: after(limits.whole), running: None };
            let deadlines = self.deadlines.entry(unit.clone()).or_insert_with(fresh);
            deadlines.running = if runs { deadlines.running.or(after(limits.running)) } else { None };
        }
    }

    /// When the next job has taken too long.
    pub(super) fn next(&self) -> Option<Moment> {
        self.deadlines.values().flat_map(|at| at.whole.into_iter().chain(at.running)).min()
    }

    fn expired(&self, now: Moment) -> Vec<UnitName> {
        let over = |at: &Deadlines| at.whole.into_iter().chain(at.running).any(|at| at <= now);
        self.deadlines.iter().filter(|(_, at)| over(at)).map(|(unit, _)| unit.clone()).collect()
    }
}

impl<S: Supervisor> Engine<S> {
    pub(super) fn time_jobs(&mut self) {
        let queue = &self.queue;
        self.job_clock.follow(self.clock.now(), |unit| queue.job(unit).map(|_| queue.running(unit).is_some()));
    }

    /// Gives up the jobs that take too long.
    pub(super) fn expire_jobs(&mut self) {
        for unit in self.job_clock.expired(self.clock.now()) {
            let text =
                format!("its job took too long (JobTimeoutSec=, JobRunningTimeoutSec=); {unit} goes on as it was");
            self.queue.give_up(&unit, Reason::new(JOB_TIMEOUT, text));
            self.job_clock.deadlines.remove(&unit);
        }
    }
}
