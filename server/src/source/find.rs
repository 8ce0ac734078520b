//! Small questions about revisions that are asked from outside.

use super::environments::Source;
use super::error::{SourceError, reading};
use super::git::revision;
use fleet_units::ids::{EnvironmentName, Revision};

impl Source {
    /// The commit that `text` names: a branch, or an id or the beginning of one. `None` when there is no such commit.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn find(&self, text: &str) -> Result<Option<Revision>, SourceError> {
        match self.git.repo().revparse_single(text) {
            Ok(object) => {
                let commit = object.peel_to_commit().map_err(reading(text))?;
                Ok(Some(revision(commit.id())))
            }
            // What is no id and no name, or could be several.
            Err(error)
                if matches!(
                    error.code(),
                    git2::ErrorCode::NotFound | git2::ErrorCode::InvalidSpec | git2::ErrorCode::Ambiguous
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(reading(text)(error)),
        }
    }

    /// The head of the environment's branch now.
    ///
    /// # Errors
    /// When the environment is not known, or the repository cannot be read.
    pub fn branch_head(&self, environment: &EnvironmentName) -> Result<Option<Revision>, SourceError> {
        Ok(self.branch_tip(environment)?.map(revision))
    }

    /// Whether the environment's convergence on `head` is recorded.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn has_converged(&mut self, environment: &EnvironmentName, head: &Revision) -> Result<bool, SourceError> {
        Ok(self.log(environment)?.converged(head))
    }
}
