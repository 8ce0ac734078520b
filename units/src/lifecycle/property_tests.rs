//! Random event sequences against the machine, in a small world that answers its effects as a supervisor would.
//! No crate for this: a seeded generator of ten lines is enough, and a failure prints its seed.

use super::{Effect, Event, Exit, Machine, MainPid, Memory, Notice, Role, State, Timer};
use crate::conditions::Verdict;
use crate::spec::condition::{Condition, Subject};
use crate::spec::{KillMode, Restart, ServiceType, UnitSpec};
use crate::status::ActiveState;
use crate::testing::{command, service};
use crate::time::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn yes(&mut self) -> bool {
        self.below(2) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

fn random_unit(random: &mut Random) -> Arc<UnitSpec> {
    use ServiceType::{Exec, Forking, Notify, NotifyReload, Oneshot, Simple};
    let checked = random.yes();
    let mut spec = UnitSpec::clone(&service(|s| {
        s.service_type = random.of(&[Simple, Exec, Forking, Oneshot, Notify, NotifyReload]);
        s.restart = random.of(&[Restart::No, Restart::Always, Restart::OnFailure, Restart::OnSuccess]);
        s.kill.mode = random.of(&[KillMode::ControlGroup, KillMode::ControlGroup, KillMode::Mixed, KillMode::Process]);
        s.kill.send_sigkill = random.below(5) > 0;
        s.remain_after_exit = random.yes();
        s.pid_file = random.yes().then(|| "/run/x.pid".into());
        s.watchdog = random.yes().then_some(Duration::from_secs(3));
        let mut some = |bound| (0..random.below(bound)).map(|_| command("/x")).collect();
        s.exec_condition = some(2);
        s.exec_start_pre = some(3);
        s.exec_start_post = some(2);
        s.exec_reload = some(2);
        s.exec_stop = some(2);
        s.exec_stop_post = some(2);
    }));
    if checked {
        let (subject, argument) = (Subject::PathExists, "/x".to_owned());
        spec.conditions.push(Condition { assert: false, trigger: false, negate: false, subject, argument });
    }
    Arc::new(spec)
}

/// A machine with a fault. The invariants have to tell each of them from the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// A stop that comes while the unit is up is not heard.
    DropsAStop,
    /// The timer of a state is not armed.
    ForgetsATimer,
    /// The end of any process is taken for that of the main one, as if its pid were that one's.
    BelievesAReusedPid,
    /// A process is asked for once more.
    StartsTwice,
}

struct Tested {
    machine: Machine,
    fault: Fault,
}

impl Tested {
    fn on(&mut self, now: Moment, event: Event) -> Vec<Effect> {
        let main = self.machine.main_pid();
        let event = match (self.fault, event, main) {
            (Fault::DropsAStop, Event::Stop { .. }, Some(_)) => return Vec::new(),
            (Fault::BelievesAReusedPid, Event::Exited { exit, .. }, Some(pid)) => Event::Exited { pid, exit },
            (_, event, _) => event,
        };
        let mut effects = self.machine.on(now, event);
        match self.fault {
            Fault::ForgetsATimer => effects.retain(|effect| !matches!(effect, Effect::Arm(Timer::State, _))),
            Fault::StartsTwice => {
                let again = effects.iter().find(|effect| matches!(effect, Effect::Spawn { .. })).cloned();
                effects.extend(again);
            }
            Fault::None | Fault::DropsAStop | Fault::BelievesAReusedPid => {}
        }
        effects
    }
}

/// Processes and timers as the machine should see them.
struct World {
    tested: Tested,
    now: Moment,
    alive: BTreeMap<u32, Option<Role>>,
    queue: Vec<Event>,
    timers: BTreeMap<Timer, Moment>,
    next_pid: u32,
    started: bool,
}

impl World {
    fn tell(&mut self, random: &mut Random, event: Event) {
        let before = self.memory().clone();
        let was_over = matches!(before.state, State::Dead | State::Failed);
        let starts = matches!(event, Event::Start { .. });
        let effects = self.tested.on(self.now, event.clone());
        if was_over && !starts {
            assert!(effects.is_empty(), "effects after the end: {effects:?}");
        }
        match event {
            Event::Stop { .. } => assert!(is_down_or_on_the_way(self.memory().state), "a stop was not heard"),
            Event::Exited { pid, .. } if before.main != MainPid::Alive(pid) && before.control != Some(pid) => {
                assert_eq!(self.memory().main, before.main, "the end of a stranger was taken for its own");
            }
            _ => {}
        }
        self.started |= starts;
        for effect in effects {
            self.act(random, effect);
        }
        self.check();
    }

    fn act(&mut self, random: &mut Random, effect: Effect) {
        match effect {
            Effect::Spawn { role, .. } => self.spawn(random, role),
            Effect::Kill { state, signals, .. } => {
                let processes = self.alive.len() as u32;
                if signals[0] == 9 || random.below(3) > 0 {
                    self.kill_all(signals[0]);
                }
                self.queue.push(Event::Killed { state, processes, populated: processes > 0 });
            }
            Effect::Check => {
                let text = String::new;
                let verdict = match random.below(4) {
                    0 => Verdict::Skip(text()),
                    1 => Verdict::Fail(text()),
                    _ => Verdict::Met,
                };
                self.queue.push(Event::Checked(verdict));
            }
            // What outlives its life (SendSIGKILL=no) has no place in the next one.
            Effect::Over => self.alive.values_mut().for_each(|place| *place = None),
            Effect::Signal { .. } | Effect::Begin | Effect::Trigger { .. } | Effect::Entered(_) => {}
            Effect::ReadPidFile => {
                let pid = self.alive.keys().next().copied().filter(|_| random.below(4) > 0);
                self.queue.push(Event::PidFile(pid));
            }
            Effect::Adopt(pid) if self.alive.contains_key(&pid) => self.queue.push(Event::MainPid(pid)),
            Effect::Adopt(_) => self.queue.push(Event::NoMainPid),
            Effect::GuessMain => self.queue.push(match self.alive.keys().next() {
                Some(pid) if self.alive.len() == 1 => Event::MainPid(*pid),
                _ => Event::NoMainPid,
            }),
            Effect::Arm(timer, at) => drop(self.timers.insert(timer, at)),
            Effect::Disarm(timer) => drop(self.timers.remove(&timer)),
        }
    }

