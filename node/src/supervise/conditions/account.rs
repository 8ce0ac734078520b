//! Who the node is: its user, groups, capabilities, environment.

use super::unknown;
use fleet_units::conditions::Fact;
use fleet_units::diagnostic::Reason;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgid, getgroups, getuid};
use std::collections::BTreeSet;

/// The last id of system users (`SYS_UID_MAX` of login.defs(5) on all distributions of systemd).
const LAST_SYSTEM: u32 = 999;

/// The user the node runs as, real and effective; `@system` for a system user.
pub(super) fn user() -> Fact {
    let uids = [getuid(), geteuid()];
    let name = |uid: &Uid| User::from_uid(*uid).ok().flatten().map(|user| user.name);
    let mut names: BTreeSet<String> = uids.iter().filter_map(name).collect();
    if uids.iter().any(|uid| uid.as_raw() <= LAST_SYSTEM) {
        names.insert("@system".to_owned());
    }
    Fact::Named { names, ids: uids.iter().map(ToString::to_string).collect() }
}

/// The groups the node runs in, supplementary ones too.
pub(super) fn groups() -> Fact {
    let mut gids: Vec<Gid> = getgroups().unwrap_or_default();
    gids.extend([getgid(), getegid()]);
    let name = |gid: &Gid| Group::from_gid(*gid).ok().flatten().map(|group| group.name);
    Fact::Named { names: gids.iter().filter_map(name).collect(), ids: gids.iter().map(ToString::to_string).collect() }
}

/// The capability bounding set, a bit for each.
pub(super) fn bounding_set() -> Result<u64, Reason> {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bits = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
    bits.ok_or_else(|| unknown("/proc/self/status does not tell the bounding set"))
}

/// The node's own variables, `NAME=value`.
pub(super) fn environment() -> Vec<String> {
    std::env::vars_os().map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy())).collect()
}
