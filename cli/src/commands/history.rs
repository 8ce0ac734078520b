//! `fleet history ENV`: which revisions an environment accepted, from whom and why.

use crate::args::App;
use crate::client;
use crate::error::{CommandResult, Exit};
use crate::output::table::{Cell, Table};
use crate::output::time::{local, rfc3339};
use crate::output::view::{short, some};
use crate::output::{Paint, json};
use fleet_proto::v1;
use serde::Serialize;

/// Show which revisions an environment accepted, newest first.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The environment
    environment: String,
    /// At most so many
    #[arg(short = 'n', long, env = "FLEET_LIMIT", value_name = "N", default_value_t = 20, hide_env = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Debug, Serialize)]
struct History {
    environment: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    revision: String,
    kind: String,
    source_revision: Option<String>,
    actor: String,
    reason: Option<String>,
    time: Option<String>,
    subject: String,
    converged: bool,
    bad: bool,
}

impl From<v1::HistoryEntry> for Entry {
    fn from(entry: v1::HistoryEntry) -> Self {
        Entry {
            revision: entry.revision,
            kind: entry.kind,
            source_revision: some(entry.source_revision),
            actor: entry.actor,
            reason: some(entry.reason),
            time: rfc3339(entry.time_us),
            subject: entry.subject,
            converged: entry.converged,
            bad: entry.bad,
        }
    }
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    let request = v1::HistoryRequest { environment: arguments.environment.clone(), limit: arguments.limit };
    let entries = app.block_on(async {
        let mut client = client::connect(app).await?;
        Ok(client.call(async |rpc| rpc.history(request).await).await?.entries)
    })?;
    if app.output.is_json() {
        let entries = entries.into_iter().map(Into::into).collect();
        json::print(&app.output, &History { environment: arguments.environment, entries })?;
        return Ok(Exit::Done);
    }
    if entries.is_empty() {
        app.output.say(&format!("{} has no history yet", arguments.environment));
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["REVISION", "KIND", "SOURCE", "BY", "WHEN", "STATE", "SUBJECT", "REASON"]);
    for entry in &entries {
        let (state, look) = match (entry.bad, entry.converged) {
            (true, _) => ("bad", Paint::Error),
            (false, true) => ("converged", Paint::Good),
            (false, false) => ("", Paint::Plain),
        };
        let source = if entry.source_revision.is_empty() { String::new() } else { short(&entry.source_revision) };
        table.row([
            Cell::new(short(&entry.revision), Paint::Strong),
            entry.kind.as_str().into(),
            source.into(),
            entry.actor.as_str().into(),
            local(entry.time_us).into(),
            Cell::new(state, look),
            entry.subject.as_str().into(),
            entry.reason.as_str().into(),
        ]);
    }
    app.output.write(&table.render(&app.output.stdout))?;
    Ok(Exit::Done)
}
