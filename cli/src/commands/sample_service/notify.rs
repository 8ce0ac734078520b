//! systemd's notification protocol, the service's side (sd_notify(3)): datagrams to `$NOTIFY_SOCKET`.

use super::service::Service;
use rustix::time::{ClockId, clock_gettime};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Tells the service manager `state` (`READY=1`, …); without one, or when it does not listen, nothing happens.
pub(super) fn send(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&path),
    };
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound()) {
        let _ = socket.send_to_addr(state.as_bytes(), &address);
    }
}

/// Feeds the watchdog, if there is one, and reloads on SIGHUP; for ever.
pub(super) async fn keep(service: &Service) {
    let mut hangup = signal(SignalKind::hangup()).expect("SIGHUP may be caught, and the runtime has a signal driver");
    // Half of the time the manager waits, as sd_watchdog_enabled(3) advises.
    let watchdog = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
    let pause = watchdog.map(|micros: u64| Duration::from_micros(micros / 2).max(Duration::from_millis(1)));
    loop {
        let tick = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tick => send("WATCHDOG=1"),
            _ = hangup.recv() => reload(service),
        }
    }
}

fn reload(service: &Service) {
    let now = clock_gettime(ClockId::Monotonic);
    send(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1_000));
    service.log.info("reloaded", &[("motd", service.motd().into())]);
    send("READY=1");
}
