//! `fleet down`: ends what `fleet up` started in a folder, and nothing else.

use crate::args::App;
use crate::error::{CommandError, CommandResult, Exit};
use crate::local_fleet::layout::Layout;
use crate::local_fleet::setup;
use fleet_server::lock::{self, Holder};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the keeper may take to end everything: its own patience with nodes and coordinator, and some.
const KEEPER: Duration = Duration::from_secs(140);
/// How long one daemon without a keeper may take.
const DAEMON: Duration = Duration::from_secs(110);

/// End the fleet that `fleet up` brought up: units, nodes, coordinator.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The fleet's folder; default: $XDG_STATE_HOME/fleet/local
    #[arg(long, env = "FLEET_DIR", hide_env = true)]
    dir: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, app: &App) -> CommandResult {
    let layout = Layout::new(arguments.dir.as_deref())?;
    let mut ended = end(&layout.lock(), KEEPER)?;
    // What the keeper did not end, or what a killed keeper left: nodes first, then the coordinator.
    let mut nodes: Vec<PathBuf> = match std::fs::read_dir(layout.nodes()) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => Vec::new(),
    };
    nodes.sort();
    for node in nodes {
        ended |= end(&node.join("lock"), DAEMON)?;
    }
    ended |= end(&layout.server().join("lock"), DAEMON)?;
    setup::clean(&layout)?;
    let root = layout.root.display();
    app.output.say(&if ended { format!("the fleet in {root} is down") } else { format!("no fleet is up in {root}") });
    Ok(Exit::Done)
}

/// Ends the process that holds the lock at `path`; whether there was one.
fn end(path: &Path, patience: Duration) -> CommandResult<bool> {
    let failed = |error| CommandError::because(format!("cannot read {}", path.display()), error);
    let Some(holder) = lock::holder(path).map_err(failed)? else { return Ok(false) };
    holder.signal(Signal::TERM);
    if !wait(&holder, patience) {
        holder.signal(Signal::KILL);
        wait(&holder, Duration::from_secs(10));
    }
    Ok(true)
}

/// Waits until the process has ended; false when it has not in time.
fn wait(holder: &Holder, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { return false };
        match poll(&mut [PollFd::new(&holder.pidfd, PollFlags::IN)], Some(&left)) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}
