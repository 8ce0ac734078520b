//! common.proto

use super::{InField, WireError, optional};
use crate::v1;
use fleet_units::diagnostic::{Diagnostic, Place, Reason, Severity};
use fleet_units::ids::{InvocationId, UnitDigest};
use fleet_units::log_record::{LogRecord, Stream};
use fleet_units::plan::{Action, Step};
use fleet_units::status::{ActiveState, Health, Hold, Unenforced, UnitStatus};
use fleet_units::time::Timestamp;

impl From<Reason> for v1::Reason {
    fn from(reason: Reason) -> Self {
        v1::Reason { code: reason.code, text: reason.text }
    }
}

impl From<v1::Reason> for Reason {
    fn from(reason: v1::Reason) -> Self {
        Reason { code: reason.code, text: reason.text }
    }
}

impl From<Hold> for v1::Hold {
    fn from(hold: Hold) -> Self {
        v1::Hold { who: hold.who, why: hold.why, until_us: hold.until.0 }
    }
}

impl From<v1::Hold> for Hold {
    fn from(hold: v1::Hold) -> Self {
        Hold { who: hold.who, why: hold.why, until: Timestamp(hold.until_us) }
    }
}

impl From<Unenforced> for v1::Unenforced {
    fn from(item: Unenforced) -> Self {
        v1::Unenforced { directive: item.directive, reason: Some(item.reason.into()) }
    }
}

impl TryFrom<v1::Unenforced> for Unenforced {
    type Error = WireError;
    fn try_from(item: v1::Unenforced) -> Result<Self, WireError> {
        let reason = item.reason.ok_or(WireError::Missing("Unenforced.reason"))?;
        Ok(Unenforced { directive: item.directive, reason: reason.into() })
    }
}

impl From<ActiveState> for v1::ActiveState {
    fn from(state: ActiveState) -> Self {
        match state {
            ActiveState::Inactive => v1::ActiveState::Inactive,
            ActiveState::Activating => v1::ActiveState::Activating,
            ActiveState::Active => v1::ActiveState::Active,
            ActiveState::Reloading => v1::ActiveState::Reloading,
            ActiveState::Deactivating => v1::ActiveState::Deactivating,
            ActiveState::Failed => v1::ActiveState::Failed,
        }
    }
}

fn active_state(value: i32) -> Result<ActiveState, WireError> {
    Ok(match v1::ActiveState::try_from(value) {
        Ok(v1::ActiveState::Inactive) => ActiveState::Inactive,
        Ok(v1::ActiveState::Activating) => ActiveState::Activating,
        Ok(v1::ActiveState::Active) => ActiveState::Active,
        Ok(v1::ActiveState::Reloading) => ActiveState::Reloading,
        Ok(v1::ActiveState::Deactivating) => ActiveState::Deactivating,
        Ok(v1::ActiveState::Failed) => ActiveState::Failed,
        Ok(v1::ActiveState::Unspecified) | Err(_) => return Err(unknown("UnitStatus.active_state", value)),
    })
}

impl From<Health> for v1::Health {
    fn from(health: Health) -> Self {
        match health {
            Health::None => v1::Health::None,
            Health::Starting => v1::Health::Starting,
            Health::Healthy => v1::Health::Healthy,
            Health::Unhealthy => v1::Health::Unhealthy,
        }
    }
}

fn health(value: i32) -> Result<Health, WireError> {
    Ok(match v1::Health::try_from(value) {
        Ok(v1::Health::None) => Health::None,
        Ok(v1::Health::Starting) => Health::Starting,
        Ok(v1::Health::Healthy) => Health::Healthy,
        Ok(v1::Health::Unhealthy) => Health::Unhealthy,
        Ok(v1::Health::Unspecified) | Err(_) => return Err(unknown("UnitStatus.health", value)),
    })
}

fn unknown(field: &'static str, value: i32) -> WireError {
    WireError::Unknown { field, value: value.to_string() }
}

impl From<UnitStatus> for v1::UnitStatus {
    fn from(status: UnitStatus) -> Self {
        v1::UnitStatus {
            unit: status.unit.into(),
            active_state: v1::ActiveState::from(status.active_state).into(),
            sub_state: status.sub_state,
            result: status.result,
            main_pid: status.main_pid,
            restarts: status.restarts,
            health: v1::Health::from(status.health).into(),
            digest: status.digest.map(|digest| digest.as_bytes().to_vec().into()).unwrap_or_default(),
            unit_revision: status.unit_revision.map(String::from).unwrap_or_default(),
            since_us: status.since.0,
            held: status.held.map(Into::into),
            unenforced: status.unenforced.into_iter().map(Into::into).collect(),
            invocation_id: status.invocation_id.to_string(),
            wanted: status.wanted,
            completed: status.completed,
            reason: status.reason.map(Into::into),
            next_elapse_us: status.next_elapse.map_or(0, |at| at.0),
        }
    }
}

