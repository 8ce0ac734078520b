//! Wakes readers of the spool by file events (inotify(7)): an idle spool costs nothing.

use super::SpoolError;
use fleet_units::ids::UnitName;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use std::collections::{BTreeSet, HashMap};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tokio::io::unix::AsyncFd;

/// Tells which units' spools have changed.
#[derive(Debug)]
pub struct SpoolWatch {
    root: PathBuf,
    events: AsyncFd<OwnedFd>,
    units: HashMap<i32, UnitName>,
    /// Found while watches were set, not told yet.
    found: BTreeSet<UnitName>,
}

impl SpoolWatch {
    /// Watches all units below `root`, also ones that come later. Its first answer names every unit that is there.
    /// Must be called within a tokio runtime.
    pub fn all(root: &Path) -> Result<Self, SpoolError> {
        super::spool::make_folder(root)?;
        let mut watch = SpoolWatch::new(root)?;
        watch.add(root, WatchFlags::CREATE | WatchFlags::MOVED_TO)?;
        watch.look_around()?;
        Ok(watch)
    }

    /// Watches one unit alone; its spool may come later. Its first answer comes at once.
    pub fn one(root: &Path, unit: &UnitName) -> Result<Self, SpoolError> {
        let folder = root.join(unit.as_str());
        super::spool::make_folder(&folder)?;
        let mut watch = SpoolWatch::new(root)?;
        watch.add_unit(unit.clone())?;
        Ok(watch)
    }

    fn new(root: &Path) -> Result<Self, SpoolError> {
        let start = || -> std::io::Result<_> {
            let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            // SAFETY: the descriptor is owned by the `AsyncFd` and stays open, and the same, as long as that lives.
            Ok(unsafe { AsyncFd::register_with_interest(inotify, tokio::io::Interest::READABLE) }?)
        };
        let events = start().map_err(SpoolError::io("watch", root))?;
        Ok(SpoolWatch { root: root.to_owned(), events, units: HashMap::new(), found: BTreeSet::new() })
    }

    fn add(&self, path: &Path, flags: WatchFlags) -> Result<i32, SpoolError> {
        inotify::add_watch(self.events.get_ref(), path, flags)
            .map_err(|error| SpoolError::io("watch", path)(error.into()))
    }

    fn add_unit(&mut self, unit: UnitName) -> Result<(), SpoolError> {
        let folder = self.root.join(unit.as_str());
        let descriptor = self.add(&folder, WatchFlags::MODIFY | WatchFlags::CREATE)?;
        self.units.insert(descriptor, unit.clone());
        // It may have been written to before the watch was set.
        self.found.insert(unit);
        Ok(())
    }

    /// Takes up every unit that is there; adding a watch again changes nothing.
    fn look_around(&mut self) -> Result<(), SpoolError> {
        for entry in std::fs::read_dir(&self.root).map_err(SpoolError::io("list", &self.root))? {
            let name = entry.map_err(SpoolError::io("list", &self.root))?.file_name();
            if let Some(unit) = name.to_str().and_then(|name| name.parse().ok()) {
                self.add_unit(unit)?;
            }
        }
        Ok(())
    }

    /// Waits until some units' spools have changed since the last call. Cancelling it loses nothing.
    pub async fn changed(&mut self) -> Result<BTreeSet<UnitName>, SpoolError> {
        while self.found.is_empty() {
            let mut ready = self.events.readable().await.map_err(SpoolError::io("watch", &self.root))?;
            ready.clear_ready();
            drop(ready);
            self.drain()?;
        }
        Ok(std::mem::take(&mut self.found))
    }

    fn drain(&mut self) -> Result<(), SpoolError> {
        let mut look_around = false;
        let mut buffer = [const { MaybeUninit::uninit() }; 8192];
        let mut reader = Reader::new(self.events.get_ref(), &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => match self.units.get(&event.wd()) {
                    Some(unit) if !event.events().contains(ReadFlags::IGNORED) => {
                        // The cursor lies in the same folder; what the shipper writes itself must not wake it.
                        let segment = event.file_name().is_some_and(|name| name.to_bytes().ends_with(b".seg"));
                        if segment && !self.found.contains(unit) {
                            self.found.insert(unit.clone());
                        }
                    }
                    // A unit's folder is gone, or has come, or events were dropped (its watch is then -1).
                    _ => look_around = true,
                },
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(SpoolError::io("watch", &self.root)(error.into())),
            }
        }
        if look_around { self.look_around() } else { Ok(()) }
    }
}
