//! Verbs that ask the coordinator, over mTLS.

use crate::coordinator::Coordinator;
use crate::run::Ran;
use crate::service::Script;
use fleet_certs::clock::TrustClock;
use fleet_proto::v1::*;
use fleet_units::time::Timestamp;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tonic::Status;

const REVISION: &str = "4f2a1bc4f2a1bc4f2a1bc4f2a1bc4f2a1bc4f2a1";

fn web() -> UnitStatus {
    UnitStatus {
        unit: "web.service".into(),
        active_state: ActiveState::Active.into(),
        sub_state: "running".into(),
        result: "success".into(),
        main_pid: 4242,
        health: Health::Healthy.into(),
        digest: vec![0xab; 32].into(),
        unit_revision: REVISION.into(),
        since_us: 1_700_000_000_000_000,
        held: Some(Hold { who: "ann".into(), why: "disk".into(), until_us: 1_700_000_000_000_001 }),
        unenforced: vec![Unenforced {
            directive: "User=nobody".into(),
            reason: Some(Reason { code: "not-root".into(), text: "the node is not root".into() }),
        }],
        invocation_id: "c".repeat(32),
        wanted: true,
        ..Default::default()
    }
}

fn environment(name: &str, state: &str) -> EnvironmentView {
    EnvironmentView {
        name: name.into(),
        branch: name.into(),
        desired_revision: REVISION.into(),
        running_revision: REVISION.into(),
        state: state.into(),
        branch_state: "ok".into(),
        nodes_total: 1,
        nodes_connected: 1,
        units: vec![UnitView { node: format!("{name}-1"), connected: true, status: Some(web()) }],
        ..Default::default()
    }
}

fn status(environments: Vec<EnvironmentView>) -> StatusResponse {
    StatusResponse { environments, time_us: 1 }
}

fn converged() -> Script {
    Script { status: vec![status(vec![environment("develop", "converged")])], ..Script::default() }
}

#[test]
fn status_in_json_is_what_the_contract_says() {
    let coordinator = Coordinator::start(converged());
    let value = coordinator.operator().fleet("status -o json").exits(0).json();
    let item = &value["environments"][0];
    assert_eq!((&value["schema"], &item["state"]), (&1.into(), &"converged".into()));
    assert_eq!(item["nodes"], serde_json::json!({"total": 1, "connected": 1}));
    assert_eq!(item["rejected"], serde_json::Value::Null);
    let unit = &item["units"][0];
    let words =
        ["name", "node", "active_state", "sub_state", "result", "health"].map(|key| unit[key].as_str().unwrap());
    assert_eq!(words, ["web.service", "develop-1", "active", "running", "success", "healthy"]);
    assert_eq!(unit["since"], "2023-11-14T22:13:20.000000Z");
    assert_eq!(unit["digest"], "ab".repeat(32));
    assert_eq!((&unit["main_pid"], &unit["restarts"]), (&4242.into(), &0.into()));
    assert_eq!(unit["held"]["until"], "2023-11-14T22:13:20.000001Z");
    assert_eq!(unit["unenforced"][0]["reason"]["code"], "not-root");
    for key in ["unit_revision", "invocation_id"] {
        assert!(unit[key].is_string(), "{key}");
    }
}

#[test]
fn status_as_a_table_shows_environment_unit_hold_and_what_is_unenforced() {
    let coordinator = Coordinator::start(converged());
    let ran = coordinator.operator().fleet("status").exits(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "develop  converged  4f2a1bc  1/1 node");
    assert!(lines[1].starts_with("  UNIT         NODE       STATE           HEALTH   RESTARTS  SINCE"), "{ran:?}");
    let row = "held by ann until Nov 14 22:13:20 (disk); unenforced: User";
    assert!(
        lines[2].starts_with("  web.service  develop-1  active/running  healthy  0") && lines[2].ends_with(row),
        "{ran:?}"
    );
    assert!(!ran.stdout.contains('\x1b'));
}

