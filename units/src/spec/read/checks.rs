//! What a unit's settings say together: systemd's own refusals (`service_verify`), defaults that depend on others, and
//! (below `checks/`) settings that contradict each other or have no effect.

mod together;

pub(crate) use together::together;

use super::service::Draft;
use crate::diagnostic::{Diagnostic, Place, codes};
use crate::spec::merge::Merged;
use crate::spec::reader::Reader;
use crate::spec::{KillMode, NotifyAccess, Restart, ServiceSpec, ServiceType};

/// Completes a draft and reports contradictions. `file` is the unit file.
pub(crate) fn finish(reader: &mut Reader<'_>, mut draft: Draft, merged: &Merged<'_>, file: &str) -> ServiceSpec {
    let whole = Place { file: file.to_owned(), line: 0, column: 0 };
    let place = |key: &str| merged.last(key).map_or(whole.clone(), |at| at.key_place());
    complete(reader, &mut draft, merged, &place);
    let spec = draft.spec;
    commands(reader, &spec, merged, &place);
    oneshot(reader, &spec, &place);
    unwise(reader, &spec, &place);
    spec
}

/// Defaults that depend on other settings (systemd.service(5); systemd's `service_add_extras`).
fn complete(reader: &mut Reader<'_>, draft: &mut Draft, merged: &Merged<'_>, place: &impl Fn(&str) -> Place) {
    let spec = &mut draft.spec;
    spec.service_type =
        draft.service_type.unwrap_or_else(|| match (merged.last("BusName"), merged.last("ExecStart")) {
            (Some(_), _) => ServiceType::Dbus,
            (None, Some(_)) => ServiceType::Simple,
            (None, None) => ServiceType::Oneshot,
        });
    if let Some(timeout) = draft.timeout_start {
        spec.timeout_start = timeout;
    } else if spec.service_type == ServiceType::Oneshot {
        spec.timeout_start = None;
    }
    spec.timeout_abort = draft.timeout_abort.unwrap_or(spec.timeout_stop);
    spec.kill.restart_signal = draft.restart_signal.unwrap_or(spec.kill.signal);
    let notifies =
        matches!(spec.service_type, ServiceType::Notify | ServiceType::NotifyReload) || spec.watchdog.is_some();
    spec.notify_access = match draft.notify_access {
        None | Some(NotifyAccess::None) if notifies => NotifyAccess::Main,
        access => access.unwrap_or(NotifyAccess::None),
    };
    if notifies && draft.notify_access == Some(NotifyAccess::None) {
        let message = "NotifyAccess=none contradicts a service that must notify; it counts as main";
        reader.warning(
            codes::NOTIFY_ACCESS_NONE,
            place("NotifyAccess"),
            message,
            "write NotifyAccess=main, or leave it away",
        );
    }
    match spec.service_type {
        ServiceType::Dbus => {
            reader.unenforced(
                "Type=dbus",
                "not-built-yet",
                "bus names are not watched: it counts as started once executed",
            );
            if merged.last("BusName").is_none() {
                reader.error(codes::MISSING_BUS_NAME, place("Type"), "Type=dbus needs BusName=", "");
            }
        }
        ServiceType::Idle => {
            reader.unenforced("Type=idle", "not-built-yet", "it is started as simple, without waiting for other jobs")
        }
        ServiceType::NotifyReload
        | ServiceType::Simple
        | ServiceType::Exec
        | ServiceType::Forking
        | ServiceType::Oneshot
        | ServiceType::Notify => {}
    }
}

fn commands(reader: &mut Reader<'_>, spec: &ServiceSpec, merged: &Merged<'_>, place: &impl Fn(&str) -> Place) {
    // A command that could not be read has an error of its own.
    let given = |key| merged.last(key).is_some();
    let acts = merged.last("SuccessAction").is_some_and(|at| at.value() != "none");
    let is_oneshot = spec.service_type == ServiceType::Oneshot;
    let problem = match (given("ExecStart"), given("ExecStop"), acts) {
        (true, _, _) => None,
        (false, false, false) => Some("the service has neither ExecStart= nor ExecStop="),
        (false, _, _) if !is_oneshot => Some("only Type=oneshot services can do without ExecStart="),
        (false, true, false) if !spec.remain_after_exit => {
            Some("a service without ExecStart= needs RemainAfterExit=yes")
        }
        (false, _, _) => None,
    };
    if let Some(problem) = problem {
        reader.error(codes::NO_EXEC_START, place("Type"), problem, "say what to run: ExecStart=/usr/bin/program");
    }
    if !is_oneshot && spec.exec_start.len() > 1 {
        let message = format!(
            "{} commands in ExecStart=: only Type=oneshot services may have more than one",
            spec.exec_start.len()
        );
        let hint = "in a drop-in, empty the list first with a line ExecStart=";
        reader.error(codes::SEVERAL_EXEC_START, place("ExecStart"), message, hint);
    }
}

fn oneshot(reader: &mut Reader<'_>, spec: &ServiceSpec, place: &impl Fn(&str) -> Place) {
    if spec.service_type != ServiceType::Oneshot {
        return;
    }
    if matches!(spec.restart, Restart::Always | Restart::OnSuccess) {
        let message = "Restart=always and on-success are not allowed for Type=oneshot";
        reader.error(codes::ONESHOT_RESTART, place("Restart"), message, "write Restart=on-failure");
    }
    if !spec.restart_force.codes.is_empty() || !spec.restart_force.signals.is_empty() {
        let message = "RestartForceExitStatus= is not allowed for Type=oneshot";
        reader.error(codes::ONESHOT_RESTART, place("RestartForceExitStatus"), message, "");
    }
}

/// What systemd advises against.
fn unwise(reader: &mut Reader<'_>, spec: &ServiceSpec, place: &impl Fn(&str) -> Place) {
    if spec.service_type == ServiceType::Forking && spec.pid_file.is_none() {
        let message = "Type=forking without PIDFile=: the main process can only be guessed";
        let hint = "add PIDFile=, or better run it in the foreground with Type=notify or exec";
        reader
            .diagnostics
            .push(Diagnostic::note(codes::FORKING_WITHOUT_PIDFILE, place("Type"), message).with_hint(hint));
    }
    if spec.kill.mode == KillMode::None {
        let message = "KillMode=none leaves processes behind at every stop";
        reader.warning(
            codes::KILL_MODE_NONE,
            place("KillMode"),
            message,
            "systemd calls it unsafe; use KillMode=mixed",
        );
    }
}
