//! `[Unit]`: start limits, and dependencies that contradict each other.

use super::{Facts, Finding, Rule, contradiction, no_effect};
use crate::diagnostic::{Severity, codes};
use crate::spec::Restart;
use std::time::Duration;

pub(super) const RULES: &[Rule] = &[
    ("StartLimitBurst", start_limit),
    // Once: where both are given, the burst tells it.
    ("StartLimitIntervalSec", |facts| if facts.given("StartLimitBurst") { None } else { start_limit(facts) }),
    ("StartLimitAction", |facts| {
        let off = facts.unit.start_limit_interval.is_zero();
        no_effect(off, "StartLimitAction= has no effect: the start limit is switched off", "take it away")
    }),
    ("Conflicts", |facts| {
        let unit = facts.unit;
        let needed = [&unit.requires, &unit.requisite, &unit.binds_to].into_iter().flatten();
        let both = needed.into_iter().find(|name| unit.conflicts.contains(*name))?;
        contradiction(true, format!("{both} is required and in conflict at once"), "take one of the two away")
    }),
];

/// A limit that was written down and that restarts are too slow to reach: they go on for ever.
fn start_limit(facts: &Facts<'_>) -> Option<Finding> {
    let (unit, service) = (facts.unit, facts.service);
    let (interval, burst) = (unit.start_limit_interval, unit.start_limit_burst);
    let limited = burst > 0 && !interval.is_zero() && interval != Duration::MAX;
    let fastest = service.restart_sec.saturating_mul(burst);
    if service.restart == Restart::No || !limited || fastest < interval {
        return None;
    }
    let message = format!(
        "the start limit cannot be reached: {burst} restarts, each after {:?}, take longer than {interval:?}",
        service.restart_sec
    );
    let hint = "make StartLimitIntervalSec= longer than StartLimitBurst= times RestartSec=; 0 switches the limit off";
    let code = codes::START_LIMIT_UNREACHABLE;
    Some(Finding { severity: Severity::Warning, code, message: message.into(), hint })
}
