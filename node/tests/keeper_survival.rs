//! What survives the agent, what a new agent is told, and how a node ends.

mod keeper_support;

use std::fs;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use fleet_node::control::Control;
use fleet_proto::control::signal::Target;
use fleet_proto::control::{Remember, Spawn, WriteLog, event, request};
use keeper_support::*;

const UNIT: &str = "a.service";

async fn remember(node: &Node, unit: &str, bytes: &'static [u8]) {
    let remember = Remember { unit: unit.to_owned(), remembered: bytes.into() };
    node.request(request::Request::Remember(remember)).await.unwrap();
}

#[tokio::test]
async fn a_killed_agent_is_started_again_and_the_next_one_finds_everything() {
    let mut node = Node::start("agent", Options::default()).await;
    let first = wait_for(|| node.agents().first().copied());
    let pid = node.spawn(shell(UNIT, "exec sleep 1000")).await.unwrap().pid;
    let short = node.spawn(shell("b.service", "exit 3")).await.unwrap().pid;
    remember(&node, UNIT, b"restarts=2").await;
    let killed = Instant::now();
    kill(first, libc::SIGKILL);
    let second = wait_for(|| node.agents().get(1).copied());
    eprintln!("the next agent runs after {:?}", killed.elapsed());
    assert!(alive(second) && second != first);
    node.attach_again().await;
    let unit = &node.table.units[0];
    assert_eq!((unit.unit.as_str(), &unit.remembered[..], unit.populated), (UNIT, &b"restarts=2"[..], true));
    let start_time = fleet_node::kernel::process::stat(pid).unwrap().start_time;
    let process = &unit.processes[0];
    assert_eq!((process.pid, process.start_time, process.role.as_str()), (pid, start_time, "main"));
    assert_eq!(process.invocation_id, INVOCATION);
    assert_eq!(node.exited(short).await.code, 3, "told again, nobody had acknowledged it");
    let said = node.leave();
    assert!(!alive(pid) && !alive(second), "{said}");
}

