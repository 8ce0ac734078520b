//! The node daemon: a supervisor that outlives everything, and an agent that decides.
//!
//! ```text
//! run (keeper: one thread, the units' parent) --control socket--> agent (tokio)
//!                                                                  link -> desk -> engine (supervise) -> control
//!                                                                  local socket, http, log shipping, renewal
//! ```

pub mod admission;
pub mod agent;
pub mod claims;
pub mod config;
pub mod control;
pub mod desk;
pub mod facts;
pub mod health;
pub mod http;
pub mod keeper;
pub mod kernel;
pub mod link;
pub mod local;
pub mod logs;
pub mod policy;
pub mod reconcile;
pub mod report;
pub mod specifiers;
pub mod stored;
pub mod supervise;

mod trace;

pub(crate) use fleet_units::diagnostic::error_chain;

use config::NodeConfig;
use keeper::{KeeperError, SupervisorConfig};
use logs::spool::SpoolLimits;
use std::ffi::OsString;
use std::time::Duration;

/// How long the agent may take to stop all units when the daemon is asked to end: above the default TimeoutStopSec=.
const STOP_TIMEOUT: Duration = Duration::from_secs(100);

/// Runs the node daemon's supervisor until it is asked to end; the agent is started by it. Starts no thread.
///
/// # Errors
/// When the state folder is in use, or sockets and folders cannot be made.
pub fn run(config: &NodeConfig) -> Result<(), KeeperError> {
    keeper::run(SupervisorConfig {
        node: config.name.to_string(),
        state: config.state.clone(),
        runtime: config.runtime.clone(),
        agent_argv: agent_argv(config),
        stop_timeout: STOP_TIMEOUT,
        cgroups: true,
        spool_limits: SpoolLimits::default(),
    })
}

/// `fleet: agent NAME --state DIR …`: everything the agent needs to come to the same configuration.
fn agent_argv(config: &NodeConfig) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec![format!("fleet: agent {}", config.name).into()];
    let mut option = |name: &str, value: OsString| argv.extend([name.into(), value]);
    option("--state", config.state.clone().into());
    option("--runtime", config.runtime.clone().into());
    if let Some(http) = config.http {
        option("--http", http.to_string().into());
    }
    if let Some(policy) = &config.policy {
        option("--policy", policy.clone().into());
    }
    argv
}
