//! A machine's effects: requests to the supervisor, files, timers, and what a change of state means for others.

use super::clock::Clock;
use super::delivered;
use super::engine::Engine;
use super::job_clock::JOB_TIMEOUT;
use super::spawn::{self, Command};
use super::supervisor::{Answer, Supervisor};
use crate::control::ControlError;
use crate::kernel::regular;
use crate::trace;
use fleet_proto::control::{Adopt, Release, Remember, Reply, Signal, WriteLog, reply, request, signal};
use fleet_units::conditions::Judgement;
use fleet_units::diagnostic::Reason;
use fleet_units::ids::{InvocationId, UnitName};
use fleet_units::jobs::Verb;
use fleet_units::lifecycle::{Effect, Event, Outcome, Phase, Role, State, Target, Timer};
use fleet_units::spec::details::JobMode;
use fleet_units::spec::exec::Preserve;
use fleet_units::spec::{KindSpec, ServiceSpec, ServiceType, UnitSpec};
use fleet_units::status::{ActiveState, Unenforced};
use fleet_units::time::Moment;
use std::collections::BTreeSet;
use std::path::Path;
use std::task::{Context, Poll, Waker};

/// Longest `PIDFile=` that is read, in bytes.
const MAX_PID_FILE: u64 = 64 << 10;

/// A request of the engine came back.
pub(super) struct Done {
    pub(super) unit: UnitName,
    pub(super) what: What,
}

pub(super) enum What {
    Event(Event),
    Spawned {
        role: Role,
        pid: u32,
        unenforced: Vec<Unenforced>,
    },
    NotSpawned {
        role: Role,
        exit_status: i32,
        why: String,
    },
    /// The conditions were looked at.
    Checked(Judgement),
    /// The connection broke before the answer; the engine is about to end.
    Lost,
}

impl<S: Supervisor> Engine<S> {
    /// Tells one unit's machine, and does what it wants.
    pub(super) fn tell(&mut self, name: &UnitName, event: Event) {
        let now = self.clock.now();
        let Some(unit) = self.units.get_mut(name) else { return };
        if matches!(event, Event::Start { .. }) {
            unit.start_told = true;
            unit.due = None;
        }
        let effects = unit.machine.on(now, event);
        self.carry_out(name, effects);
        self.look_at_job(name);
    }

    pub(super) fn carry_out(&mut self, name: &UnitName, effects: Vec<Effect>) {
        // The next agent must know of a process before it can run; requests are done in order.
        if effects.contains(&Effect::Begin) {
            self.begin(name);
        }
        self.remember(name);
        self.changed.insert(name.clone());
        for effect in effects {
            self.act_on(name, effect);
        }
        self.note_active(name);
        self.remember(name);
    }

    fn act_on(&mut self, name: &UnitName, effect: Effect) {
        match effect {
            Effect::Check => self.check(name),
            Effect::Begin => {}
            Effect::Spawn { phase, index, role } => self.spawn(name, phase, index, role),
            Effect::Kill { state, targets, signals } => self.kill(name, state, &targets, &signals),
            Effect::Signal { target, signal } => self.send(signal_request(name, target, signal)),
            Effect::ReadPidFile => self.read_pid_file(name),
            Effect::Adopt(pid) => self.adopt(name, pid),
            Effect::GuessMain => self.adopt(name, 0),
            Effect::Arm(timer, at) => self.arm(name, timer, at),
            Effect::Disarm(timer) => self.disarm(name, timer),
            Effect::Entered(state) => self.entered(name, state),
            Effect::Over => self.release(name, false),
            Effect::Trigger { failed } => self.trigger(name, failed),
        }
    }

    /// Looks at the conditions off this thread: a path may lie on a file system that hangs. What the unit's processes
    /// do meanwhile is not held back for it, since it has none.
    fn check(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get(name) else { return };
        let spec = unit.machine.spec().clone();
        let (done, unit) = (self.done.clone(), name.clone());
        tokio::task::spawn_blocking(move || {
            let what = What::Checked(super::conditions::check(&spec.conditions));
            // An engine that ended wants no answers.
            let _ = done.send(Done { unit, what });
        });
    }

    fn begin(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get_mut(name) else { return };
        unit.invocation = new_invocation();
        if std::sync::Arc::ptr_eq(unit.machine.spec(), &unit.assigned.spec) {
            unit.runs_from = Some((unit.assigned.digest, unit.assigned.revision.clone()));
            unit.owes_reload = false;
        }
        unit.reason = None;
        unit.completed = false;
        unit.unenforced.clear();
        self.deliver(name);
    }

