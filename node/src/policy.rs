//! `policy.toml`: what any unit may ask on this host, out of the coordinator's reach.
//!
//! The agent loads it at its start and asks [`Policy::judge`] before a unit becomes part of what the node runs; a
//! refused unit keeps its last allowed form and shows the reason. The file belongs to root where the node runs as root
//! (else to root or the node's own user) and is writable by nobody else, or the node does not start.
//!
//! ```toml
//! users = ["www-data", "nobody"]      # User= may name only these; without the key: any
//! allow_root = false                  # units may run as root (User=root, or none); the default is false
//! exec_prefix = ["/usr/", "/opt/app"] # programs lie below one of these; without the key: anywhere
//! files_dest = ["/etc/nginx"]         # Files= may bind below these; without the key: anywhere
//! require_signed = false              # only units from signed commits
//! ```

use fleet_units::diagnostic::Reason;
use fleet_units::spec::{ExecCommand, ServiceSpec, UnitSpec};
use nix::unistd::{Uid, User};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// Where a program without a path is looked up (systemd's default search path, systemd-path(1)).
const SEARCH_PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Why a policy file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("reading the policy {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else could have written it.
    #[error("the policy {path} is not trusted: {why}")]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the way on.
        why: String,
    },
    /// It is no TOML, or has a key that no policy has.
    #[error("the policy {path} cannot be understood: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line and cause.
        why: String,
    },
}

/// What units may ask on this host. Of the lists, `None` is no bound and an empty one allows nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The users a unit may run as, by name or number.
    pub users: Option<Vec<String>>,
    /// Whether a unit may run as root.
    pub allow_root: bool,
    /// Folders programs have to lie in.
    pub exec_prefix: Option<Vec<PathBuf>>,
    /// Folders delivered files may be bound in.
    pub files_dest: Option<Vec<PathBuf>>,
    /// Whether units have to come from signed commits.
    pub require_signed: bool,
    /// Whether the node runs as root; without root a unit without `User=` is none of root's.
    #[serde(skip, default = "is_root")]
    as_root: bool,
}

impl Default for Policy {
    /// The built-in policy: no unit runs as root, nothing else is bounded.
    fn default() -> Self {
        let (users, exec_prefix, files_dest) = (None, None, None);
        Policy { users, allow_root: false, exec_prefix, files_dest, require_signed: false, as_root: is_root() }
    }
}

fn is_root() -> bool {
    Uid::effective().is_root()
}

