//! Specifications for tests, built without parsing. Other crates get them by the feature `testing`.

pub mod effect_case;

use crate::selector::Selector;
use crate::spec::service::ExitStatusSet;
use crate::spec::{
    ExecCommand, ExecSpec, FilesChange, FleetSection, HealthSpec, Instances, KillMode, KillSpec, KindSpec,
    NotifyAccess, Percent, Restart, ServiceSpec, ServiceType, Start, UnitSpec, Values,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A command without arguments.
#[must_use]
pub fn command(program: &str) -> ExecCommand {
    ExecCommand {
        program: program.to_owned(),
        argv: vec![program.to_owned()],
        ignore_failure: false,
        no_expansion: false,
        privileged: false,
        shell: false,
    }
}

fn plain_service() -> ServiceSpec {
    let stop = Some(Duration::from_secs(90));
    ServiceSpec {
        service_type: ServiceType::Simple,
        remain_after_exit: false,
        pid_file: None,
        exec_condition: vec![],
        exec_start_pre: vec![],
        exec_start: vec![command("/bin/main")],
        exec_start_post: vec![],
        exec_reload: vec![],
        exec_stop: vec![],
        exec_stop_post: vec![],
        restart: Restart::No,
        restart_sec: Duration::from_millis(100),
        restart_steps: 0,
        restart_max_delay: None,
        timeout_start: Some(Duration::from_secs(90)),
        timeout_stop: stop,
        timeout_abort: stop,
        runtime_max: None,
        watchdog: None,
        success_exit_status: ExitStatusSet::default(),
        restart_prevent: ExitStatusSet::default(),
        restart_force: ExitStatusSet::default(),
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

/// A unit named `name` with nothing in it but what `change` sets.
pub fn unit(name: &str, change: impl FnOnce(&mut UnitSpec)) -> UnitSpec {
    let names = BTreeSet::new;
    let kind = if name.ends_with(".target") { KindSpec::Target } else { KindSpec::Service(Box::new(plain_service())) };
    let mut spec = UnitSpec {
        name: name.parse().expect("a unit name of a test"),
        description: String::new(),
        documentation: vec![],
        requires: names(),
        requisite: names(),
        wants: names(),
        binds_to: names(),
        part_of: names(),
        conflicts: names(),
        after: names(),
        before: names(),
        on_failure: names(),
        on_success: names(),
        start_limit_interval: Duration::from_secs(10),
        start_limit_burst: 5,
        wanted_by: names(),
        required_by: names(),
        alias: names(),
        triggered_by: names(),
        conditions: Vec::new(),
        details: None,
        kind,
        fleet: FleetSection {
            nodes: Selector::default(),
            instances: Instances::All,
            start: Start::Auto,
            strict: false,
            max_parallel: Percent::Percent(25),
            min_healthy: Duration::from_secs(10),
            health_deadline: Duration::from_secs(300),
            files: vec![],
            files_change: FilesChange::Auto,
            ..FleetSection::default()
        },
        health: HealthSpec {
            check: None,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            retries: 3,
            start_period: Duration::ZERO,
            ..HealthSpec::default()
        },
        unenforced: vec![],
        values: Values::default(),
        delivered: BTreeMap::new(),
    };
    change(&mut spec);
    spec
}

/// `web.service` with what `change` sets in its service part.
pub fn service(change: impl FnOnce(&mut ServiceSpec)) -> Arc<UnitSpec> {
    Arc::new(unit("web.service", |unit| {
        if let KindSpec::Service(service) = &mut unit.kind {
            change(service);
        }
    }))
}
