//! Promotion: the source's accepted head, exactly, as a two-parent commit on the target's branch.
//!
//! First a value, [`Proposed`], for plans and dry runs; then, by [`Source::commit`], the commit.

use super::ahead;
use super::bad;
use super::environments::{Accepted, Examined, Source, Understood};
use super::error::SourceError;
use super::git::{NewCommit, Person, branch_ref, oid, revision};
use super::graph;
use super::intent::{self, Move};
use super::log::{self, Kind, Record, log_ref};
use super::merge::{self, Merged};
use super::refusal::Refusal;
use super::removal;
use fleet_units::diagnostic::Diagnostic;
use fleet_units::fleet::FleetSpec;
use fleet_units::ids::{EnvironmentName, Revision};
use fleet_units::time::Timestamp;
use fleet_units::view::BranchState;
use git2::Oid;
use std::sync::Arc;

/// A commit that may be made: what it would contain, and what it would mean.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// The environment whose branch would move.
    pub environment: EnvironmentName,
    /// Promotion or rollback.
    pub kind: Kind,
    /// The environment it comes from; for a rollback the same one.
    pub from: EnvironmentName,
    /// Promotion: the source's revision. Rollback: the earlier head.
    pub source: Revision,
    /// The head of the branch now; `None` when the branch would be created.
    pub head: Option<Revision>,
    /// The accepted head now.
    pub accepted: Option<Revision>,
    /// The id of the resulting tree, in hexadecimal.
    pub tree: String,
    /// The id of the part of it that environments have in common.
    pub common_tree: String,
    /// The commit's message, without the trailer that names the plan.
    pub message: String,
    /// The resulting desired state.
    pub fleet: Arc<FleetSpec>,
    /// Warnings and notes about it.
    pub diagnostics: Vec<Diagnostic>,
    /// The operator's reason; may be empty.
    pub reason: String,
    pub(crate) parents: Vec<Oid>,
    pub(crate) log_tip: Option<Oid>,
    pub(crate) marks: Vec<Move>,
    pub(crate) understood: Arc<Understood>,
}

impl Proposed {
    /// What to say once `revision` is the result: `test is at 3f2a91c: common tree 9d0c41e = develop 71b56da`.
    #[must_use]
    pub fn done(&self, revision: &Revision) -> String {
        let (environment, source) = (&self.environment, self.source.short());
        match (self.kind, &self.head) {
            (Kind::Rollback, Some(head)) if !self.marks.is_empty() => {
                format!("{environment} is back at the tree of {source}; {} is refused from now on", head.short())
            }
            (Kind::Rollback, _) => format!("{environment} is back at the tree of {source}"),
            _ => {
                let common = &self.common_tree[..7];
                format!("{environment} is at {}: common tree {common} = {} {source}", revision.short(), self.from)
            }
        }
    }
}

/// Who does it, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// The operator's name: author of the commit.
    pub actor: String,
    /// The plan that was shown or asked for, if any; named in the commit.
    pub plan_id: Option<String>,
    /// Now.
    pub now: Timestamp,
}

impl Source {
    /// What promoting `rev` (default: its head) of `from` (default: the one before) to `to` would give.
    ///
    /// # Errors
    /// The first rule that stands against it, with all its items. Writes no ref.
    pub fn propose_promotion(
        &mut self,
        from: Option<&EnvironmentName>,
        to: &EnvironmentName,
        rev: Option<&Revision>,
    ) -> Result<Proposed, Refusal> {
        let from = self.direct_source(from, to)?;
        let source = self.source_revision(&from, rev)?;
        let target = self.promotion_target(to)?;
        if let Some(target) = target {
            self.not_older((&from, to), target, source)?;
        }
        self.branches_are_ok(&from, to)?;
        if self.chain.is_last(to) && !self.log(&from)?.converged(&revision(source)) {
            return Err(Refusal::NotConverged { environment: from, revision: revision(source) });
        }
        let (tree, parents) = match target {
            Some(target) => (self.merged_tree((&from, to), target, source)?, vec![target, source]),
            None => (self.git.commit(source)?.tree_id(), vec![source]),
        };
        let understood = self.fit_to_run(to, tree, target, Kind::Promotion)?;
        if let Some(mark) = bad::mark_of_tree(&self.git, to, tree)? {
            return Err(Refusal::BadTree { environment: to.clone(), head: mark.head });
        }
        let common = self.contents.common(&self.git, source)?;
        let short = revision(source);
        let message = format!(
            "Promote {from} to {to}: {}\n\nFleet-Promotion: {from} {to}\nFleet-Source: {source}\nFleet-Common: {common}\n",
            short.short()
        );
        Ok(Proposed {
            environment: to.clone(),
            kind: Kind::Promotion,
            from,
            source: revision(source),
            head: target.map(revision),
            accepted: target.map(revision),
            tree: tree.to_string(),
            common_tree: common.to_string(),
            message,
            fleet: Arc::clone(&understood.fleet),
            diagnostics: understood.diagnostics.clone(),
            reason: String::new(),
            parents,
            log_tip: self.log(to)?.tip(),
            marks: Vec::new(),
            understood,
        })
    }

