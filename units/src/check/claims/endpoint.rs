//! Where something listens on the network of its node, and whether two can do so at once (ip(7), ipv6(7)).

use crate::spec::listen::SocketAddress;
use crate::spec::socket::{BindIpv6Only, SocketOptions};
use crate::spec::{HealthCheck, health_port};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of one port that a socket takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint<'a> {
    scope: Scope,
    /// The interface of a link-local address, or of `BindToDevice=`; empty is every one.
    interface: &'a str,
    /// `ReusePort=`: others that say so too may listen beside it.
    shares: bool,
}

/// What of the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Every address of both kinds.
    All,
    AllV4,
    AllV6,
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    /// 127.0.0.1 or ::1, as the name localhost means.
    Localhost,
}

impl<'a> Endpoint<'a> {
    /// The address and the port of one of `Listen*=`; `None` for what is no inet address.
    pub(super) fn of_socket(address: &'a SocketAddress, options: &'a SocketOptions) -> Option<(Endpoint<'a>, u16)> {
        let (ip, port, interface) = match address {
            SocketAddress::AnyAddress(port) => (IpAddr::V6(Ipv6Addr::UNSPECIFIED), *port, None),
            SocketAddress::Ip { address, port, interface } => (*address, *port, interface.as_deref()),
            SocketAddress::Unix(_)
            | SocketAddress::Abstract(_)
            | SocketAddress::Vsock { .. }
            | SocketAddress::Open(_) => return None,
        };
        let interface = interface.unwrap_or(&options.bind_to_device);
        let scope = match options.bind_ipv6_only {
            // The default of the kernel; hosts that change it are rare.
            BindIpv6Only::Default | BindIpv6Only::Both => Scope::bound(ip, Scope::All),
            BindIpv6Only::Ipv6Only => Scope::bound(ip, Scope::AllV6),
        };
        Some((Endpoint { scope, interface, shares: options.reuse_port }, port))
    }

    /// The address of this very node that a check asks, so that the unit listens there; `None` when it is another
    /// host's, or the host decides.
    pub(super) fn of_check(check: &HealthCheck) -> Option<(Endpoint<'a>, u16)> {
        let (host, port) = health_port(check)?;
        let scope = match host.parse::<IpAddr>() {
            // Who connects to the unspecified address reaches the local one.
            Ok(IpAddr::V4(ip)) if ip.is_loopback() => Scope::V4(ip),
            Ok(IpAddr::V4(ip)) if ip.is_unspecified() => Scope::V4(Ipv4Addr::LOCALHOST),
            Ok(IpAddr::V6(ip)) if ip.is_loopback() || ip.is_unspecified() => Scope::V6(Ipv6Addr::LOCALHOST),
            Ok(_) => return None,
            Err(_) if host == "localhost" => Scope::Localhost,
            Err(_) => return None,
        };
        Some((Endpoint { scope, interface: "", shares: false }, port))
    }

    /// Whether the two cannot both listen.
    pub(super) fn overlaps(&self, other: &Endpoint<'_>) -> bool {
        let apart = !self.interface.is_empty() && !other.interface.is_empty() && self.interface != other.interface;
        !(apart || self.shares && other.shares) && self.scope.overlaps(other.scope)
    }
}

impl Scope {
    /// What binding to `ip` takes, where `[::]` takes `unspecified`.
    fn bound(ip: IpAddr, unspecified: Scope) -> Scope {
        match ip {
            IpAddr::V4(ip) if ip.is_unspecified() => Scope::AllV4,
            IpAddr::V4(ip) => Scope::V4(ip),
            IpAddr::V6(ip) if ip.is_unspecified() => unspecified,
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => Scope::bound(IpAddr::V4(ip), unspecified),
                None => Scope::V6(ip),
            },
        }
    }

    fn overlaps(self, other: Scope) -> bool {
        let (v4, v6) = (self.v4().zip(other.v4()), self.v6().zip(other.v6()));
        let meet = |one: Option<IpAddr>, other: Option<IpAddr>| one.is_none() || other.is_none() || one == other;
        v4.is_some_and(|(one, other)| meet(one, other)) || v6.is_some_and(|(one, other)| meet(one, other))
    }

    /// The one IPv4 address, `Some(None)` for every one.
    fn v4(self) -> Option<Option<IpAddr>> {
        match self {
            Scope::All | Scope::AllV4 => Some(None),
            Scope::V4(ip) => Some(Some(IpAddr::V4(ip))),
            Scope::Localhost => Some(Some(IpAddr::V4(Ipv4Addr::LOCALHOST))),
            Scope::AllV6 | Scope::V6(_) => None,
        }
    }

    /// The one IPv6 address, `Some(None)` for every one.
    fn v6(self) -> Option<Option<IpAddr>> {
        match self {
            Scope::All | Scope::AllV6 => Some(None),
            Scope::V6(ip) => Some(Some(IpAddr::V6(ip))),
            Scope::Localhost => Some(Some(IpAddr::V6(Ipv6Addr::LOCALHOST))),
            Scope::AllV4 | Scope::V4(_) => None,
        }
    }
}

