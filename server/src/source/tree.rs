//! Commit -> [`SourceTree`], reading only what changed since a tree that was read before.
//!
//! Subtrees with the same id are skipped, and file contents are kept by blob id, so a commit that changes one file
//! reads a few trees and one blob.

use super::error::{SourceError, reading};
use super::git::{Git, oid};
use fleet_units::bundle::{MAX_ENVIRONMENT, MAX_FILE, SourceFile, SourceTree};
use fleet_units::diagnostic::{Code, Diagnostic, Place, codes};
use fleet_units::ids::Revision;
use git2::{ObjectType, Oid, Tree};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Folders of the configuration repository that hold desired state. What is below `secrets/` is ciphertext, and read to
/// see that it is.
const ROOTS: [&str; 4] = ["environments", "files", "secrets", "units"];
/// Most files of one revision. Stops a tree that names itself over and over, and is ten times the largest
/// repository that was measured.
const MAX_FILES: usize = 100_000;
/// Most entries looked at while reading one; empty folders in folders count too.
const MAX_VISITED: usize = 4 * MAX_FILES;
/// Deepest folder; keeps recursion short whatever a hostile tree says.
const MAX_DEPTH: usize = 32;
/// Snapshots kept to compare with: the heads of a chain and the revisions a promotion looks at.
const KEPT: usize = 16;

/// One revision's files, and what is wrong with them as files.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Regular files below the folders that count.
    pub files: Arc<SourceTree>,
    /// Symbolic links, submodules, files over a limit, names that no node could use: all errors.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads trees, and remembers the last ones.
#[derive(Default)]
pub struct TreeReader {
    kept: Vec<(Oid, Arc<Snapshot>)>,
}

impl TreeReader {
    /// The files of `at`.
    ///
    /// # Errors
    /// When the commit or one of its objects is missing or damaged.
    pub fn read(&mut self, git: &Git, at: &Revision) -> Result<Arc<Snapshot>, SourceError> {
        let tree = git.commit(oid(at))?.tree_id();
        self.read_tree(git, tree)
    }

    /// The files of a tree object.
    pub(crate) fn read_tree(&mut self, git: &Git, id: Oid) -> Result<Arc<Snapshot>, SourceError> {
        if let Some(at) = self.kept.iter().position(|(kept, _)| *kept == id) {
            let entry = self.kept.remove(at);
            self.kept.push(entry);
        } else {
            let snapshot = Arc::new(self.load(git, id)?);
            if self.kept.len() == KEPT {
                self.kept.remove(0);
            }
            self.kept.push((id, snapshot));
        }
        Ok(Arc::clone(&self.kept.last().expect("pushed above").1))
    }

    fn load(&self, git: &Git, id: Oid) -> Result<Snapshot, SourceError> {
        // A snapshot with problems lacks files, so only clean ones are worth starting from.
        let base = self.kept.iter().rev().find(|(_, snapshot)| snapshot.diagnostics.is_empty());
        let mut load =
            Load { git, files: BTreeMap::new(), diagnostics: Vec::new(), bytes: 0, visited: 0, stopped: false };
        let old = match base {
            Some((old, snapshot)) => {
                load.files = SourceTree::clone(&snapshot.files);
                load.bytes = load.files.values().map(|file| file.content.len()).sum();
                Some(find_tree(git, *old)?)
            }
            None => None,
        };
        let new = find_tree(git, id)?;
        for root in ROOTS {
            load.entry(root, old.as_ref().and_then(|t| entry(t, root.as_bytes())), entry(&new, root.as_bytes()), 1)?;
        }
        if load.bytes > MAX_ENVIRONMENT {
            load.stop(
                codes::ENVIRONMENT_TOO_LARGE,
                format!("the files of this revision have more than {} MiB", MAX_ENVIRONMENT >> 20),
            );
        }
        Ok(Snapshot { files: Arc::new(load.files), diagnostics: load.diagnostics })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    mode: i32,
    id: Oid,
}

const FOLDER: i32 = 0o040_000;
const SYMLINK: i32 = 0o120_000;
const SUBMODULE: i32 = 0o160_000;

fn entry(tree: &Tree<'_>, name: &[u8]) -> Option<Entry> {
    tree.get_name_bytes(name).map(|entry| Entry { mode: entry.filemode_raw(), id: entry.id() })
}

fn find_tree(git: &Git, id: Oid) -> Result<Tree<'_>, SourceError> {
    git.repo().find_tree(id).map_err(reading(format!("tree {id}")))
}

struct Load<'a> {
    git: &'a Git,
    files: SourceTree,
    diagnostics: Vec<Diagnostic>,
    bytes: usize,
    visited: usize,
    stopped: bool,
}

