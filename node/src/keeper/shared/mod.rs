//! The shared table: a file in the runtime folder that guard, supervisor and logger map, version 1.
//!
//! Facts lie here, not in messages: a message can be lost with its reader, and a queue can be full. Whoever wrote
//! something rings the other's bell (see `bell`), which says "look again" and nothing else.
//!
//! ```text
//! header   whose it is (boot, guard), the node's processes, what the guard wants, descriptors of the children
//! pids     one u32 a slot, apart: who ended is found without touching the slots. The kernel itself writes a pid here
//!          while it makes the process (CLONE_PARENT_SETTID), so there is none that is not written down
//! slots    one use a process (`slot`)
//! ```
//! A file and no memory of its own kind: it is still there when the guard was killed as well. It means nothing in another
//! boot. The supervisor takes and frees slots; the guard writes ends, the logger what it has read; everything is atomic, as several processes write.

mod header;
mod slot;
mod text;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use fleet_units::log_frame::stream_index;
use fleet_units::log_record::Stream;

use crate::kernel::process;
use crate::kernel::wait::Ended;
use slot::Slot;

pub(crate) use header::{Descriptors, Exact, Header, Leave, NodeProcess, Reaping};
pub(crate) use slot::{Asked, Facts, Part, Phase, STREAMS};

/// Name of the file in the runtime folder.
pub(crate) const FILE: &str = "table";

/// Processes there can be at once, with those whose ends are not told yet.
const SLOTS: usize = 16 * 1024;

/// Slots whose memory is made sure of at once, so that a full file system fails a spawn and nothing else.
const STEP: usize = 64;

#[repr(C, align(4096))]
struct Layout {
    header: Header,
    pids: [AtomicU32; SLOTS],
    slots: [Slot; SLOTS],
}

/// A use of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) index: usize,
    pub(crate) serial: u64,
}

/// What a slot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) place: Use,
    pub(crate) phase: Phase,
    /// 0: there never was one.
    pub(crate) pid: u32,
    /// 0: not known.
    pub(crate) start_time: u64,
    pub(crate) facts: Facts,
}

/// The mapped table.
pub(crate) struct Shared {
    layout: &'static Layout,
    file: File,
}

