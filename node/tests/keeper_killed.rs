//! What becomes of units when processes of the node are killed.

mod keeper_support;

use std::collections::BTreeMap;
use std::fs;

use fleet_node::kernel::process;
use fleet_proto::control::signal::Target;
use fleet_proto::control::{Remember, request};
use keeper_support::*;

const UNIT: &str = "a.service";

fn start_time(pid: u32) -> Option<u64> {
    process::stat(pid).ok().filter(|stat| !stat.is_zombie()).map(|stat| stat.start_time)
}

/// Supervisors that live so long are started again at once.
const LIFE: std::time::Duration = std::time::Duration::from_millis(105);

/// Kills the supervisor and attaches to the next one.
async fn kill_supervisor(node: &mut Node) {
    tokio::time::sleep(LIFE).await;
    let killed = node.table.supervisor_pid;
    kill(killed, libc::SIGKILL);
    node.attach_again_after(killed).await;
}

/// A unit that writes a numbered line every few milliseconds until the file is there, and exits with 7.
fn writes_lines(unit: &str, end: &std::path::Path) -> fleet_proto::control::Spawn {
    let end = end.display();
    shell(
        unit,
        &format!("i=0; while ! test -e {end}; do echo line $i; i=$((i+1)); sleep 0.005; done; echo done; exit 7"),
    )
}

#[tokio::test]
async fn ten_units_run_on_while_their_supervisor_is_killed_twenty_times() {
    for no_cgroups in [false, true] {
        let options = Options { no_cgroups, ..Options::default() };
        let mut node = Node::start(&format!("twenty-{no_cgroups}"), options).await;
        let end = node.root.join("end");
        let mut units = BTreeMap::new();
        for number in 0..10 {
            let unit = format!("u{number}.service");
            let spawned = node.spawn(writes_lines(&unit, &end)).await.unwrap();
            assert!(spawned.start_time > 0);
            let remember = Remember { unit: unit.clone(), remembered: number.to_string().into_bytes().into() };
            node.request(request::Request::Remember(remember)).await.unwrap();
            units.insert(unit, (spawned.pid, spawned.start_time));
        }
        let continuity = node.table.continuity;
        for round in 0..20 {
            kill_supervisor(&mut node).await;
            assert_eq!((node.table.continuity, node.table.units.len()), (continuity, 10), "round {round}");
            for (number, entry) in node.table.units.iter().enumerate() {
                let (pid, started) = units[&entry.unit];
                let seen: Vec<_> =
                    entry.processes.iter().map(|p| (p.pid, p.start_time, p.role.as_str(), p.ended)).collect();
                assert_eq!(seen, [(pid, started, "main", false)], "round {round}");
                assert_eq!(start_time(pid), Some(started), "round {round}");
                assert_eq!(entry.remembered, number.to_string().into_bytes(), "round {round}");
                assert_eq!(parent_of(pid), Some(node.guard.id()));
            }
        }
        fs::write(&end, "").unwrap();
        for (unit, (pid, _)) in &units {
            let exited = node.exited(*pid).await;
            assert_eq!((exited.code, exited.unknown, exited.role.as_str()), (7, false, "main"));
            node.emptied(unit).await;
            let lines = node.lines(unit);
            let (last, lines) = lines.split_last().unwrap();
            assert_eq!(last, "done", "{unit}");
            assert!(
                lines.iter().enumerate().all(|(number, line)| *line == format!("line {number}")),
                "{unit}: {lines:?}"
            );
        }
        node.leave();
    }
}

