//! The engine with a real supervisor and real processes: units from their text to running, and back.

mod keeper_support;

use fleet_node::supervise::{Act, Assigned, UnitAct};
use fleet_units::status::UnitStatus;
use keeper_support::engine::{assigned, engine, host};
use keeper_support::{PATIENCE, alive, kill, process_of, wait_for};
use std::time::Instant;

fn service(name: &str, lines: &str) -> Assigned {
    assigned(name, &format!("[Service]\n{lines}\n"), &[])
}

#[tokio::test]
async fn a_simple_service_runs_crashes_comes_back_and_is_stopped() {
    let host = host("simple").await;
    let unit = || service("a.service", "ExecStart=/bin/sleep 1000\nRestart=always\nRestartSec=0");
    assert_eq!(host.apply([unit()]).await, ["start a.service"]);
    let first = host.is("a.service", "running").await;
    assert!(alive(first.main_pid));
    let killed = Instant::now();
    kill(first.main_pid, libc::SIGKILL);
    let again = host.until("a.service", |status| status.restarts == 1 && status.sub_state == "running").await;
    eprintln!("killed -> replaced: {:?}", killed.elapsed());
    assert!(again.main_pid != first.main_pid && alive(again.main_pid));
    assert_eq!(host.apply([unit()]).await, ["keep a.service"]);
    host.handle.stop_all().await;
    assert!(!alive(again.main_pid));
}

#[tokio::test]
async fn an_engine_goes_on_with_the_next_supervisor_and_restarts_what_ended_without_one() {
    let host = host("supervisors").await;
    let go = host.path("go");
    let script = format!("while ! test -e {}; do sleep 0.01; done; rm {}; exit 7", go.display(), go.display());
    let ends = |restart: &str| format!("ExecStart=/bin/sh -c '{script}'\nRestart={restart}\nRestartSec=0");
    host.apply([service("a.service", &ends("on-failure"))]).await;
    let mut before = host.is("a.service", "running").await;
    for round in 1..=3 {
        let supervisor = process_of(host.guard.id(), "supervisor");
        // One that is stopped does nothing, as one that is dead, for as long as the test wants.
        kill(supervisor, libc::SIGSTOP);
        std::fs::write(&go, "").unwrap();
        wait_for(|| (!alive(before.main_pid)).then_some(()));
        kill(supervisor, libc::SIGKILL);
        let again = |status: &UnitStatus| status.restarts == round && status.sub_state == "running";
        let after = host.until("a.service", again).await;
        assert!(after.main_pid != before.main_pid && alive(after.main_pid));
        before = after;
    }
    // What is asked while there is none is done by the next one.
    let supervisor = process_of(host.guard.id(), "supervisor");
    kill(supervisor, libc::SIGSTOP);
    let applied = host.apply([service("b.service", &ends("no"))]).await;
    assert_eq!(applied, ["stop a.service", "start b.service"]);
    kill(supervisor, libc::SIGKILL);
    let other = host.is("b.service", "running").await;
    wait_for(|| (!alive(before.main_pid)).then_some(()));
    kill(process_of(host.guard.id(), "supervisor"), libc::SIGSTOP);
    std::fs::write(&go, "").unwrap();
    wait_for(|| (!alive(other.main_pid)).then_some(()));
    kill(process_of(host.guard.id(), "supervisor"), libc::SIGKILL);
    let failed = host.is("b.service", "failed").await;
    assert_eq!((failed.result.as_str(), failed.restarts), ("exit-code", 0));
}

#[tokio::test]
async fn oneshots_run_their_commands_in_order_with_their_environment() {
    let host = host("oneshot").await;
    let out = host.path("out");
    let say = |text: &str| format!("/bin/sh -c 'echo {text} >> {}'", out.display());
    let unit = service(
        "a.service",
        &format!(
            "Type=oneshot\nEnvironment=WHO=me\nStateDirectory=data\nExecStartPre={}\nExecStart={}\nExecStart={}\nExecStopPost={}",
            say("pre"),
            say("$$WHO $$STATE_DIRECTORY"),
            say("two"),
            say("$$SERVICE_RESULT")
        ),
    );
    host.apply([unit]).await;
    let status = host.until("a.service", |status| status.completed).await;
    assert_eq!((status.sub_state.as_str(), status.result.as_str()), ("dead", "success"));
    let state = host.path("places/state/data");
    assert!(state.is_dir());
    let said = std::fs::read_to_string(out).unwrap();
    assert_eq!(said, format!("pre\nme {}\ntwo\nsuccess\n", state.display()));
}