    /// Makes a proposed commit: branch, head log and marks move together, or nothing does. Durable when it returns.
    ///
    /// # Errors
    /// When the branch or the log moved since it was proposed (propose again, unless a certain plan was asked for),
    /// or the disk fails.
    pub fn commit(&mut self, proposed: &Proposed, act: &Act) -> Result<Accepted, Refusal> {
        let environment = &proposed.environment;
        let mut message = proposed.message.clone();
        if let Some(plan) = &act.plan_id {
            message.push_str(&format!("Fleet-Plan: {}\n", one_line(plan)));
        }
        let tree = Oid::from_str(&proposed.tree).map_err(super::error::reading("the proposed tree"))?;
        let author = Person::operator(&act.actor);
        let new = NewCommit { tree, parents: &proposed.parents, message: &message, author: &author, now: act.now };
        let head = self.git.write_commit(&new)?;
        let record = Record {
            head: revision(head),
            kind: proposed.kind,
            source: Some(proposed.source.clone()),
            actor: act.actor.clone(),
            reason: proposed.reason.clone(),
            time: act.now,
        };
        let entry = log::write(&self.git, proposed.log_tip, &record)?;
        let branch = branch_ref(&self.known(environment)?.branch);
        let mut moves = vec![
            Move::new(branch, proposed.head.as_ref().map(oid), Some(head)),
            Move::new(log_ref(environment), proposed.log_tip, Some(entry)),
        ];
        moves.extend(proposed.marks.iter().cloned());
        match intent::carry_out(&self.git, moves, proposed.kind.as_str()) {
            Ok(()) => {}
            Err(SourceError::Moved { .. }) => return Err(self.raced(proposed)?),
            Err(error) => return Err(error.into()),
        }
        let origin = (proposed.kind, Some(proposed.source.clone()));
        Ok(self.assemble(environment, &revision(head), proposed.accepted.clone(), origin, &proposed.understood)?)
    }

    fn raced(&mut self, proposed: &Proposed) -> Result<Refusal, SourceError> {
        let environment = proposed.environment.clone();
        let latest = self.log(&environment)?.accepted();
        let rolled_back =
            latest.is_some_and(|r| r.kind == Kind::Rollback && Some(&r.head) != proposed.accepted.as_ref());
        Ok(if rolled_back { Refusal::RolledBackMeanwhile(environment) } else { Refusal::Raced(environment) })
    }

    /// A head of `environment` by its id or the beginning of it (at least 4 digits).
    ///
    /// # Errors
    /// When it never was its head.
    pub fn resolve(&mut self, environment: &EnvironmentName, text: &str) -> Result<Revision, Refusal> {
        self.named(environment)?;
        let text = text.trim().to_ascii_lowercase();
        let mut found: Vec<Revision> = Vec::new();
        if text.len() >= 4 {
            found = self
                .log(environment)?
                .heads()
                .filter(|r| r.head.as_str().starts_with(&text))
                .map(|r| r.head.clone())
                .collect();
        }
        match found.len() {
            1 => Ok(found.remove(0)),
            _ => Err(Refusal::NeverHead { revision: text, environment: environment.clone() }),
        }
    }

    pub(crate) fn named(&self, environment: &EnvironmentName) -> Result<usize, Refusal> {
        self.chain
            .position(environment)
            .ok_or_else(|| Refusal::UnknownEnvironment { name: environment.to_string(), chain: self.chain.describe() })
    }

    fn direct_source(&self, from: Option<&EnvironmentName>, to: &EnvironmentName) -> Result<EnvironmentName, Refusal> {
        let at = self.named(to)?;
        let Some(expected) = self.chain.predecessor(to).map(|before| before.name.clone()) else {
            return Err(match from {
                Some(from) if from != to => {
                    self.named(from)?;
                    Refusal::Order { from: from.clone(), to: to.clone(), chain: self.chain.describe() }
                }
                _ => Refusal::First(to.clone()),
            });
        };
        let from = from.unwrap_or(&expected);
        if self.named(from)? >= at {
            return Err(Refusal::Order { from: from.clone(), to: to.clone(), chain: self.chain.describe() });
        }
        if *from != expected {
            return Err(Refusal::Skip { from: from.clone(), to: to.clone(), expected });
        }
        Ok(expected)
    }

    fn source_revision(&mut self, from: &EnvironmentName, rev: Option<&Revision>) -> Result<Oid, Refusal> {
        let Some(accepted) = self.log(from)?.accepted().map(|record| record.head.clone()) else {
            return Err(self.not_accepted(from)?.unwrap_or_else(|| Refusal::Empty(from.clone())));
        };
        let source = match rev {
            None => match self.not_accepted(from)? {
                Some(refusal) => return Err(refusal),
                None => accepted,
            },
            Some(rev) if self.log(from)?.head(rev).is_some() => rev.clone(),
            Some(rev) => {
                return Err(Refusal::NeverHead { revision: rev.short().to_owned(), environment: from.clone() });
            }
        };
        if bad::mark(&self.git, from, oid(&source))?.is_some() {
            return Err(Refusal::BadSource { environment: from.clone(), revision: source });
        }
        Ok(oid(&source))
    }

