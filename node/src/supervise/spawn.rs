//! One command of a unit as a complete request to the supervisor: account, environment, arguments, limits, folders.

use super::account::{self, Account, AccountError};
use super::places::Places;
use super::{env_file, expand};
use crate::kernel::regular;
use fleet_proto::control::{Limit, Spawn};
use fleet_units::ids::{EnvironmentName, InvocationId, NodeName};
use fleet_units::lifecycle::{Exit, Machine, MainPid, Phase, Role};
use fleet_units::spec::{ExecCommand, ExecSpec, NotifyAccess, ServiceSpec};
use fleet_units::status::Unenforced;
use nix::sys::signal::Signal;
use nix::unistd::Uid;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where bare program names are looked up, and `$PATH` of every unit (systemd's default on Debian).
pub(super) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Longest `EnvironmentFile=` that is read, in bytes.
const MAX_ENVIRONMENT_FILE: u64 = 1 << 20;

/// What all units of a node share.
#[derive(Clone, Debug)]
pub struct Host {
    /// `$FLEET_NODE`
    pub node: NodeName,
    /// `$FLEET_ENVIRONMENT`
    pub environment: EnvironmentName,
    /// The user the node runs as.
    pub user: Uid,
    /// The roots of the five directories.
    pub places: Places,
    /// Delivered files: the node's `RUNTIME/files`.
    pub files: PathBuf,
}

/// Why a command cannot even be asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpawnError {
    /// `User=` or `Group=`.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// `EnvironmentFile=` is not there, or not to be read.
    #[error("EnvironmentFile={path}: {source}")]
    EnvironmentFile {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A bare name is no program of the search path.
    #[error("{0}: no such program in {SEARCH_PATH}")]
    NoProgram(String),
}

impl SpawnError {
    /// systemd's EXIT_* number; 0: the host lacks something (result `resources`).
    #[must_use]
    pub(super) fn exit_status(&self) -> i32 {
        match self {
            SpawnError::Account(error) => error.exit_status(),
            SpawnError::EnvironmentFile { .. } => 0,
            SpawnError::NoProgram(_) => 203,
        }
    }
}

/// The command to build a request for.
pub(super) struct Command<'a> {
    pub(super) machine: &'a Machine,
    pub(super) service: &'a ServiceSpec,
    pub(super) command: &'a ExecCommand,
    pub(super) phase: Phase,
    pub(super) role: Role,
    pub(super) invocation: InvocationId,
    pub(super) files: Option<&'a Path>,
}

/// The request, and what of the unit this node does not put into effect.
pub(super) fn build(host: &Host, asked: &Command<'_>) -> Result<(Spawn, Vec<Unenforced>), SpawnError> {
    let exec = &asked.service.exec;
    let account = account::resolve(exec, asked.command.privileged, host.user)?;
    let variables = environment(host, asked, &account)?;
    let own_binary = asked.command.program == "fleet";
    let program = if own_binary { String::new() } else { find(&asked.command.program)? };
    let argv = &asked.command.argv;
    let argv = if asked.command.no_expansion { argv.clone() } else { expand::expand(argv, &variables) };
    let (folder, optional) = working_directory(exec, &account);
    let stderr = if exec.standard_error.is_empty() { &exec.standard_output } else { &exec.standard_error };
    let spawn = Spawn {
        unit: asked.machine.spec().name.to_string(),
        role: asked.role.as_str().to_owned(),
        invocation_id: asked.invocation.to_string(),
        program,
        own_binary,
        argv,
        environment: variables.into_iter().map(|(key, value)| format!("{key}={value}")).collect(),
        working_directory: folder,
        working_directory_optional: optional,
        umask: exec.umask.unwrap_or(0o022),
        set_user: account.change.is_some(),
        uid: account.change.as_ref().map_or(0, |change| change.0),
        gid: account.change.as_ref().map_or(0, |change| change.1),
        groups: account.change.map(|change| change.2).unwrap_or_default(),
        limits: limits(exec),
        set_nice: exec.nice.is_some(),
        nice: exec.nice.unwrap_or_default(),
        set_oom_score_adjust: exec.oom_score_adjust.is_some(),
        oom_score_adjust: exec.oom_score_adjust.unwrap_or_default(),
        ignore_sigpipe: exec.ignore_sigpipe.unwrap_or(true),
        directories: host.places.directories(exec),
        stdout: output(&exec.standard_output),
        stderr: output(stderr),
        notify: asked.service.notify_access != NotifyAccess::None,
    };
    Ok((spawn, account.unenforced))
}

