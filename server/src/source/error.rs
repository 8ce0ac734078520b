//! What can go wrong between us and the repository. Rules that refuse something are no errors: see `refusal`.

use fleet_units::ids::Revision;
use std::path::PathBuf;
use thiserror::Error;

/// An operation on the repository that failed.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The repository could not be opened.
    #[error("cannot open the repository {path}")]
    Open {
        /// Its folder.
        path: PathBuf,
        /// Why not.
        source: git2::Error,
    },
    /// The repository uses a format that libgit2 does not know.
    #[error(
        "the repository {path} uses {format}, which Fleet cannot read; make it with `git init --bare --object-format=sha1 --ref-format=files`"
    )]
    Format {
        /// Its folder.
        path: PathBuf,
        /// `reftable`, `SHA-256 object names` or the extension's name.
        format: String,
    },
    /// A new repository could not be made.
    #[error("cannot make a repository in {path}")]
    Init {
        /// Its folder.
        path: PathBuf,
        /// Why not.
        source: git2::Error,
    },
    /// Something could not be read from it.
    #[error("cannot read {what}")]
    Read {
        /// What was read: `branch test`, `tree 9d0c41e`.
        what: String,
        /// Why not.
        source: git2::Error,
    },
    /// Something could not be written to it.
    #[error("cannot write {what}")]
    Write {
        /// What was written.
        what: String,
        /// Why not.
        source: git2::Error,
    },
    /// A revision that is not there, or is no commit.
    #[error("{0} is no commit of this repository")]
    NoCommit(Revision),
    /// A record of the head log that this version cannot read.
    #[error("the head log of {environment} holds a record that cannot be read, {record}: {why}")]
    Record {
        /// Whose log.
        environment: String,
        /// The record commit.
        record: String,
        /// What is wrong with it.
        why: String,
    },
    /// The note about a move of several refs could not be kept.
    #[error("cannot keep the intent file {path}")]
    Intent {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A ref was not where it was expected to be.
    #[error("{name} was moved by somebody else meanwhile")]
    Moved {
        /// The ref.
        name: String,
    },
    /// An environment that the chain does not have.
    #[error("there is no environment {0}")]
    UnknownEnvironment(String),
    /// The blocking call did not come back.
    #[error("work on the repository was cut short")]
    Interrupted,
}

pub(crate) fn reading(what: impl Into<String>) -> impl FnOnce(git2::Error) -> SourceError {
    let what = what.into();
    move |source| SourceError::Read { what, source }
}

pub(crate) fn writing(what: impl Into<String>) -> impl FnOnce(git2::Error) -> SourceError {
    let what = what.into();
    move |source| SourceError::Write { what, source }
}
