//! The HTTP side: a page for people, answers for probes, numbers for Prometheus.

use super::page;
use super::service::Service;
use crate::error::{CommandError, CommandResult};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fleet_certs::port;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

type Shared = State<Arc<Service>>;

/// Listens on `address`, which has to be one of loopback: this is no service for a network.
pub(super) fn listen(address: SocketAddr) -> CommandResult<TcpListener> {
    if !address.ip().is_loopback() {
        let error = CommandError::usage(format!("--listen {address} is not an address of loopback"));
        return Err(error.hint(format!("use 127.0.0.1:{}", address.port())));
    }
    port::listen(address).map_err(|error| CommandError::because("the sample service cannot listen", error))
}

/// Serves for ever; without a listener, just waits.
pub(super) async fn serve(listener: Option<TcpListener>, service: Arc<Service>, control: bool) -> CommandResult<()> {
    let failed = |error| CommandError::because("the sample service cannot serve HTTP", error);
    match listener {
        None => std::future::pending().await,
        Some(listener) => {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
            axum::serve(listener, router(service, control)).await.map_err(failed)
        }
    }
}

pub(super) fn router(service: Arc<Service>, control: bool) -> Router {
    let mut router = Router::new()
        .route("/", get(root))
        .route("/ping", get(ping))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics));
    if control {
        router = router.route("/control/{what}", post(steer));
    }
    router.with_state(service)
}

async fn root(State(service): Shared, headers: HeaderMap) -> Response {
    service.delay().await;
    let status = status(service.request());
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], page::html(&service)).into_response()
    } else {
        (status, page::text(&service)).into_response()
    }
}

async fn ping(State(service): Shared) -> (StatusCode, &'static str) {
    service.delay().await;
    match service.request() {
        true => (StatusCode::OK, "pong\n"),
        false => (StatusCode::INTERNAL_SERVER_ERROR, "no pong today\n"),
    }
}

async fn health(State(service): Shared) -> (StatusCode, String) {
    service.delay().await;
    match service.unhealthy() {
        None => (StatusCode::OK, "healthy\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("unhealthy: {why}\n")),
    }
}

async fn ready(State(service): Shared) -> (StatusCode, &'static str) {
    match service.is_ready() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
    }
}

async fn metrics(State(service): Shared) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page::metrics(&service))
}

async fn steer(State(service): Shared, Path(what): Path<String>) -> (StatusCode, String) {
    match service.control(&what) {
        true => (StatusCode::OK, format!("{what}: done\n")),
        false => (StatusCode::NOT_FOUND, "there are fail, recover, slow and exit\n".to_owned()),
    }
}

fn status(fine: bool) -> StatusCode {
    if fine { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
}
