//! The command line: global flags, and one variant per verb.
//!
//! Every flag `--foo-bar` has the variable `FLEET_FOO_BAR`; the flag wins. A test holds us to that.

use crate::commands;
use crate::error::CommandResult;
use crate::output::{Format, Output};
use clap::{Parser, Subcommand};

/// Run programs on many hosts from a git repository.
#[derive(Debug, Parser)]
#[command(name = "fleet", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Args)]
struct Global {
    /// The context to use; see `fleet context list`
    #[arg(long, env = "FLEET_CONTEXT", global = true, value_name = "NAME", hide_env = true)]
    context: Option<String>,
    /// How results are written to stdout
    #[arg(short, long, env = "FLEET_OUTPUT", global = true, value_name = "FORMAT", hide_env = true)]
    #[arg(default_value = "table", hide_default_value = true)]
    output: Format,
    /// How the daemons write their own log to stderr
    #[arg(long, env = "FLEET_LOG_FORMAT", global = true, value_name = "FORMAT", hide_env = true)]
    #[arg(default_value = "text", hide_default_value = true)]
    log_format: LogFormat,
}

/// `--log-format`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What every verb is given.
#[derive(Debug)]
pub(crate) struct App {
    /// `--context`, if given.
    pub(crate) context: Option<String>,
    /// Where and how results are written.
    pub(crate) output: Output,
    /// How daemons write their own log.
    pub(crate) log_format: LogFormat,
}

impl App {
    /// Runs `future` to its end on a runtime of this thread alone.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = CommandResult<T>>) -> CommandResult<T> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| crate::error::CommandError::because("cannot start the async runtime", error))?
            .block_on(future)
    }
}

impl Args {
    /// What the global flags say.
    pub(crate) fn app(&self) -> App {
        App {
            context: self.global.context.clone(),
            output: Output::detect(self.global.output),
            log_format: self.global.log_format,
        }
    }
}

/// `-e, --environment` of verbs that can do without.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct EnvironmentFilter {
    /// Only this environment
    #[arg(short, long, env = "FLEET_ENVIRONMENT", value_name = "ENV", hide_env = true)]
    pub(crate) environment: Option<String>,
}

/// The verbs, one file each in `commands/`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(commands::up::Arguments),
    Down(commands::down::Arguments),
    Status(commands::status::Arguments),
    Nodes(commands::nodes::Arguments),
    Logs(commands::logs::Arguments),
    Events(commands::events::Arguments),
    Start(commands::act::Start),
    Stop(commands::act::Stop),
    Restart(commands::act::Restart),
    Reload(commands::act::Reload),
    Plan(commands::plan::Arguments),
    Promote(commands::promote::Arguments),
    Rollback(commands::rollback::Arguments),
    History(commands::history::Arguments),
    Sync(commands::sync::Arguments),
    Lint(commands::lint::Arguments),
    Explain(commands::explain::Arguments),
    Render(commands::render::Arguments),
    Import(commands::import::Arguments),
    Server(commands::server::Arguments),
    Node(commands::node::Arguments),
    Token(commands::token::Arguments),
    Context(commands::context::Arguments),
    SampleService(commands::sample_service::Arguments),
    Completions(commands::completions::Arguments),
}

impl Command {
    pub(crate) fn run(self, app: &App) -> CommandResult {
        match self {
            Command::Up(arguments) => commands::up::run(&arguments, app),
            Command::Down(arguments) => commands::down::run(&arguments, app),
            Command::Server(arguments) => commands::server::run(arguments, app),
            Command::Status(arguments) => commands::status::run(&arguments, app),
            Command::Nodes(arguments) => commands::nodes::run(arguments, app),
            Command::Logs(arguments) => commands::logs::run(arguments, app),
            Command::Events(arguments) => commands::events::run(arguments, app),
            Command::Start(arguments) => commands::act::start(arguments, app),
            Command::Stop(arguments) => commands::act::stop(arguments, app),
            Command::Restart(arguments) => commands::act::restart(arguments, app),
            Command::Reload(arguments) => commands::act::reload(arguments, app),
            Command::Plan(arguments) => commands::plan::run(arguments, app),
            Command::Promote(arguments) => commands::promote::run(arguments, app),
            Command::Rollback(arguments) => commands::rollback::run(arguments, app),
            Command::History(arguments) => commands::history::run(arguments, app),
            Command::Sync(arguments) => commands::sync::run(arguments, app),
            Command::Lint(arguments) => commands::lint::run(arguments, app),
            Command::Explain(arguments) => commands::explain::run(&arguments, app),
            Command::Render(arguments) => commands::render::run(&arguments, app),
            Command::Import(arguments) => commands::import::run(arguments, app),
            Command::Node(arguments) => commands::node::run(arguments, app),
            Command::Token(arguments) => commands::token::run(arguments, app),
            Command::Context(arguments) => commands::context::run(arguments, app),
            Command::SampleService(arguments) => commands::sample_service::run(arguments, app),
            Command::Completions(arguments) => commands::completions::run(&arguments, app),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn visit(command: &clap::Command, check: &mut impl FnMut(&clap::Command, &clap::Arg)) {
        command.get_arguments().for_each(|argument| check(command, argument));
        command.get_subcommands().for_each(|sub| visit(sub, check));
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_flag_has_its_variable_and_every_argument_its_help() {
        visit(&Args::command(), &mut |command, argument| {
            let place = format!("{} {}", command.get_name(), argument.get_id());
            assert!(argument.get_help().is_some(), "{place} has no help");
            let Some(long) = argument.get_long().filter(|long| !["help", "version"].contains(long)) else { return };
            let wanted = format!("FLEET_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(wanted.as_str()), "{place}");
        });
    }

    #[test]
    fn every_verb_says_what_it_does() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Args::command());
    }
}
