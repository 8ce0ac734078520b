//! `fleet node run`: the node daemon of this host. One thread, no async runtime: it is the units' parent.

use crate::error::{CommandError, CommandResult, Exit};
use crate::local_fleet::layout::user_runtime;
use fleet_node::config::{Membership, NodeConfig};
use fleet_units::ids::NodeName;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Run this host's node: follow the coordinator, run units.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The node's name; default: the one it joined with
    #[arg(long, env = "FLEET_NAME", hide_env = true)]
    name: Option<NodeName>,
    /// Where the node keeps its identity and state
    #[arg(long, env = "FLEET_STATE", value_name = "DIR", hide_env = true)]
    state: Option<PathBuf>,
    /// Where sockets and delivered files live
    #[arg(long, env = "FLEET_RUNTIME", value_name = "DIR", hide_env = true)]
    runtime: Option<PathBuf>,
    /// Serve /health and /metrics here, in clear
    #[arg(long, env = "FLEET_HTTP", value_name = "ADDRESS", hide_env = true)]
    http: Option<SocketAddr>,
    /// What units may ask of this host; default: /etc/fleet/policy.toml, if it is there
    #[arg(long, env = "FLEET_POLICY", value_name = "FILE", hide_env = true)]
    policy: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, app: &crate::args::App) -> CommandResult {
    let config = config(arguments)?;
    crate::daemon_log::start(app.log_format);
    fleet_node::run(&config).map_err(CommandError::failed)?;
    Ok(Exit::Done)
}

/// The same arguments, as they reach the node's agent: it must come to the same configuration.
pub(crate) fn config(arguments: &Arguments) -> CommandResult<NodeConfig> {
    let state = arguments.state.clone().unwrap_or_else(|| default_state(arguments.name.as_ref()));
    let member = Membership::load(&state).map_err(|error| {
        CommandError::failed(error).hint("join first: fleet node join --coordinator HOST:7461 --token-file FILE")
    })?;
    if let Some(name) = arguments.name.as_ref().filter(|name| **name != member.name) {
        let error = format!("{} belongs to the node {}, not to {name}", state.display(), member.name);
        return Err(CommandError::usage(error).hint("name the folder of that node: --state DIR"));
    }
    let runtime = arguments.runtime.clone().map_or_else(|| default_runtime(&state, &member.name), Ok)?;
    let policy = arguments.policy.clone().or_else(|| {
        let system = Path::new("/etc/fleet/policy.toml");
        system.exists().then(|| system.to_owned())
    });
    Ok(NodeConfig { name: member.name, state, runtime, http: arguments.http, policy })
}

/// `$STATE_DIRECTORY`, `/var/lib/fleet/node` as root, else `$XDG_STATE_HOME/fleet/node`; with a name, `…/node-NAME` where
/// that exists, so that several nodes can live on one host.
pub(crate) fn default_state(name: Option<&NodeName>) -> PathBuf {
    let base = match (std::env::var_os("STATE_DIRECTORY"), rustix::process::geteuid().is_root()) {
        (Some(given), _) => return PathBuf::from(given),
        (None, true) => PathBuf::from("/var/lib/fleet"),
        (None, false) => user_folder("XDG_STATE_HOME", ".local/state").join("fleet"),
    };
    named(&base, name)
}

/// `…/node` for the default state folder, else `…/node-NAME`, so that no two nodes share one.
fn default_runtime(state: &Path, name: &NodeName) -> CommandResult<PathBuf> {
    let base = match (std::env::var_os("RUNTIME_DIRECTORY"), rustix::process::geteuid().is_root()) {
        (Some(given), _) => return Ok(PathBuf::from(given)),
        (None, true) => PathBuf::from("/run/fleet"),
        (None, false) => user_runtime()?,
    };
    let is_default = state == default_state(None);
    Ok(base.join(if is_default { "node".to_owned() } else { format!("node-{name}") }))
}

fn named(base: &Path, name: Option<&NodeName>) -> PathBuf {
    match name.map(|name| base.join(format!("node-{name}"))) {
        Some(named) if named.exists() => named,
        _ => base.join("node"),
    }
}

fn user_folder(variable: &str, below_home: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/".into())).join(below_home);
    std::env::var_os(variable).map_or_else(home, PathBuf::from)
}
