//! Starting, ending and signalling units' processes, with a real supervisor.

mod keeper_support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use fleet_node::control::ControlError;
use fleet_proto::control::signal::Target;
use fleet_proto::control::{Directory, Limit, Spawn};
use keeper_support::*;

const UNIT: &str = "a.service";

fn refusal(result: Result<impl std::fmt::Debug, ControlError>) -> (String, i32, u32) {
    match result.unwrap_err() {
        ControlError::Refused { step, errno, exit_status, .. } => (step, errno, exit_status),
        other => panic!("{other}"),
    }
}

/// What the last description says after this word.
fn described<'a>(text: &'a str, key: &str) -> &'a str {
    let found = text.lines().rev().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {key} in {text}"))
}

async fn describe(node: &mut Node, spawn: Spawn) -> String {
    let pid = node.spawn(spawn).await.unwrap().pid;
    assert_eq!(node.exited(pid).await.code, 0);
    node.spooled(UNIT)
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_is_reported_with_systemds_exit_status() {
    let node = Node::start("exec", Options::default()).await;
    let missing = Spawn { program: "/no/such/program".into(), ..shell(UNIT, "") };
    assert_eq!(refusal(node.spawn(missing).await), ("exec /no/such/program".into(), libc::ENOENT, 203));
    let folder = Spawn { program: "/etc".into(), ..shell(UNIT, "") };
    assert_eq!(refusal(node.spawn(folder).await), ("exec /etc".into(), libc::EACCES, 203));
    let nowhere = Spawn { working_directory: "/no/such".into(), ..shell(UNIT, "") };
    assert_eq!(refusal(node.spawn(nowhere.clone()).await), ("chdir /no/such".into(), libc::ENOENT, 200));
    let strange = Spawn { limits: vec![Limit { resource: "FILES".into(), soft: 1, hard: 1 }], ..shell(UNIT, "") };
    assert_eq!(refusal(node.spawn(strange).await), ("LimitFILES".into(), libc::EINVAL, 205));
    let climbing = Spawn { unit: "../x.service".into(), ..shell(UNIT, "") };
    assert_eq!(refusal(node.spawn(climbing).await).0, "unit name");
    node.spawn(Spawn { working_directory_optional: true, ..nowhere }).await.unwrap();
    node.leave();
}

#[tokio::test]
async fn a_daemon_that_wiped_every_mark_still_belongs_to_the_unit_whose_last_process_started_it() {
    both_ways("nameless", async |mut node| {
        let script = "env -i setsid sleep 1000 & echo $!; sleep 0.3; exit 0";
        let pid = node.spawn(shell(UNIT, script)).await.unwrap().pid;
        assert_eq!(node.exited(pid).await.code, 0);
        let daemon: u32 = node.lines(UNIT)[0].trim().parse().unwrap();
        let adopted = node.adopt(UNIT, daemon).await.unwrap();
        assert_eq!(adopted.pid, daemon);
        assert_eq!(node.signal(UNIT, Target::All, libc::SIGKILL).await.processes, 1);
        assert_eq!(node.exited(daemon).await.signal, libc::SIGKILL);
        node
    })
    .await;
}

#[tokio::test]
async fn exit_codes_and_signals_are_told_after_the_output_was_stored() {
    let mut node = Node::start("codes", Options::default()).await;
    let pid = node.spawn(shell(UNIT, "echo out; echo err >&2; printf unfinished; exit 7")).await.unwrap().pid;
    let exited = node.exited(pid).await;
    assert_eq!((exited.code, exited.signal, exited.role.as_str()), (7, 0, "main"));
    assert_eq!(exited.invocation_id, INVOCATION);
    let mut lines = node.lines(UNIT);
    lines.sort();
    assert_eq!(lines, ["err", "out", "unfinished"]);
    node.emptied(UNIT).await;
    let pid = node.spawn(shell(UNIT, "kill -TERM $$")).await.unwrap().pid;
    let exited = node.exited(pid).await;
    assert_eq!((exited.code, exited.signal), (0, libc::SIGTERM));
    node.leave();
}

#[tokio::test]
async fn a_process_inherits_nothing_of_the_supervisor() {
    let mut node = Node::start("inherit", Options::default()).await;
    let text = describe(&mut node, role(UNIT, "describe", &[])).await;
    assert_eq!(described(&text, "descriptors"), "0 1 2");
    assert_eq!(described(&text, "SigBlk"), "0000000000000000");
    // What it was started with: the constructor runs before Rust ignores SIGPIPE by itself.
    assert_eq!(described(&text, "SigIgn"), format!("{:016x}", 1 << (libc::SIGPIPE - 1)));
    assert_eq!(described(&text, "directory"), "/");
    assert_eq!(described(&text, "leads"), "true");
    assert_eq!(described(&text, "environment"), "PATH INVOCATION_ID FLEET_TEST_ROLE NOTIFY_SOCKET");
    let own = fleet_node::kernel::limits::get("NOFILE").unwrap();
    assert_eq!(described(&text, "files"), format!("{} {}", own.soft, own.hard));
    let default_pipe = Spawn { ignore_sigpipe: false, umask: 0o077, ..role(UNIT, "describe", &[]) };
    let text = describe(&mut node, default_pipe).await;
    assert_eq!(described(&text, "SigIgn"), "0000000000000000");
    assert_eq!(described(&text, "Umask"), "0077");
    node.leave();
}

#[tokio::test]
async fn a_limit_above_the_hard_limit_becomes_the_hard_limit_and_is_reported() {
    let mut node = Node::start("limits", Options::default()).await;
    let hard = fleet_node::kernel::limits::get("NOFILE").unwrap().hard;
    let limit = |soft, hard| vec![Limit { resource: "NOFILE".into(), soft, hard }];
    let few = Spawn { limits: limit(64, 128), ..role(UNIT, "describe", &[]) };
    assert_eq!(described(&describe(&mut node, few).await, "files"), "64 128");
    let many = Spawn { limits: limit(u64::MAX, u64::MAX), ..role(UNIT, "describe", &[]) };
    let spawned = node.spawn(many).await.unwrap();
    node.exited(spawned.pid).await;
    assert_eq!(described(&node.spooled(UNIT), "files"), format!("{hard} {hard}"));
    assert!(spawned.unenforced[0].starts_with("LimitNOFILE: not allowed"), "{:?}", spawned.unenforced);
    node.leave();
}

#[tokio::test]
async fn folders_are_made_before_the_start_and_removed_on_release() {
    let mut node = Node::start("folders", Options::default()).await;
    let path = node.root.join("made/for/it");
    let directory = Directory { path: path.to_str().unwrap().into(), mode: 0o750, ..Directory::default() };
    let script = format!("echo ok > {}/file", path.display());
    let pid = node.spawn(Spawn { directories: vec![directory], ..shell(UNIT, &script) }).await.unwrap().pid;
    assert_eq!(node.exited(pid).await.code, 0);
    node.emptied(UNIT).await;
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o750);
    node.release(UNIT, &[&path], true).await;
    assert!(!path.exists() && path.parent().unwrap().exists());
    let file = Directory { path: "/dev/null".into(), mode: 0o700, exit_status: 238, ..Directory::default() };
    let failed = node.spawn(Spawn { directories: vec![file], ..shell(UNIT, "") }).await;
    assert_eq!(refusal(failed), ("mkdir /dev/null".into(), libc::ENOTDIR, 238));
    node.leave();
}

