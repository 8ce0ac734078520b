//! A plan as people see it: what changes, node by node, and its id. Shared by plan, promote and rollback.

use crate::output::table::{Cell, Table};
use crate::output::view::short;
use crate::output::{Paint, Stream};
use fleet_proto::v1;

/// Whether something but `keep` is to be done.
pub(crate) fn changes(nodes: &[v1::NodePlan]) -> bool {
    nodes.iter().flat_map(|node| &node.steps).any(|step| step.action != "keep")
}

/// `route`: environment, and the revisions it would go from and to.
pub(crate) fn render(route: (&str, &str, &str), nodes: &[v1::NodePlan], id: &str, stream: &Stream) -> String {
    let (environment, from, to) = route;
    let from = if from.is_empty() { String::new() } else { format!("{} ", short(from)) };
    let revisions = format!("{from}-> {}", short(to));
    let mut text = format!("{}  {}\n", stream.show(Paint::Strong, environment), stream.text(&revisions));
    let mut table = Table::new(["NODE", "UNIT", "ACTION", "REASON"]).indented(2);
    let mut kept = 0;
    for node in nodes {
        for step in &node.steps {
            if step.action == "keep" {
                kept += 1;
                continue;
            }
            table.row([
                node.node.as_str().into(),
                Cell::new(step.unit.as_str(), Paint::Strong),
                Cell::new(step.action.as_str(), paint(&step.action)),
                step.reason.as_ref().map(|reason| reason.text.as_str()).unwrap_or_default().into(),
            ]);
        }
    }
    let stay = if kept == 1 { "unit stays" } else { "units stay" };
    text += &match (table.is_empty(), kept) {
        (true, 0) => "  nothing would change\n".to_owned(),
        (true, _) => format!("  nothing would change; {kept} {stay}\n"),
        (false, 0) => table.render(stream),
        (false, _) => format!("{}  {kept} {stay} untouched\n", table.render(stream)),
    };
    if !id.is_empty() {
        text += &format!("  {} {}\n", stream.paint(Paint::Faint, "plan"), stream.text(id));
    }
    text
}

fn paint(action: &str) -> Paint {
    match action {
        "start" => Paint::Good,
        "stop" => Paint::Error,
        "restart" | "reload" | "update" => Paint::Warning,
        _ => Paint::Plain,
    }
}