impl fmt::Display for Endpoint<'_> {
    /// The addresses, for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            Scope::All => write!(f, "every address"),
            Scope::AllV4 => write!(f, "0.0.0.0"),
            Scope::AllV6 => write!(f, "[::]"),
            Scope::V4(ip) => write!(f, "{ip}"),
            Scope::V6(ip) => write!(f, "[{ip}]"),
            Scope::Localhost => write!(f, "localhost"),
        }?;
        if self.interface.is_empty() { Ok(()) } else { write!(f, "%{}", self.interface) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::listen::socket_address;
    use proptest::prelude::*;

    fn overlap(one: &str, other: &str, only: BindIpv6Only) -> bool {
        let options = SocketOptions { bind_ipv6_only: only, ..SocketOptions::default() };
        let (one, other) = (socket_address(one).unwrap(), socket_address(other).unwrap());
        let end = |address| Endpoint::of_socket(address, &options).expect("an inet address").0;
        let overlaps = end(&one).overlaps(&end(&other));
        assert_eq!(overlaps, end(&other).overlaps(&end(&one)), "{one} {other}");
        overlaps
    }

    #[test]
    fn addresses_overlap_as_the_kernel_says() {
        use BindIpv6Only::{Default, Ipv6Only};
        for (one, other, default, only) in [
            ("80", "80", true, true),
            ("80", "127.0.0.1:80", true, false),
            ("80", "0.0.0.0:80", true, false),
            ("[::]:80", "192.0.2.1:80", true, false),
            ("[::]:80", "[2001:db8::1]:80", true, true),
            ("0.0.0.0:80", "127.0.0.1:80", true, true),
            ("0.0.0.0:80", "[::1]:80", false, false),
            ("127.0.0.1:80", "192.0.2.1:80", false, false),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true, true),
            ("[::1]:80", "127.0.0.1:80", false, false),
            ("[fe80::1]:80%a", "[fe80::1]:80%b", false, false),
            ("[fe80::1]:80%a", "[fe80::1]:80", true, true),
        ] {
            assert_eq!(overlap(one, other, Default), default, "{one} {other}");
            assert_eq!(overlap(one, other, Ipv6Only), only, "{one} {other}, IPv6 only");
        }
    }

    #[test]
    fn a_check_says_where_its_unit_listens() {
        let end = |text: &str| Endpoint::of_check(&HealthCheck::Tcp(text.to_owned()));
        let (local, port) = end("localhost:80").expect("it is this host");
        assert_eq!(port, 80);
        for text in ["127.0.0.1:80", "[::1]:80", "0.0.0.0:80"] {
            assert!(end(text).expect("it is this host").0.overlaps(&local), "{text}");
        }
        assert!(!end("127.0.0.1:80").unwrap().0.overlaps(&end("[::1]:80").unwrap().0));
        assert_eq!(end("192.0.2.1:80"), None);
    }

    proptest! {
        /// Whether one can listen beside the other does not depend on who comes first, and nothing listens beside itself.
        #[test]
        fn overlap_is_symmetric_and_reflexive(a in any::<IpAddr>(), b in any::<IpAddr>()) {
            let (one, other) = (Scope::bound(a, Scope::All), Scope::bound(b, Scope::AllV6));
            prop_assert_eq!(one.overlaps(other), other.overlaps(one));
            prop_assert!(one.overlaps(one));
        }
    }
}