/// `null` is the only other place output goes to so far; the rest is captured.
fn output(setting: &str) -> String {
    if setting == "null" { "null".to_owned() } else { String::new() }
}

fn working_directory(exec: &ExecSpec, account: &Account) -> (String, bool) {
    match &exec.working_directory {
        None => ("/".to_owned(), false),
        Some(folder) if folder.path == "~" => (account.home.clone(), folder.optional),
        Some(folder) => (folder.path.clone(), folder.optional),
    }
}

fn limits(exec: &ExecSpec) -> Vec<Limit> {
    let limit = |(resource, (soft, hard)): (&String, &(Option<u64>, Option<u64>))| Limit {
        resource: resource.clone(),
        soft: soft.unwrap_or(u64::MAX),
        hard: hard.unwrap_or(u64::MAX),
    };
    exec.limits.iter().map(limit).collect()
}

fn find(program: &str) -> Result<String, SpawnError> {
    if program.contains('/') {
        return Ok(program.to_owned());
    }
    let candidates = SEARCH_PATH.split(':').map(|folder| format!("{folder}/{program}"));
    let is_program = |path: &String| nix::unistd::access(path.as_str(), nix::unistd::AccessFlags::X_OK).is_ok();
    candidates.into_iter().find(is_program).ok_or_else(|| SpawnError::NoProgram(program.to_owned()))
}

/// systemd.exec(5), "Environment variables in spawned processes": ours, then PassEnvironment=, Environment=,
/// EnvironmentFile=, less UnsetEnvironment=.
fn environment(host: &Host, asked: &Command<'_>, account: &Account) -> Result<BTreeMap<String, String>, SpawnError> {
    let exec = &asked.service.exec;
    let mut all = BTreeMap::new();
    let mut set = |key: &str, value: String| drop(all.insert(key.to_owned(), value));
    set("PATH", SEARCH_PATH.to_owned());
    if !account.name.is_empty() {
        set("USER", account.name.clone());
        set("LOGNAME", account.name.clone());
    }
    set("HOME", account.home.clone());
    set("SHELL", account.shell.clone());
    set("INVOCATION_ID", asked.invocation.to_string());
    set("FLEET_NODE", host.node.to_string());
    set("FLEET_ENVIRONMENT", host.environment.to_string());
    if let Some(files) = asked.files {
        set("FLEET_FILES", files.display().to_string());
    }
    if let Some(watchdog) = asked.service.watchdog {
        set("WATCHDOG_USEC", watchdog.as_micros().to_string());
    }
    all.extend(host.places.variables(exec));
    all.extend(of_the_life(asked));
    let passed = exec.pass_environment.iter().filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
    all.extend(passed);
    all.extend(exec.environment.iter().cloned());
    for (path, optional) in &exec.environment_files {
        match regular::read(Path::new(path), MAX_ENVIRONMENT_FILE) {
            Ok(bytes) => all.extend(env_file::parse(&String::from_utf8_lossy(&bytes))),
            Err(_) if *optional => {}
            Err(source) => return Err(SpawnError::EnvironmentFile { path: path.clone(), source }),
        }
    }
    for unset in &exec.unset_environment {
        match unset.split_once('=') {
            Some((key, value)) if all.get(key).is_some_and(|present| present == value) => drop(all.remove(key)),
            Some(_) => {}
            None => drop(all.remove(unset)),
        }
    }
    Ok(all)
}

