//! What a socket unit listens on (systemd.socket(5), `Listen*=`).

use crate::spec::value::number::{signed, unsigned};
use crate::syntax::words::{Escapes, Words};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One thing a socket unit opens; its processes get them in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `ListenStream=`
    Stream(SocketAddress),
    /// `ListenDatagram=`
    Datagram(SocketAddress),
    /// `ListenSequentialPacket=`; unix sockets only.
    SequentialPacket(SocketAddress),
    /// `ListenFIFO=`: a path.
    Fifo(String),
    /// `ListenSpecial=`: the path of a device or a file of /proc or /sys.
    Special(String),
    /// `ListenNetlink=`: family and group, as written.
    Netlink(String),
    /// `ListenMessageQueue=`: the name of a POSIX message queue, with its slash.
    MessageQueue(String),
    /// `ListenUSBFunction=`: the path of a FunctionFS mount.
    UsbFunction(String),
}

/// Where a socket is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketAddress {
    /// A path of the file system, at most 107 bytes.
    Unix(String),
    /// A name of the abstract namespace, without its `@`.
    Abstract(String),
    /// A port of every address: IPv6 and IPv4, as `BindIPv6Only=` says.
    AnyAddress(u16),
    /// A port of one address.
    Ip {
        /// The address.
        address: IpAddr,
        /// Not 0.
        port: u16,
        /// The interface behind `%`, for link-local addresses.
        interface: Option<String>,
    },
    /// `vsock:CID:PORT`
    Vsock {
        /// `None`: every one.
        cid: Option<u32>,
        /// The port.
        port: u32,
    },
    /// It begins with a specifier that only the node can fill in.
    Open(String),
}

impl Listen {
    /// Whether connections can be accepted on it: `Accept=yes` needs that of all.
    #[must_use]
    pub fn can_accept(&self) -> bool {
        match self {
            Listen::Stream(_) | Listen::SequentialPacket(_) => true,
            Listen::Datagram(_)
            | Listen::Fifo(_)
            | Listen::Special(_)
            | Listen::Netlink(_)
            | Listen::MessageQueue(_)
            | Listen::UsbFunction(_) => false,
        }
    }

    /// The path of the node it makes in the file system, for `Symlinks=`.
    #[must_use]
    pub fn node_path(&self) -> Option<&str> {
        match self {
            Listen::Stream(address) | Listen::Datagram(address) | Listen::SequentialPacket(address) => match address {
                SocketAddress::Unix(path) | SocketAddress::Open(path) => Some(path),
                SocketAddress::Abstract(_)
                | SocketAddress::AnyAddress(_)
                | SocketAddress::Ip { .. }
                | SocketAddress::Vsock { .. } => None,
            },
            Listen::Fifo(path) => Some(path),
            Listen::Special(_) | Listen::Netlink(_) | Listen::MessageQueue(_) | Listen::UsbFunction(_) => None,
        }
    }
}

impl fmt::Display for SocketAddress {
    /// In the grammar of `ListenStream=`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketAddress::Unix(path) | SocketAddress::Open(path) => f.write_str(path),
            SocketAddress::Abstract(name) => write!(f, "@{name}"),
            SocketAddress::AnyAddress(port) => write!(f, "{port}"),
            SocketAddress::Ip { address, port, interface } => {
                match address {
                    IpAddr::V4(address) => write!(f, "{address}:{port}")?,
                    IpAddr::V6(address) => write!(f, "[{address}]:{port}")?,
                }
                interface.as_ref().map_or(Ok(()), |interface| write!(f, "%{interface}"))
            }
            SocketAddress::Vsock { cid: Some(cid), port } => write!(f, "vsock:{cid}:{port}"),
            SocketAddress::Vsock { cid: None, port } => write!(f, "vsock::{port}"),
        }
    }
}

/// Bytes of the path of a unix socket: `sun_path` less its NUL.
const MAX_UNIX_PATH: usize = 107;

/// Reads an address as systemd's `socket_address_parse` does.
///
/// # Errors
/// Anything that is no path, `@name`, port, `IPv4:port`, `[IPv6]:port` or `vsock:CID:port`.
pub fn socket_address(text: &str) -> Result<SocketAddress, String> {
    if text.starts_with(['/', '@']) {
        return unix(text);
    }
    const VSOCK: [&str; 4] = ["vsock:", "vsock-stream:", "vsock-dgram:", "vsock-seqpacket:"];
    if let Some(rest) = VSOCK.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        return vsock(text, rest);
    }
    match unsigned(text) {
        Some(port) => port_number(port).map(SocketAddress::AnyAddress),
        None => ip(text),
    }
}

fn unix(text: &str) -> Result<SocketAddress, String> {
    match text.len() {
        0..2 => Err(format!("{text:?} names no socket")),
        2..=MAX_UNIX_PATH => Ok(match text.strip_prefix('@') {
            Some(name) => SocketAddress::Abstract(name.to_owned()),
            None => SocketAddress::Unix(text.to_owned()),
        }),
        length => Err(format!("the name of a unix socket has at most {MAX_UNIX_PATH} bytes, this one has {length}")),
    }
}

fn vsock(text: &str, rest: &str) -> Result<SocketAddress, String> {
    let wrong = || format!("{text:?} is no vsock address such as vsock:2:1234");
    let (cid, port) = rest.split_once(':').ok_or_else(wrong)?;
    let small = |text| unsigned(text).and_then(|number| u32::try_from(number).ok());
    let port = small(port).ok_or_else(wrong)?;
    let cid = if cid.is_empty() { None } else { Some(small(cid).ok_or_else(wrong)?) };
    Ok(SocketAddress::Vsock { cid, port })
}

