//! Ends what an earlier supervisor of the same state folder left when it was killed.
//!
//! Its units run on without anybody who reads their output or sees their end. Taking them over is the guard's task;
//! here they are killed, and that is said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::KeeperError;
use super::record::{Record, Records};
use crate::kernel::boot;
use crate::kernel::cgroup::Group;
use crate::kernel::process::{self, Stat};

/// How long killed processes may take to be gone. Those stuck in the kernel are left.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Ends what a killed supervisor of `node` left running, going by the records in its runtime folder. For whoever is about
/// to remove that folder, and knows that no supervisor uses it.
///
/// # Errors
/// When the boot id or the records cannot be read: then nothing is ended.
pub fn end_of(runtime: &Path, node: &str) -> Result<(), KeeperError> {
    if !runtime.join("records").exists() {
        return Ok(());
    }
    let boot_id = boot::id().map_err(KeeperError::system("read the boot id"))?;
    let records = Records::open(runtime, &boot_id).map_err(KeeperError::path("open", runtime))?;
    end(&records, node);
    Ok(())
}

/// Kills, waits, says so, and forgets the records.
pub(crate) fn end(records: &Records, node: &str) {
    let recorded = records.read();
    let groups: Vec<Group> = records.tree().iter().map(|path| Group::at(path)).collect();
    let alive = || {
        let mut all = of_records(&recorded, &process::all().unwrap_or_default());
        for pid in groups.iter().flat_map(Group::processes) {
            if let Ok(stat) = process::stat(pid)
                && !stat.is_zombie()
            {
                all.insert(stat.pid, stat.start_time);
            }
        }
        all
    };
    let deadline = Instant::now() + PATIENCE;
    let mut killed = BTreeSet::new();
    let mut left = alive();
    while !left.is_empty() && Instant::now() < deadline {
        for group in &groups {
            let _ = group.kill(); // an older kernel cannot; the loop below does it
        }
        for (pid, start_time) in &left {
            let _ = process::signal_exactly(*pid, *start_time, libc::SIGKILL);
            killed.insert(*pid);
        }
        sleep(LOOK);
        left = alive();
    }
    for group in &groups {
        let _ = group.remove(); // tried again when the tree is made
    }
    if !killed.is_empty() {
        let units: BTreeSet<&str> =
            recorded.iter().map(|record| record.unit.as_str()).filter(|u| !u.is_empty()).collect();
        tracing::warn!(node, processes = killed.len(), units = units.len(), "killed what an earlier supervisor left");
    }
    if !left.is_empty() {
        tracing::error!(node, processes = left.len(), "what an earlier supervisor left cannot be killed");
    }
    records.clear();
}

/// The recorded processes that are alive, with everything in their sessions, below them, or of their invocations.
fn of_records(recorded: &[Record], all: &[Stat]) -> BTreeMap<u32, u64> {
    let own = std::process::id();
    let starts: BTreeMap<u32, u64> = recorded.iter().map(|record| (record.pid, record.start_time)).collect();
    let variables: BTreeSet<String> = recorded
        .iter()
        .filter(|record| !record.invocation_id.is_empty())
        .map(|record| format!("INVOCATION_ID={}", record.invocation_id))
        .collect();
    // A session id is its leader's pid. It is not used again while a member is alive, but may be after the leader and
    // all members are gone: members of a session that began after the record are strangers only if its leader is one.
    let leader_is_ours = |session: u32, started: u64| {
        let leader = all.iter().find(|stat| stat.pid == session);
        starts
            .get(&session)
            .is_some_and(|recorded| started >= *recorded && leader.is_none_or(|leader| leader.start_time == *recorded))
    };
    let mut found: BTreeMap<u32, u64> = BTreeMap::new();
    for stat in all.iter().filter(|stat| !stat.is_zombie() && stat.pid != own) {
        let is_recorded = starts.get(&stat.pid) == Some(&stat.start_time);
        let marked = || variables.iter().any(|variable| process::started_with(stat.pid, variable));
        if is_recorded || leader_is_ours(stat.session, stat.start_time) || marked() {
            found.insert(stat.pid, stat.start_time);
        }
    }
    loop {
        let before = found.len();
        for stat in all.iter().filter(|stat| !stat.is_zombie() && stat.pid != own) {
            if found.contains_key(&stat.parent) {
                found.insert(stat.pid, stat.start_time);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn what_the_records_name_is_ended_before_their_folder_goes() {
        let root = std::env::temp_dir().join(format!("fleet-leftovers-{}", std::process::id()));
        end_of(&root, "n").unwrap(); // nothing was ever there
        assert!(!root.exists());
        let records = Records::open(&root, &boot::id().unwrap()).unwrap();
        let mut left = Command::new("sleep").arg("600").spawn().unwrap();
        let start_time = process::stat(left.id()).unwrap().start_time;
        let unit = "a.service".to_owned();
        records.write(&Record { pid: left.id(), start_time, unit, invocation_id: String::new() });
        end_of(&root, "n").unwrap();
        assert_eq!(left.wait().unwrap().signal(), Some(libc::SIGKILL));
        std::fs::remove_dir_all(root).unwrap();
    }
}
