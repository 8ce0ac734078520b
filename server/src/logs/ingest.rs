//! The ingesting thread: admits batches, writes what is new of many of them with one sync, answers, wakes readers.

use super::block::{self, BlockHeader, MAX_BLOCK, Masks, Place};
use super::recover::advanced;
use super::segments::{Sources, Writer};
use super::{Environment, LogError, Retention, Shared, Source, Stored};
use fleet_proto::v1;
use fleet_units::ids::EnvironmentName;
use fleet_units::log_frame::{FrameError, MAX_COUNT, frames};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Batches that may wait for the thread, at most 64 KiB each: 16 MiB.
pub const QUEUE: usize = 256;
/// Bytes of batches written together; the sync takes a few milliseconds, in which more of them gather.
const GROUP: usize = 4 << 20;

/// A batch, and where to answer.
#[derive(Debug)]
pub struct Job {
    /// The environment of the node's certificate.
    pub environment: EnvironmentName,
    /// The node of the certificate, and the unit.
    pub source: Source,
    /// What came.
    pub batch: v1::LogBatch,
    /// Told once it is on disk, or why not.
    pub answer: oneshot::Sender<Result<v1::LogAck, LogError>>,
}

/// The thread's state.
#[derive(Debug)]
pub(crate) struct Task {
    dir: PathBuf,
    retention: Retention,
    shared: Arc<Shared>,
    writers: BTreeMap<EnvironmentName, Writer>,
}

/// Batches of one environment that are written together.
#[derive(Default)]
struct Group {
    jobs: Vec<Job>,
    bytes: Vec<u8>,
    /// What changes once the bytes are on disk.
    changed: Sources,
    oldest: Option<u64>,
}

impl Task {
    pub(crate) fn new(
        dir: PathBuf,
        retention: Retention,
        shared: Arc<Shared>,
        writers: BTreeMap<EnvironmentName, Writer>,
    ) -> Self {
        Task { dir, retention, shared, writers }
    }

    /// Works until every sender of `queue` is gone.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(job) = queue.blocking_recv() {
            let mut bytes = job.batch.frames.len();
            let mut jobs: BTreeMap<EnvironmentName, Vec<Job>> = BTreeMap::new();
            jobs.entry(job.environment.clone()).or_default().push(job);
            while bytes < GROUP
                && let Ok(job) = queue.try_recv()
            {
                bytes += job.batch.frames.len();
                jobs.entry(job.environment.clone()).or_default().push(job);
            }
            for (environment, jobs) in jobs {
                self.store(&environment, jobs);
            }
        }
    }

    /// Stores and answers the batches of one environment.
    fn store(&mut self, environment: &EnvironmentName, jobs: Vec<Job>) {
        let mut group = Group { jobs, ..Group::default() };
        match self.write(environment, &mut group) {
            Ok(end) => {
                self.publish(environment, &group, end);
                for job in group.jobs {
                    let ack = ack(&job, group.changed.get(&job.source));
                    // Whoever asked may be gone by now.
                    let _ = job.answer.send(Ok(ack));
                }
            }
            Err(error) => {
                tracing::warn!(environment = %environment, "logs not stored: {}", chain(&error));
                for job in group.jobs {
                    let _ = job.answer.send(Err(again(&error)));
                }
            }
        }
    }

    /// Writes what is new in the group; the end of the segment afterwards, `None` when nothing was.
    fn write(&mut self, name: &EnvironmentName, group: &mut Group) -> Result<Option<Place>, LogError> {
        let writer = match self.writers.entry(name.clone()) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Writer::open(&self.dir.join(name.as_str()), self.retention)?)
            }
        };
        let known = |source: &Source| {
            self.shared.lock().get(name).and_then(|environment| environment.sources.get(source).cloned())
        };
        let all = || self.shared.lock().get(name).map_or_else(Sources::new, |environment| environment.sources.clone());
        let mut place = None;
        for job in &group.jobs {
            let before = group.changed.get(&job.source).cloned().or_else(|| known(&job.source));
            let admitted = admit(&job.source, before.as_ref(), &job.batch);
            let Some((header, frames)) = admitted.unwrap_or_else(|error| {
                tracing::warn!(node = %job.source.node, unit = %job.source.unit, "its log batch is damaged and counts as lost: {error}");
                None
            }) else {
                // Already stored, or never will be; the answer says what there is.
                if let Some(before) = before {
                    group.changed.insert(job.source.clone(), before);
                }
                continue;
            };
            let start = match place {
                Some(place) => place,
                None => {
                    let start = writer.place(all)?;
                    group.oldest = writer.forget_old().then(|| writer.oldest());
                    start
                }
            };
            place = Some(start);
            let at = Place { segment: start.segment, offset: start.offset + group.bytes.len() as u64 };
            block::encode(&header, frames, &mut group.bytes);
            group.changed.insert(job.source.clone(), advanced(before.as_ref(), &header, at));
        }
        if group.bytes.is_empty() { Ok(None) } else { writer.append(&group.bytes).map(Some) }
    }

    fn publish(&self, name: &EnvironmentName, group: &Group, end: Option<Place>) {
        let Some(end) = end else { return };
        let mut environments = self.shared.lock();
        let environment = environments.entry(name.clone()).or_insert_with(|| Environment {
            folder: self.writers[name].folder().to_owned(),
            sources: Sources::new(),
            end,
        });
        environment.end = end;
        for (source, stored) in &group.changed {
            environment.sources.insert(source.clone(), stored.clone());
        }
        if let Some(oldest) = group.oldest {
            environment.sources.retain(|_, stored| stored.last.segment >= oldest);
        }
        drop(environments);
        self.shared.commits.send_modify(|count| *count += 1);
    }
}