    fn spawn(&mut self, random: &mut Random, role: Role) {
        let mains = self.alive.values().filter(|place| **place == Some(Role::Main)).count();
        assert!(role == Role::Control || mains == 0, "two main processes");
        if random.below(20) == 0 {
            return self.queue.push(Event::SpawnFailed { role, exit_status: random.of(&[0, 203]) });
        }
        self.next_pid += 1;
        self.alive.insert(self.next_pid, Some(role));
        self.queue.push(Event::Spawned { role, pid: self.next_pid });
        if random.below(4) == 0 {
            self.next_pid += 1;
            self.alive.insert(self.next_pid, None);
        }
    }

    fn kill_all(&mut self, number: i32) {
        for pid in std::mem::take(&mut self.alive).into_keys() {
            self.queue.push(Event::Exited { pid, exit: Exit::Signal { number, core: false } });
        }
        self.queue.push(Event::Emptied);
    }

    fn exit_one(&mut self, random: &mut Random) {
        if self.alive.is_empty() {
            return;
        }
        let index = random.below(self.alive.len() as u64) as usize;
        let pid = *self.alive.keys().nth(index).unwrap();
        self.alive.remove(&pid);
        self.queue.push(Event::Exited { pid, exit: Exit::Code(random.of(&[0, 0, 1])) });
        if self.alive.is_empty() {
            self.queue.push(Event::Emptied);
        }
    }

    fn memory(&self) -> &Memory {
        self.tested.machine.memory()
    }

    fn check(&self) {
        let memory = self.memory();
        let state = memory.state;
        assert_eq!(memory.timers, self.timers, "the machine and the world disagree about timers");
        let waits = !matches!(state, State::Dead | State::Failed | State::Running | State::Exited);
        let unlimited = state == State::Start && self.tested.machine.spec().service().unwrap().timeout_start.is_none();
        assert!(!waits || unlimited || memory.timers.contains_key(&Timer::State), "{state:?} could last for ever");
        assert!(!state.is_over() || !memory.timers.contains_key(&Timer::Watchdog));
        if state.is_over() {
            assert!(matches!(memory.main, MainPid::Dead | MainPid::Unknown) && memory.control.is_none());
        }
        assert!(self.started || state == State::Dead);
    }

    fn step(&mut self, random: &mut Random) {
        self.now = self.now.after(Duration::from_millis(random.below(50)));
        if !self.queue.is_empty() && random.below(4) > 0 {
            let event = self.queue.remove(0);
            return self.tell(random, event);
        }
        match random.below(16) {
            0 => self.tell(random, Event::Start { fresh: true }),
            1 => self.tell(random, Event::Start { fresh: false }),
            2 => self.tell(random, Event::Stop { restarting: false }),
            3 => self.tell(random, Event::Reload),
            4 => self.tell(random, Event::Unhealthy),
            5..=7 => self.exit_one(random),
            8..=10 => self.fire(random),
            11 => self.tell(random, Event::Notified(Notice::Stopping)),
            12 => self.tell(random, Event::Notified(Notice::Reloading)),
            13 => self.tell(random, Event::Notified(Notice::Watchdog)),
            _ => self.tell(random, Event::Notified(Notice::Ready)),
        }
    }

    fn fire(&mut self, random: &mut Random) {
        if let Some((timer, at)) = self.timers.pop_first() {
            self.now = self.now.max(at);
            self.tell(random, Event::Due(timer));
        }
    }
}

/// Once a stop was asked for.
fn is_down_or_on_the_way(state: State) -> bool {
    matches!(state.active_state(), ActiveState::Inactive | ActiveState::Failed | ActiveState::Deactivating)
}

const STEPS: usize = 500;

/// Whether a life of so many steps kept the invariants.
fn lives_well(seed: u64, fault: Fault) -> bool {
    std::panic::catch_unwind(|| {
        let mut random = Random(seed);
        let machine = Machine::new(random_unit(&mut random));
        let mut world = World {
            tested: Tested { machine, fault },
            now: Moment(1),
            alive: BTreeMap::new(),
            queue: Vec::new(),
            timers: BTreeMap::new(),
            next_pid: 0,
            started: false,
        };
        for _ in 0..STEPS {
            world.step(&mut random);
        }
    })
    .is_ok()
}

/// A million steps.
#[test]
fn random_lives_keep_the_invariants() {
    for seed in 0..2_000 {
        assert!(lives_well(seed, Fault::None), "seed {seed}");
    }
}

#[test]
fn a_machine_with_a_fault_is_told_from_the_real_one() {
    let faults = [Fault::DropsAStop, Fault::ForgetsATimer, Fault::BelievesAReusedPid, Fault::StartsTwice];
    for fault in faults {
        assert!((0..50).any(|seed| !lives_well(seed, fault)), "nothing notices that a machine {fault:?}");
    }
}