#[tokio::test]
async fn an_end_that_no_supervisor_saw_is_told_by_the_next_one() {
    for no_cgroups in [false, true] {
        let options = Options { no_cgroups, ..Options::default() };
        let mut node = Node::start(&format!("unseen-{no_cgroups}"), options).await;
        let go = node.root.join("go");
        let script = format!("while ! test -e {}; do sleep 0.01; done; echo last words; exit 7", go.display());
        let pid = node.spawn(shell(UNIT, &script)).await.unwrap().pid;
        // One that is stopped acts no more than one that is dead, for as long as the test wants.
        kill(node.table.supervisor_pid, libc::SIGSTOP);
        fs::write(&go, "").unwrap();
        wait_for(|| start_time(pid).is_none().then_some(()));
        wait_for(|| process::stat(pid).is_err().then_some(())); // the guard has reaped it
        kill_supervisor(&mut node).await;
        let exited = node.exited(pid).await;
        assert_eq!((exited.code, exited.unknown, exited.invocation_id.as_str()), (7, false, INVOCATION));
        node.emptied(UNIT).await;
        assert_eq!(node.lines(UNIT), ["last words"]);
        node.leave();
    }
}

#[tokio::test]
async fn what_no_agent_acknowledged_is_told_again_by_the_next_supervisor_and_nothing_twice() {
    let mut node = Node::start("untold", Options::default()).await;
    let first = node.spawn(role(UNIT, "notify", &["READY=1"])).await.unwrap().pid;
    let ready = node.any_event().await;
    kill_supervisor(&mut node).await;
    let again = node.any_event().await;
    assert_eq!(again, ready, "it was not acknowledged");
    node.acknowledge(again.id).await;
    assert_eq!(node.exited(first).await.code, 0);
    node.emptied(UNIT).await; // both are acknowledged
    kill_supervisor(&mut node).await;
    let second = node.spawn(shell(UNIT, "exit 3")).await.unwrap().pid;
    let next = node.any_event().await;
    assert!(next.id > again.id + 2, "numbers go on");
    node.acknowledge(next.id).await;
    assert!(matches!(next.event, Some(fleet_proto::control::event::Event::Exited(exited)) if exited.pid == second));
    node.leave();
}

#[tokio::test]
async fn a_message_to_the_notify_socket_waits_for_the_next_supervisor() {
    let mut node = Node::start("waits", Options::default()).await;
    let go = node.root.join("go");
    // It is over when the message is read: only its slot in the table still says whose it was.
    let script =
        format!("while ! test -e {}; do sleep 0.01; done; export {} READY=1", go.display(), role_command("notify"));
    let script = script.replace("notify /", "notify; exec /");
    node.spawn(shell(UNIT, &script)).await.unwrap();
    kill(node.table.supervisor_pid, libc::SIGSTOP);
    fs::write(&go, "").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(400));
    kill_supervisor(&mut node).await;
    let notified = node.notified(UNIT).await;
    assert_eq!((notified.text.as_str(), notified.role.as_str()), ("READY=1", "main"));
    node.leave();
}

#[tokio::test]
async fn roles_left_overs_and_adopted_processes_are_known_to_the_next_supervisor() {
    for no_cgroups in [false, true] {
        let options = Options { no_cgroups, ..Options::default() };
        let mut node = Node::start(&format!("known-{no_cgroups}"), options).await;
        let file = node.root.join("worker");
        // The worker's parent stays: its end is known to that one alone.
        let script = format!("sh -c 'echo $$ > {}; exec sleep 1000' & wait; exec sleep 1000", file.display());
        let parent = node.spawn(shell(UNIT, &script)).await.unwrap().pid;
        let worker = pid_in(&file);
        node.adopt(UNIT, worker).await.unwrap();
        kill_supervisor(&mut node).await;
        let mut seen: Vec<_> = node.table.units[0].processes.iter().map(|p| (p.role.clone(), p.pid)).collect();
        seen.sort();
        assert_eq!(seen, [(String::new(), parent), ("main".to_owned(), worker)]);
        kill(worker, libc::SIGKILL);
        assert!(node.exited(worker).await.unknown);
        kill_supervisor(&mut node).await;
        assert_eq!(node.signal(UNIT, Target::All, libc::SIGKILL).await.processes, 1);
        assert_eq!(node.exited(parent).await.signal, libc::SIGKILL);
        node.emptied(UNIT).await;
        // What is left on purpose of a unit that was released.
        let left = node.root.join("left");
        let script = format!("sh -c 'echo $$ > {}; exec sleep 1000' & exec sleep 1000", left.display());
        let main = node.spawn(shell(UNIT, &script)).await.unwrap().pid;
        let child = pid_in(&left);
        node.signal(UNIT, Target::Main, libc::SIGKILL).await;
        node.exited(main).await;
        node.release(UNIT, &[], true).await;
        kill_supervisor(&mut node).await;
        assert!(alive(child) && node.table.units[0].populated);
        kill(child, libc::SIGKILL);
        node.emptied(UNIT).await;
        node.attach_again().await;
        assert!(node.table.units.is_empty(), "{:?}", node.table);
        node.leave();
    }
}

