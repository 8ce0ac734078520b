//! The values of specifiers that depend on the host (systemd.unit(5), "Specifiers").

use crate::supervise::Places;
use fleet_units::ids::EnvironmentName;
use fleet_units::spec;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What units are read for here: their overlay, and the specifiers that depend on the host (systemd.unit(5)).
#[must_use]
pub fn context(environment: &EnvironmentName, places: &Places) -> spec::Context {
    let uts = rustix::system::uname();
    let host = uts.nodename().to_string_lossy().into_owned();
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    let read = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let mut values = BTreeMap::from([
        ('H', host.clone()),
        ('l', host.split('.').next().unwrap_or_default().to_owned()),
        ('v', uts.release().to_string_lossy().into_owned()),
        ('a', std::env::consts::ARCH.replace("x86_64", "x86-64").replace("aarch64", "arm64")),
        ('b', format!("{:032x}", crate::logs::boot_id())),
        ('m', read("/etc/machine-id")),
        ('t', text(&places.runtime)),
        ('S', text(&places.state)),
        ('C', text(&places.cache)),
        ('L', text(&places.logs)),
        ('E', text(&places.configuration)),
        ('T', "/tmp".to_owned()),
        ('V', "/var/tmp".to_owned()),
        ('U', nix::unistd::geteuid().to_string()),
        ('G', nix::unistd::getegid().to_string()),
    ]);
    if let Some(user) = user {
        values.insert('u', user.name);
        values.insert('h', text(&user.dir));
        values.insert('s', text(&user.shell));
    }
    if let Some(group) = nix::unistd::Group::from_gid(nix::unistd::getegid()).ok().flatten() {
        values.insert('g', group.name);
    }
    spec::Context { environment: environment.clone(), host: Some(values) }
}
