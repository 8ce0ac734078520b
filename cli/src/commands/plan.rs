//! `fleet plan [FROM] TO`: what would happen, node by node; nothing is changed.

use crate::args::App;
use crate::client;
use crate::commands::plan_view;
use crate::error::{CommandResult, Exit};
use crate::output::view::{self, NodePlan, some};
use crate::output::{diagnostic, json};
use fleet_proto::v1;
use fleet_units::diagnostic::Diagnostic;
use serde::Serialize;

/// Show what promoting into an environment would do, node by node. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  fleet plan production\n  fleet plan develop test --exit-code\n  fleet plan test --rev 4f2a1bc"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    route: Route,
    /// What the target would run: a revision in its own words, without a promotion
    #[arg(long, env = "FLEET_REV", value_name = "REV", hide_env = true)]
    rev: Option<String>,
    /// Exit with 6 when something would change
    #[arg(long, env = "FLEET_EXIT_CODE", hide_env = true)]
    exit_code: bool,
}

/// `[FROM] TO`
#[derive(Debug, clap::Args)]
pub(crate) struct Route {
    /// The target, or the source and the target; the default source stands before the target in the chain
    #[arg(value_names = ["FROM", "TO"], num_args = 1..=2, required = true)]
    environments: Vec<String>,
}

impl Route {
    /// (from, to); `from` is empty when it is the predecessor.
    pub(crate) fn split(mut self) -> (String, String) {
        let to = self.environments.pop().expect("clap asks for one at least");
        (self.environments.pop().unwrap_or_default(), to)
    }
}

#[derive(Debug, Serialize)]
struct Plan {
    plan_id: Option<String>,
    environment: String,
    from: Option<String>,
    to: Option<String>,
    nodes: Vec<NodePlan>,
    diagnostics: Vec<Diagnostic>,
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    let (from, environment) = arguments.route.split();
    let request = v1::PlanRequest { environment, from, revision: arguments.rev.unwrap_or_default() };
    let plan = app.block_on(async {
        let mut client = client::connect(app).await?;
        client.call(async |rpc| rpc.plan(request).await).await
    })?;
    let diagnostics: Vec<Diagnostic> = plan.diagnostics.iter().cloned().map(view::diagnostic).collect();
    let exit = match () {
        () if diagnostics.iter().any(Diagnostic::is_error) => Exit::No,
        () if arguments.exit_code && plan_view::changes(&plan.nodes) => Exit::Changes,
        () => Exit::Done,
    };
    if app.output.is_json() {
        let plan = Plan {
            plan_id: some(plan.plan_id),
            environment: plan.environment,
            from: some(plan.from),
            to: some(plan.to),
            nodes: plan.nodes.into_iter().map(Into::into).collect(),
            diagnostics,
        };
        json::print(&app.output, &plan)?;
        return Ok(exit);
    }
    let stream = &app.output.stdout;
    let mut text: String = diagnostics.iter().map(|item| diagnostic::line(item, "", stream)).collect();
    let route = (plan.environment.as_str(), plan.from.as_str(), plan.to.as_str());
    text += &plan_view::render(route, &plan.nodes, &plan.plan_id, stream);
    app.output.write(&text)?;
    Ok(exit)
}
