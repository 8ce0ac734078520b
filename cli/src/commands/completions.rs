//! `fleet completions SHELL`

use crate::args::{App, Args};
use crate::error::{CommandResult, Exit};
use clap::CommandFactory as _;

/// Print the completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: fleet completions bash > ~/.local/share/bash-completion/completions/fleet")]
pub(crate) struct Arguments {
    /// The shell that shall complete `fleet`
    shell: clap_complete::Shell,
}

pub(crate) fn run(arguments: &Arguments, app: &App) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Args::command(), "fleet", &mut script);
    app.output.write_bytes(&script)?;
    Ok(Exit::Done)
}
