//! `[X-Fleet]`: placements, rollouts and health checks that cannot be, or say nothing.

use super::{Facts, Finding, Rule, contradiction, no_effect};
use crate::diagnostic::{Code, Severity, codes};
use crate::spec::{FilesChange, Instances, ServiceType, Strategy};
use std::borrow::Cow;

pub(super) const RULES: &[Rule] = &[
    ("Nodes", |facts| {
        let label = facts.unit.fleet.nodes.contradiction()?;
        Some(Finding {
            severity: Severity::Warning,
            code: codes::IMPOSSIBLE_PLACEMENT,
            message: format!("Nodes=: no node can match, the requirements on {label} contradict each other").into(),
            hint: "a node has at most one value for a label; to allow several write LABEL in (A,B)",
        })
    }),
    ("Spread", spread),
    ("Singleton", singleton),
    ("Gpus", |facts| {
        let hidden = facts.unit.fleet.gpus > 0 && facts.is_yes("PrivateDevices");
        let message = "Gpus= contradicts PrivateDevices=yes, which hides them";
        found(
            codes::GPUS_HIDDEN,
            hidden,
            message,
            "take PrivateDevices= away; DeviceAllow= says which devices it may open",
        )
    }),
    ("Canary", canary),
    ("Strategy", |facts| {
        let without = facts.unit.fleet.strategy == Strategy::Canary && facts.unit.fleet.canary == 0;
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
    ("HealthCheckTimeout", |facts| without_check(facts, "HealthCheckTimeout").or_else(|| health_timeout(facts))),
    ("HealthCheckRetries", |facts| without_check(facts, "HealthCheckRetries")),
    ("HealthCheckStartPeriod", |facts| without_check(facts, "HealthCheckStartPeriod").or_else(|| start_period(facts))),
    ("FilesChange", files_change),
];

/// A warning with a code of its own, when it is so.
fn found(code: Code, when: bool, message: impl Into<Cow<'static, str>>, hint: &'static str) -> Option<Finding> {
    when.then(|| Finding { severity: Severity::Warning, code, message: message.into(), hint })
}

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
    let fleet = &facts.unit.fleet;
    let message = "Singleton=yes contradicts Instances=: there can be only one";
    found(codes::SINGLETON_MANY, fleet.singleton && many, message, "write Instances=1, or take Singleton= away")
        .or_else(|| {
            let two = fleet.singleton && matches!(fleet.strategy, Strategy::BlueGreen | Strategy::Canary);
            let message = format!(
                "Singleton=yes contradicts Strategy={}: old and new would run at once",
                fleet.strategy.as_str()
            );
            found(codes::SINGLETON_MANY, two, message, "take Strategy= away, or Singleton=")
        })
}

fn canary(facts: &Facts<'_>) -> Option<Finding> {
    let fleet = &facts.unit.fleet;
    let idle = fleet.canary > 0 && fleet.strategy != Strategy::Canary;
    no_effect(idle, "Canary= has no effect without Strategy=canary", "add Strategy=canary").or_else(|| {
        let canary = usize::try_from(fleet.canary).ok().filter(|canary| *canary > 0)?;
        // Instances=0 switches off: then nothing is rolled out.
        let count = count(facts).filter(|count| (1..=canary).contains(count))?;
        let message = format!("Canary={canary} leaves nothing for afterwards: there are {count} instances");
        found(codes::CANARY_TOO_LARGE, true, message, "make Canary= smaller than Instances=")
    })
}

fn health_deadline(facts: &Facts<'_>) -> Option<Finding> {
    let fleet = &facts.unit.fleet;
    let message = "MinHealthySec= is longer than HealthDeadlineSec=: no rollout can succeed";
    let hint = "a unit must have been healthy for MinHealthySec= before HealthDeadlineSec= is over";
    found(codes::HEALTH_TIMES, fleet.min_healthy > fleet.health_deadline, message, hint)
}

fn health_timeout(facts: &Facts<'_>) -> Option<Finding> {
    let health = &facts.unit.health;
    let message =
        "HealthCheckTimeout= is longer than HealthCheckInterval=: the next check is due while one still waits";
    found(codes::HEALTH_TIMES, health.timeout > health.interval, message, "make HealthCheckInterval= the longer one")
}

fn start_period(facts: &Facts<'_>) -> Option<Finding> {
    let (period, deadline) = (facts.unit.health.start_period, facts.unit.fleet.health_deadline);
    let message = "HealthCheckStartPeriod= is as long as HealthDeadlineSec=: a rollout fails before a check can";
    found(codes::HEALTH_TIMES, period >= deadline, message, "make HealthDeadlineSec= the longer one")
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
