//! What the parts of one sample service share: its mood, and what it counted.

use super::log::Log;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A motd longer than this is cut, in bytes.
const MOTD: usize = 4096;
/// What POST /control/slow adds to each answer.
pub(super) const SLOW: Duration = Duration::from_secs(1);

/// How and why the service ends.
pub(super) struct End {
    pub(super) why: &'static str,
    pub(super) code: u8,
}

/// One sample service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) log: Log,
    pub(super) started: Instant,
    motd: Option<PathBuf>,
    error_rate: f64,
    ready: AtomicBool,
    failing: AtomicBool,
    slow: AtomicBool,
    requests: AtomicU64,
    errors: AtomicU64,
    exit: Notify,
}

impl Service {
    pub(super) fn new(name: &str, motd: Option<PathBuf>, error_rate: f64) -> Self {
        Service {
            name: name.to_owned(),
            log: Log::new(name),
            started: Instant::now(),
            motd,
            error_rate,
            ready: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            exit: Notify::new(),
        }
    }

    /// The text of `--motd`, as it is now; a sentence about the error when it cannot be read.
    pub(super) fn motd(&self) -> String {
        let Some(path) = &self.motd else {
            return String::new();
        };
        match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes[..bytes.len().min(MOTD)]).trim().to_owned(),
            Err(error) => format!("cannot read {}: {error}", path.display()),
        }
    }

    pub(super) fn set_ready(&self) {
        self.ready.store(true, Relaxed);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Relaxed)
    }

    /// Why it is not healthy; `None` when it is.
    pub(super) fn unhealthy(&self) -> Option<&'static str> {
        match (self.ready.load(Relaxed), self.failing.load(Relaxed)) {
            (false, _) => Some("starting"),
            (true, true) => Some("told to fail"),
            (true, false) => None,
        }
    }

    /// Counts a request; whether it shall succeed. The share of errors is spread evenly: 0.25 is every fourth.
    pub(super) fn request(&self) -> bool {
        let number = self.requests.fetch_add(1, Relaxed) + 1;
        let due = |count: u64| (count as f64 * self.error_rate).floor();
        let fine = self.unhealthy().is_none() && due(number) <= due(number - 1);
        self.errors.fetch_add(u64::from(!fine), Relaxed);
        fine
    }

    /// Counts an error that a request that was counted as good turned out to be.
    pub(super) fn failed(&self) {
        self.errors.fetch_add(1, Relaxed);
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Relaxed)
    }

    /// What POST /control/WHAT does; false when there is no such thing.
    pub(super) fn control(&self, what: &str) -> bool {
        match what {
            "fail" => self.failing.store(true, Relaxed),
            "recover" => {
                self.failing.store(false, Relaxed);
                self.slow.store(false, Relaxed);
            }
            "slow" => self.slow.store(true, Relaxed),
            "exit" => self.exit.notify_one(),
            _ => return false,
        }
        self.log.warn("control", &[("action", what.into())]);
        true
    }

    /// Waits as long as an answer shall take.
    pub(super) async fn delay(&self) {
        if self.slow.load(Relaxed) {
            tokio::time::sleep(SLOW).await;
        }
    }

    /// Waits until somebody asked for the end.
    pub(super) async fn told_to_exit(&self) {
        self.exit.notified().await;
    }
}