    /// Puts the delivered files in place; a failure is told by the next spawn.
    pub(super) fn deliver(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get_mut(name) else { return };
        let host = &self.config.host;
        let spec = unit.machine.spec().clone();
        match delivered::deliver(&host.files, &host.environment, &spec, &unit.assigned.bundle) {
            Ok(files) => {
                unit.files = files;
                unit.undelivered = false;
            }
            Err(error) => {
                unit.undelivered = true;
                self.log(name, format!("deliver files: {error}"));
            }
        }
    }

    fn spawn(&mut self, name: &UnitName, phase: Phase, index: usize, role: Role) {
        let Some(unit) = self.units.get_mut(name) else { return };
        let failed = |exit_status| (name.clone(), Event::SpawnFailed { role, exit_status });
        if unit.undelivered {
            return self.pending.push_back(failed(0));
        }
        let starts = matches!(phase, Phase::Condition | Phase::StartPre | Phase::Start | Phase::StartPost);
        if let Some(reason) = unit.not_run_here().filter(|_| starts) {
            let text = format!("not started: {}", reason.text);
            self.pending.push_back(failed(0));
            return self.log(name, text);
        }
        let spec = unit.machine.spec().clone();
        let KindSpec::Service(service) = &spec.kind else { return };
        let lines = match phase {
            Phase::Condition => &service.exec_condition,
            Phase::StartPre => &service.exec_start_pre,
            Phase::Start => &service.exec_start,
            Phase::StartPost => &service.exec_start_post,
            Phase::Reload => &service.exec_reload,
            Phase::Stop => &service.exec_stop,
            Phase::StopPost => &service.exec_stop_post,
        };
        let Some(command) = lines.get(index) else { return };
        let asked = Command {
            machine: &unit.machine,
            service,
            command,
            phase,
            role,
            invocation: unit.invocation,
            files: unit.files.as_deref(),
        };
        match spawn::build(&self.config.host, &asked) {
            Ok((request, unenforced)) => {
                unit.unenforced.extend(unenforced);
                trace::stage("start asked", Some(name), 0);
                let answer = self.supervisor.request(request::Request::Spawn(request));
                self.track(name, vec![answer], move |mut replies| spawned(role, replies.remove(0)));
            }
            Err(error) => {
                self.pending.push_back(failed(error.exit_status()));
                self.log(name, error.to_string());
            }
        }
    }

    fn kill(&mut self, name: &UnitName, state: State, targets: &[Target], signals: &[i32]) {
        let mut answers = Vec::new();
        for signal in signals {
            for target in targets {
                answers.push(self.supervisor.request(signal_request(name, *target, *signal)));
            }
        }
        trace::stage("stop asked", Some(name), 0);
        let first = targets.len();
        self.track(name, answers, move |replies| {
            let (mut processes, mut any) = (0, false);
            for reply in replies.into_iter().take(first) {
                match reply {
                    Ok(Reply { reply: Some(reply::Reply::Signalled(done)), .. }) => {
                        processes += done.processes;
                        any |= done.populated;
                    }
                    Ok(_) | Err(ControlError::Refused { .. }) => {}
                    Err(_) => return What::Lost,
                }
            }
            What::Event(Event::Killed { state, processes, populated: any })
        });
    }

    fn adopt(&mut self, name: &UnitName, pid: u32) {
        let adopt = Adopt { unit: name.to_string(), pid, role: Role::Main.as_str().to_owned() };
        let answer = self.supervisor.request(request::Request::Adopt(adopt));
        self.track(name, vec![answer], move |mut replies| match replies.remove(0) {
            Ok(Reply { reply: Some(reply::Reply::Adopted(process)), .. }) => What::Event(Event::MainPid(process.pid)),
            Ok(_) if pid > 0 => What::Event(Event::MainPid(pid)),
            Ok(_) | Err(ControlError::Refused { .. }) => What::Event(Event::NoMainPid),
            Err(_) => What::Lost,
        });
    }

    fn read_pid_file(&mut self, name: &UnitName) {
        let unit = self.units.get(name);
        let path = unit.and_then(|unit| unit.machine.spec().service()?.pid_file.clone());
        let bytes = path.and_then(|path| regular::read(Path::new(&path), MAX_PID_FILE).ok());
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let pid = text.and_then(|text| text.trim().parse().ok()).filter(|pid| *pid > 1);
        self.pending.push_back((name.clone(), Event::PidFile(pid)));
    }

