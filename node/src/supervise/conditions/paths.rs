//! What a path is. Links are followed, but by `PathIsSymbolicLink=`; what cannot be looked at is nothing of the kind.

use fleet_units::spec::condition::Subject;
use rustix::fs::{AtFlags, CWD, StatVfsMountFlags, StatxFlags};
use std::ffi::CString;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// The kernel's `STATX_ATTR_MOUNT_ROOT`.
const MOUNT_ROOT: u64 = 0x2000;

/// Device mapper devices may lie on others of their kind; deeper stacks are not looked through.
const MAX_DEVICES: u32 = 16;

/// Whether `path` is what `subject`, a condition about paths, asks for.
pub(super) fn is(subject: Subject, path: &str) -> bool {
    let metadata = |is: fn(&Metadata) -> bool| fs::metadata(path).is_ok_and(|metadata| is(&metadata));
    match subject {
        Subject::PathExists => metadata(|_| true),
        Subject::PathExistsGlob => matches_any(path),
        Subject::PathIsDirectory => metadata(Metadata::is_dir),
        Subject::PathIsSymbolicLink => fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()),
        Subject::PathIsMountPoint => is_mount_point(path),
        Subject::PathIsReadWrite => !matches!(is_read_only(path), Some(true) | None),
        Subject::PathIsEncrypted => fs::metadata(path).is_ok_and(|metadata| is_encrypted(&device(&metadata), 0)),
        Subject::PathIsSocket => metadata(|metadata| metadata.file_type().is_socket()),
        Subject::DirectoryNotEmpty => is_filled(Path::new(path)),
        Subject::FileNotEmpty => metadata(|metadata| metadata.is_file() && metadata.len() > 0),
        Subject::FileIsExecutable => {
            metadata(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        }
        other => unreachable!("{other:?} is not about a path"),
    }
}

/// glob(3), with `{a,b}`.
fn matches_any(pattern: &str) -> bool {
    let Ok(pattern) = CString::new(pattern) else { return false };
    // SAFETY: a glob_t of zeroes is what glob(3) wants without GLOB_DOOFFS; it fills it, and globfree(3) frees what it
    // filled in, also after a failure. The pattern lives until the end.
    unsafe {
        let mut found: libc::glob_t = std::mem::zeroed();
        let result = libc::glob(pattern.as_ptr(), libc::GLOB_NOSORT | libc::GLOB_BRACE, None, &raw mut found);
        let any = result == 0 && found.gl_pathc > 0;
        libc::globfree(&raw mut found);
        any
    }
}

fn is_mount_point(path: &str) -> bool {
    let Ok(told) = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS) else { return false };
    told.stx_attributes.bits() & MOUNT_ROOT != 0
}

/// Whether the file system is read-only; `None`: there is no such path. Other failures count as no.
pub(super) fn is_read_only(path: &str) -> Option<bool> {
    match rustix::fs::statvfs(path) {
        Ok(told) => Some(told.f_flag.contains(StatVfsMountFlags::RDONLY)),
        Err(rustix::io::Errno::NOENT) => None,
        Err(_) => Some(false),
    }
}

/// Below /sys/dev/block; `0:…` for file systems without one device.
fn device(metadata: &Metadata) -> String {
    let device = metadata.dev();
    format!("/sys/dev/block/{}:{}", rustix::fs::major(device), rustix::fs::minor(device))
}

/// Whether a block device is one of dm-crypt, or lies on such alone.
fn is_encrypted(device: &str, depth: u32) -> bool {
    if fs::read_to_string(format!("{device}/dm/uuid")).is_ok_and(|uuid| uuid.starts_with("CRYPT-")) {
        return true;
    }
    // A partition says nothing of what its disk lies on: the disk does.
    let below = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path().to_string_lossy().into_owned()).collect()
    };
    let own = below(&format!("{device}/slaves"));
    let on = if own.is_empty() { below(&format!("{device}/../slaves")) } else { own };
    depth < MAX_DEVICES && !on.is_empty() && on.iter().all(|device| is_encrypted(device, depth + 1))
}

/// A folder that holds more than hidden files and what editors and package managers leave behind; one that may not be
/// looked into counts as filled.
fn is_filled(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => {
            entries.any(|entry| entry.map_or(true, |entry| !is_left_behind(&entry.file_name().to_string_lossy())))
        }
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

fn is_left_behind(name: &str) -> bool {
    const SUFFIXES: [&str; 18] = [
        "rpmnew",
        "rpmsave",
        "rpmorig",
        "dpkg-old",
        "dpkg-new",
        "dpkg-tmp",
        "dpkg-dist",
        "dpkg-bak",
        "dpkg-backup",
        "dpkg-remove",
        "ucf-new",
        "ucf-old",
        "ucf-dist",
        "swp",
        "bak",
        "old",
        "new",
        "orig",
    ];
    let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    name.starts_with('.')
        || name.ends_with('~')
        || ["lost+found", "aquota.user", "aquota.group"].contains(&name)
        || SUFFIXES.contains(&suffix)
}
