//! `fleet`: the one binary. Coordinator, node daemon and command line are verbs of it.
//!
//! `main` stays light: a verb builds an async runtime only when it needs one, so that `fleet status` answers
//! in milliseconds and `fleet node run` stays a single thread.
//!
//! ```text
//! `argv[0]` "fleet: …"  --multicall--> one of a node's processes
//! argv  --args--> Command --commands::<verb>::run--> stdout (results), stderr (talk)
//!                             |-- context: which coordinator, which identity
//!                             `-- client: gRPC; tonic::Status -> CommandError -> exit code
//! ```

mod args;
mod client;
mod commands;
mod context;
mod daemon_log;
mod error;
mod example_fleet;
mod local_fleet;
mod multicall;
mod output;
mod source_files;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let argv: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if let Some(code) = multicall::dispatch(&argv) {
        return code;
    }
    let args = args::Args::parse_from(argv);
    let app = args.app();
    match args.command.run(&app) {
        Ok(exit) => exit.code(),
        Err(error) => error.report(&app.output),
    }
}