    fn arm(&mut self, name: &UnitName, timer: Timer, at: Moment) {
        self.disarm(name, timer);
        if let Some(unit) = self.units.get_mut(name) {
            unit.timers.insert(timer, at);
            self.timers.insert((at, name.clone(), timer));
        }
    }

    fn disarm(&mut self, name: &UnitName, timer: Timer) {
        if let Some(at) = self.units.get_mut(name).and_then(|unit| unit.timers.remove(&timer)) {
            self.timers.remove(&(at, name.clone(), timer));
        }
    }

    fn entered(&mut self, name: &UnitName, state: State) {
        let Some(unit) = self.units.get_mut(name) else { return };
        tracing::info!(unit = %name, state = state.as_str(), result = unit.machine.outcome().as_str(), "state");
        let spec = unit.machine.spec().clone();
        // One with RemainAfterExit= that is over was stopped: what it did is undone.
        let completes = |service: &&ServiceSpec| {
            service.service_type == ServiceType::Oneshot && (state == State::Exited || !service.remain_after_exit)
        };
        let oneshot = spec.service().filter(completes).is_some();
        match state {
            State::Exited | State::Dead => {
                let skipped = unit.machine.outcome().is_skip();
                let good = unit.machine.outcome() == Outcome::Success && unit.machine.memory().up_since.is_some();
                unit.completed = skipped || (oneshot && good);
            }
            _ => {}
        }
        // What its job was given up for is over.
        unit.reason = unit
            .reason
            .take()
            .filter(|reason| state.active_state() == ActiveState::Activating || reason.code != JOB_TIMEOUT);
        if matches!(state, State::Dead | State::Failed) {
            self.stop_bound(name);
        }
        if let KindSpec::Timer(_) = spec.kind {
            if state == State::Active { self.timer_started(name) } else { self.timer_ended(name) }
        }
        self.reload_if_owed(name);
        self.watch_health(name);
    }

    /// `BindsTo=`, `PropagatesStopTo=`: whoever is bound to it goes with it, but for a restart only the former.
    fn stop_bound(&mut self, name: &UnitName) {
        let mut others = self.graph.bound_by(name).clone();
        if self.queue.job(name) != Some(Verb::Restart) {
            others.extend(self.graph.stop_goes_to(name).iter().cloned());
        }
        for other in others {
            if self.units.get(&other).is_some_and(super::unit::Unit::is_up) {
                self.add_job(&other, Verb::Stop);
                if let Some(unit) = self.units.get_mut(&other) {
                    unit.stopped_with = Some(name.clone());
                }
            }
        }
    }

    fn trigger(&mut self, name: &UnitName, failed: bool) {
        let Some(unit) = self.units.get(name) else { return };
        let spec = unit.machine.spec().clone();
        let (names, mode) = if failed { failure(&spec) } else { success(&spec) };
        for other in names {
            let other = self.graph.resolve(other).clone();
            // replace, the default of OnFailure=, brings up again what is going down; fail, that of OnSuccess=, does not.
            let way = mode != JobMode::Fail || self.queue.job(&other) != Some(Verb::Stop);
            if way && self.units.contains_key(&other) && !self.stopping && !self.holds.contains_key(&other) {
                self.add_job(&other, Verb::Start);
            }
        }
    }

    fn note_active(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get_mut(name) else { return };
        let active = unit.machine.state().active_state();
        if active != unit.active {
            let before = std::mem::replace(&mut unit.active, active);
            unit.since = Clock::wall();
            self.note_activity(name, before);
        }
    }

    /// Folders go when the unit is over, unless it comes back and wants them then.
    pub(super) fn release(&mut self, name: &UnitName, forget: bool) {
        let Some(unit) = self.units.get(name) else { return };
        let again = unit.machine.memory().restarting || !unit.machine.memory().forbid_restart;
        let spec = unit.machine.spec().clone();
        let keeps = |preserve| match preserve {
            Preserve::No => false,
            Preserve::Restart => again && !forget,
            Preserve::Yes => true,
        };
        let remove_directories = match spec.service() {
            Some(service) if !keeps(service.exec.runtime_directory_preserve) => {
                self.config.host.places.runtime_directories(&service.exec)
            }
            _ => Vec::new(),
        };
        self.send(request::Request::Release(Release {
            unit: name.to_string(),
            remove_directories,
            forget,
            of_root: self.config.host.places.take_over,
        }));
    }

    pub(super) fn remember(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get_mut(name) else { return };
        let bytes = unit.remember().to_bytes();
        if bytes != unit.remembered {
            unit.remembered.clone_from(&bytes);
            let remember = Remember { unit: name.to_string(), remembered: bytes.into() };
            self.send(request::Request::Remember(remember));
        }
    }

