//! The agent's process: started, and started again at once when it dies.

use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use fleet_proto::control::Failure;

use super::SupervisorConfig;
use super::record::{Record, Records};
use crate::kernel::process;
use crate::kernel::spawn::{Command, Program, start};

/// An agent that lives shorter than this died of its start.
const QUICK: Duration = Duration::from_millis(100);

/// After so many of those in a row the next start waits.
const QUICK_DEATHS: u32 = 10;

/// How long it waits then.
const PAUSE: Duration = Duration::from_secs(1);

/// How fast an agent that dies is started again.
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

/// The agent's process, or when the next one is due.
#[derive(Debug)]
pub(crate) struct Agent {
    running: Option<(u32, Instant)>,
    due: Option<Instant>,
    pace: Pace,
}

impl Agent {
    pub(crate) fn new() -> Self {
        Self { running: None, due: Some(Instant::now()), pace: Pace::default() }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.running.map(|(pid, _)| pid)
    }

    /// When the next one is to be started; `None` while one runs.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// No other is started.
    pub(crate) fn stop_starting(&mut self) {
        self.due = None;
    }

    /// The process is over. Gives how long the next start waits.
    pub(crate) fn ended(&mut self) -> Duration {
        let lived = self.running.take().map_or(Duration::ZERO, |(_, since)| since.elapsed());
        let wait = self.pace.after(lived);
        self.due = Some(Instant::now() + wait);
        wait
    }

    /// Starts it: this very binary, also if another one is at its path by now.
    pub(crate) fn start(&mut self, config: &SupervisorConfig, own_binary: BorrowedFd<'_>, records: &Records) {
        let started = Instant::now();
        match launch(config, own_binary) {
            Ok(pid) => {
                self.running = Some((pid, started));
                self.due = None;
                if let Ok(stat) = process::stat(pid) {
                    let (unit, invocation_id) = (String::new(), String::new());
                    records.write(&Record { pid, start_time: stat.start_time, unit, invocation_id });
                }
                tracing::info!(node = config.node, pid, "agent started");
            }
            Err(Failure { step, text, .. }) => {
                self.ended();
                tracing::error!(node = config.node, step, reason = text, "the agent cannot be started");
            }
        }
    }
}

fn launch(config: &SupervisorConfig, own_binary: BorrowedFd<'_>) -> Result<u32, Failure> {
    let environment: Vec<Vec<u8>> =
        std::env::vars_os().map(|(key, value)| [key.as_bytes(), b"=", value.as_bytes()].concat()).collect();
    let command = Command {
        program: Program::Open(own_binary),
        argv: config.agent_argv.iter().map(|argument| argument.as_bytes()).collect(),
        environment: environment.iter().map(Vec::as_slice).collect(),
        unit: None,
    };
    start(&command).map(|running| running.pid)
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