impl Policy {
    /// Reads `path`. An error when it is missing, writable by others, owned by another, or not understood.
    pub fn load(path: &Path) -> Result<Policy, PolicyError> {
        let read = |source| PolicyError::Read { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        let own = Uid::effective().as_raw();
        if let Some(why) = untrusted(metadata.uid(), metadata.mode(), own) {
            return Err(PolicyError::Untrusted { path: path.to_owned(), why });
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(read)?;
        toml::from_str(&text).map_err(|error| PolicyError::Malformed { path: path.to_owned(), why: error.to_string() })
    }

    /// Whether this host lets `unit` run; the error names what it asks and the key that forbids it.
    pub fn judge(&self, unit: &UnitSpec) -> Result<(), Reason> {
        if self.require_signed {
            let text = "the policy of this host has require_signed = true, and this version does not check signatures";
            return Err(Reason::new("policy-signed", text));
        }
        if let Some(service) = unit.service() {
            judge_folders(service)?;
            self.judge_users(service)?;
            commands(service).try_for_each(|command| self.judge_program(command))?;
        }
        unit.fleet.files.iter().filter_map(|file| file.destination.as_deref()).try_for_each(|to| self.judge_file(to))
    }

    fn judge_users(&self, service: &ServiceSpec) -> Result<(), Reason> {
        let user = if service.exec.user.is_empty() { own_user() } else { service.exec.user.clone() };
        if self.as_root && !self.allow_root {
            let why = match commands(service).find(|command| command.privileged) {
                _ if names_root(&user) => "it would run as root (no User=, or User=root)".to_owned(),
                Some(command) => format!("{} is marked to run with full privileges", command.program),
                None => String::new(),
            };
            if !why.is_empty() {
                let text = format!("{why}, and the policy of this host has allow_root = false; set User=");
                return Err(Reason::new("policy-root", text));
            }
        }
        match &self.users {
            Some(users) if !users.iter().any(|allowed| same_user(allowed, &user)) => {
                Err(Reason::new("policy-user", format!("the policy of this host does not list {user} in users")))
            }
            _ => Ok(()),
        }
    }

    fn judge_program(&self, command: &ExecCommand) -> Result<(), Reason> {
        let Some(prefixes) = &self.exec_prefix else {
            return Ok(());
        };
        match located(&command.program) {
            Some(path) if below(&path, prefixes) => Ok(()),
            _ => {
                let text = format!("the policy of this host has no exec_prefix that covers {}", command.program);
                Err(Reason::new("policy-exec", text))
            }
        }
    }

    fn judge_file(&self, destination: &str) -> Result<(), Reason> {
        match &self.files_dest {
            Some(prefixes) if !below(Path::new(destination), prefixes) => {
                let text = format!("the policy of this host has no files_dest that covers {destination}");
                Err(Reason::new("policy-files", text))
            }
            _ => Ok(()),
        }
    }
}

/// The folders of Fleet itself are no unit's, whatever the policy says.
fn judge_folders(service: &ServiceSpec) -> Result<(), Reason> {
    let exec = &service.exec;
    let settings = [
        &exec.runtime_directory,
        &exec.state_directory,
        &exec.cache_directory,
        &exec.logs_directory,
        &exec.configuration_directory,
    ];
    let is_own = |name: &&String| {
        let first = Path::new(name.as_str()).components().find(|part| matches!(part, Component::Normal(_)));
        first == Some(Component::Normal("fleet".as_ref()))
    };
    match settings.iter().flat_map(|setting| &setting.names).find(is_own) {
        Some(name) => Err(Reason::new("policy-directory", format!("the folder {name} is Fleet's own; choose another"))),
        None => Ok(()),
    }
}

/// Why a file of this owner and mode is no policy for a node that runs as `own`.
fn untrusted(owner: u32, mode: u32, own: u32) -> Option<String> {
    if owner != 0 && owner != own {
        return Some(format!(
            "it belongs to user {owner}; it has to belong to root or to user {own}, which the node runs as"
        ));
    }
    (mode & 0o022 != 0).then(|| format!("its mode {:o} lets others write it; chmod go-w it", mode & 0o7777))
}

fn commands(service: &ServiceSpec) -> impl Iterator<Item = &ExecCommand> {
    [
        &service.exec_condition,
        &service.exec_start_pre,
        &service.exec_start,
        &service.exec_start_post,
        &service.exec_reload,
        &service.exec_stop,
        &service.exec_stop_post,
    ]
    .into_iter()
    .flatten()
}

fn own_user() -> String {
    match User::from_uid(Uid::effective()) {
        Ok(Some(user)) => user.name,
        _ => Uid::effective().to_string(),
    }
}

fn number(user: &str) -> Option<u32> {
    user.parse().ok().or_else(|| User::from_name(user).ok().flatten().map(|user| user.uid.as_raw()))
}

fn names_root(user: &str) -> bool {
    number(user) == Some(0)
}

fn same_user(a: &str, b: &str) -> bool {
    a == b || (number(a).is_some() && number(a) == number(b))
}

/// Where a program lies: itself when absolute, this binary for the bare name `fleet`, else the first in the search path.
fn located(program: &str) -> Option<PathBuf> {
    let path = Path::new(program);
    if path.is_absolute() {
        return Some(path.to_owned());
    }
    if program == "fleet" {
        return std::env::current_exe().ok();
    }
    SEARCH_PATH.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// Whether `path` lies in one of the folders, by its components; a path with `..` does not.
fn below(path: &Path, prefixes: &[PathBuf]) -> bool {
    !path.components().any(|part| part == Component::ParentDir)
        && prefixes.iter().any(|prefix| path.starts_with(prefix))
}

#[cfg(test)]
pub(crate) mod tests;
