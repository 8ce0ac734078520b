//! Addresses a unit may talk to and sockets it may bind (systemd.resource-control(5): `IPAddressAllow=`,
//! `SocketBindAllow=`).

use super::number::unsigned;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpPrefix {
    /// The bits that do not count are zero.
    pub address: IpAddr,
    /// At most 32 or 128.
    pub bits: u8,
}

impl IpPrefix {
    fn new(address: IpAddr, bits: u8) -> Self {
        let address = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
            }
        };
        IpPrefix { address, bits }
    }
}

/// The prefixes one word stands for: `10.0.0.0/8`, `::1`, or a name for two prefixes: `any`, `localhost`,
/// `link-local`, `multicast`.
///
/// # Errors
/// Anything else.
pub fn ip_prefixes(word: &str) -> Result<Vec<IpPrefix>, String> {
    let v4 = |a, b, bits| IpPrefix::new(IpAddr::V4(Ipv4Addr::new(a, b, 0, 0)), bits);
    let v6 = |first, last, bits| IpPrefix::new(IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last)), bits);
    Ok(match word {
        "any" => vec![v4(0, 0, 0), v6(0, 0, 0)],
        "link-local" => vec![v4(169, 254, 16), v6(0xfe80, 0, 64)],
        "multicast" => vec![v4(224, 0, 4), v6(0xff00, 0, 8)],
        _ if is_localhost(word) => vec![v4(127, 0, 8), v6(0, 1, 128)],
        _ => vec![prefix(word)?],
    })
}

/// The names systemd takes for localhost (RFC 6761, and what old hosts files say).
fn is_localhost(word: &str) -> bool {
    let name = word.strip_suffix('.').unwrap_or(word).to_ascii_lowercase();
    ["localhost", "localhost.localdomain"]
        .iter()
        .any(|local| name == *local || name.strip_suffix(local).is_some_and(|before| before.ends_with('.')))
}

fn prefix(word: &str) -> Result<IpPrefix, String> {
    let wrong = || {
        format!(
            "{word:?} is no address, no prefix such as 10.0.0.0/8, and none of any, localhost, link-local, multicast"
        )
    };
    let (address, bits) = word.split_once('/').map_or((word, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits
        .map_or(Some(most), |bits| unsigned(bits).and_then(|bits| u8::try_from(bits).ok()))
        .filter(|bits| *bits <= most)
        .ok_or_else(wrong)?;
    Ok(IpPrefix::new(address, bits))
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpFamily {
    /// `ipv4`
    V4,
    /// `ipv6`
    V6,
}

/// `tcp` or `udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
}

/// One entry of `SocketBindAllow=` or `SocketBindDeny=`; what is `None` is anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketBind {
    /// The family of the address.
    pub family: Option<IpFamily>,
    /// The transport.
    pub transport: Option<Transport>,
    /// The ports, both ends included.
    pub ports: Option<(u16, u16)>,
}

/// `[ipv4:|ipv6:][tcp:|udp:][PORT|PORT-PORT|any]`
///
/// # Errors
/// Anything else.
pub fn socket_bind(text: &str) -> Result<SocketBind, String> {
    let wrong = || format!("{text:?} is no socket rule such as ipv6:tcp:8000-8080");
    let mut found = SocketBind::default();
    let mut parts = text.split(':').peekable();
    found.family = match parts.peek() {
        Some(&"ipv4") => Some(IpFamily::V4),
        Some(&"ipv6") => Some(IpFamily::V6),
        _ => None,
    };
    parts.next_if(|_| found.family.is_some());
    found.transport = match parts.peek() {
        Some(&"tcp") => Some(Transport::Tcp),
        Some(&"udp") => Some(Transport::Udp),
        _ => None,
    };
    parts.next_if(|_| found.transport.is_some());
    match parts.next() {
        None | Some("any") => {}
        Some(ports) => found.ports = Some(self::ports(ports).ok_or_else(wrong)?),
    }
    if parts.next().is_some() { Err(wrong()) } else { Ok(found) }
}

fn ports(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let port = |text| unsigned(text).and_then(|port| u16::try_from(port).ok());
    let (low, high) = (port(low)?, port(high)?);
    (0 < low && low <= high).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(word: &str) -> String {
        let prefixes = ip_prefixes(word).unwrap();
        prefixes.iter().map(|p| format!("{}/{}", p.address, p.bits)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn prefixes_and_their_names_are_read() {
        assert_eq!(shown("10.1.2.3/8"), "10.0.0.0/8");
        assert_eq!(shown("192.168.0.1"), "192.168.0.1/32");
        assert_eq!(shown("fe80::1/64"), "fe80::/64");
        assert_eq!(shown("any"), "0.0.0.0/0 ::/0");
        assert_eq!(shown("localhost"), "127.0.0.0/8 ::1/128");
        assert_eq!(shown("link-local"), "169.254.0.0/16 fe80::/64");
        assert_eq!(shown("multicast"), "224.0.0.0/4 ff00::/8");
        for word in ["", "10.0.0.0/33", "10.0.0", "::1/129", "host", "10.0.0.0/", "1.2.3.4/-1"] {
            assert!(ip_prefixes(word).is_err(), "{word:?}");
        }
    }

    #[test]
    fn socket_rules_have_family_transport_and_ports() {
        let all = SocketBind::default();
        assert_eq!(socket_bind("any"), Ok(all));
        assert_eq!(socket_bind("ipv6"), Ok(SocketBind { family: Some(IpFamily::V6), ..all }));
        assert_eq!(
            socket_bind("tcp:80"),
            Ok(SocketBind { transport: Some(Transport::Tcp), ports: Some((80, 80)), ..all })
        );
        let full = SocketBind { family: Some(IpFamily::V4), transport: Some(Transport::Udp), ports: Some((1, 9)) };
        assert_eq!(socket_bind("ipv4:udp:1-9"), Ok(full));
        for text in ["", "tcp:", "0", "65536", "9-1", "ipv4:ipv6:1", "sctp:1", "1:2"] {
            assert!(socket_bind(text).is_err(), "{text:?}");
        }
    }
}
