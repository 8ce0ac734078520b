//! What an environment asks of its nodes, with nodes that do nothing by themselves.

use super::environment::{Environment, Head, Nodes};
use super::node::{Link, Node};
use crate::sessions::Offer;
use fleet_units::assignment::NodeAssignment;
use fleet_units::bundle::{SourceFile, SourceTree};
use fleet_units::fleet::compile;
use fleet_units::ids::{Epoch, Generation, InvocationId, NodeName, Revision};
use fleet_units::status::{ActiveState, Health, UnitStatus};
use fleet_units::time::{Moment, Timestamp};
use std::sync::Arc;

/// A unit that a node need not start: what it holds is all there is to it.
fn head(digit: char) -> Head {
    let text = format!("[Unit]\nDescription={digit}\n[Service]\nExecStart=/bin/true\n[X-Fleet]\nStart=manual\n");
    let tree: SourceTree =
        [("units/a.service".to_owned(), SourceFile::new(false, text.as_bytes()))].into_iter().collect();
    let compiled = compile(&"develop".parse().unwrap(), &tree);
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    Head { revision: digit.to_string().repeat(40).parse::<Revision>().unwrap(), fleet: Arc::new(compiled.fleet) }
}

fn never_started() -> UnitStatus {
    UnitStatus {
        unit: "a.service".parse().unwrap(),
        active_state: ActiveState::Inactive,
        sub_state: "dead".to_owned(),
        result: "success".to_owned(),
        main_pid: 0,
        restarts: 0,
        health: Health::None,
        digest: None,
        unit_revision: None,
        since: Timestamp(0),
        held: None,
        unenforced: Vec::new(),
        invocation_id: InvocationId(0),
        wanted: false,
        completed: false,
        reason: None,
        next_elapse: None,
    }
}

fn connected(name: &str) -> (NodeName, Node) {
    let mut node = Node::new("develop".parse().unwrap(), Timestamp(0));
    node.link = Some(Link { session: 1, commands: tokio::sync::mpsc::channel(1).0 });
    (name.parse().unwrap(), node)
}

/// The coordinator's side of a release, and the node's answer: it applied that.
fn take(environment: &Environment, nodes: &mut Nodes, name: &NodeName, generation: u64) {
    let head = environment.head.clone().unwrap();
    let node = nodes.get_mut(name).unwrap();
    let assignment = Arc::new(NodeAssignment {
        environment: environment.name.clone(),
        node: name.clone(),
        epoch: Epoch(1),
        generation: Generation(generation),
        revision: head.revision,
        units: environment.assigned(name),
    });
    node.offer(Offer { assignment, fleet: head.fleet });
}

#[test]
fn a_node_that_was_not_offered_the_new_revision_does_not_count_as_settled_on_it() {
    let mut nodes: Nodes = [connected("n1"), connected("n2")].into_iter().collect();
    let (one, two): (NodeName, NodeName) = ("n1".parse().unwrap(), "n2".parse().unwrap());
    let mut environment = Environment::new("develop".parse().unwrap(), "develop".to_owned());
    environment.accept(head('a'), &nodes);
    for (name, now) in [(&one, 1), (&two, 2)] {
        assert_eq!(environment.advance(&nodes, Moment(now)), std::slice::from_ref(name));
        take(&environment, &mut nodes, name, 1);
        assert!(environment.advance(&nodes, Moment(now)).is_empty(), "the next one waits");
        let node = nodes.get_mut(name).unwrap();
        node.applied = Some((Epoch(1), Generation(1)));
        node.statuses.insert("a.service".parse().unwrap(), never_started());
    }
    assert!(environment.advance(&nodes, Moment(20_000_000)).is_empty());
    assert_eq!(environment.running, Some(head('a').revision));

    environment.accept(head('b'), &nodes);
    assert_eq!(environment.advance(&nodes, Moment(30_000_000)), std::slice::from_ref(&one));
    assert_eq!(environment.running, Some(head('a').revision), "nobody was offered the new one yet");
    take(&environment, &mut nodes, &one, 2);
    assert!(environment.advance(&nodes, Moment(30_000_001)).is_empty(), "n1 has it and did not say that it acts on it");
    nodes.get_mut(&one).unwrap().applied = Some((Epoch(1), Generation(2)));
    assert_eq!(environment.advance(&nodes, Moment(30_000_002)), [two]);
    assert_eq!(environment.running, Some(head('a').revision));
}