/// A spawn meets the supervisor's death somewhere on its way: before, in the middle, or when it was done and not answered.
#[tokio::test]
async fn a_spawn_that_meets_the_supervisors_death_is_done_once_and_answered() {
    let mut node = Node::start("once", Options::default()).await;
    for round in 0..40_u32 {
        let file = node.root.join(format!("ran-{round}"));
        let unit = format!("u{round}.service");
        let control = node.control.clone();
        let spawn = shell(&unit, &format!("echo $$ >> {}; exit 5", file.display()));
        let supervisor = process_of(node.guard.id(), "supervisor");
        tokio::time::sleep(LIFE).await;
        let asked = tokio::spawn(async move { control.request(request::Request::Spawn(spawn)).await });
        tokio::time::sleep(std::time::Duration::from_micros(u64::from(round) * 100)).await;
        kill(supervisor, libc::SIGKILL);
        let reply = tokio::time::timeout(PATIENCE, asked).await.expect("it is answered").unwrap().unwrap();
        let Some(fleet_proto::control::reply::Reply::Spawned(spawned)) = reply.reply else { panic!("{reply:?}") };
        let exited = node.exited(spawned.pid).await;
        assert_eq!(exited.code, 5, "round {round}");
        node.emptied(&unit).await;
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{}\n", spawned.pid), "round {round}");
    }
    node.leave();
}

#[tokio::test]
async fn a_killed_agent_is_started_again_and_units_run_on() {
    let mut node = Node::start("agents", Options::default()).await;
    let spawned = node.spawn(shell(UNIT, "exec sleep 1000")).await.unwrap();
    for round in 0..20 {
        let agent = wait_for(|| node.agents().get(round).copied());
        assert_eq!(parent_of(agent), Some(node.guard.id()));
        kill(agent, libc::SIGKILL);
    }
    wait_for(|| node.agents().get(20).copied());
    assert_eq!(start_time(spawned.pid), Some(spawned.start_time));
    node.attach_again().await;
    node.leave();
}

