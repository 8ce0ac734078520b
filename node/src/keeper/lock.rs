//! One guard per state folder.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::KeeperError;
use crate::kernel::process;

/// How long a held lock is tried again.
const PATIENCE: Duration = Duration::from_millis(100);
/// Between two attempts.
const LOOK: Duration = Duration::from_millis(5);

/// Takes the lock of a state folder, which is made if missing: see [`take_file`].
pub(crate) fn take(state: &Path) -> Result<File, KeeperError> {
    DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(KeeperError::path("make", state))?;
    take_file(state, "lock")
}

/// Takes the lock of a runtime folder, so that a guard with another state folder does not take its units for left
/// ones. Of another name: both folders may be the same.
pub(crate) fn take_runtime(runtime: &Path) -> Result<File, KeeperError> {
    take_file(runtime, "guard.lock")
}

/// Locks a file in `folder` and writes this process's id and start time into it. It holds until the file is closed, thus
/// at the latest until this process is gone. Who holds it is asked by taking a shared lock for a moment, so a lock that
/// is held is tried again for a while.
fn take_file(folder: &Path, name: &str) -> Result<File, KeeperError> {
    let path = folder.join(name);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(KeeperError::path("open", &path))?;
    let until = Instant::now() + PATIENCE;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() < until {
            std::thread::sleep(LOOK);
            continue;
        }
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder); // the error is told without it
        let holder = holder.split_ascii_whitespace().next().unwrap_or_default().to_owned();
        return Err(KeeperError::Locked { state: folder.to_owned(), holder });
    }
    file.set_len(0)
        .and_then(|()| process::stat(std::process::id()))
        .and_then(|stat| writeln!(file, "{} {}", stat.pid, stat.start_time))
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
        let text = std::fs::read_to_string(state.join("lock")).unwrap();
        assert_eq!(text.split(' ').count(), 2, "id and start time: {text}");
        drop(held);
        take(&state).unwrap();
        std::fs::remove_dir_all(state).unwrap();
    }
}
