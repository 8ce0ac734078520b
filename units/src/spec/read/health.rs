//! `HealthCheck*=`: what is asked, and of whom one may ask.

use crate::diagnostic::codes;
use crate::spec::command::commands;
use crate::spec::merge::{Assigned, Row};
use crate::spec::reader::Reader;
use crate::spec::{HealthCheck, HealthSpec};
use std::net::{IpAddr, Ipv6Addr};

/// Reads one directive into `spec`; `false` when it is none of this family.
pub(crate) fn row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut HealthSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "HealthCheckURL" => spec.check = url_check(reader, last).or(spec.check.take()),
        "HealthCheckTCP" => tcp_check(reader, last, spec),
        "HealthCheckExec" => spec.exec = commands(reader, row.values),
        "HealthCheckGRPC" => spec.grpc = address(reader, last),
        "HealthCheckInterval" => spec.interval = reader.long_span(last).unwrap_or(spec.interval),
        "HealthCheckTimeout" => spec.timeout = reader.long_span(last).unwrap_or(spec.timeout),
        "HealthCheckRetries" => spec.retries = reader.integer(last, row.directive.kind).unwrap_or(spec.retries),
        "HealthCheckStartPeriod" => spec.start_period = reader.long_span(last).unwrap_or(spec.start_period),
        _ => return false,
    }
    for (key, value) in [("HealthCheckInterval", spec.interval), ("HealthCheckTimeout", spec.timeout)] {
        if row.directive.key == key && value.is_zero() {
            reader.error(codes::BAD_VALUE, last.place(0), format!("{key}= must be longer than 0"), "");
        }
    }
    true
}

fn url_check(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<HealthCheck> {
    let text = reader.text(at)?;
    match check_url(&text) {
        Ok(false) => Some(HealthCheck::Url(text)),
        Ok(true) => {
            reader.unenforced(
                format!("HealthCheckURL={text}"),
                "not-built-yet",
                "https is not asked yet; the unit has no check",
            );
            None
        }
        Err(message) => {
            reader.error(
                codes::HEALTH_URL,
                at.place(0),
                format!("HealthCheckURL=: {message}"),
                "such as http://127.0.0.1:8080/health",
            );
            None
        }
    }
}

fn tcp_check(reader: &mut Reader<'_>, at: &Assigned<'_>, spec: &mut HealthSpec) {
    if spec.check.is_some() {
        let message = "HealthCheckTCP= is ignored: HealthCheckURL= is the unit's check";
        reader.warning(codes::TWO_HEALTH_CHECKS, at.key_place(), message, "keep one of them");
        return;
    }
    spec.check = address(reader, at).map(HealthCheck::Tcp);
}

/// `host:port`, as written.
fn address(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<String> {
    let text = reader.text(at)?;
    match host_port(&text, None) {
        Ok(_) => Some(text),
        Err(message) => {
            let message = format!("{}=: {message}", at.assignment.key);
            reader.error(codes::HEALTH_ADDRESS, at.place(0), message, "such as 127.0.0.1:6379");
            None
        }
    }
}

/// Whether `url` is https; an error when it is no address one may ask.
fn check_url(url: &str) -> Result<bool, String> {
    let (scheme, rest) = url.split_once("://").ok_or("a scheme is missing, http or https")?;
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        other => return Err(format!("the scheme {other:?} is not allowed, only http and https")),
    };
    if url.chars().any(|c| c.is_control() || c == ' ' || c == '\\' || !c.is_ascii()) {
        return Err("white space, backslashes and characters outside ASCII must be percent-encoded".to_owned());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("a user name or password is not allowed in the address".to_owned());
    }
    host_port(authority, Some(default_port)).map(|_| scheme == "https")
}

/// Host and port of `host:port` or `[v6]:port`; an error when they are none, or link-local.
pub(crate) fn host_port(text: &str, default_port: Option<u16>) -> Result<(String, u16), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("the bracket of the address is not closed")?;
            host.parse::<Ipv6Addr>().map_err(|_| format!("{host:?} is no IPv6 address"))?;
            (
                host,
                if port.is_empty() {
                    None
                } else {
                    Some(port.strip_prefix(':').ok_or("a colon must follow the bracket")?)
                },
            )
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = match (port, default_port) {
        (Some(port), _) if is_open(port) => default_port.unwrap_or(1),
        (Some(port), _) => {
            let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            let number = digits.then(|| port.parse().ok()).flatten().filter(|port| *port != 0);
            number.ok_or_else(|| format!("{port:?} is no port from 1 to 65535"))?
        }
        (None, Some(port)) => port,
        (None, None) => return Err("a port is missing".to_owned()),
    };
    check_host(host)?;
    Ok((host.to_owned(), port))
}

/// Host and port that `check` asks; `None` when a specifier of the host is part of them.
#[must_use]
pub fn health_port(check: &HealthCheck) -> Option<(String, u16)> {
    let (authority, default_port) = match check {
        HealthCheck::Tcp(address) => (address.as_str(), None),
        HealthCheck::Url(url) => {
            let (scheme, rest) = url.split_once("://")?;
            let port = if scheme == "https" { 443 } else { 80 };
            (rest.split(['/', '?', '#']).next()?, Some(port))
        }
    };
    if is_open(authority) { None } else { host_port(authority, default_port).ok() }
}

/// Whether a specifier is left in it that only the host can fill in.
fn is_open(text: &str) -> bool {
    text.contains('%')
}

/// Link-local addresses are refused: cloud machines hand out secrets at 169.254.169.254.
fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("a host is missing".to_owned());
    }
    if is_open(host) {
        return Ok(());
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return if is_link_local(address) {
            Err(format!("the link-local address {address} is not allowed"))
        } else {
            Ok(())
        };
    }
    // inet_aton(3) also reads 0xA9FE0001 and 2851995649 as addresses: a name must have a letter that no number has.
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let numeric = last.starts_with(|c: char| c.is_ascii_digit());
    if !plain || numeric || host.len() > 253 {
        return Err(format!("{host:?} is no name of a host"));
    }
    Ok(())
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => {
            let mapped = v6.to_ipv4_mapped().or_else(|| v6.to_ipv4());
            v6.is_unicast_link_local() || mapped.is_some_and(|v4| v4.is_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_one_may_ask_are_http_and_not_link_local() {
        for url in [
            "http://127.0.0.1:8080/health",
            "http://localhost",
            "http://[::1]:80/x?y=z",
            "http://web-1.example.com:81/",
        ] {
            assert_eq!(check_url(url), Ok(false), "{url}");
        }
        assert_eq!(check_url("https://localhost/health"), Ok(true));
        for url in [
            "ftp://x/",
            "file:///etc/passwd",
            "localhost:80",
            "http://",
            "http:///x",
            "http://user@host/",
            "http://169.254.169.254/latest",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://2852039166/",
            "http://0xA9FEA9FE/",
            "http://169.254.43518/",
            "http://a b/",
            "http://host:0/",
            "http://host:65536/",
            "http://host:+80/",
            "http://host\\@evil/",
            "http://[::1/",
        ] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_tcp_check_needs_a_host_and_a_port() {
        assert_eq!(host_port("127.0.0.1:6379", None), Ok(("127.0.0.1".to_owned(), 6379)));
        assert_eq!(host_port("[::1]:6379", None), Ok(("::1".to_owned(), 6379)));
        assert!(host_port("localhost", None).is_err());
        assert!(host_port("169.254.1.1:80", None).is_err());
        assert!(host_port(":80", None).is_err());
    }
}
