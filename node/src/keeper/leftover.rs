//! Ends what runs of a node without anybody to supervise it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::KeeperError;
use super::shared::{self, Exact, NodeProcess, Seen, Shared};
use crate::kernel::boot;
use crate::kernel::cgroup::Group;
use crate::kernel::process::{self, Stat};

/// How long killed processes may take to be gone. Those stuck in the kernel are left.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Ends what a killed guard of `node` left running, going by the table in its runtime folder. For whoever is about to
/// remove that folder, and knows that no guard uses it.
///
/// # Errors
/// When the boot id or the table cannot be read: then nothing is ended.
pub fn end_of(runtime: &Path, node: &str) -> Result<(), KeeperError> {
    let boot_id = boot::id().map_err(KeeperError::system("read the boot id"))?;
    let shared = Shared::open(runtime, &boot_id).map_err(KeeperError::path("read", runtime.join(shared::FILE)))?;
    if let Some(shared) = shared {
        end(&shared, node);
    }
    Ok(())
}

/// Ends the units and the node's own processes but the guard.
pub(crate) fn end(shared: &Shared, node: &str) {
    let of_node = NodeProcess::ALL.into_iter().filter_map(|which| shared.header().process(which));
    // First, so that nobody starts anything meanwhile.
    let own: Vec<Recorded> = of_node.map(Recorded::of_node).collect();
    kill(own, &[], node);
    end_units(shared, node);
}

/// Ends the units, and frees their slots.
pub(crate) fn end_units(shared: &Shared, node: &str) {
    let seen = shared.seen();
    let groups: Vec<Group> = shared.header().tree().flatten().iter().map(|(path, _)| Group::at(path)).collect();
    let recorded = seen.iter().filter(|seen| seen.phase.is_alive() && seen.pid != 0).map(Recorded::of_unit).collect();
    kill(recorded, &groups, node);
    for Seen { place, .. } in seen {
        shared.free(place);
    }
}

/// A process by what it is known by.
struct Recorded {
    pid: u32,
    start_time: u64,
    /// Empty: the node's own.
    unit: String,
    invocation_id: String,
}

impl Recorded {
    fn of_node(Exact { pid, start_time }: Exact) -> Self {
        Self { pid, start_time, unit: String::new(), invocation_id: String::new() }
    }

    fn of_unit(seen: &Seen) -> Self {
        let (unit, invocation_id) = (seen.facts.unit.clone(), seen.facts.invocation_id.clone());
        Self { pid: seen.pid, start_time: seen.start_time, unit, invocation_id }
    }
}

/// Kills, waits, and says so.
fn kill(recorded: Vec<Recorded>, groups: &[Group], node: &str) {
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
    if recorded.is_empty() && groups.is_empty() {
        return;
    }
    let deadline = Instant::now() + PATIENCE;
    let mut killed = BTreeSet::new();
    let mut left = alive();
    while !left.is_empty() && Instant::now() < deadline {
        for group in groups {
            let _ = group.kill(); // an older kernel cannot; the loop below does it
        }
        for (pid, start_time) in &left {
            let _ = process::signal_exactly(*pid, *start_time, libc::SIGKILL);
            killed.insert(*pid);
        }
        sleep(LOOK);
        left = alive();
    }
    for group in groups {
        let _ = group.remove(); // tried again when the tree is made
    }
    if !killed.is_empty() {
        let units: BTreeSet<&str> =
            recorded.iter().map(|record| record.unit.as_str()).filter(|u| !u.is_empty()).collect();
        tracing::warn!(
            node,
            processes = killed.len(),
            units = units.len(),
            "killed what was left without a supervisor"
        );
    }
    if !left.is_empty() {
        tracing::error!(node, processes = left.len(), "what was left without a supervisor cannot be killed");
    }
}

/// The recorded processes that are alive, with everything in their sessions, below them, or of their invocations.
fn of_records(recorded: &[Recorded], all: &[Stat]) -> BTreeMap<u32, u64> {
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
    use crate::keeper::shared::{Asked, Facts, Part};
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::sync::atomic::Ordering;

    #[test]
    fn what_the_table_names_is_ended_before_its_folder_goes() {
        let root = std::env::temp_dir().join(format!("fleet-leftovers-{}", std::process::id()));
        end_of(&root, "n").unwrap(); // nothing was ever there
        std::fs::create_dir(&root).unwrap();
        let shared = Shared::create(&root, &boot::id().unwrap()).unwrap();
        let mut left = Command::new("sleep").arg("600").spawn().unwrap();
        let (unit, invocation_id) = ("a.service".to_owned(), String::new());
        let facts = Facts { unit, part: Part::Main, invocation_id, asked: Asked::default() };
        let place = shared.take(&facts).unwrap();
        shared.set_start_time(place, process::stat(left.id()).unwrap().start_time);
        shared.pid_place(place).store(left.id(), Ordering::Relaxed);
        end_of(&root, "n").unwrap();
        assert_eq!(left.wait().unwrap().signal(), Some(libc::SIGKILL));
        assert!(shared.seen().is_empty());
        std::fs::remove_dir_all(root).unwrap();
    }
}
