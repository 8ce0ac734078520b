//! Up: running, exited, reload, notify messages, watchdog, health; and what the end of a process means in each state.

use super::memory::MainPid;
use super::{Effect, Machine, Notice, Outcome, Phase, Role, State, Target, Timer};
use crate::spec::ServiceType;

impl Machine {
    pub(super) fn enter_running(&mut self, outcome: Outcome) {
        self.set_outcome(outcome);
        if self.m.outcome != Outcome::Success {
            return self.enter_signal(State::StopSigterm, Outcome::Success);
        }
        self.m.up_since.get_or_insert(self.now);
        if self.is_good() {
            let left = self.service().runtime_max.map(|max| {
                let ran = self.m.up_since.map_or(std::time::Duration::ZERO, |since| self.now.since(since));
                max.saturating_sub(ran)
            });
            self.enter(State::Running, left);
        } else if self.service().remain_after_exit {
            self.enter(State::Exited, None);
        } else {
            self.enter_stop(Outcome::Success);
        }
    }

    /// Whether what makes the unit active is there: its main process or, where nobody knows which that is, any.
    fn is_good(&self) -> bool {
        match self.m.main {
            MainPid::Alive(_) | MainPid::Starting => true,
            MainPid::Dead => false,
            MainPid::Unknown => self.m.populated,
        }
    }

    /// Whether the unit can be asked to reload (`CanReload` of systemd).
    #[must_use]
    pub fn can_reload(&self) -> bool {
        self.spec
            .service()
            .is_some_and(|service| !service.exec_reload.is_empty() || service.service_type == ServiceType::NotifyReload)
    }

    pub(super) fn on_reload(&mut self) {
        if !matches!(self.m.state, State::Running | State::Exited) || !self.can_reload() {
            return;
        }
        self.m.reload_failed = false;
        let timeout = self.service().timeout_start;
        if !self.commands(Phase::Reload).is_empty() {
            self.enter(State::Reload, timeout);
            self.run(Phase::Reload, 0, Role::Control);
        } else {
            let signal = self.service().kill.reload_signal;
            self.enter(State::ReloadSignal, timeout);
            self.out.push(Effect::Signal { target: Target::Main, signal });
        }
    }

    pub(super) fn reload_timed_out(&mut self) {
        self.m.reload_failed = true;
        if self.m.control.take().is_some() {
            self.out.push(Effect::Signal { target: Target::Control, signal: 9 });
        }
        self.enter_running(Outcome::Success);
    }

    pub(super) fn on_notified(&mut self, notice: Notice) {
        if self.m.state.is_over() {
            return;
        }
        match notice {
            Notice::Ready => self.on_ready(),
            Notice::Reloading if matches!(self.m.state, State::Running | State::ReloadSignal) => {
                self.enter(State::ReloadNotify, self.service().timeout_start);
            }
            // It stops by itself: wait as if it had been told to.
            Notice::Stopping if self.m.state == State::Running => {
                self.disarm(Timer::Watchdog);
                self.enter(State::StopSigterm, self.service().timeout_stop);
            }
            Notice::Reloading | Notice::Stopping => {}
            Notice::MainPid(pid) if self.m.main != MainPid::Alive(pid) => self.out.push(Effect::Adopt(pid)),
            Notice::MainPid(_) => {}
            Notice::Status(text) => self.m.status_text = text,
            Notice::Watchdog => self.feed_watchdog(),
            Notice::WatchdogTrigger => self.on_watchdog_timeout(),
            Notice::ExtendTimeout(more) => {
                let later = self.now.after(more);
                if self.m.timers.get(&Timer::State).is_some_and(|at| *at < later) {
                    self.arm(Timer::State, more);
                }
            }
        }
    }

    fn on_ready(&mut self) {
        let notifies = matches!(self.service().service_type, ServiceType::Notify | ServiceType::NotifyReload);
        match self.m.state {
            State::Start if notifies => self.enter_start_post(),
            State::ReloadSignal | State::ReloadNotify => self.enter_running(Outcome::Success),
            _ => {}
        }
    }

    fn feed_watchdog(&mut self) {
        if let (true, Some(watchdog)) = (self.m.timers.contains_key(&Timer::Watchdog), self.service().watchdog) {
            self.arm(Timer::Watchdog, watchdog);
        }
    }

    fn is_up(&self) -> bool {
        matches!(
            self.m.state,
            State::StartPost | State::Running | State::Reload | State::ReloadSignal | State::ReloadNotify
        )
    }

