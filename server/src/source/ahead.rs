//! What a target holds and the source of a promotion lacks, decided by ancestry and content.

use super::content::is_common;
use super::diff::{self, File};
use super::error::SourceError;
use super::git::{Git, revision};
use fleet_units::ids::Revision;
use git2::{Oid, Sort};

/// A common path whose state in the target is the target's own work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnContent {
    /// The path.
    pub path: String,
    /// The commit that set it, as far as it can be told.
    pub commit: Option<Revision>,
    /// That commit's author; foreign text.
    pub author: String,
    /// That commit's day, `2026-11-19`; empty when not known.
    pub date: String,
}

/// Common paths whose state in `target` differs from that in each of `bases` and in the source. A promotion would throw
/// that state away.
pub(crate) fn own_content(git: &Git, bases: &[Oid], target: Oid, source: Oid) -> Result<Vec<OwnContent>, SourceError> {
    let tree = |commit: Oid| git.commit(commit).map(|commit| Some(commit.tree_id()));
    let mut own = Vec::new();
    for change in diff::changes(git, tree(target)?, tree(source)?)? {
        if !is_common(&change.path) {
            continue;
        }
        let mut known = false;
        for base in bases {
            known |= diff::file_at(git, *base, &change.path)? == change.old;
        }
        if !known {
            own.push(name_commit(git, target, source, change.path, change.old)?);
        }
    }
    Ok(own)
}

/// Finds the commit of the target that gave `path` its state.
fn name_commit(
    git: &Git,
    target: Oid,
    source: Oid,
    path: String,
    state: Option<File>,
) -> Result<OwnContent, SourceError> {
    let failed = || super::error::reading(format!("the history of {path}"));
    let mut walk = git.repo().revwalk().map_err(failed())?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME).map_err(failed())?;
    walk.push(target).map_err(failed())?;
    walk.hide(source).map_err(failed())?;
    for id in walk {
        let id = id.map_err(failed())?;
        if diff::file_at(git, id, &path)? != state {
            continue;
        }
        let mut from_parent = false;
        for parent in git.parents(id)? {
            from_parent |= diff::file_at(git, parent, &path)? == state;
        }
        if !from_parent {
            let commit = revision(id);
            let facts = git.facts(&commit)?;
            let date = super::history::day(facts.time);
            return Ok(OwnContent { path, commit: Some(commit), author: facts.author, date });
        }
    }
    Ok(OwnContent { path, commit: None, author: String::new(), date: String::new() })
}