#[tokio::test]
async fn another_user_runs_a_binary_from_a_folder_it_cannot_enter() {
    if !is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let mut node = Node::start("nobody", Options::default()).await;
    let closed = node.root.join("closed");
    fs::create_dir(&closed).unwrap();
    let program = closed.join("program");
    fs::copy("/usr/bin/id", &program).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    let nobody = Spawn { set_user: true, uid: 65534, gid: 65534, groups: vec![65534, 4], ..shell(UNIT, "") };
    let spawn = Spawn { program: program.to_str().unwrap().into(), argv: vec!["id".into()], ..nobody.clone() };
    let pid = node.spawn(spawn).await.unwrap().pid;
    assert_eq!(node.exited(pid).await.code, 0);
    assert!(node.spooled(UNIT).contains("uid=65534"), "{}", node.spooled(UNIT));
    // /dev/stdout can be opened again, and what the file's mode forbids stays forbidden.
    let spawn = Spawn { argv: ["sh", "-c", "echo again > /dev/stdout"].map(Into::into).to_vec(), ..nobody.clone() };
    let pid = node.spawn(spawn).await.unwrap().pid;
    assert_eq!(node.exited(pid).await.code, 0);
    assert!(node.spooled(UNIT).contains("again\n"));
    fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
    let spawn = Spawn { program: program.to_str().unwrap().into(), ..nobody.clone() };
    assert_eq!(refusal(node.spawn(spawn).await).1, libc::EACCES);
    let text = describe(&mut node, Spawn { program: String::new(), own_binary: true, ..role_of(&nobody) }).await;
    assert_eq!(described(&text, "Uid"), "65534 65534 65534 65534");
    assert_eq!(described(&text, "Gid"), "65534 65534 65534 65534");
    assert_eq!(described(&text, "Groups"), "4 65534");
    node.leave();
}

