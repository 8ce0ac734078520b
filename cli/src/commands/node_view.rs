//! What a node's local socket tells, for people and programs.

use crate::commands::{unit_name, unit_table};
use crate::error::{CommandError, CommandResult, Exit, did_you_mean};
use crate::output::time::{age, local, now, rfc3339};
use crate::output::view::{self, some};
use crate::output::{Output, json};
use fleet_proto::v1;
use fleet_units::ids::UnitName;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Node {
    node: String,
    environment: String,
    connected: bool,
    endpoint: Option<String>,
    link: Option<view::Reason>,
    revision: Option<String>,
    generation: u64,
    refused: Option<view::Reason>,
    started: Option<String>,
    supervisor_pid: u32,
    agent_pid: u32,
    units: Vec<view::Unit>,
}

impl From<v1::LocalStatusResponse> for Node {
    fn from(status: v1::LocalStatusResponse) -> Self {
        let unit = |unit| view::Unit::new(&status.node, unit);
        Node {
            units: status.units.into_iter().map(unit).collect(),
            environment: status.environment,
            connected: status.connected,
            endpoint: some(status.endpoint),
            link: status.link.map(Into::into),
            revision: some(status.revision),
            generation: status.generation,
            refused: status.refused.map(Into::into),
            started: rfc3339(status.started_us),
            supervisor_pid: status.supervisor_pid,
            agent_pid: status.agent_pid,
            node: status.node,
        }
    }
}

/// Prints the units alone.
pub(crate) fn print_units(status: v1::LocalStatusResponse, output: &Output) -> CommandResult {
    if output.is_json() {
        json::print(output, &Node::from(status))?;
    } else if status.units.is_empty() {
        output.say(&format!("{} has no units", status.node));
    } else {
        output.write(&unit_table::table(rows(&status)).render(&output.stdout))?;
    }
    Ok(Exit::Done)
}

/// Prints the node and its units, or `unit` in detail.
pub(crate) fn print(mut status: v1::LocalStatusResponse, unit: Option<&UnitName>, output: &Output) -> CommandResult {
    if let Some(unit) = unit {
        keep_only(unit, &mut status)?;
    }
    if output.is_json() {
        json::print(output, &Node::from(status))?;
        return Ok(Exit::Done);
    }
    let stream = &output.stdout;
    let text = match unit {
        None => view::fields(stream, &fields(&status)) + "\n" + &unit_table::table(rows(&status)).render(stream),
        Some(_) => {
            let detail = |unit| unit_table::details(stream, &status.node, unit);
            status.units.iter().map(detail).collect::<Vec<_>>().join("\n")
        }
    };
    output.write(&text)?;
    Ok(Exit::Done)
}

/// The node's name is the same in every row, so it is not shown.
fn rows(status: &v1::LocalStatusResponse) -> impl Iterator<Item = (&str, bool, &v1::UnitStatus)> {
    status.units.iter().map(|unit| ("", true, unit))
}

fn keep_only(unit: &UnitName, status: &mut v1::LocalStatusResponse) -> CommandResult<()> {
    let all = std::mem::take(&mut status.units);
    let (kept, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|status| unit_name::matches(unit, &status.unit));
    if kept.is_empty() {
        let error = CommandError::failed(format!("{} has no unit {unit}", status.node));
        return Err(match did_you_mean(unit.as_str(), others.iter().map(|status| status.unit.as_str())) {
            Some(hint) => error.hint(hint),
            None => error.hint("`fleet node ps` lists them all"),
        });
    }
    status.units = kept;
    Ok(())
}

fn fields(status: &v1::LocalStatusResponse) -> Vec<(&'static str, String)> {
    let reason = |reason: &Option<v1::Reason>| reason.as_ref().map(|reason| reason.text.clone()).unwrap_or_default();
    let link = match status.connected {
        true => format!("connected to {}", status.endpoint),
        false => format!("not connected: {}", reason(&status.link)),
    };
    vec![
        ("node", status.node.clone()),
        ("environment", status.environment.clone()),
        ("coordinator", link),
        ("revision", status.revision.clone()),
        ("generation", status.generation.to_string()),
        ("refused", reason(&status.refused)),
        ("started", format!("{} ({})", local(status.started_us), age(status.started_us, now()))),
        ("supervisor", status.supervisor_pid.to_string()),
        ("agent", status.agent_pid.to_string()),
    ]
}
