//! A lock file that names its holder by pid and start time, so that nobody else is ever signalled.

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a held lock is tried again.
const PATIENCE: Duration = Duration::from_millis(100);
/// Between two attempts.
const LOOK: Duration = Duration::from_millis(5);

/// A process that holds a lock: held by descriptor, so that a reused pid is never mistaken for it.
#[derive(Debug)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its descriptor; readable once it has ended.
    pub pidfd: OwnedFd,
}

impl Holder {
    /// Sends it a signal; nothing happens when it has ended.
    pub fn signal(&self, signal: Signal) {
        // Ended in between: that is what was wanted.
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }
}

/// A lock that is held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock at `path`, or says who holds it (`None` when the holder cannot be told).
    pub fn take(path: &Path) -> io::Result<Result<Lock, Option<u32>>> {
        let mut file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        // [`holder`] asks by taking a shared lock for a moment: one that is held is tried again.
        let until = Instant::now() + PATIENCE;
        while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            if Instant::now() < until {
                std::thread::sleep(LOOK);
                continue;
            }
            return Ok(Err(read_pid(&mut file)?.map(|(pid, _)| pid)));
        }
        file.set_len(0)?;
        let pid = std::process::id();
        let start = start_time(pid).unwrap_or(0);
        file.write_all(format!("{pid} {start}\n").as_bytes())?;
        Ok(Ok(Lock { _file: file }))
    }
}

/// Who holds the lock at `path`; `None` when nobody does.
pub fn holder(path: &Path) -> io::Result<Option<Holder>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return Ok(None);
    }
    let Some((pid, start)) = read_pid(&mut file)? else { return Ok(None) };
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    // The descriptor first, then the check: what the descriptor names can no longer change.
    let Ok(pidfd) = pidfd_open(number, PidfdFlags::empty()) else { return Ok(None) };
    let same = start.is_none_or(|start| start_time(pid) == Some(start));
    Ok(same.then_some(Holder { pid, pidfd }))
}

/// Reads `PID [START]`.
fn read_pid(file: &mut File) -> io::Result<Option<(u32, Option<u64>)>> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    let mut words = text.split_ascii_whitespace();
    let pid = words.next().and_then(|word| word.parse().ok());
    let start = words.next().and_then(|word| word.parse().ok());
    Ok(pid.map(|pid| (pid, start)))
}

/// Field 22 of /proc/PID/stat: when the process started, in clock ticks since boot.
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; fields are counted from its end.
    let rest = &stat[stat.rfind(')')? + 2..];
    rest.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_who_asks_for_the_holder_does_not_keep_a_daemon_from_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let asking = File::create(&path).unwrap();
        flock(&asking, FlockOperation::NonBlockingLockShared).unwrap();
        let starting = std::thread::spawn({
            let path = path.clone();
            move || Lock::take(&path).unwrap().is_ok()
        });
        drop(asking);
        assert!(starting.join().unwrap());
    }

    #[test]
    fn the_second_taker_is_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let _held = Lock::take(&path).unwrap().unwrap();
        assert_eq!(Lock::take(&path).unwrap().unwrap_err(), Some(std::process::id()));
    }
}