/// Agent, supervisor and logger are killed at random moments, while units write as fast as lines get lost: what is
/// between a read and a write, or half written, shows only under load.
#[tokio::test]
async fn no_line_is_lost_doubled_or_moved_in_two_hundred_kills() {
    let mut node = Node::start("kills", Options::default()).await;
    let end = node.root.join("end");
    let path = end.to_str().unwrap();
    // Two in large blocks, two that fill pipes with small ones, two slowly.
    let speeds = [("3000", "4000"), ("500", "1000"), ("1", "50"), ("7", "100"), ("1", "3000"), ("20", "20000")];
    let mut units = BTreeMap::new();
    for (number, (block, pause)) in speeds.iter().enumerate() {
        let unit = format!("u{number}.service");
        let spawned = node.spawn(role(&unit, "number", &[block, pause, path])).await.unwrap();
        units.insert(unit, (spawned.pid, spawned.start_time));
    }
    let mut random = Random::of_now();
    let mut killed = BTreeMap::new();
    for _ in 0..200 {
        let victim = ["agent", "supervisor", "logger"][random.below(3)];
        kill(process_of(node.guard.id(), victim), libc::SIGKILL);
        *killed.entry(victim).or_insert(0) += 1;
        std::thread::sleep(std::time::Duration::from_micros(random.below(25_000) as u64));
    }
    assert_eq!(killed.len(), 3, "{killed:?}, seed {}", random.seed);
    for (unit, (pid, started)) in &units {
        assert_eq!(start_time(*pid), Some(*started), "{unit}, seed {}", random.seed);
    }
    fs::write(&end, "").unwrap();
    node.attach_again_after(0).await;
    for (unit, (pid, _)) in &units {
        let exited = node.exited(*pid).await;
        assert_eq!((exited.code, exited.unknown), (7, false), "{unit}, seed {}", random.seed);
        let lines = node.lines(unit);
        let wrong = lines.iter().enumerate().find(|(number, line)| **line != number.to_string());
        assert_eq!(wrong, None, "{unit}, {} lines, {killed:?}, seed {}", lines.len(), random.seed);
        assert!(lines.len() > 50, "{unit}");
        eprintln!("{unit}: {} lines", lines.len());
    }
    node.leave();
}

/// Kills the guard and waits until nobody but units and logger is left.
async fn kill_guard(node: &mut Node) -> (u32, u32) {
    let guard = node.guard.id();
    let [supervisor, logger, agent] = ["supervisor", "logger", "agent"].map(|role| process_of(guard, role));
    kill(guard, libc::SIGKILL);
    node.guard.wait().unwrap();
    wait_for(|| (!alive(supervisor)).then_some(()));
    assert!(alive(logger), "it keeps the pipes open");
    (logger, agent)
}

#[tokio::test]
async fn a_killed_guards_units_run_on_and_are_taken_over_by_the_next() {
    for no_cgroups in [false, true] {
        let options = Options { no_cgroups, ..Options::default() };
        let mut node = Node::start(&format!("guards-{no_cgroups}"), options).await;
        let (end, go) = (node.root.join("end"), node.root.join("go"));
        let writer = node.spawn(role("w.service", "number", &["100", "2000", end.to_str().unwrap()])).await.unwrap();
        let quiet = node.spawn(shell("q.service", "exec sleep 1000")).await.unwrap();
        let script = format!("while ! test -e {}; do sleep 0.01; done; exit 7", go.display());
        let ends = node.spawn(shell("e.service", &script)).await.unwrap();
        let remember = Remember { unit: "q.service".into(), remembered: b"still known".as_slice().into() };
        node.request(request::Request::Remember(remember)).await.unwrap();
        let continuity = node.table.continuity;
        let (old_logger, old_agent) = kill_guard(&mut node).await;
        // Without anybody: one writes on, one ends.
        fs::write(&go, "").unwrap();
        wait_for(|| (!alive(ends.pid)).then_some(()));
        std::thread::sleep(std::time::Duration::from_millis(100));
        let guard = start_guard(&node.root, options);
        let mut node = Node::attach(node.root.clone(), guard).await;
        assert_eq!(node.table.continuity, continuity);
        assert!(!alive(old_logger) && !alive(old_agent));
        for (unit, spawned) in [("q.service", &quiet), ("w.service", &writer)] {
            let entry = node.table.units.iter().find(|entry| entry.unit == unit).unwrap();
            let seen: Vec<_> = entry.processes.iter().map(|process| (process.pid, process.start_time)).collect();
            assert_eq!(seen, [(spawned.pid, spawned.start_time)]);
            assert_eq!(start_time(spawned.pid), Some(spawned.start_time));
        }
        let known = node.table.units.iter().find(|entry| entry.unit == "q.service").unwrap();
        assert_eq!(known.remembered, b"still known".as_slice());
        let exited = node.exited(ends.pid).await;
        assert!(exited.unknown, "nobody can know with which code: {exited:?}");
        node.emptied("e.service").await;
        // Those that were taken over are nobody's children here: their ends are seen, how they ended is not.
        fs::write(&end, "").unwrap();
        assert!(node.exited(writer.pid).await.unknown);
        node.emptied("w.service").await;
        let lines = node.lines("w.service");
        assert!(lines.len() > 1000 && lines.iter().enumerate().all(|(number, line)| *line == number.to_string()));
        assert_eq!(node.signal("q.service", Target::All, libc::SIGKILL).await.processes, 1);
        assert!(node.exited(quiet.pid).await.unknown);
        node.emptied("q.service").await;
        // What is started from now on is as ever.
        let next = node.spawn(shell(UNIT, "echo next; exit 3")).await.unwrap().pid;
        assert_eq!(node.exited(next).await.code, 3);
        node.leave();
    }
}

