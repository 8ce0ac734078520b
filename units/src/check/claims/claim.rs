//! One claim of one unit.

use super::endpoint::Endpoint;
use crate::diagnostic::{Code, codes};
use crate::spec::exec::{Directories, Preserve};
use crate::spec::listen::{Listen, SocketAddress};
use crate::spec::{ExecSpec, KindSpec, SocketSpec, UnitSpec};

/// What is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Thing<'a> {
    /// A port of the node; of which of its addresses is in the claim.
    Port(Protocol, u32),
    /// A file that one unit writes, or that is bound there.
    Path(&'a str),
    /// A socket or FIFO in the file system, whatever its type: the second to listen takes the path from the first.
    Node(&'a str),
    /// An abstract unix socket; those of other types are others (unix(7)).
    Abstract(Type, &'a str),
    /// A POSIX message queue.
    Queue(&'a str),
    /// A folder below /run that is removed when the unit stops.
    RuntimeFolder(&'a str),
    /// A folder that stays: its root, and the name below it.
    Folder(&'static str, &'a str),
    /// A name on the bus.
    BusName(&'a str),
}

/// Whose ports they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Protocol {
    Tcp,
    Udp,
    Vsock,
}

/// The type of a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Type {
    Stream,
    Datagram,
    SequentialPacket,
}

/// A claim, and the directives that make it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    pub thing: Thing<'a>,
    /// Which addresses, of a port; `None`: all there is.
    pub endpoint: Option<Endpoint<'a>>,
    /// What a socket listens on, as the file says it.
    pub address: Option<&'a SocketAddress>,
    pub keys: &'static [&'static str],
}

impl<'a> Claim<'a> {
    fn new(thing: Thing<'a>, keys: &'static [&'static str]) -> Self {
        Claim { thing, endpoint: None, address: None, keys }
    }

    /// What stands in the file, for its place.
    pub(super) fn written(&self) -> Option<String> {
        let path = match self.thing {
            Thing::Path(path) | Thing::Node(path) | Thing::Queue(path) => Some(path.to_owned()),
            Thing::BusName(name) | Thing::RuntimeFolder(name) | Thing::Folder(_, name) => Some(name.to_owned()),
            Thing::Port(..) | Thing::Abstract(..) => None,
        };
        self.address.map(ToString::to_string).or(path)
    }

    /// Whether only one of the two can be had; the things are the same.
    pub(super) fn excludes(&self, other: &Claim<'_>) -> bool {
        match (&self.endpoint, &other.endpoint) {
            (Some(one), Some(other)) => one.overlaps(other),
            (None, _) | (_, None) => true,
        }
    }
}

/// How a clash is told.
pub(super) struct Verdict {
    pub code: Code,
    pub is_note: bool,
    pub hint: &'static str,
}

impl Thing<'_> {
    pub(super) fn describe(&self) -> String {
        match self {
            Thing::Port(Protocol::Tcp, port) => format!("port {port}"),
            Thing::Port(Protocol::Udp, port) => format!("UDP port {port}"),
            Thing::Port(Protocol::Vsock, port) => format!("vsock port {port}"),
            Thing::Path(path) => format!("path {path}"),
            Thing::Node(path) => format!("the socket {path}"),
            Thing::Abstract(_, name) => format!("the socket @{name}"),
            Thing::Queue(name) => format!("message queue {name}"),
            Thing::RuntimeFolder(name) => format!("folder /run/{name}"),
            Thing::Folder(root, name) => format!("folder {root}/{name}"),
            Thing::BusName(name) => format!("bus name {name}"),
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let (code, is_note, hint) = match self {
            Thing::Port(..) => (codes::PORT_CLAIMED_TWICE, false, "one of them cannot listen there"),
            Thing::Node(_) => (codes::PATH_CLAIMED_TWICE, false, "the second to listen takes it from the first"),
            Thing::Queue(_) => (codes::PATH_CLAIMED_TWICE, false, "each takes messages from the other"),
            Thing::Abstract(..) => (codes::NAME_CLAIMED_TWICE, false, "one of them cannot listen there"),
            Thing::Path(_) => (codes::PATH_CLAIMED_TWICE, false, "each takes the other's file for its own"),
            Thing::RuntimeFolder(_) => (
                codes::SHARED_DIRECTORY,
                false,
                "it is removed when the first of them stops; RuntimeDirectoryPreserve= keeps it",
            ),
            Thing::Folder(..) => (codes::SHARED_DIRECTORY, true, "nothing is wrong if they are meant to share it"),
            Thing::BusName(_) => (codes::NAME_CLAIMED_TWICE, false, "only one process can own a bus name"),
        };
        Verdict { code, is_note, hint }
    }
}

/// Calls `claims` with everything that `spec` claims on its node.
pub(super) fn of<'a>(spec: &'a UnitSpec, mut claims: impl FnMut(Claim<'a>)) {
    if let Some((endpoint, port)) = spec.health.check.as_ref().and_then(Endpoint::of_check) {
        let thing = Thing::Port(Protocol::Tcp, port.into());
        claims(Claim { endpoint: Some(endpoint), ..Claim::new(thing, &["HealthCheckURL", "HealthCheckTCP"]) });
    }
    for destination in spec.fleet.files.iter().filter_map(|file| file.destination.as_deref()) {
        claims(Claim::new(Thing::Path(destination), &["Files"]));
    }
    match &spec.kind {
        KindSpec::Service(service) => {
            if let Some(path) = service.pid_file.as_deref() {
                claims(Claim::new(Thing::Path(path), &["PIDFile"]));
            }
            if let Some(name) = value(spec, ("Service", "BusName")) {
                claims(Claim::new(Thing::BusName(name), &["BusName"]));
            }
            folders(&service.exec, claims);
        }
        KindSpec::Socket(socket) => {
            let has_protocol = value(spec, ("Socket", "SocketProtocol")).is_some();
            socket.listen.iter().filter_map(|listen| listens(socket, listen, has_protocol)).for_each(claims);
        }
        KindSpec::Timer(_) | KindSpec::Target => {}
    }
}

fn folders<'a>(exec: &'a ExecSpec, mut claims: impl FnMut(Claim<'a>)) {
    let mut folders = |directories: &'a Directories, thing: fn(&'a str) -> Thing<'a>, keys| {
        directories.names.iter().for_each(|name| claims(Claim::new(thing(name), keys)));
    };
    if exec.runtime_directory_preserve == Preserve::No {
        folders(&exec.runtime_directory, Thing::RuntimeFolder, &["RuntimeDirectory"]);
    }
    folders(&exec.state_directory, |name| Thing::Folder("/var/lib", name), &["StateDirectory"]);
    folders(&exec.cache_directory, |name| Thing::Folder("/var/cache", name), &["CacheDirectory"]);
    folders(&exec.logs_directory, |name| Thing::Folder("/var/log", name), &["LogsDirectory"]);
}