    pub(super) fn on_watchdog_timeout(&mut self) {
        if self.is_up() {
            self.enter_signal(State::StopWatchdog, Outcome::Watchdog);
        }
    }

    /// As the watchdog for `Restart=`, but it is asked to stop rather than to dump a core.
    pub(super) fn on_unhealthy(&mut self) {
        if self.is_up() {
            self.enter_signal(State::StopSigterm, Outcome::Unhealthy);
        }
    }

    /// The main process ended, and no further command of a oneshot follows.
    pub(super) fn main_is_gone(&mut self, outcome: Outcome) {
        match self.m.state {
            State::Start => self.main_gone_in_start(outcome),
            State::Running => self.enter_running(outcome),
            // With no helper to wait for, such a state could never be left well.
            State::StartPost | State::Reload | State::ReloadSignal | State::ReloadNotify => {
                self.set_outcome(outcome);
                if self.m.control.is_none() {
                    self.enter_stop(Outcome::Success);
                }
            }
            State::StopWatchdog | State::StopSigterm | State::StopSigkill => {
                self.set_outcome(outcome);
                self.stop_if_alone();
            }
            State::FinalSigterm | State::FinalSigkill => {
                self.set_outcome(outcome);
                self.end_if_alone();
            }
            // The command that runs in these is waited for; it leads on.
            State::Stop | State::StopPost | State::Condition | State::StartPre => self.set_outcome(outcome),
            State::Dead | State::Check | State::Failed | State::AutoRestart | State::Exited | State::Active => {}
        }
    }

    fn main_gone_in_start(&mut self, outcome: Outcome) {
        match self.service().service_type {
            ServiceType::Oneshot if outcome == Outcome::Success => self.enter_start_post(),
            // It never was and never will be ready.
            ServiceType::Notify | ServiceType::NotifyReload if outcome == Outcome::Success => {
                self.enter_signal(State::StopSigterm, Outcome::Protocol);
            }
            _ if outcome != Outcome::Success => self.enter_signal(State::StopSigterm, outcome),
            _ => self.enter_running(outcome),
        }
    }

    /// The control process ended, and no further command of its line follows.
    pub(super) fn control_is_gone(&mut self, outcome: Outcome) {
        let good = outcome == Outcome::Success;
        match self.m.state {
            State::Condition if good => self.enter_start_pre(),
            State::StartPre if good => self.enter_start(),
            State::Start if good => self.look_for_main(),
            State::StartPost if good && !self.lost_main() => self.start_post_done(),
            State::StartPost if good => self.enter_stop(Outcome::Success),
            State::Condition | State::StartPre | State::Start | State::StartPost => {
                self.enter_signal(State::StopSigterm, outcome);
            }
            // A failed reload leaves the unit as it is.
            State::Reload => {
                self.m.reload_failed = !good;
                self.enter_running(Outcome::Success);
            }
            State::Stop => self.enter_signal(State::StopSigterm, outcome),
            State::StopPost => self.enter_signal(State::FinalSigterm, outcome),
            State::StopWatchdog | State::StopSigterm | State::StopSigkill => {
                self.set_outcome(outcome);
                self.stop_if_alone();
            }
            State::FinalSigterm | State::FinalSigkill => {
                self.set_outcome(outcome);
                self.end_if_alone();
            }
            State::Dead
            | State::Check
            | State::Failed
            | State::AutoRestart
            | State::Running
            | State::Exited
            | State::Active
            | State::ReloadSignal
            | State::ReloadNotify => {}
        }
    }

    /// The main process failed while ExecStartPost= ran.
    fn lost_main(&self) -> bool {
        self.m.outcome != Outcome::Success
    }

    pub(super) fn on_emptied(&mut self) {
        self.m.populated = false;
        if self.main_alive() || self.m.control.is_some() {
            // Their exits are told first; if not, this is about processes of an earlier moment.
            self.m.populated = true;
            return;
        }
        match self.m.state {
            State::Running => self.enter_running(Outcome::Success),
            State::Start | State::StartPost if self.waits_for_main() => {
                self.enter_signal(State::StopSigterm, Outcome::Protocol);
            }
            State::StopWatchdog | State::StopSigterm | State::StopSigkill => self.stop_if_alone(),
            State::FinalSigterm | State::FinalSigkill => self.end_if_alone(),
            _ => {}
        }
    }
}
