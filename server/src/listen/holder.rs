//! Who has a TCP port: `/proc/net/tcp` gives the socket's inode, `/proc/PID/fd` the process, as far as we may look.

use std::path::Path;

/// One sentence about who listens on `port`, for an error message.
pub(super) fn describe(port: u16) -> String {
    match find(port) {
        Some((pid, command)) => format!("port {port} is taken by process {pid} ({command})"),
        None => format!("port {port} is taken by a process of another user or container"),
    }
}

fn find(port: u16) -> Option<(u32, String)> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    let wanted: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find_map(|pid: u32| {
        let folder = format!("/proc/{pid}");
        holds(Path::new(&folder), &wanted).then(|| (pid, command(Path::new(&folder))))
    })
}

/// Inodes of the sockets that listen on `port`, out of a table as proc_pid_net(5) describes it.
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|fields| fields.len() > 9 && fields[1].ends_with(&suffix) && fields[3] == LISTEN)
        .map(|fields| fields[9].to_owned())
        .collect()
}

fn holds(process: &Path, wanted: &[String]) -> bool {
    let Ok(files) = std::fs::read_dir(process.join("fd")) else { return false };
    files
        .flatten()
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .any(|target| wanted.iter().any(|socket| target.as_os_str() == socket.as_str()))
}

/// The command line, cut to 80 characters and without control characters: it is foreign text.
fn command(process: &Path) -> String {
    let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&line).replace('\0', " ");
    text.trim().chars().map(|char| if char.is_control() { '?' } else { char }).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (pid, command) = find(port).unwrap();
        assert_eq!(pid, std::process::id());
        assert!(!command.is_empty());
        assert!(describe(port).contains(&pid.to_string()));
    }

    #[test]
    fn only_listening_sockets_on_exactly_this_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1D24 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1\n\
            1: 0100007F:1D24 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 222 1\n\
            2: 0100007F:1D25 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1\n";
        assert_eq!(listening(table, 0x1D24), ["111"]);
    }
}
