//! Processes of the node killed at named places around spawn, end and write, one place at a time. Each place is shown to
//! have been hit; whatever was going on there is neither lost nor done twice.

mod keeper_support;

use std::fs;
use std::path::Path;

use fleet_proto::control::{Exited, event};
use keeper_support::*;

const UNIT: &str = "a.service";

/// A node whose process is killed at the place. A unit notifies, a unit writes and exits with 7; then what is known of them.
async fn unharmed(place: &'static str) {
    let options = Options { kill_at: Some(place), ..Options::default() };
    let mut node = Node::start(&format!("point-{place}"), options).await;
    let ran = node.root.join("ran");
    node.spawn(role("n.service", "notify", &["READY=1"])).await.unwrap();
    // What is left behind for a moment keeps the pipes open, so the logger has to be asked for what is in them.
    let script = format!("sleep 0.2 & echo $$ >> {}; echo one; echo two; printf three; exit 7", ran.display());
    let spawned = node.spawn(shell(UNIT, &script)).await.unwrap();
    let exited = the_end(&mut node, UNIT).await;
    assert_eq!((exited.pid, exited.code, exited.signal, exited.unknown), (spawned.pid, 7, 0, false), "{place}");
    node.emptied(UNIT).await;
    assert_eq!(node.notified("n.service").await.text, "READY=1", "{place}");
    assert_eq!(the_end(&mut node, "n.service").await.code, 0, "{place}");
    assert_eq!(node.lines(UNIT), ["one", "two", "three"], "{place}");
    assert_eq!(fs::read_to_string(&ran).unwrap(), format!("{}\n", spawned.pid), "{place}: it ran once");
    assert!(node.root.join("hit").exists(), "{place}: nobody was there");
    // Nothing is told twice: the next end is that of the next unit.
    let last = node.spawn(shell("b.service", "exit 3")).await.unwrap().pid;
    let next = node.event(|event| matches!(event.event, Some(event::Event::Exited(_))).then(|| event.clone())).await;
    assert!(matches!(next.event, Some(event::Event::Exited(exited)) if exited.pid == last), "{place}");
    node.leave();
}

async fn the_end(node: &mut Node, unit: &str) -> Exited {
    node.event(|event| match &event.event {
        Some(event::Event::Exited(exited)) if event.unit == unit => Some(exited.clone()),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_supervisor_killed_around_a_spawn_makes_one_process() {
    for place in ["spawn-taken", "spawn-deposited", "spawn-made", "spawn-written"] {
        unharmed(place).await;
    }
}

#[tokio::test]
async fn a_supervisor_killed_around_an_end_tells_it_once() {
    for place in ["end-seen", "end-noted", "end-told", "notified-noted", "diary-new"] {
        unharmed(place).await;
    }
}

#[tokio::test]
async fn a_logger_killed_around_a_write_keeps_every_line_once() {
    for place in ["log-announced", "log-moved", "log-written", "log-drained", "log-closed"] {
        unharmed(place).await;
    }
}

/// With the guard the parent of the processes dies: how they ended is known only as far as it was written down.
#[tokio::test]
async fn a_guard_killed_around_an_end_or_a_spawn_is_taken_over_from() {
    for place in ["reap-written", "store-kept"] {
        let options = Options { kill_at: Some(place), ..Options::default() };
        let mut node = Node::start(&format!("point-{place}"), options).await;
        let ran = node.root.join("ran");
        let script = format!("echo $$ >> {}; echo out; sleep 0.2; exit 7", ran.display());
        let _ = node.spawn(shell(UNIT, &script)).await; // the answer may be lost with the supervisor
        wait_for(|| node.guard.try_wait().unwrap());
        assert!(node.root.join("hit").exists(), "{place}");
        let guard = start_guard(&node.root, options);
        let mut node = Node::attach(node.root.clone(), guard).await;
        let exited = the_end(&mut node, UNIT).await;
        assert_eq!(exited.pid, written(&ran), "{place}: it ran once");
        let known = place == "reap-written";
        assert_eq!((exited.unknown, exited.code), (!known, if known { 7 } else { 0 }), "{place}");
        node.emptied(UNIT).await;
        node.leave();
    }
}

fn written(path: &Path) -> u32 {
    fs::read_to_string(path).unwrap().trim_end().parse().unwrap()
}
