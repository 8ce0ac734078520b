//! Asking before the last environment of the chain is changed. Only on a terminal, and not with `--yes`.

use crate::args::App;
use crate::client::Client;
use crate::commands::promote::{Moving, declined};
use crate::error::{CommandError, CommandResult};
use fleet_proto::v1;
use std::io::{self, IsTerminal as _, Write as _};

/// Whether a person is to be asked before `environment` is moved.
pub(crate) async fn is_needed(
    client: &mut Client,
    environment: &str,
    moving: &Moving,
    app: &App,
) -> CommandResult<bool> {
    let person = io::stdin().is_terminal() && app.output.stderr.terminal;
    if moving.yes || moving.dry_run || !person {
        return Ok(false);
    }
    // The coordinator lists environments in the order of the chain.
    let status = client.call(async |rpc| rpc.status(v1::StatusRequest::default()).await).await?;
    Ok(status.environments.last().is_some_and(|last| last.name == environment))
}

/// Asks; an error unless the answer is yes.
pub(crate) fn ask(question: &str) -> CommandResult<()> {
    let mut answer = String::new();
    let mut stderr = io::stderr();
    write!(stderr, "{question} [y/N] ")
        .and_then(|()| stderr.flush())
        .and_then(|()| io::stdin().read_line(&mut answer))
        .map_err(|error| CommandError::because("cannot ask for confirmation", error))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(declined()),
    }
}