#[test]
fn a_rejected_revision_is_shown_with_its_findings_below_what_runs() {
    let mut develop = environment("develop", "converged");
    develop.rejected = Some(Rejected {
        revision: "b".repeat(40),
        diagnostics: vec![Diagnostic {
            severity: "error".into(),
            code: "unknown-directive".into(),
            file: "units/web.service".into(),
            line: 7,
            column: 1,
            message: "there is no ExecStrat=".into(),
            hint: "did you mean ExecStart=?".into(),
        }],
    });
    let script = Script { status: vec![status(vec![develop])], ..Script::default() };
    let coordinator = Coordinator::start(script);
    let person = coordinator.operator();
    let ran = person.fleet("status").exits(0);
    let wanted = "  rejected bbbbbbb: the revision before it keeps running\n    units/web.service:7:1: error[unknown-directive]: there is no ExecStrat=\n      hint: did you mean ExecStart=?\n";
    assert!(ran.stdout.ends_with(wanted), "{}", ran.stdout);
    let value = person.fleet("status -o json").json();
    let finding = &value["environments"][0]["rejected"]["diagnostics"][0];
    assert_eq!((&finding["severity"], &finding["line"]), (&"error".into(), &7.into()));
}

#[test]
fn check_is_1_unless_all_is_converged() {
    let environments = vec![environment("develop", "converged"), environment("test", "degraded")];
    let coordinator = Coordinator::start(Script { status: vec![status(environments)], ..Script::default() });
    let person = coordinator.operator();
    person.fleet("status --check").exits(1);
    person.fleet("status").exits(0);
    let fine = Coordinator::start(converged());
    fine.operator().fleet("status --check").exits(0);
}

#[test]
fn one_unit_is_shown_in_detail_and_an_unknown_one_offers_a_near_one() {
    let coordinator = Coordinator::start(converged());
    let person = coordinator.operator();
    let ran = person.fleet("status web").exits(0);
    assert!(ran.stdout.contains("User=nobody (the node is not root)") && ran.stdout.contains(REVISION), "{ran:?}");
    let ran = person.fleet("status wbe").exits(1);
    assert_eq!(ran.stderr, "error: there is no unit wbe.service\n  hint: did you mean web.service?\n");
}

#[test]
fn status_answers_within_the_budget_of_a_whole_process() {
    let coordinator = Coordinator::start(converged());
    let person = coordinator.operator();
    let best = (0..10)
        .map(|_| {
            let start = Instant::now();
            person.fleet("status").exits(0);
            start.elapsed()
        })
        .min()
        .unwrap();
    // Unoptimized and on a busy machine; the release build is measured by the benchmarks.
    assert!(best < Duration::from_millis(100), "{best:?}");
}

