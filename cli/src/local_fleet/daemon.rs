//! One daemon of a local fleet: started, waited for, started again.

use fleet_server::lock::{self, Holder};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// A daemon that dies sooner than this after its start is waited for before the next.
const TOO_SOON: Duration = Duration::from_secs(2);
/// How long such a daemon waits.
const PAUSE: Duration = Duration::from_secs(1);

/// How much of the end of a daemon's log is looked at for its last words, in bytes.
const LAST_WORDS: u64 = 8192;

/// What to run, and where its words go.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// For people: `coordinator`, `node develop-1`.
    pub(crate) title: String,
    /// Arguments of this binary.
    pub(crate) arguments: Vec<String>,
    /// The file its lock is in; it names the process.
    pub(crate) lock: PathBuf,
    /// Where stdout and stderr are appended.
    pub(crate) log: PathBuf,
}

/// A daemon that runs.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) recipe: Recipe,
    running: Running,
    started: Instant,
    /// Where its log ended when it was started, in bytes.
    log_began: u64,
}

#[derive(Debug)]
struct Running {
    pid: u32,
    pidfd: AsyncFd<OwnedFd>,
    /// `None`: it was running before this keeper; nobody here can tell how it ends.
    child: Option<Child>,
}

impl Daemon {
    /// Takes over the daemon that already runs, or starts it.
    pub(crate) fn start(recipe: Recipe) -> io::Result<Daemon> {
        let log_began = length(&recipe.log);
        let running = match lock::holder(&recipe.lock)? {
            Some(Holder { pid, pidfd }) => Running { pid, pidfd: watched(pidfd)?, child: None },
            None => Self::spawn(&recipe)?,
        };
        Ok(Daemon { recipe, running, started: Instant::now(), log_began })
    }

    fn spawn(recipe: &Recipe) -> io::Result<Running> {
        let log = File::options().create(true).append(true).open(&recipe.log)?;
        let child = Command::new(own_binary()?)
            .arg0("fleet")
            .args(&recipe.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .current_dir("/")
            // Ctrl-C in the terminal is for the keeper alone: it ends the daemons in order.
            .process_group(0)
            .spawn()?;
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Running { pid: child.id(), pidfd: watched(pidfd)?, child: Some(child) })
    }

    /// Whether this keeper started it, rather than found it running.
    pub(crate) fn is_own(&self) -> bool {
        self.running.child.is_some()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.running.pid
    }

    /// Waits until it has ended; tells how.
    pub(crate) async fn ended(&mut self) -> String {
        // An error would mean that the descriptor is not one that can be waited for, which a pidfd always is.
        let _ = self.running.pidfd.readable().await;
        match self.running.child.as_mut().map(Child::wait) {
            Some(Ok(status)) => status.to_string(),
            Some(Err(error)) => format!("unknown end: {error}"),
            None => "ended".to_owned(),
        }
    }

    /// Starts it again after its end; one that died at once waits a moment first.
    pub(crate) async fn again(&mut self) -> io::Result<()> {
        if self.started.elapsed() < TOO_SOON {
            tokio::time::sleep(PAUSE).await;
        }
        self.log_began = length(&self.recipe.log);
        // Before it is tried: a start that fails counts as one that died at once.
        self.started = Instant::now();
        self.running = Self::spawn(&self.recipe)?;
        Ok(())
    }

    /// What it complained about since its start: the last `error:` of its log and what follows; empty when there is
    /// none.
    pub(crate) fn last_words(&self) -> String {
        let mut text = String::new();
        let read = File::open(&self.recipe.log).and_then(|mut log| {
            let from = self.log_began.max(length(&self.recipe.log).saturating_sub(LAST_WORDS));
            log.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            log.take(LAST_WORDS).read_to_end(&mut bytes)?;
            text = String::from_utf8_lossy(&bytes).into_owned();
            Ok(())
        });
        // A log that cannot be read has nothing to tell.
        let at = read.ok().and_then(|()| text.rfind("error: "));
        at.map(|at| text[at..].trim_start_matches("error: ").trim_end().to_owned()).unwrap_or_default()
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&self, signal: Signal) {
        // Ended in between: that is what is wanted.
        let _ = rustix::process::pidfd_send_signal(self.running.pidfd.get_ref(), signal);
    }

    /// Asks it to end and waits; after `patience` it is killed. Whether it ended by itself.
    pub(crate) async fn end(&mut self, patience: Duration) -> bool {
        self.ask_to_end(Signal::TERM);
        if tokio::time::timeout(patience, self.ended()).await.is_ok() {
            return true;
        }
        self.ask_to_end(Signal::KILL);
        self.ended().await;
        false
    }
}

fn watched(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd keeps its descriptor open and the same until it is dropped, which is after it is deregistered.
    unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }.map_err(Into::into)
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// This binary, also when the file was replaced since the start.
pub(crate) fn own_binary() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    if path.exists() { Ok(path) } else { Ok(Path::new("/proc/self/exe").to_owned()) }
}
