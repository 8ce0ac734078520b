//! `fleet status [UNIT]`: how every environment fares, and every unit in it.

use crate::args::{App, EnvironmentFilter};
use crate::client;
use crate::commands::{unit_name, unit_table};
use crate::error::{CommandError, CommandResult, Exit, did_you_mean};
use crate::output::view::{paint, short, some};
use crate::output::{Paint, Stream, diagnostic, json, view};
use fleet_proto::v1;
use fleet_units::diagnostic::Diagnostic;
use fleet_units::ids::UnitName;
use serde::Serialize;

/// Show how every environment fares, and every unit in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: fleet status -e production --check && echo all well")]
pub(crate) struct Arguments {
    /// Only this unit, in detail; a template (worker@) means its instances
    unit: Option<String>,
    #[command(flatten)]
    filter: EnvironmentFilter,
    /// Exit with 1 unless every environment shown is converged
    #[arg(long, env = "FLEET_CHECK", hide_env = true)]
    check: bool,
}

#[derive(Debug, Serialize)]
struct Status {
    environments: Vec<Environment>,
}

#[derive(Debug, Serialize)]
struct Environment {
    name: String,
    branch: String,
    desired_revision: Option<String>,
    running_revision: Option<String>,
    state: String,
    reasons: Vec<String>,
    branch_state: String,
    nodes: Nodes,
    units: Vec<view::Unit>,
    rejected: Option<Rejected>,
}

#[derive(Debug, Serialize)]
struct Nodes {
    total: u32,
    connected: u32,
}

#[derive(Debug, Serialize)]
struct Rejected {
    revision: String,
    diagnostics: Vec<Diagnostic>,
}

impl From<v1::EnvironmentView> for Environment {
    fn from(item: v1::EnvironmentView) -> Self {
        let unit = |unit: v1::UnitView| Some(view::Unit::new(&unit.node, unit.status?));
        Environment {
            name: item.name,
            branch: item.branch,
            desired_revision: some(item.desired_revision),
            running_revision: some(item.running_revision),
            state: item.state,
            reasons: item.reasons,
            branch_state: item.branch_state,
            nodes: Nodes { total: item.nodes_total, connected: item.nodes_connected },
            units: item.units.into_iter().filter_map(unit).collect(),
            rejected: item.rejected.map(|rejected| Rejected {
                revision: rejected.revision,
                diagnostics: rejected.diagnostics.into_iter().map(view::diagnostic).collect(),
            }),
        }
    }
}

pub(crate) fn run(arguments: &Arguments, app: &App) -> CommandResult {
    let unit = arguments.unit.as_deref().map(unit_name::parse).transpose()?;
    let environment = arguments.filter.environment.clone().unwrap_or_default();
    let mut environments = app.block_on(async {
        let mut client = client::connect(app).await?;
        let request = v1::StatusRequest { environment };
        Ok(client.call(async |rpc| rpc.status(request).await).await?.environments)
    })?;
    let all_converged = environments.iter().all(|environment| environment.state == "converged");
    if let Some(unit) = &unit {
        keep_only(unit, &mut environments)?;
    }
    if app.output.is_json() {
        json::print(&app.output, &Status { environments: environments.into_iter().map(Into::into).collect() })?;
    } else {
        app.output.write(&render(&environments, unit.is_some(), &app.output.stdout))?;
    }
    Ok(if arguments.check && !all_converged { Exit::No } else { Exit::Done })
}

/// Leaves only `unit` in `environments`; an error when no environment has it.
fn keep_only(unit: &UnitName, environments: &mut Vec<v1::EnvironmentView>) -> CommandResult<()> {
    let name = |view: &v1::UnitView| view.status.as_ref().map(|status| status.unit.clone()).unwrap_or_default();
    let known: Vec<String> = environments.iter().flat_map(|item| item.units.iter().map(name)).collect();
    for environment in environments.iter_mut() {
        environment.units.retain(|view| unit_name::matches(unit, &name(view)));
    }
    environments.retain(|environment| !environment.units.is_empty());
    if !environments.is_empty() {
        return Ok(());
    }
    let error = CommandError::failed(format!("there is no unit {unit}"));
    Err(match did_you_mean(unit.as_str(), known.iter().map(String::as_str)) {
        Some(hint) => error.hint(hint),
        None => error.hint("`fleet status` lists them all"),
    })
}

pub(crate) fn render(environments: &[v1::EnvironmentView], detailed: bool, stream: &Stream) -> String {
    let environment = |item| if detailed { detail(item, stream) } else { overview(item, stream) };
    environments.iter().map(environment).collect::<Vec<_>>().join("\n")
}

fn overview(item: &v1::EnvironmentView, stream: &Stream) -> String {
    let mut text = header(item, stream);
    if item.branch_state == "missing" && !item.desired_revision.is_empty() {
        let (at, branch) = (short(&item.desired_revision), &item.branch);
        let hint =
            format!("what runs runs on; to go on, push {at} to it again: git push origin {at}:refs/heads/{branch}");
        text += &format!("  {} {}\n", stream.paint(Paint::Key, "hint:"), stream.text(&hint));
    }
    for reason in &item.reasons {
        text += &format!("  {} {}\n", stream.paint(Paint::Warning, "why:"), stream.text(reason));
    }
    let units = item.units.iter().filter_map(|unit| Some((unit.node.as_str(), unit.connected, unit.status.as_ref()?)));
    let table = unit_table::table(units);
    if !table.is_empty() {
        text += &table.render(stream);
    }
    if let Some(rejected) = &item.rejected {
        text += &rejection(rejected, stream);
    }
    text
}

/// `develop  converged  4f2a1bc  1/1 nodes`, and what is unusual about the branch.
fn header(item: &v1::EnvironmentView, stream: &Stream) -> String {
    let mut parts = vec![
        stream.show(Paint::Strong, &item.name),
        stream.show(paint(&item.state), &item.state),
        stream.text(&short(&item.desired_revision)).into_owned(),
    ];
    if !item.running_revision.is_empty() && item.running_revision != item.desired_revision {
        parts.push(format!("running {}", stream.text(&short(&item.running_revision))));
    }
    let nodes =
        format!("{}/{} node{}", item.nodes_connected, item.nodes_total, if item.nodes_total == 1 { "" } else { "s" });
    let all = item.nodes_connected == item.nodes_total;
    parts.push(stream.paint(if all { Paint::Plain } else { Paint::Warning }, &nodes));
    if item.branch != item.name {
        parts.push(format!("branch {}", stream.text(&item.branch)));
    }
    if !["", "ok"].contains(&item.branch_state.as_str()) {
        parts.push(stream.show(Paint::Error, &format!("branch {}", item.branch_state)));
    }
    parts.join("  ") + "\n"
}

fn rejection(rejected: &v1::Rejected, stream: &Stream) -> String {
    let label = stream.paint(Paint::Error, "rejected");
    let mut text =
        format!("  {label} {}: the revision before it keeps running\n", stream.text(&short(&rejected.revision)));
    for item in &rejected.diagnostics {
        text += &diagnostic::line(&view::diagnostic(item.clone()), "    ", stream);
    }
    text
}

fn detail(item: &v1::EnvironmentView, stream: &Stream) -> String {
    let unit = |unit: &v1::UnitView| Some(unit_table::details(stream, &unit.node, unit.status.as_ref()?));
    header(item, stream) + &item.units.iter().filter_map(unit).collect::<Vec<_>>().join("\n")
}
