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
    /// Branch heads as last examined.
    seen: BTreeMap<EnvironmentName, Option<Revision>>,
    /// Accepted heads the fleet task knows. Nobody else tells it, so they come in order.
    told: BTreeMap<EnvironmentName, Revision>,
    /// Accepted heads that are not in the head log yet.
    unwritten: BTreeMap<EnvironmentName, Accepted>,
    /// Convergences that are not in the head log yet.
    unrecorded: BTreeMap<EnvironmentName, Revision>,
    /// What was said to be wrong.
    troubles: BTreeMap<EnvironmentName, String>,
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
        let branches = Branches {
            source,
            fleet,
            wall,
            chain,
            questions,
            converged,
            seen: BTreeMap::new(),
            told: BTreeMap::new(),
            unwritten: BTreeMap::new(),
            unrecorded: BTreeMap::new(),
            troubles: BTreeMap::new(),
        };
        (Look { questions: sender }, branches)
    }

    /// Tells the fleet task what was accepted before this start.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn recall(&mut self) -> Result<(), SourceError> {
        for (environment, _) in self.chain.clone() {
            self.recall_one(environment, None).await?;
        }
        Ok(())
    }

    /// Tells the accepted head of one environment, unless it was told; `arrival` says how it came, else the head log.
    async fn recall_one(&mut self, environment: EnvironmentName, arrival: Option<Arrival>) -> Result<(), SourceError> {
        let (name, told) = (environment.clone(), self.told.get(&environment).cloned());
        let recalled = self
            .source
            .run(move |source| -> Result<_, SourceError> {
                let Some(accepted) = source.accepted(&name)? else { return Ok(None) };
                let converged = source.has_converged(&name, &accepted.revision)?;
                Ok((told.as_ref() != Some(&accepted.revision)).then_some((accepted, converged)))
            })
            .await??;
        if let Some((accepted, converged)) = recalled {
            self.told.insert(environment, accepted.revision.clone());
            self.fleet.accepted(Box::new(accepted), arrival.unwrap_or(Arrival::Known { converged })).await;
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
                    self.unrecorded.insert(environment, revision);
                }
            }
            self.write_pending().await;
            self.look().await;
            if let Some(asked) = asked {
                // Whoever asked may have given up.
                let _ = asked.send(());
            }
        }
    }

    /// Writes what is not in the head logs yet; what fails is tried again at the next look.
    async fn write_pending(&mut self) {
        let now = (self.wall)();
        for (environment, accepted) in std::mem::take(&mut self.unwritten) {
            let entry = accepted.clone();
            let written = self.source.run(move |source| source.accept(&entry, FOLDER_OWNER, now)).await;
            match written {
                // Moved: somebody else has written it, or a later head.
                Ok(Ok(()) | Err(SourceError::Moved { .. })) => self.well(&environment),
                Ok(Err(error)) | Err(error) => {
                    self.ill(&environment, &error, "the accepted head is not in the head log yet");
                    self.unwritten.insert(environment, accepted);
                }
            }
        }
        for (environment, revision) in std::mem::take(&mut self.unrecorded) {
            let (name, head) = (environment.clone(), revision.clone());
            let recorded = self.source.run(move |source| source.record_converged(&name, &head, now)).await;
            match recorded {
                // What was refused because its source had not converged may be accepted now.
                Ok(Ok(_)) => self.seen.clear(),
                Ok(Err(error)) | Err(error) => {
                    self.ill(&environment, &error, "convergence is not recorded yet");
                    self.unrecorded.insert(environment, revision);
                }
            }
        }
    }

    /// Looks at every branch, in the order of the chain; again when one was accepted, because a later environment's
    /// head may be a promotion of it. One environment that cannot be read keeps no other from being followed.
    async fn look(&mut self) {
        loop {
            let mut heads = match self.source.run(|source| source.heads()).await {
                Ok(Ok(heads)) => heads,
                Ok(Err(error)) | Err(error) => {
                    tracing::error!(error = %crate::error_chain(&error), "the branches cannot be read; what runs runs on");
                    return;
                }
            };
            let mut accepted_any = false;
            for (environment, branch) in self.chain.clone() {
                let head = heads.remove(&branch);
                if self.seen.get(&environment) == Some(&head) {
                    continue;
                }
                match self.look_at(&environment, head.clone()).await {
                    Ok(accepted) => {
                        self.well(&environment);
                        self.seen.insert(environment, head);
                        accepted_any |= accepted;
                    }
                    Err(error) => self.ill(&environment, &error, "its branch cannot be read; what runs runs on"),
                }
            }
            if !accepted_any {
                return;
            }
            self.seen.clear();
            self.write_pending().await;
        }
    }

    /// Tells the fleet task what the environment's branch holds; whether that is a new accepted head.
    async fn look_at(&mut self, environment: &EnvironmentName, head: Option<Revision>) -> Result<bool, SourceError> {
        let name = environment.clone();
        trace::stage("moved branch read", 0);
        let examined = self.source.run(move |source| source.examine(&name, head.as_ref())).await??;
        trace::stage("examined", 0);
        match examined {
            Examined::Unchanged => {
                // A promotion or rollback has moved branch and head log together: its head is told here, too.
                self.recall_one(environment.clone(), Some(Arrival::New)).await?;
                self.fleet.at_head(environment.clone()).await;
                Ok(false)
            }
            Examined::Kept { state, rejected } => {
                self.fleet.kept(environment.clone(), state, rejected).await;
                Ok(false)
            }
            Examined::Accepted(accepted) => {
                self.told.insert(environment.clone(), accepted.revision.clone());
                // Written into the head log after the nodes were told: a crash in between examines it again.
                self.unwritten.insert(environment.clone(), (*accepted).clone());
                self.fleet.accepted(accepted, Arrival::New).await;
                Ok(true)
            }
        }
    }

    /// Says what is wrong, once for as long as it stays the same.
    fn ill(&mut self, environment: &EnvironmentName, error: &SourceError, what: &str) {
        let text = crate::error_chain(error);
        if self.troubles.insert(environment.clone(), text.clone()).as_ref() != Some(&text) {
            tracing::error!(%environment, error = text, "{what}");
        }
    }

    fn well(&mut self, environment: &EnvironmentName) {
        self.troubles.remove(environment);
    }
}
