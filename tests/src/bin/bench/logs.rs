//! A line written by a unit -> printed by `fleet logs -f`: through spool, stream, the coordinator's disk and back.

use crate::table::Table;
use crate::{milliseconds, now};
use fleet_tests::TestFleet;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

/// Lines that are measured.
const LINES: usize = 20;

pub(crate) fn measure(fleet: &TestFleet, stamp: &Path, table: &mut Table) {
    let repository = fleet.repository();
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let file = scratch.path().join("said");
    let unit = format!("[Service]\nExecStart={} {} --say\n", stamp.display(), file.display());
    repository.write("environments/develop/units/say.service", &unit);
    let revision = repository.commit_and_push("Add one that speaks");
    fleet.wait_running("develop", &revision);
    let mut follow = fleet
        .command(&["logs", "-e", "develop", "say.service", "-f", "-n", "1", "-o", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("fleet runs");
    let lines = BufReader::new(follow.stdout.take().expect("piped above")).lines();
    let times: Vec<f64> = lines
        .map_while(Result::ok)
        .filter_map(|line| {
            let printed = now();
            let line: Value = serde_json::from_str(&line).ok()?;
            Some(milliseconds(printed - line["message"].as_str()?.parse::<i64>().ok()?))
        })
        // Those that were written before anybody asked.
        .skip(2)
        .take(LINES)
        .collect();
    // It ends with its fleet otherwise.
    let _ = follow.kill();
    let _ = follow.wait();
    table.add("log line written -> printed by fleet logs -f", "ms", &times, Some(1000.0));
}
