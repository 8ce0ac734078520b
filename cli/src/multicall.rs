//! The processes of a node are this binary under another `argv[0]`: `fleet: agent NAME`, then `--state DIR`.
//! They are no verbs: nobody types them, and they must not pay for parsing a command line.

use crate::args::LogFormat;
use crate::commands::node_run;
use clap::Parser as _;
use fleet_node::keeper::KeeperError;
use fleet_units::diagnostic::error_chain;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `argv[0]` of every such process begins with.
const PREFIX: &[u8] = b"fleet: ";

/// Runs the process `argv[0]` names, if it names one; `None`: this is the command line.
pub(crate) fn dispatch(argv: &[OsString]) -> Option<ExitCode> {
    let title = argv.first()?.as_bytes().strip_prefix(PREFIX)?;
    let role = title.split(|byte| *byte == b' ').next().unwrap_or_default();
    // One arm for each process a node has.
    Some(match role {
        b"agent" => agent(&argv[1..]),
        b"supervisor" => keeper(title, &argv[1..], fleet_node::supervise_units),
        b"logger" => keeper(title, &argv[1..], fleet_node::log_units),
        _ => unknown(OsStr::from_bytes(role)),
    })
}

/// The agent's options are those of `fleet node run`.
#[derive(Debug, clap::Parser)]
struct Agent {
    #[command(flatten)]
    options: node_run::Arguments,
}

fn agent(options: &[OsString]) -> ExitCode {
    let named = std::iter::once(OsString::from("fleet: agent")).chain(options.iter().cloned());
    start_log();
    let ended = Agent::try_parse_from(named)
        .map_err(|error| error.to_string())
        .and_then(|agent| node_run::config(&agent.options).map_err(|error| error.to_string()))
        .and_then(|config| fleet_node::agent::main(config).map_err(|error| error_chain(&error)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the agent cannot run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The options of supervisor and logger are the folders alone, and always both: `--state DIR --runtime DIR`.
fn keeper(
    title: &[u8],
    options: &[OsString],
    run: fn(String, PathBuf, PathBuf) -> Result<(), KeeperError>,
) -> ExitCode {
    start_log();
    let title = String::from_utf8_lossy(title);
    let (role, name) = title.split_once(' ').unwrap_or((&title, ""));
    let value = |option: &str| {
        let at = options.iter().position(|given| given == option);
        at.and_then(|at| options.get(at + 1)).map(PathBuf::from)
    };
    let (Some(state), Some(runtime)) = (value("--state"), value("--runtime")) else {
        tracing::error!("the {role} is started by `fleet node run`, with --state and --runtime");
        return ExitCode::from(2);
    };
    match run(name.to_owned(), state, runtime) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the {role} cannot run: {}", error_chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn start_log() {
    let format = match std::env::var("FLEET_LOG_FORMAT").as_deref() {
        Ok("json") => LogFormat::Json,
        _ => LogFormat::Text,
    };
    crate::daemon_log::start(format);
}

fn unknown(role: &OsStr) -> ExitCode {
    eprintln!("error: this fleet has no node process called {role:?}");
    ExitCode::from(2)
}
