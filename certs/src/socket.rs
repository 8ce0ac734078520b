//! How long a silent peer is believed in: TCP options set on both ends of every link.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// Silence after which the kernel asks the peer whether it is there.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(4);
/// Time between two such questions.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// Questions without an answer until the peer counts as gone.
pub const KEEPALIVE_COUNT: u32 = 2;
/// `TCP_USER_TIMEOUT` of links to nodes: a dead one is noticed in under 10 s (tcp(7): it overrides keepalive for closing).
pub const NODE_USER_TIMEOUT: Duration = Duration::from_secs(8);
/// `TCP_USER_TIMEOUT` of every other link.
pub const OTHER_USER_TIMEOUT: Duration = Duration::from_secs(15);

/// Sets nodelay, keepalive and `user_timeout` (whole milliseconds) on a TCP socket.
pub fn tune(socket: &impl AsFd, user_timeout: Duration) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_COUNT)?;
    let millis = u32::try_from(user_timeout.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(socket, millis)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_arrive_at_the_socket() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        tune(&stream, NODE_USER_TIMEOUT).unwrap();
        use rustix::net::sockopt;
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 8000);
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), KEEPALIVE_IDLE);
        assert!(sockopt::tcp_nodelay(&stream).unwrap());
    }
}
