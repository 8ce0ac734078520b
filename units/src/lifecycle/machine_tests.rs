//! Whole lives, told as events; each checks what a person would notice.

use super::machine::Present;
use super::{Effect, Event, Exit, Machine, Notice, Outcome, Phase, Role, State, Target, Timer, restart};
use crate::spec::{KillMode, KindSpec, Restart, ServiceSpec, ServiceType};
use crate::testing::{command, service, unit};
use crate::time::Moment;
use std::sync::Arc;
use std::time::Duration;

struct Life {
    machine: Machine,
    now: Moment,
}

const START: Event = Event::Start { fresh: true };
const JOB: Event = Event::Start { fresh: false };
const STOP: Event = Event::Stop { restarting: false };

fn main_runs(pid: u32) -> Event {
    Event::Spawned { role: Role::Main, pid }
}

fn helper_runs(pid: u32) -> Event {
    Event::Spawned { role: Role::Control, pid }
}

fn exited(pid: u32, code: i32) -> Event {
    Event::Exited { pid, exit: Exit::Code(code) }
}

fn killed_by(pid: u32, number: i32) -> Event {
    Event::Exited { pid, exit: Exit::Signal { number, core: false } }
}

impl Life {
    fn of(change: impl FnOnce(&mut ServiceSpec)) -> Life {
        Life { machine: Machine::new(service(change)), now: Moment(1_000_000) }
    }

    /// Tells an event; kills find nobody but who the machine knows to be alive.
    fn tell(&mut self, event: Event) -> Vec<Effect> {
        self.now = self.now.after(Duration::from_micros(1));
        self.machine.on(self.now, event)
    }

    fn tell_all(&mut self, events: impl IntoIterator<Item = Event>) -> State {
        for event in events {
            self.tell(event);
        }
        self.machine.state()
    }

    /// The end of the main process and of everything else in the unit.
    fn main_ends(&mut self, event: Event) -> State {
        self.tell_all([event, Event::Emptied])
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }
}

#[test]
fn a_simple_service_runs_once_its_exec_succeeded_and_a_stop_ends_it() {
    let mut life = Life::of(|_| {});
    let effects = life.tell(START);
    assert!(effects.contains(&Effect::Spawn { phase: Phase::Start, index: 0, role: Role::Main }));
    assert_eq!(life.tell_all([main_runs(10)]), State::Running);
    let effects = life.tell(STOP);
    assert!(effects.contains(&Effect::Kill {
        state: State::StopSigterm,
        targets: vec![Target::All],
        signals: vec![15, 18]
    }));
    assert_eq!(life.main_ends(killed_by(10, 15)), State::Dead);
    assert_eq!(life.machine.outcome(), Outcome::Success);
}

#[test]
fn a_program_that_is_missing_fails_the_start_with_its_exit_status() {
    let mut life = Life::of(|_| {});
    life.tell_all([START, Event::SpawnFailed { role: Role::Main, exit_status: 203 }]);
    let state = life.tell_all([Event::Killed { state: State::StopSigterm, processes: 0, populated: false }]);
    assert_eq!((state, life.machine.outcome()), (State::Failed, Outcome::ExitCode));
    assert_eq!(life.machine.memory().main_exit, Some(Exit::Code(203)));
}

