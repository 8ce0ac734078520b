//! The whole state-by-event grid, compared with committed text. To change it, copy what the failing test prints the
//! path of, after reading every line that differs; nothing accepts it by itself.

use super::{Effect, Event, Exit, Machine, MainPid, Memory, Notice, Outcome, Phase, Role, State, Timer};
use crate::conditions::Verdict;
use crate::spec::condition::{Condition, Subject};
use crate::spec::{Restart, ServiceSpec, ServiceType, UnitSpec};
use crate::testing::{command, service};
use crate::time::Moment;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

const MAIN: u32 = 100;
const CONTROL: u32 = 200;
const COMMITTED: &str = include_str!("../../testdata/lifecycle/grid.txt");

fn full(kind: ServiceType) -> impl Fn(&mut ServiceSpec) {
    move |s| {
        s.service_type = kind;
        s.restart = Restart::OnFailure;
        s.exec_condition = vec![command("/c")];
        s.exec_start_pre = vec![command("/p")];
        s.exec_start_post = vec![command("/q")];
        s.exec_reload = vec![command("/r")];
        s.exec_stop = vec![command("/s")];
        s.exec_stop_post = vec![command("/t")];
        s.watchdog = (kind == ServiceType::Notify).then_some(Duration::from_secs(30));
        s.remain_after_exit = kind == ServiceType::Oneshot;
    }
}

fn subjects() -> Vec<(&'static str, Arc<UnitSpec>)> {
    vec![
        ("simple, nothing but ExecStart", service(|_| {})),
        ("simple, nothing but ExecStart, Restart=always", service(|s| s.restart = Restart::Always)),
        ("notify, every Exec line, Restart=on-failure, WatchdogSec", service(full(ServiceType::Notify))),
        ("forking, every Exec line, PIDFile, Restart=on-failure", {
            service(|s| {
                full(ServiceType::Forking)(s);
                s.pid_file = Some("/run/x.pid".into());
            })
        }),
        ("oneshot, every Exec line, RemainAfterExit", service(full(ServiceType::Oneshot))),
        ("notify-reload, nothing but ExecStart", service(|s| s.service_type = ServiceType::NotifyReload)),
        ("simple, ConditionPathExists", conditional()),
    ]
}

fn conditional() -> Arc<UnitSpec> {
    let mut spec = UnitSpec::clone(&service(|_| {}));
    spec.conditions.push(Condition {
        assert: false,
        trigger: false,
        negate: false,
        subject: Subject::PathExists,
        argument: "/x".to_owned(),
    });
    Arc::new(spec)
}

fn events() -> Vec<(&'static str, Event)> {
    let exit = |pid, code| Event::Exited { pid, exit: Exit::Code(code) };
    let killed = |pid| Event::Exited { pid, exit: Exit::Signal { number: 9, core: false } };
    vec![
        ("start", Event::Start { fresh: true }),
        ("stop", Event::Stop { restarting: false }),
        ("reload", Event::Reload),
        ("conditions met", Event::Checked(Verdict::Met)),
        ("condition unmet", Event::Checked(Verdict::Skip("x".into()))),
        ("assertion unmet", Event::Checked(Verdict::Fail("x".into()))),
        ("main spawned", Event::Spawned { role: Role::Main, pid: MAIN }),
        ("main not spawned", Event::SpawnFailed { role: Role::Main, exit_status: 203 }),
        ("main exits 0", exit(MAIN, 0)),
        ("main exits 1", exit(MAIN, 1)),
        ("main killed", killed(MAIN)),
        ("control not spawned", Event::SpawnFailed { role: Role::Control, exit_status: 203 }),
        ("control exits 0", exit(CONTROL, 0)),
        ("control exits 1", exit(CONTROL, 1)),
        ("stranger exits 1", exit(300, 1)),
        ("emptied", Event::Emptied),
        ("main pid found", Event::MainPid(MAIN)),
        ("no main pid", Event::NoMainPid),
        ("pid file names one", Event::PidFile(Some(MAIN))),
        ("no pid file", Event::PidFile(None)),
        ("READY=1", Event::Notified(Notice::Ready)),
        ("RELOADING=1", Event::Notified(Notice::Reloading)),
        ("STOPPING=1", Event::Notified(Notice::Stopping)),
        ("timeout", Event::Due(Timer::State)),
        ("watchdog", Event::Due(Timer::Watchdog)),
        ("unhealthy", Event::Unhealthy),
        ("nobody to kill", Event::Killed { state: State::Dead, processes: 0, populated: false }),
    ]
}

