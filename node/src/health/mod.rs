//! Health checks: asks a unit again and again, judges the answers, reports what changed.
//!
//! ```text
//! run(spec, report):   Judge::delay --sleep--> probe --Result--> Judge::on --change--> report
//! ```
//! The engine starts one [`run`] for each start of a unit that has a check, and drops it when the unit stops. Probes
//! run in the node's own namespaces.

pub mod judge;
pub mod probe;

use fleet_units::diagnostic::Reason;
use fleet_units::spec::HealthSpec;
use fleet_units::status::Health;
use judge::Judge;
use tokio::time::{Instant, sleep, timeout};

/// Probes as `spec` says, from now on, which is taken for the moment the unit became active, and calls `report` with
/// each change of the judgement; the first report ([`Health::Starting`]) comes before the first probe.
///
/// The future ends only when it is dropped, except without a check: then it reports [`Health::None`] and is done.
pub async fn run(spec: HealthSpec, mut report: impl FnMut(Health, Option<Reason>)) {
    let Some(check) = &spec.check else {
        return report(Health::None, None);
    };
    report(Health::Starting, None);
    let started = Instant::now();
    let mut judge = Judge::new(&spec);
    loop {
        let limit = judge.timeout();
        let outcome = timeout(limit, probe::probe(check)).await.unwrap_or_else(|_| Err(probe::timed_out(check, limit)));
        let elapsed = started.elapsed();
        if let Some((health, reason)) = judge.on(elapsed, outcome) {
            report(health, reason);
        }
        sleep(judge.delay(elapsed)).await;
    }
}

#[cfg(test)]
mod tests;
