//! Notify messages (sd_notify(3)) into events of the machine.

use fleet_units::lifecycle::Notice;
use std::time::Duration;

/// What a datagram says, in an order that makes sense whatever its own: the main pid before READY, READY last.
#[must_use]
pub(super) fn parse(text: &str) -> Vec<Notice> {
    let mut notices: Vec<Notice> = text.lines().filter_map(notice).collect();
    notices.sort_by_key(|notice| match notice {
        Notice::MainPid(_) => 0,
        Notice::Ready => 2,
        _ => 1,
    });
    notices
}

fn notice(line: &str) -> Option<Notice> {
    let (key, value) = line.split_once('=')?;
    match (key, value) {
        ("READY", "1") => Some(Notice::Ready),
        ("RELOADING", "1") => Some(Notice::Reloading),
        ("STOPPING", "1") => Some(Notice::Stopping),
        ("WATCHDOG", "1") => Some(Notice::Watchdog),
        ("WATCHDOG", "trigger") => Some(Notice::WatchdogTrigger),
        ("MAINPID", pid) => pid.parse().ok().filter(|pid| *pid > 1).map(Notice::MainPid),
        ("STATUS", text) => Some(Notice::Status(text.to_owned())),
        ("EXTEND_TIMEOUT_USEC", micros) => {
            micros.parse().ok().map(|micros| Notice::ExtendTimeout(Duration::from_micros(micros)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_pid_comes_first_and_ready_last() {
        let notices = parse("READY=1\nSTATUS=up = well\nMAINPID=7\nX=1\nMAINPID=nonsense");
        assert_eq!(notices, [Notice::MainPid(7), Notice::Status("up = well".into()), Notice::Ready]);
    }
}