#[test]
fn every_helper_runs_in_its_turn_and_a_failing_pre_stops_the_start() {
    let with_all = |s: &mut ServiceSpec| {
        s.exec_condition = vec![command("/bin/condition")];
        s.exec_start_pre = vec![command("/bin/pre1"), command("/bin/pre2")];
        s.exec_start_post = vec![command("/bin/post")];
        s.exec_stop = vec![command("/bin/stop")];
        s.exec_stop_post = vec![command("/bin/stop-post")];
    };
    let mut life = Life::of(with_all);
    assert_eq!(life.tell_all([START]), State::Condition);
    assert_eq!(life.tell_all([helper_runs(1), exited(1, 0)]), State::StartPre);
    assert_eq!(life.tell_all([helper_runs(2), exited(2, 0), helper_runs(3), exited(3, 0)]), State::Start);
    assert_eq!(life.tell_all([main_runs(4)]), State::StartPost);
    assert_eq!(life.tell_all([helper_runs(5), exited(5, 0)]), State::Running);
    assert_eq!(life.tell_all([STOP]), State::Stop);
    assert_eq!(life.tell_all([helper_runs(6), exited(6, 0)]), State::StopSigterm);
    assert_eq!(life.tell_all([killed_by(4, 15)]), State::StopPost);
    assert_eq!(life.tell_all([helper_runs(7), exited(7, 0), Event::Emptied]), State::Dead);

    let mut life = Life::of(with_all);
    life.tell_all([START, helper_runs(1), exited(1, 0), helper_runs(2), exited(2, 1)]);
    life.tell_all([Event::Killed { state: State::StopSigterm, processes: 0, populated: false }]);
    assert_eq!(life.tell_all([helper_runs(3), exited(3, 0), Event::Emptied]), State::Failed, "stop-post ran");
}

#[test]
fn a_condition_that_says_no_is_no_failure_and_no_restart() {
    let mut life = Life::of(|s| {
        s.exec_condition = vec![command("/bin/condition")];
        s.restart = Restart::Always;
    });
    let killed = || Event::Killed { state: State::StopSigterm, processes: 0, populated: false };
    for code in [1, 254] {
        let state = life.tell_all([START, helper_runs(1), exited(1, code), killed()]);
        assert_eq!((state, life.machine.outcome()), (State::Dead, Outcome::ExecCondition), "{code}");
    }
}

#[test]
fn a_condition_that_fails_fails_the_unit() {
    let number = 11;
    for exit in [Exit::Code(255), Exit::Signal { number, core: false }] {
        let mut life = Life::of(|s| s.exec_condition = vec![command("/bin/condition")]);
        let killed = Event::Killed { state: State::StopSigterm, processes: 0, populated: false };
        let state = life.tell_all([START, helper_runs(1), Event::Exited { pid: 1, exit }, killed]);
        assert_eq!(state, State::Failed, "{exit:?}");
    }
}

#[test]
fn a_oneshot_runs_its_commands_in_order_and_may_remain() {
    let two = |s: &mut ServiceSpec| {
        s.service_type = ServiceType::Oneshot;
        s.exec_start = vec![command("/bin/a"), command("/bin/b")];
    };
    let mut life = Life::of(two);
    life.tell_all([START, main_runs(1), exited(1, 0), Event::Emptied]);
    assert_eq!(life.machine.state(), State::Start, "the second command is due");
    assert_eq!(life.tell_all([main_runs(2), exited(2, 0), Event::Emptied]), State::Dead);
    assert_eq!(life.machine.outcome(), Outcome::Success);

    let mut life = Life::of(|s| {
        two(s);
        s.remain_after_exit = true;
    });
    assert_eq!(life.tell_all([START, main_runs(1), exited(1, 0), main_runs(2), exited(2, 0)]), State::Exited);
}

#[test]
fn a_notify_service_is_up_when_it_says_so_and_fails_when_it_never_does() {
    let notify = |s: &mut ServiceSpec| s.service_type = ServiceType::Notify;
    let mut life = Life::of(notify);
    assert_eq!(life.tell_all([START, main_runs(1)]), State::Start);
    assert_eq!(life.tell_all([Event::Notified(Notice::Ready)]), State::Running);

    let mut life = Life::of(notify);
    life.tell_all([START, main_runs(1)]);
    assert_eq!(life.main_ends(exited(1, 0)), State::Failed);
    assert_eq!(life.machine.outcome(), Outcome::Protocol);

    let mut life = Life::of(notify);
    life.tell_all([START, main_runs(1), Event::Due(Timer::State)]);
    assert_eq!(life.main_ends(killed_by(1, 15)), State::Failed);
    assert_eq!(life.machine.outcome(), Outcome::Timeout);
}

