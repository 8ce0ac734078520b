//! `/health`, `/health/liveness`, `/health/readiness`.

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use fleet_units::components::{ComponentState, Components};
use tokio::sync::watch;

/// The three routes, over the latest state of the parts.
pub(super) fn router(components: watch::Receiver<Components>) -> Router {
    let for_readiness = components.clone();
    Router::new()
        .route("/health", get(async move || health(&components.borrow())))
        .route("/health/liveness", get(async || "alive\n"))
        .route("/health/readiness", get(async move || readiness(&for_readiness.borrow())))
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
