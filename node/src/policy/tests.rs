//! Each key of the policy, and the file it is read from.

use super::*;
use fleet_units::selector::Selector;
use fleet_units::spec::Values;
use fleet_units::spec::{
    DeliveredFile, ExecSpec, FilesChange, FleetSection, HealthSpec, Instances, KillMode, KillSpec, KindSpec,
    NotifyAccess, Percent, Restart, ServiceType, Start,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

/// A service that runs `/usr/bin/app`, with nothing else set.
pub(crate) fn service_unit(name: &str) -> UnitSpec {
    let none = BTreeSet::new;
    let second = Duration::from_secs(1);
    UnitSpec {
        name: name.parse().unwrap(),
        description: String::new(),
        documentation: Vec::new(),
        requires: none(),
        requisite: none(),
        wants: none(),
        binds_to: none(),
        part_of: none(),
        conflicts: none(),
        after: none(),
        before: none(),
        on_failure: none(),
        on_success: none(),
        start_limit_interval: second,
        start_limit_burst: 5,
        wanted_by: none(),
        required_by: none(),
        alias: none(),
        triggered_by: none(),
        conditions: Vec::new(),
        details: None,
        kind: KindSpec::Service(Box::new(service())),
        fleet: section(),
        health: HealthSpec {
            check: None,
            interval: second,
            timeout: second,
            retries: 3,
            start_period: second,
            ..HealthSpec::default()
        },
        unenforced: Vec::new(),
        values: Values::default(),
        delivered: BTreeMap::new(),
    }
}

/// The service part of [`service_unit`], to be changed.
pub(crate) fn service_of(unit: &mut UnitSpec) -> &mut ServiceSpec {
    match &mut unit.kind {
        KindSpec::Service(service) => service,
        KindSpec::Timer(_) | KindSpec::Socket(_) | KindSpec::Target => unreachable!("it was made as a service"),
    }
}

fn section() -> FleetSection {
    FleetSection {
        nodes: Selector::default(),
        instances: Instances::All,
        start: Start::Auto,
        strict: false,
        max_parallel: Percent::Percent(25),
        min_healthy: Duration::ZERO,
        health_deadline: Duration::ZERO,
        files: Vec::new(),
        files_change: FilesChange::Auto,
        ..FleetSection::default()
    }
}

fn service() -> ServiceSpec {
    ServiceSpec {
        service_type: ServiceType::Simple,
        remain_after_exit: false,
        pid_file: None,
        exec_condition: Vec::new(),
        exec_start_pre: Vec::new(),
        exec_start: vec![command("/usr/bin/app")],
        exec_start_post: Vec::new(),
        exec_reload: Vec::new(),
        exec_stop: Vec::new(),
        exec_stop_post: Vec::new(),
        restart: Restart::No,
        restart_sec: Duration::from_millis(100),
        restart_steps: 0,
        restart_max_delay: None,
        timeout_start: None,
        timeout_stop: None,
        timeout_abort: None,
        runtime_max: None,
        watchdog: None,
        success_exit_status: Default::default(),
        restart_prevent: Default::default(),
        restart_force: Default::default(),
        notify_access: NotifyAccess::None,
        kill: KillSpec {
            mode: KillMode::ControlGroup,
            signal: 15,
            restart_signal: 15,
            send_sighup: false,
            send_sigkill: true,
            final_signal: 9,
            reload_signal: 1,
        },
        exec: ExecSpec::default(),
        resources: None,
        details: None,
    }
}

fn command(program: &str) -> ExecCommand {
    let program = program.to_owned();
    ExecCommand {
        argv: vec![program.clone()],
        program,
        ignore_failure: false,
        no_expansion: false,
        privileged: false,
        shell: false,
    }
}

/// What a node that runs as root makes of `text`.
fn policy(text: &str) -> Policy {
    Policy { as_root: true, ..toml::from_str(text).unwrap() }
}

fn refused(policy: &Policy, unit: &UnitSpec) -> String {
    policy.judge(unit).unwrap_err().code
}

fn run_as(user: &str) -> UnitSpec {
    let mut unit = service_unit("app.service");
    service_of(&mut unit).exec.user = user.to_owned();
    unit
}

#[test]
fn without_a_word_no_unit_of_a_root_node_runs_as_root() {
    let default = policy("");
    assert_eq!(refused(&default, &run_as("root")), "policy-root");
    assert_eq!(refused(&default, &run_as("0")), "policy-root");
    assert_eq!(default.judge(&run_as("65534")), Ok(()));
    let mut privileged = run_as("65534");
    service_of(&mut privileged).exec_start_pre = vec![ExecCommand { privileged: true, ..command("/usr/bin/prepare") }];
    assert_eq!(refused(&default, &privileged), "policy-root");
    for unit in [run_as("root"), privileged] {
        assert_eq!(policy("allow_root = true").judge(&unit), Ok(()));
    }
}

#[test]
fn a_node_without_root_lets_units_run_as_itself() {
    let own = Policy { as_root: false, ..Policy::default() };
    assert_eq!(own.judge(&run_as("")), Ok(()));
}

#[test]
fn only_listed_users_may_be_named_by_name_or_number() {
    let listed = policy("users = ['65533', 'root']\nallow_root = true");
    assert_eq!(listed.judge(&run_as("65533")), Ok(()));
    assert_eq!(listed.judge(&run_as("0")), Ok(()));
    assert_eq!(refused(&listed, &run_as("65532")), "policy-user");
    assert_eq!(refused(&policy("users = []"), &run_as("65533")), "policy-user");
}

#[test]
fn programs_lie_below_a_prefix_by_components() {
    let mut unit = run_as("65534");
    assert_eq!(policy("exec_prefix = ['/usr/bin']").judge(&unit), Ok(()));
    assert_eq!(refused(&policy("exec_prefix = ['/usr/b']"), &unit), "policy-exec");
    service_of(&mut unit).exec_stop = vec![command("/usr/bin/../../tmp/x")];
    assert_eq!(refused(&policy("exec_prefix = ['/usr/bin']"), &unit), "policy-exec");
    service_of(&mut unit).exec_stop = vec![command("sh")];
    assert_eq!(policy("exec_prefix = ['/usr', '/bin']").judge(&unit), Ok(()));
    service_of(&mut unit).exec_stop = vec![command("fleet")];
    assert_eq!(refused(&policy("exec_prefix = ['/usr/bin']"), &unit), "policy-exec");
}

#[test]
fn folders_of_fleet_itself_are_no_units() {
    let mut unit = run_as("65534");
    for (name, allowed) in [("fleet", false), ("./fleet/node", false), ("fleet-app", true), ("app/fleet", true)] {
        service_of(&mut unit).exec.state_directory.names = vec![name.to_owned()];
        assert_eq!(policy("allow_root = true").judge(&unit).is_ok(), allowed, "{name}");
    }
}

#[test]
fn delivered_files_are_bound_only_below_a_listed_folder() {
    let mut unit = run_as("65534");
    let file = |to: Option<&str>| DeliveredFile { source: "web/a".into(), destination: to.map(str::to_owned) };
    unit.fleet.files = vec![file(None), file(Some("/etc/nginx/a"))];
    assert_eq!(policy("files_dest = ['/etc/nginx']").judge(&unit), Ok(()));
    assert_eq!(policy("").judge(&unit), Ok(()));
    assert_eq!(refused(&policy("files_dest = []"), &unit), "policy-files");
}

#[test]
fn signatures_that_cannot_be_checked_are_not_taken_for_good() {
    assert_eq!(refused(&policy("require_signed = true"), &run_as("65534")), "policy-signed");
}

fn written(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (folder, path)
}

#[test]
fn a_file_is_read_and_unknown_keys_are_errors() {
    let (_folder, path) = written("users = ['nobody']\nallow_root = true\n", 0o644);
    let policy = Policy::load(&path).unwrap();
    assert_eq!((policy.users, policy.allow_root), (Some(vec!["nobody".to_owned()]), true));
    let (_folder, path) = written("allow_rot = true\n", 0o600);
    let error = Policy::load(&path).unwrap_err();
    assert!(error.to_string().contains("allow_rot"), "{error}");
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    for mode in [0o664, 0o646] {
        let (_folder, path) = written("", mode);
        assert!(matches!(Policy::load(&path), Err(PolicyError::Untrusted { .. })), "{mode:o}");
    }
    assert!(untrusted(1000, 0o600, 0).is_some());
    assert!(untrusted(1000, 0o600, 1001).is_some());
    assert!(untrusted(0, 0o644, 1000).is_none());
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let error = Policy::load(Path::new("/nonexistent/policy.toml")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/policy.toml"));
}
