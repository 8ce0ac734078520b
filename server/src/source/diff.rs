//! Which files differ between two trees, skipping subtrees with the same id.

use super::error::{SourceError, reading};
use super::git::Git;
use git2::{Oid, Tree};
use std::collections::BTreeSet;
use std::path::Path;

/// A file of a tree: mode and blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct File {
    pub(crate) mode: i32,
    pub(crate) id: Oid,
}

/// One path that differs. Paths are bytes in git; those that are not UTF-8 are shown with U+FFFD and never written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) old: Option<File>,
    pub(crate) new: Option<File>,
}

const FOLDER: i32 = 0o040_000;
/// Deepest folder looked into; deeper ones are compared as a whole.
const MAX_DEPTH: usize = 32;

/// The changes from one tree to another, in order of path. A folder on one side only counts by its files.
pub(crate) fn changes(git: &Git, old: Option<Oid>, new: Option<Oid>) -> Result<Vec<Change>, SourceError> {
    let mut found = Vec::new();
    folders(git, "", old, new, 0, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The file at `path` in the tree of a commit.
pub(crate) fn file_at(git: &Git, commit: Oid, path: &str) -> Result<Option<File>, SourceError> {
    let tree = git.commit(commit)?.tree().map_err(reading(format!("the tree of {commit}")))?;
    let entry = tree.get_path(Path::new(path)).ok();
    Ok(entry.map(|entry| File { mode: entry.filemode_raw(), id: entry.id() }).filter(|file| file.mode != FOLDER))
}

fn folders(
    git: &Git,
    at: &str,
    old: Option<Oid>,
    new: Option<Oid>,
    depth: usize,
    found: &mut Vec<Change>,
) -> Result<(), SourceError> {
    let open = |id: Option<Oid>| -> Result<Option<Tree<'_>>, SourceError> {
        id.map(|id| git.repo().find_tree(id).map_err(reading(format!("tree {id}")))).transpose()
    };
    let (old, new) = (open(old)?, open(new)?);
    let names: BTreeSet<Vec<u8>> = [&old, &new]
        .into_iter()
        .flatten()
        .flat_map(|tree| tree.iter().map(|e| e.name_bytes().to_vec()).collect::<Vec<_>>())
        .collect();
    let get = |tree: &Option<Tree<'_>>, name: &[u8]| {
        tree.as_ref()?.get_name_bytes(name).map(|entry| File { mode: entry.filemode_raw(), id: entry.id() })
    };
    for name in names {
        let (was, is) = (get(&old, &name), get(&new, &name));
        if was == is {
            continue;
        }
        let name = String::from_utf8_lossy(&name);
        let path = if at.is_empty() { name.into_owned() } else { format!("{at}/{name}") };
        let folder = |file: Option<File>| file.filter(|f| f.mode == FOLDER && depth < MAX_DEPTH).map(|f| f.id);
        let plain = |file: Option<File>| file.filter(|f| f.mode != FOLDER || depth >= MAX_DEPTH);
        if folder(was).is_some() || folder(is).is_some() {
            folders(git, &path, folder(was), folder(is), depth + 1, found)?;
        }
        if plain(was) != plain(is) {
            found.push(Change { path, old: plain(was), new: plain(is) });
        }
    }
    Ok(())
}
