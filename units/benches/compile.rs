//! How long 10,000 units with 20,000 drop-ins take to parse, merge and check: `cargo bench -p fleet-units`.
//! Aim: at most 300 ms on one core.

use fleet_units::bundle::{SourceFile, SourceTree};
use fleet_units::fleet::compile;
use std::time::Instant;

const UNITS: usize = 10_000;
const RUNS: usize = 7;

fn main() {
    let tree = tree();
    let environment = "test".parse().expect("it is a label");
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let compiled = compile(&environment, &tree);
            let time = start.elapsed();
            assert_eq!((compiled.fleet.units.len(), compiled.diagnostics.len()), (UNITS, 0));
            time
        })
        .collect();
    times.sort();
    println!("compile {UNITS} units, {} files: median {:?}, best {:?}", tree.len(), times[RUNS / 2], times[0]);
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