/// What one `Listen*=` claims. Netlink groups and special files have room for all.
fn listens<'a>(socket: &'a SocketSpec, listen: &'a Listen, has_protocol: bool) -> Option<Claim<'a>> {
    let (kind, address, keys): (_, _, &'static [&'static str]) = match listen {
        Listen::Stream(address) => (Type::Stream, address, &["ListenStream"]),
        Listen::Datagram(address) => (Type::Datagram, address, &["ListenDatagram"]),
        Listen::SequentialPacket(address) => (Type::SequentialPacket, address, &["ListenSequentialPacket"]),
        Listen::Fifo(path) => return Some(Claim::new(Thing::Node(path), &["ListenFIFO"])),
        Listen::MessageQueue(name) => return Some(Claim::new(Thing::Queue(name), &["ListenMessageQueue"])),
        Listen::UsbFunction(path) => return Some(Claim::new(Thing::Node(path), &["ListenUSBFunction"])),
        Listen::Special(_) | Listen::Netlink(_) => return None,
    };
    let claim = match address {
        SocketAddress::Unix(path) => Some(Claim::new(Thing::Node(path), keys)),
        SocketAddress::Abstract(name) => Some(Claim::new(Thing::Abstract(kind, name), keys)),
        // Every context identifier: those of one host are few, and two units with one port want an explanation.
        SocketAddress::Vsock { port, .. } => Some(Claim::new(Thing::Port(Protocol::Vsock, *port), keys)),
        SocketAddress::Open(_) => None,
        SocketAddress::AnyAddress(_) | SocketAddress::Ip { .. } => {
            let protocol = match kind {
                // SCTP, MPTCP and UDP-Lite have ports of their own.
                _ if has_protocol => return None,
                Type::Stream | Type::SequentialPacket => Protocol::Tcp,
                Type::Datagram => Protocol::Udp,
            };
            let (endpoint, port) = Endpoint::of_socket(address, &socket.options)?;
            let thing = Thing::Port(protocol, port.into());
            Some(Claim { endpoint: Some(endpoint), ..Claim::new(thing, keys) })
        }
    };
    claim.map(|claim| Claim { address: Some(address), ..claim })
}

/// The value of a directive that has no type of its own.
fn value<'a>(spec: &'a UnitSpec, (section, key): (&str, &str)) -> Option<&'a str> {
    spec.values.get(section, key).last()
}
