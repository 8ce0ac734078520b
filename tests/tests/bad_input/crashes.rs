//! Killed daemons.

use crate::{SLEEPER, holder, kill, pids, settled};
use fleet_tests::{TestFleet, eventually};

#[test]
fn killed_daemons_come_back_and_no_unit_notices() {
    let fleet = TestFleet::up();
    let before = settled(&fleet);
    let generations = generations(&fleet);

    // The coordinator.
    let old = holder(&fleet.dir().join("server/lock"));
    kill(old);
    eventually("the coordinator is back", || {
        let output = fleet.fleet(&["status", "-o", "json"]);
        if output.code == 0 { Ok(()) } else { Err(output.stderr) }
    });
    // As long as it has not heard of its nodes it must not say that there is nothing.
    let seen = fleet.environment("develop");
    assert_ne!(seen["state"], "empty", "{seen:#}");
    fleet.wait_for("develop", "the node is back", |seen| seen["nodes"]["connected"] == 1);
    assert_eq!(settled(&fleet), before, "no unit noticed");
    let log = std::fs::read_to_string(fleet.dir().join("up.log")).expect("the keeper's words");
    assert!(log.contains(&format!("coordinator (pid {old}) died")) && log.contains("SIGKILL"), "{log}");

    // Numbers go on where they were.
    let repository = fleet.repository();
    repository.write("units/sleeper.service", SLEEPER);
    let commit = repository.commit_and_push("Add a sleeper");
    fleet.wait_running("develop", &commit);
    for (node, generation) in self::generations(&fleet) {
        let earlier = generations.iter().find(|(name, _)| *name == node).expect("the same nodes").1;
        let grown = if node == "develop-1" { generation > earlier } else { generation >= earlier };
        assert!(grown, "{node}: {earlier} -> {generation}");
    }

    // A node's agent.
    let before = pids(&fleet);
    let (agent, _) = fleet
        .processes()
        .into_iter()
        .find(|(_, command)| command.starts_with("fleet: agent develop-1"))
        .expect("the node has an agent");
    kill(i32::try_from(agent).expect("a pid"));
    eventually("there is another agent, and it is connected", || {
        let found = fleet
            .processes()
            .into_iter()
            .any(|(pid, command)| pid != agent && command.starts_with("fleet: agent develop-1"));
        let seen = fleet.environment("develop");
        if found && seen["nodes"]["connected"] == 1 && seen["state"] == "converged" {
            Ok(())
        } else {
            Err(format!("{seen:#}"))
        }
    });
    assert_eq!(pids(&fleet), before, "its units keep their processes");
    repository.write("units/second.service", SLEEPER);
    let commit = repository.commit_and_push("Add another");
    fleet.wait_running("develop", &commit);
    assert!(before.iter().all(|unit| pids(&fleet).contains(unit)));
}

fn generations(fleet: &TestFleet) -> Vec<(String, u64)> {
    let nodes = fleet.json(&["nodes", "list"]);
    let nodes = nodes["nodes"].as_array().expect("nodes");
    nodes
        .iter()
        .map(|node| {
            let generation = node["generation"].as_u64().unwrap_or_else(|| panic!("no generation in {node:#}"));
            (node["name"].as_str().expect("a name").to_owned(), generation)
        })
        .collect()
}