#[tokio::test]
async fn a_forking_service_is_known_by_its_pid_file_and_whole_tree_dies() {
    let host = host("forking").await;
    let pid_file = host.path("pid");
    let script = format!("(sleep 1000 & echo $$! > {}; sleep 1000) & exit 0", pid_file.display());
    let lines = format!("Type=forking\nPIDFile={}\nExecStart=/bin/sh -c '{script}'", pid_file.display());
    host.apply([service("a.service", &lines)]).await;
    let status = host.is("a.service", "running").await;
    assert_eq!(status.main_pid.to_string(), std::fs::read_to_string(&pid_file).unwrap().trim());
    host.apply([]).await;
    let mut statuses = host.handle.statuses();
    tokio::time::timeout(PATIENCE, statuses.wait_for(|all| all.is_empty())).await.unwrap().unwrap();
    assert!(!alive(status.main_pid));
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let host = host("missing").await;
    host.apply([service("a.service", "ExecStart=/no/such/program")]).await;
    let status = host.is("a.service", "failed").await;
    assert_eq!(status.result, "exit-code");
    assert!(status.reason.unwrap().text.contains("/no/such/program"));
}

#[tokio::test]
async fn units_start_and_stop_in_order() {
    let host = host("order").await;
    let out = host.path("out");
    let lines = |name: &str| {
        let say = |text: &str| format!("/bin/sh -c 'echo {text} {name} >> {}'", out.display());
        format!(
            "[Service]\nExecStartPre=/bin/sleep 0.1\nExecStart=/bin/sleep 1000\nExecStartPost={}\nExecStop={}\n",
            say("up"),
            say("down")
        )
    };
    let db = assigned("db.service", &lines("db"), &[]);
    let after = "[Unit]\nRequires=db.service\nAfter=db.service\n";
    let web = assigned("web.service", &format!("{after}{}", lines("web")), &[]);
    host.apply([web, db]).await;
    host.is("web.service", "running").await;
    host.handle.stop_all().await;
    assert_eq!(std::fs::read_to_string(out).unwrap(), "up db\nup web\ndown web\ndown db\n");
}

#[tokio::test]
async fn delivered_files_are_there_and_a_change_of_them_reloads() {
    let host = host("files").await;
    let out = host.path("out");
    let unit = |content: &str| {
        let copy = format!("/bin/sh -c 'cat $$FLEET_FILES/a/x.conf >> {}'", out.display());
        let text = format!(
            "[Service]\nExecStartPre={copy}\nExecStart=/bin/sleep 1000\nExecReload={copy}\n[X-Fleet]\nFiles=a\n"
        );
        assigned("a.service", &text, &[("a/x.conf", content)])
    };
    host.apply([unit("one\n")]).await;
    let before = host.is("a.service", "running").await;
    let next = unit("two\n");
    let digest = next.digest;
    assert_eq!(host.apply([next]).await, ["reload a.service"]);
    let after = host.until("a.service", |status| status.digest == Some(digest) && status.sub_state == "running").await;
    assert_eq!(after.main_pid, before.main_pid);
    assert_eq!(std::fs::read_to_string(out).unwrap(), "one\ntwo\n");
}

#[tokio::test]
async fn a_new_agent_finds_every_unit_as_it_was() {
    let mut host = host("adopt").await;
    let units = || {
        let once = service("once.service", "Type=oneshot\nExecStart=/bin/true");
        [service("a.service", "ExecStart=/bin/sleep 1000\nRestart=always\nRestartSec=0"), once]
    };
    host.apply(units()).await;
    host.until("once.service", |status| status.completed).await;
    let first = host.is("a.service", "running").await;
    kill(first.main_pid, libc::SIGKILL);
    let before = host.until("a.service", |status| status.restarts == 1 && status.sub_state == "running").await;
    host.handle = engine(&host.root).await;
    assert_eq!(host.apply(units()).await, ["keep a.service", "keep once.service"]);
    let after = host.is("a.service", "running").await;
    assert_eq!(
        (after.main_pid, after.restarts, after.invocation_id, after.since),
        (before.main_pid, 1, before.invocation_id, before.since)
    );
    kill(after.main_pid, libc::SIGKILL);
    host.until("a.service", |status| status.restarts == 2 && status.sub_state == "running").await;
    let held = Act {
        unit: "a.service".parse().unwrap(),
        action: UnitAct::Stop(None),
        who: "ann".into(),
        why: String::new(),
        no_block: false,
    };
    let result = host.handle.act(held).await;
    assert!(result.ok, "{}", result.error);
    assert_eq!(result.status.unwrap().sub_state, "dead");
}
