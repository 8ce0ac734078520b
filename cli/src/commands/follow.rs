//! `-f`: one stream after another, for as long as somebody looks. A coordinator that restarts is waited for.

use crate::args::App;
use crate::error::{CommandError, CommandResult, ErrorKind, Exit};
use std::time::Duration;

/// Between two attempts to connect again.
const AGAIN: Duration = Duration::from_secs(1);

/// How a stream ended.
#[derive(Debug)]
pub(crate) enum End {
    /// All was sent.
    Complete,
    /// The connection broke on the way.
    Lost(CommandError),
}

impl End {
    /// The end by `error`: lost, or a refusal, which is final.
    pub(crate) fn of(error: CommandError) -> CommandResult<End> {
        if error.kind == ErrorKind::Unreachable { Ok(End::Lost(error)) } else { Err(error) }
    }
}

/// Runs `once`; with `follow` again and again, once it has reached the coordinator a first time.
pub(crate) async fn run(app: &App, follow: bool, mut once: impl AsyncFnMut() -> CommandResult<End>) -> CommandResult {
    let mut reached = false;
    let mut told = false;
    loop {
        match once().await {
            Ok(End::Complete) if !follow => return Ok(Exit::Done),
            Ok(End::Lost(error)) if !follow => return Err(error),
            Ok(End::Complete | End::Lost(_)) => {
                reached = true;
                told = false;
            }
            Err(error) if reached && error.kind == ErrorKind::Unreachable => {}
            Err(error) => return Err(error),
        }
        if !told {
            app.output.say("-- lost the connection to the coordinator; trying again --");
            told = true;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