#[test]
fn refusals_have_their_exit_codes_and_the_coordinators_hints() {
    let cases = [
        (Status::not_found("there is no environment tset\nhint: did you mean test?"), 1, "hint: did you mean test?"),
        (Status::failed_precondition("production is frozen"), 4, "error: production is frozen"),
        (Status::permission_denied("ann is a viewer"), 4, "permission denied: ann is a viewer"),
        (Status::unauthenticated("revoked"), 5, "revoked"),
        (Status::unavailable("shutting down"), 5, "shutting down"),
        (Status::invalid_argument("no"), 2, "error: no"),
    ];
    for (refusal, code, words) in cases {
        let coordinator = Coordinator::start(Script::refusing(refusal));
        let ran = coordinator.operator().fleet("sync -e tset").exits(code);
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
}

#[test]
fn a_coordinator_that_is_away_is_exit_code_5_with_a_reason() {
    let coordinator = Coordinator::start(converged());
    let person = coordinator.operator();
    drop(coordinator);
    let ran = person.fleet("status").exits(5);
    assert!(
        ran.stderr.starts_with("error: cannot connect to the coordinator of the context here at 127.0.0.1:"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("\n  cause: ") && ran.stderr.contains("\n  hint: "), "{ran:?}");
}

#[test]
fn the_coordinator_of_another_fleet_is_not_believed() {
    let (ours, theirs) = (Coordinator::start(converged()), Coordinator::start(converged()));
    let person = ours.operator();
    let port = theirs.port;
    person
        .fleet(&format!("context add here --endpoint 127.0.0.1:{port} --trust-domain fleet.test --identity identity"))
        .exits(0);
    person.fleet("status").exits(5);
    assert!(theirs.script.asked().is_empty());
    person
        .fleet(&format!("context add here --endpoint 127.0.0.1:{port} --trust-domain other.test --identity identity"))
        .exits(0);
    let ran = person.fleet("status").exits(2);
    assert!(ran.stderr.contains("other.test"), "{ran:?}");
}

#[test]
fn an_operators_certificate_renews_on_use_when_two_thirds_are_over() {
    let coordinator = Coordinator::start(converged());
    let now = TrustClock::system().now();
    let ago = |days: u64| Timestamp(now.0 - days * 86_400_000_000);
    coordinator.operator_issued(ago(15)).fleet("status").exits(0);
    assert!(!coordinator.script.asked().contains(&"renewed".to_owned()));
    let person = coordinator.operator_issued(ago(25));
    person.fleet("status").exits(0);
    person.fleet("status").exits(0);
    let renewals = coordinator.script.asked().iter().filter(|asked| *asked == "renewed").count();
    assert_eq!(renewals, 1, "the second command found a fresh certificate");
}

#[test]
fn a_job_is_announced_first_and_a_failed_one_is_exit_code_1() {
    let result = |ok, error: &str| ActionResult {
        node: "develop-1".into(),
        unit: "web.service".into(),
        ok,
        error: error.into(),
        status: Some(web()),
    };
    let fine = Coordinator::start(Script { act: ActResponse { results: vec![result(true, "")] }, ..Script::default() });
    let ran = fine.operator().fleet("stop web -e develop --for 30m --reason disk").exits(0);
    assert!(ran.stderr.starts_with("here/develop\n"), "{ran:?}");
    let asked = fine.script.asked().remove(0);
    for part in ["unit: \"web.service\"", "hold_seconds: 1800", "why: \"disk\"", "action: Stop"] {
        assert!(asked.contains(part), "{asked}");
    }
    let broken =
        Coordinator::start(Script { act: ActResponse { results: vec![result(false, "exit 3")] }, ..Script::default() });
    let value = broken.operator().fleet("restart web -e develop -o json").exits(1).json();
    assert_eq!((&value["results"][0]["ok"], &value["results"][0]["error"]), (&false.into(), &"exit 3".into()));
}

#[test]
fn logs_go_into_a_pipe_as_they_are_and_as_json_lines() {
    let line = |sequence, message: &'static [u8]| LogLine {
        time_us: 1_700_000_000_000_000,
        node: "develop-1".into(),
        unit: "web.service".into(),
        stream: LogStream::Stdout.into(),
        sequence,
        message: message.into(),
        ..Default::default()
    };
    let logs = vec![LogsResponse { lines: vec![line(1, b"one \x1b[31m"), line(2, b"\xfe")], ..Default::default() }];
    let coordinator = Coordinator::start(Script { logs, ..Script::default() });
    let person = coordinator.operator();
    let output = person.command(&["logs", "web", "--since", "10m"]).output().unwrap();
    assert_eq!(output.stdout, b"Nov 14 22:13:20 develop-1/web | one \x1b[31m\nNov 14 22:13:20 develop-1/web | \xfe\n");
    let ran = person.fleet("logs -o json -n 5").exits(0);
    let lines: Vec<serde_json::Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["schema"], &lines[1]["message_base64"]), (&1.into(), &"/g==".into()));
    assert!(coordinator.script.asked()[0].contains("last: 100") && coordinator.script.asked()[1].contains("last: 5"));
}