    /// Why the head of the branch, if it is not the accepted one, is not accepted.
    pub(crate) fn not_accepted(&mut self, environment: &EnvironmentName) -> Result<Option<Refusal>, Refusal> {
        let tip = self.branch_tip(environment)?.map(revision);
        let running = self.log(environment)?.accepted().map(|record| record.head.clone());
        let name = environment.clone();
        Ok(match self.examine(environment, tip.as_ref())? {
            Examined::Unchanged => None,
            Examined::Accepted(_) => Some(Refusal::Raced(name)),
            Examined::Kept { state: BranchState::Ok, rejected: Some(rejected) } => Some(Refusal::NotAccepted {
                environment: name,
                head: rejected.revision,
                diagnostics: rejected.diagnostics,
            }),
            Examined::Kept { state, .. } => Some(Refusal::Branch { environment: name, state, running }),
        })
    }

    /// The head to promote onto; `None` when the branch would be created.
    fn promotion_target(&mut self, to: &EnvironmentName) -> Result<Option<Oid>, Refusal> {
        let accepted = self.log(to)?.accepted().map(|record| oid(&record.head));
        match (accepted, self.branch_tip(to)?) {
            (None, Some(_)) => Err(self.not_accepted(to)?.unwrap_or_else(|| Refusal::Raced(to.clone()))),
            (accepted, _) => Ok(accepted),
        }
    }

    fn not_older(
        &mut self,
        (from, to): (&EnvironmentName, &EnvironmentName),
        target: Oid,
        source: Oid,
    ) -> Result<(), Refusal> {
        let corrections = self.corrections(to)?;
        let held = graph::effective(&self.git, &corrections, target)?;
        let heads: Vec<Oid> = self.log(from)?.heads().rev().map(|record| oid(&record.head)).collect();
        let Some(newest) = heads.iter().copied().find(|head| held.contains(head)) else { return Ok(()) };
        if newest == source {
            return Err(Refusal::NothingToPromote { from: from.clone(), to: to.clone(), revision: revision(source) });
        }
        if held.contains(&source) || self.git.descends(newest, source)? {
            return Err(Refusal::Older { from: from.clone(), to: to.clone(), later: revision(newest) });
        }
        Ok(())
    }

    fn branches_are_ok(&mut self, from: &EnvironmentName, to: &EnvironmentName) -> Result<(), Refusal> {
        if let Some(refusal @ Refusal::Branch { .. }) = self.not_accepted(from)? {
            return Err(refusal);
        }
        let created = self.log(to)?.accepted().is_none();
        match self.not_accepted(to)? {
            Some(refusal) if !created => Err(refusal),
            _ => Ok(()),
        }
    }

    fn merged_tree(
        &mut self,
        (from, to): (&EnvironmentName, &EnvironmentName),
        target: Oid,
        source: Oid,
    ) -> Result<Oid, Refusal> {
        let corrections = self.corrections(to)?;
        let bases = graph::bases(&self.git, &corrections, target, source)?;
        if bases.is_empty() {
            return Err(Refusal::Unrelated { from: from.clone(), to: to.clone() });
        }
        let items = ahead::own_content(&self.git, &bases, target, source)?;
        if !items.is_empty() {
            return Err(Refusal::Ahead { from: from.clone(), to: to.clone(), items });
        }
        let at = self.named(from)?;
        match merge::promotion(&self.git, &self.chain, at, (target, source), &bases)? {
            Merged::Tree(tree) => Ok(tree),
            Merged::Conflict(paths) => Err(Refusal::OwnedConflict { to: to.clone(), paths }),
        }
    }

    /// Compiles a result for the environment that would run it.
    pub(crate) fn fit_to_run(
        &mut self,
        environment: &EnvironmentName,
        tree: Oid,
        before: Option<Oid>,
        kind: Kind,
    ) -> Result<Arc<Understood>, Refusal> {
        let understood = self.understand_tree(environment, tree)?;
        let mut diagnostics = if understood.has_errors() { understood.diagnostics.clone() } else { Vec::new() };
        if let Some(before) = before.filter(|_| diagnostics.is_empty()) {
            let before = self.understand(environment, before)?;
            diagnostics.extend(removal::gate(&before.fleet, &understood.fleet, kind));
        }
        if diagnostics.is_empty() {
            return Ok(understood);
        }
        diagnostics.sort_by_key(|diagnostic| diagnostic.severity);
        Err(Refusal::ResultInError { environment: environment.clone(), diagnostics })
    }
}

/// A value of a trailer: foreign text on one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