fn role_of(user: &Spawn) -> Spawn {
    let described = role(UNIT, "describe", &[]);
    Spawn { argv: described.argv, environment: described.environment, ..user.clone() }
}

#[tokio::test]
async fn signals_reach_the_processes_they_are_for() {
    both_ways("targets", async |mut node| {
        let file = node.root.join("child");
        let script = format!("sh -c 'echo $$ > {}; exec sleep 1000' & exec sleep 1000", file.display());
        let main = node.spawn(shell(UNIT, &script)).await.unwrap().pid;
        let child = pid_in(&file);
        let control = Spawn { role: "control".into(), ..shell(UNIT, "exec sleep 1000") };
        let control = node.spawn(control).await.unwrap().pid;
        assert_eq!(node.signal(UNIT, Target::Control, libc::SIGTERM).await.processes, 1);
        let exited = node.exited(control).await;
        assert_eq!((exited.signal, exited.role.as_str()), (libc::SIGTERM, "control"));
        assert!(node.signal(UNIT, Target::AllButMain, libc::SIGTERM).await.populated);
        wait_for(|| (!alive(child)).then_some(()));
        assert!(alive(main));
        assert_eq!(node.signal(UNIT, Target::Main, libc::SIGTERM).await.processes, 1);
        assert_eq!(node.exited(main).await.signal, libc::SIGTERM);
        node.emptied(UNIT).await;
        assert_eq!(node.signal(UNIT, Target::All, libc::SIGKILL).await, Default::default());
        node
    })
    .await;
}

#[tokio::test]
async fn a_unit_that_was_killed_as_a_whole_can_be_started_again() {
    both_ways("again", async |mut node| {
        let first = node.spawn(shell(UNIT, "exec sleep 1000")).await.unwrap().pid;
        node.signal(UNIT, Target::All, libc::SIGKILL).await;
        assert_eq!(node.exited(first).await.signal, libc::SIGKILL);
        node.emptied(UNIT).await;
        // In the same group; and while something of the killed unit may still be in it.
        let second = node.spawn(shell(UNIT, "exec sleep 1000")).await.unwrap().pid;
        node.signal(UNIT, Target::All, libc::SIGKILL).await;
        let third = node.spawn(shell(UNIT, "exit 4")).await.unwrap().pid;
        assert_eq!(node.exited(second).await.signal, libc::SIGKILL);
        assert_eq!(node.exited(third).await.code, 4);
        node.emptied(UNIT).await;
        node
    })
    .await;
}