/// The answer to a batch: up to its end it is stored, or will never be.
fn ack(job: &Job, stored: Option<&Stored>) -> v1::LogAck {
    let batch = &job.batch;
    let next_sequence = stored.map_or(batch.next_sequence, |stored| stored.next_sequence.saturating_sub(stored.shift));
    v1::LogAck {
        unit: batch.unit.clone(),
        next_sequence: next_sequence.min(batch.next_sequence),
        lineage: batch.lineage,
        next_frame: batch.next_frame,
    }
}

/// The same error for each batch of a group.
fn again(error: &LogError) -> LogError {
    match error {
        LogError::Io { action, path, source } => {
            let source = std::io::Error::new(source.kind(), source.to_string());
            LogError::Io { action, path: path.clone(), source }
        }
        LogError::Full { path } => LogError::Full { path: path.clone() },
        LogError::Version { path } => LogError::Version { path: path.clone() },
        LogError::Name(error) => LogError::Name(error.clone()),
        LogError::Closed => LogError::Closed,
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Why a batch cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A frame in it is damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// What it says of itself is not so.
    #[error("{0}")]
    Contradiction(&'static str),
}

type Admitted<'a> = Option<(BlockHeader, &'a [u8])>;

/// What of a batch is to be stored, if anything, given what is stored of its source.
fn admit<'a>(source: &Source, stored: Option<&Stored>, batch: &'a v1::LogBatch) -> Result<Admitted<'a>, BatchError> {
    let wrong = |why| Err(BatchError::Contradiction(why));
    let Ok(boot_id) = u128::from_str_radix(&batch.boot_id, 16) else { return wrong("its boot id is none") };
    if batch.frames.len() + 1024 > MAX_BLOCK {
        return wrong("it is too long");
    }
    let seen = seen(stored, batch.lineage);
    let (mut kept, mut masks, mut first, mut last) = (0, Masks::default(), None, None);
    let (mut earliest, mut latest, mut next) = (u64::MAX, 0, None);
    for frame in frames(&batch.frames) {
        let frame = frame?;
        let header = frame.header;
        if next.is_some_and(|(number, sequence)| header.number < number || header.sequence < sequence) {
            return wrong("its frames are not in order");
        }
        next = Some((header.number + 1, header.next_sequence()));
        if header.number < seen {
            kept += header.frame_len();
            continue;
        }
        masks.add(&frame);
        first.get_or_insert(header);
        last = Some(header);
        (earliest, latest) = (earliest.min(header.time.0), latest.max(header.time.0));
    }
    let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
    let shift = shift(stored, first.sequence);
    let next_sequence = last.next_sequence() + shift;
    if next_sequence > 2 * MAX_COUNT {
        return wrong("its line numbers are beyond all bounds");
    }
    let lost = match stored {
        Some(stored) => (first.sequence + shift).saturating_sub(stored.next_sequence),
        None => batch.lost_lines.min(first.sequence.saturating_sub(1)),
    };
    let header = BlockHeader {
        source: source.clone(),
        continues: masks.continues,
        starts: masks.starts,
        lineage: batch.lineage,
        boot_id,
        first_frame: first.number,
        next_frame: last.number + 1,
        first_sequence: first.sequence + shift,
        next_sequence,
        shift,
        lost,
        earliest,
        latest,
        before: stored.map_or_else(Place::default, |stored| stored.last),
    };
    Ok(Some((header, &batch.frames[kept..])))
}

/// The first frame number of this lineage that is not stored.
fn seen(stored: Option<&Stored>, lineage: u64) -> u64 {
    let Some(stored) = stored else { return 0 };
    if stored.lineage == lineage {
        return stored.next_frame;
    }
    stored.earlier.iter().find(|&&(earlier, _)| earlier == lineage).map_or(0, |&(_, next)| next)
}

/// What to add to line numbers so that they go on growing.
fn shift(stored: Option<&Stored>, first_sequence: u64) -> u64 {
    stored.map_or(0, |stored| stored.shift.max(stored.next_sequence.saturating_sub(first_sequence)))
}
