//! What an environment ran: its head log, for people.

use super::bad;
use super::environments::Source;
use super::error::SourceError;
use super::git::oid;
use super::log::{Kind, Record};
use fleet_units::ids::{EnvironmentName, Revision};
use fleet_units::time::Timestamp;

/// One accepted head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// How it came.
    pub record: Record,
    /// Its commit's subject; foreign text.
    pub subject: String,
    /// Whether the environment converged on it.
    pub converged: bool,
    /// Whether what it ran was rolled back and is refused.
    pub bad: bool,
}

impl Source {
    /// The environment's accepted heads, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn history(&mut self, environment: &EnvironmentName, limit: usize) -> Result<Vec<HistoryEntry>, SourceError> {
        self.known(environment)?;
        let log = self.log(environment)?.clone();
        let entries = log.heads().rev().take(limit).map(|record| {
            Ok(HistoryEntry {
                record: record.clone(),
                subject: self.git.facts(&record.head)?.subject,
                converged: log.converged(&record.head),
                bad: bad::mark(&self.git, environment, oid(&record.head))?.is_some(),
            })
        });
        entries.collect()
    }

    /// Notes that the environment converged on `head`, once. Trees rolled back before are superseded by it, unless it
    /// is itself a rollback. Tells whether anything was written.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn record_converged(
        &mut self,
        environment: &EnvironmentName,
        head: &Revision,
        now: Timestamp,
    ) -> Result<bool, SourceError> {
        self.known(environment)?;
        let log = self.log(environment)?;
        let Some(accepted) = log.accepted().filter(|record| record.head == *head) else { return Ok(false) };
        if log.converged(head) {
            return Ok(false);
        }
        let rollback = accepted.kind == Kind::Rollback;
        let record = Record {
            head: head.clone(),
            kind: Kind::Converged,
            source: None,
            actor: String::new(),
            reason: String::new(),
            time: now,
        };
        self.append(environment, &record)?;
        if !rollback {
            let moves = bad::supersede(&self.git, environment, oid(head))?;
            if !moves.is_empty() {
                super::intent::carry_out(&self.git, moves, "superseded")?;
            }
        }
        Ok(true)
    }
}

/// The day of a time in UTC, `2026-11-19`.
pub(crate) fn day(time: Timestamp) -> String {
    let micros = i64::try_from(time.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).map(|time| time.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}
