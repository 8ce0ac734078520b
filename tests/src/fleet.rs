//! A fleet of its own, brought up by `fleet up --detach`.

use crate::fleet_binary;
use crate::git::Clone;
use crate::hosts::Host;
use crate::wait::within;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Output {
    /// The output of a command that must have succeeded.
    #[track_caller]
    pub fn ok(self) -> Output {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The output of a command that must have ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Output {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// A fleet of its own; ends when dropped.
#[derive(Debug)]
pub struct TestFleet {
    folder: tempfile::TempDir,
    dir: PathBuf,
    log: Option<String>,
    /// Where its daemons and commands run; `None`: on this machine.
    host: Option<Host>,
}

impl TestFleet {
    /// Brings a fleet up with the sample repository.
    #[must_use]
    pub fn up() -> TestFleet {
        Self::up_with(&[])
    }

    /// Brings a fleet up with further arguments to `fleet up`.
    #[must_use]
    pub fn up_with(arguments: &[&str]) -> TestFleet {
        let fleet = TestFleet::prepared();
        fleet.start(arguments).ok();
        fleet
    }

    /// A folder and a HOME for a fleet that is not up yet.
    #[must_use]
    pub fn prepared() -> TestFleet {
        let folder = tempfile::Builder::new().prefix("fleet-test-").tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("home")).expect("a home folder");
        let dir = folder.path().join("fleet");
        TestFleet { folder, dir, log: None, host: None }
    }

    /// On which host everything runs, for a fleet that is not up yet.
    #[must_use]
    pub fn on(mut self, host: &Host) -> TestFleet {
        self.host = Some(host.clone());
        self
    }

    /// What the daemons log (`FLEET_LOG`), for a fleet that is not up yet.
    #[must_use]
    pub fn logging(mut self, filter: &str) -> TestFleet {
        self.log = Some(filter.to_owned());
        self
    }

    /// `fleet up --detach` with further arguments.
    pub fn start(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["up", "--detach", "--dir", self.dir().to_str().expect("UTF-8"), "--use"];
        all.extend(arguments);
        self.fleet(&all)
    }

    /// The fleet's folder, D.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs `fleet` with these arguments and this fleet's context.
    pub fn fleet(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().expect("fleet runs");
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The command itself, for tests that stream or signal.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let home = self.folder.path().join("home");
        let mut command = match &self.host {
            Some(host) => host.command(fleet_binary().to_str().expect("UTF-8")),
            None => Command::new(fleet_binary()),
        };
        command
            .args(arguments)
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_STATE_HOME", home.join("state"))
            .env_remove("FLEET_CONTEXT")
            .stdin(std::process::Stdio::null());
        if let Some(filter) = &self.log {
            command.env("FLEET_LOG", filter);
        }
        command
    }

    /// What a command prints with `-o json`; it must succeed.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["-o", "json"]);
        let output = self.fleet(&all).ok();
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{}", output.stdout))
    }

    /// The working clone `up` left.
    #[must_use]
    pub fn repository(&self) -> Clone {
        Clone::at(&self.dir().join("config"))
    }

    /// The coordinator's bare repository.
    #[must_use]
    pub fn bare(&self) -> PathBuf {
        self.dir().join("server/config.git")
    }

    /// One environment as `fleet status` shows it.
    #[track_caller]
    pub fn environment(&self, name: &str) -> Value {
        self.json(&["status", "-e", name])["environments"][0].clone()
    }

    /// Waits until `look` accepts the environment as `fleet status` shows it; gives that.
    #[track_caller]
    pub fn wait_for(&self, environment: &str, what: &str, mut look: impl FnMut(&Value) -> bool) -> Value {
        within(Duration::from_secs(60), what, || {
            let output = self.fleet(&["status", "-e", environment, "-o", "json"]);
            if output.code != 0 {
                return Err(output.stderr);
            }
            let status: Value = serde_json::from_str(&output.stdout).map_err(|error| error.to_string())?;
            let seen = status["environments"][0].clone();
            if look(&seen) { Ok(seen) } else { Err(serde_json::to_string_pretty(&seen).unwrap_or_default()) }
        })
    }

    /// Waits until every wanted unit of `environment` runs `revision`.
    #[track_caller]
    pub fn wait_running(&self, environment: &str, revision: &str) -> Value {
        self.wait_for(environment, &format!("{environment} runs {revision}"), |seen| {
            seen["running_revision"] == *revision && all_active(seen)
        })
    }

    /// The main pid of a unit on the first node that has it.
    #[track_caller]
    pub fn main_pid(&self, environment: &str, unit: &str) -> u32 {
        let seen = self.environment(environment);
        unit_of(&seen, unit)["main_pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a pid")
    }

    /// `fleet down`; gives what it printed.
    pub fn down(&self) -> Output {
        self.fleet(&["down", "--dir", self.dir().to_str().expect("UTF-8")])
    }

    /// Processes that belong to this fleet: those that name its folder in their arguments or environment, or that
    /// its units left.
    #[must_use]
    pub fn processes(&self) -> Vec<(u32, String)> {
        let marker = self.folder.path().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").expect("/proc is there").flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
            let text = [read("cmdline"), read("environ")].concat();
            if pid != std::process::id() && String::from_utf8_lossy(&text).contains(&marker) {
                let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
                found.push((pid, command));
            }
        }
        found
    }
}

/// One unit of an environment as `fleet status` shows it.
#[track_caller]
fn unit_of<'a>(environment: &'a Value, unit: &str) -> &'a Value {
    let units = environment["units"].as_array().expect("units");
    units.iter().find(|found| found["name"] == unit).unwrap_or_else(|| panic!("no {unit} in {environment:#}"))
}

fn all_active(environment: &Value) -> bool {
    let units = environment["units"].as_array().expect("units");
    !units.is_empty()
        && units.iter().all(|unit| {
            let done = unit["active_state"] == "inactive" && unit["result"] == "success";
            (unit["active_state"] == "active" || done) && unit["health"] != "starting"
        })
}

impl Drop for TestFleet {
    fn drop(&mut self) {
        let output = self.down();
        if std::thread::panicking() {
            eprintln!("fleet down: {output:?}");
            for log in ["up.log", "server/server.log"] {
                if let Ok(text) = std::fs::read_to_string(self.dir().join(log)) {
                    eprintln!("--- {log}\n{text}");
                }
            }
            return;
        }
        let left = self.processes();
        assert!(left.is_empty(), "processes are left after `fleet down` ({output:?}): {left:?}");
    }
}
