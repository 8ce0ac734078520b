//! Entries for a journal that another process holds: `fleet server operator issue` works while the coordinator runs,
//! and while it cannot answer anyone.
//!
//! The folder beside the journal is as private as the authority's keys, so whoever can drop a file there could sign
//! certificates anyway. A file appears whole (rename) and is removed once its entries are durable; the entries that come
//! this way may be applied twice without harm.

use super::{Entry, Journal, JournalError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a running coordinator looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The inbox of the journal at `journal`.
#[must_use]
pub fn folder(journal: &Path) -> PathBuf {
    journal.with_extension("inbox")
}

/// Leaves `entries` for whoever holds the journal; durable on return.
pub fn leave(folder: &Path, entries: &[Entry]) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let name = format!("{:020}-{}", fleet_certs::clock::system_time().0, std::process::id());
    let temporary = folder.join(format!("{name}.new"));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(entries).expect("entries are plain data"))?;
    file.sync_all()?;
    std::fs::rename(&temporary, folder.join(format!("{name}.json")))?;
    std::fs::File::open(folder)?.sync_all()
}

/// Takes in what lies there, oldest first; returns how many entries. A file that cannot be read is set aside with the
/// ending `.rejected`, and said.
pub fn drain(journal: &Journal, folder: &Path) -> Result<usize, JournalError> {
    let Ok(files) = std::fs::read_dir(folder) else { return Ok(0) };
    let mut files: Vec<PathBuf> = files.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let mut taken = 0;
    for path in files {
        let entries = std::fs::read(&path).map_err(|error| error.to_string());
        let entries =
            entries.and_then(|bytes| serde_json::from_slice::<Vec<Entry>>(&bytes).map_err(|error| error.to_string()));
        match entries {
            Ok(entries) => {
                for entry in entries {
                    journal.append(entry)?;
                    taken += 1;
                }
                let _ = std::fs::remove_file(&path); // if this fails they are applied again, which changes nothing
            }
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "set aside an unreadable file for the journal");
                let _ = std::fs::rename(&path, path.with_extension("rejected"));
            }
        }
    }
    Ok(taken)
}

/// Takes in what comes, until `shutdown`.
pub async fn watch(journal: Journal, folder: PathBuf, shutdown: CancellationToken) {
    loop {
        let (task_journal, task_folder) = (journal.clone(), folder.clone());
        match tokio::task::spawn_blocking(move || drain(&task_journal, &task_folder)).await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(taken)) => tracing::info!(entries = taken, "took in what was left for the journal"),
            Ok(Err(error)) => tracing::error!(%error, "cannot take in what was left for the journal"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = shutdown.cancelled() => return,
        }
    }
}
