//! Which processes belong to a unit where it has no cgroup.
//!
//! A unit's processes are those that were started for it, and everything that descends from them. A daemon that forks
//! twice and makes a session of its own has left that line: its parent is gone and it became the guard's child.
//! It is recognised by its session or process group, and else by the INVOCATION_ID it was started with. A process
//! that left the line *and* cleared its environment is found only if it is what the last process of a unit left (see
//! `note_nameless`): that is what cgroups are for.

use std::collections::{BTreeMap, BTreeSet};

use crate::kernel::process::{self, Stat};

use super::held::Unit;

/// What tells a unit's processes.
pub(crate) struct Marks<'a> {
    /// Processes known to be of the unit: pid and start time.
    pub(crate) known: BTreeMap<u32, u64>,
    /// Its invocation ids.
    pub(crate) invocations: &'a BTreeSet<String>,
}

impl<'a> Marks<'a> {
    pub(crate) fn of(unit: &'a Unit) -> Self {
        Self { known: unit.known(), invocations: &unit.invocations }
    }
}

/// The processes of the unit that are alive, by pid with their start times. `orphans_of` are the processes that
/// orphans become children of: the guard, and whoever got the children of a killed one. `started_with(pid, variable)` looks into a process's environment.
pub(crate) fn find(
    marks: &Marks<'_>,
    all: &[Stat],
    orphans_of: &[u32],
    started_with: impl Fn(u32, &str) -> bool,
) -> BTreeMap<u32, u64> {
    let alive: Vec<&Stat> = all.iter().filter(|stat| !stat.is_zombie() && !orphans_of.contains(&stat.pid)).collect();
    let variables: Vec<String> = marks.invocations.iter().map(|id| format!("INVOCATION_ID={id}")).collect();
    let is_known = |stat: &Stat| marks.known.get(&stat.pid) == Some(&stat.start_time);
    let strayed = |stat: &Stat| {
        orphans_of.contains(&stat.parent)
            && (marks.known.contains_key(&stat.session)
                || marks.known.contains_key(&stat.group)
                || variables.iter().any(|variable| started_with(stat.pid, variable)))
    };
    let mut found: BTreeMap<u32, u64> =
        alive.iter().filter(|stat| is_known(stat) || strayed(stat)).map(|stat| (stat.pid, stat.start_time)).collect();
    // Children of members are members; each round finds one more generation.
    loop {
        let before = found.len();
        for stat in &alive {
            if found.contains_key(&stat.parent) {
                found.insert(stat.pid, stat.start_time);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// As [`find`], among the processes of this machine as they are now. Empty when `/proc` cannot be read.
pub(crate) fn now(marks: &Marks<'_>, orphans_of: &[u32]) -> BTreeMap<u32, u64> {
    let all = process::all().unwrap_or_default();
    find(marks, &all, orphans_of, process::started_with)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: u32 = 10;

    fn stat(pid: u32, parent: u32, session: u32) -> Stat {
        Stat { pid, state: 'S', parent, group: session, session, start_time: u64::from(pid) }
    }

    fn found(known: &[u32], all: &[Stat], marked: &[u32]) -> Vec<u32> {
        let invocations = BTreeSet::from(["ab".to_owned()]);
        let known = known.iter().map(|pid| (*pid, u64::from(*pid))).collect();
        let started_with = |pid: u32, variable: &str| variable == "INVOCATION_ID=ab" && marked.contains(&pid);
        find(&Marks { known, invocations: &invocations }, all, &[GUARD], started_with).into_keys().collect()
    }

    #[test]
    fn descendants_belong_and_strangers_do_not() {
        let all = [stat(GUARD, 1, 1), stat(22, 21, 20), stat(21, 20, 20), stat(20, GUARD, 20), stat(30, 1, 30)];
        assert_eq!(found(&[20], &all, &[]), [20, 21, 22]);
    }

    #[test]
    fn an_orphan_is_known_by_its_session_or_by_its_invocation() {
        let all = [stat(21, GUARD, 20), stat(40, GUARD, 40), stat(41, 40, 40), stat(50, GUARD, 50)];
        assert_eq!(found(&[20], &all, &[40]), [21, 40, 41]);
    }

    #[test]
    fn a_process_elsewhere_is_not_taken_for_its_environment_alone() {
        assert!(found(&[], &[stat(60, 1, 60)], &[60]).is_empty());
    }

    #[test]
    fn zombies_and_reused_pids_do_not_count() {
        let zombie = Stat { state: 'Z', ..stat(20, GUARD, 20) };
        let reused = Stat { start_time: 99, ..stat(21, 1, 21) };
        assert!(found(&[20, 21], &[zombie, reused], &[]).is_empty());
    }
}