    /// A line of the node's own in the unit's log.
    pub(super) fn log(&mut self, name: &UnitName, text: String) {
        let Some(unit) = self.units.get_mut(name) else { return };
        tracing::warn!(unit = %name, "{text}");
        let invocation_id = unit.invocation.to_string();
        unit.reason = Some(Reason::new("start", text.clone()));
        self.send(request::Request::WriteLog(WriteLog { unit: name.to_string(), invocation_id, text }));
    }

    /// A request whose answer changes nothing.
    pub(super) fn send(&mut self, request: request::Request) {
        let mut answer = self.supervisor.request(request);
        if poll_once(&mut answer).is_pending() {
            tokio::spawn(async move {
                if let Err(error) = answer.await {
                    tracing::debug!(error = %error, "a request was not done");
                }
            });
        }
    }

    /// Requests whose answers the machine waits for.
    fn track(
        &mut self,
        name: &UnitName,
        mut answers: Vec<Answer>,
        finish: impl FnOnce(Vec<Result<Reply, ControlError>>) -> What + Send + 'static,
    ) {
        let Some(unit) = self.units.get_mut(name) else { return };
        unit.in_flight += 1;
        // The first poll hands the request over: their order is decided here, not by the scheduler.
        let first: Vec<_> = answers.iter_mut().map(poll_once).collect();
        let (done, unit) = (self.done.clone(), name.clone());
        tokio::spawn(async move {
            let mut replies = Vec::with_capacity(answers.len());
            for (answer, first) in answers.into_iter().zip(first) {
                replies.push(match first {
                    Poll::Ready(reply) => reply,
                    Poll::Pending => answer.await,
                });
            }
            // An engine that ended wants no answers.
            let _ = done.send(Done { unit, what: finish(replies) });
        });
    }
}

/// The units of `OnFailure=`, and how they are queued.
fn failure(spec: &UnitSpec) -> (&BTreeSet<UnitName>, JobMode) {
    let mode = spec.details.as_ref().and_then(|details| details.on_failure_job_mode);
    (&spec.on_failure, mode.filter(|mode| *mode == JobMode::Fail).unwrap_or(JobMode::Replace))
}

/// The units of `OnSuccess=`, and how they are queued.
fn success(spec: &UnitSpec) -> (&BTreeSet<UnitName>, JobMode) {
    let mode = spec.details.as_ref().and_then(|details| details.on_success_job_mode);
    (&spec.on_success, mode.filter(|mode| *mode == JobMode::Replace).unwrap_or(JobMode::Fail))
}

fn poll_once(answer: &mut Answer) -> Poll<Result<Reply, ControlError>> {
    answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn spawned(role: Role, reply: Result<Reply, ControlError>) -> What {
    match reply {
        Ok(Reply { reply: Some(reply::Reply::Spawned(spawned)), .. }) => {
            let unenforced = spawned.unenforced.iter().map(|text| unenforced(text)).collect();
            What::Spawned { role, pid: spawned.pid, unenforced }
        }
        Ok(_) => What::Event(Event::SpawnFailed { role, exit_status: 0 }),
        Err(error @ ControlError::Refused { exit_status, .. }) => {
            let exit_status = i32::try_from(exit_status).unwrap_or_default();
            What::NotSpawned { role, exit_status, why: format!("{error} (exit status {exit_status})") }
        }
        Err(_) => What::Lost,
    }
}

/// `LimitNOFILE: not allowed (EPERM), 4096 applies`
fn unenforced(text: &str) -> Unenforced {
    let (directive, why) = text.split_once(": ").unwrap_or((text, "not allowed on this host"));
    Unenforced { directive: directive.to_owned(), reason: Reason::new("not-allowed", why) }
}

fn signal_request(name: &UnitName, target: Target, signal: i32) -> request::Request {
    let target = match target {
        Target::Main => signal::Target::Main,
        Target::Control => signal::Target::Control,
        Target::All => signal::Target::All,
    };
    request::Request::Signal(Signal { unit: name.to_string(), signal, target: target.into() })
}

fn new_invocation() -> InvocationId {
    let mut bytes = [0; 16];
    // Without entropy all ids would be one; the boot time still tells starts apart.
    if getrandom::fill(&mut bytes).is_err() {
        bytes[..8].copy_from_slice(&Clock::wall().0.to_le_bytes());
    }
    InvocationId(u128::from_le_bytes(bytes))
}
