//! Keeps the node connected: one connection after another, with back-off, for as long as the agent lives.

use super::backoff::Backoff;
use super::session;
use crate::desk::Desk;
use crate::logs::ship;
use fleet_units::diagnostic::Reason;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// A connection that lasted so long starts the back-off over.
const STABLE: Duration = Duration::from_secs(10);

/// How the link stands, for `fleet node status`, readiness and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// No connection; why the last try failed.
    Away(Reason),
    /// The coordinator has answered.
    Connected,
}

/// Stays connected until `shutdown`. `connect` makes one channel; its error is for people.
pub async fn run<C>(desk: Desk, connect: impl Fn() -> C, state: watch::Sender<LinkState>, shutdown: CancellationToken)
where
    C: Future<Output = Result<Channel, String>>,
{
    let mut backoff = Backoff::default();
    while !shutdown.is_cancelled() {
        let began = Instant::now();
        let ended = match connect().await {
            Ok(channel) => one_connection(channel, &desk, &state, &shutdown).await,
            Err(why) => Err(why),
        };
        let Err(why) = ended else { return };
        tell(&state, LinkState::Away(Reason::new("not-connected", why)));
        if began.elapsed() > STABLE {
            backoff.reset();
        }
        let wait = backoff.next(random());
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Control and logs, each on a stream of its own. The end of control ends both; a problem of logs ends neither.
async fn one_connection(
    channel: Channel,
    desk: &Desk,
    state: &watch::Sender<LinkState>,
    shutdown: &CancellationToken,
) -> Result<(), String> {
    let stop = shutdown.child_token();
    let welcomed = || tell(state, LinkState::Connected);
    let logs = ship::run(channel.clone(), desk.spool().to_owned(), desk.whoami().node.clone(), stop.clone());
    let ended = tokio::select! {
        ended = session::serve(channel, desk, &stop, welcomed) => ended.map_err(|status| status.message().to_owned()),
        () = logs => Ok(()), // only after `stop`
    };
    stop.cancel();
    if shutdown.is_cancelled() { Ok(()) } else { ended.and(Err("the connection ended".to_owned())) }
}

/// One line per change of state, nothing while it stays the same.
fn tell(state: &watch::Sender<LinkState>, now: LinkState) {
    state.send_if_modified(|held| {
        let changed = *held != now;
        if changed {
            match &now {
                LinkState::Connected => tracing::info!("connected to the coordinator"),
                LinkState::Away(why) => tracing::warn!(reason = why.code, "not connected: {why}"),
            }
            *held = now;
        }
        changed
    });
}

fn random() -> u64 {
    // Without randomness every node waits the same time, which is still correct.
    getrandom::u64().unwrap_or(0)
}
