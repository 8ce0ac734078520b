//! Rollback: the tree of an earlier head as a new commit on top. What is rolled back is marked and refused from then on.

use super::bad;
use super::content;
use super::environments::Source;
use super::error::{SourceError, writing};
use super::git::{oid, revision};
use super::graph;
use super::log::Kind;
use super::promote::{Proposed, one_line};
use super::refusal::Refusal;
use fleet_units::ids::{EnvironmentName, Revision};
use fleet_units::view::BranchState;
use git2::Oid;
use std::sync::Arc;

impl Source {
    /// What rolling `environment` back to the tree of `rev` would give. Without `rev`: the latest accepted head that
    /// converged, is not bad and is in the head's effective history. A tree that was itself rolled back needs a reason
    /// to be run `again`, which lifts its mark.
    ///
    /// # Errors
    /// The first rule that stands against it. Writes no ref.
    pub fn propose_rollback(
        &mut self,
        environment: &EnvironmentName,
        rev: Option<&Revision>,
        reason: &str,
        again: Option<&str>,
    ) -> Result<Proposed, Refusal> {
        self.named(environment)?;
        let Some(accepted) = self.log(environment)?.accepted().map(|record| oid(&record.head)) else {
            return Err(Refusal::Empty(environment.clone()));
        };
        let head = self.rollback_from(environment, accepted)?;
        let to = match rev {
            Some(rev) if self.log(environment)?.head(rev).is_some() => oid(rev),
            Some(rev) => {
                let revision = rev.short().to_owned();
                return Err(Refusal::NeverHead { revision, environment: environment.clone() });
            }
            None => self.rollback_target(environment, head)?.ok_or_else(|| Refusal::NoTarget(environment.clone()))?,
        };
        if content::outside_secrets(&self.git, to)? == content::outside_secrets(&self.git, head)? {
            return Err(Refusal::NothingToRollBack(environment.clone()));
        }
        let tree = self.tree_with_secrets_of(to, head)?;
        let mut marks = Vec::new();
        if let Some(mark) = bad::mark_of_tree(&self.git, environment, tree)? {
            if again.is_none() {
                return Err(Refusal::BadTree { environment: environment.clone(), head: mark.head });
            }
            marks.push(mark.lift());
        }
        // What never ran here, a head that was not accepted, has not proved bad; nor has what runs on as before.
        let same_run =
            content::run(&self.git, environment, head)? == content::run_of_tree(&self.git, environment, tree)?;
        if head == accepted && !same_run {
            marks.extend(bad::set(&self.git, environment, head)?);
        }
        let converged_once = self.log(environment)?.converged(&revision(to));
        let understood = match self.fit_to_run(environment, tree, Some(accepted), Kind::Rollback) {
            // Not judged again by stricter checks of a newer version.
            Err(Refusal::ResultInError { .. }) if converged_once => self.understand_tree(environment, tree)?,
            other => other?,
        };
        let reason = [reason, again.unwrap_or_default()].into_iter().map(one_line).find(|text| !text.is_empty());
        let (was, back) = (revision(head), revision(to));
        let mut message =
            format!("Roll back {environment} to the tree of {}\n\nFleet-Rollback: {was} -> {back}\n", back.short());
        if let Some(reason) = &reason {
            message.push_str(&format!("Fleet-Reason: {reason}\n"));
        }
        Ok(Proposed {
            environment: environment.clone(),
            kind: Kind::Rollback,
            from: environment.clone(),
            source: back,
            head: Some(was),
            accepted: Some(revision(accepted)),
            tree: tree.to_string(),
            common_tree: self.contents.common(&self.git, to)?.to_string(),
            message,
            fleet: Arc::clone(&understood.fleet),
            diagnostics: understood.diagnostics.clone(),
            reason: reason.unwrap_or_default(),
            parents: vec![head],
            log_tip: self.log(environment)?.tip(),
            marks,
            understood,
        })
    }

    /// The branch's head to commit on. One that was refused may be rolled back too, as long as it comes after the
    /// accepted one.
    fn rollback_from(&mut self, environment: &EnvironmentName, accepted: Oid) -> Result<Oid, Refusal> {
        let running = Some(revision(accepted));
        let name = environment.clone();
        let Some(tip) = self.branch_tip(environment)? else {
            return Err(Refusal::Branch { environment: name, state: BranchState::Missing, running });
        };
        match self.not_accepted(environment)? {
            Some(refusal @ Refusal::Raced(_)) => Err(refusal),
            Some(refusal) if !self.git.descends(tip, accepted)? => Err(refusal),
            _ => Ok(tip),
        }
    }

    fn rollback_target(&mut self, environment: &EnvironmentName, head: Oid) -> Result<Option<Oid>, SourceError> {
        let corrections = self.corrections(environment)?;
        let held = graph::effective(&self.git, &corrections, head)?;
        let now = content::outside_secrets(&self.git, head)?;
        let log = self.log(environment)?.clone();
        for record in log.heads().rev().filter(|record| log.converged(&record.head)) {
            let candidate = oid(&record.head);
            if held.contains(&candidate)
                && self.contents.outside_secrets(&self.git, candidate)? != now
                && bad::mark(&self.git, environment, candidate)?.is_none()
            {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    /// The tree of `to` with `secrets/` as in `head`: a rollback must not bring back a revoked secret.
    fn tree_with_secrets_of(&self, to: Oid, head: Oid) -> Result<Oid, SourceError> {
        let tree = |commit: Oid| {
            self.git.commit(commit)?.tree().map_err(super::error::reading(format!("the tree of {commit}")))
        };
        let (earlier, now) = (tree(to)?, tree(head)?);
        let wanted = now.get_name("secrets");
        if earlier.get_name("secrets").map(|entry| entry.id()) == wanted.as_ref().map(|entry| entry.id()) {
            return Ok(earlier.id());
        }
        let build = || {
            let mut builder = self.git.repo().treebuilder(Some(&earlier))?;
            match &wanted {
                Some(entry) => drop(builder.insert("secrets", entry.id(), entry.filemode())?),
                None => builder.remove("secrets")?,
            }
            builder.write()
        };
        build().map_err(writing("a tree"))
    }
}
