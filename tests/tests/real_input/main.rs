//! nginx and redis from Debian's packages, with their own unit files, on hosts of their own.
//!
//! Each node is a host: a network namespace on a bridge, and a mount namespace with private /run, /var/lib and /var/log.
//! The coordinator is one more host, so that a cable can be pulled. Needs root and the packages; says so when not.

mod lab;
mod traffic;

use fleet_tests::hosts;
use fleet_tests::{Clone, skip, within};
use lab::{Lab, NODES};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use traffic::Traffic;

const NGINX: &str = "nginx.service";
const REDIS: &str = "redis-server.service";
const STEPS: [(&str, &str); 3] = [("develop", "test"), ("test", "staging"), ("staging", "production")];

/// Debian's unit file reads /etc/nginx, which belongs to the host; ours comes from the repository.
const NGINX_DROP_IN: &str = "[Service]
ExecStart=
ExecStart=/usr/sbin/nginx -c ${FLEET_FILES}/nginx/nginx.conf -g 'daemon on; master_process on;'
ExecStartPre=
ExecStartPre=/usr/sbin/nginx -t -q -c ${FLEET_FILES}/nginx/nginx.conf -g 'daemon on; master_process on;'
ExecReload=
ExecReload=/usr/sbin/nginx -c ${FLEET_FILES}/nginx/nginx.conf -g 'daemon on; master_process on;' -s reload

[X-Fleet]
Files=nginx
HealthCheckURL=http://127.0.0.1:8080/health
MinHealthySec=1s
";

const REDIS_DROP_IN: &str = "[X-Fleet]
HealthCheckTCP=127.0.0.1:6379
MinHealthySec=1s
";

fn nginx_conf(greeting: &str) -> String {
    format!(
        "user www-data;
pid /run/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log /dev/stderr;
    server {{
        listen 8080;
        location /health {{ access_log off; return 200 'ok'; }}
        location / {{ return 200 '{greeting}'; }}
    }}
}}
"
    )
}

fn missing() -> Option<String> {
    hosts::missing().or_else(|| {
        ["/usr/sbin/nginx", "/usr/bin/redis-server", "/usr/bin/redis-cli", "/usr/bin/curl"]
            .into_iter()
            .find(|program| !Path::new(program).exists())
            .map(|program| format!("{program} is not installed"))
    })
}

/// What must stay when nothing was restarted: of each unit its node, name, process, start and restarts.
fn lives(environment: &Value) -> Vec<[String; 5]> {
    let units = environment["units"].as_array().expect("units");
    let fields = ["node", "name", "main_pid", "invocation_id", "restarts"];
    units.iter().map(|unit| fields.map(|field| unit[field].to_string())).collect()
}

fn main_pid(environment: &Value, node: &str, unit: &str) -> String {
    let units = environment["units"].as_array().expect("units");
    let found = units.iter().find(|found| found["node"] == node && found["name"] == unit);
    found.expect("the unit is on that node")["main_pid"].to_string()
}