#[tokio::test]
async fn a_daemon_that_forked_twice_into_its_own_session_is_found_and_killed() {
    both_ways("daemon", async |mut node| {
        let file = node.root.join("daemon");
        let main = node.spawn(shell(UNIT, &daemonize(&file, "exec sleep 1000"))).await.unwrap().pid;
        let daemon = pid_in(&file);
        assert_eq!(node.exited(main).await.code, 0);
        assert!(alive(daemon));
        let signalled = node.signal(UNIT, Target::All, libc::SIGKILL).await;
        assert_eq!(signalled.processes, 1);
        node.emptied(UNIT).await;
        assert!(!alive(daemon));
        node
    })
    .await;
}

#[tokio::test]
async fn a_daemon_becomes_the_main_process_by_its_pid_and_a_stranger_does_not() {
    both_ways("adopt", async |mut node| {
        let file = node.root.join("daemon");
        let main = node.spawn(shell(UNIT, &daemonize(&file, "sleep 0.3; exit 5"))).await.unwrap().pid;
        let daemon = pid_in(&file);
        node.exited(main).await;
        assert_eq!(refusal(node.adopt(UNIT, std::process::id()).await).1, 0);
        assert_eq!(refusal(node.adopt("b.service", daemon).await).1, 0);
        assert_eq!(node.adopt(UNIT, daemon).await.unwrap().role, "main");
        node.attach_again().await;
        assert_eq!(node.table.units[0].processes[0].pid, daemon);
        let exited = node.exited(daemon).await;
        assert_eq!((exited.code, exited.role.as_str(), exited.unknown), (5, "main", false));
        assert_eq!(exited.invocation_id, INVOCATION);
        node
    })
    .await;
}

#[tokio::test]
async fn the_only_orphan_of_a_unit_is_guessed_to_be_its_main_process() {
    both_ways("guess", async |mut node| {
        let file = node.root.join("daemon");
        let main = node.spawn(shell(UNIT, &daemonize(&file, "exec sleep 1000"))).await.unwrap().pid;
        let daemon = pid_in(&file);
        node.exited(main).await;
        assert_eq!(node.adopt(UNIT, 0).await.unwrap().pid, daemon);
        assert_eq!(refusal(node.adopt(UNIT, 0).await).0, "guess the main process");
        node
    })
    .await;
}

#[tokio::test]
async fn a_child_of_the_main_process_can_be_adopted_while_its_parent_lives() {
    both_ways("grandchild", async |mut node| {
        let file = node.root.join("worker");
        let script = format!("sh -c 'echo $$ > {}; sleep 0.3' & wait; exec sleep 1000", file.display());
        let parent = node.spawn(shell(UNIT, &script)).await.unwrap().pid;
        let worker = pid_in(&file);
        node.adopt(UNIT, worker).await.unwrap();
        let exited = node.exited(worker).await;
        assert!(exited.unknown, "only its parent can know");
        node.signal(UNIT, Target::All, libc::SIGKILL).await;
        assert_eq!(node.exited(parent).await.role, "", "it had lost the role");
        node.emptied(UNIT).await;
        node
    })
    .await;
}

/// A script that starts another one as a daemon, which writes its pid.
fn daemonize(file: &Path, script: &str) -> String {
    format!(
        "(setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; {script}' &) ; while ! test -s {0}; do sleep 0.01; done",
        file.display()
    )
}

/// With cgroups (where this user can have them) and without.
async fn both_ways(name: &str, body: impl AsyncFn(Node) -> Node) {
    for no_cgroups in [false, true] {
        let name = format!("{name}-{no_cgroups}");
        let node = Node::start(&name, Options { no_cgroups, ..Options::default() }).await;
        if node.table.cgroups == no_cgroups {
            eprintln!("{name}: cgroups {}", node.table.cgroups);
        }
        body(node).await.leave();
    }
}
