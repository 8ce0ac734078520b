//! What a new guard takes over from one that was killed.
//!
//! A killed guard leaves the units' processes (children of somebody else by now), its table and diary, and a logger that
//! goes on until the last pipe is closed, so nobody writes into a pipe without a reader. Supervisor and agent end by
//! themselves. A new guard opens the pipes again, from the logger's descriptors or else from those of the processes that
//! write, ends the old logger, and goes on with the table. What it cannot know is how processes ended that were not its
//! children: the table says `Lost` for those, and the agent is told so.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use super::KeeperError;
use super::shared::{self, Exact, NodeProcess, STREAMS, Seen, Shared, Use};
use crate::kernel::process;

/// How long a killed process may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// Everything there is to take over.
pub(crate) struct TakenOver {
    pub(crate) shared: Shared,
    /// The reading ends of pipes, by slot and stream.
    pub(crate) pipes: Vec<(Use, [Option<OwnedFd>; STREAMS])>,
}

/// Takes over what an earlier guard left in the runtime folder; `None`: there is nothing of this boot. Ends what is left of
/// the node's own processes. A table that cannot be read is set aside, and that is said.
///
/// # Errors
/// When the table cannot be opened for another reason, or the old logger does not end: two would write to one spool.
pub(crate) fn take_over(runtime: &Path, boot_id: &str, node: &str) -> Result<Option<TakenOver>, KeeperError> {
    let path = runtime.join(shared::FILE);
    let shared = match Shared::open(runtime, boot_id) {
        Ok(Some(shared)) => shared,
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let aside = runtime.join("table.damaged");
            let _ = fs::rename(&path, &aside); // else it is written over
            tracing::error!(node, aside = %aside.display(), "the table of what runs is damaged: set aside, units start afresh");
            return Ok(None);
        }
        Err(error) => return Err(KeeperError::path("open", path)(error)),
    };
    // Those two would act on the table.
    for which in [NodeProcess::Supervisor, NodeProcess::Agent] {
        end(&shared, which)?;
    }
    let seen = shared.seen();
    let pipes = reopen(&shared, &seen);
    let (found, missing) = pipes.iter().fold((0, 0), |(found, missing), (_, _, lost)| (found + 1, missing + lost));
    end(&shared, NodeProcess::Logger)?;
    let own = process::stat(std::process::id()).map_err(KeeperError::system("look at this process"))?;
    shared.header().take_over(Exact { pid: own.pid, start_time: own.start_time });
    let running = seen.iter().filter(|seen| seen.phase.is_alive()).count();
    tracing::warn!(
        node,
        processes = running,
        pipes = found,
        lost_pipes = missing,
        "took over from a guard that was killed; how its processes end is not known from now on"
    );
    Ok(Some(TakenOver { shared, pipes: pipes.into_iter().map(|(place, ends, _)| (place, ends)).collect() }))
}

/// Ends one of the node's own processes, and waits until it is gone.
fn end(shared: &Shared, which: NodeProcess) -> Result<(), KeeperError> {
    let Some(Exact { pid, start_time }) = shared.header().process(which) else { return Ok(()) };
    let deadline = Instant::now() + PATIENCE;
    while process::signal_exactly(pid, start_time, libc::SIGKILL).unwrap_or(true) {
        let over = process::stat(pid).map_or(true, |stat| stat.is_zombie() || stat.start_time != start_time);
        if over {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(KeeperError::CannotEnd { which: which.to_string(), pid });
        }
        sleep(LOOK);
    }
    Ok(())
}

/// Opens every pipe that is not closed; with the number of those that nobody has any more, which are closed in the table.
fn reopen(shared: &Shared, seen: &[Seen]) -> Vec<(Use, [Option<OwnedFd>; STREAMS], usize)> {
    let logger = shared.header().process(NodeProcess::Logger);
    let mut holders = logger.map(|logger| pipes_of(logger.pid)).unwrap_or_default();
    let mut all = Vec::new();
    for seen in seen.iter().filter(|seen| !shared.is_closed(seen.place)) {
        let inodes = shared.pipes(seen.place);
        if inodes.iter().flatten().any(|inode| !holders.contains_key(inode)) {
            holders.extend(pipes_of(seen.pid));
        }
        let open = |inode: Option<u64>| inode.and_then(|inode| holders.get(&inode)).and_then(|path| reader(path).ok());
        let ends = inodes.map(open);
        let mut lost = 0;
        for ((inode, end), stream) in inodes.iter().zip(&ends).zip(fleet_units::log_frame::STREAMS) {
            if inode.is_some() && end.is_none() {
                shared.close_stream(seen.place, stream);
                lost += 1;
            }
        }
        all.push((seen.place, ends, lost));
    }
    all
}

/// The pipes a process has, by inode, with a path to open each.
fn pipes_of(pid: u32) -> BTreeMap<u64, PathBuf> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeMap::new() };
    let pipe = |path: PathBuf| {
        let target = fs::read_link(&path).ok()?;
        let inode = target.to_str()?.strip_prefix("pipe:[")?.strip_suffix(']')?.parse().ok()?;
        Some((inode, path))
    };
    entries.filter_map(Result::ok).filter_map(|entry| pipe(entry.path())).collect()
}

/// A reading end of the pipe, whichever end is behind the path.
fn reader(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_pipe_is_opened_again_from_either_end() {
        let (end, writer) = pipe().unwrap();
        let inode = rustix::fs::fstat(&end).unwrap().st_ino;
        rustix::io::write(&writer, b"x").unwrap();
        for number in [end.as_raw_fd(), writer.as_raw_fd()] {
            assert!(pipes_of(std::process::id()).contains_key(&inode));
            let again = reader(&PathBuf::from(format!("/proc/self/fd/{number}"))).unwrap();
            assert_eq!(rustix::fs::fstat(&again).unwrap().st_ino, inode);
        }
        let other = reader(&PathBuf::from(format!("/proc/self/fd/{}", writer.as_raw_fd()))).unwrap();
        drop(end);
        assert_eq!(rustix::io::read(&other, &mut [0; 8]).unwrap(), 1);
    }
}
