//! The daemons' own log, on stderr: lines for people, or JSON. `FLEET_LOG` says how much (`info`, `fleet_node=debug`).

use crate::args::LogFormat;
use std::io::IsTerminal as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging in this process.
pub(crate) fn start(format: LogFormat) {
    // Not an `EnvFilter`: its regular expressions cost every process of a node a megabyte.
    let asked = std::env::var("FLEET_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // A closed stderr must not end a daemon.
        .log_internal_errors(false);
    let log = tracing_subscriber::registry().with(filter);
    // A second start in one process would be a mistake in this binary, and harmless.
    let _ = match format {
        LogFormat::Text => log.with(lines).try_init(),
        LogFormat::Json => log.with(lines.json().flatten_event(true)).try_init(),
    };
}
