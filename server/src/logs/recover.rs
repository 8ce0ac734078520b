//! What is known of every source when the coordinator starts: the newest checkpoint, and the blocks since.

use super::block::{self, Block, Place};
use super::segments::{self, SEGMENT_HEADER_LEN, Sources, Writer};
use super::{Environment, LogError, Retention, Stored};
use fleet_units::ids::EnvironmentName;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Lineages remembered of one source besides the present one.
const EARLIER: usize = 8;

pub(crate) type Opened = (BTreeMap<EnvironmentName, Environment>, BTreeMap<EnvironmentName, Writer>);

/// Opens every environment below `dir`.
pub(crate) fn open(dir: &Path, retention: Retention) -> Result<Opened, LogError> {
    fs::create_dir_all(dir).map_err(LogError::io("create", dir))?;
    let (mut environments, mut writers) = (BTreeMap::new(), BTreeMap::new());
    for entry in fs::read_dir(dir).map_err(LogError::io("list", dir))? {
        let name = entry.map_err(LogError::io("list", dir))?.file_name();
        let Some(name) = name.to_str().and_then(|name| name.parse::<EnvironmentName>().ok()) else { continue };
        let folder = dir.join(name.as_str());
        let mut writer = Writer::open(&folder, retention)?;
        writer.forget_old();
        let mut environment = environment(&folder)?;
        environment.sources.retain(|_, stored| stored.last.segment >= writer.oldest());
        environments.insert(name.clone(), environment);
        writers.insert(name, writer);
    }
    Ok((environments, writers))
}

fn environment(folder: &Path) -> Result<Environment, LogError> {
    let (first, mut sources) = segments::newest_checkpoint(folder)?.unwrap_or_default();
    let mut end = Place { segment: first.saturating_sub(1), offset: SEGMENT_HEADER_LEN };
    for index in segments::list(folder, "seg")?.into_iter().filter(|&index| index >= first) {
        let offset = read_segment(folder, index, &mut sources)?;
        end = Place { segment: index, offset };
    }
    Ok(Environment { folder: folder.to_owned(), sources, end })
}

/// Takes note of every whole block in a segment; the end of the last one.
fn read_segment(folder: &Path, index: u64, sources: &mut Sources) -> Result<u64, LogError> {
    let path = segments::path_of(folder, index);
    let Some(file) = segments::open(folder, index)? else { return Ok(SEGMENT_HEADER_LEN) };
    let mut offset = SEGMENT_HEADER_LEN;
    while let Some((block, next)) = block::read(&file, offset).map_err(LogError::io("read", &path))? {
        note(sources, &block, Place { segment: index, offset });
        offset = next;
    }
    let size = file.metadata().map_err(LogError::io("read", &path))?.len();
    if size > offset {
        tracing::warn!("{}: {} bytes at its end are no whole block and passed over", path.display(), size - offset);
    }
    // What was written and not synced by a coordinator that was killed counts as stored from here on.
    file.sync_data().map_err(LogError::io("sync", path))?;
    Ok(offset)
}

fn note(sources: &mut Sources, block: &Block, place: Place) {
    let stored = advanced(sources.get(&block.header.source), &block.header, place);
    sources.insert(block.header.source.clone(), stored);
}

/// What is stored of a source once the block with this header is, at `place`.
pub(crate) fn advanced(before: Option<&Stored>, header: &block::BlockHeader, place: Place) -> Stored {
    let mut earlier = before.map_or_else(Vec::new, |before| before.earlier.clone());
    if let Some(before) = before
        && before.lineage != header.lineage
    {
        earlier.retain(|&(lineage, _)| lineage != before.lineage && lineage != header.lineage);
        earlier.push((before.lineage, before.next_frame));
        earlier.drain(..earlier.len().saturating_sub(EARLIER));
    }
    Stored {
        lineage: header.lineage,
        next_frame: header.next_frame,
        earlier,
        shift: header.shift,
        next_sequence: header.next_sequence,
        last: place,
        last_time: header.latest,
    }
}