fn ip(text: &str) -> Result<SocketAddress, String> {
    let wrong =
        || format!("{text:?} is no address: a path, @name, a port, 127.0.0.1:80, [::1]:80 and vsock:2:1234 are some");
    let (host, interface) = match text.split_once('%') {
        Some((host, interface)) if is_interface(interface) => (host, Some(interface.to_owned())),
        Some(_) => return Err(wrong()),
        None => (text, None),
    };
    let (host, port) = host.rsplit_once(':').ok_or_else(wrong)?;
    let address = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => IpAddr::V6(host.parse::<Ipv6Addr>().map_err(|_| wrong())?),
        None => IpAddr::V4(host.parse::<Ipv4Addr>().map_err(|_| wrong())?),
    };
    let port = unsigned(port).ok_or_else(wrong).and_then(port_number)?;
    Ok(SocketAddress::Ip { address, port, interface })
}

fn port_number(number: u64) -> Result<u16, String> {
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    port.ok_or_else(|| format!("{number} is no port from 1 to 65535"))
}

/// Whether it can be the name or number of a network interface; systemd allows alternative names of 127 bytes.
pub fn is_interface(name: &str) -> bool {
    let allowed = |byte: u8| byte > 32 && byte < 127 && !b":/%".contains(&byte);
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    !name.is_empty()
        && name.len() < 128
        && ![".", "..", "all", "default"].contains(&name)
        && name.bytes().all(allowed)
        && (!digits || name.parse::<i32>().is_ok_and(|index| index > 0))
}

/// Whether it can be the name of a network interface (systemd's `ifname_valid`): at most 15 bytes, and no number.
pub fn is_interface_name(name: &str) -> bool {
    is_interface(name)
        && name.len() < 16
        && !name.bytes().all(|byte| byte.is_ascii_digit())
        && !matches!(unsigned(name), Some(1..))
}

/// Whether `text` is a family of netlink(7), by name or number, and perhaps a group.
///
/// # Errors
/// Anything else.
pub fn netlink(text: &str) -> Result<(), String> {
    const FAMILIES: [&str; 18] = [
        "route",
        "firewall",
        "inet-diag",
        "nflog",
        "xfrm",
        "selinux",
        "iscsi",
        "audit",
        "fib-lookup",
        "connector",
        "netfilter",
        "ip6-fw",
        "dnrtmsg",
        "kobject-uevent",
        "generic",
        "scsitransport",
        "ecryptfs",
        "rdma",
    ];
    let mut words = Words::new(text, Escapes::Unquoted);
    let family = words.next().transpose().map_err(|error| error.message)?.map_or(String::new(), |word| word.text);
    let family = family.as_str();
    let group = if words.rest().is_empty() { "0" } else { words.rest() };
    if !FAMILIES.contains(&family) && !signed(family).is_some_and(|number| (0..=i64::from(i32::MAX)).contains(&number))
    {
        return Err(format!("{family:?} is no netlink family such as kobject-uevent"));
    }
    let group = unsigned(group.trim()).and_then(|group| u32::try_from(group).ok());
    group.map(|_| ()).ok_or_else(|| format!("{text:?}: the group behind the netlink family is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases of systemd's `socket_address_parse`, read in its source.
    #[test]
    fn addresses_are_read_as_systemd_reads_them() {
        for (text, shown) in [
            ("/run/a.sock", "/run/a.sock"),
            ("@a", "@a"),
            ("80", "80"),
            ("0x50", "80"),
            ("0120", "80"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("[fe80::1]:80%lo", "[fe80::1]:80%lo"),
            ("vsock:2:1234", "vsock:2:1234"),
            ("vsock::1234", "vsock::1234"),
        ] {
            let address = socket_address(text).unwrap();
            assert_eq!(address.to_string(), shown, "{text:?}");
            assert_eq!(socket_address(shown), Ok(address));
        }
        for text in [
            "",
            "/",
            "@",
            "0",
            "65536",
            "-1",
            "127.0.0.1",
            "127.0.0.1:0",
            "[::1]",
            "::1",
            "::1:80",
            "1.2.3:80",
            "localhost:80",
            "vsock:2",
            "vsock:x:1",
            "a.sock",
            "[::1]:80%",
            "80 ",
            "127.0.0.1:80#name",
        ] {
            assert!(socket_address(text).is_err(), "{text:?}");
        }
        assert!(socket_address(&format!("/{}", "a".repeat(106))).is_ok());
        assert!(socket_address(&format!("/{}", "a".repeat(107))).is_err());
    }

    #[test]
    fn netlink_families_have_names_or_numbers_and_perhaps_a_group() {
        for text in ["kobject-uevent 1", "route", "16 2", "audit  0x1"] {
            assert_eq!(netlink(text), Ok(()), "{text:?}");
        }
        assert!(netlink("").is_err() && netlink("radio").is_err() && netlink("route x").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_an_address_panic(text in "[-\\[\\]:%@/.0-9a-fxvsock]{0,24}") {
            if let Ok(address) = socket_address(&text) {
                let shown = address.to_string();
                proptest::prop_assert_eq!(socket_address(&shown), Ok(address));
            }
        }
    }
}
