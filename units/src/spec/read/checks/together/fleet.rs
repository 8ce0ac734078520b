//! `[X-Fleet]`: placements, rollouts and health checks that cannot be, or say nothing.

use super::{Facts, Finding, Rule, contradiction, no_effect};
use crate::diagnostic::Severity;
use crate::spec::{FilesChange, Instances, ServiceType};

pub(super) const RULES: &[Rule] = &[
    ("Nodes", |facts| {
        let label = facts.unit.fleet.nodes.contradiction()?;
        Some(Finding {
            severity: Severity::Warning,
            code: "impossible-placement",
            message: format!("Nodes=: no node can match, the requirements on {label} contradict each other").into(),
            hint: "a node has at most one value for a label; to allow several write LABEL in (A,B)",
        })
    }),
    ("Spread", spread),
    ("Singleton", singleton),
    ("Canary", |facts| {
        let idle = facts.value != "0" && !facts.says("Strategy", "canary");
        no_effect(idle, "Canary= has no effect without Strategy=canary", "add Strategy=canary")
    }),
    ("Strategy", |facts| {
        let without = facts.value == "canary" && (!facts.given("Canary") || facts.says("Canary", "0"));
        no_effect(without, "Strategy=canary has no effect without Canary=", "say how many come first: Canary=1")
    }),
    ("MaxParallel", |facts| {
        let all = facts.says("Strategy", "all-at-once");
        no_effect(all, "MaxParallel= has no effect with Strategy=all-at-once", "take one of the two away")
    }),
    ("MinHealthySec", health_deadline),
    // Once: where both are given, the other tells it.
    ("HealthDeadlineSec", |facts| if facts.given("MinHealthySec") { None } else { health_deadline(facts) }),
    ("HealthCheckInterval", |facts| without_check(facts, "HealthCheckInterval")),
    ("HealthCheckTimeout", |facts| without_check(facts, "HealthCheckTimeout")),
    ("HealthCheckRetries", |facts| without_check(facts, "HealthCheckRetries")),
    ("HealthCheckStartPeriod", |facts| without_check(facts, "HealthCheckStartPeriod")),
    ("FilesChange", files_change),
];

/// How many of it there can be, when that is a number.
fn count(facts: &Facts<'_>) -> Option<usize> {
    match &facts.unit.fleet.instances {
        Instances::All => None,
        Instances::Count(count) => usize::try_from(*count).ok(),
        Instances::Names(names) => Some(names.len()),
    }
}

fn spread(facts: &Facts<'_>) -> Option<Finding> {
    let hint = "say how many there shall be: Instances=";
    match count(facts) {
        Some(count) => no_effect(count < 2, "Spread= has no effect without more than one instance", hint),
        None => no_effect(true, "Spread= has no effect with Instances=all: it runs on every node", hint),
    }
}

fn singleton(facts: &Facts<'_>) -> Option<Finding> {
    let many = match count(facts) {
        Some(count) => count > 1,
        // Where nothing is said, Singleton= itself says it.
        None => facts.given("Instances"),
    };
    let message = "Singleton=yes contradicts Instances=: there can be only one";
    contradiction(!facts.is_off() && many, message, "write Instances=1, or take Singleton= away")
}

fn health_deadline(facts: &Facts<'_>) -> Option<Finding> {
    let fleet = &facts.unit.fleet;
    let message = "MinHealthySec= is longer than HealthDeadlineSec=: no rollout can succeed";
    let hint = "a unit must have been healthy for MinHealthySec= before HealthDeadlineSec= is over";
    contradiction(fleet.min_healthy > fleet.health_deadline, message, hint)
}

fn without_check(facts: &Facts<'_>, key: &'static str) -> Option<Finding> {
    const CHECKS: [&str; 4] = ["HealthCheckURL", "HealthCheckTCP", "HealthCheckExec", "HealthCheckGRPC"];
    let lonely = !CHECKS.iter().any(|check| facts.given(check));
    let hint = "add HealthCheckURL= or HealthCheckTCP=";
    lonely.then(|| no_effect(true, format!("{key}= has no effect without a health check"), hint))?
}

fn files_change(facts: &Facts<'_>) -> Option<Finding> {
    let reloads = !facts.service.exec_reload.is_empty() || facts.service.service_type == ServiceType::NotifyReload;
    let restarts_instead = facts.unit.fleet.files_change == FilesChange::Reload && !reloads;
    no_effect(
        facts.unit.fleet.files.is_empty(),
        "FilesChange= has no effect without Files=",
        "add Files=, or take it away",
    )
    .or_else(|| {
        let message = "FilesChange=reload restarts the unit: it has no ExecReload=";
        contradiction(restarts_instead, message, "add ExecReload=, or write FilesChange=restart")
    })
}
