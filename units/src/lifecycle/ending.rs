//! From up to dead: stop, signals, stop-post, the final kill; and what follows a life.

use super::{Effect, Machine, Outcome, Phase, Role, State, Target, Timer, restart};
use crate::spec::KillMode;
use crate::spec::details::{ServiceDetails, TimeoutFailure};
use std::time::Duration;

const SIGHUP: i32 = 1;
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGCONT: i32 = 18;

impl Machine {
    pub(super) fn on_stop(&mut self, restarting: bool) {
        self.m.forbid_restart = true;
        self.m.restarting = restarting;
        match self.m.state {
            State::AutoRestart | State::Check => self.enter(State::Dead, None),
            State::Running | State::Exited => self.enter_stop(Outcome::Success),
            // Something is half way: straight to the signal, without ExecStop=.
            State::Condition
            | State::StartPre
            | State::Start
            | State::StartPost
            | State::Reload
            | State::ReloadSignal
            | State::ReloadNotify => self.enter_signal(State::StopSigterm, Outcome::Success),
            State::Dead
            | State::Failed
            | State::Active
            | State::Stop
            | State::StopWatchdog
            | State::StopSigterm
            | State::StopSigkill
            | State::StopPost
            | State::FinalSigterm
            | State::FinalSigkill => {}
        }
    }

    pub(super) fn enter_stop(&mut self, outcome: Outcome) {
        self.set_outcome(outcome);
        self.disarm(Timer::Watchdog);
        if self.commands(Phase::Stop).is_empty() {
            return self.enter_signal(State::StopSigterm, Outcome::Success);
        }
        self.enter(State::Stop, self.service().timeout_stop);
        self.run(Phase::Stop, 0, Role::Control);
    }

    /// Signals who is to be signalled in `state`, and waits there; with nobody to signal the way goes on at once.
    pub(super) fn enter_signal(&mut self, state: State, outcome: Outcome) {
        self.set_outcome(outcome);
        self.disarm(Timer::Watchdog);
        if !self.has_processes() || self.targets(state).is_empty() {
            return self.nobody_signalled(state);
        }
        let timeout = match state {
            State::StopWatchdog => self.service().timeout_abort,
            _ => self.service().timeout_stop,
        };
        self.enter(state, timeout);
        self.kill_again(state);
    }

    pub(super) fn kill_again(&mut self, state: State) {
        let (targets, signals) = (self.targets(state), self.signals(state));
        self.out.push(Effect::Kill { state, targets, signals });
    }

    fn has_processes(&self) -> bool {
        self.m.populated || self.main_alive() || self.m.control.is_some()
    }

    /// `KillMode=` (systemd.kill(5)).
    fn targets(&self, state: State) -> Vec<Target> {
        let last = matches!(state, State::StopSigkill | State::FinalSigkill);
        match self.service().kill.mode {
            KillMode::ControlGroup => vec![Target::All],
            KillMode::Mixed if last => vec![Target::All],
            KillMode::Mixed | KillMode::Process => vec![Target::Main, Target::Control],
            KillMode::None => Vec::new(),
        }
    }

    fn signals(&self, state: State) -> Vec<i32> {
        let kill = &self.service().kill;
        let first = match state {
            State::StopWatchdog => self.details().and_then(|details| details.watchdog_signal).unwrap_or(SIGABRT),
            State::StopSigkill | State::FinalSigkill => kill.final_signal,
            _ if self.m.restarting => kill.restart_signal,
            _ => kill.signal,
        };
        let mut signals = vec![first];
        if matches!(state, State::StopSigterm | State::FinalSigterm) {
            if kill.send_sighup && first != SIGHUP {
                signals.push(SIGHUP);
            }
            // A stopped process could not act on the signal.
            if first != SIGKILL && first != SIGCONT {
                signals.push(SIGCONT);
            }
        }
        signals
    }

    pub(super) fn on_killed(&mut self, state: State, processes: u32, populated: bool) {
        let waits = matches!(
            state,
            State::StopWatchdog | State::StopSigterm | State::StopSigkill | State::FinalSigterm | State::FinalSigkill
        );
        if state != self.m.state || !waits {
            return;
        }
        // Exits of known processes are told; only then is the unit empty.
        if !populated && !self.main_alive() && self.m.control.is_none() {
            self.m.populated = false;
        }
        if !self.m.populated || (processes == 0 && !self.main_alive() && self.m.control.is_none()) {
            self.nobody_signalled(state);
        }
    }

