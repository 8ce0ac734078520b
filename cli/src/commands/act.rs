//! `fleet start|stop|restart|reload UNIT…`: jobs for units, and how they ended.

use crate::args::App;
use crate::client;
use crate::commands::unit_name;
use crate::error::{CommandResult, Exit};
use crate::output::table::{Cell, Table};
use crate::output::time::parse_duration;
use crate::output::view::{active_state, paint};
use crate::output::{Output, Paint, json, view};
use fleet_proto::v1::{self, UnitAction};
use serde::Serialize;
use std::time::Duration;

/// What start, restart and reload take.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The units; a template (worker@) means its instances
    #[arg(required = true)]
    units: Vec<String>,
    /// The environment
    #[arg(short, long, env = "FLEET_ENVIRONMENT", value_name = "ENV", hide_env = true)]
    environment: String,
    /// Only on this node
    #[arg(long, env = "FLEET_NODE", value_name = "NODE", hide_env = true)]
    node: Option<String>,
    /// Return once the nodes are asked; do not wait for the job
    #[arg(long, env = "FLEET_NO_BLOCK", hide_env = true)]
    no_block: bool,
    /// Why; shown in events
    #[arg(long, env = "FLEET_REASON", value_name = "TEXT", hide_env = true)]
    reason: Option<String>,
}

/// Stop units and hold them: nothing starts them again before `fleet start` or the end of the hold.
#[derive(Debug, clap::Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    common: Arguments,
    /// How long nothing starts them again
    #[arg(long = "for", env = "FLEET_FOR", value_name = "TIME", value_parser = parse_duration, hide_env = true)]
    #[arg(default_value = "1h")]
    hold: Duration,
}

/// Start units, and end the hold on them.
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    #[command(flatten)]
    common: Arguments,
}

/// Restart units.
#[derive(Debug, clap::Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    common: Arguments,
}

/// Have units read their configuration again.
#[derive(Debug, clap::Args)]
pub(crate) struct Reload {
    #[command(flatten)]
    common: Arguments,
}

pub(crate) fn start(arguments: Start, app: &App) -> CommandResult {
    run(UnitAction::Start, arguments.common, 0, app)
}

pub(crate) fn stop(arguments: Stop, app: &App) -> CommandResult {
    // Less than a second would mean "the default" to the coordinator.
    let seconds = arguments.hold.as_secs().max(1);
    run(UnitAction::Stop, arguments.common, seconds, app)
}

pub(crate) fn restart(arguments: Restart, app: &App) -> CommandResult {
    run(UnitAction::Restart, arguments.common, 0, app)
}

pub(crate) fn reload(arguments: Reload, app: &App) -> CommandResult {
    run(UnitAction::Reload, arguments.common, 0, app)
}

fn run(action: UnitAction, arguments: Arguments, hold_seconds: u64, app: &App) -> CommandResult {
    let units = arguments.units.iter().map(|unit| unit_name::parse(unit)).collect::<Result<Vec<_>, _>>()?;
    let mut results = Vec::new();
    app.block_on(async {
        let mut client = client::connect(app).await?;
        client.announce(app, &arguments.environment);
        for unit in units {
            let request = v1::ActRequest {
                environment: arguments.environment.clone(),
                unit: unit.into(),
                node: arguments.node.clone().unwrap_or_default(),
                action: action.into(),
                why: arguments.reason.clone().unwrap_or_default(),
                hold_seconds,
                no_block: arguments.no_block,
            };
            results.extend(client.call(async |rpc| rpc.act(request).await).await?.results);
        }
        Ok(())
    })?;
    report(results, &app.output)
}

#[derive(Debug, Serialize)]
struct Results {
    results: Vec<ActionResult>,
}

#[derive(Debug, Serialize)]
struct ActionResult {
    node: String,
    unit: String,
    ok: bool,
    error: Option<String>,
    status: Option<view::Unit>,
}

/// Prints how jobs ended; [`Exit::No`] when one failed.
pub(crate) fn report(results: Vec<v1::ActionResult>, output: &Output) -> CommandResult {
    let exit = if results.iter().all(|result| result.ok) { Exit::Done } else { Exit::No };
    if output.is_json() {
        let results = results.into_iter().map(|result| ActionResult {
            status: result.status.map(|status| view::Unit::new(&result.node, status)),
            error: view::some(result.error),
            node: result.node,
            unit: result.unit,
            ok: result.ok,
        });
        json::print(output, &Results { results: results.collect() })?;
        return Ok(exit);
    }
    let mut table = Table::new(["UNIT", "NODE", "JOB", "STATE", "PID", "ERROR"]);
    for result in &results {
        let state = result.status.as_ref().map_or("-", |status| active_state(status.active_state));
        let sub_state = result.status.as_ref().map(|status| format!("/{}", status.sub_state)).unwrap_or_default();
        let pid = result.status.as_ref().map_or(0, |status| status.main_pid);
        let (job, look) = if result.ok { ("done", Paint::Good) } else { ("failed", Paint::Error) };
        table.row([
            Cell::new(result.unit.as_str(), Paint::Strong),
            result.node.as_str().into(),
            Cell::new(job, look),
            Cell::new(format!("{state}{sub_state}"), paint(state)),
            if pid == 0 { "-".into() } else { pid.to_string().into() },
            Cell::new(result.error.as_str(), Paint::Error),
        ]);
    }
    if !table.is_empty() {
        output.write(&table.render(&output.stdout))?;
    }
    Ok(exit)
}
