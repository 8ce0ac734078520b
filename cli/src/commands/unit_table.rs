//! Units as `fleet status`, `fleet node ps` and the verbs that act on units show them to people.

use crate::output::table::{Cell, Table};
use crate::output::time::{age, local, now};
use crate::output::view::{active_state, health, paint, short};
use crate::output::{Paint, Stream, view};
use fleet_proto::v1;

/// One row per unit; `node` is empty where all are of one node. `connected`: whether the node is there now.
pub(crate) fn table<'a>(units: impl IntoIterator<Item = (&'a str, bool, &'a v1::UnitStatus)>) -> Table {
    let columns = ["UNIT", "NODE", "STATE", "HEALTH", "RESTARTS", "SINCE", "REVISION", "PID", "NOTE"];
    let mut table = Table::new(columns).indented(2);
    let now = now();
    for (node, connected, unit) in units {
        let health = health(unit.health);
        let look = if connected { state_paint(unit) } else { Paint::Faint };
        table.row([
            Cell::new(unit.unit.as_str(), Paint::Strong),
            node.into(),
            Cell::new(state(unit), look),
            Cell::new(if health == "none" { "-" } else { health }, paint(health)),
            Cell::new(unit.restarts.to_string(), if unit.restarts > 0 { Paint::Warning } else { Paint::Plain }),
            age(unit.since_us, now).into(),
            short(&unit.unit_revision).into(),
            if unit.main_pid == 0 { "-".into() } else { unit.main_pid.to_string().into() },
            Cell::new(note(unit, connected), Paint::Warning),
        ]);
    }
    table
}

/// Results of a start that did not take place, and left the unit inactive.
const SKIPPED: [&str; 3] = ["condition", "exec-condition", "assert"];

/// `active/running`, `failed/exit-code`, `inactive/condition`
fn state(unit: &v1::UnitStatus) -> String {
    let state = active_state(unit.active_state);
    match state {
        "failed" if !["", "success"].contains(&unit.result.as_str()) => format!("failed/{}", unit.result),
        _ if unit.sub_state.is_empty() => state.to_owned(),
        "inactive" if SKIPPED.contains(&unit.result.as_str()) => format!("inactive/{}", unit.result),
        "inactive" if unit.completed => "inactive/completed".to_owned(),
        _ => format!("{state}/{}", unit.sub_state),
    }
}

fn state_paint(unit: &v1::UnitStatus) -> Paint {
    if unit.completed { Paint::Good } else { paint(active_state(unit.active_state)) }
}

/// What one should know about a unit and does not see in its state.
fn note(unit: &v1::UnitStatus, connected: bool) -> String {
    let mut notes = Vec::new();
    if !connected {
        notes.push("node not connected, last known".to_owned());
    }
    if let Some(hold) = &unit.held {
        notes.push(format!("held {}", held(hold)));
    }
    if let Some(reason) = unit.reason.as_ref().filter(|reason| !reason.text.is_empty()) {
        notes.push(reason.text.clone());
    }
    if unit.next_elapse_us > 0 {
        notes.push(format!("next {}", local(unit.next_elapse_us)));
    }
    if !unit.unenforced.is_empty() {
        let mut keys: Vec<&str> =
            unit.unenforced.iter().map(|item| item.directive.split('=').next().unwrap_or_default()).collect();
        keys.dedup();
        notes.push(format!("unenforced: {}", keys.join(", ")));
    }
    notes.join("; ")
}

fn held(hold: &v1::Hold) -> String {
    let why = if hold.why.is_empty() { String::new() } else { format!(" ({})", hold.why) };
    format!("by {} until {}{why}", hold.who, local(hold.until_us))
}

/// Everything about one unit on one node, a line each.
pub(crate) fn details(stream: &Stream, node: &str, unit: &v1::UnitStatus) -> String {
    let mut text = format!("{} on {}\n", stream.show(Paint::Strong, &unit.unit), stream.text(node));
    let mut fields = vec![
        ("  state", format!("{} since {} ({})", state(unit), local(unit.since_us), age(unit.since_us, now()))),
        ("  result", unit.result.clone()),
        ("  health", health(unit.health).to_owned()),
        ("  main pid", if unit.main_pid == 0 { String::new() } else { unit.main_pid.to_string() }),
        ("  restarts", unit.restarts.to_string()),
        ("  revision", unit.unit_revision.clone()),
        ("  digest", view::hex(&unit.digest)),
        ("  invocation", unit.invocation_id.clone()),
        ("  next", if unit.next_elapse_us == 0 { String::new() } else { local(unit.next_elapse_us) }),
        ("  held", unit.held.as_ref().map(held).unwrap_or_default()),
        ("  reason", unit.reason.as_ref().map(|reason| reason.text.clone()).unwrap_or_default()),
    ];
    fields.extend(unit.unenforced.iter().map(|item| {
        let why = item.reason.as_ref().map(|reason| format!(" ({})", reason.text)).unwrap_or_default();
        ("  unenforced", format!("{}{why}", item.directive))
    }));
    text += &view::fields(stream, &fields);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_did_not_take_place_says_why_in_the_state() {
        let inactive = v1::ActiveState::Inactive as i32;
        for (result, completed, shown) in [
            ("condition", true, "inactive/condition"),
            ("assert", false, "inactive/assert"),
            ("success", true, "inactive/completed"),
            ("success", false, "inactive/dead"),
        ] {
            let unit = v1::UnitStatus {
                active_state: inactive,
                sub_state: "dead".to_owned(),
                result: result.to_owned(),
                completed,
                ..Default::default()
            };
            assert_eq!(state(&unit), shown);
        }
    }
}
