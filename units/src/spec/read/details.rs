//! What few units set: the rest of `[Unit]` and of `[Service]`.

use crate::diagnostic::{Diagnostic, codes};
use crate::ids::{UnitKind, UnitName};
use crate::spec::details::{HostAction, JobMode, ServiceDetails, UnitDetails};
use crate::spec::layers::suffix_of;
use crate::spec::merge::{Assigned, Row};
use crate::spec::reader::Reader;
use crate::spec::value::{boolean, credential, mount};
use crate::syntax::words::Escapes;
use std::collections::BTreeSet;

/// Reads one directive of `[Unit]` or `[Install]` into `spec`; `false` when it is none of these.
pub(crate) fn unit_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut UnitDetails) -> bool {
    let values = row.values;
    match row.directive.key {
        "Upholds" => spec.upholds = reader.units(values),
        "PropagatesReloadTo" => spec.propagates_reload_to = reader.units(values),
        "ReloadPropagatedFrom" => spec.reload_propagated_from = reader.units(values),
        "PropagatesStopTo" => spec.propagates_stop_to = reader.units(values),
        "StopPropagatedFrom" => spec.stop_propagated_from = reader.units(values),
        "JoinsNamespaceOf" => spec.joins_namespace_of = reader.units(values),
        "UpheldBy" => spec.upheld_by = reader.units(values),
        "RequiresMountsFor" => spec.requires_mounts_for = reader.parsed(values, Escapes::Plain, plain_path),
        "WantsMountsFor" => spec.wants_mounts_for = reader.parsed(values, Escapes::Plain, plain_path),
        _ => return values.last().is_none_or(|last| policy_row(reader, row, last, spec)),
    }
    true
}

/// These have no prefixes.
fn plain_path(word: &str) -> Result<mount::PathRule, String> {
    if word.starts_with(['-', '+']) {
        return Err(format!("the path {word:?} is not absolute"));
    }
    mount::path_rule(word)
}

fn policy_row(reader: &mut Reader<'_>, row: &Row<'_>, last: &Assigned<'_>, spec: &mut UnitDetails) -> bool {
    match row.directive.key {
        "OnSuccessJobMode" => {
            spec.on_success_job_mode = Some(reader.keyword(last));
            not_built_job_mode(reader, row, spec.on_success_job_mode);
        }
        "OnFailureJobMode" => {
            spec.on_failure_job_mode = failure_job_mode(reader, last);
            not_built_job_mode(reader, row, spec.on_failure_job_mode);
        }
        "StopWhenUnneeded" => spec.stop_when_unneeded = reader.yes(last),
        "RefuseManualStart" => spec.refuse_manual_start = reader.yes(last),
        "RefuseManualStop" => spec.refuse_manual_stop = reader.yes(last),
        "SurviveFinalKillSignal" => spec.survive_final_kill = reader.yes(last),
        "JobTimeoutSec" => spec.job_timeout = reader.span(last).flatten().filter(|span| !span.is_zero()),
        "JobRunningTimeoutSec" => {
            spec.job_running_timeout = reader.span(last).flatten().filter(|span| !span.is_zero());
        }
        "JobTimeoutAction" => spec.job_timeout_action = action(reader, last),
        "StartLimitAction" => spec.start_limit_action = action(reader, last),
        "FailureAction" => spec.failure_action = action(reader, last),
        "SuccessAction" => spec.success_action = action(reader, last),
        "FailureActionExitStatus" => spec.failure_exit_status = reader.integer(last, row.directive.kind),
        "SuccessActionExitStatus" => spec.success_exit_status = reader.integer(last, row.directive.kind),
        "JobTimeoutRebootArgument" => spec.job_timeout_reboot_argument = reboot_argument(reader, last),
        "RebootArgument" => spec.reboot_argument = reboot_argument(reader, last),
        _ => return false,
    }
    true
}

