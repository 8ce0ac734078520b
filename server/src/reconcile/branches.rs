//! Branch moved -> fleet task: looks at the branches whenever the watcher, an operator or a convergence says so.
//!
//! ```text
//! watcher, Look::now(), converged --> Branches::run --examine--> accepted|kept|at_head --> fleet task
//!                                                   `--accept--> head log (after the fleet task was told)
//! ```

use super::handle::{Arrival, Handle};
use crate::source::{Accepted, Examined, SourceError, SourceHandle, Watcher};
use crate::trace;
use fleet_units::ids::{EnvironmentName, Revision};
use fleet_units::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Questions waiting; each is a person or a job, so few.
const QUESTIONS: usize = 64;
/// The net under the file events: how often the branches are looked at anyway.
const NET: Duration = Duration::from_secs(1);
/// Who moved a branch in the repository's folder: its owner (a plain git push by path has no other name).
const FOLDER_OWNER: &str = "local";

/// Asks for a look at the branches.
#[derive(Clone, Debug)]
pub struct Look {
    questions: mpsc::Sender<oneshot::Sender<()>>,
}

impl Look {
    /// Looks at the branches now; returns when what is there has been read and told to the fleet task.
    pub async fn now(&self) {
        let (done, wait) = oneshot::channel();
        if self.questions.send(done).await.is_ok() {
            // An error means the coordinator is stopping.
            let _ = wait.await;
        }
    }
}

/// Follows the branches.
pub struct Branches {
    source: SourceHandle,
    fleet: Handle,
    wall: fn() -> Timestamp,
    chain: Vec<(EnvironmentName, String)>,
    questions: mpsc::Receiver<oneshot::Sender<()>>,
    converged: mpsc::Receiver<(EnvironmentName, Revision)>,
    seen: BTreeMap<EnvironmentName, Option<Revision>>,
}

impl Branches {
    /// Follows the branches of `chain` (name, branch) for `fleet`.
    #[must_use]
    pub fn new(
        source: SourceHandle,
        fleet: Handle,
        wall: fn() -> Timestamp,
        chain: Vec<(EnvironmentName, String)>,
        converged: mpsc::Receiver<(EnvironmentName, Revision)>,
    ) -> (Look, Branches) {
        let (sender, questions) = mpsc::channel(QUESTIONS);
        let branches = Branches { source, fleet, wall, chain, questions, converged, seen: BTreeMap::new() };
        (Look { questions: sender }, branches)
    }

    /// Tells the fleet task what was accepted before this start.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn recall(&self) -> Result<(), SourceError> {
        for (environment, _) in self.chain.clone() {
            let recalled = self
                .source
                .run(move |source| -> Result<_, SourceError> {
                    let accepted = source.accepted(&environment)?;
                    let converged = accepted
                        .as_ref()
                        .map(|accepted| source.has_converged(&environment, &accepted.revision))
                        .transpose()?;
                    Ok(accepted.zip(converged))
                })
                .await??;
            if let Some((accepted, converged)) = recalled {
                self.fleet.accepted(Box::new(accepted), Arrival::Known { converged }).await;
            }
        }
        Ok(())
    }

    /// Follows the branches until `shutdown`.
    pub async fn run(mut self, mut watcher: Watcher, shutdown: CancellationToken) {
        let mut net = tokio::time::interval(NET);
        net.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut asked = None;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = watcher.changed() => {}
                _ = net.tick() => {}
                question = self.questions.recv() => asked = question,
                Some((environment, revision)) = self.converged.recv() => {
                    self.record_converged(environment, revision).await;
                }
            }
            if let Err(error) = self.look().await {
                tracing::error!(error = %crate::error_chain(&error), "the repository cannot be read; what runs runs on");
            }
            if let Some(asked) = asked {
                // Whoever asked may have given up.
                let _ = asked.send(());
            }
        }
    }

    async fn record_converged(&mut self, environment: EnvironmentName, revision: Revision) {
        let (name, now) = (environment.clone(), (self.wall)());
        let recorded = self.source.run(move |source| source.record_converged(&name, &revision, now)).await;
        match recorded {
            // What was refused because its source had not converged may be accepted now.
            Ok(Ok(_)) => self.seen.clear(),
            Ok(Err(error)) | Err(error) => {
                tracing::warn!(%environment, error = %crate::error_chain(&error), "convergence is not recorded");
            }
        }
    }

    /// Looks once at every branch, in the order of the chain; again when one was accepted, because a later
    /// environment's head may be a promotion of it.
    async fn look(&mut self) -> Result<(), SourceError> {
        while self.look_once().await? {}
        Ok(())
    }

    async fn look_once(&mut self) -> Result<bool, SourceError> {
        let mut heads = self.source.run(|source| source.heads()).await??;
        let mut accepted_any = false;
        for (environment, branch) in self.chain.clone() {
            let head = heads.remove(&branch);
            if self.seen.get(&environment) == Some(&head) {
                continue;
            }
            trace::stage("moved branch read", 0);
            let (name, tip) = (environment.clone(), head.clone());
            let examined = self.source.run(move |source| source.examine(&name, tip.as_ref())).await??;
            trace::stage("examined", 0);
            self.seen.insert(environment.clone(), head);
            match examined {
                Examined::Unchanged => self.fleet.at_head(environment).await,
                Examined::Kept { state, rejected } => self.fleet.kept(environment, state, rejected).await,
                Examined::Accepted(accepted) => {
                    accepted_any = true;
                    self.fleet.accepted(accepted.clone(), Arrival::New).await;
                    self.write(*accepted).await?;
                }
            }
        }
        if accepted_any {
            self.seen.retain(|_, _| false);
        }
        Ok(accepted_any)
    }

    /// Writes the accepted head into the head log, after the nodes were told: a crash in between examines it again.
    async fn write(&self, accepted: Accepted) -> Result<(), SourceError> {
        let now = (self.wall)();
        self.source.run(move |source| source.accept(&accepted, FOLDER_OWNER, now)).await?
    }
}