impl Load<'_> {
    /// Brings `files` from the old state of `path` to the new one.
    fn entry(&mut self, path: &str, old: Option<Entry>, new: Option<Entry>, depth: usize) -> Result<(), SourceError> {
        if old == new || self.stopped {
            return Ok(());
        }
        self.visited += 1;
        if self.visited > MAX_VISITED {
            self.stop(codes::TOO_MANY_FILES, format!("this revision has more than {MAX_VISITED} files and folders"));
            return Ok(());
        }
        let folder = |entry: Option<Entry>| entry.filter(|e| e.mode == FOLDER).map(|e| e.id);
        if old.is_some() && folder(old).is_none() {
            self.remove(path);
        }
        if folder(old).is_some() || folder(new).is_some() {
            self.folder(path, folder(old), folder(new), depth)?;
        }
        match new {
            Some(entry) if entry.mode != FOLDER => self.file(path, entry),
            _ => Ok(()),
        }
    }

    fn folder(&mut self, path: &str, old: Option<Oid>, new: Option<Oid>, depth: usize) -> Result<(), SourceError> {
        if depth > MAX_DEPTH {
            self.stop(codes::TOO_DEEP, format!("{path} is more than {MAX_DEPTH} folders deep"));
            return Ok(());
        }
        let git = self.git;
        let old = old.map(|id| find_tree(git, id)).transpose()?;
        let new = new.map(|id| find_tree(git, id)).transpose()?;
        for gone in old.iter().flat_map(|tree| tree.iter()) {
            if new.as_ref().is_none_or(|new| new.get_name_bytes(gone.name_bytes()).is_none()) {
                let was = Entry { mode: gone.filemode_raw(), id: gone.id() };
                if let Some(child) = child_path(path, gone.name_bytes()) {
                    self.entry(&child, Some(was), None, depth + 1)?;
                }
            }
        }
        for there in new.iter().flat_map(|tree| tree.iter()) {
            let is = Entry { mode: there.filemode_raw(), id: there.id() };
            match child_path(path, there.name_bytes()) {
                Some(child) => {
                    let was = old.as_ref().and_then(|old| entry(old, there.name_bytes()));
                    self.entry(&child, was, Some(is), depth + 1)?;
                }
                None => {
                    let name = String::from_utf8_lossy(there.name_bytes()).into_owned();
                    let message = format!("{name:?} is no name for a file here");
                    self.diagnostics.push(Diagnostic::error(codes::BAD_NAME, whole(path), message));
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &str, entry: Entry) -> Result<(), SourceError> {
        let refused = match entry.mode {
            SYMLINK => Some(("a symbolic link; only regular files are read", "commit the file itself")),
            SUBMODULE => Some((
                "a submodule; only regular files are read",
                "commit the files themselves, or remove it: git rm PATH",
            )),
            _ => None,
        };
        if let Some((message, hint)) = refused {
            self.diagnostics.push(Diagnostic::error(codes::NOT_A_FILE, whole(path), message).with_hint(hint));
            return Ok(());
        }
        if self.files.len() >= MAX_FILES {
            self.stop(codes::TOO_MANY_FILES, format!("this revision has more than {MAX_FILES} files"));
            return Ok(());
        }
        let failed = || format!("{path}, blob {}", entry.id);
        let odb = self.git.repo().odb().map_err(reading(failed()))?;
        let (size, _) = odb.read_header(entry.id).map_err(reading(failed()))?;
        if size > MAX_FILE {
            let message = format!("{size} bytes; a file may have {} MiB", MAX_FILE >> 20);
            let hint = "have the unit fetch it from elsewhere, in ExecStartPre= for example";
            self.diagnostics.push(Diagnostic::error(codes::FILE_TOO_LARGE, whole(path), message).with_hint(hint));
            return Ok(());
        }
        self.bytes += size;
        if self.bytes > 2 * MAX_ENVIRONMENT {
            self.stop(
                codes::ENVIRONMENT_TOO_LARGE,
                format!("the files of this revision have more than {} MiB", MAX_ENVIRONMENT >> 20),
            );
            return Ok(());
        }
        let blob = odb.read(entry.id).map_err(reading(failed()))?;
        if blob.kind() != ObjectType::Blob {
            self.diagnostics.push(Diagnostic::error(codes::NOT_A_FILE, whole(path), "names an object that is no file"));
            return Ok(());
        }
        self.files.insert(path.to_owned(), SourceFile::new(entry.mode & 0o100 != 0, blob.data()));
        Ok(())
    }

    fn remove(&mut self, path: &str) {
        if let Some(file) = self.files.remove(path) {
            self.bytes -= file.content.len();
        }
    }

    fn stop(&mut self, code: Code, message: String) {
        if !self.stopped {
            self.diagnostics.push(Diagnostic::error(code, whole(""), message));
        }
        self.stopped = true;
    }
}

fn whole(path: &str) -> Place {
    Place { file: path.to_owned(), line: 0, column: 0 }
}

/// `folder/name`, if the name is one a file on any node may have.
fn child_path(folder: &str, name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let fine = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0', '\n']);
    (fine && !name.eq_ignore_ascii_case(".git")).then(|| format!("{folder}/{name}"))
}
