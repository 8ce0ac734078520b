//! From dead to up: condition, start-pre, start, start-post.

use super::machine::PID_FILE_POLL;
use super::memory::MainPid;
use super::restart::StartLimit;
use super::{Effect, Machine, Outcome, Phase, Role, State, Timer};
use crate::spec::ServiceType;

impl Machine {
    /// A unit that is up or on its way is left alone; one on its way down is asked again by the job that waits for it.
    pub(super) fn on_start(&mut self, fresh: bool) {
        if !self.m.state.is_over() || self.m.state == State::Check {
            return;
        }
        if fresh {
            self.m.start_limit = StartLimit::default();
        }
        self.m.restarts = 0;
        self.m.step = 0;
        self.begin();
    }

    /// `RestartSec=` is over.
    pub(super) fn restart_is_due(&mut self) {
        self.m.restarts += 1;
        self.begin();
    }

    fn begin(&mut self) {
        let (interval, burst) = (self.spec.start_limit_interval, self.spec.start_limit_burst);
        if !self.m.start_limit.allows(self.now, interval, burst) {
            self.m.outcome = Outcome::StartLimitHit;
            self.enter(State::Failed, None);
            return self.out.push(Effect::Trigger { failed: true });
        }
        self.m.outcome = Outcome::Success;
        self.m.unmet.clear();
        self.m.main = MainPid::Unknown;
        self.m.main_exit = None;
        self.m.control = None;
        self.m.command = None;
        self.m.forbid_restart = false;
        self.m.restarting = false;
        self.m.reload_failed = false;
        self.m.status_text.clear();
        self.m.up_since = None;
        self.enter_check();
    }

    pub(super) fn enter_condition(&mut self) {
        if self.commands(Phase::Condition).is_empty() {
            return self.enter_start_pre();
        }
        self.enter(State::Condition, self.service().timeout_start);
        self.run(Phase::Condition, 0, Role::Control);
    }

    pub(super) fn enter_start_pre(&mut self) {
        if self.commands(Phase::StartPre).is_empty() {
            return self.enter_start();
        }
        self.enter(State::StartPre, self.service().timeout_start);
        self.run(Phase::StartPre, 0, Role::Control);
    }

    pub(super) fn enter_start(&mut self) {
        self.enter(State::Start, self.service().timeout_start);
        if self.commands(Phase::Start).is_empty() {
            return self.enter_start_post();
        }
        let forking = self.service().service_type == ServiceType::Forking;
        self.run(Phase::Start, 0, if forking { Role::Control } else { Role::Main });
    }

    /// simple counts as started when its exec succeeded, as exec does: the supervisor answers only then, and a
    /// missing program is a failed start, not a started unit that failed. dbus has no bus here.
    pub(super) fn is_up_once_executed(&self) -> bool {
        match self.service().service_type {
            ServiceType::Simple | ServiceType::Exec | ServiceType::Idle | ServiceType::Dbus => true,
            ServiceType::Forking | ServiceType::Oneshot | ServiceType::Notify | ServiceType::NotifyReload => false,
        }
    }

    pub(super) fn waits_for_main(&self) -> bool {
        self.service().service_type == ServiceType::Forking
            && self.m.control.is_none()
            && self.m.main == MainPid::Unknown
    }

    pub(super) fn look_for_main(&mut self) {
        let has_file = self.service().pid_file.is_some();
        self.out.push(if has_file { Effect::ReadPidFile } else { Effect::GuessMain });
    }

    pub(super) fn on_pid_file(&mut self, pid: Option<u32>) {
        if !matches!(self.m.state, State::Start | State::StartPost) || !self.waits_for_main() {
            return;
        }
        match pid {
            Some(pid) => self.out.push(Effect::Adopt(pid)),
            None => self.no_pid_file_yet(),
        }
    }

    /// The daemon, or ExecStartPost=, may still be about to write it; an old file may name a stranger.
    fn no_pid_file_yet(&mut self) {
        let later = !self.commands(Phase::StartPost).is_empty();
        if self.m.state == State::Start && later {
            self.enter_start_post();
        } else {
            self.arm(Timer::PidFile, PID_FILE_POLL);
        }
    }

    pub(super) fn on_main_pid(&mut self, pid: Option<u32>) {
        let waited = matches!(self.m.state, State::Start | State::StartPost) && self.waits_for_main();
        if let Some(pid) = pid {
            if self.m.state.is_over() {
                return;
            }
            self.m.main = MainPid::Alive(pid);
        } else if waited && self.service().pid_file.is_some() {
            return self.no_pid_file_yet();
        }
        match self.m.state {
            State::Start if waited => self.enter_start_post(),
            State::StartPost if waited => self.enter_running(Outcome::Success),
            _ => {}
        }
    }

    pub(super) fn enter_start_post(&mut self) {
        if let Some(watchdog) = self.service().watchdog {
            self.arm(Timer::Watchdog, watchdog);
        }
        if self.commands(Phase::StartPost).is_empty() {
            return self.enter_running(Outcome::Success);
        }
        self.enter(State::StartPost, self.service().timeout_start);
        self.run(Phase::StartPost, 0, Role::Control);
    }

    /// ExecStartPost= is done; a forking service may still owe its PIDFile.
    pub(super) fn start_post_done(&mut self) {
        if self.waits_for_main() && self.service().pid_file.is_some() {
            self.out.push(Effect::ReadPidFile);
        } else {
            self.enter_running(Outcome::Success);
        }
    }
}
