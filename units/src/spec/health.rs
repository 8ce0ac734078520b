//! `HealthCheck*=`, in `[X-Fleet]` or `[Service]`.

use super::ExecCommand;
use std::time::Duration;

/// A unit's health check as understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSpec {
    /// What is asked; `None`: no check.
    pub check: Option<HealthCheck>,
    /// `HealthCheckExec=`: commands that each end with 0 when it is healthy. Not run yet.
    pub exec: Vec<ExecCommand>,
    /// `HealthCheckGRPC=`: host:port that answers the gRPC health protocol. Not asked yet.
    pub grpc: Option<String>,
    /// `HealthCheckInterval=`; default 10 s.
    pub interval: Duration,
    /// `HealthCheckTimeout=`; default 2 s.
    pub timeout: Duration,
    /// `HealthCheckRetries=`: failures in a row that make it unhealthy; default 3.
    pub retries: u32,
    /// `HealthCheckStartPeriod=`: failures within this time after the start do not count; default 0.
    pub start_period: Duration,
}

impl Default for HealthSpec {
    fn default() -> Self {
        HealthSpec {
            check: None,
            exec: Vec::new(),
            grpc: None,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            retries: 3,
            start_period: Duration::ZERO,
        }
    }
}

/// What a health check asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthCheck {
    /// `HealthCheckURL=`: GET, 2xx is healthy.
    Url(String),
    /// `HealthCheckTCP=`: host:port that accepts a connection.
    Tcp(String),
}
