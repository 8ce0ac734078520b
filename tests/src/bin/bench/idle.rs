//! A node with 100 units that sleep: memory and CPU of its daemon's processes, without the units; and the
//! coordinator's.

use crate::table::Table;
use fleet_tests::TestFleet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Units of the node.
const UNITS: usize = 100;
/// After convergence, until the start has been told and shipped everywhere.
const REST: Duration = Duration::from_secs(10);
/// `USER_HZ`: /proc counts CPU time in hundredths of a second on every architecture Fleet runs on.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) fn measure(time: Duration, table: &mut Table) {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    sleeping_units(scratch.path());
    let fleet = TestFleet::prepared();
    fleet.start(&["--repo", scratch.path().to_str().expect("UTF-8")]).ok();
    fleet.wait_for("develop", "100 units run", |seen| {
        let units = seen["units"].as_array().map(Vec::as_slice).unwrap_or_default();
        units.iter().filter(|unit| unit["active_state"] == "active").count() == UNITS
    });
    std::thread::sleep(REST);
    let node = pids(&fleet, "/nodes/develop-1");
    let coordinator = pids(&fleet, "server run");
    assert_eq!(
        (node.len(), coordinator.len()),
        (4, 1),
        "guard, supervisor, logger and agent, coordinator: {:?}",
        fleet.processes()
    );
    let (node_before, coordinator_before) = (cpu(&node), cpu(&coordinator));
    let began = Instant::now();
    std::thread::sleep(time);
    let passed = began.elapsed().as_secs_f64();
    let share = |before: f64, after: f64| (after - before) / passed * 100.0;
    let (node_share, coordinator_share) =
        (share(node_before, cpu(&node)), share(coordinator_before, cpu(&coordinator)));
    let seconds = time.as_secs();
    table.add("node with 100 idle units: PSS, all processes", "MiB", &[pss(&node)], Some(15.0));
    table.add("  as the only node of a host: program counted whole", "MiB", &[alone(&node)], Some(15.0));
    for (pid, command) in &node {
        let title: Vec<&str> = command.split_whitespace().take(3).collect();
        table.add(&format!("  {}", title.join(" ")), "MiB", &[pss(&[(*pid, String::new())])], None);
    }
    table.add(&format!("  CPU over {seconds} s"), "% of a core", &[node_share], Some(0.1));
    table.add("coordinator of four such nodes: PSS", "MiB", &[pss(&coordinator)], None);
    table.add(&format!("  CPU over {seconds} s"), "% of a core", &[coordinator_share], None);
}

/// A repository whose develop environment has 100 units; the others have one.
fn sleeping_units(path: &Path) {
    let write = |path: &Path| {
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder is made");
        std::fs::write(path, "[Service]\nExecStart=/bin/sleep infinity\n").expect("the file is written");
    };
    for number in 1..UNITS {
        write(&path.join(format!("environments/develop/units/sleep-{number}.service")));
    }
    write(&path.join("units/sleep.service"));
    for arguments in [
        &["init", "--quiet", "--initial-branch", "develop"][..],
        &["add", "--all"],
        &["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "--quiet", "--message", "Sleep"],
    ] {
        let status = Command::new("git").arg("-C").arg(path).args(arguments).status().expect("git runs");
        assert!(status.success(), "git {}", arguments.join(" "));
    }
}

fn pids(fleet: &TestFleet, marker: &str) -> Vec<(u32, String)> {
    fleet.processes().into_iter().filter(|(_, command)| command.contains(marker)).collect()
}

/// The memory of these processes, what they share with others counted by their share of it, in MiB.
fn pss(processes: &[(u32, String)]) -> f64 {
    processes.iter().map(|(pid, _)| memory(*pid, "Pss:")).sum()
}

/// The same, had they the program and its libraries for themselves: here the other nodes and the coordinator carry a
/// part of those.
fn alone(processes: &[(u32, String)]) -> f64 {
    let files = processes.iter().map(|(pid, _)| memory(*pid, "Rss:") - memory(*pid, "Anonymous:"));
    let own: f64 = processes.iter().map(|(pid, _)| memory(*pid, "Anonymous:")).sum();
    own + files.fold(0.0, f64::max)
}

/// One line of `smaps_rollup`, in MiB.
fn memory(pid: u32, key: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// User and system time of these processes so far, ended threads included, in seconds.
fn cpu(processes: &[(u32, String)]) -> f64 {
    let of = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything; utime and stime are fields 14 and 15 of all, 12 and 13 behind it.
        let behind = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<f64> =
            behind.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        fields.iter().sum::<f64>() / TICKS_PER_SECOND
    };
    processes.iter().map(|(pid, _)| of(*pid)).sum()
}
