//! How processes are ended, the same in every section that has some.

use crate::spec::merge::Row;
use crate::spec::reader::Reader;
use crate::spec::{KillMode, KillSpec};

const KILL_MODES: &[(&str, KillMode)] = &[
    ("control-group", KillMode::ControlGroup),
    ("mixed", KillMode::Mixed),
    ("process", KillMode::Process),
    ("none", KillMode::None),
];

/// Reads one directive; `false` when it is none of systemd.kill(5). `RestartKillSignal=` has no default of its own.
pub(crate) fn row(
    reader: &mut Reader<'_>,
    row: &Row<'_>,
    kill: &mut KillSpec,
    restart_signal: &mut Option<i32>,
) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "KillMode" => kill.mode = reader.choice(last, KILL_MODES).unwrap_or(kill.mode),
        "KillSignal" => kill.signal = reader.signal(last).unwrap_or(kill.signal),
        "RestartKillSignal" => *restart_signal = reader.signal(last),
        "FinalKillSignal" => kill.final_signal = reader.signal(last).unwrap_or(kill.final_signal),
        "SendSIGHUP" => kill.send_sighup = reader.boolean(last).unwrap_or_default(),
        "SendSIGKILL" => kill.send_sigkill = reader.boolean(last).unwrap_or(true),
        _ => return false,
    }
    true
}
