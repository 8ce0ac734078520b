//! `fleet sample-service`: a small service to learn and test with. It is what the sample repository of `fleet up` runs.
//!
//! ```text
//! run --> web     / /health /ready /metrics /ping, /control/… if allowed      --listen
//!     --> work    calls another service again and again, or makes up requests --worker-of, --load
//!     --> notify  READY=1, RELOADING=1, STOPPING=1, WATCHDOG=1               $NOTIFY_SOCKET
//!          all count in and are steered by one `service::Service`; it logs a JSON object a line on stdout
//! ```
//! One thread, a few hundred kilobytes, up in milliseconds.

mod log;
mod notify;
mod page;
mod service;
mod web;
mod work;

use crate::args::App;
use crate::error::{CommandError, CommandResult, Exit};
use service::{End, Service};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Where it listens when it is neither told nor a worker.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// Run a small service to learn and test with.
///
/// It serves a page, /health, /ready, /metrics and /ping over HTTP on loopback, logs JSON on stdout, says READY=1 where
/// systemd's protocol is spoken, reads its motd anew on SIGHUP, and ends cleanly on SIGTERM.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    fleet sample-service --listen 127.0.0.1:8080 --load 5 --error-rate 0.1\n  \
    fleet sample-service --worker-of http://127.0.0.1:8080/ping\n  \
    fleet sample-service --once --exit-code 3")]
pub(crate) struct Arguments {
    /// Serve HTTP here, an address of loopback [default: 127.0.0.1:8080, but nowhere with --worker-of]
    #[arg(long, env = "FLEET_LISTEN", value_name = "ADDRESS", hide_env = true)]
    listen: Option<SocketAddr>,
    /// What it calls itself in its page, logs and metrics
    #[arg(long, env = "FLEET_NAME", value_name = "NAME", default_value = "sample", hide_env = true)]
    name: String,
    /// A text to show on the page and in the log, read anew for each page
    #[arg(long, env = "FLEET_MOTD", value_name = "FILE", hide_env = true)]
    motd: Option<PathBuf>,
    /// Be a worker: call this http URL again and again
    #[arg(long, env = "FLEET_WORKER_OF", value_name = "URL", hide_env = true)]
    worker_of: Option<String>,
    /// Requests a second: what a worker calls [default: 1], else what is made up as if users came [default: 0]
    #[arg(long, env = "FLEET_LOAD", value_name = "RATE", value_parser = rate, hide_env = true)]
    load: Option<f64>,
    /// Share of requests that fail, 0 to 1
    #[arg(long, env = "FLEET_ERROR_RATE", value_name = "SHARE", value_parser = share, default_value = "0", hide_env = true)]
    error_rate: f64,
    /// Seconds until it is ready and healthy
    #[arg(long, env = "FLEET_SLOW_START", value_name = "SECS", value_parser = seconds, default_value = "0", hide_env = true)]
    slow_start: Duration,
    /// End by itself after so many seconds, with --exit-code
    #[arg(long, env = "FLEET_EXIT_AFTER", value_name = "SECS", value_parser = seconds, hide_env = true)]
    exit_after: Option<Duration>,
    /// The exit code of --exit-after, --once and POST /control/exit [default: 0 with --once, else 1]
    #[arg(long, env = "FLEET_EXIT_CODE", value_name = "CODE", hide_env = true)]
    exit_code: Option<u8>,
    /// Say hello and end, as a job run by a timer would
    #[arg(long, env = "FLEET_ONCE", hide_env = true, conflicts_with_all = ["listen", "worker_of", "exit_after"])]
    once: bool,
    /// Let POST /control/{fail,recover,exit,slow} change its behaviour
    #[arg(long, env = "FLEET_ALLOW_CONTROL", hide_env = true)]
    allow_control: bool,
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    let service = Service::new(&arguments.name, arguments.motd.clone(), arguments.error_rate);
    if arguments.once {
        service.log.info("hello, and done", &[("motd", service.motd().into())]);
        return Ok(Exit::Code(arguments.exit_code.unwrap_or(0)));
    }
    app.block_on(serve(arguments, Arc::new(service)))
}

async fn serve(arguments: Arguments, service: Arc<Service>) -> CommandResult {
    let failed = |error| CommandError::because("cannot listen for signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let listen = match (arguments.listen, &arguments.worker_of) {
        (None, Some(_)) => None,
        (listen, _) => Some(listen.unwrap_or_else(|| DEFAULT_LISTEN.parse().expect("a constant"))),
    };
    let work = work::Work::new(arguments.worker_of, arguments.load)?;
    // Bound before READY=1: whoever is started after us finds us.
    let listener = listen.map(web::listen).transpose()?;
    let ends = async {
        match arguments.exit_after {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        }
    };
    let code = arguments.exit_code.unwrap_or(1);
    let exit = tokio::select! {
        result = web::serve(listener, service.clone(), arguments.allow_control) => return result.map(|()| Exit::Done),
        () = start(&service, listen, arguments.slow_start) => unreachable!("it goes on for ever"),
        () = work.run(&service) => unreachable!("it goes on for ever"),
        () = ends => End { why: "--exit-after is over", code },
        () = service.told_to_exit() => End { why: "told to exit", code },
        _ = terminate.recv() => End { why: "SIGTERM", code: 0 },
        _ = interrupt.recv() => End { why: "SIGINT", code: 0 },
    };
    notify::send("STOPPING=1");
    service.log.info("stopping", &[("reason", exit.why.into()), ("exit_code", exit.code.into())]);
    Ok(Exit::Code(exit.code))
}

/// Becomes ready after the slow start; from then on reloads on SIGHUP and feeds the watchdog.
async fn start(service: &Service, listen: Option<SocketAddr>, slow_start: Duration) {
    let listen = listen.map_or_else(|| "nowhere".to_owned(), |address| address.to_string());
    service.log.info("starting", &[("pid", std::process::id().into()), ("listen", listen.into())]);
    tokio::time::sleep(slow_start).await;
    service.set_ready();
    service.log.info("ready", &[("motd", service.motd().into())]);
    notify::send(&format!("READY=1\nSTATUS={} is ready", service.name));
    notify::keep(service).await;
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1000.0).contains(&rate) => Ok(rate),
        _ => Err("it must be a number from 0 to 1000".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("it must be a number from 0 to 1".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.trim_end_matches('s').parse().map_err(|_| "it must be a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(number) {
        Ok(duration) if duration < Duration::from_secs(1 << 31) => Ok(duration),
        _ => Err("it must be a number of seconds, not negative".to_owned()),
    }
}

#[cfg(test)]
mod tests;
