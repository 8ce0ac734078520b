//! The blocks of one source, found backwards from its last one.

use super::block::{self, Block, BlockHeader, Place};
use super::segments::{self, SEGMENT_HEADER_LEN};
use super::{LogError, Source};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Segments kept open while reading.
const OPEN_FILES: usize = 32;
/// Blocks looked through for the beginning of a line; a line has at most 1 MiB, a full block 60 KiB of it.
const LINE_BLOCKS: usize = 64;

/// The segments of one environment, opened as they are needed.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    open: BTreeMap<u64, File>,
}

impl Files {
    pub(crate) fn new(folder: &Path) -> Self {
        Files { folder: folder.to_owned(), open: BTreeMap::new() }
    }

    /// `None` when the segment has been dropped.
    fn file(&mut self, segment: u64) -> Result<Option<&File>, LogError> {
        if !self.open.contains_key(&segment) {
            let Some(file) = segments::open(&self.folder, segment)? else { return Ok(None) };
            if self.open.len() >= OPEN_FILES {
                self.open.clear();
            }
            self.open.insert(segment, file);
        }
        Ok(self.open.get(&segment))
    }

    /// The block at a place, checked, and the place behind it; `None` when there is none (any more).
    pub(crate) fn block(&mut self, place: Place) -> Result<Option<(Block, Place)>, LogError> {
        let path = segments::path_of(&self.folder, place.segment);
        let Some(file) = self.file(place.segment)? else { return Ok(None) };
        let found = block::read(file, place.offset).map_err(LogError::io("read", path))?;
        Ok(found.map(|(block, offset)| (block, Place { offset, ..place })))
    }

    /// The header of the block at a place and the place behind it.
    pub(crate) fn header(&mut self, place: Place) -> Result<Option<(BlockHeader, Place)>, LogError> {
        let path = segments::path_of(&self.folder, place.segment);
        let Some(file) = self.file(place.segment)? else { return Ok(None) };
        let found = block::read_header(file, place.offset).map_err(LogError::io("read", path))?;
        Ok(found.map(|(header, offset)| (header, Place { offset, ..place })))
    }

    /// Where the first block after this segment lies, if it is there.
    pub(crate) fn next_segment(&self, place: Place) -> Result<Option<Place>, LogError> {
        let later = segments::list(&self.folder, "seg")?.into_iter().find(|&index| index > place.segment);
        Ok(later.map(|segment| Place { segment, offset: SEGMENT_HEADER_LEN }))
    }
}

/// A block of a chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) place: Place,
    /// The earliest time in it.
    pub(crate) earliest: u64,
}

/// Some of a source's blocks, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    pub(crate) links: Vec<Link>,
    /// So many of the first ones are there only because lines begin in them that end later.
    pub(crate) prime: usize,
}

/// The blocks from `last` back to the one where `enough` says so, and before it those where its first lines
/// begin. With `wanted` false, only the latter, for a block that lies behind `last` and continues `need`.
pub(crate) fn back(
    files: &mut Files,
    source: &Source,
    last: Place,
    mut need: u8,
    mut wanted: bool,
    mut enough: impl FnMut(&BlockHeader) -> bool,
) -> Result<Chain, LogError> {
    let mut chain = Chain::default();
    let mut place = last;
    while place.segment != 0 && (wanted || need != 0 && chain.prime < LINE_BLOCKS) {
        let Some((header, _)) = files.header(place)? else { break };
        if header.source != *source || header.before >= place {
            break;
        }
        if wanted {
            need = header.continues;
            wanted = !enough(&header);
        } else {
            need &= !header.starts;
            chain.prime += 1;
        }
        chain.links.push(Link { place, earliest: header.earliest });
        place = header.before;
    }
    chain.links.reverse();
    Ok(chain)
}