#[track_caller]
fn output(lab: &Lab, node: &str, program: &str, arguments: &[&str]) -> String {
    let output = lab.host(node).run(program, arguments);
    assert!(output.status.success(), "{program} on {node}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[track_caller]
fn get(lab: &Lab, node: &str, path: &str) -> String {
    output(lab, node, "curl", &["-sS", "--max-time", "5", &format!("http://127.0.0.1:8080{path}")])
}

#[track_caller]
fn redis(lab: &Lab, node: &str, arguments: &[&str]) -> String {
    output(lab, node, "redis-cli", arguments)
}

/// Waits until nginx on `node` answers `body`: old workers may take connections until they have heard of the reload.
#[track_caller]
fn serves(lab: &Lab, node: &str, body: &str) {
    within(Duration::from_secs(10), &format!("nginx on {node} says {body:?}"), || {
        let seen = get(lab, node, "/");
        if seen == body { Ok(()) } else { Err(seen) }
    });
}

fn greet(repository: &Clone, greeting: &str) -> String {
    repository.write("files/nginx/nginx.conf", &nginx_conf(greeting));
    repository.commit_and_push(&format!("Say {greeting}"))
}

/// Promotes develop to production, step by step; gives what production looks like then.
fn promote_all(lab: &Lab, greeting: &str) -> Value {
    let mut seen = Value::Null;
    for (from, to) in STEPS {
        let promoted = lab.json(&["promote", from, to, "--yes"]);
        seen = lab.converged(to, promoted["revision"].as_str().expect("a revision"));
        serves(lab, &format!("{to}-1"), greeting);
    }
    seen
}

/// Each line that `marker` names is in the coordinator's log once, from each of `nodes`.
#[track_caller]
fn logged_once(lab: &Lab, environment: &str, nodes: &[&str], marker: &str) {
    within(Duration::from_secs(15), &format!("{marker} is in the logs of {nodes:?}"), || {
        let messages = lab.messages(environment, NGINX);
        let marked = messages.iter().filter(|(_, message)| message.contains(marker));
        let mut seen: Vec<&str> = marked.map(|(node, _)| node.as_str()).collect();
        seen.sort_unstable();
        if seen == nodes { Ok(()) } else { Err(format!("{seen:?}")) }
    });
}

#[test]
fn debian_services_are_delivered_reloaded_promoted_and_rolled_back() {
    if let Some(reason) = missing() {
        return skip("debian_services_are_delivered_reloaded_promoted_and_rolled_back", &reason);
    }
    let mut lab = Lab::start();
    let repository = lab.repository();
    debian_units_run(&lab, &repository);
    a_changed_file_reloads(&lab, &repository);
    promotion_and_rollback(&lab, &repository);
    logs_of_all_instances(&lab);
    a_killed_service_comes_back(&lab);
    a_stopped_service_is_held(&lab);
    a_killed_coordinator(&mut lab);
    a_cut_cable(&lab, &repository);
    assert!(lab.stop().is_empty(), "units and daemons end with the nodes");
}

/// Debian's unit files, byte for byte, each with a drop-in of ours.
fn debian_units_run(lab: &Lab, repository: &Clone) {
    for unit in [NGINX, REDIS] {
        let shipped = std::fs::read_to_string(format!("/lib/systemd/system/{unit}")).expect("Debian ships it");
        repository.write(&format!("units/{unit}"), &shipped);
    }
    repository.write("units/nginx.service.d/50-fleet.conf", NGINX_DROP_IN);
    repository.write("units/redis-server.service.d/50-fleet.conf", REDIS_DROP_IN);
    let one = greet(repository, "one");
    let seen = lab.converged("develop", &one);
    assert_eq!(lives(&seen).len(), 4, "two units on two nodes");
    for node in ["develop-1", "develop-2"] {
        assert_eq!(get(lab, node, "/"), "one");
        assert_eq!(redis(lab, node, &["set", "key", node]), "OK");
        assert_eq!(redis(lab, node, &["get", "key"]), node);
        let main = main_pid(&seen, node, NGINX);
        assert_eq!(output(lab, node, "cat", &["/run/nginx.pid"]), main, "the main process is what PIDFile= says");
        let main = main_pid(&seen, node, REDIS);
        assert_eq!(output(lab, node, "stat", &["-c", "%U", &format!("/proc/{main}/task")]), "redis");
        assert_eq!(output(lab, node, "stat", &["-c", "%a %U:%G", "/run/redis"]), "2755 redis:redis");
    }
}

/// A changed configuration reloads nginx: no process is another one afterwards, and no request is lost.
fn a_changed_file_reloads(lab: &Lab, repository: &Clone) {
    let before = lab.environment("develop").expect("a status");
    let traffic = Traffic::start(lab.host("develop-2"));
    let two = greet(repository, "two");
    let after = lab.converged("develop", &two);
    serves(lab, "develop-1", "two");
    serves(lab, "develop-2", "two");
    assert_eq!(lives(&before), lives(&after), "a reload keeps every process");
    traffic.end();
}

/// develop -> test -> staging -> production, twice; then production goes back, and the others stay.
fn promotion_and_rollback(lab: &Lab, repository: &Clone) {
    let first = promote_all(lab, "two");
    assert_eq!(redis(lab, "production-1", &["set", "key", "kept"]), "OK");
    let three = greet(repository, "three");
    lab.converged("develop", &three);
    promote_all(lab, "three");
    let rolled = lab.json(&["rollback", "production", "--reason", "three is too many", "--yes"]);
    let back = lab.converged("production", rolled["revision"].as_str().expect("a revision"));
    serves(lab, "production-1", "two");
    assert_eq!(get(lab, "staging-1", "/"), "three");
    assert_eq!(lives(&first), lives(&back), "promotion and rollback reloaded");
    assert_eq!(redis(lab, "production-1", &["get", "key"]), "kept");
}

/// A request to each instance is one line in the logs of its environment.
fn logs_of_all_instances(lab: &Lab) {
    for (_, node, _) in NODES {
        get(lab, node, "/said-to-all");
    }
    logged_once(lab, "develop", &["develop-1", "develop-2"], "GET /said-to-all");
    for environment in ["test", "staging", "production"] {
        logged_once(lab, environment, &[&format!("{environment}-1")], "GET /said-to-all");
    }
}

/// `Restart=always` of Debian's unit: killed, it is there again, and nothing else happened.
fn a_killed_service_comes_back(lab: &Lab) {
    let before = lab.environment("test").expect("a status");
    output(lab, "test-1", "kill", &["-9", &main_pid(&before, "test-1", REDIS)]);
    let after = within(Duration::from_secs(10), "redis is started again", || {
        let seen = lab.environment("test")?;
        let again = lives(&seen).iter().any(|unit| unit[1].contains(REDIS) && unit[4] == "1");
        if again && seen["state"] == "converged" { Ok(seen) } else { Err(format!("{seen:#}")) }
    });
    assert_eq!(redis(lab, "test-1", &["ping"]), "PONG");
    assert_eq!(main_pid(&before, "test-1", NGINX), main_pid(&after, "test-1", NGINX));
}

/// `fleet stop` and `start`: ExecStop= with start-stop-daemon, KillMode=mixed.
fn a_stopped_service_is_held(lab: &Lab) {
    lab.ok(&["stop", "nginx", "-e", "test", "--reason", "a look inside"]);
    let left = lab.host("test-1").processes();
    assert!(!left.iter().any(|(_, command)| command.contains("nginx")), "{left:?}");
    assert!(!lab.host("test-1").run("test", &["-e", "/run/nginx.pid"]).status.success(), "nginx left in order");
    lab.ok(&["start", "nginx", "-e", "test"]);
    serves(lab, "test-1", "three");
}

/// The coordinator is killed and comes back: no unit notices, no request is lost, no line is lost.
fn a_killed_coordinator(lab: &mut Lab) {
    let before = lab.environment("production").expect("a status");
    let traffic = Traffic::start(lab.host("production-1"));
    lab.kill("server");
    get(lab, "production-1", "/while-nobody-leads");
    assert_eq!(redis(lab, "production-1", &["get", "key"]), "kept");
    lab.start_coordinator();
    let after = lab.converged("production", before["running_revision"].as_str().expect("a revision"));
    assert_eq!(lives(&before), lives(&after));
    logged_once(lab, "production", &["production-1"], "GET /while-nobody-leads");
    traffic.end();
}

/// A cable is pulled: the node serves on. Plugged in again, it gets what it missed and tells what it said.
fn a_cut_cable(lab: &Lab, repository: &Clone) {
    let before = lab.environment("develop").expect("a status");
    let traffic = Traffic::start(lab.host("develop-1"));
    lab.host("develop-1").cut();
    let cut = std::time::Instant::now();
    within(Duration::from_secs(10), "the cut node is seen as gone", || {
        let seen = lab.environment("develop")?;
        if seen["nodes"]["connected"] == 1 { Ok(()) } else { Err(format!("{seen:#}")) }
    });
    println!("a cut cable was noticed after {} ms", cut.elapsed().as_millis());
    get(lab, "develop-1", "/while-cut-off");
    let four = greet(repository, "four");
    serves(lab, "develop-2", "four");
    assert_eq!(get(lab, "develop-1", "/"), "three", "a cut node serves on");
    lab.host("develop-1").heal();
    let healed = lab.converged("develop", &four);
    serves(lab, "develop-1", "four");
    assert_eq!(lives(&before), lives(&healed), "neither the cut nor the reload replaced a process");
    assert_eq!(redis(lab, "develop-1", &["get", "key"]), "develop-1");
    logged_once(lab, "develop", &["develop-1"], "GET /while-cut-off");
    traffic.end();
}
