//! The node on this host, over its local socket: works with the coordinator away.

use super::error_of;
use crate::error::{CommandError, CommandResult, ErrorKind, did_you_mean};
use fleet_proto::v1::local_service_client::LocalServiceClient;
use hyper_util::rt::TokioIo;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

/// The generated client.
pub(crate) type Rpc = LocalServiceClient<Channel>;

/// Where the node's socket is.
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// The node's local socket
    #[arg(long, env = "FLEET_SOCKET", value_name = "PATH", conflicts_with = "name", hide_env = true)]
    socket: Option<PathBuf>,
    /// The node's name, where this host has several
    #[arg(long, env = "FLEET_NAME", value_name = "NODE", hide_env = true)]
    name: Option<String>,
}

/// A connection to a node of this host.
pub(crate) struct Local {
    rpc: Rpc,
    peer: String,
}

/// Connects to the node `place` names, or the only one of this host.
pub(crate) async fn connect(place: &Where) -> CommandResult<Local> {
    let socket = find(place)?;
    let peer = format!("the node at {}", socket.display());
    let unreachable = |error: Box<dyn std::error::Error + Send + Sync>| {
        CommandError::because(format!("cannot reach {peer}"), error)
            .of_kind(ErrorKind::Unreachable)
            .hint("is the node daemon running, and is it yours? Its socket answers its own user and root")
    };
    let stream = UnixStream::connect(&socket).await.map_err(|error| unreachable(error.into()))?;
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_| {
        let stream = stream.take().ok_or_else(|| std::io::Error::other("the node closed the connection"));
        async move { stream }
    });
    // The address is never looked up; the connector has the stream already.
    let endpoint = Endpoint::from_static("http://local");
    let channel = endpoint.connect_with_connector(connector).await.map_err(|error| unreachable(error.into()))?;
    Ok(Local { rpc: LocalServiceClient::new(channel).max_decoding_message_size(super::MAX_MESSAGE), peer })
}

impl Local {
    /// One call; its message, or what the refusal means.
    pub(crate) async fn call<T>(
        &mut self,
        call: impl AsyncFnOnce(&mut Rpc) -> Result<Response<T>, Status>,
    ) -> CommandResult<T> {
        match call(&mut self.rpc).await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(self.error(status)),
        }
    }

    /// What `status` means on this connection.
    pub(crate) fn error(&self, status: Status) -> CommandError {
        error_of(status, &self.peer)
    }
}

/// The socket of the node `name` of this host.
pub(crate) fn socket_of(name: &str) -> CommandResult<PathBuf> {
    named(name, &sockets(&bases()))
}

fn find(place: &Where) -> CommandResult<PathBuf> {
    if let Some(socket) = &place.socket {
        return Ok(socket.clone());
    }
    let found = sockets(&bases());
    match &place.name {
        Some(name) => named(name, &found),
        None => only(&found),
    }
}

fn named(name: &str, found: &[(String, PathBuf)]) -> CommandResult<PathBuf> {
    let same: Vec<&PathBuf> = found.iter().filter(|(node, _)| node == name).map(|(_, socket)| socket).collect();
    match same[..] {
        [socket] => return Ok(socket.clone()),
        [] => {}
        _ => {
            let error = CommandError::usage(format!("this host has several nodes {name}"));
            return Err(same.iter().fold(error, |error, socket| error.hint(format!("--socket {}", socket.display()))));
        }
    }
    let error = CommandError::failed(format!("there is no node {name} on this host"));
    Err(match did_you_mean(name, found.iter().map(|(node, _)| node.as_str())) {
        Some(hint) => error.hint(hint),
        None => error.hint(listing(found)),
    })
}

fn only(found: &[(String, PathBuf)]) -> CommandResult<PathBuf> {
    match found {
        [(_, socket)] => Ok(socket.clone()),
        [] => {
            Err(CommandError::new(ErrorKind::Unreachable, "there is no node running on this host").hint(listing(found)))
        }
        _ => Err(CommandError::usage("this host has several nodes").hint(listing(found))),
    }
}

fn listing(found: &[(String, PathBuf)]) -> String {
    let mut names: Vec<&str> = found.iter().map(|(node, _)| node.as_str()).collect();
    names.dedup();
    match names.is_empty() {
        true => "--socket PATH names the socket of one that runs elsewhere".to_owned(),
        false => format!("--name NODE, with NODE one of {}", names.join(", ")),
    }
}

/// The folders nodes put their runtime folders in.
fn bases() -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let user = variable("XDG_RUNTIME_DIR").map(|base| base.join("fleet"));
    let without = PathBuf::from(format!("/tmp/fleet-{}", rustix::process::geteuid().as_raw()));
    let system = PathBuf::from("/run/fleet");
    let own = [without.join("fleet"), without, system];
    variable("RUNTIME_DIRECTORY").into_iter().chain(user).chain(own).collect()
}

/// Every local socket below `bases`, with its node's name: `BASE/node-NAME/local.sock`, and for the nodes of a `fleet up`
/// `BASE/local-HASH/node-NAME/local.sock`; the name of `BASE/local.sock` and `BASE/node/local.sock` is `node`.
fn sockets(bases: &[PathBuf]) -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    let mut offer = |name: &str, folder: &Path| {
        let socket = folder.join("local.sock");
        if socket.exists() && !found.iter().any(|(_, known)| *known == socket) {
            found.push((name.to_owned(), socket));
        }
    };
    for base in bases {
        offer("node", base);
        offer("node", &base.join("node"));
        for (entry, folder) in folders(base) {
            if let Some(name) = entry.strip_prefix("node-") {
                offer(name, &folder);
            } else if entry.starts_with("local-") {
                for (entry, folder) in folders(&folder) {
                    if let Some(name) = entry.strip_prefix("node-") {
                        offer(name, &folder);
                    }
                }
            }
        }
    }
    found.sort();
    found
}

/// The entries of a folder: name and path. None when it cannot be read.
fn folders(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_node_of_a_host_needs_no_name() {
        let base = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let folder = base.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("local.sock"), "").unwrap();
            folder.join("local.sock")
        };
        let bases = [base.path().to_owned(), base.path().to_owned()];
        assert_eq!(only(&sockets(&bases)).unwrap_err().kind, ErrorKind::Unreachable);
        let first = place("node-web-1");
        assert_eq!(only(&sockets(&bases)).unwrap(), first);
        let second = place("node-web-2");
        assert_eq!(only(&sockets(&bases)).unwrap_err().kind, ErrorKind::Usage);
        assert_eq!(named("web-2", &sockets(&bases)).unwrap(), second);
        assert_eq!(named("web-9", &sockets(&bases)).unwrap_err().hints().len(), 1);
        let local = place("local-07a6cd70/node-develop-1");
        assert_eq!(named("develop-1", &sockets(&bases)).unwrap(), local);
        place("local-b2301f28/node-develop-1");
        let several = named("develop-1", &sockets(&bases)).unwrap_err();
        assert_eq!((several.kind, several.hints().len()), (ErrorKind::Usage, 2), "each socket is named");
    }
}
