//! A finding: severity, stable code, exact place, message, hint.

pub(crate) mod allow;
pub mod codes;

pub use allow::Allowed;
pub use codes::Code;

use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The revision is not accepted.
    Error,
    /// Accepted; probably not what was meant.
    Warning,
    /// Worth knowing.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        })
    }
}

/// Where in the configuration repository something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Path in the repository, with `/`.
    pub file: String,
    /// Line, from 1; 0 means the file as a whole.
    pub line: u32,
    /// Column in characters, from 1; 0 means the line as a whole.
    pub column: u32,
}

/// One finding about the configuration repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code in kebab case, one of [`codes`] (or of another version of Fleet): `unknown-directive`.
    pub code: String,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong with what, in one line.
    pub message: String,
    /// What to do about it; empty when nothing can be said.
    pub hint: String,
}

impl Diagnostic {
    /// An error at `place`.
    #[must_use]
    pub fn error(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, place, message)
    }

    /// A warning at `place`.
    #[must_use]
    pub fn warning(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, place, message)
    }

    /// A note at `place`.
    #[must_use]
    pub fn note(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, place, message)
    }

    fn new(severity: Severity, code: Code, place: Place, message: impl Into<String>) -> Self {
        Diagnostic { severity, code: code.name.to_owned(), place, message: message.into(), hint: String::new() }
    }

    /// The same finding with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Whether it keeps a revision from being accepted.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Puts findings in the order of files and lines, each once.
pub(crate) fn sort(found: &mut Vec<Diagnostic>) {
    found.sort_by(|a, b| a.place.cmp(&b.place).then_with(|| a.cmp(b)));
    found.dedup();
}

impl fmt::Display for Diagnostic {
    /// `units/web.service:7:1: error[unknown-directive]: …`, and the hint on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, column } = &self.place;
        write!(f, "{file}")?;
        if *line > 0 {
            write!(f, ":{line}")?;
        }
        if *column > 0 {
            write!(f, ":{column}")?;
        }
        write!(f, ": {}[{}]: {}", self.severity, self.code, self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// Why something is so: a stable code for programs, a text for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reason {
    /// Stable, kebab case: `not-root`.
    pub code: String,
    /// One line.
    pub text: String,
}

impl Reason {
    /// A reason from its two halves.
    #[must_use]
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Reason { code: code.into(), text: text.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// A suggestion compares a word with many: after so many unknown words of one kind there are none.
pub(crate) const MAX_SUGGESTIONS: usize = 20;

/// The longest word a suggestion is looked for, in characters: longer ones are no slips of the keyboard.
const LONGEST_SLIP: usize = 64;

/// The entry of `known` that `wanted` was most likely meant to be, compared without regard to case; `None` when
/// nothing is near: more than one edit in three characters apart.
pub fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = wanted.chars().count();
    if length > LONGEST_SLIP {
        return None;
    }
    let wanted = wanted.to_lowercase();
    let limit = (length / 3).max(1);
    known
        .into_iter()
        // Each edit changes the length by one at most.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// An error and its causes on one line, without causes that only repeat a part of what stands before them.
#[must_use]
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_word_is_suggested_and_nothing_when_all_are_far() {
        let known = ["ExecStart", "ExecStartPre", "ExecStop", "User"];
        assert_eq!(did_you_mean("ExecStrat", known), Some("ExecStart"));
        assert_eq!(did_you_mean("execstart", known), Some("ExecStart"));
        assert_eq!(did_you_mean("Usr", known), Some("User"));
        assert_eq!(did_you_mean("Frobnicate", known), None);
    }
}
