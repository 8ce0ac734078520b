//! Hashes of parts of a tree: what two revisions must agree on to be the same thing to Fleet.
//!
//! All are ids of git trees, computed without writing them.

use super::error::{SourceError, reading};
use super::git::Git;
use fleet_units::ids::EnvironmentName;
use git2::{ObjectType, Oid};
use std::collections::HashMap;

/// The folders whose files belong to an environment.
pub(crate) const OWNED: [&str; 2] = ["environments", "secrets"];

/// The id of the commit's tree without `environments/` and `secrets/`: what environments have in common.
pub(crate) fn common(git: &Git, commit: Oid) -> Result<Oid, SourceError> {
    filtered(git, commit, |name| !OWNED.contains(&name))
}

/// The id of the commit's tree without `secrets/`.
pub(crate) fn outside_secrets(git: &Git, commit: Oid) -> Result<Oid, SourceError> {
    filtered(git, commit, |name| name != "secrets")
}

fn filtered(git: &Git, commit: Oid, keep: impl Fn(&str) -> bool) -> Result<Oid, SourceError> {
    let tree = git.commit(commit)?.tree().map_err(reading(format!("the tree of {commit}")))?;
    let mut bytes = Vec::new();
    for entry in tree.iter().filter(|entry| entry.name().map_or(true, &keep)) {
        append(&mut bytes, entry.filemode_raw(), entry.name_bytes(), entry.id());
    }
    hash(&bytes)
}

/// What `environment` really runs at `commit`, secrets aside: the common tree and its own overlay. By tree id, so that
/// it can be asked of a tree that no commit has yet.
pub(crate) fn run_of_tree(git: &Git, environment: &EnvironmentName, tree: Oid) -> Result<Oid, SourceError> {
    let failed = || format!("tree {tree}");
    let root = git.repo().find_tree(tree).map_err(reading(failed()))?;
    let mut bytes = Vec::new();
    for entry in root.iter() {
        match entry.name() {
            Ok("secrets") => {}
            Ok("environments") => {
                let Ok(folder) = git.repo().find_tree(entry.id()) else { continue };
                if let Some(own) = folder.get_name(environment.as_str()) {
                    let mut inner = Vec::new();
                    append(&mut inner, own.filemode_raw(), own.name_bytes(), own.id());
                    append(&mut bytes, entry.filemode_raw(), entry.name_bytes(), hash(&inner)?);
                }
            }
            _ => append(&mut bytes, entry.filemode_raw(), entry.name_bytes(), entry.id()),
        }
    }
    hash(&bytes)
}

/// [`run_of_tree`] of a commit.
pub(crate) fn run(git: &Git, environment: &EnvironmentName, commit: Oid) -> Result<Oid, SourceError> {
    let tree = git.commit(commit)?.tree_id();
    run_of_tree(git, environment, tree)
}

/// Git's form of a tree entry.
fn append(bytes: &mut Vec<u8>, mode: i32, name: &[u8], id: Oid) {
    bytes.extend_from_slice(format!("{mode:o} ").as_bytes());
    bytes.extend_from_slice(name);
    bytes.push(0);
    bytes.extend_from_slice(id.as_bytes());
}

fn hash(tree: &[u8]) -> Result<Oid, SourceError> {
    Oid::hash_object(ObjectType::Tree, tree).map_err(reading("a tree"))
}

/// Whether every environment has the path in common.
pub(crate) fn is_common(path: &str) -> bool {
    !OWNED.iter().any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Whether the path belongs to `environment` alone.
pub(crate) fn is_owned_by(environment: &EnvironmentName, path: &str) -> bool {
    owner(path) == Some(environment.as_str())
}

/// The name of the environment a path belongs to, whether or not there is one of that name.
pub(crate) fn owner(path: &str) -> Option<&str> {
    let mut parts = path.splitn(3, '/');
    let folder = parts.next().filter(|folder| OWNED.contains(folder));
    folder.and(parts.next())
}

/// Hashes of commits, kept; a commit never changes.
#[derive(Default)]
pub(crate) struct Contents {
    common: HashMap<Oid, Oid>,
    outside_secrets: HashMap<Oid, Oid>,
}

impl Contents {
    /// [`common`], computed once for each commit.
    pub(crate) fn common(&mut self, git: &Git, commit: Oid) -> Result<Oid, SourceError> {
        kept(&mut self.common, commit, || common(git, commit))
    }

    /// [`outside_secrets`], computed once for each commit.
    pub(crate) fn outside_secrets(&mut self, git: &Git, commit: Oid) -> Result<Oid, SourceError> {
        kept(&mut self.outside_secrets, commit, || outside_secrets(git, commit))
    }
}

fn kept(
    known: &mut HashMap<Oid, Oid>,
    commit: Oid,
    compute: impl FnOnce() -> Result<Oid, SourceError>,
) -> Result<Oid, SourceError> {
    if let Some(hash) = known.get(&commit) {
        return Ok(*hash);
    }
    let hash = compute()?;
    known.insert(commit, hash);
    Ok(hash)
}
