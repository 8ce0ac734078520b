//! `fleet logs [UNIT…]`: what units wrote, merged over nodes and instances.

use crate::args::{App, EnvironmentFilter};
use crate::client;
use crate::commands::{log_line, unit_name};
use crate::error::{CommandError, CommandResult, Exit};
use crate::output::time::parse_moment;
use fleet_proto::v1;

/// Show what units wrote, merged over nodes and instances.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  fleet logs web -e production -f\n  fleet logs --since 10m --all -o json | jq -r .message"
)]
pub(crate) struct Arguments {
    /// Only these units; a template (worker@) means its instances
    units: Vec<String>,
    #[command(flatten)]
    filter: EnvironmentFilter,
    /// Only this node
    #[arg(long, env = "FLEET_NODE", value_name = "NODE", hide_env = true)]
    node: Option<String>,
    #[command(flatten)]
    range: Range,
    /// Only lines before this time
    #[arg(long, env = "FLEET_UNTIL", value_name = "TIME", value_parser = parse_moment, hide_env = true)]
    #[arg(conflicts_with = "follow")]
    until: Option<u64>,
}

/// Which lines, of the coordinator's logs and of a node's own.
#[derive(Debug, clap::Args)]
pub(crate) struct Range {
    /// Go on with new lines as they come
    #[arg(short, long, env = "FLEET_FOLLOW", hide_env = true)]
    pub(crate) follow: bool,
    /// At most so many lines of the past
    #[arg(short = 'n', long, env = "FLEET_LINES", value_name = "N", default_value_t = 100, hide_env = true)]
    pub(crate) lines: u64,
    /// All lines of the past
    #[arg(long, env = "FLEET_ALL", conflicts_with = "lines", hide_env = true)]
    pub(crate) all: bool,
    /// Only lines since this time: 10m, 12:00, 2026-11-20 12:00
    #[arg(long, env = "FLEET_SINCE", value_name = "TIME", value_parser = parse_moment, hide_env = true)]
    #[arg(allow_hyphen_values = true)]
    pub(crate) since: Option<u64>,
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    let units = arguments.units.iter().map(|unit| unit_name::parse(unit)).collect::<Result<Vec<_>, _>>()?;
    let request = v1::LogsRequest {
        environment: arguments.filter.environment.unwrap_or_default(),
        units: units.into_iter().map(String::from).collect(),
        node: arguments.node.unwrap_or_default(),
        last: arguments.range.lines,
        all: arguments.range.all,
        since_us: arguments.range.since.unwrap_or_default(),
        until_us: arguments.until.unwrap_or_default(),
        follow: arguments.range.follow,
    };
    app.block_on(async {
        let mut client = client::connect(app).await?;
        let mut stream = client.call(async |rpc| rpc.logs(request).await).await?;
        while let Some(batch) = stream.message().await.map_err(|status| client.error(status))? {
            app.output.write_bytes(&log_line::render(&batch.lines, &app.output))?;
            if batch.lost_lines > 0 {
                let (node, unit) = (&batch.lost_node, &batch.lost_unit);
                app.output.say(&format!("-- {} lines of {unit} on {node} never arrived --", batch.lost_lines));
            }
        }
        if arguments.range.follow {
            return Err(CommandError::failed("the coordinator ended the stream").hint("run the command again"));
        }
        Ok(Exit::Done)
    })
}
