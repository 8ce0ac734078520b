//! `fleet sync`: look at the branches now.

use crate::args::{App, EnvironmentFilter};
use crate::client;
use crate::error::{CommandResult, Exit};
use fleet_proto::v1;

/// Have the coordinator look at its branches now, and wait until what is there has been read.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    filter: EnvironmentFilter,
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    let request = v1::SyncRequest { environment: arguments.filter.environment.unwrap_or_default() };
    app.block_on(async {
        let mut client = client::connect(app).await?;
        client.call(async |rpc| rpc.sync(request).await).await
    })?;
    app.output.say("the branches have been read");
    Ok(Exit::Done)
}
