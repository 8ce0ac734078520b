//! nginx and redis from Debian's packages, with their own unit files, on hosts of their own.
//!
//! Each node is a host: a network namespace on a bridge, and a mount namespace with private /run, /var/lib and /var/log.
//! The coordinator is one more host, so that its cable can be pulled. Needs root and the packages; says so when not.

use fleet_tests::hosts::{self, Host, Lan};
use fleet_tests::{Clone, fleet_binary, skip, within};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const NODES: [(&str, &str, u8); 5] = [
    ("develop", "develop-1", 11),
    ("develop", "develop-2", 12),
    ("test", "test-1", 13),
    ("staging", "staging-1", 14),
    ("production", "production-1", 15),
];

/// What Debian ships, with a health check and our configuration laid over by a drop-in.
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
HealthCheckInterval=1s
MinHealthySec=1s
";

const REDIS_DROP_IN: &str = "[X-Fleet]
HealthCheckTCP=127.0.0.1:6379
HealthCheckInterval=1s
MinHealthySec=1s
";

fn nginx_conf(greeting: &str) -> String {
    format!(
        "user www-data;
pid /run/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    server {{
        listen 8080;
        location /health {{ return 200 'ok'; }}
        location / {{ return 200 '{greeting}'; }}
    }}
}}
"
    )
}

/// The fleet of this test.
struct Hosts {
    folder: tempfile::TempDir,
    coordinator: Host,
    nodes: Vec<(&'static str, Host)>,
    daemons: Vec<(String, Child)>,
    _lan: Lan,
}

impl Hosts {
    fn new() -> Hosts {
        let lan = Lan::new();
        let coordinator = lan.host(1);
        let nodes = NODES.iter().map(|(_, name, last)| (*name, lan.host(*last))).collect();
        let folder = tempfile::Builder::new().prefix("fleet-hosts-").tempdir().expect("a folder");
        Hosts { folder, coordinator, nodes, daemons: Vec::new(), _lan: lan }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// `fleet …` on the coordinator's host, with an operator's context.
    fn fleet(&self, arguments: &[&str]) -> Output {
        let mut command = self.coordinator.command(fleet_binary().to_str().expect("UTF-8"));
        command.args(arguments).env("HOME", self.path("home")).env("XDG_CONFIG_HOME", self.path("home/config"));
        command.output().expect("fleet runs")
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.fleet(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "fleet {}: {stderr}", arguments.join(" "));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["-o", "json"]);
        serde_json::from_str(&self.ok(&all)).expect("JSON")
    }

    /// Starts a daemon on a host, with its words in a file.
    fn spawn(&mut self, name: &str, host: usize, arguments: &[&str]) {
        let log = std::fs::File::options().create(true).append(true).open(self.path(&format!("{name}.log")));
        let log = log.expect("a log file");
        let host = if host == usize::MAX { &self.coordinator } else { &self.nodes[host].1 };
        let mut command: Command = host.command(fleet_binary().to_str().expect("UTF-8"));
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().expect("a descriptor")).stderr(log);
        self.daemons.push((name.to_owned(), command.spawn().expect("the daemon starts")));
    }

    fn start_coordinator(&mut self) {
        let state = self.text("server");
        self.spawn("server", usize::MAX, &["server", "run", "--state", &state]);
        within(Duration::from_secs(20), "the coordinator answers", || {
            let output = self.fleet(&["status"]);
            if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
        });
    }

    /// Ends a daemon the hard way.
    fn kill(&mut self, name: &str) {
        let at = self.daemons.iter().position(|(found, _)| found == name).expect("a daemon of that name");
        let (_, mut daemon) = self.daemons.remove(at);
        daemon.kill().expect("it is ours");
        daemon.wait().expect("it is ours");
    }

    fn host(&self, node: &str) -> &Host {
        &self.nodes.iter().find(|(name, _)| *name == node).expect("a node of that name").1
    }

    fn environment(&self, name: &str) -> Result<Value, String> {
        let output = self.fleet(&["status", "-e", name, "-o", "json"]);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let status: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        Ok(status["environments"][0].clone())
    }

    fn converged(&self, name: &str, revision: &str) -> Value {
        within(Duration::from_secs(90), &format!("{name} converges on {revision}"), || {
            let seen = self.environment(name)?;
            if seen["state"] == "converged" && seen["running_revision"] == *revision {
                Ok(seen)
            } else {
                Err(format!("{seen:#}"))
            }
        })
    }

