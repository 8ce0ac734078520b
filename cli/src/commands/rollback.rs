//! `fleet rollback ENV [REV]`: a forward commit with an earlier revision's content.

use crate::args::App;
use crate::client::{self, Client};
use crate::commands::promote::Moving;
use crate::commands::{confirm, converge, plan_view};
use crate::error::{CommandResult, Exit};
use crate::output::view::{NodePlan, some};
use crate::output::{Output, json};
use fleet_proto::v1;
use serde::Serialize;

/// Roll an environment back to an earlier revision, by a new commit. What it ran is remembered as bad.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: fleet rollback production --reason 'checkout fails' --wait")]
pub(crate) struct Arguments {
    /// The environment
    environment: String,
    /// The revision to go back to; default: the latest that converged and is not bad
    revision: Option<String>,
    /// Why; kept in the history
    #[arg(long, env = "FLEET_REASON", value_name = "TEXT", hide_env = true)]
    reason: Option<String>,
    /// Go back to something that was itself rolled back, for this reason
    #[arg(long, env = "FLEET_AGAIN", value_name = "REASON", hide_env = true)]
    again: Option<String>,
    #[command(flatten)]
    moving: Moving,
}

#[derive(Debug, Serialize)]
struct Rollback {
    environment: String,
    revision: Option<String>,
    target_revision: Option<String>,
    plan_id: Option<String>,
    nothing_to_do: bool,
    dry_run: bool,
    nodes: Vec<NodePlan>,
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    let environment = arguments.environment;
    let moving = arguments.moving;
    let mut request = v1::RollbackRequest {
        environment: environment.clone(),
        revision: arguments.revision.unwrap_or_default(),
        reason: arguments.reason.unwrap_or_default(),
        dry_run: moving.dry_run,
        expect: moving.expect.clone().unwrap_or_default(),
        again: arguments.again.unwrap_or_default(),
    };
    app.block_on(async {
        let mut client = client::connect(app).await?;
        client.announce(app, &environment);
        if confirm::is_needed(&mut client, &environment, &moving, app).await? {
            let plan = rollback(&mut client, v1::RollbackRequest { dry_run: true, ..request.clone() }).await?;
            if !plan.nothing_to_do {
                app.output.say(render(&plan, &app.output).trim_end());
                confirm::ask(&format!("Roll {environment} back?"))?;
                request.expect = plan.plan_id;
            }
        }
        let done = rollback(&mut client, request).await?;
        let revision = done.revision.clone();
        show(done, moving.dry_run, &app.output)?;
        match moving.dry_run {
            true => Ok(Exit::Done),
            false => converge::wait(&mut client, &environment, &revision, &moving.wait, app).await,
        }
    })
}

async fn rollback(client: &mut Client, request: v1::RollbackRequest) -> CommandResult<v1::RollbackResponse> {
    client.call(async |rpc| rpc.rollback(request).await).await
}

fn show(done: v1::RollbackResponse, dry_run: bool, output: &Output) -> CommandResult<()> {
    if !output.is_json() {
        return output.write(&if dry_run { render(&done, output) } else { sentence(&done, output) });
    }
    let rollback = Rollback {
        environment: done.environment,
        revision: some(done.revision),
        target_revision: some(done.target_revision),
        plan_id: some(done.plan_id),
        nothing_to_do: done.nothing_to_do,
        dry_run,
        nodes: done.nodes.into_iter().map(Into::into).collect(),
    };
    json::print(output, &rollback)
}

fn sentence(done: &v1::RollbackResponse, output: &Output) -> String {
    format!("{}\n", output.stdout.text(done.message.trim_end()))
}

fn render(plan: &v1::RollbackResponse, output: &Output) -> String {
    let route = (plan.environment.as_str(), "", plan.target_revision.as_str());
    let message = if plan.message.is_empty() { String::new() } else { sentence(plan, output) };
    message + &plan_view::render(route, &plan.nodes, &plan.plan_id, &output.stdout)
}
