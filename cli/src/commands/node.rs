//! `fleet node …`: the node of this host. `ps`, `status`, `logs` and the verbs for units speak to its local
//! socket and work with the coordinator away.

use crate::args::App;
use crate::client::local::{self, Where};
use crate::commands::logs::Range;
use crate::commands::{act, join, log_line, node_run, node_view, unit_name};
use crate::error::{CommandError, CommandResult, Exit};
use crate::output::time::parse_duration;
use fleet_proto::v1::{self, UnitAction};
use std::time::Duration;

/// Run this host's node, and look at it without the coordinator.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Run(node_run::Arguments),
    Join(join::Arguments),
    /// List the units of this host's node
    Ps(Ps),
    /// Show this host's node, or one of its units
    Status(Status),
    /// Show what a unit wrote, from the node's own spool
    Logs(Logs),
    /// Start a unit here, and end the hold on it
    Start(Unit),
    /// Stop a unit here and hold it, or stop all
    Stop(Stop),
    /// Restart a unit here
    Restart(Unit),
}

#[derive(Debug, clap::Args)]
struct Ps {
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Status {
    /// Only this unit, in detail
    unit: Option<String>,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Logs {
    /// The unit
    unit: String,
    #[command(flatten)]
    range: Range,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Unit {
    /// The unit
    unit: String,
    /// Return once the node is asked; do not wait for the job
    #[arg(long, env = "FLEET_NO_BLOCK", hide_env = true)]
    no_block: bool,
    /// Why
    #[arg(long, env = "FLEET_REASON", value_name = "TEXT", hide_env = true)]
    reason: Option<String>,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Stop {
    /// The unit
    #[arg(required_unless_present = "units", conflicts_with = "units")]
    unit: Option<String>,
    /// Stop all units, in order
    #[arg(long, env = "FLEET_UNITS", hide_env = true)]
    units: bool,
    /// How long nothing starts it again
    #[arg(long = "for", env = "FLEET_FOR", value_name = "TIME", value_parser = parse_duration, hide_env = true)]
    #[arg(default_value = "1h")]
    hold: Duration,
    /// Return once the node is asked; do not wait for the job
    #[arg(long, env = "FLEET_NO_BLOCK", hide_env = true)]
    no_block: bool,
    /// Why; shown wherever the hold is
    #[arg(long, env = "FLEET_REASON", value_name = "TEXT", hide_env = true)]
    reason: Option<String>,
    #[command(flatten)]
    place: Where,
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    match arguments.verb {
        Verb::Run(arguments) => node_run::run(&arguments, app),
        Verb::Join(arguments) => join::run(arguments, app),
        Verb::Ps(Ps { place }) => node_view::print_units(status(&place, app)?, &app.output),
        Verb::Status(Status { unit, place }) => {
            let unit = unit.as_deref().map(unit_name::parse).transpose()?;
            node_view::print(status(&place, app)?, unit.as_ref(), &app.output)
        }
        Verb::Logs(arguments) => logs(arguments, app),
        Verb::Start(arguments) => act_on_unit(UnitAction::Start, arguments, app),
        Verb::Restart(arguments) => act_on_unit(UnitAction::Restart, arguments, app),
        Verb::Stop(arguments) => stop(arguments, app),
    }
}

fn status(place: &Where, app: &App) -> CommandResult<v1::LocalStatusResponse> {
    app.block_on(async {
        let mut local = local::connect(place).await?;
        local.call(async |rpc| rpc.local_status(v1::LocalStatusRequest {}).await).await
    })
}

fn logs(arguments: Logs, app: &App) -> CommandResult {
    let request = v1::LocalLogsRequest {
        unit: unit_name::parse(&arguments.unit)?.into(),
        last: arguments.range.lines,
        all: arguments.range.all,
        since_us: arguments.range.since.unwrap_or_default(),
        follow: arguments.range.follow,
    };
    app.block_on(async {
        let mut local = local::connect(&arguments.place).await?;
        let mut stream = local.call(async |rpc| rpc.local_logs(request).await).await?;
        while let Some(batch) = stream.message().await.map_err(|status| local.error(status))? {
            app.output.write_bytes(&log_line::render(&batch.lines, &app.output))?;
        }
        if arguments.range.follow {
            return Err(CommandError::failed("the node ended the stream").hint("run the command again"));
        }
        Ok(Exit::Done)
    })
}

fn act_on_unit(action: UnitAction, arguments: Unit, app: &App) -> CommandResult {
    let request = v1::LocalActRequest {
        unit: unit_name::parse(&arguments.unit)?.into(),
        action: action.into(),
        why: arguments.reason.unwrap_or_default(),
        hold_seconds: 0,
        no_block: arguments.no_block,
    };
    act(request, &arguments.place, app)
}

fn stop(arguments: Stop, app: &App) -> CommandResult {
    let unit = arguments.unit.as_deref().map(unit_name::parse).transpose()?;
    let request = v1::LocalActRequest {
        unit: unit.map(String::from).unwrap_or_default(),
        action: UnitAction::Stop.into(),
        why: arguments.reason.unwrap_or_default(),
        // Less than a second would mean "the default" to the node.
        hold_seconds: arguments.hold.as_secs().max(1),
        no_block: arguments.no_block,
    };
    act(request, &arguments.place, app)
}

fn act(request: v1::LocalActRequest, place: &Where, app: &App) -> CommandResult {
    let results = app.block_on(async {
        let mut local = local::connect(place).await?;
        Ok(local.call(async |rpc| rpc.local_act(request).await).await?.results)
    })?;
    act::report(results, &app.output)
}