    fn nobody_signalled(&mut self, state: State) {
        let more = self.service().kill.send_sigkill && self.has_processes();
        match state {
            State::StopWatchdog | State::StopSigterm if more => self.enter_signal(State::StopSigkill, Outcome::Success),
            State::StopWatchdog | State::StopSigterm | State::StopSigkill => self.enter_stop_post(Outcome::Success),
            State::FinalSigterm if more => self.enter_signal(State::FinalSigkill, Outcome::Success),
            _ => self.enter_dead(Outcome::Success, true),
        }
    }

    /// After the signal, once main and control process are gone; the rest of the unit is for the final kill.
    pub(super) fn stop_if_alone(&mut self) {
        if !self.main_alive() && self.m.control.is_none() {
            self.enter_stop_post(Outcome::Success);
        }
    }

    /// systemd leaves here as soon as main and control process are gone. We wait for all that is to be killed, so
    /// that no process of this life meets one of the next.
    pub(super) fn end_if_alone(&mut self) {
        let all = self.targets(self.m.state).contains(&Target::All);
        if !self.main_alive() && self.m.control.is_none() && !(all && self.m.populated) {
            self.enter_dead(Outcome::Success, true);
        }
    }

    fn enter_stop_post(&mut self, outcome: Outcome) {
        self.set_outcome(outcome);
        if self.commands(Phase::StopPost).is_empty() {
            return self.enter_signal(State::FinalSigterm, Outcome::Success);
        }
        self.enter(State::StopPost, self.service().timeout_stop);
        self.run(Phase::StopPost, 0, Role::Control);
    }

    /// A timeout in one of the states on the way down.
    pub(super) fn end_timed_out(&mut self, state: State) {
        let kill = self.service().kill.send_sigkill;
        self.set_outcome(Outcome::Timeout);
        let mode = self.details().map(|details| details.timeout_stop_failure).unwrap_or_default();
        match state {
            State::Stop => self.enter_signal(self.failure_state(mode), Outcome::Timeout),
            State::StopSigterm if mode == TimeoutFailure::Abort => {
                self.enter_signal(State::StopWatchdog, Outcome::Timeout);
            }
            State::StopWatchdog | State::StopSigterm if kill => self.enter_signal(State::StopSigkill, Outcome::Timeout),
            // What survives SIGKILL hangs in the kernel; it must not hold up the rest.
            State::StopWatchdog | State::StopSigterm | State::StopSigkill => self.enter_stop_post(Outcome::Timeout),
            State::StopPost => self.enter_signal(State::FinalSigterm, Outcome::Timeout),
            State::FinalSigterm if kill => self.enter_signal(State::FinalSigkill, Outcome::Timeout),
            State::FinalSigterm => self.enter_dead(Outcome::Timeout, false),
            _ => self.enter_dead(Outcome::Timeout, true),
        }
    }

    /// A timeout on the way up.
    pub(super) fn start_timed_out(&mut self) {
        let mode = self.details().map(|details| details.timeout_start_failure).unwrap_or_default();
        self.enter_signal(self.failure_state(mode), Outcome::Timeout);
    }

    /// How what takes too long is ended (`TimeoutStartFailureMode=`, `TimeoutStopFailureMode=`).
    fn failure_state(&self, mode: TimeoutFailure) -> State {
        match mode {
            TimeoutFailure::Terminate => State::StopSigterm,
            TimeoutFailure::Abort => State::StopWatchdog,
            TimeoutFailure::Kill if self.service().kill.send_sigkill => State::StopSigkill,
            TimeoutFailure::Kill => State::StopSigterm,
        }
    }

    fn details(&self) -> Option<&ServiceDetails> {
        self.service().details.as_deref()
    }

    fn enter_dead(&mut self, outcome: Outcome, may_restart: bool) {
        self.set_outcome(outcome);
        self.m.command = None;
        // A process that outlived its kill is nobody's main process any more.
        self.m.main = super::MainPid::Dead;
        self.m.control = None;
        self.out.push(Effect::Over);
        let again = may_restart
            && !self.m.forbid_restart
            && restart::shall_restart(self.service(), self.m.outcome, self.m.main_exit);
        if again {
            let delay = self.next_delay();
            return self.enter(State::AutoRestart, Some(delay));
        }
        let failed = self.m.outcome != Outcome::Success && !self.m.outcome.is_skip();
        self.enter(if failed { State::Failed } else { State::Dead }, None);
        if !self.m.outcome.is_skip() {
            self.out.push(Effect::Trigger { failed });
        }
    }

    fn next_delay(&mut self) -> Duration {
        let stretch = restart::healthy_stretch(self.service());
        if self.m.up_since.is_some_and(|since| self.now.since(since) >= stretch) {
            self.m.step = 0;
        }
        self.m.step = self.m.step.saturating_add(1);
        restart::delay(self.service(), self.m.step)
    }
}
