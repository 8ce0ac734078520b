//! `fleet node join`: make a key here, have it certified with a token, remember whom to follow.

use crate::error::{CommandError, CommandResult, ErrorKind, Exit};
use fleet_certs::enroll::{self, JoinError};
use fleet_certs::keystore::Keystore;
use fleet_node::config::{Membership, STATE_FORMAT};
use fleet_units::ids::NodeName;
use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Join a fleet with a token.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: fleet node join --coordinator fleet.example.org:7461 --token-file token")]
pub(crate) struct Arguments {
    /// Where the coordinator lets nodes join, host:port
    #[arg(long, env = "FLEET_COORDINATOR", value_name = "HOST:PORT", hide_env = true)]
    coordinator: String,
    /// This node's name; default: the host's
    #[arg(long, env = "FLEET_NAME", hide_env = true)]
    name: Option<NodeName>,
    /// Where the node keeps its identity and state
    #[arg(long, env = "FLEET_STATE", value_name = "DIR", hide_env = true)]
    state: Option<PathBuf>,
    /// A file that holds the token; - is standard input
    #[arg(long, env = "FLEET_TOKEN_FILE", value_name = "FILE", hide_env = true)]
    token_file: Option<PathBuf>,
    /// The token itself; other users of this host can read it in the process list
    #[arg(long, env = "FLEET_JOIN_TOKEN", value_name = "TOKEN", hide_env = true)]
    join_token: Option<String>,
}

pub(crate) fn run(arguments: Arguments, app: &crate::args::App) -> CommandResult {
    if std::env::args().any(|argument| argument.starts_with("--join-token")) {
        app.output.say("warning: other users of this host can read a token in the process list; use --token-file");
    }
    let token = token(&arguments)?;
    let name = match arguments.name {
        Some(name) => name,
        None => host_name()?,
    };
    let state = arguments.state.unwrap_or_else(|| super::node_run::default_state(None));
    if let Ok(member) = Membership::load(&state) {
        let error = format!("{} has already joined {} as {}", state.display(), member.environment, member.name);
        return Err(CommandError::failed(error)
            .hint("start it: fleet node run")
            .hint("or name another folder: --state DIR"));
    }
    app.block_on(join(&token, &arguments.coordinator, &name, &state))?;
    let member = Membership::load(&state).map_err(CommandError::failed)?;
    app.output.say(&format!("{} joined {}; start it with: fleet node run", member.name, member.environment));
    Ok(Exit::Done)
}

/// Joins as `name`, with everything kept in `state`.
pub(crate) async fn join(token: &str, coordinator: &str, name: &NodeName, state: &Path) -> CommandResult<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .map_err(|error| CommandError::because(format!("cannot make {}", state.display()), error))?;
    let keystore = Keystore::new(&state.join("identity"));
    let facts = fleet_node::facts::collect().into_iter().collect();
    let joined = enroll::join(token, coordinator, name, facts, &keystore).await.map_err(explain)?;
    let membership = Membership {
        format: STATE_FORMAT,
        name: joined.node,
        environment: joined.environment,
        trust_domain: joined.credentials.me().domain.as_str().to_owned(),
        endpoints: joined.endpoints.into_iter().map(|told| reachable(told, coordinator)).collect(),
    };
    membership.save(state).map_err(CommandError::failed)
}

/// An endpoint as this host reaches it: one that names no host, as 0.0.0.0:7460, is on the host that `coordinator` names.
fn reachable(told: String, coordinator: &str) -> String {
    match (told.parse::<SocketAddr>(), coordinator.rsplit_once(':')) {
        (Ok(address), Some((host, _))) if address.ip().is_unspecified() => format!("{host}:{}", address.port()),
        _ => told,
    }
}

fn explain(error: JoinError) -> CommandError {
    let kind = match &error {
        JoinError::Token(_) => ErrorKind::Usage,
        JoinError::Connect(_) => ErrorKind::Unreachable,
        JoinError::Refused { .. } => ErrorKind::Refused,
        JoinError::Answer { .. } | JoinError::Tls(_) | JoinError::Keystore(_) => ErrorKind::Failed,
    };
    CommandError::new(kind, error)
}

fn token(arguments: &Arguments) -> CommandResult<String> {
    let text = match (&arguments.token_file, &arguments.join_token) {
        (Some(path), _) if path.as_os_str() == "-" => read(&mut std::io::stdin(), "standard input")?,
        (Some(path), _) => {
            let shown = path.display().to_string();
            let mut file = std::fs::File::open(path)
                .map_err(|error| CommandError::because(format!("cannot read the token from {shown}"), error))?;
            read(&mut file, &shown)?
        }
        (None, Some(token)) => token.clone(),
        (None, None) => {
            return Err(CommandError::usage("no token was given")
                .hint("an operator makes one: fleet token create -e ENV")
                .hint("give it by --token-file FILE (or -), or in FLEET_JOIN_TOKEN"));
        }
    };
    Ok(text.trim().to_owned())
}

fn read(source: &mut impl std::io::Read, shown: &str) -> CommandResult<String> {
    let mut text = String::new();
    source
        .take(4096)
        .read_to_string(&mut text)
        .map_err(|error| CommandError::because(format!("cannot read the token from {shown}"), error))?;
    Ok(text)
}

/// The host's name, up to its first dot.
fn host_name() -> CommandResult<NodeName> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let label = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    label.parse().map_err(|error| {
        CommandError::because(format!("the host's name {name:?} cannot be the node's"), error)
            .hint("give one: --name NAME")
    })
}

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn an_endpoint_without_a_host_is_on_the_host_that_was_joined() {
        let cases = [
            ("0.0.0.0:7460", "fleet.example.org:7461", "fleet.example.org:7460"),
            ("[::]:7460", "[2001:db8::1]:7461", "[2001:db8::1]:7460"),
            ("10.0.0.1:7460", "fleet.example.org:7461", "10.0.0.1:7460"),
            ("other.example.org:7460", "fleet.example.org:7461", "other.example.org:7460"),
        ];
        for (told, coordinator, reached) in cases {
            assert_eq!(reachable(told.to_owned(), coordinator), reached);
        }
    }
}
