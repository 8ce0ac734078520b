//! The breakdown of the path, from the lines the daemons log for it (`fleet::path`).

use crate::milliseconds;
use crate::path::Way;
use crate::table::median;
use fleet_tests::TestFleet;
use std::collections::BTreeMap;

/// The stages in the order they come.
const STAGES: [&str; 10] = [
    "moved branch read",
    "examined",
    "offered",
    "offer stored",
    "notice received",
    "stored",
    "stop asked",
    "end heard",
    "start asked",
    "started",
];
/// How long after the first instruction a stage may still be told.
const AFTER: i64 = 50_000_000;
/// On a busy machine the coordinator may see the rename before this process does.
const BEFORE: i64 = 10_000_000;

/// One line of a daemon.
#[derive(Clone, Debug)]
struct Told {
    stage: String,
    at: i64,
    syncs: u64,
    unit: Option<String>,
}

/// Prints when each stage was reached, and what it took since the one before: medians over `ways`.
pub(crate) fn report(fleet: &TestFleet, ways: &[Way]) {
    let mut told = read(&fleet.dir().join("server/server.log"));
    told.extend(read(&fleet.dir().join("nodes/develop-1/node.log")));
    told.retain(|line| line.unit.as_deref().is_none_or(|unit| unit == "stamp.service"));
    told.sort_by_key(|line| line.at);
    let mut reached: BTreeMap<&str, Vec<(f64, f64, u64)>> = BTreeMap::new();
    for way in ways {
        let mut before = way.renamed;
        for (stage, at, syncs) in along(&told, *way) {
            let step = (milliseconds(at - way.renamed), milliseconds(at - before), syncs);
            reached.entry(stage).or_default().push(step);
            before = at;
        }
    }
    println!("\n| stage | after the rename | step | fsyncs | n |\n|---|---:|---:|---:|---:|");
    for stage in STAGES.iter().copied().chain(["first instruction"]) {
        let steps = reached.get(stage).map(Vec::as_slice).unwrap_or_default();
        let middle = |value: fn(&(f64, f64, u64)) -> f64| {
            let mut values: Vec<f64> = steps.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            median(&values)
        };
        let (after, step, syncs) = (middle(|step| step.0), middle(|step| step.1), middle(|step| step.2 as f64));
        println!("| {stage} | {after:.2} ms | {step:.2} ms | {syncs} | {} |", steps.len());
    }
}

/// The stages one commit went through, in order of time. The first instruction is one of them.
fn along(told: &[Told], way: Way) -> Vec<(&'static str, i64, u64)> {
    let within = told.iter().filter(|line| line.at >= way.renamed - BEFORE && line.at <= way.began + AFTER);
    let mut found: Vec<(&'static str, i64, u64)> = vec![("first instruction", way.began, 0)];
    for line in within {
        let known = STAGES.iter().find(|stage| **stage == line.stage);
        if let Some(stage) = known.filter(|stage| found.iter().all(|(seen, ..)| seen != *stage)) {
            found.push((stage, line.at, line.syncs));
        }
    }
    found.sort_by_key(|(_, at, _)| *at);
    found
}

fn read(path: &std::path::Path) -> Vec<Told> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter(|line| line.contains(" stage=\"")).filter_map(parse).collect()
}

/// `… path stage="offered" at_ns=123 syncs=1 unit="web.service"`
fn parse(line: &str) -> Option<Told> {
    let quoted = |key: &str| {
        let rest = line.split_once(&format!(" {key}=\""))?.1;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let number = |key: &str| {
        let rest = line.split_once(&format!(" {key}="))?.1;
        rest.split(' ').next()?.parse::<u64>().ok()
    };
    Some(Told {
        stage: quoted("stage")?,
        at: i64::try_from(number("at_ns")?).ok()?,
        syncs: number("syncs")?,
        unit: quoted("unit"),
    })
}
