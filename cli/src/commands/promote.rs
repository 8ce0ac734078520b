//! `fleet promote [FROM] TO`: move what one environment runs into the next.

use crate::args::App;
use crate::client::{self, Client};
use crate::commands::plan::Route;
use crate::commands::{confirm, converge, plan_view};
use crate::error::{CommandError, CommandResult, Exit};
use crate::output::view::{NodePlan, some};
use crate::output::{Output, json};
use fleet_proto::v1;
use serde::Serialize;

/// Promote: make an environment run exactly what another one runs.
///
/// A merge commit whose common tree is the source's: what was tested is what ships.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  fleet promote test --wait\n  fleet promote staging production --dry-run")]
pub(crate) struct Arguments {
    #[command(flatten)]
    route: Route,
    /// An older revision of the source instead of its newest
    #[arg(long, env = "FLEET_REV", value_name = "REV", hide_env = true)]
    rev: Option<String>,
    #[command(flatten)]
    moving: Moving,
}

/// What promote and rollback have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct Moving {
    /// Show the plan, change nothing
    #[arg(long, env = "FLEET_DRY_RUN", hide_env = true)]
    pub(crate) dry_run: bool,
    /// Refuse unless this is still the plan
    #[arg(long, env = "FLEET_EXPECT", value_name = "PLAN_ID", hide_env = true)]
    pub(crate) expect: Option<String>,
    /// Do not ask
    #[arg(short, long, env = "FLEET_YES", hide_env = true)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: converge::Wait,
}

#[derive(Debug, Serialize)]
struct Promotion {
    environment: String,
    revision: Option<String>,
    source_revision: Option<String>,
    common_tree: Option<String>,
    plan_id: Option<String>,
    nothing_to_do: bool,
    dry_run: bool,
    nodes: Vec<NodePlan>,
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    let (from, to) = arguments.route.split();
    let moving = arguments.moving;
    let mut request = v1::PromoteRequest {
        from,
        to: to.clone(),
        revision: arguments.rev.unwrap_or_default(),
        dry_run: moving.dry_run,
        expect: moving.expect.clone().unwrap_or_default(),
    };
    app.block_on(async {
        let mut client = client::connect(app).await?;
        client.announce(app, &to);
        if confirm::is_needed(&mut client, &to, &moving, app).await? {
            let plan = promote(&mut client, v1::PromoteRequest { dry_run: true, ..request.clone() }).await?;
            if !plan.nothing_to_do {
                app.output.say(render(&plan, &app.output).trim_end());
                confirm::ask(&format!("Promote into {to}?"))?;
                request.expect = plan.plan_id;
            }
        }
        let done = promote(&mut client, request).await?;
        let revision = done.revision.clone();
        show(done, moving.dry_run, &app.output)?;
        match moving.dry_run {
            true => Ok(Exit::Done),
            false => converge::wait(&mut client, &to, &revision, &moving.wait, app).await,
        }
    })
}

async fn promote(client: &mut Client, request: v1::PromoteRequest) -> CommandResult<v1::PromoteResponse> {
    client.call(async |rpc| rpc.promote(request).await).await
}

fn show(done: v1::PromoteResponse, dry_run: bool, output: &Output) -> CommandResult<()> {
    if !output.is_json() {
        return output.write(&if dry_run { render(&done, output) } else { sentence(&done, output) });
    }
    let promotion = Promotion {
        environment: done.environment,
        revision: some(done.revision),
        source_revision: some(done.source_revision),
        common_tree: some(done.common_tree),
        plan_id: some(done.plan_id),
        nothing_to_do: done.nothing_to_do,
        dry_run,
        nodes: done.nodes.into_iter().map(Into::into).collect(),
    };
    json::print(output, &promotion)
}

/// What happened, in the coordinator's words.
fn sentence(done: &v1::PromoteResponse, output: &Output) -> String {
    format!("{}\n", output.stdout.text(done.message.trim_end()))
}

fn render(plan: &v1::PromoteResponse, output: &Output) -> String {
    let route = (plan.environment.as_str(), "", plan.source_revision.as_str());
    let message = if plan.message.is_empty() { String::new() } else { sentence(plan, output) };
    message + &plan_view::render(route, &plan.nodes, &plan.plan_id, &output.stdout)
}

/// For verbs that ask: the answer was no.
pub(crate) fn declined() -> CommandError {
    CommandError::failed("not confirmed, nothing was changed")
}