/// `$MAINPID` for helpers, `$SERVICE_RESULT` and the exit for those of a stop.
fn of_the_life(asked: &Command<'_>) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    let mut set = |key: &str, value: String| variables.push((key.to_owned(), value));
    if let (Role::Control, MainPid::Alive(pid)) = (asked.role, asked.machine.memory().main) {
        set("MAINPID", pid.to_string());
    }
    if matches!(asked.phase, Phase::Stop | Phase::StopPost) {
        set("SERVICE_RESULT", asked.machine.outcome().as_str().to_owned());
        if let Some(exit) = asked.machine.memory().main_exit {
            let (code, status) = exit_words(exit);
            set("EXIT_CODE", code.to_owned());
            set("EXIT_STATUS", status);
        }
    }
    variables
}

fn exit_words(exit: Exit) -> (&'static str, String) {
    match exit {
        Exit::Code(code) => ("exited", code.to_string()),
        Exit::Signal { number, core } => {
            let name = Signal::try_from(number)
                .map_or_else(|_| number.to_string(), |signal| signal.as_str().trim_start_matches("SIG").to_owned());
            (if core { "dumped" } else { "killed" }, name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_units::lifecycle::Event;
    use fleet_units::spec::Directories;
    use fleet_units::testing::service;
    use fleet_units::time::Moment;

    fn host() -> Host {
        Host {
            node: "test-1".parse().unwrap(),
            environment: "test".parse().unwrap(),
            user: Uid::effective(),
            places: Places::of_the_system(),
            files: "/nowhere".into(),
        }
    }

    fn built(change: impl FnOnce(&mut ServiceSpec), phase: Phase, role: Role) -> Result<Spawn, SpawnError> {
        let mut machine = Machine::new(service(change));
        machine.on(Moment(1), Event::Start { fresh: true });
        machine.on(Moment(2), Event::Spawned { role: Role::Main, pid: 77 });
        let spec = machine.spec().clone();
        let service = spec.service().unwrap();
        let command = &service.exec_start[0];
        let (invocation, files) = (InvocationId(5), Some(Path::new("/f")));
        let asked = Command { machine: &machine, service, command, phase, role, invocation, files };
        build(&host(), &asked).map(|built| built.0)
    }

    #[test]
    fn the_environment_is_layered_as_systemd_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("env");
        std::fs::write(&file, "B=file\nC=file\n").unwrap();
        let spawn = built(
            |s| {
                s.exec.environment = vec![("A".into(), "unit".into()), ("B".into(), "unit".into())];
                s.exec.environment_files = vec![(file.display().to_string(), false), ("/does/not/exist".into(), true)];
                s.exec.unset_environment = vec!["C".into(), "A=other".into()];
                s.exec.state_directory =
                    Directories { names: vec!["a".into(), "b".into()], mode: Some(0o700), ..Directories::default() };
                s.exec_start[0].argv = vec!["/bin/main".into(), "${B}".into(), "$FLEET_NODE".into()];
            },
            Phase::Stop,
            Role::Control,
        )
        .unwrap();
        let has = |text: &str| spawn.environment.iter().any(|entry| entry == text);
        for entry in ["A=unit", "B=file", "STATE_DIRECTORY=/var/lib/a:/var/lib/b", "MAINPID=77", "FLEET_FILES=/f"] {
            assert!(has(entry), "{entry} in {:?}", spawn.environment);
        }
        assert!(has("SERVICE_RESULT=success") && !has("C=file"));
        assert_eq!(spawn.argv, ["/bin/main", "file", "test-1"]);
        assert_eq!(spawn.directories[1].path, "/var/lib/b");
    }

    #[test]
    fn a_bare_name_is_looked_up_and_fleet_is_the_nodes_own_binary() {
        let program = |name: &str| built(|s| s.exec_start[0].program = name.into(), Phase::Start, Role::Main);
        assert!(program("sh").unwrap().program.ends_with("/sh"));
        assert!(program("fleet").unwrap().own_binary);
        assert_eq!(program("no-such-program").unwrap_err().exit_status(), 203);
    }

    #[test]
    fn a_missing_environment_file_is_for_want_of_something_on_the_host() {
        let error = built(|s| s.exec.environment_files = vec![("/no/file".into(), false)], Phase::Start, Role::Main);
        assert_eq!(error.unwrap_err().exit_status(), 0);
    }
}