#[tokio::test]
async fn pipes_of_a_killed_guard_and_logger_are_found_with_the_units() {
    let mut node = Node::start("both", Options::default()).await;
    let go = node.root.join("go");
    let script = format!("echo before; while ! test -e {}; do sleep 0.01; done; echo after; sleep 1000", go.display());
    let unit = node.spawn(shell(UNIT, &script)).await.unwrap();
    node.wait_for_lines(UNIT, 1);
    let (logger, _) = kill_guard(&mut node).await;
    kill(logger, libc::SIGKILL);
    wait_for(|| (!alive(logger)).then_some(()));
    let guard = start_guard(&node.root, Options::default());
    let node = Node::attach(node.root.clone(), guard).await;
    fs::write(&go, "").unwrap();
    assert_eq!(node.wait_for_lines(UNIT, 2), ["before", "after"]);
    assert_eq!(start_time(unit.pid), Some(unit.start_time));
    node.leave();
}

#[tokio::test]
async fn a_damaged_table_is_set_aside_and_units_start_afresh() {
    let mut node = Node::start("table", Options::default()).await;
    let unit = node.spawn(shell(UNIT, "exec sleep 1000")).await.unwrap();
    let (logger, agent) = kill_guard(&mut node).await;
    kill(agent, libc::SIGKILL); // the test's own does not notice that it is alone
    fs::write(node.root.join("run/table"), b"nonsense").unwrap();
    let guard = start_guard(&node.root, Options::default());
    let node = Node::attach(node.root.clone(), guard).await;
    assert!(node.table.units.is_empty() && node.root.join("run/table.damaged").exists());
    if node.table.cgroups {
        wait_for(|| (!alive(unit.pid)).then_some(())); // its group was found by its name
        wait_for(|| (!alive(logger)).then_some(())); // its last pipe is closed
    }
    kill(unit.pid, libc::SIGKILL);
    node.leave();
}

/// Numbers that look random, the same for the same seed.
struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    fn of_now() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seed = u64::from(now.subsec_nanos()) | 1;
        Self { seed, state: seed }
    }

    /// xorshift64
    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state % bound as u64) as usize
    }
}

#[tokio::test]
async fn a_damaged_diary_is_set_aside_and_rebuilt_from_table_and_cgroups() {
    let mut node = Node::start("damaged", Options::default()).await;
    let pid = node.spawn(shell(UNIT, "exec sleep 1000")).await.unwrap().pid;
    let (diary, continuity) = (node.root.join("run/diary"), node.table.continuity);
    kill(node.table.supervisor_pid, libc::SIGSTOP);
    fs::write(&diary, b"nonsense that is no diary").unwrap();
    kill_supervisor(&mut node).await;
    assert_ne!(node.table.continuity, continuity);
    assert_eq!(node.table.units[0].processes[0].pid, pid);
    assert!(node.table.units[0].populated && node.root.join("run/diary.damaged").exists());
    node.signal(UNIT, Target::All, libc::SIGKILL).await;
    assert_eq!(node.exited(pid).await.signal, libc::SIGKILL);
    node.emptied(UNIT).await;
    node.leave();
}