#[test]
fn a_forking_service_takes_its_main_process_from_the_pid_file_once_it_is_there() {
    let mut life = Life::of(|s| {
        s.service_type = ServiceType::Forking;
        s.pid_file = Some("/run/web.pid".into());
    });
    life.tell_all([START, helper_runs(1)]);
    assert_eq!(life.tell(exited(1, 0)), [Effect::ReadPidFile]);
    assert!(matches!(life.tell(Event::PidFile(None))[..], [Effect::Arm(Timer::PidFile, _)]));
    assert_eq!(life.tell(Event::Due(Timer::PidFile)), [Effect::ReadPidFile]);
    assert_eq!(life.tell(Event::PidFile(Some(7))), [Effect::Adopt(7)]);
    assert!(matches!(life.tell(Event::NoMainPid)[..], [Effect::Arm(Timer::PidFile, _)]), "a stranger is refused");
    assert_eq!(life.tell_all([Event::Due(Timer::PidFile), Event::PidFile(Some(8)), Event::MainPid(8)]), State::Running);
    assert_eq!(life.main_ends(exited(8, 3)), State::Failed);
}

#[test]
fn a_forking_service_without_a_pid_file_lives_as_long_as_any_of_its_processes() {
    let mut life = Life::of(|s| s.service_type = ServiceType::Forking);
    life.tell_all([START, helper_runs(1)]);
    assert_eq!(life.tell(exited(1, 0)), [Effect::GuessMain]);
    assert_eq!(life.tell_all([Event::NoMainPid]), State::Running);
    assert_eq!(life.tell_all([Event::Emptied]), State::Dead);
}

#[test]
fn a_process_that_ignores_sigterm_is_killed_when_the_time_is_over() {
    let mut life = Life::of(|_| {});
    life.tell_all([START, main_runs(1), STOP]);
    let effects = life.tell(Event::Due(Timer::State));
    assert!(effects.contains(&Effect::Kill {
        state: State::StopSigkill,
        targets: vec![Target::All],
        signals: vec![9]
    }));
    assert_eq!(life.main_ends(killed_by(1, 9)), State::Failed);
    assert_eq!(life.machine.outcome(), Outcome::Timeout);
}

#[test]
fn what_the_main_process_leaves_behind_is_killed_before_the_unit_is_dead() {
    let mut life = Life::of(|s| s.restart = Restart::Always);
    life.tell_all([START, main_runs(1), killed_by(1, 9)]);
    assert_eq!(life.machine.state(), State::StopSigterm);
    life.tell_all([
        Event::Killed { state: State::StopSigterm, processes: 1, populated: true },
        Event::Due(Timer::State),
    ]);
    assert_eq!(life.machine.state(), State::StopSigkill);
    assert_eq!(life.tell_all([Event::Emptied]), State::AutoRestart);
}

#[test]
fn kill_mode_process_and_none_leave_what_they_leave() {
    let mut life = Life::of(|s| s.kill.mode = KillMode::Process);
    life.tell_all([START, main_runs(1), STOP, killed_by(1, 15)]);
    for state in [State::FinalSigterm, State::FinalSigkill] {
        assert_eq!(life.machine.state(), state);
        life.tell_all([Event::Killed { state, processes: 0, populated: true }]);
    }
    assert_eq!(life.machine.state(), State::Dead);
    let mut life = Life::of(|s| s.kill.mode = KillMode::None);
    assert_eq!(life.tell_all([START, main_runs(1), STOP]), State::Dead);
}

