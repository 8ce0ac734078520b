//! The node daemon: a guard that is the parent of everything, a supervisor that acts, a logger, and an agent that decides.
//!
//! ```text
//! run (guard) --starts--> log_units (logger), supervise_units (supervisor) --control socket--> agent (tokio)
//!                                                          link -> desk -> engine (supervise) -> control
//!                                                          local socket, http, log shipping, renewal
//! ```

pub mod admission;
pub mod agent;
pub mod claims;
pub mod config;
pub mod control;
pub mod desk;
pub mod facts;
pub mod health;
pub mod host_units;
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
use keeper::{GuardConfig, KeeperError, LoggerConfig, SupervisorConfig};
use logs::spool::SpoolLimits;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How long the agent may take to stop all units when the daemon is asked to end: above the default TimeoutStopSec=.
const STOP_TIMEOUT: Duration = Duration::from_secs(100);

/// Runs the node daemon's guard until it is asked to end; supervisor, logger and agent are started by it. Starts no thread.
///
/// # Errors
/// When the state folder is in use, or sockets and folders cannot be made.
pub fn run(config: &NodeConfig) -> Result<(), KeeperError> {
    keeper::guard(GuardConfig {
        node: config.name.to_string(),
        state: config.state.clone(),
        runtime: config.runtime.clone(),
        supervisor_argv: argv("supervisor", config),
        logger_argv: argv("logger", config),
        agent_argv: agent_argv(config),
    })
}

/// Runs the node daemon's supervisor in a process that the guard has started.
///
/// # Errors
/// When no guard has started it.
pub fn supervise_units(node: String, state: PathBuf, runtime: PathBuf) -> Result<(), KeeperError> {
    keeper::supervisor(SupervisorConfig { node, state, runtime, stop_timeout: STOP_TIMEOUT, cgroups: true })
}

/// Runs the node daemon's logger in a process that the guard has started.
///
/// # Errors
/// When no guard has started it, or the spool cannot be used.
pub fn log_units(node: String, state: PathBuf, runtime: PathBuf) -> Result<(), KeeperError> {
    keeper::logger(LoggerConfig { node, state, runtime, spool_limits: SpoolLimits::default() })
}

/// `fleet: ROLE NAME --state DIR --runtime DIR`
fn argv(role: &str, config: &NodeConfig) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec![format!("fleet: {role} {}", config.name).into()];
    argv.extend(["--state".into(), config.state.clone().into()]);
    argv.extend(["--runtime".into(), config.runtime.clone().into()]);
    argv
}

/// Everything the agent needs to come to the same configuration.
fn agent_argv(config: &NodeConfig) -> Vec<OsString> {
    let mut argv = argv("agent", config);
    let mut option = |name: &str, value: OsString| argv.extend([name.into(), value]);
    if let Some(http) = config.http {
        option("--http", http.to_string().into());
    }
    if let Some(policy) = &config.policy {
        option("--policy", policy.clone().into());
    }
    argv
}
