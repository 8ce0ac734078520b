//! Why a promotion or rollback is not done, in the words of the command line: message, exit code, next step.

use super::ahead::OwnContent;
use super::error::SourceError;
use fleet_units::diagnostic::Diagnostic;
use fleet_units::ids::{EnvironmentName, Revision};
use fleet_units::view::BranchState;
use std::fmt::Write;
use thiserror::Error;

/// A rule that stands against it, with everything it applies to.
#[derive(Debug, Error)]
pub enum Refusal {
    /// No such environment.
    #[error("there is no environment {name}; the chain is {chain}")]
    UnknownEnvironment {
        /// As given.
        name: String,
        /// `develop -> test -> …`
        chain: String,
    },
    /// The source does not come before the target.
    #[error("{to} is not after {from}; the chain is {chain}")]
    Order {
        /// The source.
        from: EnvironmentName,
        /// The target.
        to: EnvironmentName,
        /// `develop -> test -> …`
        chain: String,
    },
    /// The first environment has nothing before it.
    #[error("{0} is the first environment; nothing is promoted into it")]
    First(EnvironmentName),
    /// The source is not the environment right before the target.
    #[error("{to} takes promotions from {expected}, not from {from}")]
    Skip {
        /// The source.
        from: EnvironmentName,
        /// The target.
        to: EnvironmentName,
        /// The one right before it.
        expected: EnvironmentName,
    },
    /// An environment that has accepted nothing yet.
    #[error("{0} has no accepted revision yet")]
    Empty(EnvironmentName),
    /// A revision that the environment never accepted.
    #[error("{revision} was never the head of {environment}")]
    NeverHead {
        /// As given.
        revision: String,
        /// The environment.
        environment: EnvironmentName,
    },
    /// The branch's head is not accepted.
    #[error("{environment}'s head {} is not accepted{}", .head.short(), list(.diagnostics))]
    NotAccepted {
        /// The environment.
        environment: EnvironmentName,
        /// Its branch's head.
        head: Revision,
        /// Why not.
        diagnostics: Vec<Diagnostic>,
    },
    /// The branch is missing, rewound, unrelated or at a head that breaks a rule.
    #[error("{environment}: branch {}{}", .state.as_str(), running_on(.running.as_ref()))]
    Branch {
        /// The environment.
        environment: EnvironmentName,
        /// How the branch stands.
        state: BranchState,
        /// What the environment runs on.
        running: Option<Revision>,
    },
    /// The source rolled this revision back itself.
    #[error("{environment} itself rolled {} back", .revision.short())]
    BadSource {
        /// The source.
        environment: EnvironmentName,
        /// The revision.
        revision: Revision,
    },
    /// The target has it already; this is no failure.
    #[error("{to} already has {from} {}", .revision.short())]
    NothingToPromote {
        /// The source.
        from: EnvironmentName,
        /// The target.
        to: EnvironmentName,
        /// The source's revision.
        revision: Revision,
    },
    /// The environment runs that tree already; this is no failure.
    #[error("{0} already runs that tree")]
    NothingToRollBack(EnvironmentName),
    /// The target has a later revision of the source.
    #[error("{to} already has a later revision of {from} ({})", .later.short())]
    Older {
        /// The source.
        from: EnvironmentName,
        /// The target.
        to: EnvironmentName,
        /// The later revision.
        later: Revision,
    },
    /// No common history.
    #[error("{from} and {to} share no history")]
    Unrelated {
        /// The source.
        from: EnvironmentName,
        /// The target.
        to: EnvironmentName,
    },
    /// The source has not converged on the revision, and the target asks for it.
    #[error("{environment} has not converged on {}", .revision.short())]
    NotConverged {
        /// The source.
        environment: EnvironmentName,
        /// The revision.
        revision: Revision,
    },
    /// The target holds common files that the source never had.
    #[error("{to} holds content that {from} lacks: {}", owned(.items))]
    Ahead {
        /// The source.
        from: EnvironmentName,
        /// The target.
        to: EnvironmentName,
        /// The paths and the commits that set them.
        items: Vec<OwnContent>,
    },
    /// Overlays changed on both sides.
    #[error("{} changed on both sides", .paths.join(", "))]
    OwnedConflict {
        /// The target.
        to: EnvironmentName,
        /// The paths.
        paths: Vec<String>,
    },
    /// The result would not be accepted.
    #[error("the result has errors{}", list(.diagnostics))]
    ResultInError {
        /// The environment it was compiled for.
        environment: EnvironmentName,
        /// Everything found.
        diagnostics: Vec<Diagnostic>,
    },
    /// The result is what the environment rolled back.
    #[error("{environment} rolled this tree back: it was {}", .head.short())]
    BadTree {
        /// The environment.
        environment: EnvironmentName,
        /// The head that was rolled back.
        head: Revision,
    },
    /// There is nothing to roll back to.
    #[error("{0} has no earlier revision that converged and is not bad")]
    NoTarget(EnvironmentName),
    /// The branch moved between the decision and the commit.
    #[error("{0} moved meanwhile; nothing was changed")]
    Raced(EnvironmentName),
    /// The branch was rolled back between the decision and the commit.
    #[error("{0} was rolled back meanwhile; nothing was changed")]
    RolledBackMeanwhile(EnvironmentName),
    /// The repository could not be read or written.
    #[error(transparent)]
    Failed(#[from] SourceError),
}

impl Refusal {
    /// A stable code in kebab case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::UnknownEnvironment { .. } => "unknown-environment",
            Refusal::Order { .. } | Refusal::First(_) => "order",
            Refusal::Skip { .. } => "skip",
            Refusal::Empty(_) => "empty",
            Refusal::NeverHead { .. } => "never-head",
            Refusal::NotAccepted { .. } => "not-accepted",
            Refusal::Branch { .. } => "branch-state",
            Refusal::BadSource { .. } => "bad-source",
            Refusal::NothingToPromote { .. } | Refusal::NothingToRollBack(_) => "nothing-to-do",
            Refusal::Older { .. } => "older",
            Refusal::Unrelated { .. } => "unrelated",
            Refusal::NotConverged { .. } => "not-converged",
            Refusal::Ahead { .. } => "target-ahead",
            Refusal::OwnedConflict { .. } => "owned-conflict",
            Refusal::ResultInError { .. } => "result-in-error",
            Refusal::BadTree { .. } => "bad-tree",
            Refusal::NoTarget(_) => "no-target",
            Refusal::Raced(_) => "raced",
            Refusal::RolledBackMeanwhile(_) => "rolled-back-meanwhile",
            Refusal::Failed(_) => "failed",
        }
    }

    /// The exit code of the command: 0, 1, 2 or 4.
    #[must_use]
    pub fn exit(&self) -> u8 {
        match self {
            Refusal::NothingToPromote { .. } | Refusal::NothingToRollBack(_) => 0,
            Refusal::Raced(_) | Refusal::Failed(_) => 1,
            Refusal::UnknownEnvironment { .. } | Refusal::Order { .. } | Refusal::First(_) => 2,
            _ => 4,
        }
    }

    /// Whether what was asked for is so already.
    #[must_use]
    pub fn nothing_to_do(&self) -> bool {
        self.exit() == 0
    }

    /// What to do next; empty when nothing needs to be done.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Refusal::NothingToPromote { .. } | Refusal::NothingToRollBack(_) | Refusal::UnknownEnvironment { .. } => {
                String::new()
            }
            Refusal::Order { chain, .. } => format!("promote along the chain: {chain}"),
            Refusal::First(name) => format!("push to {name}'s branch"),
            Refusal::Skip { to, expected, .. } => format!("promote in order, `fleet promote {expected} {to}` last"),
            Refusal::Empty(name) => format!("push a commit to {name}'s branch"),
            Refusal::NeverHead { environment, .. } => format!("`fleet history {environment}`"),
            Refusal::NotAccepted { environment, .. } => format!("fix or revert it on {environment}'s branch and push"),
            Refusal::Branch { environment, state, running } => branch_step(environment, *state, running.as_ref()),
            Refusal::BadSource { environment, .. } => format!("promote {environment}'s head"),
            Refusal::Older { to, .. } => format!("to go back use `fleet rollback {to} REV`, see `fleet history {to}`"),
            Refusal::Unrelated { from, to } => {
                format!("merge once: `git merge --allow-unrelated-histories {to}` in {from}, push, promote")
            }
            Refusal::NotConverged { environment, .. } => format!("`fleet status -e {environment}`"),
            Refusal::Ahead { from, to, .. } => format!("`git merge {to}` in {from}, push, promote"),
            Refusal::OwnedConflict { to, .. } => {
                format!("`git merge {to}` in the source's branch, decide there, push, promote")
            }
            Refusal::ResultInError { .. } => "fix it in the first environment and promote".to_owned(),
            Refusal::BadTree { environment, head } => {
                format!("fix forward, or `fleet rollback {environment} {} --again REASON`", head.short())
            }
            Refusal::NoTarget(name) => format!("name one: `fleet rollback {name} REV`, see `fleet history {name}`"),
            Refusal::Raced(_) => "repeat the command".to_owned(),
            Refusal::RolledBackMeanwhile(name) => format!("`fleet history {name}`"),
            Refusal::Failed(_) => "look at the coordinator's log".to_owned(),
        }
    }

    /// The findings to be shown with it; empty for most.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Refusal::NotAccepted { diagnostics, .. } | Refusal::ResultInError { diagnostics, .. } => diagnostics,
            _ => &[],
        }
    }
}

