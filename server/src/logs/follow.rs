//! What comes: blocks as they are committed, read from the segments they were written to.
//!
//! A follower holds a place in each environment and nothing of what is to come, so a slow one costs no memory
//! and loses nothing that retention has not dropped.

use super::block::{Block, Place};
use super::chain::{self, Files};
use super::lines::SourceLines;
use super::query::{Item, LogQuery, Past};
use super::segments::SEGMENT_HEADER_LEN;
use super::{LogError, LogStore, Shared, Source};
use fleet_units::ids::EnvironmentName;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// Lines read before they are handed on.
const ENOUGH: usize = 256;

/// Follows what a query wants, from where its past ended.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    commits: watch::Receiver<u64>,
    query: LogQuery,
    environments: BTreeMap<EnvironmentName, Followed>,
}

#[derive(Debug)]
struct Followed {
    files: Files,
    place: Place,
    sources: BTreeMap<Source, SourceLines>,
}

impl LogStore {
    /// Follows from where `past` ended; together they tell every line once. `last` of the query means nothing here.
    #[must_use]
    pub fn follow(&self, query: LogQuery, past: &Past) -> Follower {
        let mut follower = Follower {
            shared: self.shared.clone(),
            commits: self.shared.commits.subscribe(),
            query,
            environments: BTreeMap::new(),
        };
        // What is committed between the query and now must be looked at.
        follower.commits.mark_changed();
        for (name, folder, _) in follower.ends() {
            if let Some(&place) = past.ends.get(&name) {
                follower.environments.insert(name, Followed::new(folder, place));
            }
        }
        follower
    }
}

impl Follower {
    /// Waits until something was committed since the last call of [`Follower::next_items`]. `false`: the store is
    /// closed.
    pub async fn changed(&mut self) -> bool {
        self.commits.changed().await.is_ok()
    }

    /// The next items, in the order they were committed; empty when there are no more for now. Blocks on the disk.
    pub fn next_items(&mut self) -> Result<Vec<Item>, LogError> {
        self.commits.mark_unchanged();
        let mut items = Vec::new();
        for (name, folder, end) in self.ends() {
            let followed = self.environments.entry(name).or_insert_with(|| Followed::new(folder, Place::default()));
            followed.read(&self.query, end, &mut items)?;
        }
        if items.len() >= ENOUGH {
            // There may be more: come back without waiting.
            self.commits.mark_changed();
        }
        Ok(items)
    }

    fn ends(&self) -> Vec<(EnvironmentName, PathBuf, Place)> {
        let environments = self.shared.lock();
        let wanted = environments.iter().filter(|(name, _)| self.query.wants_environment(name));
        wanted.map(|(name, environment)| (name.clone(), environment.folder.clone(), environment.end)).collect()
    }
}

impl Followed {
    fn new(folder: PathBuf, place: Place) -> Self {
        // An environment that is new is followed from its start.
        let place = place.max(Place { segment: 0, offset: SEGMENT_HEADER_LEN });
        Followed { files: Files::new(&folder), place, sources: BTreeMap::new() }
    }

    fn read(&mut self, query: &LogQuery, end: Place, items: &mut Vec<Item>) -> Result<(), LogError> {
        while self.place < end && items.len() < ENOUGH {
            let Some((header, behind)) = self.files.header(self.place)? else {
                if self.place.segment >= end.segment {
                    return Ok(());
                }
                let Some(next) = self.files.next_segment(self.place)? else { return Ok(()) };
                self.place = next;
                continue;
            };
            if query.wants(&header.source)
                && let Some((block, _)) = self.files.block(self.place)?
            {
                self.lines(&block, query, items)?;
            }
            self.place = behind;
        }
        Ok(())
    }

    fn lines(&mut self, block: &Block, query: &LogQuery, items: &mut Vec<Item>) -> Result<(), LogError> {
        let header = &block.header;
        let lines = self.sources.entry(header.source.clone()).or_default();
        if lines.needs_priming(block) {
            let earlier =
                chain::back(&mut self.files, &header.source, header.before, header.continues, false, |_| false)?;
            for link in earlier.links {
                if let Some((block, _)) = self.files.block(link.place)? {
                    lines.prime(&block);
                }
            }
        }
        lines.push(block, query.range(), |item| items.push(item));
        lines.slim();
        Ok(())
    }
}
