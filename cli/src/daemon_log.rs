//! The daemons' own log, on stderr: lines for people, or JSON. `FLEET_LOG` says how much (`info`, `fleet_node=debug`).

use crate::args::LogFormat;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Starts logging in this process.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("FLEET_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // A closed stderr must not end a daemon.
        .log_internal_errors(false);
    // A second start in one process would be a mistake in this binary, and harmless.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}
