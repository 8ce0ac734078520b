//! One supervisor per state folder.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::KeeperError;

/// Takes the lock of the folder, which is made if missing, and writes this process's id into it. It holds until the
/// file is closed, thus at the latest until this process is gone.
pub(crate) fn take(state: &Path) -> Result<File, KeeperError> {
    DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(KeeperError::path("make", state))?;
    let path = state.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(KeeperError::path("open", &path))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder); // the error is told without it
        return Err(KeeperError::Locked { state: state.to_owned(), holder: holder.trim().to_owned() });
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(KeeperError::path("write", &path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_is_told_who_has_it() {
        let state = std::env::temp_dir().join(format!("fleet-lock-{}", std::process::id()));
        let held = take(&state).unwrap();
        let KeeperError::Locked { holder, .. } = take(&state).unwrap_err() else { panic!("not locked") };
        assert_eq!(holder, std::process::id().to_string());
        drop(held);
        take(&state).unwrap();
        std::fs::remove_dir_all(state).unwrap();
    }
}
