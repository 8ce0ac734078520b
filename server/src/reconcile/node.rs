//! One node as the coordinator knows it now.

use crate::sessions::Offer;
use fleet_proto::v1;
use fleet_units::assignment::NodeAssignment;
use fleet_units::diagnostic::Reason;
use fleet_units::ids::{EnvironmentName, Epoch, Generation, UnitDigest, UnitName};
use fleet_units::rollout;
use fleet_units::schedule::NodeFacts;
use fleet_units::status::{ActiveState, UnitStatus};
use fleet_units::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Units a node may tell of besides those it is assigned: on their way out, mostly. What is beyond is not kept.
const STRANGERS: usize = 1000;

/// A node's live connection.
#[derive(Debug)]
pub(super) struct Link {
    /// Tells it from an older or newer one of the same node.
    pub(super) session: u64,
    /// Commands to it.
    pub(super) commands: mpsc::Sender<v1::Command>,
}

/// One node as the coordinator knows it now.
#[derive(Debug)]
pub(super) struct Node {
    /// Its environment, by its certificate.
    pub(super) environment: EnvironmentName,
    /// The coordinator's labels.
    pub(super) labels: BTreeMap<String, String>,
    /// The node's own facts.
    pub(super) facts: BTreeMap<String, String>,
    /// The version of its agent.
    pub(super) agent_version: String,
    /// Its connection, if it has one.
    pub(super) link: Option<Link>,
    /// Since when it is connected, or is not.
    pub(super) since: Timestamp,
    /// What it was offered last; kept over restarts of the coordinator.
    pub(super) assignment: Option<Arc<NodeAssignment>>,
    /// The epoch and generation it acts on.
    pub(super) applied: Option<(Epoch, Generation)>,
    /// Why it refused the last offer.
    pub(super) refused: Option<Reason>,
    /// Units it does not run though assigned.
    pub(super) refusals: BTreeMap<UnitName, Reason>,
    /// What it last told of its units.
    pub(super) statuses: BTreeMap<UnitName, UnitStatus>,
    /// What it last told that its host runs by itself.
    pub(super) host_units: BTreeSet<UnitName>,
    offers: watch::Sender<Option<Offer>>,
}

impl Node {
    /// A node that was never seen.
    #[must_use]
    pub(super) fn new(environment: EnvironmentName, now: Timestamp) -> Node {
        Node {
            environment,
            labels: BTreeMap::new(),
            facts: BTreeMap::new(),
            agent_version: String::new(),
            link: None,
            since: now,
            assignment: None,
            applied: None,
            refused: None,
            refusals: BTreeMap::new(),
            statuses: BTreeMap::new(),
            host_units: BTreeSet::new(),
            offers: watch::channel(None).0,
        }
    }

    /// What placement looks at.
    #[must_use]
    pub(super) fn placement_facts(&self) -> NodeFacts {
        NodeFacts {
            environment: self.environment.clone(),
            labels: self.labels.clone(),
            facts: self.facts.clone(),
            reachable: true,
        }
    }

    /// Offers it what `offer` says; whoever is connected is told.
    pub(super) fn offer(&mut self, offer: Offer) {
        self.assignment = Some(offer.assignment.clone());
        self.refused = None;
        self.offers.send_replace(Some(offer));
    }

    /// The offer as it stands, and all that follow.
    #[must_use]
    pub(super) fn offers(&self) -> watch::Receiver<Option<Offer>> {
        self.offers.subscribe()
    }

    /// The latest offer of this life of the coordinator.
    #[must_use]
    pub(super) fn latest_offer(&self) -> Option<Offer> {
        self.offers.borrow().clone()
    }

    /// Whether it acts on what it was offered last.
    #[must_use]
    pub(super) fn has_applied(&self) -> bool {
        self.assignment.as_ref().is_some_and(|offered| self.applied == Some((offered.epoch, offered.generation)))
    }

    /// Whether it acts on the offer and every unit is as it should be.
    #[must_use]
    pub(super) fn is_settled(&self) -> bool {
        let assigned = self.assignment.iter().flat_map(|offered| offered.units.iter());
        self.has_applied()
            && self.refusals.is_empty()
            && assigned.clone().all(|(unit, entry)| self.runs(unit, &entry.digest))
            && rollout::unsettled(self.statuses.values()).is_none()
    }

    fn runs(&self, unit: &UnitName, digest: &UnitDigest) -> bool {
        // A unit that never started (manual, triggered) has no digest of its own.
        self.statuses.get(unit).is_some_and(|status| status.digest.is_none_or(|running| running == *digest))
    }

    /// Takes in one report.
    pub(super) fn report(&mut self, report: v1::StatusReport) -> Vec<Transition> {
        if report.complete {
            // A complete list may come in several parts, so what is assigned is kept: the parts that follow renew it.
            let named: Vec<&str> = report.units.iter().map(|unit| unit.unit.as_str()).collect();
            let assigned = self.assignment.clone();
            let stays = |unit: &UnitName| assigned.as_ref().is_some_and(|held| held.units.contains_key(unit));
            self.statuses.retain(|unit, _| stays(unit) || named.contains(&unit.as_str()));
        }
        for unit in &report.removed {
            if let Ok(unit) = unit.parse::<UnitName>() {
                self.statuses.remove(&unit);
            }
        }
        if let Some(host) = report.host {
            self.host_units = host.active.iter().filter_map(|unit| unit.parse().ok()).collect();
        }
        report.units.into_iter().filter_map(|unit| self.take(unit)).collect()
    }

    fn take(&mut self, unit: v1::UnitStatus) -> Option<Transition> {
        let name = unit.unit.clone();
        let now: UnitStatus = match unit.try_into() {
            Ok(status) => status,
            Err(error) => {
                tracing::warn!(unit = name, %error, "a status report cannot be understood");
                return None;
            }
        };
        let assigned = self.assignment.as_ref().map_or(0, |held| held.units.len());
        if self.statuses.len() >= assigned + STRANGERS && !self.statuses.contains_key(&now.unit) {
            return None;
        }
        let before = self.statuses.insert(now.unit.clone(), now.clone());
        let same = |before: &UnitStatus| {
            (before.active_state, before.health, before.restarts) == (now.active_state, now.health, now.restarts)
        };
        let tell = !before.as_ref().is_some_and(same);
        let hold_ended = now.held.is_none() && before.is_some_and(|before| before.held.is_some());
        (tell || hold_ended).then_some(Transition { now, tell, hold_ended })
    }
}

/// A unit whose public state changed.
#[derive(Debug)]
pub(super) struct Transition {
    /// It is worth an event.
    pub(super) tell: bool,
    /// The node was told of a hold, or set one, and has it no more.
    pub(super) hold_ended: bool,
    /// As it is now.
    pub(super) now: UnitStatus,
}

impl Transition {
    /// One line for people.
    #[must_use]
    pub(super) fn text(&self) -> String {
        let UnitStatus { active_state, sub_state, result, health, main_pid, .. } = &self.now;
        if self.now.completed && *active_state == ActiveState::Inactive {
            return "completed".to_owned();
        }
        let mut text = format!("{} ({sub_state})", active_state.as_str());
        if result != "success" {
            text.push_str(&format!(", {result}"));
        }
        if *main_pid != 0 {
            text.push_str(&format!(", pid {main_pid}"));
        }
        if *health != fleet_units::status::Health::None {
            text.push_str(&format!(", {}", health.as_str()));
        }
        text
    }
}