#[test]
fn the_restart_matrix_is_that_of_the_manual() {
    use Restart::*;
    let policies = [No, Always, OnSuccess, OnFailure, OnAbnormal, OnAbort, OnWatchdog];
    let table = [
        (Outcome::Success, [false, true, true, false, false, false, false]),
        (Outcome::ExitCode, [false, true, false, true, false, false, false]),
        (Outcome::Signal, [false, true, false, true, true, true, false]),
        (Outcome::CoreDump, [false, true, false, true, true, true, false]),
        (Outcome::Timeout, [false, true, false, true, true, false, false]),
        (Outcome::Watchdog, [false, true, false, true, true, false, true]),
        (Outcome::Unhealthy, [false, true, false, true, true, false, true]),
        (Outcome::ExecCondition, [false; 7]),
        (Outcome::StartLimitHit, [false; 7]),
    ];
    for (outcome, expected) in table {
        for (policy, expected) in policies.into_iter().zip(expected) {
            let spec = service(|s| s.restart = policy);
            let service = spec.service().unwrap();
            assert_eq!(restart::shall_restart(service, outcome, None), expected, "{policy:?} after {outcome:?}");
        }
    }
}

#[test]
fn prevent_and_force_go_before_the_policy_and_prevent_before_force() {
    let spec = service(|s| {
        s.restart = Restart::No;
        s.restart_force.codes.extend([5, 6]);
        s.restart_prevent.codes.insert(6);
        s.restart_prevent.signals.insert(9);
    });
    let service = spec.service().unwrap();
    assert!(restart::shall_restart(service, Outcome::ExitCode, Some(Exit::Code(5))));
    assert!(!restart::shall_restart(service, Outcome::ExitCode, Some(Exit::Code(6))));
    let kill = Exit::Signal { number: 9, core: false };
    assert!(!restart::shall_restart(service, Outcome::Signal, Some(kill)));
}

fn crash(life: &mut Life, pid: u32) -> Moment {
    life.tell(main_runs(pid));
    life.main_ends(exited(pid, 1));
    assert_eq!(life.machine.state(), State::AutoRestart);
    life.machine.memory().timers[&Timer::State]
}

#[test]
fn the_back_off_grows_to_its_maximum_and_starts_over_after_a_healthy_stretch() {
    let mut life = Life::of(|s| {
        s.restart = Restart::Always;
        s.restart_sec = Duration::from_secs(1);
        s.restart_steps = 2;
        s.restart_max_delay = Some(Duration::from_secs(16));
    });
    life.tell(START);
    let mut waits = Vec::new();
    for pid in 1..=4 {
        let at = crash(&mut life, pid);
        waits.push(at.since(life.now).as_secs_f64().round() as u64);
        life.now = at;
        life.tell(Event::Due(Timer::State));
    }
    assert_eq!(waits, [1, 4, 16, 16]);
    assert_eq!(life.machine.memory().restarts, 4);
    life.tell(main_runs(9));
    life.wait(Duration::from_secs(20));
    life.main_ends(exited(9, 1));
    assert_eq!(life.machine.memory().timers[&Timer::State].since(life.now).as_secs_f64().round() as u64, 1);
}

#[test]
fn the_start_limit_fails_the_unit_and_a_persons_start_clears_it() {
    let mut life = Life::of(|s| {
        s.restart = Restart::Always;
        s.restart_sec = Duration::ZERO;
    });
    life.tell(JOB);
    for pid in 1..=4 {
        crash(&mut life, pid);
        life.tell(Event::Due(Timer::State));
    }
    crash(&mut life, 5);
    assert_eq!(life.tell_all([Event::Due(Timer::State)]), State::Failed);
    assert_eq!(life.machine.outcome(), Outcome::StartLimitHit);
    assert_eq!(life.tell_all([JOB]), State::Failed);
    assert_eq!(life.tell_all([START, main_runs(6)]), State::Running);
}

#[test]
fn a_stop_in_any_state_is_followed_by_no_restart() {
    let mut life = Life::of(|s| s.restart = Restart::Always);
    life.tell_all([START, main_runs(1), STOP]);
    assert_eq!(life.main_ends(killed_by(1, 15)), State::Dead);
    let mut life = Life::of(|s| s.restart = Restart::Always);
    life.tell(START);
    crash(&mut life, 1);
    assert_eq!(life.tell_all([STOP]), State::Dead);
    assert_eq!(life.tell_all([Event::Due(Timer::State)]), State::Dead);
    let mut life = Life::of(|s| s.restart = Restart::Always);
    life.tell_all([START, STOP, main_runs(1)]);
    assert_eq!(life.main_ends(killed_by(1, 15)), State::Dead);
}

