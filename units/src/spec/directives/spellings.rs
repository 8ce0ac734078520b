//! Other spellings of directives: old ones, and second places.

/// A spelling systemd still understands, or a second place for a key.
#[derive(Clone, Copy, Debug)]
pub struct OldSpelling {
    /// Where it stands.
    pub section: &'static str,
    /// As written.
    pub key: &'static str,
    /// Section and key of what it means; several for `TimeoutSec=`.
    pub means: &'static [(&'static str, &'static str)],
    /// Whether it is on its way out: then it gets a note.
    pub deprecated: bool,
}

const fn spelling(
    section: &'static str,
    key: &'static str,
    means: &'static [(&'static str, &'static str)],
) -> OldSpelling {
    OldSpelling { section, key, means, deprecated: true }
}

const fn place(key: &'static str, means: &'static [(&'static str, &'static str)]) -> OldSpelling {
    OldSpelling { section: "Service", key, means, deprecated: false }
}

/// Other spellings, from systemd's load-fragment-gperf.gperf.
pub const SPELLINGS: &[OldSpelling] = &[
    spelling("Unit", "BindTo", &[("Unit", "BindsTo")]),
    spelling("Unit", "PropagateReloadTo", &[("Unit", "PropagatesReloadTo")]),
    spelling("Unit", "PropagateReloadFrom", &[("Unit", "ReloadPropagatedFrom")]),
    spelling("Unit", "RequiresOverridable", &[("Unit", "Requires")]),
    spelling("Unit", "RequisiteOverridable", &[("Unit", "Requisite")]),
    spelling("Unit", "StartLimitInterval", &[("Unit", "StartLimitIntervalSec")]),
    spelling("Unit", "OnFailureIsolate", &[("Unit", "OnFailureJobMode")]),
    spelling("Service", "StartLimitInterval", &[("Unit", "StartLimitIntervalSec")]),
    spelling("Service", "StartLimitBurst", &[("Unit", "StartLimitBurst")]),
    spelling("Service", "StartLimitAction", &[("Unit", "StartLimitAction")]),
    spelling("Service", "FailureAction", &[("Unit", "FailureAction")]),
    spelling("Service", "RebootArgument", &[("Unit", "RebootArgument")]),
    spelling("Service", "RestartMaxDelay", &[("Service", "RestartMaxDelaySec")]),
    spelling("Service", "ReadWriteDirectories", &[("Service", "ReadWritePaths")]),
    spelling("Service", "ReadOnlyDirectories", &[("Service", "ReadOnlyPaths")]),
    spelling("Service", "InaccessibleDirectories", &[("Service", "InaccessiblePaths")]),
    spelling("Service", "MemoryLimit", &[("Service", "MemoryMax")]),
    place("TimeoutSec", &[("Service", "TimeoutStartSec"), ("Service", "TimeoutStopSec")]),
    place("HealthCheckURL", &[("X-Fleet", "HealthCheckURL")]),
    place("HealthCheckTCP", &[("X-Fleet", "HealthCheckTCP")]),
    place("HealthCheckExec", &[("X-Fleet", "HealthCheckExec")]),
    place("HealthCheckGRPC", &[("X-Fleet", "HealthCheckGRPC")]),
    place("HealthCheckInterval", &[("X-Fleet", "HealthCheckInterval")]),
    place("HealthCheckTimeout", &[("X-Fleet", "HealthCheckTimeout")]),
    place("HealthCheckRetries", &[("X-Fleet", "HealthCheckRetries")]),
    place("HealthCheckStartPeriod", &[("X-Fleet", "HealthCheckStartPeriod")]),
];
