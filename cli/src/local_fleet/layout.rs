//! Where a local fleet keeps what.

use crate::error::{CommandError, CommandResult};
use fleet_units::ids::Sha256Digest;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// The folders of a local fleet.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// D, absolute.
    pub(crate) root: PathBuf,
    /// Where sockets and delivered files live: short and, as root, open to every user, since units run as others.
    runtime: PathBuf,
}

impl Layout {
    /// The layout below `dir`, or below `$XDG_STATE_HOME/fleet/local`. Makes the folder, 0700.
    pub(crate) fn new(dir: Option<&Path>) -> CommandResult<Layout> {
        let root = match dir {
            Some(dir) => std::path::absolute(dir)
                .map_err(|error| CommandError::because(format!("cannot resolve {}", dir.display()), error))?,
            None => state_home()?.join("fleet/local"),
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&root)
            .map_err(|error| CommandError::because(format!("cannot make {}", root.display()), error))?;
        let root = root
            .canonicalize()
            .map_err(|error| CommandError::because(format!("cannot resolve {}", root.display()), error))?;
        let name = format!("local-{}", Self::hash(&root));
        let runtime = if rustix::process::geteuid().is_root() {
            Path::new("/run/fleet").join(name)
        } else {
            user_runtime()?.join(name)
        };
        Ok(Layout { root, runtime })
    }

    /// Tells folders apart in names that must be short.
    fn hash(root: &Path) -> String {
        Sha256Digest::of(root.as_os_str().as_encoded_bytes()).to_string()[..8].to_owned()
    }

    /// The name of the context: `local` for the default folder, `local-HASH` for others.
    pub(crate) fn context_name(&self) -> String {
        match self.is_default() {
            true => "local".to_owned(),
            false => format!("local-{}", Self::hash(&self.root)),
        }
    }

    /// Whether it is the folder `fleet up` uses when none is given.
    pub(crate) fn is_default(&self) -> bool {
        let default = state_home().map(|home| home.join("fleet/local"));
        default.is_ok_and(|default| default.canonicalize().is_ok_and(|default| default == self.root))
    }

    /// The keeper's lock.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Ports and numbers of this fleet.
    pub(crate) fn settings(&self) -> PathBuf {
        self.root.join("fleet.json")
    }

    /// A detached keeper's words.
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("up.log")
    }

    /// The coordinator's state folder.
    pub(crate) fn server(&self) -> PathBuf {
        self.root.join("server")
    }

    /// The ready working clone.
    pub(crate) fn clone(&self) -> PathBuf {
        self.root.join("config")
    }

    /// The state folders of all nodes.
    pub(crate) fn nodes(&self) -> PathBuf {
        self.root.join("nodes")
    }

    /// What units may ask of this host, for all nodes of this fleet.
    pub(crate) fn policy(&self) -> PathBuf {
        self.root.join("policy.toml")
    }

    /// One node's state folder.
    pub(crate) fn node(&self, name: &str) -> PathBuf {
        self.nodes().join(name)
    }

    /// One node's runtime folder.
    pub(crate) fn node_runtime(&self, name: &str) -> PathBuf {
        self.runtime.join(format!("node-{name}"))
    }

    /// The runtime folder of all nodes.
    pub(crate) fn runtime(&self) -> &Path {
        &self.runtime
    }
}

/// `$XDG_RUNTIME_DIR/fleet`, or `/tmp/fleet-UID` where there is none: made, and refused unless it is this user's alone.
pub(crate) fn user_runtime() -> CommandResult<PathBuf> {
    match absolute("XDG_RUNTIME_DIR").filter(|path| path.is_dir()) {
        Some(user) => Ok(user.join("fleet")),
        None => own_folder(PathBuf::from(format!("/tmp/fleet-{}", rustix::process::geteuid().as_raw()))),
    }
}

/// A folder at a path that anybody could have taken: made, 0700; one that is there has to be ours to write alone.
fn own_folder(path: PathBuf) -> CommandResult<PathBuf> {
    let failed = |error| CommandError::because(format!("cannot make {}", path.display()), error);
    match std::fs::DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let found = path.symlink_metadata().map_err(failed)?;
    let is_ours = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0;
    if !is_ours {
        let error = format!("{} is not a folder that only this user may write", path.display());
        return Err(CommandError::failed(error).hint("set XDG_RUNTIME_DIR to a folder of your own"));
    }
    Ok(path)
}

fn absolute(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn state_home() -> CommandResult<PathBuf> {
    absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state"))).ok_or_else(|| {
        CommandError::usage("neither XDG_STATE_HOME nor HOME is set").hint("name a folder: fleet up --dir DIR")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_runtime_folder_that_others_may_write_or_a_link_is_refused() {
        let base = tempfile::tempdir().expect("a folder");
        let path = base.path().join("fleet-1");
        own_folder(path.clone()).expect("a new one is made");
        own_folder(path.clone()).expect("our own is taken");
        let link = base.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        own_folder(link).expect_err("somebody could have made the link");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o770)).expect("a mode");
        own_folder(path).expect_err("others may write it");
    }
}