fn steps(action: &str) -> Vec<NodePlan> {
    let reason = Some(Reason { code: "digest-changed".into(), text: "ExecStart= changed".into() });
    vec![NodePlan {
        node: "test-1".into(),
        steps: vec![PlanStep { unit: "web.service".into(), action: action.into(), reason }],
    }]
}

#[test]
fn a_plan_with_changes_is_exit_code_6_only_when_asked() {
    let plan = |action| PlanResponse {
        plan_id: "p1".into(),
        environment: "test".into(),
        from: REVISION.into(),
        to: "b".repeat(40),
        nodes: steps(action),
        ..Default::default()
    };
    let changing = Coordinator::start(Script { plan: plan("restart"), ..Script::default() });
    let person = changing.operator();
    let ran = person.fleet("plan test --exit-code").exits(6);
    assert!(ran.stdout.contains("test  4f2a1bc -> bbbbbbb") && ran.stdout.contains("ExecStart= changed"), "{ran:?}");
    let value = person.fleet("plan develop test -o json").exits(0).json();
    let step = &value["nodes"][0]["steps"][0];
    assert_eq!((&value["plan_id"], &step["action"]), (&"p1".into(), &"restart".into()));
    assert_eq!(step["reason"], serde_json::json!({"code": "digest-changed", "text": "ExecStart= changed"}));
    let idle = Coordinator::start(Script { plan: plan("keep"), ..Script::default() });
    let ran = idle.operator().fleet("plan test --exit-code").exits(0);
    assert!(ran.stdout.contains("nothing would change; 1 unit stays"), "{ran:?}");
}

fn promotion() -> PromoteResponse {
    PromoteResponse {
        environment: "test".into(),
        revision: REVISION.into(),
        source_revision: "a".repeat(40),
        common_tree: "c".repeat(40),
        plan_id: "p1".into(),
        message: "test is at 4f2a1bc".into(),
        nodes: steps("start"),
        ..Default::default()
    }
}

#[test]
fn promote_prints_the_contracts_json_and_does_not_ask_without_a_terminal() {
    let coordinator = Coordinator::start(Script { promote: promotion(), ..Script::default() });
    let ran = coordinator.operator().fleet("promote develop test --expect p1 -o json").exits(0);
    let value = ran.json();
    for key in ["environment", "revision", "source_revision", "common_tree", "plan_id"] {
        assert!(value[key].is_string(), "{key}: {value}");
    }
    assert_eq!(ran.stderr, "here/test\n");
    assert_eq!(coordinator.script.asked().len(), 1);
    assert!(coordinator.script.asked()[0].contains("expect: \"p1\""));
}

#[test]
fn wait_follows_to_converged_or_ends_with_3() {
    let look = |state: &str| status(vec![environment("test", state)]);
    let script =
        Script { promote: promotion(), status: vec![look("converging"), look("converged")], ..Script::default() };
    let ran = Coordinator::start(script).operator().fleet("promote test --wait").exits(0);
    assert!(ran.stderr.ends_with("test: converging\ntest has converged\n"), "{ran:?}");
    let script = Script { promote: promotion(), status: vec![look("converging")], ..Script::default() };
    let ran = Coordinator::start(script).operator().fleet("promote test --wait=300ms").exits(3);
    assert!(ran.stderr.contains("has not converged in time"), "{ran:?}");
    let script = Script { promote: promotion(), status: vec![look("failed")], ..Script::default() };
    Coordinator::start(script).operator().fleet("promote test --wait").exits(1);
}

#[test]
fn rollback_and_history_show_revisions() {
    let script = Script {
        rollback: RollbackResponse {
            environment: "test".into(),
            revision: REVISION.into(),
            target_revision: "a".repeat(40),
            message: "test is back at aaaaaaa".into(),
            ..Default::default()
        },
        history: HistoryResponse {
            entries: vec![HistoryEntry {
                revision: REVISION.into(),
                kind: "rollback".into(),
                actor: "ann".into(),
                time_us: 1_700_000_000_000_000,
                bad: true,
                subject: "Roll back".into(),
                ..Default::default()
            }],
        },
        ..Script::default()
    };
    let coordinator = Coordinator::start(script);
    let person = coordinator.operator();
    let ran = person.fleet("rollback test --reason broken").exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("test is back at aaaaaaa\n", "here/test\n"));
    let ran = person.fleet("history test").exits(0);
    assert!(ran.stdout.contains("4f2a1bc") && ran.stdout.contains("bad"), "{ran:?}");
    assert_eq!(person.fleet("history test -o json").json()["entries"][0]["kind"], "rollback");
}

