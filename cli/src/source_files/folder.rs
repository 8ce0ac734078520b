//! The files of a configuration repository's folder, as they lie there.

use super::{Files, ROOTS};
use crate::error::{CommandError, CommandResult};
use fleet_units::bundle::{MAX_FILE, SourceFile};
use fleet_units::diagnostic::codes;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What lies below `units/`, `environments/` and `files/` in `base`; links are refused, not followed.
pub(crate) fn read(base: &Path) -> CommandResult<Files> {
    let mut files = Files::default();
    ROOTS.iter().try_for_each(|root| walk(&mut files, base, root))?;
    Ok(files)
}

/// Whether `base` has a folder that makes it a configuration repository.
pub(crate) fn is_repository(base: &Path) -> bool {
    ["units", "environments"].iter().any(|root| base.join(root).is_dir())
}

/// Adds what lies at `base/relative`, folders with all below them. What is not there adds nothing.
fn walk(files: &mut Files, base: &Path, relative: &str) -> CommandResult<()> {
    let path = base.join(relative);
    let cannot = |error: io::Error| CommandError::because(format!("cannot read {}", path.display()), error);
    let metadata = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata.map_err(cannot)?,
    };
    if metadata.is_dir() {
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(cannot)? {
            match entry.map_err(cannot)?.file_name().into_string() {
                Ok(name) => names.push(name),
                Err(name) => files.refuse(codes::BAD_NAME, relative, format!("{name:?} is no name for a file here")),
            }
        }
        names.sort();
        return names.iter().try_for_each(|name| walk(files, base, &format!("{relative}/{name}")));
    }
    if !metadata.is_file() {
        files.refuse(codes::NOT_A_FILE, relative, "only regular files are read");
    } else if metadata.len() > MAX_FILE as u64 {
        let message = format!("{} bytes; a file may have {} MiB", metadata.len(), MAX_FILE >> 20);
        files.refuse(codes::FILE_TOO_LARGE, relative, message);
    } else {
        let executable = metadata.permissions().mode() & 0o100 != 0;
        let content = fs::read(&path).map_err(cannot)?;
        files.tree.insert(relative.to_owned(), SourceFile::new(executable, content));
    }
    Ok(())
}