    fn get(&self, node: &str) -> String {
        let output = self.host(node).run("curl", &["-sS", "--max-time", "5", "http://127.0.0.1:8080/"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn redis(&self, node: &str, arguments: &[&str]) -> String {
        let output = self.host(node).run("redis-cli", arguments);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (name, _) in &self.daemons {
                let text = std::fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(200).collect();
                eprintln!("--- {name}.log, newest first\n{}", tail.join("\n"));
            }
        }
        for (_, daemon) in &self.daemons {
            let pid = i32::try_from(daemon.id()).ok().and_then(rustix::process::Pid::from_raw);
            // nsenter has become the daemon: the pid is its own.
            let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        }
        for (_, daemon) in &mut self.daemons {
            let _ = daemon.wait();
        }
    }
}

fn missing() -> Option<String> {
    hosts::missing().or_else(|| {
        ["/usr/sbin/nginx", "/usr/bin/redis-server", "/usr/bin/redis-cli", "/usr/bin/curl"]
            .into_iter()
            .find(|program| !Path::new(program).exists())
            .map(|program| format!("{program} is not installed"))
    })
}

fn pids(environment: &Value) -> Vec<(String, String, u64)> {
    let units = environment["units"].as_array().expect("units");
    let field = |unit: &Value, key: &str| unit[key].as_str().unwrap_or_default().to_owned();
    units
        .iter()
        .map(|unit| (field(unit, "node"), field(unit, "name"), unit["main_pid"].as_u64().unwrap_or(0)))
        .collect()
}

#[test]
fn debian_services_are_delivered_reloaded_promoted_and_rolled_back() {
    if let Some(reason) = missing() {
        return skip("debian_services_are_delivered_reloaded_promoted_and_rolled_back", &reason);
    }
    let mut fleet = Hosts::new();

    // The coordinator, its first operator, and five nodes that join with tokens.
    let state = fleet.text("server");
    let address = fleet.coordinator.address.clone();
    fleet.ok(&[
        "server",
        "init",
        "--state",
        &state,
        "--listen",
        &format!("{address}:7460"),
        "--enroll",
        &format!("{address}:7461"),
    ]);
    fleet.ok(&["server", "operator", "issue", "ann", "--state", &state, "--context-name", "lab"]);
    fleet.start_coordinator();
    // nginx starts as root, as Debian's unit says; a node allows that only when its owner does.
    let policy = fleet.text("policy.toml");
    std::fs::write(&policy, "allow_root = true\n").expect("written");
    for (at, (environment, name, _)) in NODES.iter().enumerate() {
        let token = fleet.json(&["token", "create", "-e", environment, "--name", name])["token"].clone();
        let token_file = fleet.path("token");
        std::fs::write(&token_file, token.as_str().expect("a token")).expect("written");
        let node_state = fleet.text(name);
        let endpoint = format!("{address}:7461");
        let token_file = token_file.to_str().expect("UTF-8");
        let joined = fleet.nodes[at].1.run(
            fleet_binary().to_str().expect("UTF-8"),
            &[
                "node",
                "join",
                "--name",
                name,
                "--state",
                &node_state,
                "--coordinator",
                &endpoint,
                "--token-file",
                token_file,
            ],
        );
        assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
        let run = ["node", "run", "--state", &node_state, "--runtime", "/run/fleet/node", "--policy", &policy];
        fleet.spawn(name, at, &run);
    }

    // Debian's unit files as they are, each with a drop-in.
    let bare = fleet.path("server/config.git");
    let clone = fleet.path("clone");
    let made = Command::new("git").args(["init", "--quiet", "--initial-branch", "develop"]).arg(&clone).status();
    assert!(made.expect("git runs").success());
    let repository = Clone::at(&clone);
    repository.git(&["remote", "add", "origin", bare.to_str().expect("UTF-8")]);
    for unit in ["nginx.service", "redis-server.service"] {
        let shipped = std::fs::read_to_string(format!("/lib/systemd/system/{unit}")).expect("Debian ships it");
        repository.write(&format!("units/{unit}"), &shipped);
    }
    repository.write("units/nginx.service.d/50-fleet.conf", NGINX_DROP_IN);
    repository.write("units/redis-server.service.d/50-fleet.conf", REDIS_DROP_IN);
    repository.write("files/nginx/nginx.conf", &nginx_conf("hello one"));
    let one = repository.commit_and_push("nginx and redis");
    let seen = fleet.converged("develop", &one);

    // Real traffic.
    for node in ["develop-1", "develop-2"] {
        assert_eq!(fleet.get(node), "hello one");
        assert_eq!(fleet.redis(node, &["set", "key", node]), "OK");
        assert_eq!(fleet.redis(node, &["get", "key"]), node);
    }

    // A changed configuration reloads nginx; the process stays.
    repository.write("files/nginx/nginx.conf", &nginx_conf("hello two"));
    let two = repository.commit_and_push("Say two");
    let reloaded = fleet.converged("develop", &two);
    assert_eq!(pids(&seen), pids(&reloaded), "a reload keeps every process");
    within(Duration::from_secs(10), "nginx serves the new configuration", || {
        let body = fleet.get("develop-1");
        if body == "hello two" { Ok(()) } else { Err(body) }
    });

    // develop -> test -> staging -> production.
    for (from, to) in [("develop", "test"), ("test", "staging"), ("staging", "production")] {
        let promoted = fleet.json(&["promote", from, to, "--yes"]);
        fleet.converged(to, promoted["revision"].as_str().expect("a revision"));
        assert_eq!(fleet.get(&format!("{to}-1")), "hello two");
    }
    repository.write("files/nginx/nginx.conf", &nginx_conf("hello three"));
    let three = repository.commit_and_push("Say three");
    fleet.converged("develop", &three);
    for (from, to) in [("develop", "test"), ("test", "staging"), ("staging", "production")] {
        let promoted = fleet.json(&["promote", from, to, "--yes"]);
        fleet.converged(to, promoted["revision"].as_str().expect("a revision"));
    }
    assert_eq!(fleet.get("production-1"), "hello three");

    // Production goes back; the others stay.
    let rolled = fleet.json(&["rollback", "production", "--reason", "three is too many", "--yes"]);
    fleet.converged("production", rolled["revision"].as_str().expect("a revision"));
    assert_eq!(fleet.get("production-1"), "hello two");
    assert_eq!(fleet.get("staging-1"), "hello three");

    // The logs of all instances, merged.
    within(Duration::from_secs(15), "redis' first words of both nodes are readable", || {
        let logs = fleet.ok(&["logs", "-e", "develop", "redis-server.service", "--all", "-o", "json"]);
        let seen = |node: &str| logs.lines().any(|line| line.contains(node) && line.contains("Ready to accept"));
        if seen("develop-1") && seen("develop-2") { Ok(()) } else { Err(logs) }
    });

    // The coordinator is killed and comes back: no unit notices.
    let before = fleet.environment("production").expect("a status");
    fleet.kill("server");
    assert_eq!(fleet.get("production-1"), "hello two");
    fleet.start_coordinator();
    let revision = before["running_revision"].as_str().expect("a revision").to_owned();
    let after = fleet.converged("production", &revision);
    assert_eq!(pids(&before), pids(&after));

    // A cable is pulled: the node carries on; plugged in again, it gets what it missed.
    let before = fleet.environment("develop").expect("a status");
    fleet.host("develop-1").cut();
    within(Duration::from_secs(20), "the cut node is seen as gone", || {
        let seen = fleet.environment("develop")?;
        if seen["nodes"]["connected"] == 1 { Ok(()) } else { Err(format!("{seen:#}")) }
    });
    assert_eq!(fleet.get("develop-1"), "hello three", "a cut node serves on");
    repository.write("files/nginx/nginx.conf", &nginx_conf("hello four"));
    let four = repository.commit_and_push("Say four");
    within(Duration::from_secs(30), "the other node takes the commit", || {
        let body = fleet.get("develop-2");
        if body == "hello four" { Ok(()) } else { Err(body) }
    });
    fleet.host("develop-1").heal();
    let healed = fleet.converged("develop", &four);
    assert_eq!(fleet.get("develop-1"), "hello four");
    assert_eq!(pids(&before), pids(&healed), "neither the cut nor the reload replaced a process");
}
