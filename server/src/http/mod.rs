//! The coordinator's HTTP listener: health, liveness, readiness and metrics for probes and Prometheus.
//!
//! ```text
//! parts of the coordinator --watch<Components>--> health    /health, /health/liveness, /health/readiness
//! everyone --Arc<Metrics>--> metrics                        /metrics
//! ```
//! Loopback only: another address would need TLS or a token, which this listener does not have.

mod health;
pub mod metrics;

pub use metrics::Metrics;

use axum::Router;
use fleet_certs::port::{self, PortError};
use fleet_units::components::Components;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Why the HTTP listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not loopback.
    #[error(
        "HTTP on {0} would be open to the network without TLS; choose an address of loopback such as 127.0.0.1:7462"
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

/// Listens on `address`, which has to be one of loopback.
pub fn listen(address: SocketAddr) -> Result<TcpListener, HttpError> {
    if !address.ip().is_loopback() {
        return Err(HttpError::NotLoopback(address));
    }
    TcpListener::from_std(port::listen(address)?).map_err(|source| HttpError::Listen { address, source })
}

/// What the listener shows.
#[derive(Clone)]
pub struct Shown {
    /// How the parts fare.
    pub components: watch::Receiver<Components>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Called before each reading of the metrics, to set the gauges that are not kept up to date all the time
    /// ([`Metrics::observe`]); so they cost nothing while nobody looks.
    pub refresh: Arc<dyn Fn(&Metrics) + Send + Sync>,
}

/// Serves until `shutdown`.
pub async fn run(listener: TcpListener, shown: Shown, shutdown: CancellationToken) -> io::Result<()> {
    axum::serve(listener, router(shown)).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

fn router(shown: Shown) -> Router {
    health::router(shown.components.clone()).merge(metrics::router(shown))
}

#[cfg(test)]
mod tests;
