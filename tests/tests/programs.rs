//! Programs that people run, from Debian's packages and with their unit files as they are: each starts, reloads, is killed
//! and stops as systemd's manual says for what its unit file sets.
//!
//! All of them on one host of its own, at the same time: a network namespace, private /run, /var/lib and /var/log.

use fleet_tests::hosts::{self, Host, Lan};
use fleet_tests::{TestFleet, skip, within};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const SETTINGS: &str = "/lib/systemd/system";

/// A program, and what is to be seen of it.
struct Program {
    /// The unit of the fleet.
    unit: &'static str,
    /// Its file as the package ships it.
    file: &'static str,
    /// What the repository adds.
    drop_in: &'static str,
    /// Folders below /run that tmpfiles.d(5) makes on a host with systemd, and whose they are.
    folders: &'static [(&'static str, &'static str)],
    /// The name of its main process.
    process: &'static str,
    /// Serves, by a shell command.
    works: &'static str,
    reload: Reload,
    killed: Killed,
}

/// What a reload leaves as it is: the main process always.
#[derive(Clone, Copy, PartialEq)]
enum Reload {
    /// The unit has no ExecReload=.
    None,
    /// Nothing that is looked at changes.
    Quiet,
    /// The workers are other processes afterwards.
    NewWorkers,
}

/// What becomes of it when its main process is killed.
#[derive(Clone, Copy, PartialEq)]
enum Killed {
    /// Restart= brings it back.
    Restarts,
    /// Restart= is no: failed, with the result `signal`, and what was left of it is gone.
    Fails,
}

const PROGRAMS: [Program; 10] = [
    Program {
        unit: "postgresql@15-main.service",
        file: "postgresql@.service",
        drop_in: "[X-Fleet]\nInstances=15-main\n",
        folders: &[("postgresql", "postgres")],
        process: "postgres",
        works: "setpriv --reuid postgres --regid postgres --init-groups psql -Atc 'select 6 * 7' postgres | grep -x 42",
        reload: Reload::Quiet,
        killed: Killed::Fails,
    },
    Program {
        unit: "redis-server.service",
        file: "redis-server.service",
        drop_in: "",
        folders: &[],
        process: "redis-server",
        works: "redis-cli ping | grep -x PONG",
        reload: Reload::None,
        killed: Killed::Restarts,
    },
    Program {
        unit: "nginx.service",
        file: "nginx.service",
        drop_in: "",
        folders: &[],
        process: "nginx",
        works: "curl -sf http://127.0.0.1/ | grep -i nginx",
        reload: Reload::NewWorkers,
        killed: Killed::Fails,
    },
    Program {
        unit: "ssh.service",
        file: "ssh.service",
        drop_in: "",
        folders: &[],
        process: "sshd",
        works: "exec 3<>/dev/tcp/127.0.0.1/22; head -c 7 <&3 | grep SSH-2.0",
        reload: Reload::Quiet,
        killed: Killed::Restarts,
    },
    Program {
        unit: "cron.service",
        file: "cron.service",
        drop_in: "",
        folders: &[],
        process: "cron",
        works: "kill -0 $(cat /run/crond.pid)",
        reload: Reload::None,
        killed: Killed::Restarts,
    },
    Program {
        unit: "haproxy.service",
        file: "haproxy.service",
        drop_in: "",
        folders: &[("haproxy", "haproxy")],
        process: "haproxy",
        works: "test -S /run/haproxy-master.sock && test -S /run/haproxy/admin.sock",
        reload: Reload::NewWorkers,
        killed: Killed::Restarts,
    },
    Program {
        unit: "memcached.service",
        file: "memcached.service",
        drop_in: "",
        folders: &[("memcached", "memcache")],
        process: "memcached",
        works: "exec 3<>/dev/tcp/127.0.0.1/11211; echo version >&3; head -1 <&3 | grep VERSION",
        reload: Reload::None,
        killed: Killed::Restarts,
    },
    Program {
        unit: "mosquitto.service",
        file: "mosquitto.service",
        drop_in: "",
        folders: &[],
        process: "mosquitto",
        works: "exec 3<>/dev/tcp/127.0.0.1/1883",
        reload: Reload::Quiet,
        killed: Killed::Restarts,
    },
    Program {
        unit: "prometheus.service",
        file: "prometheus.service",
        drop_in: "",
        folders: &[],
        process: "prometheus",
        works: "curl -sf http://127.0.0.1:9090/-/ready",
        reload: Reload::Quiet,
        killed: Killed::Restarts,
    },
    Program {
        unit: "chrony.service",
        file: "chrony.service",
        // The clock is everybody's: -x leaves it alone.
        drop_in: "[Service]\nExecStart=\nExecStart=!/usr/sbin/chronyd -x -F 1\n",
        folders: &[],
        process: "chronyd",
        works: "chronyc -n tracking",
        reload: Reload::None,
        killed: Killed::Fails,
    },
];

