//! Moves several refs as one: compare, write down what is meant, move, forget.
//!
//! libgit2 locks all refs of a transaction but writes them one after another. So the whole intent is written and
//! synced first, and opening the repository completes or undoes what a crash left half done.

use super::error::{SourceError, reading, writing};
use super::git::Git;
use git2::Oid;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// One ref to be moved; ids as text, since this is also the format of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Move {
    name: String,
    old: Option<String>,
    new: Option<String>,
}

impl Move {
    /// `None` means: is not there.
    pub(crate) fn new(name: impl Into<String>, old: Option<Oid>, new: Option<Oid>) -> Self {
        Move { name: name.into(), old: old.map(|id| id.to_string()), new: new.map(|id| id.to_string()) }
    }

    fn old(&self) -> Option<Oid> {
        self.old.as_deref().and_then(|id| Oid::from_str(id).ok())
    }

    fn new_target(&self) -> Option<Oid> {
        self.new.as_deref().and_then(|id| Oid::from_str(id).ok())
    }
}

#[derive(Serialize, Deserialize)]
struct Intent {
    version: u32,
    /// The first one decides: when it has been made, the others are made too.
    moves: Vec<Move>,
}

const VERSION: u32 = 1;

/// Makes all moves, or none when a ref is not where its move says.
///
/// # Errors
/// [`SourceError::Moved`] with nothing changed; others when the disk fails.
pub(crate) fn carry_out(git: &Git, moves: Vec<Move>, why: &str) -> Result<(), SourceError> {
    if moves.len() == 1 {
        return apply(git, &moves, why);
    }
    let intent = Intent { version: VERSION, moves };
    keep(&file(git), &intent)?;
    let result = apply(git, &intent.moves, why);
    match result {
        // Half done for all we know: what the file says is settled now or when the repository is next opened.
        Err(SourceError::Write { .. }) => settle(git).and(result),
        _ => forget(&file(git)).and(result),
    }
}

/// Completes or undoes what the last owner of the repository left half done, and removes its lock files.
///
/// # Errors
/// When the intent cannot be read or the refs cannot be moved.
pub(crate) fn settle(git: &Git) -> Result<(), SourceError> {
    drop_locks(&git.path().join("refs/fleet"));
    let path = file(git);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(SourceError::Intent { path, source }),
    };
    let intent: Intent = serde_json::from_slice(&text)
        .map_err(|error| SourceError::Intent { path: path.clone(), source: error.into() })?;
    for step in &intent.moves {
        // Only this process moves them by transaction, and it died: the lock is what it left.
        let _ = std::fs::remove_file(git.path().join(format!("{}.lock", step.name)));
    }
    let complete = decided(git, &intent)?;
    let mut rest = Vec::new();
    for step in &intent.moves {
        let now = git.target(&step.name)?;
        if complete && now == step.old() && now != step.new_target() {
            rest.push(step.clone());
        } else if !complete && now == step.new_target() && now != step.old() {
            rest.push(Move { name: step.name.clone(), old: step.new.clone(), new: step.old.clone() });
        }
    }
    apply(git, &rest, "completed after a crash")?;
    forget(&path)
}

/// Whether the intent still stands: its first ref was moved, or waits where it was, or somebody built on it.
fn decided(git: &Git, intent: &Intent) -> Result<bool, SourceError> {
    let Some(first) = intent.moves.first() else { return Ok(true) };
    let now = git.target(&first.name)?;
    if now == first.old() || now == first.new_target() {
        return Ok(true);
    }
    match (now, first.new_target()) {
        (Some(now), Some(new)) => git.descends(now, new),
        _ => Ok(false),
    }
}

fn apply(git: &Git, moves: &[Move], why: &str) -> Result<(), SourceError> {
    if moves.is_empty() {
        return Ok(());
    }
    let mut transaction = git.repo().transaction().map_err(writing("refs"))?;
    for step in moves {
        // A held lock means that a push is moving the ref at this moment.
        transaction.lock_ref(&step.name).map_err(|_| SourceError::Moved { name: step.name.clone() })?;
    }
    for step in moves {
        if git.target(&step.name)? != step.old() {
            return Err(SourceError::Moved { name: step.name.clone() });
        }
    }
    let who = git2::Signature::now("Fleet", "coordinator@fleet.invalid").map_err(reading("the time"))?;
    for step in moves {
        match step.new_target() {
            Some(new) => transaction.set_target(&step.name, new, Some(&who), why),
            None => transaction.remove(&step.name),
        }
        .map_err(writing(step.name.clone()))?;
    }
    transaction.commit().map_err(writing("refs"))
}

fn file(git: &Git) -> PathBuf {
    git.path().join("fleet-intent")
}

fn keep(path: &Path, intent: &Intent) -> Result<(), SourceError> {
    let text = serde_json::to_vec(intent).expect("strings and numbers always have a JSON form");
    let half = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&half)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&half, path)?;
        File::open(path.parent().unwrap_or(path))?.sync_all()
    };
    write().map_err(|source| SourceError::Intent { path: path.to_owned(), source })
}

fn forget(path: &Path) -> Result<(), SourceError> {
    std::fs::remove_file(path).map_err(|source| SourceError::Intent { path: path.to_owned(), source })
}

/// Lock files below a folder that only this process writes to.
fn drop_locks(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => drop_locks(&path),
            Ok(_) if path.extension().is_some_and(|ext| ext == "lock") => drop(std::fs::remove_file(&path)),
            _ => {}
        }
    }
}