#[test]
fn an_unhealthy_unit_is_stopped_and_restarts_as_after_the_watchdog() {
    let mut life = Life::of(|s| s.restart = Restart::OnWatchdog);
    life.tell_all([START, main_runs(1), Event::Unhealthy]);
    assert_eq!(life.main_ends(killed_by(1, 15)), State::AutoRestart);
    assert_eq!(life.machine.outcome().as_str(), "watchdog");
}

#[test]
fn a_watchdog_that_is_not_fed_aborts_the_unit() {
    let mut life = Life::of(|s| {
        s.service_type = ServiceType::Notify;
        s.watchdog = Some(Duration::from_secs(1));
    });
    life.tell_all([START, main_runs(1), Event::Notified(Notice::Ready)]);
    let before = life.machine.memory().timers[&Timer::Watchdog];
    life.tell(Event::Notified(Notice::Watchdog));
    assert!(life.machine.memory().timers[&Timer::Watchdog] > before);
    let effects = life.tell(Event::Due(Timer::Watchdog));
    let abort = Effect::Kill { state: State::StopWatchdog, targets: vec![Target::All], signals: vec![6] };
    assert!(effects.contains(&abort));
}

#[test]
fn a_failed_or_late_reload_leaves_the_unit_running_and_is_remembered() {
    let mut life = Life::of(|s| s.exec_reload = vec![command("/bin/reload")]);
    life.tell_all([START, main_runs(1), Event::Reload]);
    assert_eq!(life.machine.state(), State::Reload);
    assert_eq!(life.tell_all([helper_runs(2), exited(2, 1)]), State::Running);
    assert!(life.machine.memory().reload_failed);
    life.tell_all([Event::Reload, helper_runs(3)]);
    assert!(!life.machine.memory().reload_failed);
    let effects = life.tell(Event::Due(Timer::State));
    assert!(effects.contains(&Effect::Signal { target: Target::Control, signal: 9 }));
    assert_eq!(life.machine.state(), State::Running);
}

#[test]
fn notify_reload_signals_and_waits_for_ready() {
    let mut life = Life::of(|s| s.service_type = ServiceType::NotifyReload);
    life.tell_all([START, main_runs(1), Event::Notified(Notice::Ready)]);
    assert!(life.tell(Event::Reload).contains(&Effect::Signal { target: Target::Main, signal: 1 }));
    assert_eq!(life.tell_all([Event::Notified(Notice::Reloading)]), State::ReloadNotify);
    assert_eq!(life.tell_all([Event::Notified(Notice::Ready)]), State::Running);
}

#[test]
fn runtime_max_stops_a_unit_with_result_timeout() {
    let mut life = Life::of(|s| s.runtime_max = Some(Duration::from_secs(5)));
    life.tell_all([START, main_runs(1), Event::Due(Timer::State)]);
    assert_eq!(life.main_ends(killed_by(1, 15)), State::Failed);
    assert_eq!(life.machine.outcome(), Outcome::Timeout);
}

#[test]
fn an_ignored_failure_counts_as_success() {
    let mut life = Life::of(|s| s.exec_start[0].ignore_failure = true);
    life.tell_all([START, main_runs(1)]);
    assert_eq!(life.main_ends(exited(1, 9)), State::Dead);
}

#[test]
fn a_restored_machine_goes_on_where_the_other_stopped() {
    let mut life = Life::of(|s| s.restart = Restart::Always);
    life.tell_all([START, main_runs(1)]);
    let text = serde_json::to_vec(life.machine.memory()).unwrap();
    let memory = serde_json::from_slice(&text).unwrap();
    let present = Present { main: Some(1), control: None, populated: true };
    let (machine, effects) = Machine::restore(life.machine.spec().clone(), memory, present, life.now);
    assert_eq!((machine.main_pid(), effects), (Some(1), vec![]));
    life.machine = machine;
    assert_eq!(life.main_ends(killed_by(1, 9)), State::AutoRestart);

    let memory = life.machine.memory().clone();
    let (_, effects) = Machine::restore(life.machine.spec().clone(), memory, Present::default(), life.now);
    assert!(matches!(effects[..], [Effect::Arm(Timer::State, _)]), "the restart is still due");
}