/// What a machine plausibly knows when it is in `state`.
fn memory(spec: &UnitSpec, state: State) -> Memory {
    let service = spec.service().unwrap();
    let forking = service.service_type == ServiceType::Forking;
    let phase = match state {
        State::Condition => Some(Phase::Condition),
        State::StartPre => Some(Phase::StartPre),
        State::Start => Some(Phase::Start),
        State::StartPost => Some(Phase::StartPost),
        State::Reload => Some(Phase::Reload),
        State::Stop => Some(Phase::Stop),
        State::StopPost => Some(Phase::StopPost),
        _ => None,
    };
    let role = if phase == Some(Phase::Start) && !forking { Role::Main } else { Role::Control };
    let early = matches!(state, State::Condition | State::StartPre);
    let late = matches!(state, State::StopPost | State::FinalSigterm | State::FinalSigkill | State::Exited);
    let main = match state {
        _ if state.is_over() || late => MainPid::Dead,
        State::Start | State::StartPost if forking => MainPid::Unknown,
        _ if early => MainPid::Unknown,
        _ => MainPid::Alive(MAIN),
    };
    let mut memory = Memory {
        state,
        main,
        populated: !state.is_over() && state != State::Exited,
        control: phase.filter(|_| role == Role::Control).map(|_| CONTROL),
        command: phase.map(|phase| (phase, 0, role)),
        outcome: if matches!(state, State::Failed | State::AutoRestart) { Outcome::ExitCode } else { Outcome::Success },
        ..Memory::default()
    };
    if !matches!(state, State::Dead | State::Failed | State::Exited | State::Running) {
        memory.timers.insert(Timer::State, Moment(5));
    }
    if state == State::Running && service.watchdog.is_some() {
        memory.timers.insert(Timer::Watchdog, Moment(5));
    }
    memory
}

fn show(effect: &Effect) -> String {
    match effect {
        Effect::Check => "check".into(),
        Effect::Begin => "begin".into(),
        Effect::Spawn { phase, role, .. } => format!("spawn {phase:?} as {}", role.as_str()),
        Effect::Kill { targets, signals, .. } => format!("kill {targets:?} {signals:?}"),
        Effect::Signal { target, signal } => format!("signal {target:?} {signal}"),
        Effect::ReadPidFile => "read pid file".into(),
        Effect::Adopt(_) => "adopt".into(),
        Effect::GuessMain => "guess main".into(),
        Effect::Arm(timer, _) => format!("arm {timer:?}"),
        Effect::Disarm(timer) => format!("disarm {timer:?}"),
        Effect::Entered(state) => format!("-> {}", word(*state)),
        Effect::Over => "over".into(),
        Effect::Trigger { failed: true } => "OnFailure".into(),
        Effect::Trigger { failed: false } => "OnSuccess".into(),
    }
}

/// The state's word, or its own name where two states share one.
fn word(state: State) -> &'static str {
    if state == State::Check { "check" } else { state.as_str() }
}

fn print() -> String {
    let mut text = String::from(
        "# What a unit does in each state with each event. Written by no tool: see src/lifecycle/grid_tests.rs.\n",
    );
    for (title, spec) in subjects() {
        writeln!(text, "\n## {title}").unwrap();
        for state in State::ALL.into_iter().filter(|state| *state != State::Active) {
            let mut ignored = Vec::new();
            for (name, event) in events() {
                let event = match event {
                    Event::Killed { processes, populated, .. } => Event::Killed { state, processes, populated },
                    event => event,
                };
                let mut memory = memory(&spec, state);
                if matches!(event, Event::SpawnFailed { .. } | Event::Spawned { .. }) {
                    memory.main = if memory.main == MainPid::Alive(MAIN) { MainPid::Starting } else { memory.main };
                    memory.control = memory.control.map(|_| 0);
                }
                let present = super::machine::Present::default();
                let (mut machine, _) = Machine::restore(spec.clone(), memory, present, Moment(1));
                let effects = machine.on(Moment(2), event);
                if effects.is_empty() {
                    ignored.push(name);
                } else {
                    let effects: Vec<_> = effects.iter().map(show).collect();
                    writeln!(text, "{:<14} {name:<20} {}", word(state), effects.join(", ")).unwrap();
                }
            }
            writeln!(text, "{:<14} nothing for: {}", word(state), ignored.join(", ")).unwrap();
        }
    }
    text
}

#[test]
fn the_grid_is_the_reviewed_one() {
    let now = print();
    if now == COMMITTED {
        return;
    }
    let path = std::env::temp_dir().join("fleet-lifecycle-grid.txt");
    std::fs::write(&path, &now).unwrap();
    let differ = |(old, new): &(&str, &str)| old != new;
    let line = COMMITTED.lines().zip(now.lines()).find(differ);
    panic!("the grid changed, first at {line:#?}; the whole new one is in {}: read the difference", path.display());
}
