//! `[X-Fleet]`: placement, rollout, health and delivery. systemd ignores the section.

use super::Change::None;
use super::{Directive, Kind, later, works};

const F: &str = "X-Fleet";
const STRATEGIES: &[&str] = &["rolling", "canary", "blue-green", "all-at-once"];

/// What systemd has no words for.
pub(super) const ROWS: &[Directive] = &[
    works(F, "Nodes", Kind::Selector, "all nodes", None, "The nodes it may run on: `role=web,zone in (a,b),!gpu`."),
    works(F, "Instances", Kind::Instances, "all", None, "How many, or which instances; 0 switches off."),
    works(
        F,
        "Start",
        Kind::Choice(&["auto", "manual"]),
        "auto",
        None,
        "manual: only an operator or a dependency starts it.",
    ),
    works(F, "Strict", Kind::Bool, "no", None, "Refused where something it asks would be unenforced."),
    works(F, "MaxParallel", Kind::CountOrPercent, "25%", None, "Nodes that get a new revision at once; at least 1."),
    works(F, "MinHealthySec", Kind::Span, "10s", None, "How long it must be healthy before the next nodes follow."),
    works(F, "HealthDeadlineSec", Kind::Span, "300s", None, "How long it may take to become healthy."),
    works(F, "Files", Kind::Files, "", None, "`SRC[:DEST]`: files below files/ delivered with the unit."),
    works(
        F,
        "FilesChange",
        Kind::Choice(&["auto", "reload", "restart", "none"]),
        "auto",
        None,
        "What a changed delivered file does; auto: reload if it can, else restart.",
    ),
    works(F, "HealthCheckURL", Kind::Url, "", None, "An address that answers 2xx when it is healthy."),
    works(F, "HealthCheckTCP", Kind::HostPort, "", None, "host:port that accepts connections when it is healthy."),
    works(F, "HealthCheckInterval", Kind::Span, "10s", None, "The time between two checks."),
    works(F, "HealthCheckTimeout", Kind::Span, "2s", None, "How long a check may take."),
    works(F, "HealthCheckRetries", Kind::Integer(1, 1_000_000), "3", None, "Failures in a row that make it unhealthy."),
    works(
        F,
        "HealthCheckStartPeriod",
        Kind::Span,
        "0",
        None,
        "Failures within this time after the start do not count.",
    ),
    later(F, "HealthCheckExec", Kind::Command, "", None, "A command that ends with 0 when it is healthy."),
    later(F, "HealthCheckGRPC", Kind::HostPort, "", None, "host:port that answers the gRPC health protocol."),
    later(F, "Spread", Kind::Words, "", None, "The label its instances are spread over."),
    later(F, "Singleton", Kind::Bool, "no", None, "Never two at once, even when a node is lost."),
    later(F, "Gpus", Kind::Integer(0, 1024), "0", None, "GPUs it needs."),
    later(F, "Strategy", Kind::Choice(STRATEGIES), "rolling", None, "How a new revision reaches the nodes."),
    later(F, "Canary", Kind::Integer(0, 1_000_000), "0", None, "Nodes that get a new revision first."),
    later(
        F,
        "OnRolloutFailure",
        Kind::Choice(&["rollback", "pause", "none"]),
        "pause (develop: none)",
        None,
        "What a failed rollout does.",
    ),
];