#[test]
fn programs_start_reload_are_killed_and_stop_as_their_unit_files_say() {
    let missing = hosts::missing().or_else(|| {
        let file = PROGRAMS.iter().map(|program| format!("{SETTINGS}/{}", program.file));
        file.into_iter().find(|file| !Path::new(file).exists()).map(|file| format!("there is no {file}"))
    });
    if let Some(reason) = missing {
        return skip("programs", &reason);
    }
    let lan = Lan::new();
    let host = lan.host(2);
    let fleet = TestFleet::prepared().on(&host);
    for (folder, owner) in PROGRAMS.iter().flat_map(|program| program.folders) {
        let path = format!("/run/{folder}");
        let made = host.run("install", &["-d", "-m", "2775", "-o", owner, "-g", owner, &path]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    fleet.start(&[]).ok();
    let repository = fleet.repository();
    for program in &PROGRAMS {
        let unit = std::fs::read_to_string(format!("{SETTINGS}/{}", program.file)).expect("a unit file of a package");
        repository.write(&format!("units/{}", program.file), &unit);
        if !program.drop_in.is_empty() {
            repository.write(&format!("units/{}.d/10-fleet.conf", program.file), program.drop_in);
        }
    }
    let commit = repository.commit_and_push("Run what everybody runs");
    fleet.wait_for("develop", "the programs are accepted", |seen| seen["desired_revision"] == commit);
    for program in &PROGRAMS {
        Walk { fleet: &fleet, host: &host, program }.walk();
    }
    fleet.down().ok();
    assert_eq!(host.processes(), [], "something is left on the host");
}

/// One program on its way.
struct Walk<'a> {
    fleet: &'a TestFleet,
    host: &'a Host,
    program: &'a Program,
}

impl Walk<'_> {
    fn walk(&self) {
        let unit = self.program.unit;
        let first = self.running("starts", 0);
        println!("{unit} runs");
        if self.program.reload != Reload::None {
            self.reload(first);
            println!("{unit} reloads");
        }
        self.kill(first);
        match self.program.killed {
            Killed::Restarts => self.running("comes back after a kill", first),
            Killed::Fails => {
                let failed = self.until("fails after a kill", |seen| seen["active_state"] == "failed");
                assert_eq!(failed["result"], "signal", "{unit}: {failed:#}");
                self.gone("what a failed start left");
                self.fleet.fleet(&["start", "-e", "develop", unit]).ok();
                self.running("is started again", first)
            }
        };
        println!("{unit} was killed");
        self.fleet.fleet(&["stop", "-e", "develop", unit]).ok();
        let stopped = self.until("stops", |seen| seen["active_state"] == "inactive");
        assert_eq!(stopped["result"], "success", "{unit}: {stopped:#}");
        self.gone("what a stop left");
        println!("{unit} stops");
    }

    /// Waits until it serves, by another main process than `before`; gives that.
    fn running(&self, what: &str, before: u32) -> u32 {
        let is_new = |seen: &Value| {
            let pid = seen["main_pid"].as_u64().unwrap_or(0);
            seen["sub_state"] == "running" && pid != 0 && pid != u64::from(before)
        };
        let seen = self.until(what, is_new);
        let pid = seen["main_pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a pid");
        assert_eq!(name_of(pid).as_deref(), Some(self.program.process), "{}: {seen:#}", self.program.unit);
        within(PATIENCE, &format!("{} serves", self.program.unit), || self.serves());
        pid
    }

    fn serves(&self) -> Result<(), String> {
        let ran = self.host.run("timeout", &["5", "bash", "-o", "pipefail", "-c", self.program.works]);
        let said = [ran.stdout, ran.stderr].concat();
        if ran.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
    }

    fn reload(&self, main: u32) {
        let unit = self.program.unit;
        let before = children(main);
        self.fleet.fleet(&["reload", "-e", "develop", unit]).ok();
        if self.program.reload == Reload::NewWorkers {
            within(PATIENCE, &format!("{unit} has new workers"), || {
                let now = children(main);
                let is_new = !now.is_empty() && now.iter().all(|pid| !before.contains(pid));
                if is_new { Ok(()) } else { Err(format!("{before:?}, now {now:?}")) }
            });
        }
        let seen = self.until("is active after a reload", |seen| seen["sub_state"] == "running");
        assert_eq!(seen["main_pid"], main, "{unit}: a reload keeps the main process");
        self.serves().unwrap_or_else(|said| panic!("{unit} serves after a reload: {said}"));
    }

    fn kill(&self, main: u32) {
        let pid = i32::try_from(main).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it runs");
    }

    fn gone(&self, what: &str) {
        within(PATIENCE, &format!("{}: {what} is gone", self.program.unit), || {
            let left: Vec<_> = self.host.processes().into_iter().filter(|(pid, _)| self.is_of_it(*pid)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }

    fn is_of_it(&self, pid: u32) -> bool {
        name_of(pid).as_deref() == Some(self.program.process)
    }

    #[track_caller]
    fn until(&self, what: &str, look: impl Fn(&Value) -> bool) -> Value {
        within(PATIENCE, &format!("{} {what}", self.program.unit), || {
            let seen = self.fleet.environment("develop");
            let units = seen["units"].as_array().ok_or("no units")?;
            let unit = units.iter().find(|unit| unit["name"] == self.program.unit).ok_or("it is not there")?;
            if look(unit) { Ok(unit.clone()) } else { Err(format!("{unit:#}")) }
        })
    }
}

/// The name of a process, as `ps -o comm` shows it.
fn name_of(pid: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim().to_owned())
}

/// The children of a process's first thread.
fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
