//! Reads a new head of a branch by its content: a push, a promotion made with plain git, a rollback.
//!
//! First match wins. A push into the repository's folder cannot be refused; what breaks a rule is not accepted
//! instead, and the environment keeps its last accepted head.

use super::ahead;
use super::bad;
use super::content::is_owned_by;
use super::diff;
use super::environments::Source;
use super::error::SourceError;
use super::git::{oid, revision};
use super::graph;
use super::log::Kind;
use fleet_units::diagnostic::{Diagnostic, Place, codes};
use fleet_units::ids::{EnvironmentName, Revision};
use fleet_units::view::BranchState;
use git2::Oid;

/// What a head was read as.
pub(crate) struct Reading {
    pub(crate) kind: Kind,
    pub(crate) source: Option<Revision>,
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) refused: Option<(BranchState, Diagnostic)>,
}

impl Reading {
    fn of(kind: Kind, source: Option<Oid>) -> Self {
        Reading { kind, source: source.map(revision), warnings: Vec::new(), refused: None }
    }

    fn refused(state: BranchState, diagnostic: Diagnostic) -> Self {
        Reading { refused: Some((state, diagnostic)), ..Reading::of(Kind::Push, None) }
    }
}

/// Reads `head` of the environment's branch, coming after `accepted`.
pub(crate) fn interpret(
    source: &mut Source,
    environment: &EnvironmentName,
    accepted: Option<&Revision>,
    head: &Revision,
) -> Result<Reading, SourceError> {
    let Some(accepted) = accepted else {
        return Ok(Reading::of(Kind::Push, None));
    };
    let (before, now) = (oid(accepted), oid(head));
    if !source.git.descends(now, before)? {
        return rewound(source, environment, accepted, head);
    }
    let reading = by_content(source, environment, before, now)?;
    if reading.refused.is_none()
        && let Some(mark) = bad::mark(&source.git, environment, now)?
    {
        let message = format!("{environment} rolled this tree back: it was {}", mark.head.short());
        let hint = format!("fix forward, or `fleet rollback {environment} {} --again REASON`", mark.head.short());
        let diagnostic = Diagnostic::error(codes::BAD_TREE, place(environment), message).with_hint(hint);
        return Ok(Reading::refused(BranchState::Unaccepted, diagnostic));
    }
    Ok(reading)
}

fn rewound(
    source: &Source,
    environment: &EnvironmentName,
    accepted: &Revision,
    head: &Revision,
) -> Result<Reading, SourceError> {
    let branch = &source.known(environment)?.branch;
    let (state, code, message) = match source.git.merge_base(accepted, head)? {
        Some(_) => {
            let message = format!("{branch} no longer contains {}, which {environment} runs", accepted.short());
            (BranchState::Rewound, codes::REWOUND, message)
        }
        None => {
            let message = format!("{branch} shares no history with {}, which {environment} runs", accepted.short());
            (BranchState::Unrelated, codes::UNRELATED, message)
        }
    };
    let hint = format!(
        "merge {} into {branch} (or push it again) and push; to go back use `fleet rollback`",
        accepted.short()
    );
    Ok(Reading::refused(state, Diagnostic::error(code, place(environment), message).with_hint(hint)))
}

fn by_content(
    source: &mut Source,
    environment: &EnvironmentName,
    before: Oid,
    now: Oid,
) -> Result<Reading, SourceError> {
    let parents = source.git.parents(now)?;
    if let [_] = parents[..]
        && let Some(earlier) = earlier_head_with_tree(source, environment, now)?
    {
        let kind = if earlier == before { Kind::Push } else { Kind::Rollback };
        return Ok(Reading::of(kind, (kind == Kind::Rollback).then_some(earlier)));
    }
    let first = source.chain.position(environment) == Some(0);
    let foreign = if first { Vec::new() } else { foreign_paths(source, environment, before, now)? };
    if foreign.is_empty() {
        return Ok(Reading::of(Kind::Push, None));
    }
    if let Some(promoted) = promoted_head(source, environment, now, &parents)? {
        return promotion(source, environment, before, promoted);
    }
    if source.chain.is_last(environment) {
        return Ok(direct_change_refused(source, environment, &foreign));
    }
    let mut reading = Reading::of(Kind::Push, None);
    if let Some(merged) = merged_head(source, environment, &parents)? {
        let message = format!(
            "this merge of {} has common files of its own; later promotions into {environment} need them in the source",
            revision(merged).short()
        );
        let hint = "merge this branch back into the source";
        reading.warnings.push(Diagnostic::warning(codes::INEXACT_MERGE, file(&foreign[0]), message).with_hint(hint));
    }
    Ok(reading)
}