/// What reboot(2) takes: ASCII, as long as a file name (systemd's `reboot_parameter_is_valid`).
fn reboot_argument(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<String> {
    let text = reader.text(at)?;
    let fits = text.is_ascii() && text.len() <= 255;
    reader.checked(
        at,
        if fits { Ok(text) } else { Err("an argument of a reboot is ASCII of at most 255 bytes".to_owned()) },
    )
}

fn action(reader: &mut Reader<'_>, at: &Assigned<'_>) -> HostAction {
    reader.keyword(at)
}

/// The old spelling `OnFailureIsolate=` is a boolean.
fn failure_job_mode(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<JobMode> {
    if &*at.assignment.key != "OnFailureIsolate" {
        return Some(reader.keyword(at));
    }
    let isolate = reader.checked(at, boolean(at.value()))?;
    Some(if isolate { JobMode::Isolate } else { JobMode::Replace })
}

/// Of the modes two mean something where jobs follow a desired state; the others are listed, and the directive's
/// default applies.
fn not_built_job_mode(reader: &mut Reader<'_>, row: &Row<'_>, mode: Option<JobMode>) {
    if let Some(other) = mode.filter(|mode| !matches!(mode, JobMode::Replace | JobMode::Fail)) {
        reader.not_built(format!("{}={}", row.directive.key, other.as_str()));
    }
}

/// Reads one directive of `[Service]` into `spec`; `false` when it is none of these.
pub(crate) fn service_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ServiceDetails) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "ExitType" => spec.exit_type = reader.keyword(last),
        "RestartMode" => spec.restart_mode = reader.keyword(last),
        "TimeoutStartFailureMode" => spec.timeout_start_failure = reader.keyword(last),
        "TimeoutStopFailureMode" => spec.timeout_stop_failure = reader.keyword(last),
        "RuntimeRandomizedExtraSec" => spec.runtime_random_extra = reader.long_span(last),
        "WatchdogSignal" => spec.watchdog_signal = reader.signal(last),
        "RootDirectoryStartOnly" => spec.root_directory_start_only = reader.yes(last),
        "PermissionsStartOnly" => {
            spec.permissions_start_only = reader.yes(last);
            let message = "PermissionsStartOnly= is an old spelling";
            let note = Diagnostic::note(codes::DEPRECATED_SPELLING, last.key_place(), message);
            reader.diagnostics.push(note.with_hint("write the prefix + before the commands that need root"));
        }
        "GuessMainPID" => spec.guess_main_pid = reader.boolean(last),
        "ReloadLimitIntervalSec" => spec.reload_limit_interval = reader.long_span(last),
        "ReloadLimitBurst" => spec.reload_limit_burst = reader.integer(last, row.directive.kind),
        "RefreshOnReload" => spec.refresh_on_reload = refresh(reader, row),
        "BusName" => spec.bus_name = bus_name(reader, last),
        "OOMPolicy" => spec.oom_policy = Some(reader.keyword(last)),
        _ => return descriptor_row(reader, row, last, spec),
    }
    true
}

fn descriptor_row(reader: &mut Reader<'_>, row: &Row<'_>, last: &Assigned<'_>, spec: &mut ServiceDetails) -> bool {
    match row.directive.key {
        "NonBlocking" => spec.non_blocking = reader.yes(last),
        "Sockets" => spec.sockets = sockets(reader, row),
        "FileDescriptorStoreMax" => {
            spec.stored_descriptors_max = reader.integer(last, row.directive.kind).unwrap_or_default();
        }
        "FileDescriptorStorePreserve" => spec.preserve_descriptors = reader.keyword(last),
        "OpenFile" => spec.open_files = reader.lines(row.values, credential::open_file),
        "USBFunctionDescriptors" => spec.usb_descriptors = reader.path(last, 0, last.value()),
        "USBFunctionStrings" => spec.usb_strings = reader.path(last, 0, last.value()),
        _ => return false,
    }
    true
}

/// Units of one kind alone.
fn sockets(reader: &mut Reader<'_>, row: &Row<'_>) -> BTreeSet<UnitName> {
    for (at, word) in reader.words(row.values, Escapes::Raw) {
        if suffix_of(&word.text).is_some_and(|suffix| suffix != "socket") {
            let message = format!("{:?} is no socket", word.text);
            reader.checked_at::<()>(&at, word.offset, Err(message));
        }
    }
    let mut units = reader.units(row.values);
    units.retain(|unit| unit.kind() == UnitKind::Socket);
    units
}

/// `extensions`, `credentials`, behind a `~` all but these; or a boolean.
fn refresh(reader: &mut Reader<'_>, row: &Row<'_>) -> Vec<String> {
    let known = |word: &str| match (word.trim_start_matches('~'), boolean(word)) {
        ("extensions" | "credentials", _) | (_, Ok(_)) => Ok(word.to_owned()),
        _ => Err(format!("{word:?} is none of extensions, credentials, yes, no")),
    };
    reader.parsed(row.values, Escapes::Plain, known)
}

/// Names of the D-Bus specification: parts between dots, no digit first; those of a single connection, behind a
/// colon, may have some.
fn bus_name(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<String> {
    let text = reader.text(at)?;
    let example = reader.example(&text);
    let part = |part: &str| {
        let plain = part.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        plain && !part.is_empty() && (example.starts_with(':') || !part.starts_with(|c: char| c.is_ascii_digit()))
    };
    let name = example.strip_prefix(':').unwrap_or(&example);
    let fits = name.contains('.') && name.split('.').all(part) && text.len() <= 255;
    let name =
        fits.then(|| text.clone()).ok_or_else(|| format!("{text:?} is no name on the bus such as org.example.App"));
    reader.checked(at, name)
}