#[test]
fn a_restored_machine_asks_again_for_what_was_never_answered() {
    let mut life = Life::of(|_| {});
    life.tell(START);
    let (_, memory) = (0, life.machine.memory().clone());
    let spec = life.machine.spec().clone();
    let (_, effects) = Machine::restore(spec.clone(), memory.clone(), Present::default(), life.now);
    assert!(effects.contains(&Effect::Spawn { phase: Phase::Start, index: 0, role: Role::Main }));
    let present = Present { main: Some(3), control: None, populated: true };
    let (machine, _) = Machine::restore(spec, memory, present, life.now);
    assert_eq!((machine.state(), machine.main_pid()), (State::Running, Some(3)));
}

#[test]
fn a_target_is_active_as_soon_as_it_is_started() {
    let spec = Arc::new(unit("all.target", |unit| assert_eq!(unit.kind, KindSpec::Target)));
    let mut machine = Machine::new(spec);
    machine.on(Moment(1), START);
    assert_eq!(machine.state(), State::Active);
    machine.on(Moment(2), STOP);
    assert_eq!(machine.state(), State::Dead);
}

#[test]
fn what_takes_too_long_is_ended_as_the_unit_says() {
    use crate::spec::details::{ServiceDetails, TimeoutFailure};
    let timeout = || Event::Due(Timer::State);
    for (mode, start, stop, second) in [
        (TimeoutFailure::Terminate, State::StopSigterm, State::StopSigterm, State::StopSigkill),
        (TimeoutFailure::Abort, State::StopWatchdog, State::StopWatchdog, State::StopSigkill),
        (TimeoutFailure::Kill, State::StopSigkill, State::StopSigkill, State::FinalSigterm),
    ] {
        let unit = move |s: &mut ServiceSpec| {
            s.exec_stop = vec![command("/bin/stop")];
            let (timeout_start_failure, timeout_stop_failure) = (mode, mode);
            let details = ServiceDetails { timeout_start_failure, timeout_stop_failure, ..ServiceDetails::default() };
            s.details = Some(Box::new(details));
        };
        let mut life = Life::of(|s| {
            unit(s);
            s.service_type = ServiceType::Notify;
        });
        assert_eq!(life.tell_all([START, main_runs(1), timeout()]), start, "{mode:?}");
        let mut life = Life::of(unit);
        let stops = [START, main_runs(1), Event::Stop { restarting: false }, helper_runs(2), timeout()];
        assert_eq!(life.tell_all(stops), stop, "{mode:?}");
        assert_eq!(life.tell_all([timeout()]), second, "{mode:?}");
    }
    // A stop without ExecStop= that is not heeded.
    let mut life = Life::of(|s| {
        let details = ServiceDetails { timeout_stop_failure: TimeoutFailure::Abort, ..ServiceDetails::default() };
        s.details = Some(Box::new(details));
    });
    let state = life.tell_all([START, main_runs(1), Event::Stop { restarting: false }, timeout()]);
    assert_eq!(state, State::StopWatchdog);
}

#[test]
fn the_watchdog_has_a_signal_of_its_own() {
    use crate::spec::details::ServiceDetails;
    let mut life = Life::of(|s| {
        s.watchdog = Some(Duration::from_secs(1));
        s.details = Some(Box::new(ServiceDetails { watchdog_signal: Some(10), ..ServiceDetails::default() }));
    });
    life.tell_all([START, main_runs(1)]);
    let effects = life.machine.on(Moment(9), Event::Due(Timer::Watchdog));
    let signals = |effect: &Effect| matches!(effect, Effect::Kill { signals, .. } if signals == &[10]);
    assert!(effects.iter().any(signals), "{effects:?}");
}
