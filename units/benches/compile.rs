//! How long 10,000 units with 20,000 drop-ins take to parse, merge and check, and how long the next commit takes:
//! `cargo bench -p fleet-units`. Aim: at most 300 ms on one core; a commit that changes one unit, time for one.
//! What is measured is the time on the CPU: what other programs take from it does not count.

use fleet_units::bundle::{SourceFile, SourceTree};
use fleet_units::fleet::{Compiled, Compiler, compile};
use fleet_units::ids::EnvironmentName;
use std::sync::Arc;
use std::time::Duration;

const UNITS: usize = 10_000;
const RUNS: usize = 7;

fn main() {
    let tree = Arc::new(tree());
    let environment: EnvironmentName = "test".parse().expect("it is a label");
    measure("all of them", UNITS, || timed(|| compile(&environment, &tree)));
    let mut compiler = Compiler::new(environment);
    compiler.compile(&tree);
    let mut follow = |what: &str, units: usize, edit: fn(&mut SourceTree, usize)| {
        let mut number = 0;
        measure(what, units, || {
            let mut changed = SourceTree::clone(&tree);
            number += 1;
            edit(&mut changed, number);
            let changed = Arc::new(changed);
            let (time, compiled) = timed(|| compiler.compile(&changed));
            compiler.compile(&tree);
            (time, compiled)
        });
    };
    follow("a commit that changes what one says", UNITS, |tree, number| {
        let nice = format!("[Service]\nNice={number}\n");
        write(tree, "units/app-5000.service.d/10-memory.conf", &nice);
    });
    follow("a commit that changes an ordering", UNITS, |tree, number| {
        let after = format!("[Unit]\nAfter=app-{}.service\n", 9000 + number);
        write(tree, "units/app-5000.service.d/10-memory.conf", &after);
    });
    follow("a commit that adds one", UNITS + 1, |tree, number| {
        write(tree, &format!("units/new-{number}.service"), "[Service]\nExecStart=/usr/bin/app\n");
    });
}

fn timed(compile: impl FnOnce() -> Compiled) -> (Duration, Compiled) {
    let start = on_cpu();
    let compiled = compile();
    (on_cpu() - start, compiled)
}

/// How long this process, which has one thread, was on a CPU so far (proc(5), schedstat).
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux has it");
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok()).expect("a number of nanoseconds");
    Duration::from_nanos(nanoseconds)
}

fn measure(what: &str, units: usize, mut run: impl FnMut() -> (Duration, Compiled)) {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let (time, compiled) = run();
            assert_eq!((compiled.fleet.units.len(), compiled.diagnostics.len()), (units, 0));
            time
        })
        .collect();
    times.sort();
    println!("compile {UNITS} units with two drop-ins each: {what}: median {:?}, best {:?}", times[RUNS / 2], times[0]);
}

fn write(tree: &mut SourceTree, path: &str, text: &str) {
    tree.insert(path.to_owned(), SourceFile::new(false, text.as_bytes()));
}

fn tree() -> SourceTree {
    let mut tree = SourceTree::new();
    let mut add = |path: String, text: String| tree.insert(path, SourceFile::new(false, text.into_bytes()));
    for number in 0..UNITS {
        let unit = format!(
            "[Unit]\nDescription=App {number}\nAfter=network.target app-{}.service\nWants=network.target\n\n\
             [Service]\nType=exec\nExecStart=/usr/bin/app --port {number} --name 'app {number}'\n\
             Environment=A=1 B=2\nUser=app\nRestart=on-failure\nRestartSec=5s\nLimitNOFILE=1024\n\
             StateDirectory=app-{number}\nPrivateTmp=yes\nProtectSystem=strict\n\n\
             [Install]\nWantedBy=multi-user.target\n\n[X-Fleet]\nNodes=role=web\nMaxParallel=1\n",
            number + 1
        );
        add(format!("units/app-{number}.service"), unit);
        add(format!("units/app-{number}.service.d/10-memory.conf"), "[Service]\nMemoryMax=1G\n".to_owned());
        add(format!("environments/test/app-{number}.service.d/20-nice.conf"), "[Service]\nNice=5\n".to_owned());
    }
    tree
}
