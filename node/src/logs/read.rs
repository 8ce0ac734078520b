//! The reading side of the spool: whole frames, in order, while another process writes.

use super::SpoolError;
use super::segments::{self, SEGMENT_HEADER_LEN, SegmentHeader};
use fleet_units::ids::UnitName;
use fleet_units::log_frame::{Frame, FrameError, FrameHeader, HEADER_LEN};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Most bytes of frames in one [`Run`]: with the other fields of a message it stays within 64 KiB.
pub const RUN_BYTES: usize = 64 * 1024 - 1024;

/// What a receiver has of a unit: everything of `lineage` before frame `next_frame`, line `next_sequence`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The run of counters; 0: nothing yet.
    pub lineage: u64,
    /// Number of the first frame it lacks.
    pub next_frame: u64,
    /// Number of the first line it lacks.
    pub next_sequence: u64,
}

/// Frames that follow each other in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where it stands in the counters: `lineage`, and the numbers of the first frame and line in it.
    pub first: Cursor,
    /// The same, after it.
    pub next: Cursor,
    /// The boot it was written in.
    pub boot_id: u128,
    /// The frames, at most [`RUN_BYTES`].
    pub frames: Vec<u8>,
}

/// Reads one unit's spool from a place on. Holds no file open between calls.
#[derive(Debug)]
pub struct SpoolReader {
    folder: PathBuf,
    /// Segment and offset of the next frame.
    place: Option<(u64, u64)>,
    /// Frames of this lineage before this one are passed over.
    after: Cursor,
}

/// What there is at one place.
enum Found {
    Run(Run),
    Nothing,
}

impl SpoolReader {
    /// Reads everything that is there, from the oldest segment on.
    #[must_use]
    pub fn from_oldest(root: &Path, unit: &UnitName) -> Self {
        SpoolReader { folder: root.join(unit.as_str()), place: None, after: Cursor::default() }
    }

    /// Reads what a receiver lacks: from the frame of the cursor on or, where its lineage is not there any more,
    /// everything.
    pub fn from_cursor(root: &Path, unit: &UnitName, cursor: Cursor) -> Result<Self, SpoolError> {
        let mut reader = SpoolReader::from_oldest(root, unit);
        reader.after = cursor;
        reader.place = reader
            .newest(|head| head.lineage == cursor.lineage && head.first_number <= cursor.next_frame)?
            .map(|(index, _)| (index, SEGMENT_HEADER_LEN as u64));
        Ok(reader)
    }

    /// Reads from the start of the segment `index` on.
    #[must_use]
    pub fn from_segment(root: &Path, unit: &UnitName, index: u64) -> Self {
        let place = Some((index, SEGMENT_HEADER_LEN as u64));
        SpoolReader { folder: root.join(unit.as_str()), place, after: Cursor::default() }
    }

    /// The newest segment whose header fits, with its header.
    pub fn newest(&self, fits: impl Fn(&SegmentHeader) -> bool) -> Result<Option<(u64, SegmentHeader)>, SpoolError> {
        for &index in segments::list(&self.folder)?.iter().rev() {
            let Some((_, head)) = self.open(index)? else { continue };
            if fits(&head) {
                return Ok(Some((index, head)));
            }
        }
        Ok(None)
    }

    /// The number of the line that will end next.
    pub fn end(&self) -> Result<u64, SpoolError> {
        let Some((index, head)) = self.newest(|_| true)? else { return Ok(1) };
        let Some((file, _)) = self.open(index)? else { return Ok(head.first_sequence) };
        Ok(segments::walk(&file, &head, &segments::path_of(&self.folder, index))?.numberer.next_sequence())
    }

