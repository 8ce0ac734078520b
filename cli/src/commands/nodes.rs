//! `fleet nodes [list|show|label|remove]`

use crate::args::{App, EnvironmentFilter};
use crate::client::{self, Client};
use crate::error::{CommandError, CommandResult, Exit, did_you_mean};
use crate::output::table::{Cell, Table};
use crate::output::time::{age, local, now, rfc3339};
use crate::output::view::{self, paint, short, some};
use crate::output::{Paint, json};
use fleet_proto::v1;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// List, label and remove nodes.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    filter: EnvironmentFilter,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the nodes
    List(EnvironmentFilter),
    /// Show one node: labels, facts, certificate
    Show(Name),
    /// Set and remove labels of a node
    #[command(after_help = "Example: fleet nodes label web-3 role=web zone=b old-")]
    Label(Label),
    /// Remove a node: its certificate is refused from now on
    Remove(Name),
}

#[derive(Debug, clap::Args)]
struct Name {
    /// The node
    node: String,
}

#[derive(Debug, clap::Args)]
struct Label {
    /// The node
    node: String,
    /// KEY=VALUE sets a label, KEY- removes it
    #[arg(required = true, value_name = "KEY=VALUE|KEY-")]
    labels: Vec<String>,
}

#[derive(Debug, Serialize)]
struct List {
    nodes: Vec<Node>,
}

#[derive(Debug, Serialize)]
struct Node {
    name: String,
    environment: String,
    connected: bool,
    since: Option<String>,
    labels: BTreeMap<String, String>,
    facts: BTreeMap<String, String>,
    agent_version: String,
    applied_revision: Option<String>,
    generation: u64,
    applied_generation: u64,
    refused: Option<view::Reason>,
    units: u32,
}

impl From<v1::NodeView> for Node {
    fn from(node: v1::NodeView) -> Self {
        Node {
            name: node.name,
            environment: node.environment,
            connected: node.connected,
            since: rfc3339(node.since_us),
            labels: node.labels.into_iter().collect(),
            facts: node.facts.into_iter().collect(),
            agent_version: node.agent_version,
            applied_revision: some(node.applied_revision),
            generation: node.generation,
            applied_generation: node.applied_generation,
            refused: node.refused.map(Into::into),
            units: node.units,
        }
    }
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    match arguments.verb {
        None => list(arguments.filter, app)?,
        Some(Verb::List(filter)) => list(filter, app)?,
        Some(Verb::Show(Name { node })) => show(&node, app)?,
        Some(Verb::Label(label)) => set_labels(label, app)?,
        Some(Verb::Remove(Name { node })) => remove(node, app)?,
    }
    Ok(Exit::Done)
}

async fn nodes(client: &mut Client, environment: String) -> CommandResult<Vec<v1::NodeView>> {
    let request = v1::NodesRequest { environment };
    Ok(client.call(async |rpc| rpc.nodes(request).await).await?.nodes)
}

/// The node `name` as the coordinator knows it.
async fn find(client: &mut Client, name: &str) -> CommandResult<v1::NodeView> {
    let mut all = nodes(client, String::new()).await?;
    if let Some(index) = all.iter().position(|node| node.name == name) {
        return Ok(all.swap_remove(index));
    }
    let error = CommandError::failed(format!("there is no node {name}"));
    Err(match did_you_mean(name, all.iter().map(|node| node.name.as_str())) {
        Some(hint) => error.hint(hint),
        None => error.hint("`fleet nodes` lists them all"),
    })
}

fn list(filter: EnvironmentFilter, app: &App) -> CommandResult<()> {
    let nodes = app.block_on(async {
        let mut client = client::connect(app).await?;
        nodes(&mut client, filter.environment.unwrap_or_default()).await
    })?;
    if app.output.is_json() {
        return json::print(&app.output, &List { nodes: nodes.into_iter().map(Into::into).collect() });
    }
    if nodes.is_empty() {
        app.output.say("there are no nodes; `fleet token create -e ENV` makes a token one can join with");
        return Ok(());
    }
    let mut table =
        Table::new(["NODE", "ENVIRONMENT", "STATE", "SINCE", "UNITS", "REVISION", "VERSION", "LABELS", "NOTE"]);
    let now = now();
    for node in &nodes {
        table.row([
            Cell::new(node.name.as_str(), Paint::Strong),
            node.environment.as_str().into(),
            Cell::new(state(node), paint(state(node))),
            age(node.since_us, now).into(),
            node.units.to_string().into(),
            short(&node.applied_revision).into(),
            node.agent_version.as_str().into(),
            labels(&node.labels).into(),
            Cell::new(note(node), Paint::Warning),
        ]);
    }
    app.output.write(&table.render(&app.output.stdout))
}

fn state(node: &v1::NodeView) -> &'static str {
    if node.connected { "connected" } else { "lost" }
}

fn labels(labels: &HashMap<String, String>) -> String {
    let sorted: BTreeMap<&String, &String> = labels.iter().collect();
    sorted.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

fn note(node: &v1::NodeView) -> String {
    match &node.refused {
        Some(reason) => format!("refused its assignment: {}", reason.text),
        None if node.connected && node.applied_generation < node.generation => {
            "has not applied its assignment yet".to_owned()
        }
        None => String::new(),
    }
}

fn show(name: &str, app: &App) -> CommandResult<()> {
    let node = app.block_on(async { find(&mut client::connect(app).await?, name).await })?;
    if app.output.is_json() {
        return json::print(&app.output, &Node::from(node));
    }
    let mut fields = vec![
        ("node", node.name.clone()),
        ("environment", node.environment.clone()),
        ("state", format!("{} since {}", state(&node), local(node.since_us))),
        ("version", node.agent_version.clone()),
        ("units", node.units.to_string()),
        ("revision", node.applied_revision.clone()),
        ("generation", format!("{} applied, {} offered", node.applied_generation, node.generation)),
        ("note", note(&node)),
        ("labels", labels(&node.labels)),
    ];
    let facts: BTreeMap<&str, &String> = node.facts.iter().map(|(key, value)| (key.as_str(), value)).collect();
    fields.extend(facts.into_iter().map(|(key, value)| (key, value.clone())));
    app.output.write(&view::fields(&app.output.stdout, &fields))
}

fn set_labels(arguments: Label, app: &App) -> CommandResult<()> {
    let mut request = v1::LabelNodeRequest { node: arguments.node, ..Default::default() };
    for label in arguments.labels {
        match (label.split_once('='), label.strip_suffix('-')) {
            (Some((key, value)), _) => drop(request.set.insert(key.to_owned(), value.to_owned())),
            (None, Some(key)) => request.remove.push(key.to_owned()),
            (None, None) => {
                return Err(CommandError::usage(format!("{label:?} is neither KEY=VALUE nor KEY-")));
            }
        }
    }
    change(app, &request.node.clone(), async |client| {
        client.call(async |rpc| rpc.label_node(request).await).await.map(drop)
    })
}

fn remove(node: String, app: &App) -> CommandResult<()> {
    let request = v1::RemoveNodeRequest { node: node.clone() };
    change(app, &node, async |client| client.call(async |rpc| rpc.remove_node(request).await).await.map(drop))?;
    app.output.say(&format!("removed the node {node}"));
    Ok(())
}

/// Looks the node up, says what is about to be changed, and changes it.
fn change(app: &App, node: &str, edit: impl AsyncFnOnce(&mut Client) -> CommandResult<()>) -> CommandResult<()> {
    app.block_on(async {
        let mut client = client::connect(app).await?;
        let found = find(&mut client, node).await?;
        client.announce(app, &found.environment);
        edit(&mut client).await
    })
}
