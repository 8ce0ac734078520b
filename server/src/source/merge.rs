//! The tree of a promotion: the source's common files, overlays by whole-file three-way merge.

use super::chain::Chain;
use super::content::{is_common, owner};
use super::diff::{self, File};
use super::error::{SourceError, writing};
use super::git::Git;
use git2::Oid;
use std::collections::{BTreeMap, BTreeSet};

/// What a merge came to.
pub(crate) enum Merged {
    /// The tree, written.
    Tree(Oid),
    /// Owned paths that changed on both sides.
    Conflict(Vec<String>),
}

/// A promotion of `source` onto `target`: everything as in the source but owned paths that only the target changed
/// since all `bases`. Owned paths of the source's environment (at `source_position`) and of earlier ones are the
/// source's, also when both sides changed them: nobody can run them on the target.
pub(crate) fn promotion(
    git: &Git,
    chain: &Chain,
    source_position: usize,
    (target, source): (Oid, Oid),
    bases: &[Oid],
) -> Result<Merged, SourceError> {
    let tree = |commit: Oid| git.commit(commit).map(|commit| commit.tree_id());
    let mut from_target = BTreeMap::new();
    let mut conflicts = BTreeSet::new();
    let mut present = BTreeSet::new();
    for change in diff::changes(git, Some(tree(target)?), Some(tree(source)?))? {
        if is_common(&change.path) {
            continue;
        }
        let sources = owner(&change.path).and_then(|name| name.parse().ok()).and_then(|name| chain.position(&name));
        let choice = match three_way(git, &change, bases)? {
            Some(choice) => choice,
            None if sources.is_some_and(|at| at <= source_position) => change.new,
            None => {
                conflicts.insert(change.path.clone());
                continue;
            }
        };
        if choice == change.old {
            // A name that is no UTF-8 was changed to be shown, and cannot be written back.
            if change.path.contains('\u{fffd}') {
                conflicts.insert(change.path.clone());
            }
            from_target.insert(change.path.clone(), choice);
        }
        if choice.is_some() {
            present.insert(change.path);
        }
    }
    conflicts.extend(clashes(&present));
    if !conflicts.is_empty() {
        return Ok(Merged::Conflict(conflicts.into_iter().collect()));
    }
    let base = tree(source)?;
    Ok(Merged::Tree(if from_target.is_empty() { base } else { with_changes(git, base, &from_target)? }))
}

/// The side to take for one path; `None` when both changed it, or the bases do not agree.
fn three_way(git: &Git, change: &diff::Change, bases: &[Oid]) -> Result<Option<Option<File>>, SourceError> {
    let mut choices = BTreeSet::new();
    for base in bases {
        let was = diff::file_at(git, *base, &change.path)?;
        choices.insert(match was {
            was if was == change.old => Some(change.new),
            was if was == change.new => Some(change.old),
            _ => None,
        });
    }
    Ok(if choices.len() == 1 { choices.pop_first().flatten() } else { None })
}

/// Paths that would be a file and a folder at once.
fn clashes(present: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for path in present {
        for (at, _) in path.match_indices('/') {
            if present.contains(&path[..at]) {
                found.push(path[..at].to_owned());
                found.push(path.clone());
            }
        }
    }
    found
}

/// The root tree `base` with these files set or removed; folders that become empty go.
pub(crate) fn with_changes(git: &Git, base: Oid, changes: &BTreeMap<String, Option<File>>) -> Result<Oid, SourceError> {
    let changes: Vec<(&str, Option<File>)> = changes.iter().map(|(path, file)| (path.as_str(), *file)).collect();
    match folder(git, Some(base), &changes).map_err(writing("a tree"))? {
        Some(tree) => Ok(tree),
        None => git.empty_tree(),
    }
}

fn folder(git: &Git, base: Option<Oid>, changes: &[(&str, Option<File>)]) -> Result<Option<Oid>, git2::Error> {
    let repo = git.repo();
    let base = base.map(|id| repo.find_tree(id)).transpose()?;
    let mut builder = repo.treebuilder(base.as_ref())?;
    let mut inner: BTreeMap<&str, Vec<(&str, Option<File>)>> = BTreeMap::new();
    let is_folder =
        |name: &str| base.as_ref()?.get_name(name).filter(|e| e.kind() == Some(git2::ObjectType::Tree)).map(|e| e.id());
    for (path, file) in changes {
        if let Some((name, rest)) = path.split_once('/') {
            inner.entry(name).or_default().push((rest, *file));
        } else if file.is_none() && is_folder(path).is_none() && builder.get(*path)?.is_some() {
            builder.remove(*path)?;
        }
    }
    for (name, changes) in inner {
        match folder(git, is_folder(name), &changes)? {
            Some(tree) => drop(builder.insert(name, tree, git2::FileMode::Tree.into())?),
            None if builder.get(name)?.is_some() => builder.remove(name)?,
            None => {}
        }
    }
    for (path, file) in changes {
        if let Some(file) = file.filter(|_| !path.contains('/')) {
            builder.insert(*path, file.id, file.mode)?;
        }
    }
    if builder.is_empty() { Ok(None) } else { builder.write().map(Some) }
}