#[test]
fn a_new_token_is_alone_on_stdout() {
    let view = TokenView {
        id: "t1".into(),
        environment: "test".into(),
        uses: 2,
        uses_left: 2,
        expires_us: u64::MAX / 4,
        ..Default::default()
    };
    let token = CreateTokenResponse { token: "fleet-secret".into(), view: Some(view) };
    let coordinator = Coordinator::start(Script { token, ..Script::default() });
    let person = coordinator.operator();
    let ran = person.fleet("token create -e test --uses 2 --expires 1h --label role=web --name web-*").exits(0);
    assert_eq!(ran.stdout, "fleet-secret\n");
    let asked = coordinator.script.asked().remove(0);
    for part in ["uses: 2", "expires_seconds: 3600", "\"role\": \"web\"", "name: \"web-*\""] {
        assert!(asked.contains(part), "{asked}");
    }
    assert_eq!(person.fleet("token list -o json").json()["tokens"][0]["uses_left"], 2);
    person.fleet("token revoke t1").exits(0);
}

#[test]
fn nodes_are_listed_labelled_and_removed_by_their_names() {
    let node = NodeView {
        name: "test-1".into(),
        environment: "test".into(),
        connected: true,
        labels: [("role".to_owned(), "web".to_owned())].into(),
        ..Default::default()
    };
    let script = Script { nodes: NodesResponse { nodes: vec![node] }, ..Script::default() };
    let coordinator = Coordinator::start(script);
    let person = coordinator.operator();
    assert!(person.fleet("nodes").exits(0).stdout.contains("role=web"));
    assert_eq!(person.fleet("nodes show test-1 -o json").json()["labels"]["role"], "web");
    let ran: Ran = person.fleet("nodes label test-1 zone=b role-").exits(0);
    assert_eq!(ran.stderr, "here/test\n");
    let asked = coordinator.script.asked().pop().unwrap();
    assert!(asked.contains("\"zone\": \"b\"") && asked.contains("remove: [\"role\"]"), "{asked}");
    let ran = person.fleet("nodes remove tset-1").exits(1);
    assert!(ran.stderr.contains("did you mean test-1?"), "{ran:?}");
    person.fleet("nodes remove test-1").exits(0);
}

#[test]
fn events_come_as_lines() {
    let event = Event {
        kind: "accepted".into(),
        environment: "test".into(),
        text: "by ann".into(),
        time_us: 1,
        ..Default::default()
    };
    let coordinator = Coordinator::start(Script { events: vec![event], ..Script::default() });
    let person = coordinator.operator();
    assert!(person.fleet("events").exits(0).stdout.ends_with("accepted  test  by ann\n"));
    assert_eq!(person.fleet("events -o json").json()["node"], serde_json::Value::Null);
}

#[test]
fn following_goes_on_after_a_lost_connection_without_showing_a_line_twice() {
    let line = LogLine {
        node: "n".into(),
        unit: "web.service".into(),
        sequence: 1,
        time_us: 1,
        message: "once".into(),
        ..Default::default()
    };
    let logs = vec![LogsResponse { lines: vec![line], ..Default::default() }];
    let coordinator = Coordinator::start(Script { logs, ..Script::default() });
    let person = coordinator.operator();
    let mut command = person.command(&["logs", "-f"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while coordinator.script.asked().len() < 3 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(stdout.matches("once").count(), 1, "{stdout}");
    assert!(stderr.contains("trying again"), "{stderr}");
    assert!(coordinator.script.asked().len() >= 3);
}
