//! The head log of an environment: `refs/fleet/log/ENV`, a chain of record commits.
//!
//! One record for each head the environment accepted, one more when that head converges. First parent: the previous
//! record; last parent: the head, which therefore never gets lost. The fields are one line of JSON in the message.

use super::error::{SourceError, writing};
use super::git::{Git, NewCommit, Person, oid, revision};
use fleet_units::ids::{EnvironmentName, Revision};
use fleet_units::time::Timestamp;
use git2::Oid;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How a head came to be the environment's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A change made on the branch itself.
    Push,
    /// A head of an earlier environment, by command or by plain git.
    Promotion,
    /// Back to the tree of an earlier head.
    Rollback,
    /// No new head: the last one converged.
    Converged,
}

impl Kind {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Push => "push",
            Kind::Promotion => "promotion",
            Kind::Rollback => "rollback",
            Kind::Converged => "converged",
        }
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The accepted head.
    pub head: Revision,
    /// How it came.
    pub kind: Kind,
    /// Promotion: the head of the earlier environment. Rollback: the earlier head whose tree it has.
    pub source: Option<Revision>,
    /// Who moved the branch, as far as is known.
    pub actor: String,
    /// Their reason; may be empty.
    pub reason: String,
    /// When it was accepted.
    pub time: Timestamp,
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Fields {
    version: u32,
    kind: Kind,
    source: Option<Revision>,
    actor: String,
    reason: String,
    time_us: Timestamp,
}

/// The records of one environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadLog {
    tip: Option<Oid>,
    records: Vec<Record>,
}

impl HeadLog {
    /// The records that brought a head, oldest first.
    pub(crate) fn heads(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.iter().filter(|record| record.kind != Kind::Converged)
    }

    /// The record of the accepted head.
    pub(crate) fn accepted(&self) -> Option<&Record> {
        self.heads().next_back()
    }

    pub(crate) fn head(&self, head: &Revision) -> Option<&Record> {
        self.heads().find(|record| record.head == *head)
    }

    pub(crate) fn converged(&self, head: &Revision) -> bool {
        self.records.iter().any(|record| record.kind == Kind::Converged && record.head == *head)
    }

    pub(crate) fn tip(&self) -> Option<Oid> {
        self.tip
    }
}

/// The head logs of all environments, kept as read.
#[derive(Default)]
pub(crate) struct Logs {
    logs: HashMap<EnvironmentName, HeadLog>,
}

impl Logs {
    /// The log as it is now; reads only records that are new since the last call.
    pub(crate) fn of(&mut self, git: &Git, environment: &EnvironmentName) -> Result<&HeadLog, SourceError> {
        let tip = git.target(&log_ref(environment))?;
        let log = self.logs.entry(environment.clone()).or_default();
        if log.tip != tip {
            extend(git, environment, log, tip)?;
        }
        Ok(log)
    }

    pub(crate) fn clear(&mut self) {
        self.logs.clear();
    }
}

/// The ref of an environment's log.
pub(crate) fn log_ref(environment: &EnvironmentName) -> String {
    format!("refs/fleet/log/{environment}")
}

/// Writes a record commit after `previous`; the caller moves the ref.
pub(crate) fn write(git: &Git, previous: Option<Oid>, record: &Record) -> Result<Oid, SourceError> {
    let fields = Fields {
        version: VERSION,
        kind: record.kind,
        source: record.source.clone(),
        actor: record.actor.clone(),
        reason: record.reason.clone(),
        time_us: record.time,
    };
    let fields = serde_json::to_string(&fields)
        .map_err(|error| writing("a record")(git2::Error::from_str(&error.to_string())))?;
    let parents: Vec<Oid> = previous.into_iter().chain([oid(&record.head)]).collect();
    git.write_commit(&NewCommit {
        tree: git.empty_tree()?,
        parents: &parents,
        message: &format!("{} {}\n\n{fields}\n", record.kind.as_str(), record.head.short()),
        author: &Person::coordinator(),
        now: record.time,
    })
}

fn extend(git: &Git, environment: &EnvironmentName, log: &mut HeadLog, tip: Option<Oid>) -> Result<(), SourceError> {
    let mut fresh = Vec::new();
    let mut at = tip;
    while let Some(id) = at.filter(|_| at != log.tip) {
        let (record, previous) = read(git, environment, id)?;
        fresh.push(record);
        at = previous;
    }
    if at.is_none() {
        log.records.clear();
    }
    log.records.extend(fresh.into_iter().rev());
    log.tip = tip;
    Ok(())
}

fn read(git: &Git, environment: &EnvironmentName, id: Oid) -> Result<(Record, Option<Oid>), SourceError> {
    let bad = |why: String| SourceError::Record { environment: environment.to_string(), record: id.to_string(), why };
    let commit = git.commit(id)?;
    let parents: Vec<Oid> = commit.parent_ids().collect();
    let (previous, head) = match parents[..] {
        [head] => (None, head),
        [previous, head] => (Some(previous), head),
        _ => return Err(bad(format!("it has {} parents", parents.len()))),
    };
    let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
    let line = message.lines().find(|line| line.starts_with('{')).ok_or_else(|| bad("it has no fields".to_owned()))?;
    let fields: Fields = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
    if fields.version > VERSION {
        return Err(bad(format!("version {} is newer than this program's {VERSION}", fields.version)));
    }
    let Fields { kind, source, actor, reason, time_us: time, .. } = fields;
    Ok((Record { head: revision(head), kind, source, actor, reason, time }, previous))
}
