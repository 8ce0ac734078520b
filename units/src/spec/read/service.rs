//! `[Service]`: commands, restarts, time limits.

use super::{details, within};
use crate::spec::command::commands;
use crate::spec::merge::Row;
use crate::spec::reader::{FOR_EVER, Reader};
use crate::spec::service::ExitStatusSet;
use crate::spec::signal::{ExitOrSignal, exit_or_signal};
use crate::spec::{NotifyAccess, Restart, ServiceSpec, ServiceType};
use crate::syntax::words::Escapes;
use std::time::Duration;

/// A service while it is being read: what has no default of its own yet.
#[derive(Default)]
pub(crate) struct Draft {
    pub spec: ServiceSpec,
    pub service_type: Option<ServiceType>,
    pub notify_access: Option<NotifyAccess>,
    pub timeout_start: Option<Option<Duration>>,
    pub timeout_abort: Option<Option<Duration>>,
    pub restart_signal: Option<i32>,
}

/// Reads one directive into `draft`; `false` when it is none of this family.
pub(crate) fn row(reader: &mut Reader<'_>, row: &Row<'_>, draft: &mut Draft) -> bool {
    command_row(reader, row, &mut draft.spec)
        || lifetime_row(reader, row, draft)
        || status_row(reader, row, &mut draft.spec)
        || reload_signal_row(reader, row, &mut draft.spec)
        || super::kill::row(reader, row, &mut draft.spec.kill, &mut draft.restart_signal)
        || within(&mut draft.spec.details, |details| details::service_row(reader, row, details))
}

fn command_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ServiceSpec) -> bool {
    let target = match row.directive.key {
        "ExecCondition" => &mut spec.exec_condition,
        "ExecStartPre" => &mut spec.exec_start_pre,
        "ExecStart" => &mut spec.exec_start,
        "ExecStartPost" => &mut spec.exec_start_post,
        "ExecReload" => &mut spec.exec_reload,
        "ExecStop" => &mut spec.exec_stop,
        "ExecStopPost" => &mut spec.exec_stop_post,
        _ => return false,
    };
    *target = commands(reader, row.values);
    true
}

fn lifetime_row(reader: &mut Reader<'_>, row: &Row<'_>, draft: &mut Draft) -> bool {
    let Some(last) = row.values.last() else { return true };
    let spec = &mut draft.spec;
    match row.directive.key {
        "Type" => draft.service_type = reader.choice(last, TYPES),
        "RemainAfterExit" => spec.remain_after_exit = reader.boolean(last).unwrap_or_default(),
        "PIDFile" => spec.pid_file = pid_file(reader, row),
        "Restart" => spec.restart = reader.choice(last, RESTARTS).unwrap_or(Restart::No),
        "RestartSec" => spec.restart_sec = reader.long_span(last).unwrap_or(spec.restart_sec),
        "RestartSteps" => spec.restart_steps = reader.integer(last, row.directive.kind).unwrap_or_default(),
        "RestartMaxDelaySec" => spec.restart_max_delay = reader.span(last).flatten(),
        // For starts and stops 0 means that there is no limit (systemd.service(5)).
        "TimeoutStartSec" => draft.timeout_start = reader.span(last).map(no_zero),
        "TimeoutStopSec" => spec.timeout_stop = reader.span(last).map_or(spec.timeout_stop, no_zero),
        "TimeoutAbortSec" => draft.timeout_abort = reader.span(last).map(no_zero),
        "RuntimeMaxSec" => spec.runtime_max = reader.span(last).flatten(),
        "WatchdogSec" => spec.watchdog = reader.span(last).flatten().filter(|span| !span.is_zero()),
        "NotifyAccess" => draft.notify_access = reader.choice(last, NOTIFY_ACCESS),
        _ => return false,
    }
    true
}

const TYPES: &[(&str, ServiceType)] = &[
    ("simple", ServiceType::Simple),
    ("exec", ServiceType::Exec),
    ("forking", ServiceType::Forking),
    ("oneshot", ServiceType::Oneshot),
    ("notify", ServiceType::Notify),
    ("notify-reload", ServiceType::NotifyReload),
    ("dbus", ServiceType::Dbus),
    ("idle", ServiceType::Idle),
];
const RESTARTS: &[(&str, Restart)] = &[
    ("no", Restart::No),
    ("on-success", Restart::OnSuccess),
    ("on-failure", Restart::OnFailure),
    ("on-abnormal", Restart::OnAbnormal),
    ("on-watchdog", Restart::OnWatchdog),
    ("on-abort", Restart::OnAbort),
    ("always", Restart::Always),
];
const NOTIFY_ACCESS: &[(&str, NotifyAccess)] = &[
    ("none", NotifyAccess::None),
    ("main", NotifyAccess::Main),
    ("exec", NotifyAccess::Exec),
    ("all", NotifyAccess::All),
];
fn no_zero(span: Option<Duration>) -> Option<Duration> {
    span.filter(|span| !span.is_zero() && *span != FOR_EVER)
}

/// Absolute; a relative one is below /run, and /var/run means /run (systemd.service(5)).
fn pid_file(reader: &mut Reader<'_>, row: &Row<'_>) -> Option<String> {
    let last = row.values.last()?;
    let text = reader.text(last)?;
    let text = if text.starts_with('/') || reader.is_open(&text) { text } else { format!("/run/{text}") };
    let path = reader.absolute(last, 0, &text)?;
    Some(reader.below_run(last, path))
}

fn status_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ServiceSpec) -> bool {
    let target = match row.directive.key {
        "SuccessExitStatus" => &mut spec.success_exit_status,
        "RestartPreventExitStatus" => &mut spec.restart_prevent,
        "RestartForceExitStatus" => &mut spec.restart_force,
        _ => return false,
    };
    *target = exit_statuses(reader, row);
    true
}

fn exit_statuses(reader: &mut Reader<'_>, row: &Row<'_>) -> ExitStatusSet {
    let mut set = ExitStatusSet::default();
    for (at, word) in reader.words(row.values, Escapes::Unquoted) {
        match reader.checked_at(&at, word.offset, exit_or_signal(&word.text)) {
            Some(ExitOrSignal::Exit(code)) => {
                set.codes.insert(code);
            }
            Some(ExitOrSignal::Signal(signal)) => {
                set.signals.insert(signal);
            }
            None => {}
        }
    }
    set
}

fn reload_signal_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ServiceSpec) -> bool {
    let (Some(last), "ReloadSignal") = (row.values.last(), row.directive.key) else { return false };
    spec.kill.reload_signal = reader.signal(last).unwrap_or(spec.kill.reload_signal);
    true
}
