//! What a machine knows, in a form that outlives the agent: the supervisor keeps it, the next agent reads it.

use super::restart::StartLimit;
use super::{Exit, Outcome, Phase, Role, State, Timer};
use crate::time::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of the main process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MainPid {
    /// There is none, or nobody knows which: then any process counts.
    #[default]
    Unknown,
    /// It was asked for and its pid is not told yet.
    Starting,
    /// It runs.
    Alive(u32),
    /// It ended.
    Dead,
}

/// Everything a [`super::Machine`] knows besides its unit's specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The present state.
    pub state: State,
    /// What went wrong first in the present or last life.
    pub outcome: Outcome,
    /// The main process.
    pub main: MainPid,
    /// The control process; `Some(0)`: asked for and its pid is not told yet.
    pub control: Option<u32>,
    /// The command that runs: which line, which of its commands, in which place.
    pub command: Option<(Phase, usize, Role)>,
    /// How the main process ended, last.
    pub main_exit: Option<Exit>,
    /// Whether any process of the unit may be alive.
    pub populated: bool,
    /// Automatic restarts since it was last started by hand or by the reconciler.
    pub restarts: u32,
    /// Steps of the back-off taken since the last healthy stretch.
    pub step: u32,
    /// A stop was asked for: no restart follows.
    pub forbid_restart: bool,
    /// The stop is the first half of a restart.
    pub restarting: bool,
    /// The last reload failed.
    pub reload_failed: bool,
    /// Which conditions or assertions were not met, in words; empty when the last start got past them.
    pub unmet: String,
    /// STATUS= as last told.
    pub status_text: String,
    /// When it last became active, on this boot.
    pub up_since: Option<Moment>,
    /// The start limit's count.
    pub start_limit: StartLimit,
    /// Armed timers.
    pub timers: BTreeMap<Timer, Moment>,
}
