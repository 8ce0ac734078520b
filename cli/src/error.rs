//! What a verb fails with: a kind that decides the exit code, an error with its causes, hints for the next step.
//!
//! Made where something fails, printed once, in `main`.

use crate::output::{Output, Paint};
use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// What a verb gives back.
pub(crate) type CommandResult<T = Exit> = Result<T, CommandError>;

/// How a verb ended that did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// Done, and the answer is no: findings of `lint`, `status --check` of a fleet that is not converged.
    No,
    /// `plan --exit-code` found changes.
    Changes,
    /// The code a program was told to end with: `sample-service --exit-code`.
    Code(u8),
}

impl Exit {
    /// The process's exit code.
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::Changes => 6,
            Exit::Code(code) => code,
        })
    }
}

/// Why a verb could not do what it was asked; each kind has an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// It failed.
    Failed,
    /// The command line or a configuration file is wrong.
    Usage,
    /// Done, but the environment did not converge in time.
    NotConverged,
    /// A gate, a protection or the authorization table said no.
    Refused,
    /// The coordinator (or the node's socket) cannot be reached, or does not know who we are.
    Unreachable,
    /// Whoever read our output has gone; nothing is printed.
    BrokenPipe,
}

impl ErrorKind {
    fn code(self) -> u8 {
        match self {
            ErrorKind::Failed => 1,
            ErrorKind::Usage => 2,
            ErrorKind::NotConverged => 3,
            ErrorKind::Refused => 4,
            ErrorKind::Unreachable => 5,
            ErrorKind::BrokenPipe => 128 + 13, // as if killed by SIGPIPE
        }
    }
}

/// A failed verb: what failed on what and why, and what to do next.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// Decides the exit code.
    pub(crate) kind: ErrorKind,
    error: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

impl CommandError {
    /// An error of `kind`; its sources are printed as causes.
    pub(crate) fn new(kind: ErrorKind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        CommandError { kind, error: error.into(), hints: Vec::new() }
    }

    /// Exit code 1.
    pub(crate) fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Failed, error)
    }

    /// Exit code 2.
    pub(crate) fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Usage, error)
    }

    /// `what` failed (`cannot read /etc/x`), because of `cause`. Exit code 1.
    pub(crate) fn because(what: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::failed(Because { what: what.into(), cause: cause.into() })
    }

    /// The same error with another kind.
    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same error with one more hint: a next step.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The hints so far.
    #[cfg(test)]
    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Prints `error:`, `cause:` and `hint:` lines to stderr, and gives the exit code.
    pub(crate) fn report(&self, output: &Output) -> ExitCode {
        if self.kind != ErrorKind::BrokenPipe {
            let mut text = output.stderr.paint(Paint::Error, "error:");
            text.push(' ');
            text.push_str(&output.stderr.text(&self.error.to_string()));
            for cause in self.causes() {
                text.push_str(&format!("\n  cause: {}", output.stderr.text(&cause)));
            }
            for hint in &self.hints {
                let label = output.stderr.paint(Paint::Key, "hint:");
                text.push_str(&format!("\n  {label} {}", output.stderr.text(hint)));
            }
            eprintln!("{text}");
        }
        ExitCode::from(self.kind.code())
    }

    /// The chain of sources, outermost first, without those that only repeat what stands above them.
    fn causes(&self) -> Vec<String> {
        let mut above = self.error.to_string();
        let mut causes = Vec::new();
        let mut next = self.error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !above.contains(&text) {
                causes.push(text.clone());
                above = text;
            }
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// A sentence with a cause.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Because {
    what: String,
    #[source]
    cause: Box<dyn Error + Send + Sync>,
}

/// `did you mean production?` for the nearest of `known`; `None` when none is near.
pub(crate) fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    fleet_units::diagnostic::did_you_mean(wanted, known).map(|name| format!("did you mean {name}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_repeats_its_error_is_left_out() {
        let io = std::io::Error::other(std::io::Error::other("disk on fire"));
        let error = CommandError::because("cannot write x", io);
        assert_eq!(error.causes(), ["disk on fire"]);
    }
}
