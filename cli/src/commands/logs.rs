//! `fleet logs [UNIT…]`: what units wrote, merged over nodes and instances.

use crate::args::{App, EnvironmentFilter};
use crate::client;
use crate::commands::{follow, log_line, unit_name};
use crate::error::{CommandError, CommandResult, did_you_mean};
use crate::output::time::parse_moment;
use fleet_proto::v1;
use fleet_units::ids::UnitName;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

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
        units: units.iter().map(|unit| unit.as_str().to_owned()).collect(),
        node: arguments.node.unwrap_or_default(),
        last: arguments.range.lines,
        all: arguments.range.all,
        since_us: arguments.range.since.unwrap_or_default(),
        until_us: arguments.until.unwrap_or_default(),
        follow: arguments.range.follow,
    };
    app.block_on(async {
        let mut seen = Seen::default();
        let done = follow::run(app, request.follow, async || once(app, &request, &mut seen).await).await?;
        if seen.sequences.is_empty() && !request.follow {
            for unit in &units {
                must_exist(app, &request.environment, unit).await?;
            }
        }
        Ok(done)
    })
}

/// An error when no node has the unit: nothing found then is more likely a slip of the hand than silence.
async fn must_exist(app: &App, environment: &str, unit: &UnitName) -> CommandResult<()> {
    let mut client = client::connect(app).await?;
    let request = v1::StatusRequest { environment: environment.to_owned() };
    let environments = client.call(async |rpc| rpc.status(request).await).await?.environments;
    let views = environments.iter().flat_map(|item| &item.units);
    let known: Vec<&str> = views.filter_map(|view| Some(view.status.as_ref()?.unit.as_str())).collect();
    if known.iter().any(|name| unit_name::matches(unit, name)) {
        return Ok(());
    }
    let error = CommandError::failed(format!("there is no unit {unit}, and no line of it"));
    Err(match did_you_mean(unit.as_str(), known) {
        Some(hint) => error.hint(hint),
        None => error.hint("`fleet status` lists them all"),
    })
}

/// One connection's worth of lines.
async fn once(app: &App, request: &v1::LogsRequest, seen: &mut Seen) -> CommandResult<follow::End> {
    let mut client = client::connect(app).await?;
    let request = seen.resume(request);
    let mut stream = client.call(async |rpc| rpc.logs(request).await).await?;
    loop {
        let mut batch = match stream.message().await.map_err(|status| client.error(status)) {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(follow::End::Complete),
            Err(error) => return follow::End::of(error),
        };
        seen.keep_new(&mut batch.lines);
        app.output.write_bytes(&log_line::render(&batch.lines, &app.output))?;
        if batch.lost_lines > 0 {
            let (node, unit) = (&batch.lost_node, &batch.lost_unit);
            app.output.say(&format!("-- {} lines of {unit} on {node} never arrived --", batch.lost_lines));
        }
    }
}

/// How far each unit on each node has been shown, to go on there after a lost connection.
#[derive(Debug, Default)]
struct Seen {
    sequences: BTreeMap<(String, String), u64>,
    /// Of the newest line, in microseconds since 1970.
    newest_us: u64,
}

/// Lines arrive merged but not in the strict order of their times over nodes; so long before the newest line is
/// asked for again after a lost connection, and what was shown is left out by its sequence.
const OVERLAP_US: u64 = 10_000_000;

impl Seen {
    /// `request`, or, when lines have been shown, one for what came after them.
    fn resume(&self, request: &v1::LogsRequest) -> v1::LogsRequest {
        if self.newest_us == 0 {
            return request.clone();
        }
        let since_us = self.newest_us.saturating_sub(OVERLAP_US).max(request.since_us);
        v1::LogsRequest { all: true, since_us, ..request.clone() }
    }

    /// Leaves only lines that were not shown before.
    fn keep_new(&mut self, lines: &mut Vec<v1::LogLine>) {
        lines.retain(|line| {
            self.newest_us = self.newest_us.max(line.time_us);
            match self.sequences.entry((line.node.clone(), line.unit.clone())) {
                Entry::Vacant(entry) => drop(entry.insert(line.sequence)),
                Entry::Occupied(entry) if *entry.get() >= line.sequence => return false,
                Entry::Occupied(mut entry) => drop(entry.insert(line.sequence)),
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_lost_connection_no_line_is_shown_twice() {
        let line =
            |unit: &str, sequence, time_us| v1::LogLine { unit: unit.into(), sequence, time_us, ..Default::default() };
        let mut seen = Seen::default();
        let request = v1::LogsRequest { last: 100, follow: true, ..Default::default() };
        assert_eq!(seen.resume(&request), request);
        seen.keep_new(&mut vec![line("a", 4, 50_000_000), line("b", 9, 51_000_000)]);
        let resumed = seen.resume(&request);
        assert_eq!((resumed.all, resumed.since_us), (true, 41_000_000));
        let mut again = vec![line("a", 4, 50_000_000), line("a", 5, 52_000_000), line("b", 8, 49_000_000)];
        seen.keep_new(&mut again);
        assert_eq!(again, [line("a", 5, 52_000_000)]);
    }
}
