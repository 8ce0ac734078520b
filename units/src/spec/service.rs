//! `[Service]` (systemd.service(5)) and how its processes are ended (systemd.kill(5)).

use super::details::ServiceDetails;
use super::resources::ResourceSpec;
use super::{ExecCommand, ExecSpec};
use std::collections::BTreeSet;
use std::time::Duration;

/// A service as understood.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceSpec {
    /// `Type=`
    pub service_type: ServiceType,
    /// `RemainAfterExit=`
    pub remain_after_exit: bool,
    /// `PIDFile=`, absolute (a relative one is below /run).
    pub pid_file: Option<String>,
    /// `ExecCondition=`
    pub exec_condition: Vec<ExecCommand>,
    /// `ExecStartPre=`
    pub exec_start_pre: Vec<ExecCommand>,
    /// `ExecStart=`: one command, for oneshot any number.
    pub exec_start: Vec<ExecCommand>,
    /// `ExecStartPost=`
    pub exec_start_post: Vec<ExecCommand>,
    /// `ExecReload=`
    pub exec_reload: Vec<ExecCommand>,
    /// `ExecStop=`
    pub exec_stop: Vec<ExecCommand>,
    /// `ExecStopPost=`
    pub exec_stop_post: Vec<ExecCommand>,
    /// `Restart=`
    pub restart: Restart,
    /// `RestartSec=`; default 100 ms.
    pub restart_sec: Duration,
    /// `RestartSteps=`; 0 means no back-off.
    pub restart_steps: u32,
    /// `RestartMaxDelaySec=`; `None` is infinity.
    pub restart_max_delay: Option<Duration>,
    /// `TimeoutStartSec=`; `None` is infinity. Default 90 s, infinity for oneshot.
    pub timeout_start: Option<Duration>,
    /// `TimeoutStopSec=`; `None` is infinity. Default 90 s.
    pub timeout_stop: Option<Duration>,
    /// `TimeoutAbortSec=`; default that of stop.
    pub timeout_abort: Option<Duration>,
    /// `RuntimeMaxSec=`; `None` is infinity.
    pub runtime_max: Option<Duration>,
    /// `WatchdogSec=`; `None` is off.
    pub watchdog: Option<Duration>,
    /// `SuccessExitStatus=`, besides 0 and SIGHUP, SIGINT, SIGTERM, SIGPIPE.
    pub success_exit_status: ExitStatusSet,
    /// `RestartPreventExitStatus=`
    pub restart_prevent: ExitStatusSet,
    /// `RestartForceExitStatus=`
    pub restart_force: ExitStatusSet,
    /// `NotifyAccess=`; default main for Type=notify, none otherwise.
    pub notify_access: NotifyAccess,
    /// How it is ended.
    pub kill: KillSpec,
    /// The environment its processes run in.
    pub exec: ExecSpec,
    /// What cgroups bound, weigh and count.
    pub resources: Option<Box<ResourceSpec>>,
    /// What few services set.
    pub details: Option<Box<ServiceDetails>>,
}

impl Default for ServiceSpec {
    /// A simple service without commands.
    fn default() -> Self {
        let ninety = Some(Duration::from_secs(90));
        ServiceSpec {
            service_type: ServiceType::Simple,
            remain_after_exit: false,
            pid_file: None,
            exec_condition: Vec::new(),
            exec_start_pre: Vec::new(),
            exec_start: Vec::new(),
            exec_start_post: Vec::new(),
            exec_reload: Vec::new(),
            exec_stop: Vec::new(),
            exec_stop_post: Vec::new(),
            restart: Restart::No,
            restart_sec: Duration::from_millis(100),
            restart_steps: 0,
            restart_max_delay: None,
            timeout_start: ninety,
            timeout_stop: ninety,
            timeout_abort: ninety,
            runtime_max: None,
            watchdog: None,
            success_exit_status: ExitStatusSet::default(),
            restart_prevent: ExitStatusSet::default(),
            restart_force: ExitStatusSet::default(),
            notify_access: NotifyAccess::None,
            kill: KillSpec::default(),
            exec: ExecSpec::default(),
            resources: None,
            details: None,
        }
    }
}

/// `Type=`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceType {
    /// Started once forked.
    Simple,
    /// Started once executed.
    Exec,
    /// Started once the first process has exited.
    Forking,
    /// Started once all commands have exited with success.
    Oneshot,
    /// Started once it says READY=1.
    Notify,
    /// As notify; reloads by signal and says READY=1 again.
    NotifyReload,
    /// Started once its bus name is owned; without a bus as exec.
    Dbus,
    /// As simple, after other jobs are done.
    Idle,
}

/// `Restart=`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Restart {
    /// Never.
    No,
    /// After a clean end.
    OnSuccess,
    /// After an unclean exit code, signal, timeout or watchdog.
    OnFailure,
    /// After an unclean signal, timeout or watchdog.
    OnAbnormal,
    /// After the watchdog only.
    OnWatchdog,
    /// After an unclean signal only.
    OnAbort,
    /// Whatever the end, unless asked to stop.
    Always,
}

/// A set of exit codes and signals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitStatusSet {
    /// Exit codes.
    pub codes: BTreeSet<i32>,
    /// Signal numbers.
    pub signals: BTreeSet<i32>,
}

/// `NotifyAccess=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyAccess {
    /// Nobody is listened to.
    None,
    /// The main process.
    Main,
    /// Processes of Exec*= lines.
    Exec,
    /// Every process of the unit.
    All,
}

/// `KillMode=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillMode {
    /// All processes of the unit.
    ControlGroup,
    /// The signal to the main process, the final kill to all.
    Mixed,
    /// The main process only.
    Process,
    /// Nobody; only ExecStop= runs.
    None,
}

/// How processes are ended (systemd.kill(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillSpec {
    /// `KillMode=`
    pub mode: KillMode,
    /// `KillSignal=`; default SIGTERM.
    pub signal: i32,
    /// `RestartKillSignal=`; default that of `signal`.
    pub restart_signal: i32,
    /// `SendSIGHUP=`
    pub send_sighup: bool,
    /// `SendSIGKILL=`; default yes.
    pub send_sigkill: bool,
    /// `FinalKillSignal=`; default SIGKILL.
    pub final_signal: i32,
    /// `ReloadSignal=`; default SIGHUP.
    pub reload_signal: i32,
}

impl Default for KillSpec {
    fn default() -> Self {
        // SIGHUP, SIGKILL, SIGTERM; numbers are the same on all architectures of Linux.
        let (hup, kill, term) = (1, 9, 15);
        KillSpec {
            mode: KillMode::ControlGroup,
            signal: term,
            restart_signal: term,
            send_sighup: false,
            send_sigkill: true,
            final_signal: kill,
            reload_signal: hup,
        }
    }
}
