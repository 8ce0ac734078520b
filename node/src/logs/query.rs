//! Lines of one unit for people on the node itself: the past, and what follows. The coordinator is not needed.

use super::SpoolError;
use super::read::SpoolReader;
use super::watch::SpoolWatch;
use fleet_units::ids::{NodeName, UnitName};
use fleet_units::log_frame::{LineSplitter, frames};
use fleet_units::log_record::LogRecord;
use fleet_units::time::Timestamp;
use std::path::Path;

/// Which lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only the last so many; `None`: all that are there.
    pub last: Option<u64>,
    /// None whose first byte was read before this time.
    pub since: Option<Timestamp>,
}

/// Lines that were read together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// In the order of their numbers.
    pub records: Vec<LogRecord>,
    /// Lines before and between them that are gone: a full disk, or dropped before they were read.
    pub lost: u64,
}

/// Reads one unit's lines in pieces, so that a large log does not stand in memory.
#[derive(Debug)]
pub struct LineReader {
    reader: SpoolReader,
    splitter: LineSplitter,
    node: NodeName,
    unit: UnitName,
    from: u64,
    since: Timestamp,
    /// The number after the last line that was read.
    expected: Option<u64>,
}

impl LineReader {
    /// Starts with the first line that `query` wants.
    pub fn open(root: &Path, node: &NodeName, unit: &UnitName, query: Query) -> Result<Self, SpoolError> {
        let mut reader = SpoolReader::from_oldest(root, unit);
        let from = match query.last {
            Some(last) => reader.end()?.saturating_sub(last),
            None => 0,
        };
        let since = query.since.unwrap_or_default();
        let early = |head: &super::segments::SegmentHeader| head.first_sequence <= from || head.created <= since;
        if let Some((mut index, head)) = reader.newest(early)? {
            // A line may have begun in the segment before.
            index -= u64::from(head.open != 0 && index > 1);
            reader = SpoolReader::from_segment(root, unit, index);
        }
        Ok(LineReader {
            reader,
            splitter: LineSplitter::default(),
            node: node.clone(),
            unit: unit.clone(),
            from,
            since,
            expected: None,
        })
    }

    /// The next lines, those of some 64 KiB; `None` when there are no more for now. Call it again for what comes
    /// later.
    #[expect(clippy::should_implement_trait, reason = "it can fail, and goes on after `None`")]
    pub fn next(&mut self) -> Result<Option<Lines>, SpoolError> {
        while let Some(run) = self.reader.read()? {
            let mut lines = Lines::default();
            let boot_id = format!("{:032x}", run.boot_id);
            for frame in frames(&run.frames) {
                let frame = frame.expect("the reader gives whole frames");
                self.splitter.push(&frame, |line| {
                    if line.sequence < self.from || line.time < self.since {
                        return;
                    }
                    lines.lost += self.expected.map_or(0, |expected| line.sequence.saturating_sub(expected));
                    self.expected = Some(line.sequence + 1);
                    lines.records.push(LogRecord {
                        time: line.time,
                        node: self.node.clone(),
                        unit: self.unit.clone(),
                        stream: line.stream,
                        sequence: line.sequence,
                        message: line.message.to_vec(),
                        boot_id: boot_id.clone(),
                        invocation_id: line.invocation,
                    });
                });
            }
            if !lines.records.is_empty() {
                return Ok(Some(lines));
            }
        }
        Ok(None)
    }
}

/// All lines that `query` wants, at once: for few of them.
pub fn read(root: &Path, node: &NodeName, unit: &UnitName, query: Query) -> Result<Vec<LogRecord>, SpoolError> {
    let mut reader = LineReader::open(root, node, unit, query)?;
    let mut records = Vec::new();
    while let Some(lines) = reader.next()? {
        records.extend(lines.records);
    }
    Ok(records)
}

/// The past and then what comes, without an end.
#[derive(Debug)]
pub struct Follower {
    lines: LineReader,
    watch: SpoolWatch,
}

impl Follower {
    /// As [`LineReader::open`]; the unit need not have written anything yet. Must be called within a tokio runtime.
    pub fn open(root: &Path, node: &NodeName, unit: &UnitName, query: Query) -> Result<Self, SpoolError> {
        let watch = SpoolWatch::one(root, unit)?;
        Ok(Follower { lines: LineReader::open(root, node, unit, query)?, watch })
    }

    /// Waits for lines. Cancelling it loses none.
    pub async fn next(&mut self) -> Result<Lines, SpoolError> {
        loop {
            if let Some(lines) = self.lines.next()? {
                return Ok(lines);
            }
            self.watch.changed().await?;
        }
    }
}

#[cfg(test)]
mod tests;
