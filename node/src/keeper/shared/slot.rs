//! One process in the shared table, from before it is made until everything about it was told.
//!
//! ```text
//! Free -supervisor-> Taken -supervisor-> Running -guard-> Ended -supervisor-> Told -supervisor-> Free
//!                      |                    `-supervisor-> Lost ---------------^
//!                      `--guard, if it is over so soon---> Ended
//! ```
//! The phase lies in one word with the serial number of this use of the slot and changes by compare-and-swap, so whoever
//! acts on a use that is over changes nothing.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use super::text::Text;
use crate::kernel::wait::{Ended, Usage};

/// How far a use of a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Free,
    /// About to be spawned: its pid is there as soon as there is a process.
    Taken,
    /// Its program runs.
    Running,
    /// It is over; how is written down.
    Ended,
    /// It is over; how is not known, as it was not the guard's child.
    Lost,
    /// Its end is told, its pipes are still open.
    Told,
}

const PHASE_BITS: u32 = 8;

impl Phase {
    const ALL: [Self; 6] = [Self::Free, Self::Taken, Self::Running, Self::Ended, Self::Lost, Self::Told];

    fn number(self) -> u64 {
        self as u64
    }

    fn of(word: u64) -> Self {
        let number = usize::try_from(word & ((1 << PHASE_BITS) - 1)).unwrap_or(0);
        Self::ALL.get(number).copied().unwrap_or(Self::Free)
    }

    /// There may be a process.
    pub(crate) fn is_alive(self) -> bool {
        matches!(self, Self::Taken | Self::Running)
    }
}

/// Which of a unit's processes it is; the words of the control protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// One that was main and is not any more.
    Other,
    Main,
    Control,
}

impl Part {
    const ALL: [(Self, &'static str); 3] = [(Self::Other, ""), (Self::Main, "main"), (Self::Control, "control")];

    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, own)| *own == word).map(|(part, _)| *part)
    }

    pub(crate) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(part, _)| *part == self).map_or("", |(_, word)| word)
    }

    fn of_number(number: u32) -> Self {
        Self::ALL.iter().find(|(part, _)| *part as u32 == number).map_or(Self::Other, |(part, _)| *part)
    }
}

/// Who asked for a process, so that the same request, asked again, makes no second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    /// The agent's life; 0: it gave none.
    pub(crate) session: u64,
    /// Its request.
    pub(crate) id: u64,
}

/// What is known of a process before it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) unit: String,
    pub(crate) part: Part,
    pub(crate) invocation_id: String,
    pub(crate) asked: Asked,
}

/// Streams, in the order of `fleet_units::log_frame::STREAMS`: a process's output and its errors, and lines of the node's own.
pub(crate) const STREAMS: usize = 3;

/// One slot, as it lies in the file. All zeroes is a free one.
#[repr(C)]
pub(super) struct Slot {
    word: AtomicU64,
    start_time: AtomicU64,
    session: AtomicU64,
    request: AtomicU64,
    part: AtomicU32,
    code: AtomicI32,
    signal: AtomicI32,
    core_dumped: AtomicU32,
    user_us: AtomicU64,
    system_us: AtomicU64,
    max_rss_kib: AtomicU64,
    /// The guard's numbers of the pipes' reading ends, by stream; 0: none.
    ends: [AtomicI32; STREAMS],
    /// Streams there are pipes for, one bit each.
    pub(super) captured: AtomicU32,
    /// Those of which the logger has read the end.
    pub(super) closed: AtomicU32,
    /// Counts how often the supervisor asked for what is in the pipes.
    pub(super) drain_wanted: AtomicU32,
    /// The last of those that the logger has done.
    pub(super) drained: AtomicU32,
    spare: AtomicU32,
    /// The pipes' inodes, by stream; 0: none.
    pub(super) inodes: [AtomicU64; STREAMS],
    unit: Text<256>,
    invocation_id: Text<64>,
    reserved: [AtomicU64; 7],
}

impl Slot {
    pub(super) fn read(&self) -> (u64, Phase) {
        let word = self.word.load(Ordering::Acquire);
        (word >> PHASE_BITS, Phase::of(word))
    }

    /// Moves this use on. `false`: somebody else did, or the slot is in another use by now.
    pub(super) fn advance(&self, serial: u64, from: Phase, to: Phase) -> bool {
        let word = |phase: Phase| serial << PHASE_BITS | phase.number();
        self.word.compare_exchange(word(from), word(to), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Begins a use of a free slot. `false`: a text is too long.
    pub(super) fn take(&self, serial: u64, facts: &Facts) -> bool {
        self.start_time.store(0, Ordering::Relaxed);
        self.session.store(facts.asked.session, Ordering::Relaxed);
        self.request.store(facts.asked.id, Ordering::Relaxed);
        self.part.store(facts.part as u32, Ordering::Relaxed);
        self.set_ends([None; STREAMS]);
        for counter in [&self.captured, &self.closed, &self.drain_wanted, &self.drained] {
            counter.store(0, Ordering::Relaxed);
        }
        for inode in &self.inodes {
            inode.store(0, Ordering::Relaxed);
        }
        let written = self.unit.set(&facts.unit) && self.invocation_id.set(&facts.invocation_id);
        if written {
            self.word.store(serial << PHASE_BITS | Phase::Taken.number(), Ordering::Release);
        }
        written
    }

    pub(super) fn facts(&self) -> Facts {
        Facts {
            unit: self.unit.get(),
            part: Part::of_number(self.part.load(Ordering::Relaxed)),
            invocation_id: self.invocation_id.get(),
            asked: Asked { session: self.session.load(Ordering::Relaxed), id: self.request.load(Ordering::Relaxed) },
        }
    }

    pub(super) fn set_part(&self, part: Part) {
        self.part.store(part as u32, Ordering::Relaxed);
    }

    pub(super) fn ends(&self) -> [Option<RawFd>; STREAMS] {
        self.ends.each_ref().map(|end| Some(end.load(Ordering::Acquire)).filter(|number| *number > 0))
    }

    pub(super) fn set_ends(&self, numbers: [Option<RawFd>; STREAMS]) {
        for (place, number) in self.ends.iter().zip(numbers) {
            place.store(number.unwrap_or(0), Ordering::Release);
        }
    }

    pub(super) fn start_time(&self) -> u64 {
        self.start_time.load(Ordering::Acquire)
    }

    pub(super) fn set_start_time(&self, start_time: u64) {
        self.start_time.store(start_time, Ordering::Release);
    }

    /// Writes down how it ended. Before the phase says that it did.
    pub(super) fn write_end(&self, ended: &Ended) {
        self.code.store(ended.code, Ordering::Relaxed);
        self.signal.store(ended.signal, Ordering::Relaxed);
        self.core_dumped.store(ended.core_dumped.into(), Ordering::Relaxed);
        self.user_us.store(ended.usage.user_us, Ordering::Relaxed);
        self.system_us.store(ended.usage.system_us, Ordering::Relaxed);
        self.max_rss_kib.store(ended.usage.max_rss_kib, Ordering::Relaxed);
    }

    pub(super) fn end(&self, pid: u32) -> Ended {
        Ended {
            pid,
            code: self.code.load(Ordering::Relaxed),
            signal: self.signal.load(Ordering::Relaxed),
            core_dumped: self.core_dumped.load(Ordering::Relaxed) != 0,
            usage: Usage {
                user_us: self.user_us.load(Ordering::Relaxed),
                system_us: self.system_us.load(Ordering::Relaxed),
                max_rss_kib: self.max_rss_kib.load(Ordering::Relaxed),
            },
        }
    }
}
