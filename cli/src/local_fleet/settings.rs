//! What a local fleet decided when it was made, so that it comes up the same again.

use super::layout::Layout;
use crate::error::{CommandError, CommandResult};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Newest layout of a local fleet's folder this version reads and writes.
const FORMAT: u32 = 1;

/// `fleet.json`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Layout of the folder.
    pub(crate) format: u32,
    /// Nodes of each environment.
    pub(crate) nodes: u32,
    /// Where nodes and operators connect.
    pub(crate) listen: SocketAddr,
    /// Where nodes join.
    pub(crate) enroll: SocketAddr,
    /// Health and metrics of the coordinator.
    pub(crate) http: SocketAddr,
}

impl Settings {
    /// What an earlier start decided; `None`: there was none.
    pub(crate) fn load(layout: &Layout) -> CommandResult<Option<Settings>> {
        let path = layout.settings();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CommandError::because(format!("cannot read {}", path.display()), error)),
        };
        let value: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| CommandError::because(format!("{} is damaged", path.display()), error))?;
        let format = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if format > u64::from(FORMAT) {
            return Err(CommandError::failed(format!(
                "{} was made by a newer Fleet: format {format}, this version knows {FORMAT}",
                layout.root.display()
            ))
            .hint("run the newer version, or start another fleet: fleet up --dir DIR"));
        }
        serde_json::from_value(value)
            .map(Some)
            .map_err(|error| CommandError::because(format!("{} is damaged", path.display()), error))
    }

    /// Free ports on loopback. All are held until all are found, so that no two are the same.
    pub(crate) fn choose(nodes: u32) -> CommandResult<Settings> {
        let held: Vec<TcpListener> = (0..3)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .collect::<Result<_, _>>()
            .map_err(|error| CommandError::because("cannot find free ports on 127.0.0.1", error))?;
        let address = |at: usize| held[at].local_addr().expect("a bound socket has an address");
        Ok(Settings { format: FORMAT, nodes, listen: address(0), enroll: address(1), http: address(2) })
    }

    /// Writes it into the folder.
    pub(crate) fn save(&self, layout: &Layout) -> CommandResult<()> {
        let path = layout.settings();
        let text = serde_json::to_string_pretty(self).expect("plain values");
        fleet_node::stored::write_durably(&path, text.as_bytes())
            .map_err(|error| CommandError::because(format!("cannot write {}", path.display()), error))
    }
}
