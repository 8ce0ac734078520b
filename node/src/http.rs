//! The node's HTTP listener: health, liveness, readiness and metrics for probes and Prometheus. Loopback only.
//!
//! The agent sets the parts ([`Components`]) and counts; gauges that follow from the units are set when somebody reads.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use fleet_certs::port::{self, PortError};
use fleet_units::components::{ComponentState, Components};
use fleet_units::status::UnitStatus;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The content type of OpenMetrics text.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why the HTTP listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not loopback.
    #[error(
        "HTTP on {0} would be open to the network without TLS; choose an address of loopback such as 127.0.0.1:7463"
    )]
    NotLoopback(SocketAddr),
    /// Taken or refused.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The runtime does not take it.
    #[error("listening on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// The label of units by state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

/// Everything a node counts.
#[derive(Debug, Default)]
pub struct Metrics {
    registry: Registry,
    /// 1 while the control stream to the coordinator lives.
    pub connected: Gauge,
    /// The generation of the assignment in force.
    pub generation: Gauge,
    units: Family<InState, Gauge>,
    restarts: Gauge,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Metrics::default();
        let mut registry = Registry::with_prefix("fleet_node");
        registry.register("connected", "1 while the coordinator is connected", metrics.connected.clone());
        registry.register("generation", "Generation of the assignment in force", metrics.generation.clone());
        registry.register("units", "Units by their state", metrics.units.clone());
        registry.register("unit_restarts", "Automatic restarts of the units as they run now", metrics.restarts.clone());
        metrics.registry = registry;
        metrics
    }

    /// Sets the gauges that follow from the state of the units.
    pub fn observe<'a>(&self, units: impl IntoIterator<Item = &'a UnitStatus>) {
        self.units.clear();
        let mut restarts = 0;
        for unit in units {
            self.units.get_or_create(&InState { state: unit.active_state.as_str() }).inc();
            restarts += i64::from(unit.restarts);
        }
        self.restarts.set(restarts);
    }

    fn encode(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }
}

/// What the listener shows.
#[derive(Clone)]
pub struct Shown {
    /// How the parts fare.
    pub components: watch::Receiver<Components>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Called before each reading of the metrics; sets what is not kept up to date all the time ([`Metrics::observe`]).
    pub refresh: Arc<dyn Fn(&Metrics) + Send + Sync>,
}

/// Listens on `address`, which has to be one of loopback.
pub fn listen(address: SocketAddr) -> Result<TcpListener, HttpError> {
    if !address.ip().is_loopback() {
        return Err(HttpError::NotLoopback(address));
    }
    TcpListener::from_std(port::listen(address)?).map_err(|source| HttpError::Listen { address, source })
}

/// Serves until `shutdown`.
pub async fn run(listener: TcpListener, shown: Shown, shutdown: CancellationToken) -> io::Result<()> {
    axum::serve(listener, router(shown)).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

fn router(shown: Shown) -> Router {
    let (for_health, for_readiness) = (shown.components.clone(), shown.components.clone());
    Router::new()
        .route("/health", get(async move || health(&for_health.borrow())))
        .route("/health/liveness", get(async || "alive\n"))
        .route("/health/readiness", get(async move || readiness(&for_readiness.borrow())))
        .route("/metrics", get(async move || metrics(&shown)))
}

fn health(components: &Components) -> (StatusCode, Json<serde_json::Value>) {
    let status = match components.state() {
        ComponentState::Ok | ComponentState::Degraded => StatusCode::OK,
        ComponentState::Failed => StatusCode::SERVICE_UNAVAILABLE,
    };
    let report = serde_json::to_value(components.report()).expect("a report has text keys and no foreign types");
    (status, Json(report))
}

fn readiness(components: &Components) -> (StatusCode, String) {
    match components.not_ready() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

fn metrics(shown: &Shown) -> Response {
    (shown.refresh)(&shown.metrics);
    ([(CONTENT_TYPE, OPENMETRICS)], shown.metrics.encode()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_node_shows_its_parts_and_its_numbers() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (components, watched) = watch::channel(Components::starting(&["link"]));
        let refresh = Arc::new(|metrics: &Metrics| metrics.observe([]));
        let shown = Shown { components: watched, metrics: Arc::new(Metrics::new()), refresh };
        shown.metrics.generation.set(7);
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(run(listener, shown, shutdown.clone()));
        assert!(get(address, "/health/readiness").await.contains("503 Service Unavailable"));
        assert!(get(address, "/health/liveness").await.starts_with("HTTP/1.1 200 OK"));
        components.send_modify(|parts| {
            parts.set("link", ComponentState::Ok, "");
        });
        assert!(get(address, "/health/readiness").await.starts_with("HTTP/1.1 200 OK"));
        assert!(get(address, "/health").await.contains("\"link\":{\"state\":\"ok\""));
        let numbers = get(address, "/metrics").await;
        assert!(numbers.contains("fleet_node_generation 7\n") && numbers.ends_with("# EOF\n"), "{numbers}");
        shutdown.cancel();
        serving.await.unwrap().unwrap();
    }
}
