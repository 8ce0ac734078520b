//! Writing an import: each file whole or not at all, nothing through a link.

use crate::error::{CommandError, CommandResult};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// The files of `into` that are there and differ, by their path in the repository.
pub(super) fn conflicts(into: &Path, files: &BTreeMap<String, Vec<u8>>) -> CommandResult<Vec<String>> {
    let mut found = Vec::new();
    for (path, content) in files {
        let there = into.join(path);
        match fs::symlink_metadata(&there) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(CommandError::because(format!("cannot read {}", there.display()), error)),
            Ok(metadata) if metadata.is_file() && fs::read(&there).is_ok_and(|old| old == *content) => {}
            Ok(_) => found.push(path.clone()),
        }
    }
    Ok(found)
}

/// Writes `files` below `into`.
pub(super) fn write(into: &Path, files: &BTreeMap<String, Vec<u8>>) -> CommandResult<()> {
    for (path, content) in files {
        let target = into.join(path);
        let cannot = |error: io::Error| CommandError::because(format!("cannot write {}", target.display()), error);
        let folder = target.parent().unwrap_or(into);
        fs::create_dir_all(folder).map_err(cannot)?;
        // A rename replaces a link itself, and never what it leads to.
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let new = folder.join(format!(".{name}.new"));
        fs::write(&new, content).and_then(|()| fs::rename(&new, &target)).map_err(cannot)?;
    }
    Ok(())
}
