//! The environment processes run in (systemd.exec(5)) and the commands themselves.

pub mod credentials;
pub mod logging;
pub mod scheduling;
pub mod streams;

use super::isolation::IsolationSpec;
use super::value::amount::Amount;
use credentials::CredentialSpec;
use logging::LogSpec;
use scheduling::SchedulingSpec;
use std::collections::BTreeMap;
use std::time::Duration;
use streams::StreamSpec;

/// One `Exec*=` line; variables are not yet expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecCommand {
    /// The program: absolute, or a bare name looked up in the fixed search path.
    /// The bare name `fleet` is the node's own binary.
    pub program: String,
    /// The arguments, `argv[0]` first.
    pub argv: Vec<String>,
    /// `-`: an unclean end counts as clean.
    pub ignore_failure: bool,
    /// `:`: no `$VAR` expansion.
    pub no_expansion: bool,
    /// `+` or `!`: User= and Group= do not apply. (`!!` has no effect on kernels with ambient capabilities.)
    pub privileged: bool,
    /// `|`: it is a shell that was asked to run the line; `program` and `argv` are the shell's.
    pub shell: bool,
}

/// What applies to each process of a unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExecSpec {
    /// `User=`: name or number; empty is the node's own.
    pub user: String,
    /// `Group=`: name or number; empty is the user's.
    pub group: String,
    /// `SupplementaryGroups=`
    pub supplementary_groups: Vec<String>,
    /// `WorkingDirectory=`; `None` is `/`.
    pub working_directory: Option<WorkingDirectory>,
    /// `Environment=`, in order, later wins.
    pub environment: Vec<(String, String)>,
    /// `EnvironmentFile=`: path, and whether it may be missing (`-`).
    pub environment_files: Vec<(String, bool)>,
    /// `PassEnvironment=`
    pub pass_environment: Vec<String>,
    /// `UnsetEnvironment=`: names or assignments.
    pub unset_environment: Vec<String>,
    /// `UMask=`; default 0o022.
    pub umask: Option<u32>,
    /// `Limit*=`: resource name without `Limit` (`NOFILE`) to (soft, hard); `None` is infinity.
    pub limits: BTreeMap<String, (Option<u64>, Option<u64>)>,
    /// `Nice=`
    pub nice: Option<i32>,
    /// `OOMScoreAdjust=`
    pub oom_score_adjust: Option<i32>,
    /// `IgnoreSIGPIPE=`; default yes, so `None` means yes.
    pub ignore_sigpipe: Option<bool>,
    /// `StandardOutput=null` and the like are kept as written; empty is the default (`journal`).
    pub standard_output: String,
    /// As above; empty is that of `standard_output`.
    pub standard_error: String,
    /// `SyslogIdentifier=`
    pub syslog_identifier: String,
    /// `RuntimeDirectory=`: names below /run.
    pub runtime_directory: Directories,
    /// `RuntimeDirectoryPreserve=`: `no`, `restart` or `yes`.
    pub runtime_directory_preserve: Preserve,
    /// `StateDirectory=`: names below /var/lib.
    pub state_directory: Directories,
    /// `CacheDirectory=`: names below /var/cache.
    pub cache_directory: Directories,
    /// `LogsDirectory=`: names below /var/log.
    pub logs_directory: Directories,
    /// `ConfigurationDirectory=`: names below /etc.
    pub configuration_directory: Directories,
    /// `ExecSearchPath=`: where bare names of programs are looked up; empty is the fixed search path.
    pub search_path: Vec<String>,
    /// `TimeoutCleanSec=`; `None` is infinity.
    pub timeout_clean: Option<Duration>,
    /// Scheduling and memory.
    pub scheduling: Option<Box<SchedulingSpec>>,
    /// Input and terminal.
    pub streams: Option<Box<StreamSpec>>,
    /// What becomes of lines.
    pub logging: Option<Box<LogSpec>>,
    /// Credentials.
    pub credentials: Option<Box<CredentialSpec>>,
    /// What processes see and may do.
    pub isolation: Option<Box<IsolationSpec>>,
}

/// `WorkingDirectory=`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkingDirectory {
    /// Absolute, or `~` for the user's home.
    pub path: String,
    /// `-`: a missing one is no error.
    pub optional: bool,
}

/// One of the five directory settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directories {
    /// Relative names, below the setting's root.
    pub names: Vec<String>,
    /// The mode of the innermost folder; `None` is 0o755.
    pub mode: Option<u32>,
    /// Symbolic links beside them, and which are read-only.
    pub links: Vec<DirectoryLink>,
    /// `*DirectoryAccounting=`
    pub accounting: bool,
    /// `*DirectoryQuota=`; shares are of the file system.
    pub quota: Option<Amount>,
}

/// What `NAME:LINK:FLAGS` adds to a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryLink {
    /// The folder.
    pub name: String,
    /// A symbolic link to it, relative as the name; `None` is none.
    pub link: Option<String>,
    /// `ro`: the unit cannot write there.
    pub read_only: bool,
}

/// `RuntimeDirectoryPreserve=`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preserve {
    /// Removed when the unit stops.
    #[default]
    No,
    /// Kept over an automatic or manual restart.
    Restart,
    /// Never removed.
    Yes,
}
