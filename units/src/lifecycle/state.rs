//! The detailed states and result words of systemd, and the one table to the public state.

use crate::status::ActiveState;
use serde::{Deserialize, Serialize};

/// The detailed state (`SubState` of systemd).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not running; the last end was clean, or it never ran.
    #[default]
    Dead,
    /// `Condition*=` and `Assert*=` are looked at; nothing of the new life was touched yet.
    Check,
    /// `ExecCondition=` runs.
    Condition,
    /// `ExecStartPre=` runs.
    StartPre,
    /// `ExecStart=` was started and is not yet ready.
    Start,
    /// `ExecStartPost=` runs.
    StartPost,
    /// Up.
    Running,
    /// `RemainAfterExit=`: active with no process.
    Exited,
    /// A target that was started.
    Active,
    /// `ExecReload=` runs.
    Reload,
    /// The reload signal was sent; waits for `RELOADING=1`.
    ReloadSignal,
    /// It said `RELOADING=1`; waits for `READY=1`.
    ReloadNotify,
    /// `ExecStop=` runs.
    Stop,
    /// The watchdog fired and `SIGABRT` was sent.
    StopWatchdog,
    /// `KillSignal=` was sent.
    StopSigterm,
    /// `FinalKillSignal=` was sent.
    StopSigkill,
    /// `ExecStopPost=` runs.
    StopPost,
    /// What was left after the main process got `KillSignal=`.
    FinalSigterm,
    /// What was left after that got `FinalKillSignal=`.
    FinalSigkill,
    /// Not running because something went wrong.
    Failed,
    /// Waits for `RestartSec=`.
    AutoRestart,
}

impl State {
    /// Every state, in the order of a life.
    pub const ALL: [State; 21] = [
        State::Dead,
        State::Check,
        State::Condition,
        State::StartPre,
        State::Start,
        State::StartPost,
        State::Running,
        State::Exited,
        State::Active,
        State::Reload,
        State::ReloadSignal,
        State::ReloadNotify,
        State::Stop,
        State::StopWatchdog,
        State::StopSigterm,
        State::StopSigkill,
        State::StopPost,
        State::FinalSigterm,
        State::FinalSigkill,
        State::Failed,
        State::AutoRestart,
    ];

    /// systemd's word and the public state: the one table between the two levels.
    const fn row(self) -> (&'static str, ActiveState) {
        match self {
            State::Dead => ("dead", ActiveState::Inactive),
            // systemd looks at them within one step and has no word of its own for it.
            State::Check | State::Condition => ("condition", ActiveState::Activating),
            State::StartPre => ("start-pre", ActiveState::Activating),
            State::Start => ("start", ActiveState::Activating),
            State::StartPost => ("start-post", ActiveState::Activating),
            State::Running => ("running", ActiveState::Active),
            State::Exited => ("exited", ActiveState::Active),
            State::Active => ("active", ActiveState::Active),
            State::Reload => ("reload", ActiveState::Reloading),
            State::ReloadSignal => ("reload-signal", ActiveState::Reloading),
            State::ReloadNotify => ("reload-notify", ActiveState::Reloading),
            State::Stop => ("stop", ActiveState::Deactivating),
            State::StopWatchdog => ("stop-watchdog", ActiveState::Deactivating),
            State::StopSigterm => ("stop-sigterm", ActiveState::Deactivating),
            State::StopSigkill => ("stop-sigkill", ActiveState::Deactivating),
            State::StopPost => ("stop-post", ActiveState::Deactivating),
            State::FinalSigterm => ("final-sigterm", ActiveState::Deactivating),
            State::FinalSigkill => ("final-sigkill", ActiveState::Deactivating),
            State::Failed => ("failed", ActiveState::Failed),
            State::AutoRestart => ("auto-restart", ActiveState::Activating),
        }
    }

    /// systemd's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The public state.
    #[must_use]
    pub const fn active_state(self) -> ActiveState {
        self.row().1
    }

    /// Whether no process of the unit runs on behalf of this state, and none will without a further event.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, State::Dead | State::Check | State::Failed | State::AutoRestart)
    }
}

/// How a unit's life ended, or what went wrong in it (`Result` of systemd).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing went wrong.
    #[default]
    Success,
    /// The unit did not keep to its type: it never said READY=1, its PIDFile names no process of it.
    Protocol,
    /// A timeout of the unit passed.
    Timeout,
    /// A process ended with an unclean exit code.
    ExitCode,
    /// A process was ended by an unclean signal.
    Signal,
    /// As signal, with a core dump.
    CoreDump,
    /// The watchdog of `WatchdogSec=` was not fed.
    Watchdog,
    /// The health check said unhealthy; for `Restart=` the same as the watchdog, and shown with its word.
    Unhealthy,
    /// Started too often (`StartLimitBurst=`).
    StartLimitHit,
    /// A process could not be started for want of something on the host.
    Resources,
    /// `ExecCondition=` said no.
    ExecCondition,
    /// A `Condition*=` was not met: the start was skipped. systemd leaves its result alone and has ConditionResult=no.
    Condition,
    /// An `Assert*=` was not met: the start failed, the unit stays inactive.
    Assert,
}

impl Outcome {
    /// Whether the start was skipped because the unit said so, which is no failure.
    #[must_use]
    pub const fn is_skip(self) -> bool {
        matches!(self, Outcome::ExecCondition | Outcome::Condition)
    }

    /// systemd's result word, also `$SERVICE_RESULT`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Protocol => "protocol",
            Outcome::Timeout => "timeout",
            Outcome::ExitCode => "exit-code",
            Outcome::Signal => "signal",
            Outcome::CoreDump => "core-dump",
            Outcome::Watchdog | Outcome::Unhealthy => "watchdog",
            Outcome::StartLimitHit => "start-limit-hit",
            Outcome::Resources => "resources",
            Outcome::ExecCondition => "exec-condition",
            Outcome::Condition => "condition",
            Outcome::Assert => "assert",
        }
    }
}
