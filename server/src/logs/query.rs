//! The past: which lines, and how they are found.

use super::block::Place;
use super::chain::{self, Files};
use super::merge::{Cursor, Merge};
use super::{LogError, LogStore, Source, Stored};
use fleet_units::ids::{EnvironmentName, NodeName, UnitName};
use fleet_units::log_record::LogRecord;
use fleet_units::time::Timestamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::path::PathBuf;

/// The most lines that can be asked for from the end; all of them can be asked for instead.
pub const MAX_LAST: u64 = 100_000;

/// Which lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Of one environment; `None`: of all.
    pub environment: Option<EnvironmentName>,
    /// Of these units, or of all instances of these templates; empty: of all.
    pub units: Vec<UnitName>,
    /// Of one node; `None`: of all.
    pub node: Option<NodeName>,
    /// The last so many of those that fit, at most [`MAX_LAST`]; `None`: all.
    pub last: Option<u64>,
    /// None that began before this time.
    pub since: Option<Timestamp>,
    /// None that began at this time or later.
    pub until: Option<Timestamp>,
}

impl LogQuery {
    pub(crate) fn wants_environment(&self, environment: &EnvironmentName) -> bool {
        self.environment.as_ref().is_none_or(|wanted| wanted == environment)
    }

    /// Whether lines of this node's unit are wanted.
    #[must_use]
    pub fn wants(&self, source: &Source) -> bool {
        let unit = |wanted: &UnitName| {
            *wanted == source.unit || wanted.is_template() && source.unit.template().as_ref() == Some(wanted)
        };
        self.node.as_ref().is_none_or(|node| *node == source.node)
            && (self.units.is_empty() || self.units.iter().any(unit))
    }

    pub(crate) fn range(&self) -> Range {
        Range { since: self.since.map_or(0, |time| time.0), until: self.until.map_or(u64::MAX, |time| time.0) }
    }
}

/// A stretch of time, microseconds since 1970, without its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) since: u64,
    pub(crate) until: u64,
}

impl Range {
    pub(crate) fn contains(self, time: u64) -> bool {
        (self.since..self.until).contains(&time)
    }
}

/// What a reader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// So many lines of a source are missing before its next one.
    Lost(Source, u64),
    /// A line.
    Line(LogRecord),
}

/// The past that a query wants, in order; reads as it is asked, and blocks meanwhile.
#[derive(Debug)]
pub struct Past {
    found: Found,
    /// Where each environment ended when the query began: following begins there.
    pub(crate) ends: BTreeMap<EnvironmentName, Place>,
}

#[derive(Debug)]
enum Found {
    All(Merge),
    Last(VecDeque<Item>),
}

/// One environment's part of a query, as it was when the query began.
struct Part {
    folder: PathBuf,
    sources: Vec<(Source, Stored)>,
}

impl LogStore {
    /// Finds the lines that `query` wants, merged by time over units and nodes. Reads from disk: call it where
    /// blocking is allowed.
    pub fn query(&self, query: &LogQuery) -> Result<Past, LogError> {
        let (parts, ends) = self.snapshot(query);
        let found = match query.last {
            None => Found::All(all(parts, query)?),
            Some(last) => Found::Last(tail(parts, query, last.min(MAX_LAST))?),
        };
        Ok(Past { found, ends })
    }

    fn snapshot(&self, query: &LogQuery) -> (Vec<Part>, BTreeMap<EnvironmentName, Place>) {
        let environments = self.shared.lock();
        let wanted = environments.iter().filter(|(name, _)| query.wants_environment(name));
        let part = |(name, environment): (&EnvironmentName, &super::Environment)| {
            let sources = environment.sources.iter().filter(|(source, _)| query.wants(source));
            let sources = sources.map(|(source, stored)| (source.clone(), stored.clone())).collect();
            (Part { folder: environment.folder.clone(), sources }, (name.clone(), environment.end))
        };
        wanted.map(part).unzip()
    }
}

impl Past {
    /// The next items, about `lines` of them; empty at the end.
    pub fn next_items(&mut self, lines: usize) -> Result<Vec<Item>, LogError> {
        match &mut self.found {
            Found::Last(items) => Ok(items.drain(..lines.min(items.len())).collect()),
            Found::All(merge) => {
                let mut items = Vec::new();
                while items.len() < lines
                    && let Some((_, item)) = merge.next()?
                {
                    items.push(item);
                }
                Ok(items)
            }
        }
    }
}

fn all(parts: Vec<Part>, query: &LogQuery) -> Result<Merge, LogError> {
    let range = query.range();
    let (mut files, mut cursors) = (Vec::new(), Vec::new());
    for part in parts {
        let mut part_files = Files::new(&part.folder);
        for (source, stored) in &part.sources {
            let early = |header: &super::block::BlockHeader| header.latest < range.since;
            let chain = chain::back(&mut part_files, source, stored.last, 0, true, early)?;
            cursors.push(Cursor::new(files.len(), chain));
        }
        files.push(part_files);
    }
    Ok(Merge::new(files, cursors, range))
}

/// The last lines of all sources together: those with the latest ones first, so that most need not be read.
fn tail(parts: Vec<Part>, query: &LogQuery, last: u64) -> Result<VecDeque<Item>, LogError> {
    let range = query.range();
    let most = usize::try_from(last).expect("at most MAX_LAST");
    let mut sources: Vec<_> =
        parts.iter().flat_map(|part| part.sources.iter().map(move |(source, stored)| (part, source, stored))).collect();
    sources.sort_by_key(|(_, _, stored)| Reverse(stored.last_time));
    let mut newest: BinaryHeap<Reverse<Entry>> = BinaryHeap::new();
    for (rank, (part, source, stored)) in sources.into_iter().enumerate() {
        let full = newest.len() >= most;
        if full && newest.peek().is_none_or(|oldest| oldest.0.time > stored.last_time) {
            break;
        }
        let mut files = Files::new(&part.folder);
        let mut lines = 0;
        let chain = chain::back(&mut files, source, stored.last, 0, true, |header| {
            if header.earliest < range.until {
                lines += header.next_sequence - header.first_sequence;
            }
            lines >= last || header.latest < range.since
        })?;
        let mut merge = Merge::new(vec![files], vec![Cursor::new(0, chain)], range);
        let mut lost = None;
        while let Some((time, item)) = merge.next()? {
            match item {
                Item::Lost(..) => lost = Some(item),
                Item::Line(record) => {
                    newest.push(Reverse(Entry { time, rank, lost: lost.take(), record }));
                    if newest.len() > most {
                        newest.pop();
                    }
                }
            }
        }
    }
    let ordered = newest.into_sorted_vec().into_iter().rev();
    Ok(ordered.flat_map(|Reverse(entry)| entry.lost.into_iter().chain([Item::Line(entry.record)])).collect())
}

/// A line that is among the last so far, and the loss told before it.
#[derive(Debug)]
struct Entry {
    time: u64,
    rank: usize,
    lost: Option<Item>,
    record: LogRecord,
}

impl Entry {
    fn key(&self) -> (u64, usize, u64) {
        (self.time, self.rank, self.record.sequence)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
