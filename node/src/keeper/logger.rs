//! The logger: what units write, from their pipes into the spool. One thread, and nothing but that.
//!
//! ```text
//! guard --inlet: reading ends of new pipes-->  logger --splice--> STATE/spool/<unit>/<index>.seg
//!         shared table: which pipes, what is to be drained, what is closed         (bells ring)
//! ```
//! It can be killed at any moment: the guard keeps copies of the reading ends, bytes move from a pipe into a file inside
//! the kernel, and the header that announces them is written before (`crate::logs::splice`).
//! When the guard is gone it goes on until its last pipe is closed, so that units can write.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use fleet_units::ids::UnitName;

use super::bell::Bell;
use super::inherit::{self, GivenToLogger};
use super::output::{self, Output};
use super::point::point;
use super::poll::{Poll, Source};
use super::shared::{Seen, Shared, Use};
use super::store::Inlet;
use super::{KeeperError, single_threaded};
use crate::kernel::{boot, signals};
use crate::logs::spool::{Spool, SpoolLimits};

/// What a logger is started with.
#[derive(Debug, Clone)]
pub struct LoggerConfig {
    /// The node's name, for messages.
    pub node: String,
    /// The node's state folder; the spool is in it.
    pub state: PathBuf,
    /// The node's runtime folder, with the shared table.
    pub runtime: PathBuf,
    /// Bounds of the units' logs on this node.
    pub spool_limits: SpoolLimits,
}

struct Logger {
    shared: Shared,
    poll: Poll,
    bell: Bell,
    supervisor_bell: Bell,
    /// `None`: the guard is gone.
    inlet: Option<Inlet>,
    output: Output,
    /// Uses of slots with an open pipe, by serial.
    known: BTreeMap<u64, Use>,
}

/// Runs the logger of a node until the node has ended. Must be called on the only thread of a process that a guard has
/// started.
///
/// # Errors
/// When no guard has started it, or the spool cannot be used.
pub fn logger(config: LoggerConfig) -> Result<(), KeeperError> {
    let mut logger = Logger::start(&config)?;
    while !logger.is_over() {
        logger.turn()?;
    }
    logger.output.finish(&logger.poll);
    Ok(())
}

impl Logger {
    fn start(config: &LoggerConfig) -> Result<Self, KeeperError> {
        single_threaded()?;
        signals::ignore_pipe();
        let boot_id = boot::id().map_err(KeeperError::system("read the boot id"))?;
        let GivenToLogger { shared, bell, supervisor_bell, inlet } = inherit::to_logger(&config.runtime, &boot_id)?;
        let spool = Spool::open(&config.state.join("spool"), config.spool_limits)?;
        let poll = Poll::new().map_err(KeeperError::system("make an epoll"))?;
        let inlet = Inlet::given(inlet);
        let watch = |result: io::Result<()>| result.map_err(KeeperError::system("watch a descriptor"));
        watch(poll.add(&bell, Source::Bell))?;
        watch(poll.add(&inlet, Source::Inlet))?;
        let (output, known) = (Output::new(spool), BTreeMap::new());
        let mut logger = Self { shared, poll, bell, supervisor_bell, inlet: Some(inlet), output, known };
        logger.repair();
        let inherited = logger.shared.header().inherited();
        for seen in logger.shared.seen().iter().filter(|seen| seen.place.serial <= inherited) {
            logger.take_over(seen);
        }
        logger.drain_what_is_asked(); // before this was started
        Ok(logger)
    }

    /// An earlier logger was killed while it wrote: what it left is made whole now, not when the unit writes again.
    fn repair(&mut self) {
        let writing = self.shared.header().writing();
        let torn = self.shared.seen().into_iter().find(|seen| seen.place.serial == writing);
        if let Some(unit) = torn.and_then(|seen| seen.facts.unit.parse::<UnitName>().ok()) {
            self.output.repair(&unit);
        }
        self.shared.header().set_writing(0);
    }

    /// Does something with a pipe of the slot that may write.
    fn writing(&mut self, serial: u64, act: impl FnOnce(&mut Output, &Poll)) {
        self.shared.header().set_writing(serial);
        act(&mut self.output, &self.poll);
        self.shared.header().set_writing(0);
    }

    /// Pipes that an earlier logger read.
    fn take_over(&mut self, seen: &Seen) {
        let ends = self.shared.ends(seen.place).map(|number| number.and_then(|number| inherit::given(number).ok()));
        self.add(seen, ends, true);
    }

    fn turn(&mut self) -> Result<(), KeeperError> {
        let sources = self.poll.wait(None).map_err(KeeperError::system("wait for events"))?;
        for source in &sources {
            match source {
                Source::Pipe(number) => {
                    self.writing(output::serial(*number), |output, poll| output.readable(poll, *number));
                }
                Source::Inlet => self.receive(),
                Source::Bell => self.bell.hear(),
                _ => {} // others'
            }
        }
        self.tell_closed();
        // A pipe may come after what is asked of it.
        if sources.iter().any(|source| matches!(source, Source::Bell | Source::Inlet)) {
            self.drain_what_is_asked();
        }
        Ok(())
    }

    /// New pipes. What is in them is read at once, so that it comes before what is written to later ones.
    fn receive(&mut self) {
        while let Some(inlet) = &self.inlet {
            match inlet.next() {
                Ok(Some((place, ends))) => {
                    if let Some(seen) = self.shared.look_at(place) {
                        self.add(&seen, ends, false);
                        self.writing(place.serial, |output, poll| output.drain(poll, place));
                    }
                }
                Ok(None) => return,
                Err(_) => {
                    self.poll.remove(inlet);
                    self.inlet = None; // the guard's next one will start a logger of its own
                }
            }
        }
    }

    fn add(&mut self, seen: &Seen, ends: [Option<OwnedFd>; super::shared::STREAMS], inherited: bool) {
        let Ok(unit) = seen.facts.unit.parse::<UnitName>() else { return };
        if self.known.contains_key(&seen.place.serial) {
            return; // by the table as well as by the inlet
        }
        self.known.insert(seen.place.serial, seen.place);
        for (stream, end) in fleet_units::log_frame::STREAMS.into_iter().zip(ends) {
            let Some(reader) = end else { continue };
            let invocation = &seen.facts.invocation_id;
            if let Err(error) = self.output.add(&self.poll, seen.place, &unit, stream, invocation, (reader, inherited))
            {
                tracing::error!(unit = %unit, %error, "output cannot be read");
            }
        }
    }

    /// What was written until the supervisor asked is in the spool before it is told so.
    fn drain_what_is_asked(&mut self) {
        let mut drained = false;
        for place in self.known.values().copied().collect::<Vec<_>>() {
            if let Some(wanted) = self.shared.wants_drain(place) {
                self.writing(place.serial, |output, poll| output.drain(poll, place));
                point("log-drained");
                self.shared.set_drained(place, wanted);
                drained = true;
            }
        }
        self.tell_closed();
        if drained {
            self.supervisor_bell.ring();
        }
    }

    /// Which pipes have been read to their end.
    fn tell_closed(&mut self) {
        let closed = self.output.take_closed();
        if closed.is_empty() {
            return;
        }
        for (place, stream) in closed {
            point("log-closed");
            self.shared.close_stream(place, stream);
            if !self.output.has(place) {
                self.known.remove(&place.serial);
            }
        }
        self.supervisor_bell.ring();
    }

    fn is_over(&self) -> bool {
        let alone = self.inlet.is_none() && self.known.is_empty();
        self.shared.header().has_left() || alone
    }
}
