//! A coordinator and five nodes, each on a host of its own, started and joined as an administrator would do it.

use fleet_tests::hosts::{Host, Lan};
use fleet_tests::{Clone, fleet_binary, within};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Environment, node, and the last byte of its address.
pub(crate) const NODES: [(&str, &str, u8); 5] = [
    ("develop", "develop-1", 11),
    ("develop", "develop-2", 12),
    ("test", "test-1", 13),
    ("staging", "staging-1", 14),
    ("production", "production-1", 15),
];

/// The fleet of this test. Dropped, it leaves no process and no network namespace.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    coordinator: Host,
    nodes: Vec<(&'static str, Host)>,
    daemons: Vec<(String, Child)>,
    _lan: Lan,
}

impl Lab {
    /// A coordinator that runs, and every node joined and running.
    pub(crate) fn start() -> Lab {
        let lan = Lan::new();
        let coordinator = lan.host(1);
        let nodes = NODES.iter().map(|(_, name, last)| (*name, lan.host(*last))).collect();
        let folder = tempfile::Builder::new().prefix("fleet-hosts-").tempdir().expect("a folder");
        let mut lab = Lab { folder, coordinator, nodes, daemons: Vec::new(), _lan: lan };
        let state = lab.text("server");
        let (listen, enroll) = (lab.listen(), lab.enroll());
        lab.ok(&["server", "init", "--state", &state, "--listen", &listen, "--enroll", &enroll]);
        lab.ok(&["server", "operator", "issue", "ann", "--state", &state, "--context-name", "lab"]);
        lab.start_coordinator();
        // nginx starts as root, as Debian's unit says; a node allows that only when its owner does.
        std::fs::write(lab.path("policy.toml"), "allow_root = true\n").expect("written");
        // Both ways to know a unit's processes are tried.
        lab.host("staging-1").hide_cgroups();
        for (environment, name, _) in NODES {
            lab.join(environment, name);
            lab.start_node(name);
        }
        lab
    }

    fn listen(&self) -> String {
        format!("{}:7460", self.coordinator.address)
    }

    fn enroll(&self) -> String {
        format!("{}:7461", self.coordinator.address)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    fn join(&self, environment: &str, name: &str) {
        let token = self.json(&["token", "create", "-e", environment, "--name", name])["token"].clone();
        let (token_file, state) = (self.text("token"), self.text(name));
        std::fs::write(&token_file, token.as_str().expect("a token")).expect("written");
        let enroll = self.enroll();
        let coordinator = ["--coordinator", &enroll, "--token-file", &token_file];
        let arguments = [&["node", "join", "--name", name, "--state", &state][..], &coordinator].concat();
        let joined = self.host(name).run(fleet_binary().to_str().expect("UTF-8"), &arguments);
        assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
    }

    /// A working clone of the coordinator's empty repository, on branch develop.
    pub(crate) fn repository(&self) -> Clone {
        let clone = self.path("clone");
        let made = Command::new("git").args(["init", "--quiet", "--initial-branch", "develop"]).arg(&clone).status();
        assert!(made.expect("git runs").success());
        let repository = Clone::at(&clone);
        repository.git(&["remote", "add", "origin", &self.text("server/config.git")]);
        repository
    }

    /// `fleet …` on the coordinator's host, with an operator's context.
    fn fleet(&self, arguments: &[&str]) -> Output {
        let mut command = self.coordinator.command(fleet_binary().to_str().expect("UTF-8"));
        command.args(arguments).env("HOME", self.path("home")).env("XDG_CONFIG_HOME", self.path("home/config"));
        command.output().expect("fleet runs")
    }

    /// What `fleet …` prints; it must succeed.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.fleet(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "fleet {}: {stderr}", arguments.join(" "));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same as JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).expect("JSON")
    }

