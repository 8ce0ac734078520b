//! What few units set: the rest of `[Unit]` (systemd.unit(5)) and of `[Service]` (systemd.service(5)).

use super::keyword::keywords;
use super::value::credential::OpenFile;
use super::value::mount::PathRule;
use crate::ids::UnitName;
use std::collections::BTreeSet;
use std::time::Duration;

/// The rest of `[Unit]` and `[Install]`; what is `None` or empty was not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnitDetails {
    /// `Upholds=`
    pub upholds: BTreeSet<UnitName>,
    /// `PropagatesReloadTo=`
    pub propagates_reload_to: BTreeSet<UnitName>,
    /// `ReloadPropagatedFrom=`
    pub reload_propagated_from: BTreeSet<UnitName>,
    /// `PropagatesStopTo=`
    pub propagates_stop_to: BTreeSet<UnitName>,
    /// `StopPropagatedFrom=`
    pub stop_propagated_from: BTreeSet<UnitName>,
    /// `JoinsNamespaceOf=`
    pub joins_namespace_of: BTreeSet<UnitName>,
    /// `RequiresMountsFor=`
    pub requires_mounts_for: Vec<PathRule>,
    /// `WantsMountsFor=`
    pub wants_mounts_for: Vec<PathRule>,
    /// `OnSuccessJobMode=`
    pub on_success_job_mode: Option<JobMode>,
    /// `OnFailureJobMode=`, `OnFailureIsolate=`
    pub on_failure_job_mode: Option<JobMode>,
    /// `StopWhenUnneeded=`
    pub stop_when_unneeded: bool,
    /// `RefuseManualStart=`
    pub refuse_manual_start: bool,
    /// `RefuseManualStop=`
    pub refuse_manual_stop: bool,
    /// `SurviveFinalKillSignal=`
    pub survive_final_kill: bool,
    /// `JobTimeoutSec=`
    pub job_timeout: Option<Duration>,
    /// `JobRunningTimeoutSec=`
    pub job_running_timeout: Option<Duration>,
    /// `JobTimeoutAction=`
    pub job_timeout_action: HostAction,
    /// `JobTimeoutRebootArgument=`
    pub job_timeout_reboot_argument: Option<String>,
    /// `StartLimitAction=`
    pub start_limit_action: HostAction,
    /// `FailureAction=`
    pub failure_action: HostAction,
    /// `SuccessAction=`
    pub success_action: HostAction,
    /// `FailureActionExitStatus=`
    pub failure_exit_status: Option<u8>,
    /// `SuccessActionExitStatus=`
    pub success_exit_status: Option<u8>,
    /// `RebootArgument=`
    pub reboot_argument: Option<String>,
    /// `UpheldBy=`
    pub upheld_by: BTreeSet<UnitName>,
}

/// The rest of `[Service]`; what is `None` or empty was not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceDetails {
    /// `ExitType=`
    pub exit_type: ExitType,
    /// `RestartMode=`
    pub restart_mode: RestartMode,
    /// `TimeoutStartFailureMode=`
    pub timeout_start_failure: TimeoutFailure,
    /// `TimeoutStopFailureMode=`
    pub timeout_stop_failure: TimeoutFailure,
    /// `RuntimeRandomizedExtraSec=`
    pub runtime_random_extra: Option<Duration>,
    /// `WatchdogSignal=`
    pub watchdog_signal: Option<i32>,
    /// `RootDirectoryStartOnly=`
    pub root_directory_start_only: bool,
    /// `PermissionsStartOnly=`
    pub permissions_start_only: bool,
    /// `GuessMainPID=`
    pub guess_main_pid: Option<bool>,
    /// `NonBlocking=`
    pub non_blocking: bool,
    /// `BusName=`
    pub bus_name: Option<String>,
    /// `Sockets=`
    pub sockets: BTreeSet<UnitName>,
    /// `FileDescriptorStoreMax=`
    pub stored_descriptors_max: u32,
    /// `FileDescriptorStorePreserve=`
    pub preserve_descriptors: PreserveDescriptors,
    /// `OpenFile=`, in order.
    pub open_files: Vec<OpenFile>,
    /// `OOMPolicy=`
    pub oom_policy: Option<OomPolicy>,
    /// `USBFunctionDescriptors=`
    pub usb_descriptors: Option<String>,
    /// `USBFunctionStrings=`
    pub usb_strings: Option<String>,
    /// `ReloadLimitIntervalSec=`
    pub reload_limit_interval: Option<Duration>,
    /// `ReloadLimitBurst=`
    pub reload_limit_burst: Option<u32>,
    /// `RefreshOnReload=`: what is made anew before a reload.
    pub refresh_on_reload: Vec<String>,
}

keywords! {
    /// `ExitType=`
    ExitType { Main = "main", Cgroup = "cgroup" }

    /// `RestartMode=`
    RestartMode { Normal = "normal", Direct = "direct", Debug = "debug" }

    /// `TimeoutStartFailureMode=` and `TimeoutStopFailureMode=`
    TimeoutFailure { Terminate = "terminate", Abort = "abort", Kill = "kill" }

    /// `FileDescriptorStorePreserve=`
    PreserveDescriptors { Restart = "restart", No = "no", Yes = "yes" }

    /// `OOMPolicy=`
    OomPolicy { Stop = "stop", Continue = "continue", Kill = "kill" }

    /// How units of `OnFailure=` and `OnSuccess=` are queued.
    JobMode {
        Replace = "replace",
        Fail = "fail",
        ReplaceIrreversibly = "replace-irreversibly",
        Isolate = "isolate",
        Flush = "flush",
        IgnoreDependencies = "ignore-dependencies",
        IgnoreRequirements = "ignore-requirements",
        Lenient = "lenient",
        RestartDependencies = "restart-dependencies",
        Triggering = "triggering",
    }

    /// What happens to the host.
    HostAction {
        None = "none",
        Reboot = "reboot",
        RebootForce = "reboot-force",
        RebootImmediate = "reboot-immediate",
        PowerOff = "poweroff",
        PowerOffForce = "poweroff-force",
        PowerOffImmediate = "poweroff-immediate",
        Exit = "exit",
        ExitForce = "exit-force",
        SoftReboot = "soft-reboot",
        SoftRebootForce = "soft-reboot-force",
        Kexec = "kexec",
        KexecForce = "kexec-force",
        Halt = "halt",
        HaltForce = "halt-force",
        HaltImmediate = "halt-immediate",
    }
}
