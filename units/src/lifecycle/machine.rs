//! The machine: takes one event, changes its memory, says what to do. The steps of a start, of a run and of an end
//! are in `starting`, `running` and `ending`.

use super::memory::{MainPid, Memory};
use super::{Effect, Event, Exit, Outcome, Phase, Role, State, Timer, restart};
use crate::spec::{ExecCommand, KindSpec, NotifyAccess, ServiceSpec, ServiceType, UnitSpec};
use crate::time::Moment;
use std::sync::Arc;
use std::time::Duration;

/// How often a PIDFile that is not there yet is looked for.
pub(super) const PID_FILE_POLL: Duration = Duration::from_millis(20);

/// What a restored machine finds alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// The process in the place of the main one.
    pub main: Option<u32>,
    /// The process in the place of the control one.
    pub control: Option<u32>,
    /// Whether the unit has any process.
    pub populated: bool,
}

/// One unit's life.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(super) spec: Arc<UnitSpec>,
    pub(super) m: Memory,
    pub(super) now: Moment,
    pub(super) out: Vec<Effect>,
}

impl Machine {
    /// A unit that never ran.
    #[must_use]
    pub fn new(spec: Arc<UnitSpec>) -> Machine {
        Machine { spec, m: Memory::default(), now: Moment::default(), out: Vec::new() }
    }

    /// A unit whose processes run although nobody remembers it: taken as running, its main process being
    /// `present.main`.
    #[must_use]
    pub fn adopt(spec: Arc<UnitSpec>, present: Present, now: Moment) -> (Machine, Vec<Effect>) {
        let mut machine = Machine::new(spec);
        machine.now = now;
        machine.m.main = present.main.map_or(MainPid::Unknown, MainPid::Alive);
        machine.m.populated = present.populated;
        machine.enter_running(Outcome::Success);
        let effects = std::mem::take(&mut machine.out);
        (machine, effects)
    }

    /// The machine another agent remembered, and what has to be done again: timers are armed, and a request whose
    /// answer that agent did not live to hear is made once more. Exits meanwhile come as events.
    #[must_use]
    pub fn restore(spec: Arc<UnitSpec>, memory: Memory, present: Present, now: Moment) -> (Machine, Vec<Effect>) {
        let mut machine = Machine { spec, m: memory, now, out: Vec::new() };
        machine.m.populated |= present.populated;
        machine.resume_timers();
        machine.resume_requests(present);
        let effects = std::mem::take(&mut machine.out);
        (machine, effects)
    }

    /// What happened at `now`, and what is to be done, in order.
    pub fn on(&mut self, now: Moment, event: Event) -> Vec<Effect> {
        self.now = now;
        match self.spec.kind {
            // Elapsing and listening are events of other units; their own life is that of a target.
            KindSpec::Target | KindSpec::Timer(_) | KindSpec::Socket(_) => self.on_target(&event),
            KindSpec::Service(_) => self.dispatch(event),
        }
        std::mem::take(&mut self.out)
    }

    /// The specification in force.
    #[must_use]
    pub fn spec(&self) -> &Arc<UnitSpec> {
        &self.spec
    }

    /// Another specification from now on; touches nothing that runs.
    pub fn set_spec(&mut self, spec: Arc<UnitSpec>) {
        self.spec = spec;
    }

