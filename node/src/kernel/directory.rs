//! Folders made for units, in places where units may have written before.
//!
//! The supervisor may be root and an earlier run of the unit may have been hostile, so the path is walked one folder at
//! a time: a symbolic link is followed only inside a folder that nobody but root and this user can write to, and the
//! last component is never followed.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{self, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

/// Mode of parents that have to be made.
const PARENT_MODE: u32 = 0o755;

/// Makes the folder `path` and its parents where they are missing, then gives it `mode` and `owner` (user, group).
///
/// # Errors
/// When the path is not absolute, holds `..`, meets a link that is not to be trusted or something that is no folder,
/// or as mkdir(2), chown(2), chmod(2).
pub fn make(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let names = components(path)?;
    let Some((last, parents)) = names.split_last() else { return Err(Errno::INVAL.into()) };
    let mut folder = fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for name in parents {
        make_missing(&folder, name, PARENT_MODE)?;
        folder = enter(&folder, name)?;
    }
    make_missing(&folder, last, mode)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = fs::openat(&folder, *last, flags, Mode::empty())?;
    if let Some((uid, gid)) = owner {
        // Owner first: chown takes away set-id bits that the mode may ask for.
        fs::fchown(&made, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    Ok(fs::fchmod(&made, Mode::from_raw_mode(mode))?)
}

fn components(path: &Path) -> io::Result<Vec<&OsStr>> {
    let mut components = path.components();
    if components.next() != Some(Component::RootDir) {
        return Err(Errno::INVAL.into());
    }
    components
        .map(|component| match component {
            Component::Normal(name) => Ok(name),
            _ => Err(Errno::INVAL.into()),
        })
        .collect()
}

fn make_missing(folder: &OwnedFd, name: &OsStr, mode: u32) -> io::Result<()> {
    match fs::mkdirat(folder, name, Mode::from_raw_mode(mode)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        // On a read-only file system the kernel says so before it looks whether the folder is there; opening it tells.
        Err(Errno::ROFS | Errno::ACCESS) if fs::statat(folder, name, fs::AtFlags::SYMLINK_NOFOLLOW).is_ok() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn enter(folder: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let mut flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if !trusted(folder)? {
        flags |= OFlags::NOFOLLOW;
    }
    Ok(fs::openat(folder, name, flags, Mode::empty())?)
}

/// Nobody but root and this user can put a link there.
fn trusted(folder: &OwnedFd) -> io::Result<bool> {
    let stat = fs::fstat(folder.as_fd())?;
    let ours = stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
    Ok(ours && stat.st_mode & 0o022 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn scratch(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("fleet-directory-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn parents_are_made_and_the_mode_is_set_also_on_a_folder_that_was_there() {
        let root = scratch("parents");
        let path = root.join("a/b");
        make(&path, 0o700, None).unwrap();
        assert_eq!(mode(&path), 0o700);
        make(&path, 0o750, None).unwrap();
        assert_eq!(mode(&path), 0o750);
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_link_as_last_component_is_not_followed() {
        let root = scratch("last");
        std::fs::create_dir(root.join("real")).unwrap();
        symlink(root.join("real"), root.join("link")).unwrap();
        assert!(make(&root.join("link"), 0o700, None).is_err());
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_link_in_a_folder_that_others_may_write_to_is_not_followed() {
        let root = scratch("shared");
        std::fs::create_dir(root.join("real")).unwrap();
        symlink(root.join("real"), root.join("link")).unwrap();
        make(&root.join("link/a"), 0o700, None).unwrap();
        std::fs::set_permissions(&root, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(make(&root.join("link/b"), 0o700, None).is_err());
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn relative_paths_and_paths_that_climb_are_refused() {
        assert!(make(Path::new("a/b"), 0o700, None).is_err());
        assert!(make(Path::new("/tmp/../etc"), 0o700, None).is_err());
        assert!(make(Path::new("/"), 0o700, None).is_err());
    }
}