/// The latest earlier head of this environment whose tree outside `secrets/` is that of `now`.
fn earlier_head_with_tree(
    source: &mut Source,
    environment: &EnvironmentName,
    now: Oid,
) -> Result<Option<Oid>, SourceError> {
    let tree = source.contents.outside_secrets(&source.git, now)?;
    for head in heads_newest_first(source, environment)? {
        if source.contents.outside_secrets(&source.git, head)? == tree {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

fn heads_newest_first(source: &mut Source, environment: &EnvironmentName) -> Result<Vec<Oid>, SourceError> {
    Ok(source.log(environment)?.heads().rev().map(|record| oid(&record.head)).collect())
}

/// Changed paths that are not the environment's own: common ones, and those of other environments.
fn foreign_paths(
    source: &Source,
    environment: &EnvironmentName,
    before: Oid,
    now: Oid,
) -> Result<Vec<String>, SourceError> {
    let tree = |commit: Oid| source.git.commit(commit).map(|commit| Some(commit.tree_id()));
    let changes = diff::changes(&source.git, tree(before)?, tree(now)?)?;
    Ok(changes.into_iter().map(|change| change.path).filter(|path| !is_owned_by(environment, path)).collect())
}

/// The head of an earlier environment that `now` brings exactly: itself, its second parent, or, squashed, the newest
/// one with the same common tree.
fn promoted_head(
    source: &mut Source,
    environment: &EnvironmentName,
    now: Oid,
    parents: &[Oid],
) -> Result<Option<Oid>, SourceError> {
    let common = source.contents.common(&source.git, now)?;
    let mut squashed = None;
    for earlier in earlier_environments(source, environment) {
        for head in heads_newest_first(source, &earlier)? {
            if source.contents.common(&source.git, head)? != common {
                continue;
            }
            if head == now || parents.get(1) == Some(&head) {
                return Ok(Some(head));
            }
            if squashed.is_none() && parents.len() == 1 {
                squashed = Some(head);
            }
        }
    }
    Ok(squashed)
}

/// The nearest first, since it is where promotions come from.
fn earlier_environments(source: &Source, environment: &EnvironmentName) -> Vec<EnvironmentName> {
    let at = source.chain.position(environment).unwrap_or(0);
    source.chain.environments()[..at].iter().rev().map(|earlier| earlier.name.clone()).collect()
}

fn merged_head(
    source: &mut Source,
    environment: &EnvironmentName,
    parents: &[Oid],
) -> Result<Option<Oid>, SourceError> {
    let Some(second) = parents.get(1) else { return Ok(None) };
    for earlier in earlier_environments(source, environment) {
        if source.log(&earlier)?.head(&revision(*second)).is_some() {
            return Ok(Some(*second));
        }
    }
    Ok(None)
}

fn promotion(
    source: &mut Source,
    environment: &EnvironmentName,
    before: Oid,
    promoted: Oid,
) -> Result<Reading, SourceError> {
    let corrections = source.corrections(environment)?;
    let bases = graph::bases(&source.git, &corrections, before, promoted)?;
    let own = ahead::own_content(&source.git, &bases, before, promoted)?;
    let head = revision(promoted);
    if let Some(first) = own.first() {
        let message = format!("this merge throws away what {environment} holds and {} lacks", head.short());
        let hint = format!("merge {environment}'s accepted head into the source, and promote that");
        let diagnostic = Diagnostic::error(codes::TARGET_AHEAD, file(&first.path), message).with_hint(hint);
        return Ok(Reading::refused(BranchState::Unaccepted, diagnostic));
    }
    if source.chain.is_last(environment) {
        let predecessor = source.chain.predecessor(environment).map(|p| p.name.clone());
        if let Some(from) = predecessor {
            let log = source.log(&from)?;
            let message = if log.head(&head).is_none() {
                Some(format!("{environment} takes promotions from {from}, and {} was never its head", head.short()))
            } else if !log.converged(&head) {
                Some(format!("{from} has not converged on {}", head.short()))
            } else {
                None
            };
            if let Some(message) = message {
                let hint =
                    format!("promote to {from} first and wait until it has converged, see `fleet status -e {from}`");
                let diagnostic = Diagnostic::error(codes::PROMOTION_GATE, place(environment), message).with_hint(hint);
                return Ok(Reading::refused(BranchState::Unaccepted, diagnostic));
            }
        }
    }
    Ok(Reading::of(Kind::Promotion, Some(promoted)))
}

fn direct_change_refused(source: &Source, environment: &EnvironmentName, foreign: &[String]) -> Reading {
    let from = source.chain.predecessor(environment).map_or("the one before", |p| p.name.as_str());
    let message = format!("common paths of {environment} change only by promotion");
    let hint =
        format!("revert this on the branch, bring the change to {from} and run `fleet promote {from} {environment}`");
    let diagnostic = Diagnostic::error(codes::DIRECT_CHANGE, file(&foreign[0]), message).with_hint(hint);
    Reading::refused(BranchState::Unaccepted, diagnostic)
}

fn file(path: &str) -> Place {
    Place { file: path.to_owned(), line: 0, column: 0 }
}

/// Findings about a branch as a whole stand at its environment's name.
fn place(environment: &EnvironmentName) -> Place {
    file(environment.as_str())
}
