//! How a new revision reaches the nodes of an environment: at most so many at once, the next when one is settled.
//!
//! The coordinator keeps a [`NodeProgress`] for each node and calls [`next`] whenever one of them changed, or when the
//! moment it was told to wake at has come. A node is *settled* when it has applied the revision and every unit it
//! shall run is active (or completed, or held) and healthy if it has a check: see [`unsettled`].

#[cfg(test)]
mod tests;

use crate::diagnostic::Reason;
use crate::ids::NodeName;
use crate::spec::{FleetSection, Percent};
use crate::status::UnitStatus;
use crate::time::Moment;
use crate::view;
use std::collections::BTreeMap;
use std::time::Duration;

/// The rules of one rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolloutPolicy {
    /// Nodes that may be under way at once, of all the nodes given to [`next`].
    pub max_parallel: Percent,
    /// How long a node that changed has to stay settled before the rollout is finished. The next node does not wait
    /// for it.
    pub min_healthy: Duration,
    /// How long after its release a node may take to settle.
    pub deadline: Duration,
}

impl RolloutPolicy {
    /// The strictest of what the changed units ask for: fewest nodes at once (of `nodes` nodes), longest times.
    /// Without a changed unit, the defaults of the documentation's table.
    #[must_use]
    pub fn strictest<'a>(changed: impl IntoIterator<Item = &'a FleetSection>, nodes: usize) -> RolloutPolicy {
        let each = changed.into_iter().map(|unit| RolloutPolicy {
            max_parallel: unit.max_parallel,
            min_healthy: unit.min_healthy,
            deadline: unit.health_deadline,
        });
        each.reduce(|a, b| RolloutPolicy {
            max_parallel: if b.max_parallel.of(nodes) < a.max_parallel.of(nodes) {
                b.max_parallel
            } else {
                a.max_parallel
            },
            min_healthy: a.min_healthy.max(b.min_healthy),
            deadline: a.deadline.max(b.deadline),
        })
        .unwrap_or_default()
    }
}

impl Default for RolloutPolicy {
    fn default() -> Self {
        RolloutPolicy {
            max_parallel: Percent::Percent(25),
            min_healthy: Duration::from_secs(10),
            deadline: Duration::from_secs(300),
        }
    }
}

/// How far one node is on its way to the new revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeProgress {
    /// It has a live control stream. A node without one is not waited for unless it was released before.
    pub connected: bool,
    /// The new revision changes what it runs. A node whose manifest stays the same is released at once, outside of
    /// the limit, and no time is waited for it.
    pub changes: bool,
    /// When the new revision was sent to it; `None`: not yet.
    pub released_at: Option<Moment>,
    /// Since when it is settled at the new revision; `None`: it is not.
    pub settled_since: Option<Moment>,
    /// It has been settled for long enough once. What happens to it afterwards is no longer the rollout's.
    pub proven: bool,
}

impl NodeProgress {
    /// Takes in whether the node is settled at `now`. Call it before [`next`] for every node that was released; without
    /// it a unit that crashes long after the rollout would make the rollout fail.
    pub fn note(&mut self, policy: &RolloutPolicy, settled: bool, now: Moment) {
        // Time that passed since the last look counts, though the node may have changed for the worse just now.
        self.proven |= self.settled_since.is_some_and(|since| now >= self.proven_at(policy, since));
        let settled = settled && self.released_at.is_some();
        self.settled_since = settled.then(|| self.settled_since.unwrap_or(now));
        self.proven |= self.settled_since.is_some_and(|since| now >= self.proven_at(policy, since));
    }

    fn proven_at(&self, policy: &RolloutPolicy, settled: Moment) -> Moment {
        if self.changes { settled.after(policy.min_healthy) } else { settled }
    }
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolloutStep {
    /// Send the new revision to these, in this order.
    pub release: Vec<NodeName>,
    /// Every connected node is settled, and has been for long enough.
    pub finished: bool,
    /// These were released longer ago than the deadline allows and are not settled: the rollout failed, and
    /// `release` holds no node that would change.
    pub overdue: Vec<NodeName>,
    /// When to ask again though nothing changes; `None`: only a change matters.
    pub wake: Option<Moment>,
    /// Why each of the other nodes is waited for.
    pub waiting: BTreeMap<NodeName, Reason>,
}

/// Decides which of `nodes` get the new revision at `now`, and whether the rollout is over.
#[must_use]
pub fn next(policy: &RolloutPolicy, nodes: &BTreeMap<NodeName, NodeProgress>, now: Moment) -> RolloutStep {
    let mut step = RolloutStep::default();
    let mut slots = policy.max_parallel.of(nodes.len());
    for (name, node) in nodes {
        match stage(policy, node, now) {
            Stage::UnderWay(until) => {
                slots = slots.saturating_sub(usize::from(node.changes));
                step.wait(name, until, Reason::new("not-settled", "it has the new revision and is not settled yet"));
            }
            Stage::Overdue => step.overdue.push(name.clone()),
            Stage::Proving(until) => {
                step.wait(name, until, Reason::new("min-healthy", "it is settled, MinHealthySec is not over"));
            }
            Stage::Away | Stage::Done | Stage::Due => {}
        }
    }
    for (name, node) in nodes {
        if stage(policy, node, now) != Stage::Due {
            continue;
        }
        if !node.changes {
            step.release.push(name.clone());
        } else if slots > 0 && step.overdue.is_empty() {
            slots -= 1;
            step.release.push(name.clone());
        } else {
            step.waiting
                .insert(name.clone(), Reason::new("max-parallel", "it waits for the nodes before it (MaxParallel)"));
        }
    }
    step.finished = step.release.is_empty() && step.waiting.is_empty() && step.overdue.is_empty();
    step
}

impl RolloutStep {
    fn wait(&mut self, node: &NodeName, until: Moment, reason: Reason) {
        self.waiting.insert(node.clone(), reason);
        self.wake = Some(self.wake.map_or(until, |wake| wake.min(until)));
    }
}

/// Where one node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not connected and not released: it gets the revision when it comes.
    Away,
    /// May be released.
    Due,
    /// Released, not settled; overdue at this moment.
    UnderWay(Moment),
    /// Released for too long.
    Overdue,
    /// Settled; done at this moment.
    Proving(Moment),
    /// Nothing left to wait for.
    Done,
}

fn stage(policy: &RolloutPolicy, node: &NodeProgress, now: Moment) -> Stage {
    let Some(released) = node.released_at else {
        return if node.connected { Stage::Due } else { Stage::Away };
    };
    if node.proven {
        return Stage::Done;
    }
    let Some(settled) = node.settled_since else {
        let overdue = released.after(policy.deadline);
        return if now < overdue { Stage::UnderWay(overdue) } else { Stage::Overdue };
    };
    let done = node.proven_at(policy, settled);
    if now < done { Stage::Proving(done) } else { Stage::Done }
}

/// Why a node that has applied its assignment is not settled; `None` when it is. `units` are all it reports.
pub fn unsettled<'a>(units: impl IntoIterator<Item = &'a UnitStatus>) -> Option<Reason> {
    units.into_iter().find_map(|unit| {
        let text = format!("{}: {}", unit.unit, view::not_settled(unit)?);
        Some(Reason::new("unit-not-settled", text))
    })
}