    /// Starts a daemon, with its words in a file. It is told to end when this test dies, however that happens.
    fn spawn(&mut self, name: &str, host: &Host, arguments: &[&str]) {
        let log = std::fs::File::options().create(true).append(true).open(self.path(&format!("{name}.log")));
        let log = log.expect("a log file");
        let fleet = fleet_binary().to_str().expect("UTF-8");
        let mut command = host.command("setpriv");
        command.args(["--pdeathsig", "TERM", fleet]).args(arguments);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a descriptor")).stderr(log);
        self.daemons.push((name.to_owned(), command.spawn().expect("the daemon starts")));
    }

    /// Starts the coordinator and waits until it answers.
    pub(crate) fn start_coordinator(&mut self) {
        let state = self.text("server");
        let host = self.coordinator.clone();
        self.spawn("server", &host, &["server", "run", "--state", &state]);
        within(Duration::from_secs(20), "the coordinator answers", || {
            let output = self.fleet(&["status"]);
            if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
        });
    }

    fn start_node(&mut self, name: &str) {
        let (state, policy, host) = (self.text(name), self.text("policy.toml"), self.host(name).clone());
        self.spawn(
            name,
            &host,
            &["node", "run", "--state", &state, "--runtime", "/run/fleet/node", "--policy", &policy],
        );
    }

    /// Ends a daemon the hard way.
    pub(crate) fn kill(&mut self, name: &str) {
        let at = self.daemons.iter().position(|(found, _)| found == name).expect("a daemon of that name");
        let (_, mut daemon) = self.daemons.remove(at);
        daemon.kill().expect("it is ours");
        daemon.wait().expect("it is ours");
    }

    /// The host of a node.
    pub(crate) fn host(&self, node: &str) -> &Host {
        &self.nodes.iter().find(|(name, _)| *name == node).expect("a node of that name").1
    }

    /// One environment as `fleet status` shows it.
    pub(crate) fn environment(&self, name: &str) -> Result<Value, String> {
        let output = self.fleet(&["status", "-e", name, "-o", "json"]);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let status: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        Ok(status["environments"][0].clone())
    }

    /// Waits until the environment has converged on the revision.
    #[track_caller]
    pub(crate) fn converged(&self, name: &str, revision: &str) -> Value {
        within(Duration::from_secs(30), &format!("{name} converges on {revision}"), || {
            let seen = self.environment(name)?;
            let there = seen["desired_revision"] == *revision && seen["running_revision"] == *revision;
            if there && seen["state"] == "converged" { Ok(seen) } else { Err(format!("{seen:#}")) }
        })
    }

    /// The messages of a unit's log in an environment, by node.
    pub(crate) fn messages(&self, environment: &str, unit: &str) -> Vec<(String, String)> {
        let lines = self.ok(&["logs", "-e", environment, unit, "--all", "-o", "json"]);
        let field = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let parsed = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
        parsed.map(|line| (field(&line, "node"), field(&line, "message"))).collect()
    }

    /// Ends every daemon in order, and gives what is left of them and their units, host by host.
    pub(crate) fn stop(&mut self) -> Vec<String> {
        for (_, daemon) in &self.daemons {
            let pid = i32::try_from(daemon.id()).ok().and_then(rustix::process::Pid::from_raw);
            // nsenter and setpriv have become the daemon: the pid is its own.
            let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        }
        for (_, mut daemon) in self.daemons.drain(..) {
            let _ = daemon.wait();
        }
        let hosts = self.nodes.iter().map(|(_, host)| host).chain([&self.coordinator]);
        hosts.flat_map(Host::processes).map(|(pid, command)| format!("{pid} {command}")).collect()
    }

    fn print_logs(&self) {
        for name in ["server"].into_iter().chain(NODES.map(|(_, name, _)| name)) {
            let text = std::fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default();
            let from = text.lines().count().saturating_sub(60);
            eprintln!("--- the end of {name}.log");
            text.lines().skip(from).for_each(|line| eprintln!("{line}"));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
        let left = self.stop();
        assert!(left.is_empty() || std::thread::panicking(), "processes are left: {left:#?}");
    }
}
