//! The values of specifiers that depend on the host (systemd.unit(5), "Specifiers").

use crate::supervise::{Places, env_file};
use fleet_units::ids::EnvironmentName;
use fleet_units::spec;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Of os-release(5): the file of /etc, or else the vendor's. What a field does not say is empty.
fn of_release(
    own: &BTreeMap<String, String>,
    vendor: &BTreeMap<String, String>,
) -> impl Iterator<Item = (char, String)> + use<> {
    let release = if own.is_empty() { vendor } else { own };
    let field = |name: &str| release.get(name).cloned().unwrap_or_default();
    let id = Some(field("ID")).filter(|id| !id.is_empty()).unwrap_or_else(|| "linux".to_owned());
    let fields = [
        ('o', id),
        ('w', field("VERSION_ID")),
        ('B', field("BUILD_ID")),
        ('W', field("VARIANT_ID")),
        ('M', field("IMAGE_ID")),
        ('A', field("IMAGE_VERSION")),
    ];
    fields.into_iter()
}

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
    // Who has no entry has a number for a name, as in systemd.
    let (name, home, shell) = match user {
        Some(user) => (user.name, text(&user.dir), text(&user.shell)),
        None => (values[&'U'].clone(), "/".to_owned(), "/bin/sh".to_owned()),
    };
    let group = nix::unistd::Group::from_gid(nix::unistd::getegid()).ok().flatten();
    let group = group.map_or_else(|| values[&'G'].clone(), |group| group.name);
    values.extend([('u', name), ('h', home), ('s', shell), ('g', group)]);
    let fields = |path: &str| env_file::parse(&read(path)).into_iter().collect::<BTreeMap<_, _>>();
    values.extend(of_release(&fields("/etc/os-release"), &fields("/usr/lib/os-release")));
    let pretty = fields("/etc/machine-info").remove("PRETTY_HOSTNAME").filter(|name| !name.is_empty());
    values.insert('q', pretty.unwrap_or_else(|| values[&'l'].clone()));
    spec::Context { environment: environment.clone(), host: Some(values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list that the crate of units keeps of what systemd has.
    const LIST: &str = include_str!("../../units/testdata/directives/specifiers.txt");

    #[test]
    fn every_specifier_of_the_host_has_a_value() {
        let places = Places::of_the_system();
        let host = context(&"test".parse().unwrap(), &places).host.unwrap();
        let name = "web@a.service".parse().unwrap();
        let specifiers = fleet_units::syntax::Specifiers { name: &name, host: Some(&host) };
        let of_host = LIST.lines().filter_map(|line| line.split_once(" host ")).map(|(letter, _)| letter);
        let missing: Vec<_> = of_host.filter(|letter| specifiers.expand(&format!("%{letter}")).is_err()).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn the_release_is_the_one_of_etc_and_its_fields_may_be_missing() {
        let fields = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let vendor = fields(&[("ID", "vendor"), ("BUILD_ID", "7")]);
        let own: BTreeMap<_, _> = of_release(&fields(&[("ID", "debian"), ("VERSION_ID", "12")]), &vendor).collect();
        assert_eq!((own[&'o'].as_str(), own[&'w'].as_str(), own[&'B'].as_str()), ("debian", "12", ""));
        let other: BTreeMap<_, _> = of_release(&BTreeMap::new(), &vendor).collect();
        assert_eq!((other[&'o'].as_str(), other[&'B'].as_str()), ("vendor", "7"));
        assert_eq!(of_release(&BTreeMap::new(), &BTreeMap::new()).next(), Some(('o', "linux".to_owned())));
    }
}
