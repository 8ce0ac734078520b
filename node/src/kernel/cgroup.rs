//! The node's own part of a cgroup v2 tree (cgroups(7)): one group per unit below one group per node.
//!
//! Only what needs no controller is used: membership, `cgroup.kill`, `cgroup.events`. So it works wherever a version 2
//! tree is mounted and a group can be made, also beside version 1.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Finds where a version 2 tree is mounted: (root of the mount inside the tree, mount point).
fn mount(mountinfo: &str) -> Option<(&str, &str)> {
    mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        if after.split(' ').next()? != "cgroup2" {
            return None;
        }
        let mut fields = before.split(' ').skip(3);
        Some((fields.next()?, fields.next()?))
    })
}

/// The path of this process's group, from `/proc/self/cgroup`.
fn own_group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// The group that holds the groups of a node's units.
#[derive(Debug, Clone)]
pub struct Tree {
    root: PathBuf,
    /// The same as `/proc/PID/cgroup` shows it.
    shown: String,
}

impl Tree {
    /// Where the group `name` below this process's own group would be. `None`: no version 2 tree is mounted here.
    #[must_use]
    pub fn locate(name: &str) -> Option<Self> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let (root, point) = mount(&mountinfo)?;
        // A group outside of this cgroup namespace shows as `/..`; what is made there would be somebody else's.
        let own = own_group(&own).filter(|path| !path.contains(".."))?;
        let below = own.strip_prefix(root).unwrap_or("").trim_start_matches('/');
        let shown = format!("{}/{name}", own.trim_end_matches('/'));
        Some(Self { root: Path::new(point).join(below).join(name), shown })
    }

    /// The one in this folder, shown so.
    #[must_use]
    pub fn known(root: PathBuf, shown: String) -> Self {
        Self { root, shown }
    }

    /// The names of the groups in it.
    #[must_use]
    pub fn units(&self) -> Vec<String> {
        let names = children(&self.root).into_iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
        names.collect()
    }

    /// Makes the group.
    ///
    /// # Errors
    /// When this user may not, or the mount is read-only.
    pub fn make(&self) -> io::Result<()> {
        make(&self.root)
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Its path as `/proc/PID/cgroup` shows it.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The group of a unit, which need not be there.
    #[must_use]
    pub fn unit(&self, unit: &str) -> Group {
        Group { path: self.root.join(unit) }
    }

    /// The unit whose group, or a group below it, the process is in.
    #[must_use]
    pub fn unit_of(&self, pid: u32) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let below = own_group(&text)?.strip_prefix(&self.shown)?.strip_prefix('/')?;
        below.split('/').next().map(str::to_owned)
    }

    /// All groups as one, to kill or remove everything.
    #[must_use]
    pub fn whole(&self) -> Group {
        Group { path: self.root.clone() }
    }
}

fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// One group.
#[derive(Debug, Clone)]
pub struct Group {
    path: PathBuf,
}

impl Group {
    /// The group in this folder.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Makes it if it is not there, and opens its folder, to start a process in it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(&self) -> io::Result<File> {
        make(&self.path)?;
        File::open(&self.path)
    }

    /// The file whose changes tell that the group became empty or not.
    #[must_use]
    pub fn events_file(&self) -> PathBuf {
        self.path.join("cgroup.events")
    }

    /// Whether any process that is not a zombie is in it or below. A group that is not there has none.
    #[must_use]
    pub fn populated(&self) -> bool {
        fs::read_to_string(self.events_file()).is_ok_and(|text| text.lines().any(|line| line == "populated 1"))
    }

    /// The processes in it and below, zombies included. Those the reader's PID namespace cannot name are left out.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let mut found = Vec::new();
        collect(&self.path, &mut found);
        found
    }

    /// Kills everything in it and below at once (Linux 5.14).
    ///
    /// # Errors
    /// When the kernel cannot, or the group is not there.
    pub fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }

    /// Moves this process into it.
    ///
    /// # Errors
    /// As write(2) to `cgroup.procs`.
    pub fn enter(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), "0")
    }

    /// Removes it and those below. Gone already is fine.
    ///
    /// # Errors
    /// `ResourceBusy` while a process is in it.
    pub fn remove(&self) -> io::Result<()> {
        remove(&self.path)
    }
}

fn collect(path: &Path, found: &mut Vec<u32>) {
    if let Ok(text) = fs::read_to_string(path.join("cgroup.procs")) {
        found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0));
    }
    for child in children(path) {
        collect(&child, found);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    for child in children(path) {
        remove(&child)?;
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn children(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_2_mount_is_found_among_others() {
        let text = "31 20 0:27 / /sys/fs/cgroup ro shared:4 - tmpfs tmpfs ro\n\
                    41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n\
                    42 31 0:39 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        assert_eq!(mount(text), Some(("/", "/sys/fs/cgroup/unified")));
        assert_eq!(mount("42 31 0:39 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"), None);
    }

    #[test]
    fn the_own_group_is_the_line_without_controllers() {
        assert_eq!(own_group("9:name=systemd:/x\n0::/user.slice/a\n"), Some("/user.slice/a"));
        assert_eq!(own_group("9:name=systemd:/x\n"), None);
    }

    #[test]
    fn a_group_that_is_not_there_is_empty_and_removable() {
        let group = Group::at(&std::env::temp_dir().join("fleet-no-such-group"));
        assert!(!group.populated());
        assert!(group.processes().is_empty());
        group.remove().unwrap();
    }
}
