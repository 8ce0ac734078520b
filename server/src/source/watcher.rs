//! Notices that something about the refs may have changed: file events, and a look every second as a net.
//!
//! It never says what changed: a ref update shows as a lock file and a rename, `pack-refs` as a rename of
//! `packed-refs` and deletes, so every event only means "look again".

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often it says "look again" by itself, and looks whether the folders are still the same ones.
const NET: Duration = Duration::from_secs(1);

/// Watches one bare repository.
pub struct Watcher {
    root: PathBuf,
    poke: Arc<Notify>,
    watching: Option<RecommendedWatcher>,
    folders: Folders,
    checked: Instant,
}

/// What tells one folder from another that has taken its place: root, refs/heads.
type Folders = [Option<(u64, u64)>; 2];

impl Watcher {
    /// Watches the bare repository in `root`. Where file events cannot be had, the look every second remains.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        let mut watcher = Watcher {
            root: root.to_owned(),
            poke: Arc::new(Notify::new()),
            watching: None,
            folders: folders(root),
            checked: Instant::now(),
        };
        watcher.arm();
        watcher
    }

    /// Returns when a ref may have moved, at the latest after a second. Events between two calls are not lost.
    /// May be dropped at any time.
    pub async fn changed(&mut self) {
        // The clock of the net runs on through a stream of events.
        let rest = NET.saturating_sub(self.checked.elapsed());
        let _ = tokio::time::timeout(rest, self.poke.notified()).await;
        if self.checked.elapsed() >= NET {
            self.checked = Instant::now();
            self.check();
        }
    }

    /// Watches anew when the folders were replaced, or could not be watched before.
    fn check(&mut self) {
        let now = folders(&self.root);
        if now != self.folders || self.watching.is_none() {
            self.folders = now;
            self.arm();
        }
    }

    fn arm(&mut self) {
        let result = watch(&self.root, &self.poke);
        if let Err(error) = &result {
            tracing::debug!(%error, repository = %self.root.display(), "no file events; looking every second");
        }
        self.watching = result.ok();
    }
}

fn watch(root: &Path, poke: &Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let poke = Arc::clone(poke);
    let mut watching = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.as_ref().map_or(true, |event| counts(&event.kind)) {
            poke.notify_one();
        }
    })?;
    watching.watch(root, RecursiveMode::NonRecursive)?;
    watching.watch(&root.join("refs/heads"), RecursiveMode::Recursive)?;
    Ok(watching)
}

/// Opening and reading are no changes; counting them would make each look cause the next one.
fn counts(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    }
}

fn folders(root: &Path) -> Folders {
    [root.to_owned(), root.join("refs/heads")]
        .map(|path| std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino())))
}
