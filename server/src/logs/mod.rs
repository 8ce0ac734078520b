//! The fleet's logs on the coordinator: stored once, durable before they are acknowledged, read merged by time.
//!
//! ```text
//! NodeService.Logs --receive--> ingest: one thread --blocks, one fdatasync for many--> DIR/<environment>/<index>.seg
//!                                   \--> what each (node, unit) has: Shared  --------> <index>.pairs at each roll
//! OperatorService.Logs <--service-- query (the past, merged) and follow (what is committed from then on)
//! ```
//! All units of an environment share its segments, so that many nodes' batches share one sync and an idle unit
//! costs some 300 bytes of memory and no open file. The blocks of one (node, unit) form a chain backwards.

pub mod block;
pub mod chain;
pub mod follow;
pub mod ingest;
mod lines;
mod merge;
pub mod query;
mod recover;
pub mod segments;
pub mod service;

use crate::logs::block::Place;
use fleet_proto::v1;
use fleet_units::ids::{EnvironmentName, NodeName, UnitName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// How long logs are kept; whole segments go, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// No longer than this.
    pub age: Duration,
    /// No more than so many bytes for one environment.
    pub bytes: u64,
}

impl Default for Retention {
    /// 7 days or 10 GiB an environment.
    fn default() -> Self {
        Retention { age: Duration::from_secs(7 * 24 * 3600), bytes: 10 << 30 }
    }
}

/// What can go wrong with the log store.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file or folder could not be used.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: `read`, `create`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// There is no room for logs; nothing was acknowledged, the nodes keep their lines.
    #[error("no room for logs in {path}: free space or lower the retention; nodes keep their lines until then")]
    Full {
        /// The environment's folder.
        path: PathBuf,
    },
    /// A file was written by a later version of Fleet.
    #[error("{path} is of a later version of Fleet")]
    Version {
        /// The file.
        path: PathBuf,
    },
    /// A batch names no unit.
    #[error("a log batch with a wrong name: {0}")]
    Name(#[from] fleet_units::ids::IdError),
    /// The store has been closed.
    #[error("the log store is closed")]
    Closed,
}

impl LogError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> LogError {
        let path = path.into();
        move |source| LogError::Io { action, path, source }
    }
}

/// A unit on a node, whose lines are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    /// The node.
    pub node: NodeName,
    /// The unit.
    pub unit: UnitName,
}

/// What is stored of one [`Source`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The run of frame numbers the last batch belonged to.
    pub lineage: u64,
    /// Number of the first frame of it that is not stored.
    pub next_frame: u64,
    /// Earlier lineages with the same, oldest first: what is sent again after a loss of power is known, too.
    pub earlier: Vec<(u64, u64)>,
    /// Added to the node's line numbers, so that they grow also when a node lost its spool and counts anew.
    pub shift: u64,
    /// Number of the line that will end next, `shift` included.
    pub next_sequence: u64,
    /// Its last block.
    pub last: Place,
    /// The latest time in its last block, microseconds since 1970.
    pub last_time: u64,
}

/// One environment as readers see it: everything in it is on disk, synced.
#[derive(Debug)]
pub(crate) struct Environment {
    folder: PathBuf,
    sources: BTreeMap<Source, Stored>,
    /// The end of the last block.
    end: Place,
}

/// What the ingesting thread tells the readers.
#[derive(Debug)]
pub(crate) struct Shared {
    environments: Mutex<BTreeMap<EnvironmentName, Environment>>,
    /// Counts commits: wakes who follows.
    commits: watch::Sender<u64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<EnvironmentName, Environment>> {
        self.environments.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The ingesting thread; ends, and is joined, with the last handle.
#[derive(Debug)]
struct Ingester {
    jobs: Option<mpsc::Sender<ingest::Job>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Ingester {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It has at most one group of batches to write. A panic there was told when it happened.
            let _ = thread.join();
        }
    }
}

/// The log store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogStore {
    shared: Arc<Shared>,
    ingester: Arc<Ingester>,
}

impl LogStore {
    /// Opens the store in the folder `dir`, made where missing; reads what was stored since the last checkpoint
    /// (at most some segments) and leaves a torn tail behind.
    pub fn open(dir: &Path, retention: Retention) -> Result<Self, LogError> {
        let (environments, writers) = recover::open(dir, retention)?;
        let shared = Arc::new(Shared { environments: Mutex::new(environments), commits: watch::Sender::new(0) });
        let (jobs, queue) = mpsc::channel(ingest::QUEUE);
        let task = ingest::Task::new(dir.to_owned(), retention, shared.clone(), writers);
        let thread = std::thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || task.run(queue))
            .map_err(LogError::io("start a thread for", dir))?;
        Ok(LogStore { shared, ingester: Arc::new(Ingester { jobs: Some(jobs), thread: Some(thread) }) })
    }

    /// Stores what is new in `batch`; when it returns, that is on disk. Frames that are stored already are passed
    /// over. Damaged or contradictory batches are not stored, and acknowledged all the same: their lines count
    /// as lost. [`LogError::Full`] and [`LogError::Io`] mean that nothing of it is stored.
    pub async fn ingest(
        &self,
        node: NodeName,
        environment: EnvironmentName,
        batch: v1::LogBatch,
    ) -> Result<v1::LogAck, LogError> {
        self.submit(node, environment, batch).await?.await.map_err(|_| LogError::Closed)?
    }

    /// The first half of [`LogStore::ingest`]: waits for room in the queue; the answer comes later, in order.
    pub(crate) async fn submit(
        &self,
        node: NodeName,
        environment: EnvironmentName,
        batch: v1::LogBatch,
    ) -> Result<oneshot::Receiver<Result<v1::LogAck, LogError>>, LogError> {
        let unit = batch.unit.parse()?;
        let (answer, answered) = oneshot::channel();
        let job = ingest::Job { environment, source: Source { node, unit }, batch, answer };
        let jobs = self.ingester.jobs.as_ref().expect("there until the last handle is dropped");
        jobs.send(job).await.map_err(|_| LogError::Closed)?;
        Ok(answered)
    }
}

#[cfg(test)]
mod tests;
