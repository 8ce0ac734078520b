//! What can happen to a unit.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::State;
use crate::conditions::Verdict;

/// Which of the unit's two places a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The process the unit is about.
    Main,
    /// A helper: conditions, pre, post, reload, stop, and the first process of a forking service.
    Control,
}

impl Role {
    /// The word of the control protocol.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Main => "main",
            Role::Control => "control",
        }
    }
}

/// How a process ended (wait(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It returned this code, 0 to 255.
    Code(i32),
    /// This signal ended it.
    Signal {
        /// The number.
        number: i32,
        /// Whether a core was dumped.
        core: bool,
    },
}

/// A timer of the machine; of each there is at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timer {
    /// The present state lasts too long; in auto-restart: it is time.
    State,
    /// `WatchdogSec=`.
    Watchdog,
    /// Time to look for the PIDFile again.
    PidFile,
}

/// What a notify message (sd_notify(3)) says, and its sender was allowed to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// `READY=1`
    Ready,
    /// `RELOADING=1`
    Reloading,
    /// `STOPPING=1`
    Stopping,
    /// `MAINPID=`
    MainPid(u32),
    /// `STATUS=`
    Status(String),
    /// `WATCHDOG=1`
    Watchdog,
    /// `WATCHDOG=trigger`
    WatchdogTrigger,
    /// `EXTEND_TIMEOUT_USEC=`: the present state may last so much longer from now.
    ExtendTimeout(Duration),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A start is asked for. A person's (`fresh`) clears the start limit; a job's counts against it.
    Start {
        /// Whether the count of earlier starts is forgotten first.
        fresh: bool,
    },
    /// A stop is asked for.
    Stop {
        /// It will be started again at once: `RestartKillSignal=` applies.
        restarting: bool,
    },
    /// A reload is asked for.
    Reload,
    /// Answer to [`super::Effect::Check`].
    Checked(Verdict),
    /// A process the machine asked for runs; its exec succeeded.
    Spawned {
        /// Its place.
        role: Role,
        /// Its process id.
        pid: u32,
    },
    /// A process the machine asked for did not come to run.
    SpawnFailed {
        /// Its place.
        role: Role,
        /// systemd's EXIT_* number for the step that failed (systemd.exec(5)); 0: the host lacks something.
        exit_status: i32,
    },
    /// A process of the unit ended.
    Exited {
        /// Its process id.
        pid: u32,
        /// How.
        exit: Exit,
    },
    /// The kill asked for in this state was done.
    Killed {
        /// The state the effect was made in.
        state: State,
        /// How many processes got the signal.
        processes: u32,
        /// Whether the unit has any process.
        populated: bool,
    },
    /// The unit's last process is gone.
    Emptied,
    /// This process is the main one now: answer to [`super::Effect::Adopt`] and [`super::Effect::GuessMain`].
    MainPid(u32),
    /// No main process was found or the one named is not the unit's: answer to adopt and guess.
    NoMainPid,
    /// What the PIDFile holds; `None`: it is missing or holds no number.
    PidFile(Option<u32>),
    /// A notify message.
    Notified(Notice),
    /// A timer the machine armed is due.
    Due(Timer),
    /// The unit's health check failed often enough.
    Unhealthy,
}