fn branch_step(environment: &EnvironmentName, state: BranchState, running: Option<&Revision>) -> String {
    let at = running.map_or("its accepted head", Revision::short);
    match state {
        BranchState::Missing => format!("push {at} to {environment}'s branch again"),
        BranchState::Ok | BranchState::Unaccepted => format!("revert it on {environment}'s branch and push"),
        BranchState::Rewound | BranchState::Unrelated => {
            format!("push {at}, or a merge of it, to {environment}'s branch")
        }
    }
}

fn running_on(revision: Option<&Revision>) -> String {
    revision.map(|revision| format!("; running {}", revision.short())).unwrap_or_default()
}

/// The first finding, and how many more there are.
fn list(diagnostics: &[Diagnostic]) -> String {
    let Some(first) = diagnostics.first() else { return String::new() };
    let mut text = String::from(": ");
    if !first.place.file.is_empty() {
        let _ = write!(text, "{}:{}: ", first.place.file, first.place.line);
    }
    text.push_str(&first.message);
    if diagnostics.len() > 1 {
        let _ = write!(text, " (and {} more)", diagnostics.len() - 1);
    }
    text
}

fn owned(items: &[OwnContent]) -> String {
    let one = |item: &OwnContent| match &item.commit {
        Some(commit) => format!("{} ({}, {}, {})", item.path, commit.short(), item.author, item.date),
        None => item.path.clone(),
    };
    items.iter().map(one).collect::<Vec<_>>().join(", ")
}
