//! The benchmarks: `cargo run --release -p fleet-tests --bin bench [--only path|status|logs|idle] [--idle-seconds N]`.
//!
//! ```text
//! fleet with the sample repository: path (commit -> process), status, logs
//! fleet with 100 units that sleep:  idle (memory and CPU of the daemons)
//! ```
//! It reports and never fails on a slow day: each figure stands beside its target and a floor of the same run.

mod idle;
mod logs;
mod path;
mod stages;
mod status;
mod table;

use fleet_tests::{TestFleet, helper_binary};
use std::time::Duration;
use table::Table;

/// What the daemons tell, besides the usual: the stages of the path.
const LOG: &str = "info,fleet::path=debug";

struct Wanted {
    only: Option<String>,
    idle: Duration,
}

impl Wanted {
    fn has(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

fn main() {
    let wanted = match arguments() {
        Ok(wanted) => wanted,
        Err(usage) => {
            eprintln!("{usage}");
            std::process::exit(2);
        }
    };
    if cfg!(debug_assertions) {
        println!("A debug build: these figures mean little. Use cargo run --release.");
    }
    println!("load before: {}", load());
    let stamp = helper_binary("stamp");
    let mut table = Table::default();
    if ["path", "status", "logs"].iter().any(|part| wanted.has(part)) {
        let fleet = TestFleet::prepared().logging(LOG);
        fleet.start(&[]).ok();
        fleet.wait_for("develop", "develop converges", |seen| seen["state"] == "converged");
        if wanted.has("path") {
            path::measure(&fleet, &stamp, &mut table);
        }
        if wanted.has("status") {
            status::measure(&fleet, &mut table);
        }
        if wanted.has("logs") {
            logs::measure(&fleet, &stamp, &mut table);
        }
    }
    if wanted.has("idle") {
        idle::measure(wanted.idle, &mut table);
    }
    println!("\n{table}\nload after: {}", load());
}

fn arguments() -> Result<Wanted, String> {
    const USAGE: &str = "usage: bench [--only path|status|logs|idle] [--idle-seconds N]";
    let mut wanted = Wanted { only: None, idle: Duration::from_secs(60) };
    let mut given = std::env::args().skip(1);
    while let Some(option) = given.next() {
        let value = given.next().ok_or(USAGE)?;
        match option.as_str() {
            "--only" if ["path", "status", "logs", "idle"].contains(&&*value) => wanted.only = Some(value),
            "--idle-seconds" => wanted.idle = Duration::from_secs(value.parse().map_err(|_| USAGE)?),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(wanted)
}

/// Load averages over 1, 5 and 15 minutes, and how many processors share it.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = text.split_whitespace().take(3).collect();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} on {processors} processors", averages.join(" "))
}

/// `CLOCK_MONOTONIC` in nanoseconds: the one clock of every process of this machine.
fn now() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Nanoseconds as milliseconds.
fn milliseconds(nanoseconds: i64) -> f64 {
    // Durations of a run are far below 2^53 ns.
    nanoseconds as f64 / 1e6
}