impl Shared {
    /// Makes a new, empty table in the place of an earlier one, which those who map it keep.
    pub(crate) fn create(runtime: &Path, boot_id: &str) -> io::Result<Self> {
        let (path, new) = (runtime.join(FILE), runtime.join("table.new"));
        let _ = fs::remove_file(&new); // of a guard that was killed in this moment
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&new)?;
        file.set_len(size_of::<Layout>() as u64)?;
        allocate(&file, 0, std::mem::offset_of!(Layout, slots))?;
        let shared = Self::map(file)?;
        let own = process::stat(std::process::id())?;
        shared.layout.header.begin(boot_id, Exact { pid: own.pid, start_time: own.start_time });
        fs::rename(new, path)?;
        Ok(shared)
    }

    /// The table of this boot in the runtime folder; `None`: there is none, or of another boot.
    ///
    /// # Errors
    /// `InvalidData` when it is damaged or of another version.
    pub(crate) fn open(runtime: &Path, boot_id: &str) -> io::Result<Option<Self>> {
        let file = match OpenOptions::new().read(true).write(true).open(runtime.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is not a table of this version");
        if file.metadata()?.len() != size_of::<Layout>() as u64 {
            return Err(damaged());
        }
        let shared = Self::map(file)?;
        if !shared.layout.header.is_understood() {
            return Err(damaged());
        }
        Ok(shared.layout.header.is_of_boot(boot_id).then_some(shared))
    }

    fn map(file: File) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of this process.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Layout>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the mapping is page-aligned, as long as a Layout, as the file is, and stays for the life of the process.
        // A Layout consists of atomic integers alone, for which all bits are valid and which others may change.
        Ok(Self { layout: unsafe { &*address.cast::<Layout>() }, file })
    }

    /// The header.
    pub(crate) fn header(&self) -> &'static Header {
        &self.layout.header
    }

    /// Where the kernel writes the pid of the process that is being made.
    pub(crate) fn pid_place(&self, place: Use) -> &'static AtomicU32 {
        &self.layout.pids[place.index]
    }

    /// Begins a use: there will be such a process.
    pub(crate) fn take(&self, facts: &Facts) -> io::Result<Use> {
        let used = self.used();
        let free = (0..used).find(|index| self.layout.slots[*index].read().1 == Phase::Free);
        let index = free.unwrap_or(used);
        if index >= SLOTS {
            return Err(io::Error::other(format!("there are {SLOTS} processes of units already")));
        }
        if index == used && index.is_multiple_of(STEP) {
            let from = std::mem::offset_of!(Layout, slots) + index * size_of::<Slot>();
            allocate(&self.file, from, STEP * size_of::<Slot>())?;
        }
        let serial = self.layout.header.next_serial();
        self.layout.pids[index].store(0, Ordering::Relaxed);
        if !self.layout.slots[index].take(serial, facts) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        self.layout.header.used.fetch_max(u32::try_from(index + 1).unwrap_or(u32::MAX), Ordering::AcqRel);
        Ok(Use { index, serial })
    }

    /// Its program runs.
    pub(crate) fn runs(&self, place: Use) {
        self.slot(place).advance(place.serial, Phase::Taken, Phase::Running); // or it has ended by now
    }

    pub(crate) fn set_start_time(&self, place: Use, start_time: u64) {
        self.slot(place).set_start_time(start_time);
    }

    pub(crate) fn set_part(&self, place: Use, part: Part) {
        self.slot(place).set_part(part);
    }

    /// Whether this use is over, and how; `None` while it is not, or when that is told.
    pub(crate) fn end_of(&self, place: Use) -> Option<Option<Ended>> {
        let (serial, phase) = self.slot(place).read();
        match phase {
            Phase::Ended if serial == place.serial => Some(Some(self.slot(place).end(self.pid(place.index)))),
            Phase::Lost if serial == place.serial => Some(None),
            Phase::Free | Phase::Taken | Phase::Running | Phase::Ended | Phase::Lost | Phase::Told => None,
        }
    }

    /// It is over, and nobody can know how. `false`: the guard knows.
    pub(crate) fn lose(&self, place: Use) -> bool {
        let slot = self.slot(place);
        slot.advance(place.serial, Phase::Running, Phase::Lost) || slot.advance(place.serial, Phase::Taken, Phase::Lost)
    }

    /// There are pipes with these inodes, by stream. Before they are sent.
    pub(crate) fn set_pipes(&self, place: Use, inodes: [Option<u64>; STREAMS]) {
        let slot = self.slot(place);
        let streams = (0..).zip(&inodes).filter(|(_, inode)| inode.is_some()).fold(0, |mask, (bit, _)| mask | 1 << bit);
        for (own, inode) in slot.inodes.iter().zip(inodes) {
            own.store(inode.unwrap_or(0), Ordering::Relaxed);
        }
        slot.captured.store(streams, Ordering::Release);
    }

    /// The inodes of the pipes that are not closed, by stream.
    pub(crate) fn pipes(&self, place: Use) -> [Option<u64>; STREAMS] {
        let slot = self.slot(place);
        let open = slot.captured.load(Ordering::Acquire) & !slot.closed.load(Ordering::Acquire);
        let inode = |bit: usize| slot.inodes[bit].load(Ordering::Relaxed);
        std::array::from_fn(|bit| (open & (1 << bit) != 0).then(|| inode(bit)).filter(|inode| *inode != 0))
    }

    /// The logger has read the end of a stream.
    pub(crate) fn close_stream(&self, place: Use, stream: Stream) {
        if self.is_current(place) {
            self.slot(place).closed.fetch_or(1 << stream_index(stream), Ordering::AcqRel);
        }
    }

    /// No pipe of it is open.
    pub(crate) fn is_closed(&self, place: Use) -> bool {
        let slot = self.slot(place);
        let captured = slot.captured.load(Ordering::Acquire);
        !self.is_current(place) || slot.closed.load(Ordering::Acquire) & captured == captured
    }

    /// Asks the logger for what is in the pipes. Gives what to ask [`Shared::is_drained`] for.
    pub(crate) fn want_drain(&self, place: Use) -> u32 {
        self.slot(place).drain_wanted.fetch_add(1, Ordering::AcqRel).wrapping_add(1)
    }

    /// All that was in the pipes at that time is in the spool.
    pub(crate) fn is_drained(&self, place: Use, wanted: u32) -> bool {
        let done = self.slot(place).drained.load(Ordering::Acquire);
        self.is_closed(place) || done.wrapping_sub(wanted).cast_signed() >= 0
    }

    /// For the logger: what is asked for and not done.
    pub(crate) fn wants_drain(&self, place: Use) -> Option<u32> {
        let slot = self.slot(place);
        let wanted = slot.drain_wanted.load(Ordering::Acquire);
        (self.is_current(place) && wanted != slot.drained.load(Ordering::Acquire)).then_some(wanted)
    }

    /// For the logger: it is done.
    pub(crate) fn set_drained(&self, place: Use, wanted: u32) {
        if self.is_current(place) {
            self.slot(place).drained.store(wanted, Ordering::Release);
        }
    }

    fn is_current(&self, place: Use) -> bool {
        let (serial, phase) = self.slot(place).read();
        serial == place.serial && phase != Phase::Free
    }

    /// There is no process in this slot, only a pipe.
    pub(crate) fn pipe_only(&self, place: Use) {
        self.slot(place).advance(place.serial, Phase::Taken, Phase::Told);
    }

    /// Uses that are over: told, and all pipes closed.
    pub(crate) fn finished(&self) -> Vec<Use> {
        let place = |index: usize| {
            let (serial, phase) = self.layout.slots[index].read();
            (phase == Phase::Told).then_some(Use { index, serial })
        };
        (0..self.used()).filter_map(place).filter(|place| self.is_closed(*place)).collect()
    }

    /// Its end is told.
    pub(crate) fn told(&self, place: Use) {
        let slot = self.slot(place);
        let _ = slot.advance(place.serial, Phase::Ended, Phase::Told)
            || slot.advance(place.serial, Phase::Lost, Phase::Told);
    }

    /// The numbers of the pipes' reading ends, by stream.
    pub(crate) fn ends(&self, place: Use) -> [Option<RawFd>; STREAMS] {
        self.slot(place).ends()
    }

    /// For the guard. `false`: that use is over.
    pub(crate) fn set_ends(&self, place: Use, numbers: [Option<RawFd>; STREAMS]) -> bool {
        let Some(slot) = self.layout.slots.get(place.index) else { return false };
        let (serial, phase) = slot.read();
        let current = serial == place.serial && phase != Phase::Free;
        if current {
            slot.set_ends(numbers);
        }
        current
    }

    /// Ends the use, whatever its phase.
    pub(crate) fn free(&self, place: Use) {
        let slot = self.slot(place);
        self.layout.pids[place.index].store(0, Ordering::Relaxed);
        let freed = || {
            let (serial, phase) = slot.read();
            serial != place.serial || phase == Phase::Free || slot.advance(serial, phase, Phase::Free)
        };
        while !freed() {} // at most once more: the guard moves it once
    }

    /// For the guard: the child `ended.pid` is over and not reaped yet. `false`: it is in no slot.
    pub(crate) fn write_end(&self, ended: &Ended) -> bool {
        let used = &self.layout.pids[..self.used()];
        let mut found = used.iter().enumerate().filter(|(_, pid)| pid.load(Ordering::Relaxed) == ended.pid);
        let mut found =
            found.by_ref().map(|(index, _)| index).filter(|index| self.layout.slots[*index].read().1.is_alive());
        let (Some(first), rest) = (found.next(), found.collect::<Vec<_>>()) else { return false };
        // Two only if a process that is not the guard's child has ended unnoticed and its pid is used again.
        let index = if rest.is_empty() { first } else { self.started_like(ended.pid, first, &rest) };
        let slot = &self.layout.slots[index];
        let (serial, phase) = slot.read();
        slot.write_end(ended);
        // The supervisor may move it from Taken to Running meanwhile, once.
        phase.is_alive()
            && (slot.advance(serial, Phase::Taken, Phase::Ended) || slot.advance(serial, Phase::Running, Phase::Ended))
    }

    fn started_like(&self, pid: u32, first: usize, rest: &[usize]) -> usize {
        let start_time = process::stat(pid).map_or(0, |stat| stat.start_time);
        let same = rest.iter().copied().find(|index| self.layout.slots[*index].start_time() == start_time);
        same.unwrap_or(first)
    }

    /// Every slot in use.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        (0..self.used()).filter_map(|index| self.look(index)).collect()
    }

    /// The slot, if it is still in this use.
    pub(crate) fn look_at(&self, place: Use) -> Option<Seen> {
        (place.index < SLOTS).then(|| self.look(place.index)).flatten().filter(|seen| seen.place == place)
    }

    fn look(&self, index: usize) -> Option<Seen> {
        let slot = &self.layout.slots[index];
        let (serial, phase) = slot.read();
        let place = Use { index, serial };
        let (pid, start_time) = (self.pid(index), slot.start_time());
        (phase != Phase::Free).then(|| Seen { place, phase, pid, start_time, facts: slot.facts() })
    }

    fn pid(&self, index: usize) -> u32 {
        self.layout.pids[index].load(Ordering::Acquire)
    }

    fn used(&self) -> usize {
        usize::try_from(self.layout.header.used.load(Ordering::Acquire)).map_or(SLOTS, |used| used.min(SLOTS))
    }

    fn slot(&self, place: Use) -> &Slot {
        &self.layout.slots[place.index]
    }
}

/// Makes sure that the file system has room: else the first touch of a page would end the process (SIGBUS).
fn allocate(file: &File, from: usize, length: usize) -> io::Result<()> {
    let mode = rustix::fs::FallocateFlags::empty();
    match rustix::fs::fallocate(file, mode, from as u64, length as u64) {
        Err(rustix::io::Errno::OPNOTSUPP) => Ok(()), // then as if it had
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests;