    /// Everything it knows, to be remembered.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.m
    }

    /// The detailed state.
    #[must_use]
    pub fn state(&self) -> State {
        self.m.state
    }

    /// What went wrong first in the present or last life.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.m.outcome
    }

    /// The main process, if it runs.
    #[must_use]
    pub fn main_pid(&self) -> Option<u32> {
        match self.m.main {
            MainPid::Alive(pid) => Some(pid),
            MainPid::Unknown | MainPid::Starting | MainPid::Dead => None,
        }
    }

    /// Whether a message of a process in place `sender` (`None`: another process of the unit) is listened to
    /// (`NotifyAccess=`).
    #[must_use]
    pub fn listens_to(&self, sender: Option<Role>) -> bool {
        let Some(service) = self.spec.service() else { return false };
        match service.notify_access {
            NotifyAccess::None => false,
            NotifyAccess::Main => sender == Some(Role::Main),
            NotifyAccess::Exec => sender.is_some(),
            NotifyAccess::All => true,
        }
    }

    fn on_target(&mut self, event: &Event) {
        match event {
            Event::Start { .. } if self.m.state.is_over() && self.m.state != State::Check => {
                self.m.outcome = Outcome::Success;
                self.m.unmet.clear();
                self.enter_check();
            }
            Event::Stop { .. } if matches!(self.m.state, State::Active | State::Check) => self.enter(State::Dead, None),
            Event::Checked(verdict) => self.on_checked(verdict.clone()),
            Event::Due(Timer::State) if self.m.state == State::Check => {
                self.m.timers.remove(&Timer::State);
                self.check_timed_out();
            }
            _ => {}
        }
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Start { fresh } => self.on_start(fresh),
            Event::Stop { restarting } => self.on_stop(restarting),
            Event::Reload => self.on_reload(),
            Event::Checked(verdict) => self.on_checked(verdict),
            Event::Spawned { role, pid } => self.on_spawned(role, pid),
            Event::SpawnFailed { role, exit_status } => self.on_spawn_failed(role, exit_status),
            Event::Exited { pid, exit } => self.on_exited(pid, exit),
            Event::Killed { state, processes, populated } => self.on_killed(state, processes, populated),
            Event::Emptied => self.on_emptied(),
            Event::MainPid(pid) => self.on_main_pid(Some(pid)),
            Event::NoMainPid => self.on_main_pid(None),
            Event::PidFile(pid) => self.on_pid_file(pid),
            Event::Notified(notice) => self.on_notified(notice),
            Event::Due(timer) => self.on_due(timer),
            Event::Unhealthy => self.on_unhealthy(),
        }
    }

    fn on_spawned(&mut self, role: Role, pid: u32) {
        if self.m.state.is_over() {
            return; // every timeout on the way down passed before the answer; it is left over
        }
        self.m.populated = true;
        match role {
            Role::Control => self.m.control = Some(pid),
            Role::Main => {
                self.m.main = MainPid::Alive(pid);
                if self.m.state == State::Start && self.is_up_once_executed() {
                    self.enter_start_post();
                }
            }
        }
    }

    fn on_spawn_failed(&mut self, role: Role, exit_status: i32) {
        let exit = Exit::Code(exit_status);
        let outcome = if exit_status == 0 { Outcome::Resources } else { Outcome::ExitCode };
        match role {
            Role::Main if self.m.main != MainPid::Starting => {}
            Role::Control if self.m.control != Some(0) => {}
            Role::Main => self.main_ended(Some(exit).filter(|_| exit_status != 0), outcome),
            Role::Control => self.control_ended(outcome),
        }
    }

    fn on_exited(&mut self, pid: u32, exit: Exit) {
        let service = self.service();
        if self.m.main == MainPid::Alive(pid) {
            let daemon = service.service_type != ServiceType::Oneshot;
            let outcome = restart::judge(exit, &service.success_exit_status, daemon);
            self.main_ended(Some(exit), outcome);
        } else if self.m.control == Some(pid) {
            let outcome = self.judge_control(exit);
            self.control_ended(outcome);
        }
    }

    fn judge_control(&self, exit: Exit) -> Outcome {
        let outcome = restart::judge(exit, &self.service().success_exit_status, false);
        // 1 to 254 of ExecCondition= mean no; 255 and signals are failures (systemd.service(5)).
        match (self.m.state, exit) {
            (State::Condition, Exit::Code(1..=254)) if outcome != Outcome::Success => Outcome::ExecCondition,
            _ => outcome,
        }
    }

    fn main_ended(&mut self, exit: Option<Exit>, outcome: Outcome) {
        self.m.main = MainPid::Dead;
        self.m.main_exit = exit;
        let command = self.m.command.filter(|(_, _, role)| *role == Role::Main);
        let forked = self.service().service_type == ServiceType::Forking;
        let ignored = self.is_ignored(command.or((!forked).then_some((Phase::Start, 0, Role::Main))));
        let outcome = if ignored { Outcome::Success } else { outcome };
        if let (Some((phase, index, role)), State::Start, Outcome::Success) = (command, self.m.state, outcome)
            && self.command(phase, index + 1).is_some()
        {
            return self.run(phase, index + 1, role);
        }
        self.main_is_gone(outcome);
    }

    fn control_ended(&mut self, outcome: Outcome) {
        self.m.control = None;
        let command = self.m.command.filter(|(_, _, role)| *role == Role::Control);
        let outcome = if self.is_ignored(command) { Outcome::Success } else { outcome };
        if let (Some((phase, index, role)), Outcome::Success) = (command, outcome) {
            // A start that is being stopped does not go on with its next helper.
            let goes_on = Some(phase) == phase_of(self.m.state);
            if goes_on && self.command(phase, index + 1).is_some() {
                return self.run(phase, index + 1, role);
            }
        }
        self.control_is_gone(outcome);
    }

    fn is_ignored(&self, command: Option<(Phase, usize, Role)>) -> bool {
        command.and_then(|(phase, index, _)| self.command(phase, index)).is_some_and(|command| command.ignore_failure)
    }

    fn on_due(&mut self, timer: Timer) {
        if self.m.timers.remove(&timer).is_none() {
            return;
        }
        match timer {
            Timer::State => self.on_state_timeout(),
            Timer::Watchdog => self.on_watchdog_timeout(),
            Timer::PidFile => self.out.push(Effect::ReadPidFile),
        }
    }

    fn on_state_timeout(&mut self) {
        match self.m.state {
            State::Check => self.check_timed_out(),
            State::Condition | State::StartPre | State::Start | State::StartPost => self.start_timed_out(),
            State::Running => self.enter_stop(Outcome::Timeout),
            State::Reload | State::ReloadSignal | State::ReloadNotify => self.reload_timed_out(),
            State::AutoRestart => self.restart_is_due(),
            state => self.end_timed_out(state),
        }
    }

    /// The service part; the kind was checked by `on`.
    pub(super) fn service(&self) -> &ServiceSpec {
        self.spec.service().expect("only services get here: on() answers targets itself")
    }

    pub(super) fn commands(&self, phase: Phase) -> &[ExecCommand] {
        let service = self.service();
        match phase {
            Phase::Condition => &service.exec_condition,
            Phase::StartPre => &service.exec_start_pre,
            Phase::Start => &service.exec_start,
            Phase::StartPost => &service.exec_start_post,
            Phase::Reload => &service.exec_reload,
            Phase::Stop => &service.exec_stop,
            Phase::StopPost => &service.exec_stop_post,
        }
    }

    fn command(&self, phase: Phase, index: usize) -> Option<&ExecCommand> {
        self.commands(phase).get(index)
    }

    /// Changes the state; `timeout` is how long it may last, `None` for ever.
    pub(super) fn enter(&mut self, state: State, timeout: Option<Duration>) {
        self.m.state = state;
        self.out.push(Effect::Entered(state));
        match timeout {
            Some(timeout) => self.arm(Timer::State, timeout),
            None => self.disarm(Timer::State),
        }
        if state != State::Start && state != State::StartPost {
            self.disarm(Timer::PidFile);
        }
    }

    pub(super) fn arm(&mut self, timer: Timer, delay: Duration) {
        let at = self.now.after(delay);
        self.m.timers.insert(timer, at);
        self.out.push(Effect::Arm(timer, at));
    }

    pub(super) fn disarm(&mut self, timer: Timer) {
        if self.m.timers.remove(&timer).is_some() {
            self.out.push(Effect::Disarm(timer));
        }
    }

    pub(super) fn run(&mut self, phase: Phase, index: usize, role: Role) {
        self.m.command = Some((phase, index, role));
        self.m.populated = true;
        match role {
            Role::Main => self.m.main = MainPid::Starting,
            Role::Control => self.m.control = Some(0),
        }
        self.out.push(Effect::Spawn { phase, index, role });
    }

    pub(super) fn set_outcome(&mut self, outcome: Outcome) {
        if self.m.outcome == Outcome::Success {
            self.m.outcome = outcome;
        }
    }

    pub(super) fn main_alive(&self) -> bool {
        matches!(self.m.main, MainPid::Alive(_) | MainPid::Starting)
    }

    fn resume_timers(&mut self) {
        /// Clocks wait for the agent: what came due without one gets a moment for the events that wait with it.
        const GRACE: Duration = Duration::from_secs(1);
        for (timer, at) in self.m.timers.clone() {
            let delay = match timer {
                Timer::Watchdog => self.service().watchdog.unwrap_or(GRACE),
                Timer::State if self.m.state != State::AutoRestart => at.since(self.now).max(GRACE),
                Timer::State | Timer::PidFile => at.since(self.now),
            };
            self.arm(timer, delay);
        }
    }

    fn resume_requests(&mut self, present: Present) {
        if self.m.main == MainPid::Starting {
            match present.main {
                Some(pid) => self.on_spawned(Role::Main, pid),
                None => self.run_again(Role::Main),
            }
        }
        if self.m.control == Some(0) {
            match present.control {
                Some(pid) => self.on_spawned(Role::Control, pid),
                None => self.run_again(Role::Control),
            }
        }
        match self.m.state {
            State::Check => self.out.push(Effect::Check),
            State::Start if self.waits_for_main() => self.look_for_main(),
            state @ (State::StopWatchdog
            | State::StopSigterm
            | State::StopSigkill
            | State::FinalSigterm
            | State::FinalSigkill) => self.kill_again(state),
            _ => {}
        }
    }

    fn run_again(&mut self, role: Role) {
        if let Some((phase, index, _)) = self.m.command.filter(|(_, _, place)| *place == role) {
            self.out.push(Effect::Spawn { phase, index, role });
        }
    }
}

/// The Exec line a state runs in the control place.
fn phase_of(state: State) -> Option<Phase> {
    match state {
        State::Condition => Some(Phase::Condition),
        State::StartPre => Some(Phase::StartPre),
        State::Start => Some(Phase::Start),
        State::StartPost => Some(Phase::StartPost),
        State::Reload => Some(Phase::Reload),
        State::Stop => Some(Phase::Stop),
        State::StopPost => Some(Phase::StopPost),
        _ => None,
    }
}
