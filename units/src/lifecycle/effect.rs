//! What a machine wants done.

use super::{Role, State, Timer};
use crate::time::Moment;
use serde::{Deserialize, Serialize};

/// The Exec lines of a service, in the order of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// `ExecCondition=`
    Condition,
    /// `ExecStartPre=`
    StartPre,
    /// `ExecStart=`
    Start,
    /// `ExecStartPost=`
    StartPost,
    /// `ExecReload=`
    Reload,
    /// `ExecStop=`
    Stop,
    /// `ExecStopPost=`
    StopPost,
}

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The main process.
    Main,
    /// The control process.
    Control,
    /// Every process of the unit.
    All,
}

/// Something to do, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Look at `Condition*=` and `Assert*=` now; answered by `Checked`.
    Check,
    /// A new life begins: a new invocation id, delivered files, directories.
    Begin,
    /// Start command `index` of `phase`; answered by `Spawned` or `SpawnFailed`.
    Spawn {
        /// Which Exec line.
        phase: Phase,
        /// Which of its commands, from 0.
        index: usize,
        /// The place the process takes.
        role: Role,
    },
    /// Send each of `signals` to all `targets`; answered once, by `Killed`, with the count of the first signal.
    Kill {
        /// The state this was made in, for the answer.
        state: State,
        /// Whom.
        targets: Vec<Target>,
        /// Numbers, in order.
        signals: Vec<i32>,
    },
    /// Send one signal; not answered.
    Signal {
        /// Whom.
        target: Target,
        /// Its number.
        signal: i32,
    },
    /// Read the PIDFile; answered by `PidFile`.
    ReadPidFile,
    /// Make this process the main one, if it is the unit's; answered by `MainPid` or `NoMainPid`.
    Adopt(u32),
    /// If the unit has exactly one process, make it the main one; answered by `MainPid` or `NoMainPid`.
    GuessMain,
    /// Have `Due(timer)` told at this moment; replaces an earlier one of the same timer.
    Arm(Timer, Moment),
    /// The timer is not wanted any more.
    Disarm(Timer),
    /// The state changed to this one.
    Entered(State),
    /// The life is over: remove what belongs to it (cgroup, runtime directories).
    Over,
    /// The life ended for good with success or failure: `OnSuccess=` or `OnFailure=` start now.
    Trigger {
        /// Whether it failed.
        failed: bool,
    },
}
