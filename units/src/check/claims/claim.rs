//! One claim of one unit.

use crate::spec::exec::{Directories, Preserve};
use crate::spec::{HealthCheck, UnitSpec, health_port};

/// What is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Thing<'a> {
    /// A TCP port of the node.
    Port(u16),
    /// A file that one unit writes, or that is bound there.
    Path(&'a str),
    /// A folder below /run that is removed when the unit stops.
    RuntimeFolder(&'a str),
    /// A folder that stays: its root, and the name below it.
    Folder(&'static str, &'a str),
    /// A name on the bus.
    BusName(&'a str),
}

/// A claim, and the directives that make it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    pub thing: Thing<'a>,
    pub keys: &'static [&'static str],
}

/// How a clash is told.
pub(super) struct Verdict {
    pub code: &'static str,
    pub is_note: bool,
    pub hint: &'static str,
}

impl Thing<'_> {
    pub(super) fn describe(&self) -> String {
        match self {
            Thing::Port(port) => format!("port {port}"),
            Thing::Path(path) => format!("path {path}"),
            Thing::RuntimeFolder(name) => format!("folder /run/{name}"),
            Thing::Folder(root, name) => format!("folder {root}/{name}"),
            Thing::BusName(name) => format!("bus name {name}"),
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let (code, is_note, hint) = match self {
            Thing::Port(_) => ("port-claimed-twice", false, "one of them cannot listen there"),
            Thing::Path(_) => ("path-claimed-twice", false, "each takes the other's file for its own"),
            Thing::RuntimeFolder(_) => (
                "shared-directory",
                false,
                "it is removed when the first of them stops; RuntimeDirectoryPreserve= keeps it",
            ),
            Thing::Folder(..) => ("shared-directory", true, "nothing is wrong if they are meant to share it"),
            Thing::BusName(_) => ("name-claimed-twice", false, "only one process can own a bus name"),
        };
        Verdict { code, is_note, hint }
    }
}

/// Calls `claims` with everything that `spec` claims on its node.
pub(super) fn of<'a>(spec: &'a UnitSpec, mut claims: impl FnMut(Claim<'a>)) {
    if let Some(port) = spec.health.check.as_ref().and_then(local_port) {
        claims(Claim { thing: Thing::Port(port), keys: &["HealthCheckURL", "HealthCheckTCP"] });
    }
    for destination in spec.fleet.files.iter().filter_map(|file| file.destination.as_deref()) {
        claims(Claim { thing: Thing::Path(destination), keys: &["Files"] });
    }
    let Some(service) = spec.service() else { return };
    if let Some(path) = service.pid_file.as_deref() {
        claims(Claim { thing: Thing::Path(path), keys: &["PIDFile"] });
    }
    if let Some(name) = value(spec, "BusName") {
        claims(Claim { thing: Thing::BusName(name), keys: &["BusName"] });
    }
    let exec = &service.exec;
    let mut folders = |directories: &'a Directories, thing: fn(&'a str) -> Thing<'a>, keys| {
        directories.names.iter().for_each(|name| claims(Claim { thing: thing(name), keys }));
    };
    if exec.runtime_directory_preserve == Preserve::No {
        folders(&exec.runtime_directory, Thing::RuntimeFolder, &["RuntimeDirectory"]);
    }
    folders(&exec.state_directory, |name| Thing::Folder("/var/lib", name), &["StateDirectory"]);
    folders(&exec.cache_directory, |name| Thing::Folder("/var/cache", name), &["CacheDirectory"]);
    folders(&exec.logs_directory, |name| Thing::Folder("/var/log", name), &["LogsDirectory"]);
}

/// The value of a directive of `[Service]` that has no type of its own.
fn value<'a>(spec: &'a UnitSpec, key: &'static str) -> Option<&'a str> {
    spec.values.get(&("Service", key))?.last().map(|value| &**value)
}

/// The port of this very node that a check asks; `None` when it is another host's, or the host decides.
fn local_port(check: &HealthCheck) -> Option<u16> {
    let (host, port) = health_port(check)?;
    let local =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified());
    local.then_some(port)
}