impl TryFrom<v1::UnitStatus> for UnitStatus {
    type Error = WireError;
    fn try_from(status: v1::UnitStatus) -> Result<Self, WireError> {
        Ok(UnitStatus {
            unit: status.unit.parse().in_field("UnitStatus.unit")?,
            active_state: active_state(status.active_state)?,
            sub_state: status.sub_state,
            result: status.result,
            main_pid: status.main_pid,
            restarts: status.restarts,
            health: health(status.health)?,
            digest: if status.digest.is_empty() {
                None
            } else {
                Some(UnitDigest::from_bytes(&status.digest).in_field("UnitStatus.digest")?)
            },
            unit_revision: optional(&status.unit_revision, "UnitStatus.unit_revision")?,
            since: Timestamp(status.since_us),
            held: status.held.map(Into::into),
            unenforced: status.unenforced.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            invocation_id: invocation(&status.invocation_id, "UnitStatus.invocation_id")?,
            wanted: status.wanted,
            completed: status.completed,
            reason: status.reason.map(Into::into),
            next_elapse: Some(Timestamp(status.next_elapse_us)).filter(|at| at.0 > 0),
        })
    }
}

fn invocation(text: &str, field: &'static str) -> Result<InvocationId, WireError> {
    Ok(optional(text, field)?.unwrap_or_default())
}

/// The wire's word for a log stream.
#[must_use]
pub fn stream_to_wire(stream: Stream) -> v1::LogStream {
    match stream {
        Stream::Stdout => v1::LogStream::Stdout,
        Stream::Stderr => v1::LogStream::Stderr,
        Stream::Fleet => v1::LogStream::Fleet,
    }
}

/// The domain's word for a log stream; an error for a value this version does not know.
pub fn stream_from_wire(value: i32) -> Result<Stream, WireError> {
    Ok(match v1::LogStream::try_from(value) {
        Ok(v1::LogStream::Stdout) => Stream::Stdout,
        Ok(v1::LogStream::Stderr) => Stream::Stderr,
        Ok(v1::LogStream::Fleet) => Stream::Fleet,
        Ok(v1::LogStream::Unspecified) | Err(_) => return Err(unknown("LogLine.stream", value)),
    })
}

impl From<LogRecord> for v1::LogLine {
    fn from(record: LogRecord) -> Self {
        v1::LogLine {
            time_us: record.time.0,
            node: record.node.into(),
            unit: record.unit.into(),
            stream: stream_to_wire(record.stream).into(),
            sequence: record.sequence,
            message: record.message.into(),
            boot_id: record.boot_id,
            invocation_id: record.invocation_id.to_string(),
        }
    }
}

impl TryFrom<v1::LogLine> for LogRecord {
    type Error = WireError;
    fn try_from(line: v1::LogLine) -> Result<Self, WireError> {
        Ok(LogRecord {
            time: Timestamp(line.time_us),
            node: line.node.parse().in_field("LogLine.node")?,
            unit: line.unit.parse().in_field("LogLine.unit")?,
            stream: stream_from_wire(line.stream)?,
            sequence: line.sequence,
            message: line.message.into(),
            boot_id: line.boot_id,
            invocation_id: invocation(&line.invocation_id, "LogLine.invocation_id")?,
        })
    }
}

impl From<Diagnostic> for v1::Diagnostic {
    fn from(item: Diagnostic) -> Self {
        v1::Diagnostic {
            severity: item.severity.to_string(),
            code: item.code,
            file: item.place.file,
            line: item.place.line,
            column: item.place.column,
            message: item.message,
            hint: item.hint,
        }
    }
}

impl TryFrom<v1::Diagnostic> for Diagnostic {
    type Error = WireError;
    fn try_from(item: v1::Diagnostic) -> Result<Self, WireError> {
        let severity = match item.severity.as_str() {
            "error" => Severity::Error,
            "warning" => Severity::Warning,
            "note" => Severity::Note,
            other => return Err(WireError::Unknown { field: "Diagnostic.severity", value: other.to_owned() }),
        };
        Ok(Diagnostic {
            severity,
            code: item.code,
            place: Place { file: item.file, line: item.line, column: item.column },
            message: item.message,
            hint: item.hint,
        })
    }
}

impl From<Step> for v1::PlanStep {
    fn from(step: Step) -> Self {
        v1::PlanStep {
            unit: step.unit.into(),
            action: step.action.as_str().to_owned(),
            reason: Some(step.reason.into()),
        }
    }
}

/// The result of a job that went well.
#[must_use]
pub fn action_result_ok(node: &str, status: UnitStatus) -> v1::ActionResult {
    v1::ActionResult {
        node: node.to_owned(),
        unit: status.unit.to_string(),
        ok: true,
        error: String::new(),
        status: Some(status.into()),
    }
}

/// The action's word, as a compile-time reminder that plan and wire share it.
const _: fn(Action) -> &'static str = Action::as_str;
