//! `fleet events [-f]`: what changed in the fleet.

use crate::args::{App, EnvironmentFilter};
use crate::client;
use crate::commands::follow;
use crate::error::CommandResult;
use crate::output::time::{local, rfc3339};
use crate::output::view::{short, some};
use crate::output::{Output, Paint, json};
use fleet_proto::v1;
use serde::Serialize;

/// Show what changed in the fleet.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    filter: EnvironmentFilter,
    /// Go on with new events as they come
    #[arg(short, long, env = "FLEET_FOLLOW", hide_env = true)]
    follow: bool,
}

#[derive(Debug, Serialize)]
struct Event {
    time: Option<String>,
    environment: Option<String>,
    node: Option<String>,
    unit: Option<String>,
    kind: String,
    text: String,
    revision: Option<String>,
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    let follow = arguments.follow;
    let request = v1::EventsRequest { environment: arguments.filter.environment.unwrap_or_default(), follow };
    app.block_on(async {
        let mut newest_us = 0;
        follow::run(app, follow, async || once(app, &request, &mut newest_us).await).await
    })
}

/// One connection's worth of events; those up to `newest_us` were shown already.
async fn once(app: &App, request: &v1::EventsRequest, newest_us: &mut u64) -> CommandResult<follow::End> {
    let mut client = client::connect(app).await?;
    let mut stream = client.call(async |rpc| rpc.events(request.clone()).await).await?;
    let shown_us = *newest_us;
    loop {
        match stream.message().await.map_err(|status| client.error(status)) {
            Ok(Some(event)) if event.time_us <= shown_us => {}
            Ok(Some(event)) => {
                *newest_us = event.time_us.max(*newest_us);
                app.output.write(&render(event, &app.output))?;
            }
            Ok(None) => return Ok(follow::End::Complete),
            Err(error) => return follow::End::of(error),
        }
    }
}

/// One event on a line of its own.
pub(crate) fn render(event: v1::Event, output: &Output) -> String {
    if !output.is_json() {
        return for_people(&event, output);
    }
    let event = Event {
        time: rfc3339(event.time_us),
        environment: some(event.environment),
        node: some(event.node),
        unit: some(event.unit),
        kind: event.kind,
        text: event.text,
        revision: some(event.revision),
    };
    json::line(&event) + "\n"
}

fn for_people(event: &v1::Event, output: &Output) -> String {
    let stream = &output.stdout;
    let revision = if event.revision.is_empty() { String::new() } else { short(&event.revision) };
    let subject: Vec<&str> = [event.environment.as_str(), &event.node, &event.unit, &revision]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let time = stream.paint(Paint::Faint, &local(event.time_us));
    let kind = stream.show(Paint::Key, &format!("{:<9}", event.kind));
    format!("{time} {kind} {}  {}\n", stream.show(Paint::Strong, &subject.join(" ")), stream.text(&event.text))
}
