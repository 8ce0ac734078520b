//! Unix sockets in folders of any depth.
//!
//! The kernel takes at most 107 bytes of path (unix(7)). A longer one is reached through a descriptor of its folder.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Longest path that fits `sun_path` with its final NUL, in bytes.
const LONGEST: usize = 107;

/// Whether others can use the path as it is.
pub(crate) fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= LONGEST
}

/// A path that is short enough and names the same socket, for as long as this lives.
pub(crate) struct Short {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl Short {
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        if fits(path) {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let (parent, name) = path.parent().zip(path.file_name()).ok_or_else(invalid)?;
        let folder = rustix::fs::open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        Ok(Self { path, _folder: Some(folder) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes the place of a socket that an earlier process left; `bind` makes the new one, which gets this mode.
///
/// It has another mode for a moment; who connects is asked for credentials anyway.
pub(crate) fn replace<S>(path: &Path, mode: u32, bind: impl FnOnce(&Path) -> io::Result<S>) -> io::Result<S> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let short = Short::of(path)?;
    let bound = bind(short.path())?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode))?;
    Ok(bound)
}

/// The name of an abstract socket that stands for `path`, as `NOTIFY_SOCKET` writes it: `@…`.
pub(crate) fn abstract_name(path: &Path) -> String {
    format!("@fleet-{:016x}", stable_hash(path.as_os_str().as_bytes()))
}

/// The same on every machine and in every version (FNV-1a). Names made of it tell folders apart, nothing more.
pub(crate) fn stable_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_socket_in_a_very_deep_folder_can_be_used() {
        let root = std::env::temp_dir().join(format!("fleet-socket-{}", std::process::id()));
        let folder = root.join("d".repeat(100)).join("e".repeat(100));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("control.sock");
        let _listener = replace(&path, 0o600, |short| UnixListener::bind(short)).unwrap();
        UnixStream::connect(Short::of(&path).unwrap().path()).unwrap();
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_hash_stays_what_it_is() {
        assert_eq!(stable_hash(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
