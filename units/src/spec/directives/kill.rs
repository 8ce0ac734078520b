//! `[Service]` and the other sections with processes: systemd.kill(5).

use super::Change::None;
use super::{Directive, Kind, works};

const S: &str = "Service";

/// How processes are ended.
pub(super) const ROWS: &[Directive] = &[
    works(
        S,
        "KillMode",
        Kind::Choice(&["control-group", "mixed", "process", "none"]),
        "control-group",
        None,
        "Which processes the signals go to.",
    ),
    works(S, "KillSignal", Kind::Signal, "SIGTERM", None, "The first signal of a stop."),
    works(
        S,
        "RestartKillSignal",
        Kind::Signal,
        "KillSignal=",
        None,
        "The first signal of a stop that belongs to a restart.",
    ),
    works(S, "FinalKillSignal", Kind::Signal, "SIGKILL", None, "The last signal of a stop."),
    works(S, "SendSIGHUP", Kind::Bool, "no", None, "SIGHUP is sent right after KillSignal=."),
    works(S, "SendSIGKILL", Kind::Bool, "yes", None, "The final signal is sent when the time is up."),
    works(S, "WatchdogSignal", Kind::Signal, "SIGABRT", None, "The signal of the watchdog."),
];
