//! The account a unit's processes run as: `User=`, `Group=`, `SupplementaryGroups=`.

use fleet_units::diagnostic::Reason;
use fleet_units::spec::ExecSpec;
use fleet_units::status::Unenforced;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::ffi::CString;

/// Why an account cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccountError {
    /// There is no such user.
    #[error("User={0}: this host has no such user")]
    NoUser(String),
    /// There is no such group.
    #[error("group {0}: this host has no such group")]
    NoGroup(String),
}

impl AccountError {
    /// EXIT_USER or EXIT_GROUP (systemd.exec(5)).
    #[must_use]
    pub(super) fn exit_status(&self) -> i32 {
        match self {
            AccountError::NoUser(_) => 217,
            AccountError::NoGroup(_) => 216,
        }
    }
}

/// Who a process runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// User, group and further groups to change to; `None`: the node's own.
    pub(super) change: Option<(u32, u32, Vec<u32>)>,
    /// Login name.
    pub(super) name: String,
    /// Home folder.
    pub(super) home: String,
    /// Login shell.
    pub(super) shell: String,
    /// What the unit asks for that this node may not do.
    pub(super) unenforced: Vec<Unenforced>,
}

/// The account of `exec`, for a node that runs as `own`. `privileged` commands run as the node itself.
///
/// # Errors
/// When the user or a group is not known on this host, and the node is root: others could not change to it anyway.
pub(super) fn resolve(exec: &ExecSpec, privileged: bool, own: Uid) -> Result<Account, AccountError> {
    let node = || User::from_uid(own).ok().flatten();
    if privileged || (exec.user.is_empty() && exec.group.is_empty() && exec.supplementary_groups.is_empty()) {
        return Ok(account(node(), None, vec![]));
    }
    if !own.is_root() {
        return Ok(account(node(), None, not_root(exec, own)));
    }
    let user = if exec.user.is_empty() { node() } else { Some(find_user(&exec.user)?) };
    let gid = match (exec.group.as_str(), &user) {
        ("", Some(user)) => user.gid,
        ("", None) => Gid::from_raw(0),
        (group, _) => find_group(group)?,
    };
    let mut groups = user.as_ref().map(|user| groups_of(user, gid)).unwrap_or_default();
    for group in &exec.supplementary_groups {
        groups.push(find_group(group)?.as_raw());
    }
    let uid = user.as_ref().map_or(0, |user| user.uid.as_raw());
    Ok(account(user, Some((uid, gid.as_raw(), groups)), vec![]))
}

fn account(user: Option<User>, change: Option<(u32, u32, Vec<u32>)>, unenforced: Vec<Unenforced>) -> Account {
    let Some(user) = user else {
        let shell = "/bin/sh".to_owned();
        return Account { change, name: String::new(), home: "/".to_owned(), shell, unenforced };
    };
    Account {
        change,
        name: user.name,
        home: user.dir.to_string_lossy().into_owned(),
        shell: user.shell.to_string_lossy().into_owned(),
        unenforced,
    }
}

/// A number needs no entry in the database, as in systemd.
fn find_user(name: &str) -> Result<User, AccountError> {
    let missing = || AccountError::NoUser(name.to_owned());
    let number = name.parse().ok().map(Uid::from_raw);
    let found = match number {
        Some(uid) => User::from_uid(uid),
        None => User::from_name(name),
    };
    match (found, number) {
        (Ok(Some(user)), _) => Ok(user),
        (_, Some(uid)) => Ok(User {
            name: name.to_owned(),
            passwd: CString::default(),
            uid,
            gid: Gid::from_raw(uid.as_raw()),
            gecos: CString::default(),
            dir: "/".into(),
            shell: "/usr/sbin/nologin".into(),
        }),
        (_, None) => Err(missing()),
    }
}

fn find_group(name: &str) -> Result<Gid, AccountError> {
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid),
        Ok(None) | Err(_) => Err(AccountError::NoGroup(name.to_owned())),
    }
}

fn groups_of(user: &User, gid: Gid) -> Vec<u32> {
    let name = CString::new(user.name.as_str()).unwrap_or_default();
    getgrouplist(&name, gid).map(|groups| groups.into_iter().map(Gid::as_raw).collect()).unwrap_or_default()
}

/// What an ordinary user cannot change to.
fn not_root(exec: &ExecSpec, own: Uid) -> Vec<Unenforced> {
    let same_user = User::from_uid(own).ok().flatten().is_some_and(|user| user.name == exec.user)
        || exec.user == own.as_raw().to_string();
    let entry = |directive: String| {
        let reason = Reason::new("not-root", "the node does not run as root");
        Unenforced { directive, reason }
    };
    let mut missing = Vec::new();
    if !exec.user.is_empty() && !same_user {
        missing.push(entry(format!("User={}", exec.user)));
    }
    if !exec.group.is_empty() {
        missing.push(entry(format!("Group={}", exec.group)));
    }
    if !exec.supplementary_groups.is_empty() {
        missing.push(entry("SupplementaryGroups".to_owned()));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(user: &str) -> ExecSpec {
        ExecSpec { user: user.to_owned(), ..ExecSpec::default() }
    }

    #[test]
    fn root_changes_to_a_user_with_its_groups_and_home() {
        let account = resolve(&exec("nobody"), false, Uid::from_raw(0)).unwrap();
        assert_eq!(account.name, "nobody");
        assert!(account.change.is_some() && account.unenforced.is_empty());
        assert_eq!(resolve(&exec("nobody"), true, Uid::from_raw(0)).unwrap().change, None);
    }

    #[test]
    fn an_ordinary_user_stays_and_says_so() {
        let account = resolve(&exec("nobody"), false, Uid::from_raw(12345)).unwrap();
        assert_eq!(account.change, None);
        assert_eq!(account.unenforced[0].directive, "User=nobody");
    }

    #[test]
    fn an_unknown_user_is_an_error_and_a_number_is_not() {
        let error = resolve(&exec("no-such-user"), false, Uid::from_raw(0)).unwrap_err();
        assert_eq!(error.exit_status(), 217);
        let account = resolve(&exec("54321"), false, Uid::from_raw(0)).unwrap();
        assert_eq!(account.change.unwrap().0, 54321);
    }
}
