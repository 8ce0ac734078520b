//! The supervisor's diary: what it must know again after it was killed and what lies neither in the table nor in the
//! kernel. A file in the runtime folder that is only appended to, and written anew when it has grown long. Version 1.
//!
//! Each entry: length u32, CRC-32 of the body u32, body, a `DiaryEntry`; little endian. One write an entry. Nothing is
//! synced: it has to survive this process, not the machine. An entry that was being written when the supervisor was killed
//! is cut off. It means nothing in another boot.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fleet_proto::control::{DiaryBegun, DiaryEntry, diary_entry};
use prost::Message;

use super::point::point;

const FILE: &str = "diary";
const VERSION: u32 = 1;
const HEAD: usize = 8;

/// It is not written anew below this length, in bytes.
const SHORT: u64 = 1024 * 1024;

/// Nor before it is so many times longer than after the last time.
const GROWTH: u64 = 4;

/// The open diary.
#[derive(Debug)]
pub(crate) struct Diary {
    path: PathBuf,
    /// `None`: it cannot be written.
    file: Option<File>,
    length: u64,
    /// Where it is long.
    limit: u64,
}

/// What an earlier supervisor left.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// The first entry.
    pub(crate) begun: DiaryBegun,
    /// The others, in order.
    pub(crate) entries: Vec<diary_entry::Entry>,
    /// Something in it could not be read, and it was set aside there.
    pub(crate) damaged: Option<PathBuf>,
}

/// Reads the diary of this boot in the runtime folder; empty if there is none. What cannot be read is left out, and the
/// file set aside.
pub(crate) fn read(runtime: &Path, boot_id: &str) -> Read {
    let path = runtime.join(FILE);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Read::default(),
        other => other.unwrap_or_default(),
    };
    let (mut entries, whole) = decode(&bytes);
    let begun = match entries.is_empty() {
        false => entries.remove(0),
        true => diary_entry::Entry::Begun(DiaryBegun::default()),
    };
    let set_aside = || {
        let aside = runtime.join("diary.damaged");
        let _ = fs::rename(&path, &aside); // else it is written over
        aside
    };
    match begun {
        diary_entry::Entry::Begun(begun) if begun.version == VERSION && begun.boot_id == boot_id => {
            Read { begun, entries, damaged: (!whole).then(set_aside) }
        }
        diary_entry::Entry::Begun(begun) if begun.version == VERSION => Read::default(), // of another boot
        _ => Read { damaged: Some(set_aside()), ..Read::default() },
    }
}

/// The entries up to the first that cannot be read, and whether that is only one that was cut off.
fn decode(mut bytes: &[u8]) -> (Vec<diary_entry::Entry>, bool) {
    let mut entries = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(HEAD) {
        let length = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
        let Some((body, rest)) = rest.split_at_checked(length) else { break };
        if crc32fast::hash(body) != u32::from_le_bytes(head[4..].try_into().expect("four bytes")) {
            return (entries, false);
        }
        let Ok(entry) = DiaryEntry::decode(body) else { return (entries, false) };
        entries.extend(entry.entry); // none: of a newer supervisor
        bytes = rest;
    }
    (entries, true)
}

/// Removes it: nothing it speaks of runs any more.
pub(crate) fn remove(runtime: &Path) {
    let _ = fs::remove_file(runtime.join(FILE)); // not there is fine
}

impl Diary {
    /// Begins it anew with these entries. One that cannot be written costs what a killed supervisor knew, so that is said
    /// and fails nothing.
    pub(crate) fn begin(runtime: &Path, begun: DiaryBegun, entries: impl Iterator<Item = diary_entry::Entry>) -> Self {
        let path = runtime.join(FILE);
        let begun = DiaryBegun { version: VERSION, ..begun };
        let mut bytes = Vec::new();
        for entry in std::iter::once(diary_entry::Entry::Begun(begun)).chain(entries) {
            append(&mut bytes, entry);
        }
        let length = bytes.len() as u64;
        let file = replace(&path, &bytes).inspect_err(|error| cannot_write(&path, error)).ok();
        Self { path, file, length, limit: SHORT.max(length * GROWTH) }
    }

    pub(crate) fn write(&mut self, entry: diary_entry::Entry) {
        let Some(file) = &mut self.file else { return };
        let mut bytes = Vec::new();
        append(&mut bytes, entry);
        match file.write_all(&bytes) {
            Ok(()) => self.length += bytes.len() as u64,
            Err(error) => {
                cannot_write(&self.path, &error);
                // What follows a torn entry would not be read. It is tried again when it is long, and by the next supervisor.
                let _ = file.set_len(self.length);
                let _ = io::Seek::seek(file, io::SeekFrom::Start(self.length));
            }
        }
    }

    /// It is time to begin it anew.
    pub(crate) fn is_long(&self) -> bool {
        self.length > self.limit
    }
}

fn cannot_write(path: &Path, error: &io::Error) {
    tracing::error!(path = %path.display(), %error, "the diary cannot be written: a killed supervisor's successor knows less");
}

fn append(bytes: &mut Vec<u8>, entry: diary_entry::Entry) {
    let body = DiaryEntry { entry: Some(entry) }.encode_to_vec();
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    point("diary-new");
    fs::rename(new, path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_proto::control::Remember;

    fn remember(text: &str) -> diary_entry::Entry {
        diary_entry::Entry::Remember(Remember { unit: "a.service".to_owned(), remembered: text.to_owned().into() })
    }

    fn begin(root: &Path) -> Diary {
        let begun = DiaryBegun { boot_id: "boot".to_owned(), continuity: 7, ..DiaryBegun::default() };
        Diary::begin(root, begun, [remember("one")].into_iter())
    }

    #[test]
    fn what_was_written_is_read_in_order_in_the_same_boot() {
        let root = tempfile::tempdir().unwrap();
        assert!(read(root.path(), "boot").entries.is_empty());
        begin(root.path()).write(remember("two"));
        let found = read(root.path(), "boot");
        assert_eq!((found.entries, found.begun.continuity), (vec![remember("one"), remember("two")], 7));
        assert!(read(root.path(), "other").entries.is_empty());
    }

    #[test]
    fn an_entry_that_was_cut_off_costs_itself_alone() {
        let root = tempfile::tempdir().unwrap();
        begin(root.path()).write(remember("two"));
        let path = root.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let found = read(root.path(), "boot");
            assert!(found.entries.len() < 2);
            assert_eq!(found.damaged.is_some(), found.begun.version == 0, "cut at {length}");
        }
    }

    #[test]
    fn a_damaged_one_is_set_aside_and_what_is_before_the_damage_is_kept() {
        let root = tempfile::tempdir().unwrap();
        begin(root.path()).write(remember("two"));
        let path = root.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let found = read(root.path(), "boot");
        assert_eq!(found.entries, [remember("one")]);
        assert!(found.damaged.unwrap().exists() && !path.exists());
    }
}
