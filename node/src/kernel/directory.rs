//! Folders made for units, in places where units may have written before.
//!
//! The supervisor may be root and an earlier run of the unit may have been hostile, so the path is walked one folder at
//! a time: a symbolic link is followed only inside a folder that nobody but root and this user can write to, and the
//! last component is never followed.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{self, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

/// Mode of parents that have to be made.
const PARENT_MODE: u32 = 0o755;

/// A folder of a unit.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Where; absolute.
    pub path: &'a Path,
    /// Its mode.
    pub mode: u32,
    /// Its user and group; `None`: those of this process.
    pub owner: Option<(u32, u32)>,
    /// Whether one that is there already and belongs to another user is given this owner and mode as well.
    pub take_over: bool,
}

/// Makes the folder and its parents where they are missing, then gives it its mode and owner.
///
/// # Errors
/// When the path is not absolute, holds `..`, meets a link that is not to be trusted or something that is no folder,
/// when it belongs to another user and is not to be taken over, or as mkdir(2), chown(2), chmod(2).
pub fn make(wanted: &Wanted<'_>) -> io::Result<()> {
    let Wanted { path, mode, owner, take_over } = *wanted;
    let names = components(path)?;
    let Some((last, parents)) = names.split_last() else { return Err(Errno::INVAL.into()) };
    let mut folder = root()?;
    for name in parents {
        make_missing(&folder, name, PARENT_MODE)?;
        folder = enter(&folder, name)?;
    }
    let is_new = make_missing(&folder, last, mode)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = fs::openat(&folder, *last, flags, Mode::empty())?;
    if !is_new && !take_over {
        let found = fs::fstat(&made)?.st_uid;
        match owner {
            Some((uid, _)) if found != uid => return Err(of_another(found, uid)),
            Some(_) => {}
            // The host's own: what its administrator set stays.
            None => return Ok(()),
        }
    }
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

fn of_another(found: u32, wanted: u32) -> io::Error {
    let text = format!(
        "it is there and belongs to user {found}, not to user {wanted} (chown it, or set allow_root in the policy)"
    );
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

/// Removes the folder `path` and what is in it, on the way following links as [`make`] does. None of root's unless
/// `of_root`. One that is not there is no error.
///
/// # Errors
/// As [`make`], or as unlink(2) and rmdir(2).
pub fn remove(path: &Path, of_root: bool) -> io::Result<()> {
    match remove_found(path, of_root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn remove_found(path: &Path, of_root: bool) -> io::Result<()> {
    let names = components(path)?;
    let Some((last, parents)) = names.split_last() else { return Err(Errno::INVAL.into()) };
    let folder = parents.iter().try_fold(root()?, |folder, name| enter(&folder, name))?;
    let found = fs::statat(&folder, *last, fs::AtFlags::SYMLINK_NOFOLLOW)?;
    if found.st_uid == 0 && !of_root {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to root"));
    }
    // Through the descriptor: nobody can put a link in the place of a parent any more.
    let folder_path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
    std::fs::remove_dir_all(folder_path.join(last))
}

fn root() -> io::Result<OwnedFd> {
    Ok(fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Whether it was missing.
fn make_missing(folder: &OwnedFd, name: &OsStr, mode: u32) -> io::Result<bool> {
    match fs::mkdirat(folder, name, Mode::from_raw_mode(mode)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // On a read-only file system the kernel says so before it looks whether the folder is there; opening it tells.
        Err(Errno::ROFS | Errno::ACCESS) if fs::statat(folder, name, fs::AtFlags::SYMLINK_NOFOLLOW).is_ok() => {
            Ok(false)
        }
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

    fn make(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
        super::make(&Wanted { path, mode, owner, take_over: true })
    }

    #[test]
    fn a_folder_of_another_user_is_left_as_it_is() {
        let root = scratch("another");
        let path = root.join("theirs");
        let own = rustix::process::geteuid().as_raw();
        let wanted = Wanted { path: &path, mode: 0o711, owner: None, take_over: false };
        super::make(&wanted).unwrap();
        let other = super::make(&Wanted { mode: 0o777, owner: Some((own + 1, own + 1)), ..wanted });
        assert_eq!(other.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        super::make(&Wanted { mode: 0o777, ..wanted }).unwrap();
        assert_eq!(mode(&path), 0o711);
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn nothing_is_removed_behind_a_link_that_is_not_to_be_trusted() {
        let root = scratch("remove");
        std::fs::create_dir_all(root.join("real/kept")).unwrap();
        symlink(root.join("real"), root.join("link")).unwrap();
        std::fs::set_permissions(&root, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(remove(&root.join("link/kept"), true).is_err());
        assert!(root.join("real/kept").exists());
        remove(&root.join("real/kept"), true).unwrap();
        remove(&root.join("real/kept"), true).unwrap();
        assert!(!root.join("real/kept").exists());
        std::fs::remove_dir_all(root).unwrap();
    }

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
