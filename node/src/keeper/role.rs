//! One of the node's own processes: started by the guard, and started again at once when it dies.

use std::ffi::OsString;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use fleet_proto::control::Failure;

use super::shared::{Exact, Header, NodeProcess};
use crate::kernel::spawn::{Command, Kind, Program, Running, start};

/// A process that lives shorter than this died of its start.
const QUICK: Duration = Duration::from_millis(100);

/// After so many of those in a row the next start waits.
const QUICK_DEATHS: u32 = 10;

/// How long it waits then.
const PAUSE: Duration = Duration::from_secs(1);

/// How fast a process that dies is started again.
#[derive(Debug, Default)]
struct Pace {
    quick: u32,
}

impl Pace {
    /// How long to wait after a life of `lived`.
    fn after(&mut self, lived: Duration) -> Duration {
        self.quick = if lived < QUICK { self.quick.saturating_add(1) } else { 0 };
        if self.quick >= QUICK_DEATHS { PAUSE } else { Duration::ZERO }
    }
}

/// The process, or when the next one is due.
#[derive(Debug)]
pub(crate) struct Role {
    which: NodeProcess,
    /// `argv[0]` first.
    argv: Vec<OsString>,
    running: Option<(u32, Instant)>,
    due: Option<Instant>,
    pace: Pace,
}

impl Role {
    pub(crate) fn new(which: NodeProcess, argv: Vec<OsString>) -> Self {
        Self { which, argv, running: None, due: Some(Instant::now()), pace: Pace::default() }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.running.map(|(pid, _)| pid)
    }

    /// When the next one is to be started; `None` while one runs.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(crate) fn is_due(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }

    /// No other is started.
    pub(crate) fn stop_starting(&mut self) {
        self.due = None;
    }

    /// The process is over. Gives how long the next start waits.
    pub(crate) fn ended(&mut self, header: &Header) -> Duration {
        header.set_process(self.which, None);
        let lived = self.running.take().map_or(Duration::ZERO, |(_, since)| since.elapsed());
        let wait = self.pace.after(lived);
        self.due = Some(Instant::now() + wait);
        wait
    }

    /// Starts it: this very binary, also if another one is at its path by now. It gets the descriptors in `keep`.
    pub(crate) fn start(&mut self, node: &str, own_binary: BorrowedFd<'_>, keep: Vec<RawFd>, header: &Header) {
        let (which, started) = (self.which, Instant::now());
        match launch(&self.argv, own_binary, keep) {
            Ok(Running { pid, start_time, .. }) => {
                self.running = Some((pid, started));
                self.due = None;
                header.set_process(which, Some(Exact { pid, start_time }));
                tracing::info!(node, pid, "{which} started");
            }
            Err(Failure { step, text, .. }) => {
                self.ended(header);
                tracing::error!(node, step, reason = text, "{which} cannot be started");
            }
        }
    }
}

fn launch(argv: &[OsString], own_binary: BorrowedFd<'_>, keep: Vec<RawFd>) -> Result<Running, Failure> {
    let environment: Vec<Vec<u8>> =
        std::env::vars_os().map(|(key, value)| [key.as_bytes(), b"=", value.as_bytes()].concat()).collect();
    start(&Command {
        program: Program::Open(own_binary),
        argv: argv.iter().map(|argument| argument.as_bytes()).collect(),
        environment: environment.iter().map(Vec::as_slice).collect(),
        kind: Kind::Own { keep },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tenth_quick_death_in_a_row_makes_the_next_start_wait() {
        let mut pace = Pace::default();
        for _ in 0..9 {
            assert_eq!(pace.after(Duration::from_millis(5)), Duration::ZERO);
        }
        assert_eq!(pace.after(Duration::from_millis(5)), PAUSE);
        assert_eq!(pace.after(Duration::from_millis(5)), PAUSE);
        assert_eq!(pace.after(QUICK), Duration::ZERO, "this one lived");
        assert_eq!(pace.after(Duration::from_millis(5)), Duration::ZERO);
    }
}
