//! Cases from the files of an environment to its nodes: what the coordinator decides, in pure functions.
//!
//! Steps: `node NAME [LABEL=VALUE,…]` adds a node; `place` compiles the files and shows who runs what, or the errors;
//! `roll SPAN` rolls the units out to all nodes, each of which is settled that long after it got them, `never`: not.

use fleet_units::bundle::SourceFile;
use fleet_units::fleet::{FleetSpec, compile};
use fleet_units::ids::{EnvironmentName, NodeName};
use fleet_units::rollout::{NodeProgress, RolloutPolicy, next};
use fleet_units::schedule::{Assignments, Inventory, NodeFacts, schedule};
use fleet_units::spec::value::time_span;
use fleet_units::testing::effect_case::Run;
use fleet_units::time::Moment;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

#[test]
fn directives_place_and_roll_out_as_their_cases_say() {
    let runs: Vec<Run> = super::cases("placement").iter().flat_map(|case| case.runs()).collect();
    let complaints: Vec<String> = runs.iter().filter_map(|run| run.complaint(&play(run))).collect();
    assert!(!runs.is_empty() && complaints.is_empty(), "{}", complaints.join("\n"));
}

fn play(run: &Run) -> String {
    let environment: EnvironmentName = "test".parse().unwrap();
    let mut inventory = Inventory { environment: environment.clone(), nodes: BTreeMap::new() };
    let mut transcript = String::new();
    for step in &run.steps {
        writeln!(transcript, "> {step}").unwrap();
        match step.split(' ').collect::<Vec<_>>().as_slice() {
            ["node", name, labels @ ..] => {
                inventory.nodes.insert(name.parse().unwrap(), node(&environment, labels.first().unwrap_or(&"")));
            }
            ["place"] => transcript += &place(run, &inventory),
            ["roll", span] => transcript += &roll(run, &inventory, time_span(span).ok().flatten()),
            _ => panic!("{}: {step:?} is no step", run.label),
        }
    }
    transcript
}

fn node(environment: &EnvironmentName, labels: &str) -> NodeFacts {
    let pairs = labels.split(',').filter_map(|label| label.split_once('='));
    let labels = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    NodeFacts { environment: environment.clone(), labels, facts: BTreeMap::new(), reachable: true }
}

/// The desired state, or the errors that keep it from being one.
fn compiled(run: &Run, environment: &EnvironmentName) -> Result<FleetSpec, String> {
    let file = |(path, text): (&String, &String)| (path.clone(), SourceFile::new(false, text.as_bytes()));
    let compiled = compile(environment, &run.files.iter().map(file).collect());
    let errors: Vec<String> =
        compiled.diagnostics.iter().filter(|found| found.is_error()).map(|found| found.code.clone()).collect();
    if errors.is_empty() { Ok(compiled.fleet) } else { Err(format!("error: {}\n", errors.join(", "))) }
}

fn place(run: &Run, inventory: &Inventory) -> String {
    let fleet = match compiled(run, &inventory.environment) {
        Ok(fleet) => fleet,
        Err(errors) => return errors,
    };
    let scheduled = schedule(&fleet, inventory, &Assignments::new());
    let mut text = String::new();
    for (node, units) in &scheduled.assignments {
        let units: String = units.keys().map(|unit| format!(" {unit}")).collect();
        writeln!(text, "{node}:{units}").unwrap();
    }
    for unplaced in &scheduled.unplaced {
        writeln!(text, "not placed: {}", unplaced.unit).unwrap();
    }
    text
}

/// When which nodes get the units, and how that ends.
fn roll(run: &Run, inventory: &Inventory, settles_after: Option<Duration>) -> String {
    let fleet = compiled(run, &inventory.environment).unwrap();
    let sections = fleet.units.values().map(|unit| &unit.spec.fleet);
    let policy = RolloutPolicy::strictest(sections, inventory.nodes.len());
    let fresh = NodeProgress { connected: true, changes: true, ..NodeProgress::default() };
    let mut nodes: BTreeMap<NodeName, NodeProgress> =
        inventory.nodes.keys().map(|node| (node.clone(), fresh)).collect();
    let mut now = Moment(0);
    let mut text = String::new();
    loop {
        let settles = |node: &NodeProgress| Some(node.released_at?.after(settles_after?));
        nodes.values_mut().for_each(|node| node.note(&policy, settles(node).is_some_and(|at| at <= now), now));
        let step = next(&policy, &nodes, now);
        let seconds = now.0 / 1_000_000;
        if step.finished {
            return text + &format!("{seconds} s: finished\n");
        }
        if !step.overdue.is_empty() {
            return text + &format!("{seconds} s: overdue {}\n", names(&step.overdue));
        }
        if step.release.is_empty() {
            let settling = nodes.values().filter_map(settles).filter(|at| *at > now);
            now = settling.chain(step.wake).min().expect("a rollout that waits says until when");
            continue;
        }
        writeln!(text, "{seconds} s: {}", names(&step.release)).unwrap();
        for node in &step.release {
            nodes.get_mut(node).unwrap().released_at = Some(now);
        }
    }
}

fn names(nodes: &[NodeName]) -> String {
    nodes.iter().map(NodeName::as_str).collect::<Vec<_>>().join(" ")
}
