//! Effective history: the commit graph with the corrections of rollbacks and squash merges.
//!
//! A rollback has the earlier head as its only effective parent: what it rolled back is no longer in the environment,
//! whatever ancestry says. A squash merge of a head has that head as a second one. Which commits these are is known
//! from the head logs, where they were recorded after comparing content.

use super::error::SourceError;
use super::git::{Git, oid};
use super::log::{HeadLog, Kind};
use git2::Oid;
use std::collections::{HashMap, HashSet};

/// Commits whose effective parents are not their parents.
pub(crate) struct Corrections(HashMap<Oid, Vec<Oid>>);

impl Corrections {
    /// Those of one environment's log.
    pub(crate) fn new(git: &Git, log: &HeadLog) -> Result<Self, SourceError> {
        let mut corrections = HashMap::new();
        for record in log.heads() {
            let Some(source) = record.source.as_ref().map(oid) else { continue };
            let head = oid(&record.head);
            match (record.kind, &git.parents(head)?[..]) {
                (Kind::Rollback, [_]) => {
                    corrections.insert(head, vec![source]);
                }
                (Kind::Promotion, [parent]) if source != head => {
                    corrections.insert(head, vec![*parent, source]);
                }
                _ => {}
            }
        }
        Ok(Corrections(corrections))
    }

    fn parents(&self, git: &Git, commit: Oid) -> Result<Vec<Oid>, SourceError> {
        match self.0.get(&commit) {
            Some(parents) => Ok(parents.clone()),
            None => git.parents(commit),
        }
    }
}

/// `eff(commit)`: the commit and everything reachable from it with corrections.
pub(crate) fn effective(git: &Git, corrections: &Corrections, commit: Oid) -> Result<HashSet<Oid>, SourceError> {
    reach(vec![commit], |id| corrections.parents(git, id))
}

/// `anc(commit)`: the commit and everything reachable from it.
pub(crate) fn ancestors(git: &Git, commit: Oid) -> Result<HashSet<Oid>, SourceError> {
    reach(vec![commit], |id| git.parents(id))
}

/// The best common ancestors of the effective history of `target` and the ancestors of `source`, in a fixed order.
pub(crate) fn bases(git: &Git, corrections: &Corrections, target: Oid, source: Oid) -> Result<Vec<Oid>, SourceError> {
    let held = effective(git, corrections, target)?;
    let shared: HashSet<Oid> = ancestors(git, source)?.into_iter().filter(|id| held.contains(id)).collect();
    let mut below = Vec::new();
    for id in &shared {
        below.extend(git.parents(*id)?);
    }
    let below = reach(below, |id| git.parents(id))?;
    let mut best: Vec<Oid> = shared.into_iter().filter(|id| !below.contains(id)).collect();
    best.sort_unstable();
    Ok(best)
}

fn reach(
    mut queue: Vec<Oid>,
    parents: impl Fn(Oid) -> Result<Vec<Oid>, SourceError>,
) -> Result<HashSet<Oid>, SourceError> {
    let mut seen = HashSet::new();
    while let Some(id) = queue.pop() {
        if seen.insert(id) {
            queue.extend(parents(id)?);
        }
    }
    Ok(seen)
}
