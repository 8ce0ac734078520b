//! What a changed unit needs: the strongest need of the directives and delivered files that differ.

use crate::spec::{FilesChange, ServiceType, UnitSpec};
use std::collections::BTreeSet;

/// What has to be done so that a changed directive takes effect, weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Nothing: it is read when it is needed.
    #[default]
    None,
    /// It is written to the kernel while the unit runs.
    Live,
    /// The unit has to read it again.
    Reload,
    /// It takes new processes.
    Restart,
}

/// The difference between two specifications of one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The strongest need.
    pub need: Need,
    /// The directives that differ (`Environment`), and `files/PATH` for delivered files, each once, in order.
    pub directives: Vec<String>,
}

/// Compares two specifications of one unit. A reload of a unit that cannot reload is a restart.
#[must_use]
pub fn change(old: &UnitSpec, new: &UnitSpec) -> Change {
    let mut need = Need::None;
    let mut directives = BTreeSet::new();
    for key @ (section, directive) in old.values.keys().chain(new.values.keys()) {
        if old.values.get(key) != new.values.get(key) {
            need = need.max(need_of(section, directive));
            directives.insert(directive.clone());
        }
    }
    for path in old.delivered.keys().chain(new.delivered.keys()) {
        if old.delivered.get(path) != new.delivered.get(path) {
            need = need.max(files_need(new));
            directives.insert(path.clone());
        }
    }
    if need == Need::Reload && !can_reload(new) {
        need = Need::Restart;
    }
    Change { need, directives: directives.into_iter().collect() }
}

/// Whether the unit reloads at all.
fn can_reload(spec: &UnitSpec) -> bool {
    spec.service()
        .is_some_and(|service| !service.exec_reload.is_empty() || service.service_type == ServiceType::NotifyReload)
}

/// `FilesChange=`
fn files_need(spec: &UnitSpec) -> Need {
    match spec.fleet.files_change {
        FilesChange::Auto | FilesChange::Reload => Need::Reload,
        FilesChange::Restart => Need::Restart,
        FilesChange::None => Need::None,
    }
}

/// What a change of one directive needs. Of `[Service]` everything that the agent itself reads when its moment comes
/// needs nothing; what a process was started with needs a new one.
fn need_of(section: &str, directive: &str) -> Need {
    const READ_LATER: [&str; 34] = [
        "ExecReload",
        "ExecStop",
        "ExecStopPost",
        "Restart",
        "RestartSec",
        "RestartSteps",
        "RestartMaxDelaySec",
        "RestartPreventExitStatus",
        "RestartForceExitStatus",
        "RestartKillSignal",
        "ReloadSignal",
        "SuccessExitStatus",
        "TimeoutSec",
        "TimeoutStartSec",
        "TimeoutStopSec",
        "TimeoutAbortSec",
        "RuntimeMaxSec",
        "KillMode",
        "KillSignal",
        "SendSIGHUP",
        "SendSIGKILL",
        "FinalKillSignal",
        "NotifyAccess",
        "RuntimeDirectoryPreserve",
        "StartLimitInterval",
        "StartLimitBurst",
        "ExecCondition",
        "HealthCheckURL",
        "HealthCheckTCP",
        "HealthCheckInterval",
        "HealthCheckTimeout",
        "HealthCheckRetries",
        "HealthCheckStartPeriod",
        "SyslogIdentifier",
    ];
    match section {
        "Service" if READ_LATER.contains(&directive) => Need::None,
        "Service" => Need::Restart,
        // Files= alone changes nothing: the files it names differ, and are compared by their content.
        _ => Need::None,
    }
}
