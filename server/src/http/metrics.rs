//! `/metrics`: what the coordinator counts, as OpenMetrics text.
//!
//! Counters are public fields that their parts increment; gauges that follow from the fleet's view are set when
//! somebody reads ([`Metrics::observe`]). Labels are environments, states, RPCs: never units, whose number has no bound.

use super::Shown;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use fleet_units::view::{EnvironmentState, FleetView};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The label of what belongs to one environment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct InEnvironment {
    /// Its name.
    pub environment: String,
}

/// The labels of units by state, and of environments by state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct InState {
    /// The environment's name.
    pub environment: String,
    /// The state's word.
    pub state: &'static str,
}

/// The labels of answered requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answered {
    /// `fleet.v1.Operator/Status`
    pub rpc: String,
    /// The gRPC code's name: `ok`, `permission-denied`.
    pub code: String,
}

/// Everything the coordinator counts.
#[derive(Debug, Default)]
pub struct Metrics {
    registry: Registry,
    /// Notices of assignments sent to nodes.
    pub assignments_sent: Counter,
    /// Branch heads accepted.
    pub commits_accepted: Family<InEnvironment, Counter>,
    /// Branch heads rejected.
    pub commits_rejected: Family<InEnvironment, Counter>,
    /// Waits for the disk by the store.
    pub fsyncs: Counter,
    /// Requests answered.
    pub requests: Family<Answered, Counter>,
    nodes: Family<InEnvironment, Gauge>,
    connected_nodes: Family<InEnvironment, Gauge>,
    units: Family<InState, Gauge>,
    restarts: Family<InEnvironment, Gauge>,
    environments: Family<InState, Gauge>,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Metrics::default();
        let mut registry = Registry::with_prefix("fleet");
        registry.register("nodes", "Enrolled nodes", metrics.nodes.clone());
        registry.register("connected_nodes", "Nodes with a live stream", metrics.connected_nodes.clone());
        registry.register("units", "Units on nodes by their state", metrics.units.clone());
        registry.register("unit_restarts", "Automatic restarts of the units as they run now", metrics.restarts.clone());
        registry.register("environment_state", "1 for the state an environment is in", metrics.environments.clone());
        registry.register("assignments_sent", "Assignments sent to nodes", metrics.assignments_sent.clone());
        registry.register("commits_accepted", "Branch heads accepted", metrics.commits_accepted.clone());
        registry.register("commits_rejected", "Branch heads rejected", metrics.commits_rejected.clone());
        registry.register("fsyncs", "Waits of the store for the disk", metrics.fsyncs.clone());
        registry.register("requests", "Requests answered, by RPC and gRPC code", metrics.requests.clone());
        metrics.registry = registry;
        metrics
    }

    /// Sets the gauges that follow from the state of the fleet.
    pub fn observe(&self, fleet: &FleetView) {
        self.units.clear();
        self.environments.clear();
        for environment in &fleet.environments {
            let name = environment.name.to_string();
            let label = InEnvironment { environment: name.clone() };
            self.nodes.get_or_create(&label).set(environment.nodes.total.into());
            self.connected_nodes.get_or_create(&label).set(environment.nodes.connected.into());
            for unit in &environment.units {
                let state = unit.status.active_state.as_str();
                self.units.get_or_create(&InState { environment: name.clone(), state }).inc();
            }
            let restarts = environment.units.iter().map(|unit| i64::from(unit.status.restarts)).sum();
            self.restarts.get_or_create(&label).set(restarts);
            for state in EACH_STATE {
                let is = i64::from(state == environment.state);
                self.environments.get_or_create(&InState { environment: name.clone(), state: state.as_str() }).set(is);
            }
        }
    }

    /// Counts one answered request.
    pub fn answered(&self, rpc: impl Into<String>, code: impl Into<String>) {
        self.requests.get_or_create(&Answered { rpc: rpc.into(), code: code.into() }).inc();
    }

    fn encode(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }
}

const EACH_STATE: [EnvironmentState; 5] = [
    EnvironmentState::Empty,
    EnvironmentState::Failed,
    EnvironmentState::Degraded,
    EnvironmentState::Converging,
    EnvironmentState::Converged,
];

/// The content type of OpenMetrics text.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn router(shown: Shown) -> Router {
    let answer = async move || -> Response {
        (shown.refresh)(&shown.metrics);
        ([(CONTENT_TYPE, OPENMETRICS)], shown.metrics.encode()).into_response()
    };
    Router::new().route("/metrics", get(answer))
}
