//! The jobs that wait or run, at most one for each unit.

use super::Graph;
use crate::diagnostic::Reason;
use crate::ids::UnitName;
use std::collections::BTreeMap;

/// What a job does to its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Bring it up.
    Start,
    /// Take it down.
    Stop,
    /// Take it down and bring it up again.
    Restart,
    /// Have it read its configuration again.
    Reload,
}

impl Verb {
    /// The word of the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart => "restart",
            Verb::Reload => "reload",
        }
    }

    fn is_down(self) -> bool {
        matches!(self, Verb::Stop | Verb::Restart)
    }
}

/// How a unit stands, as far as jobs of others are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Up, on its way up or between two lives.
    Up,
    /// A oneshot that completed with success.
    Completed,
    /// Not running.
    Down,
    /// Not running, and it must not be started.
    Held,
    /// Not running, and this node does not run it.
    Refused,
}

/// How a job that ran came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// As asked for.
    Well,
    /// A start that did not take place because the unit's conditions were not met: no failure, and the unit is down.
    Skipped,
    /// It failed.
    Badly,
}

/// What becomes of a job now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Do it; tell [`Queue::finished`] when it is done. A restart comes as this stop, then as a start.
    Run {
        /// The unit.
        unit: UnitName,
        /// Start, stop or reload.
        verb: Verb,
        /// The stop is the first half of a restart.
        restarting: bool,
    },
    /// It will not be done; its job is gone.
    Failed {
        /// The unit.
        unit: UnitName,
        /// `dependency`, `dependency-missing`, `dependency-held`, `dependency-refused`.
        reason: Reason,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Job {
    verb: Verb,
    running: bool,
}

/// The jobs of one node. Give it units by the names the graph resolves to.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    jobs: BTreeMap<UnitName, Job>,
    failed: Vec<(UnitName, Reason)>,
}

impl Queue {
    /// Asks for `verb` on `unit` and for what follows from it: a start pulls in requirements and wants that are not
    /// up and stops what conflicts; a stop or restart takes along what requires the unit and is up.
    pub fn add(&mut self, graph: &Graph, standing: &impl Fn(&UnitName) -> Standing, unit: &UnitName, verb: Verb) {
        if !self.put(unit, verb) {
            return;
        }
        if verb != Verb::Stop && verb != Verb::Reload {
            self.pull_in(graph, standing, unit);
        }
        for other in taken_along(graph, unit, verb) {
            let up = standing(other) == Standing::Up || (verb.is_down() && self.is_starting(other));
            if graph.contains(other) && up {
                self.add(graph, standing, other, verb);
            }
        }
    }

    fn is_starting(&self, unit: &UnitName) -> bool {
        self.jobs.get(unit).is_some_and(|job| job.verb == Verb::Start)
    }

    fn pull_in(&mut self, graph: &Graph, standing: &impl Fn(&UnitName) -> Standing, unit: &UnitName) {
        for other in graph.conflicts(unit) {
            if graph.contains(other) && (standing(other) == Standing::Up || self.is_starting(other)) {
                self.add(graph, standing, other, Verb::Stop);
            }
        }
        for other in graph.requirements(unit).cloned().collect::<Vec<_>>() {
            if !graph.contains(&other) {
                if !graph.is_implicit(&other) {
                    let text = format!("{unit} requires {other}, which is not a unit of this node");
                    self.fail(unit, Reason::new("dependency-missing", text));
                }
                continue;
            }
            match standing(&other) {
                Standing::Down => self.start_if_free(graph, standing, &other),
                Standing::Held => {
                    let text = format!("{unit} requires {other}, which is held");
                    self.fail(unit, Reason::new("dependency-held", text));
                }
                Standing::Refused => {
                    let text = format!("{unit} requires {other}, which this node does not run");
                    self.fail(unit, Reason::new("dependency-refused", text));
                }
                Standing::Up | Standing::Completed => {}
            }
        }
        for other in graph.requisites(unit) {
            if !graph.is_implicit(other) && (!graph.contains(other) || standing(other) != Standing::Up) {
                let text = format!("{unit} needs {other} to be active already");
                self.fail(unit, Reason::new("dependency", text));
            }
        }
        for other in graph.wants(unit) {
            if graph.contains(other) && standing(other) == Standing::Down {
                self.start_if_free(graph, standing, other);
            }
        }
    }

    /// What is pulled in never overrides what was asked for.
    fn start_if_free(&mut self, graph: &Graph, standing: &impl Fn(&UnitName) -> Standing, unit: &UnitName) {
        if !self.jobs.contains_key(unit) {
            self.add(graph, standing, unit, Verb::Start);
        }
    }

    /// Merges with the unit's present job; false when that already is the same or more.
    fn put(&mut self, unit: &UnitName, verb: Verb) -> bool {
        let old = self.jobs.get(unit).copied();
        let merged = match (old.map(|job| (job.verb, job.running)), verb) {
            (None, verb) => Job { verb, running: false },
            (Some((old, _)), verb) if old == verb => return false,
            // It goes down now, and up again afterwards.
            (Some((Verb::Stop, running)), Verb::Start | Verb::Restart) => Job { verb: Verb::Restart, running },
            (Some((Verb::Restart, _)), Verb::Start | Verb::Reload) => return false,
            (Some((Verb::Start | Verb::Stop, _)), Verb::Reload) => return false,
            // A start that waits does not have to go down first.
            (Some((Verb::Start, false)), Verb::Restart) => return false,
            // The way down is the same.
            (Some((Verb::Restart, running)), Verb::Stop) => Job { verb: Verb::Stop, running },
            (Some(_), verb) => Job { verb, running: false },
        };
        self.jobs.insert(unit.clone(), merged);
        true
    }

