//! Listening on a port, with an error that names who has it when it is taken.
//!
//! Shared by the coordinator's and the node's listeners, which is why it stands beside the socket options.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// Why a port cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Somebody else has it.
    #[error("{address} is taken by {holder}; end that, or choose another address")]
    Taken {
        /// The address asked for.
        address: SocketAddr,
        /// Program and process id, as far as this user may see them.
        holder: String,
    },
    /// The system refuses.
    #[error("listening on {address}")]
    Refused {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Listens on `address`; the socket is non-blocking, ready for tokio. Port 0 takes a free one.
pub fn listen(address: SocketAddr) -> Result<TcpListener, PortError> {
    let listener = TcpListener::bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => PortError::Taken { address, holder: holder(address.port()) },
        _ => PortError::Refused { address, source },
    })?;
    listener.set_nonblocking(true).map_err(|source| PortError::Refused { address, source })?;
    Ok(listener)
}

/// Who listens on a TCP port of this host: `NAME (process PID)`, or what else can be said.
#[must_use]
pub fn holder(port: u16) -> String {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|table| listening(&fs::read_to_string(table).unwrap_or_default(), port))
        .collect();
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let found = processes.find_map(|pid| {
        let folder = Path::new("/proc").join(pid.to_string());
        let name = has_one_of(&folder.join("fd"), &links).then(|| fs::read_to_string(folder.join("comm")).ok())??;
        Some(format!("{} (process {pid})", name.trim_end()))
    });
    found.unwrap_or_else(|| "a process of another user or namespace".to_owned())
}

/// The inodes of listening sockets at `port` in a table of proc_pid_net(5).
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let here = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()? == port;
        (here && *state == LISTEN).then(|| (*inode).to_owned())
    };
    table.lines().filter_map(row).collect()
}

fn has_one_of(descriptors: &Path, links: &[String]) -> bool {
    let Ok(entries) = fs::read_dir(descriptors) else {
        return false;
    };
    let mut targets = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.any(|target| target.to_str().is_some_and(|target| links.iter().any(|link| link == target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_holder() {
        let first = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = listen(address).unwrap_err().to_string();
        assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
        assert!(error.contains(&address.to_string()), "{error}");
        drop(first);
        assert!(listen(address).is_ok());
    }

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
             1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n\
             2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n";
        assert_eq!(listening(table, 8080), ["4711"]);
        assert!(listening(table, 1).is_empty());
    }
}
