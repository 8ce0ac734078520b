//! Many sources' lines in one order: by time, each source's own lines by number.
//!
//! Each source is read block by block; a block is read when its time has come, so what stands in memory follows
//! the number of sources that wrote at the same time, not the length of the log.

use super::LogError;
use super::chain::{Chain, Files, Link};
use super::lines::SourceLines;
use super::query::{Item, Range};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// One source on its way through its chain.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// Index of its environment's [`Files`].
    files: usize,
    links: VecDeque<Link>,
    prime: usize,
    lines: SourceLines,
    ready: VecDeque<(u64, Item)>,
    /// The latest time so far: a clock that was set back does not turn lines around.
    now: u64,
}

impl Cursor {
    pub(crate) fn new(files: usize, chain: Chain) -> Self {
        Cursor {
            files,
            links: chain.links.into(),
            prime: chain.prime,
            lines: SourceLines::default(),
            ready: VecDeque::new(),
            now: 0,
        }
    }

    /// No item of this source comes before this time; `None`: there are no more.
    fn time(&self) -> Option<u64> {
        if let Some((time, _)) = self.ready.front() {
            return Some(*time);
        }
        let next = self.links.front()?.earliest;
        // An open line began before the next block.
        Some(if self.lines.has_open_line() { self.now } else { next.max(self.now) })
    }

    /// The next item with its time; `None` when a block gave no line, or there are no more.
    fn step(&mut self, files: &mut [Files], range: Range) -> Result<Option<(u64, Item)>, LogError> {
        if self.ready.is_empty() {
            self.load(&mut files[self.files], range)?;
        }
        Ok(self.ready.pop_front())
    }

    fn load(&mut self, files: &mut Files, range: Range) -> Result<(), LogError> {
        let Some(link) = self.links.pop_front() else { return Ok(()) };
        // Dropped meanwhile: the next lines tell what is lost.
        let Some((block, _)) = files.block(link.place)? else { return Ok(()) };
        if self.prime > 0 {
            self.prime -= 1;
            self.lines.prime(&block);
            return Ok(());
        }
        let (now, ready) = (&mut self.now, &mut self.ready);
        self.lines.push(&block, range, |item| {
            if let Item::Line(record) = &item {
                *now = (*now).max(record.time.0);
            }
            ready.push_back((*now, item));
        });
        Ok(())
    }
}

/// All sources of a query.
#[derive(Debug)]
pub(crate) struct Merge {
    files: Vec<Files>,
    cursors: Vec<Cursor>,
    order: BinaryHeap<Reverse<(u64, usize)>>,
    range: Range,
}

impl Merge {
    pub(crate) fn new(files: Vec<Files>, cursors: Vec<Cursor>, range: Range) -> Self {
        let starts = cursors.iter().enumerate().filter_map(|(index, cursor)| Some(Reverse((cursor.time()?, index))));
        let order = starts.collect();
        Merge { files, cursors, order, range }
    }

    /// The next item in order, with its time.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Item)>, LogError> {
        while let Some(Reverse((_, index))) = self.order.pop() {
            let cursor = &mut self.cursors[index];
            let item = cursor.step(&mut self.files, self.range)?;
            if let Some(time) = cursor.time() {
                self.order.push(Reverse((time, index)));
            }
            if item.is_some() {
                return Ok(item);
            }
        }
        Ok(None)
    }
}