    /// Takes the unit's job out as failed, and those of waiting units that require it.
    fn fail(&mut self, unit: &UnitName, reason: Reason) {
        self.jobs.remove(unit);
        self.failed.push((unit.clone(), reason));
    }

    /// Everything that may run now, which counts as running from here on, and everything that failed.
    pub fn next(&mut self, graph: &Graph) -> Vec<Turn> {
        let mut turns = Vec::new();
        while let Some((unit, reason)) = self.failed.pop() {
            self.fail_dependents(graph, &unit);
            turns.push(Turn::Failed { unit, reason });
        }
        let ready = self.jobs.iter().filter(|(unit, job)| !job.running && !self.waits(graph, unit, job.verb));
        let mut ready: Vec<_> = ready.map(|(unit, _)| unit.clone()).collect();
        if ready.is_empty() && !self.jobs.values().any(|job| job.running) {
            // Only a cycle gets here, and cycles are refused when units are compiled: take the first name.
            ready.extend(self.jobs.keys().next().cloned());
        }
        for unit in ready {
            let job = self.jobs.get_mut(&unit).expect("taken from the map above");
            job.running = true;
            let restarting = job.verb == Verb::Restart;
            let verb = if restarting { Verb::Stop } else { job.verb };
            turns.push(Turn::Run { unit, verb, restarting });
        }
        turns
    }

    /// Of two ordered units the one that goes down goes first, the later one if both do; up, the earlier one.
    fn waits(&self, graph: &Graph, unit: &UnitName, verb: Verb) -> bool {
        let other = |name: &UnitName| self.jobs.get(name).map(|job| job.verb);
        let by_later = || graph.before(unit).iter().any(|later| other(later).is_some_and(Verb::is_down));
        let by_earlier = || !verb.is_down() && graph.after(unit).iter().any(|earlier| other(earlier).is_some());
        // A conflicting unit goes down before this one comes up, ordered or not.
        let by_conflict =
            || verb == Verb::Start && graph.conflicts(unit).iter().any(|name| other(name).is_some_and(Verb::is_down));
        by_later() || by_earlier() || by_conflict()
    }

    fn fail_dependents(&mut self, graph: &Graph, unit: &UnitName) {
        let needs = |other: &UnitName| {
            graph.requirements(other).any(|name| name == unit) || graph.requisites(other).contains(unit)
        };
        self.fail_waiting(graph, unit, needs, "did not start");
    }

    /// Takes out the starts that wait behind `unit` and that `needs` says cannot do without it.
    fn fail_waiting(&mut self, graph: &Graph, unit: &UnitName, needs: impl Fn(&UnitName) -> bool, why: &str) {
        let waiting = |other: &&UnitName| {
            let job = self.jobs.get(*other);
            job.is_some_and(|job| !job.running && matches!(job.verb, Verb::Start | Verb::Restart))
        };
        let behind = graph.stopped_with(unit).iter().filter(waiting);
        let lost: Vec<_> = behind.filter(|other| needs(other)).cloned().collect();
        for other in lost {
            let text = format!("{unit}, which {other} requires, {why}");
            self.fail(&other, Reason::new("dependency", text));
        }
    }

    /// The job of `unit` that runs is done. A restart's first half makes its second half wait for its turn, and is not
    /// the end of the job (false).
    pub fn finished(&mut self, graph: &Graph, unit: &UnitName, done: Done) -> bool {
        match self.jobs.get_mut(unit) {
            Some(job) if job.running && job.verb == Verb::Restart => {
                *job = Job { verb: Verb::Start, running: false };
                false
            }
            Some(job) if job.running => {
                let started = job.verb == Verb::Start;
                self.jobs.remove(unit);
                match done {
                    Done::Badly if started => self.fail_dependents(graph, unit),
                    Done::Skipped if started => {
                        let needs = |other: &UnitName| graph.strict_requirements(other).any(|name| name == unit);
                        self.fail_waiting(graph, unit, needs, "was skipped, its conditions are not met");
                    }
                    Done::Well | Done::Skipped | Done::Badly => {}
                }
                true
            }
            _ => true,
        }
    }

    /// What is being done to `unit` now: start, stop or reload; `None` when no job of it runs.
    #[must_use]
    pub fn running(&self, unit: &UnitName) -> Option<Verb> {
        let job = self.jobs.get(unit).filter(|job| job.running)?;
        Some(if job.verb == Verb::Restart { Verb::Stop } else { job.verb })
    }

    /// The job of `unit`, waiting or running.
    #[must_use]
    pub fn job(&self, unit: &UnitName) -> Option<Verb> {
        self.jobs.get(unit).map(|job| job.verb)
    }

    /// Takes the unit's job out, waiting or running, as failed for `reason`; told by the next [`Queue::next`].
    pub fn give_up(&mut self, unit: &UnitName, reason: Reason) {
        if self.jobs.contains_key(unit) {
            self.fail(unit, reason);
        }
    }

    /// Forgets a unit that is not in the set any more.
    pub fn forget(&mut self, unit: &UnitName) {
        self.jobs.remove(unit);
    }

    /// Whether nothing waits or runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.failed.is_empty()
    }
}

/// The units that get the same job with `unit`.
fn taken_along<'a>(graph: &'a Graph, unit: &UnitName, verb: Verb) -> Vec<&'a UnitName> {
    match verb {
        Verb::Start => Vec::new(),
        Verb::Restart => graph.stopped_with(unit).iter().collect(),
        Verb::Stop => graph.stopped_with(unit).union(graph.stop_goes_to(unit)).collect(),
        Verb::Reload => graph.reload_goes_to(unit).iter().collect(),
    }
}
