//! The parts that several views share: JSON shapes made from wire messages, and the wire's words.
//!
//! The command line reads newer coordinators too: a value it does not know becomes `unknown`, never an error.

use super::time::rfc3339;
use super::{Paint, Stream};
use fleet_proto::v1;
use fleet_units::diagnostic::{Diagnostic, Place, Severity};
use serde::Serialize;

/// `{"code","text"}`
#[derive(Debug, Serialize)]
pub(crate) struct Reason {
    code: String,
    text: String,
}

impl From<v1::Reason> for Reason {
    fn from(reason: v1::Reason) -> Self {
        Reason { code: reason.code, text: reason.text }
    }
}

/// A hold on a unit.
#[derive(Debug, Serialize)]
pub(crate) struct Hold {
    who: String,
    why: String,
    until: Option<String>,
}

/// A directive that is accepted and not put into effect.
#[derive(Debug, Serialize)]
pub(crate) struct Unenforced {
    directive: String,
    reason: Option<Reason>,
}

/// A unit on a node.
#[derive(Debug, Serialize)]
pub(crate) struct Unit {
    name: String,
    node: String,
    active_state: &'static str,
    sub_state: String,
    result: String,
    main_pid: u32,
    restarts: u32,
    health: &'static str,
    unit_revision: Option<String>,
    digest: Option<String>,
    since: Option<String>,
    held: Option<Hold>,
    unenforced: Vec<Unenforced>,
    invocation_id: Option<String>,
    wanted: bool,
    completed: bool,
    reason: Option<Reason>,
    /// Of a timer that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_elapse: Option<String>,
}

impl Unit {
    /// `status` as `node` told it.
    pub(crate) fn new(node: &str, status: v1::UnitStatus) -> Self {
        Unit {
            node: node.to_owned(),
            active_state: active_state(status.active_state),
            health: health(status.health),
            sub_state: status.sub_state,
            result: status.result,
            main_pid: status.main_pid,
            restarts: status.restarts,
            unit_revision: some(status.unit_revision),
            digest: some(hex(&status.digest)),
            since: rfc3339(status.since_us),
            held: status.held.map(|hold| Hold { who: hold.who, why: hold.why, until: rfc3339(hold.until_us) }),
            unenforced: status
                .unenforced
                .into_iter()
                .map(|item| Unenforced { directive: item.directive, reason: item.reason.map(Into::into) })
                .collect(),
            invocation_id: some(status.invocation_id),
            wanted: status.wanted,
            completed: status.completed,
            reason: status.reason.map(Into::into),
            next_elapse: rfc3339(status.next_elapse_us),
            name: status.unit,
        }
    }
}

/// What one node would do.
#[derive(Debug, Serialize)]
pub(crate) struct NodePlan {
    name: String,
    steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    unit: String,
    action: String,
    reason: Option<Reason>,
}

impl From<v1::NodePlan> for NodePlan {
    fn from(plan: v1::NodePlan) -> Self {
        let step =
            |step: v1::PlanStep| Step { unit: step.unit, action: step.action, reason: step.reason.map(Into::into) };
        NodePlan { name: plan.node, steps: plan.steps.into_iter().map(step).collect() }
    }
}

/// A finding from the wire; a severity this version does not know counts as a note.
pub(crate) fn diagnostic(item: v1::Diagnostic) -> Diagnostic {
    let severity = match item.severity.as_str() {
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        _ => Severity::Note,
    };
    let place = Place { file: item.file, line: item.line, column: item.column };
    Diagnostic { severity, code: item.code, place, message: item.message, hint: item.hint }
}

/// systemd's word for a unit's public state.
pub(crate) fn active_state(value: i32) -> &'static str {
    match v1::ActiveState::try_from(value) {
        Ok(v1::ActiveState::Inactive) => "inactive",
        Ok(v1::ActiveState::Activating) => "activating",
        Ok(v1::ActiveState::Active) => "active",
        Ok(v1::ActiveState::Reloading) => "reloading",
        Ok(v1::ActiveState::Deactivating) => "deactivating",
        Ok(v1::ActiveState::Failed) => "failed",
        Ok(v1::ActiveState::Unspecified) | Err(_) => "unknown",
    }
}

/// What a unit's health check says, in a word.
pub(crate) fn health(value: i32) -> &'static str {
    match v1::Health::try_from(value) {
        Ok(v1::Health::None) => "none",
        Ok(v1::Health::Starting) => "starting",
        Ok(v1::Health::Healthy) => "healthy",
        Ok(v1::Health::Unhealthy) => "unhealthy",
        Ok(v1::Health::Unspecified) | Err(_) => "unknown",
    }
}

/// The look of a word for a state, of a unit, a health check or an environment.
pub(crate) fn paint(word: &str) -> Paint {
    match word {
        "active" | "healthy" | "converged" | "connected" | "ok" => Paint::Good,
        "activating" | "deactivating" | "reloading" | "starting" | "converging" => Paint::Warning,
        "failed" | "unhealthy" | "degraded" | "lost" => Paint::Error,
        _ => Paint::Plain,
    }
}

/// The first seven digits of a revision, for people; `-` when there is none.
pub(crate) fn short(revision: &str) -> String {
    if revision.is_empty() { "-".to_owned() } else { revision.chars().take(7).collect() }
}

/// Empty text is "none".
pub(crate) fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `KEY value` lines with aligned values; empty values are left out.
pub(crate) fn fields(stream: &Stream, fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(key, _)| key.len()).max().unwrap_or_default();
    let line = |(key, value): &(&str, String)| {
        format!("{}  {}\n", stream.paint(Paint::Faint, &format!("{key:<width$}")), stream.text(value))
    };
    fields.iter().filter(|(_, value)| !value.is_empty()).map(line).collect()
}
