//! `fleet status` on a running fleet: the whole process, beside one that only prints its version.

use crate::table::Table;
use crate::{milliseconds, now};
use fleet_tests::TestFleet;

/// How often each is run.
const RUNS: usize = 30;

pub(crate) fn measure(fleet: &TestFleet, table: &mut Table) {
    let reached = table.add("fleet status", "ms", &runs(fleet, &["status"]), Some(30.0));
    let floor = table.add("  floor: fleet --version", "ms", &runs(fleet, &["--version"]), None);
    println!("\nfleet status: {:.1} x fleet --version", reached / floor);
}

fn runs(fleet: &TestFleet, arguments: &[&str]) -> Vec<f64> {
    let one = |_| {
        let mut command = fleet.command(arguments);
        let began = now();
        let output = command.output().expect("fleet runs");
        let ended = now();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        milliseconds(ended - began)
    };
    (0..RUNS).map(one).collect()
}
