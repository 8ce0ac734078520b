//! Where a unit's five directories are (systemd.exec(5), table 2): the system's places for root, a user manager's
//! for anyone else.

use fleet_proto::control::Directory;
use fleet_units::spec::{Directories, ExecSpec};
use std::path::{Path, PathBuf};

/// Exit status of a process whose configuration folder cannot be made.
const CONFIGURATION_DIRECTORY: u32 = 241;

/// The roots of the five directory settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// `RuntimeDirectory=`
    pub runtime: PathBuf,
    /// `StateDirectory=`
    pub state: PathBuf,
    /// `CacheDirectory=`
    pub cache: PathBuf,
    /// `LogsDirectory=`
    pub logs: PathBuf,
    /// `ConfigurationDirectory=`
    pub configuration: PathBuf,
    /// Whether units may have folders that are there and belong to other users, root among them: where units may be
    /// root anyway.
    pub take_over: bool,
}

impl Places {
    /// /run, /var/lib, /var/cache, /var/log, /etc.
    #[must_use]
    pub fn of_the_system() -> Places {
        Places {
            runtime: "/run".into(),
            state: "/var/lib".into(),
            cache: "/var/cache".into(),
            logs: "/var/log".into(),
            configuration: "/etc".into(),
            take_over: false,
        }
    }

    /// Those of a node that runs as the user of this process and has its runtime folder at `runtime`.
    #[must_use]
    pub fn of_this_user(runtime: &Path) -> Places {
        if nix::unistd::geteuid().is_root() {
            return Places::of_the_system();
        }
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let home = variable("HOME").unwrap_or_else(|| "/".into());
        Places::of_a_user(runtime, &home, variable)
    }

    /// Those of a user manager, from the XDG variables given by `variable`; `runtime` is the node's runtime folder,
    /// used where there is no `$XDG_RUNTIME_DIR`.
    #[must_use]
    pub fn of_a_user(runtime: &Path, home: &Path, variable: impl Fn(&str) -> Option<PathBuf>) -> Places {
        let or = |name: &str, other: PathBuf| variable(name).filter(|path| path.is_absolute()).unwrap_or(other);
        let state = or("XDG_STATE_HOME", home.join(".local/state"));
        Places {
            runtime: or("XDG_RUNTIME_DIR", runtime.join("units")),
            logs: state.join("log"),
            state,
            cache: or("XDG_CACHE_HOME", home.join(".cache")),
            configuration: or("XDG_CONFIG_HOME", home.join(".config")),
            take_over: true,
        }
    }

    /// The settings of one unit with their roots, variables and exit statuses.
    fn settings<'a>(&'a self, exec: &'a ExecSpec) -> [(&'a Path, &'a Directories, &'static str, u32); 5] {
        [
            (&self.runtime, &exec.runtime_directory, "RUNTIME_DIRECTORY", 233),
            (&self.state, &exec.state_directory, "STATE_DIRECTORY", 238),
            (&self.cache, &exec.cache_directory, "CACHE_DIRECTORY", 239),
            (&self.logs, &exec.logs_directory, "LOGS_DIRECTORY", 240),
            (&self.configuration, &exec.configuration_directory, "CONFIGURATION_DIRECTORY", CONFIGURATION_DIRECTORY),
        ]
    }

    /// The folders to make before a start.
    #[must_use]
    pub fn directories(&self, exec: &ExecSpec) -> Vec<Directory> {
        let make = |(root, directories, _, exit_status): (&Path, &Directories, _, u32)| {
            let mode = directories.mode.unwrap_or(0o755);
            let path = |name: &String| root.join(name).to_string_lossy().into_owned();
            // systemd.exec(5): configuration belongs to root, whatever the unit's user.
            let (keep_owner, take_over) = (exit_status == CONFIGURATION_DIRECTORY, self.take_over);
            let folder = |name| Directory { path: path(name), mode, exit_status, keep_owner, take_over };
            directories.names.iter().map(folder).collect::<Vec<_>>()
        };
        self.settings(exec).into_iter().flat_map(make).collect()
    }

    /// `RUNTIME_DIRECTORY` and the like: full paths joined by `:`, only for settings in use.
    pub fn variables(&self, exec: &ExecSpec) -> impl Iterator<Item = (String, String)> {
        let used = self.settings(exec).into_iter().filter(|(_, directories, _, _)| !directories.names.is_empty());
        let value = |(root, directories, variable, _): (&Path, &Directories, &str, _)| {
            let paths: Vec<_> = directories.names.iter().map(|name| root.join(name).display().to_string()).collect();
            (variable.to_owned(), paths.join(":"))
        };
        used.map(value).collect::<Vec<_>>().into_iter()
    }

    /// The runtime directories, to be removed when the unit is over.
    #[must_use]
    pub fn runtime_directories(&self, exec: &ExecSpec) -> Vec<String> {
        exec.runtime_directory.names.iter().map(|name| self.runtime.join(name).to_string_lossy().into_owned()).collect()
    }
}
