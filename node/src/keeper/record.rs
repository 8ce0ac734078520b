//! What a next supervisor needs, should this one be killed: which processes are of this node.
//!
//! `RUNTIME/records/` holds one small file per process, named by its pid: boot id, start time, unit, invocation; and
//! `tree`, the folder of the node's cgroup. A reboot makes them void. Nothing is synced: they have to survive this
//! process, not the machine. Format version 1.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const VERSION: &str = "1";

/// The name of the record of the cgroup.
const TREE: &str = "tree";

/// One recorded process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) pid: u32,
    pub(crate) start_time: u64,
    /// Empty: the agent.
    pub(crate) unit: String,
    pub(crate) invocation_id: String,
}

/// The folder of records.
#[derive(Debug)]
pub(crate) struct Records {
    folder: PathBuf,
    boot_id: String,
}

impl Records {
    pub(crate) fn open(runtime: &Path, boot_id: &str) -> io::Result<Self> {
        let folder = runtime.join("records");
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder, boot_id: boot_id.to_owned() })
    }

    /// A record that cannot be written costs only the search after a kill -9 of the supervisor, so it fails nothing.
    pub(crate) fn write(&self, record: &Record) {
        let Record { pid, start_time, unit, invocation_id } = record;
        let text = format!("{VERSION} {} {start_time} {unit} {invocation_id}\n", self.boot_id);
        if let Err(error) = fs::write(self.folder.join(pid.to_string()), text) {
            tracing::warn!(unit, pid, %error, "the record of a process cannot be written");
        }
    }

    pub(crate) fn remove(&self, pid: u32) {
        let _ = fs::remove_file(self.folder.join(pid.to_string()));
    }

    pub(crate) fn write_tree(&self, tree: &Path) {
        let text = format!("{VERSION} {}\n{}\n", self.boot_id, tree.display());
        if let Err(error) = fs::write(self.folder.join(TREE), text) {
            tracing::warn!(%error, "the record of the cgroup cannot be written");
        }
    }

    /// The cgroup of an earlier supervisor in this boot.
    pub(crate) fn tree(&self) -> Option<PathBuf> {
        let text = fs::read_to_string(self.folder.join(TREE)).ok()?;
        let (head, path) = text.split_once('\n')?;
        (head == format!("{VERSION} {}", self.boot_id)).then(|| PathBuf::from(path.trim_end()))
    }

    /// The processes an earlier supervisor recorded in this boot.
    pub(crate) fn read(&self) -> Vec<Record> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        names.filter_map(|pid| self.read_one(pid)).collect()
    }

    fn read_one(&self, pid: u32) -> Option<Record> {
        let text = fs::read_to_string(self.folder.join(pid.to_string())).ok()?;
        let mut words = text.trim_end_matches('\n').split(' ');
        if words.next()? != VERSION || words.next()? != self.boot_id {
            return None;
        }
        let start_time = words.next()?.parse().ok()?;
        let (unit, invocation_id) = (words.next()?.to_owned(), words.next().unwrap_or("").to_owned());
        Some(Record { pid, start_time, unit, invocation_id })
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.filter_map(Result::ok) {
            let _ = fs::remove_file(entry.path());
        }
    }

    pub(crate) fn remove_folder(&self) {
        self.clear();
        let _ = fs::remove_dir(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_another_boot_or_torn_ones_are_not_believed() {
        let root = std::env::temp_dir().join(format!("fleet-records-{}", std::process::id()));
        let records = Records::open(&root, "boot").unwrap();
        let unit = "a.service".to_owned();
        let record = Record { pid: 7, start_time: 9, unit, invocation_id: "ab".to_owned() };
        records.write(&record);
        records.write(&Record { pid: 8, unit: String::new(), invocation_id: String::new(), ..record.clone() });
        records.write_tree(Path::new("/sys/fs/cgroup/x y"));
        fs::write(root.join("records/9"), "1 boot").unwrap();
        let mut read = records.read();
        read.sort_by_key(|record| record.pid);
        assert_eq!(read[0], record);
        assert_eq!((read[1].pid, read[1].unit.as_str(), read.len()), (8, "", 2));
        assert_eq!(records.tree().unwrap(), Path::new("/sys/fs/cgroup/x y"));
        let after_reboot = Records::open(&root, "other").unwrap();
        assert!(after_reboot.read().is_empty() && after_reboot.tree().is_none());
        fs::remove_dir_all(root).unwrap();
    }
}