#[tokio::test]
async fn an_agent_that_cannot_live_does_not_keep_the_machine_busy() {
    let node = Node::start("bad-agent", Options { bad_agent: true, ..Options::default() }).await;
    wait_for(|| (node.agents().len() >= 10).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(node.agents().len(), 10, "the eleventh waits");
    node.leave();
}

#[tokio::test]
async fn events_are_told_until_they_are_acknowledged() {
    let mut node = Node::start("events", Options::default()).await;
    node.spawn(shell(UNIT, "exit 1")).await.unwrap();
    let first = node.any_event().await;
    let second = node.any_event().await;
    assert!(matches!(first.event, Some(event::Event::Exited(_))));
    assert!(matches!(second.event, Some(event::Event::Emptied(_))));
    node.attach_again().await;
    assert_eq!(node.any_event().await, first);
    node.acknowledge(first.id).await;
    node.attach_again().await;
    assert_eq!(node.any_event().await, second);
    node.leave();
}

#[tokio::test]
async fn what_happens_while_no_agent_is_there_is_told_to_the_next() {
    let mut node = Node::start("away", Options::default()).await;
    let script = format!("read line < {}/go; exit 9", node.root.display());
    nix::unistd::mkfifo(&node.root.join("go"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let pid = node.spawn(shell(UNIT, &script)).await.unwrap().pid;
    // A connection that is dropped, as by a crash.
    let socket = node.root.join("run/control.sock");
    drop(Control::attach(&socket).await.unwrap());
    fs::write(node.root.join("go"), "\n").unwrap();
    wait_for(|| (!alive(pid)).then_some(()));
    node.attach_again().await;
    assert_eq!(node.exited(pid).await.code, 9);
    node.leave();
}

#[tokio::test]
async fn many_ends_at_once_are_all_told() {
    let mut node = Node::start("many", Options::default()).await;
    let go = node.root.join("go");
    let script = format!("while ! test -e {}; do sleep 0.05; done; exit 4", go.display());
    let mut pids = Vec::new();
    for number in 0..60 {
        pids.push(node.spawn(shell(&format!("u{number}.service"), &script)).await.unwrap().pid);
    }
    fs::write(&go, "").unwrap();
    for pid in pids {
        assert_eq!(node.exited(pid).await.code, 4);
    }
    node.leave();
}

#[tokio::test]
async fn no_line_is_lost_while_agents_come_and_go() {
    let mut node = Node::start("lines", Options::default()).await;
    let mut spawn = role(UNIT, "count", &[]);
    spawn.environment.push("FLEET_TEST_LINES=20000".to_owned());
    let pid = node.spawn(spawn).await.unwrap().pid;
    let mut killed = 0;
    while alive(pid) {
        let agent = wait_for(|| node.agents().get(killed).copied());
        kill(agent, libc::SIGKILL);
        killed += 1;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    node.attach_again().await;
    assert_eq!(node.exited(pid).await.code, 0);
    let lines = node.lines(UNIT);
    assert_eq!(lines.len(), 20_000);
    assert!(lines.iter().enumerate().all(|(number, line)| *line == format!("line {number}")));
    assert!(killed > 1);
    node.leave();
}

#[tokio::test]
async fn main_and_other_processes_of_a_unit_can_notify_and_others_cannot() {
    for no_cgroups in [false, true] {
        let name = format!("notify-{no_cgroups}");
        let mut node = Node::start(&name, Options { no_cgroups, ..Options::default() }).await;
        let pid = node.spawn(role(UNIT, "notify", &["READY=1\nSTATUS=up"])).await.unwrap().pid;
        let notified = node.notified(UNIT).await;
        assert_eq!((notified.pid, notified.text.as_str(), notified.role.as_str()), (pid, "READY=1\nSTATUS=up", "main"));
        let script = format!("{} WATCHDOG=1; wait", role_command("notify"));
        let parent = node.spawn(shell(UNIT, &script)).await.unwrap().pid;
        let notified = node.notified(UNIT).await;
        assert_eq!((notified.text.as_str(), notified.role.as_str()), ("WATCHDOG=1", ""));
        assert_ne!(notified.pid, parent);
        // This process is of no unit.
        let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
        socket.send_to(b"STOPPING=1", node.root.join("run/notify.sock")).unwrap();
        node.exited(parent).await;
        node.spawn(role("b.service", "notify", &["READY=1"])).await.unwrap();
        assert_eq!(node.notified("b.service").await.text, "READY=1");
        node.leave();
    }
}

#[tokio::test]
async fn nothing_is_done_for_a_connection_that_did_not_attach_or_was_replaced() {
    let mut node = Node::start("replaced", Options::default()).await;
    let old = node.control.clone();
    node.attach_again().await;
    let request = request::Request::WriteLog(WriteLog { unit: UNIT.into(), text: "x".into(), ..Default::default() });
    old.request(request.clone()).await.unwrap_err();
    node.request(request).await.unwrap();
    assert_eq!(node.wait_for_lines(UNIT, 1), ["x"]);
    // Nonsense closes its own connection and nobody else's.
    let mut stranger = UnixStream::connect(node.root.join("run/control.sock")).unwrap();
    std::io::Write::write_all(&mut stranger, &[0xff; 64]).unwrap();
    let end = std::io::Read::read(&mut stranger, &mut [0; 16]).unwrap_or(0);
    assert_eq!(end, 0);
    remember(&node, UNIT, b"still here").await;
    node.leave();
}

#[tokio::test]
async fn leaving_ends_everything_and_removes_what_was_made() {
    for no_cgroups in [false, true] {
        let mut node = Node::start(&format!("leave-{no_cgroups}"), Options { no_cgroups, ..Options::default() }).await;
        let file = node.root.join("daemon");
        let script = format!(
            "trap '' TERM; (setsid sh -c 'trap \"\" TERM; echo $$ > {0}; sleep 1000' &) ; sleep 1000",
            file.display()
        );
        let pid = node.spawn(shell(UNIT, &script)).await.unwrap().pid;
        let daemon = pid_in(&file);
        let agent = wait_for(|| node.agents().first().copied());
        let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        kill(node.guard.id(), libc::SIGTERM);
        let status = wait_for(|| node.guard.try_wait().unwrap());
        assert!(status.success());
        assert!(![pid, daemon, agent].into_iter().any(alive));
        let left: Vec<_> =
            fs::read_dir(node.root.join("run")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| ["guard.lock", "agents"].contains(&name.to_str().unwrap())), "{left:?}");
        let own = group.lines().find_map(|line| line.strip_prefix("0::").filter(|path| path.ends_with(UNIT)));
        assert_eq!(own.is_some(), node.table.cgroups);
        if let Some(path) = own {
            assert!(!std::path::Path::new(&tree_mount()).join(path.trim_start_matches('/')).parent().unwrap().exists());
        }
        fs::remove_dir_all(&node.root).unwrap();
    }
}

/// Where the cgroup tree of version 2 is mounted.
fn tree_mount() -> String {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 ")).unwrap();
    line.split(' ').nth(4).unwrap().to_owned()
}

#[tokio::test]
async fn a_process_that_ended_is_in_the_table_until_its_end_is_acknowledged() {
    let mut node = Node::start("ended", Options::default()).await;
    remember(&node, UNIT, b"x").await;
    let pid = node.spawn(shell(UNIT, "exit 3")).await.unwrap().pid;
    wait_for(|| fleet_node::kernel::process::stat(pid).is_err().then_some(())); // reaped, so written down
    node.attach_again().await;
    let found: Vec<_> = node.table.units[0].processes.iter().map(|process| (process.pid, process.ended)).collect();
    assert_eq!(found, [(pid, true)]);
    assert_eq!(node.exited(pid).await.code, 3);
    node.attach_again().await;
    assert!(node.table.units[0].processes.is_empty());
    node.leave();
}

#[tokio::test]
async fn without_an_agent_the_units_are_asked_to_end_and_waited_for() {
    for no_cgroups in [false, true] {
        let options = Options { no_cgroups, bad_agent: true, ..Options::default() };
        let node = Node::start(&format!("polite-{no_cgroups}"), options).await;
        let (ready, ended) = (node.root.with_extension("ready"), node.root.with_extension("ended"));
        let script = format!(
            "trap 'sleep 0.2; echo 1 > {}; exit 0' TERM; echo 1 > {}; while :; do sleep 0.05; done",
            ended.display(),
            ready.display()
        );
        node.spawn(shell(UNIT, &script)).await.unwrap();
        pid_in(&ready);
        node.leave();
        assert!(ended.exists(), "it was killed before it had ended by itself");
        fs::remove_file(ready).unwrap();
        fs::remove_file(ended).unwrap();
    }
}

#[tokio::test]
async fn two_guards_do_not_share_a_state_folder() {
    let node = Node::start("two", Options::default()).await;
    let second = start_guard(&node.root, Options::default()).wait_with_output().unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&format!("is in use by process {}", node.guard.id())), "{said}");
    node.leave();
}

#[tokio::test]
async fn what_is_left_on_purpose_stays_until_it_ends_by_itself() {
    let mut node = Node::start("left-over", Options::default()).await;
    let file = node.root.join("child");
    let script = format!("sh -c 'echo $$ > {}; exec sleep 1000' & exec sleep 1000", file.display());
    let main = node.spawn(shell(UNIT, &script)).await.unwrap().pid;
    let child = pid_in(&file);
    node.signal(UNIT, Target::Main, libc::SIGKILL).await;
    node.exited(main).await;
    node.release(UNIT, &[], true).await;
    node.attach_again().await;
    assert!(alive(child) && node.table.units[0].populated);
    kill(child, libc::SIGKILL);
    node.emptied(UNIT).await;
    node.attach_again().await;
    assert!(node.table.units.is_empty(), "{:?}", node.table);
    node.leave();
}

/// Not a bound that is promised, but a look at the figure, and a stop against losing an order of magnitude.
#[tokio::test]
async fn a_start_takes_about_a_millisecond_and_an_idle_supervisor_sleeps() {
    let mut node = Node::start("speed", Options::default()).await;
    let mut times = Vec::new();
    for number in 0..40 {
        let spawn =
            Spawn { program: "/bin/sleep".into(), argv: vec!["sleep".into(), "1000".into()], ..shell(UNIT, "") };
        let began = Instant::now();
        node.spawn(Spawn { unit: format!("u{number}.service"), ..spawn }).await.unwrap();
        times.push(began.elapsed());
    }
    times.sort();
    let supervisor = node.table.supervisor_pid;
    let memory = fs::read_to_string(format!("/proc/{supervisor}/smaps_rollup")).unwrap_or_default();
    let private = memory.lines().filter(|line| line.starts_with("Private")).collect::<Vec<_>>().join(", ");
    eprintln!("start: median {:?}, worst {:?}; 40 units: {private}", times[20], times[39]);
    assert!(times[20] < Duration::from_millis(50));
    let switches = || {
        let status = |pid: u32| fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let both = status(supervisor) + &status(node.guard.id());
        both.lines().filter(|line| line.contains("ctxt_switches")).map(str::to_owned).collect::<Vec<_>>()
    };
    std::thread::sleep(Duration::from_millis(100));
    let before = switches();
    std::thread::sleep(Duration::from_millis(1000));
    assert_eq!(switches(), before, "it woke up");
    node.signal("u0.service", Target::All, libc::SIGKILL).await;
    node.emptied("u0.service").await;
    node.leave();
}