    /// The next frames; `None` when there are no more for now.
    pub fn read(&mut self) -> Result<Option<Run>, SpoolError> {
        loop {
            let Some((index, offset)) = self.place else {
                let Some(&oldest) = segments::list(&self.folder)?.first() else { return Ok(None) };
                self.place = Some((oldest, SEGMENT_HEADER_LEN as u64));
                continue;
            };
            if let Found::Run(run) = self.read_at(index, offset)? {
                return Ok(Some(run));
            }
            let Some(next) = segments::list(&self.folder)?.into_iter().find(|&other| other > index) else {
                return Ok(None);
            };
            // The writer begins a segment only when it is done with the one before: look there once more.
            let (_, offset) = self.place.expect("set above");
            if let Found::Run(run) = self.read_at(index, offset)? {
                return Ok(Some(run));
            }
            self.place = Some((next, SEGMENT_HEADER_LEN as u64));
        }
    }

    /// `None` when it was dropped meanwhile, or its header is not whole.
    fn open(&self, index: u64) -> Result<Option<(File, SegmentHeader)>, SpoolError> {
        let path = segments::path_of(&self.folder, index);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(SpoolError::io("open", path)(e)),
        };
        Ok(SegmentHeader::read(&file, &path)?.map(|head| (file, head)))
    }

    fn read_at(&mut self, index: u64, mut offset: u64) -> Result<Found, SpoolError> {
        let Some((file, head)) = self.open(index)? else { return Ok(Found::Nothing) };
        loop {
            let mut bytes = vec![0; RUN_BYTES];
            let got = read_up_to(&file, &mut bytes, offset)
                .map_err(SpoolError::io("read", segments::path_of(&self.folder, index)))?;
            bytes.truncate(got);
            let skip =
                |header: &FrameHeader| head.lineage == self.after.lineage && header.number < self.after.next_frame;
            let taken = take(&bytes, skip);
            offset += taken.start as u64;
            let Some((first, last)) = taken.span else {
                self.place = Some((index, offset));
                if taken.start == 0 {
                    return Ok(Found::Nothing);
                }
                continue;
            };
            let cursor = |next_frame, next_sequence| Cursor { lineage: head.lineage, next_frame, next_sequence };
            self.place = Some((index, offset + (taken.end - taken.start) as u64));
            bytes.truncate(taken.end);
            bytes.drain(..taken.start);
            return Ok(Found::Run(Run {
                first: cursor(first.number, first.sequence),
                next: cursor(last.number + 1, last.next_sequence()),
                boot_id: head.boot_id,
                frames: bytes,
            }));
        }
    }
}

/// Frames `start .. end` of some bytes are the next run; what is before `start` is passed over.
struct Taken {
    start: usize,
    end: usize,
    span: Option<(FrameHeader, FrameHeader)>,
}

fn take(bytes: &[u8], skip: impl Fn(&FrameHeader) -> bool) -> Taken {
    let mut taken = Taken { start: 0, end: 0, span: None };
    loop {
        let length = match Frame::decode(&bytes[taken.end..]) {
            Ok(frame) if !skip(&frame.header) => {
                let first = taken.span.map_or(frame.header, |(first, _)| first);
                taken.span = Some((first, frame.header));
                taken.end += frame.header.frame_len();
                continue;
            }
            Ok(frame) => frame.header.frame_len(),
            // Damaged on this disk: passed over, and the gap in the numbers tells of it. Its header is whole, so
            // the next frame can be found.
            Err(FrameError::Payload(_) | FrameError::Contradiction(..)) => {
                FrameHeader::decode(&bytes[taken.end..]).map_or(0, |header| header.frame_len())
            }
            Err(_) => 0,
        };
        if length == 0 || taken.span.is_some() || taken.end + length > bytes.len() {
            return taken;
        }
        taken.end += length;
        taken.start = taken.end;
    }
}

/// Fills `bytes` from `offset` on as far as the file goes.
fn read_up_to(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        match file.read_at(&mut bytes[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

/// The largest frame must fit, or reading would stop at it.
const _: () = assert!(HEADER_LEN + fleet_units::log_frame::MAX_PAYLOAD <= RUN_BYTES);
