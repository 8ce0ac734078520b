//! One probe: a GET that shall be answered with 2xx, or a connection that shall be accepted.
//!
//! Bounds, because a unit's answer is foreign input: at most [`MAX_BODY`] bytes of body are read, at most
//! [`MAX_REDIRECTS`] redirects followed and those only to the same host and port; link-local addresses are refused
//! (they reach the metadata services of clouds). The caller bounds the time.

use fleet_units::diagnostic::Reason;
use fleet_units::spec::HealthCheck;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;
use tokio::net::TcpStream;

/// Bytes of a response's body that are read.
pub const MAX_BODY: usize = 64 << 10;
/// Redirects followed in one probe.
pub const MAX_REDIRECTS: usize = 5;
/// Characters of a failing response's body that make it into the reason.
const EXCERPT: usize = 120;

/// Asks once. The error says what was asked and what came of it; its codes: `health-address`, `health-connect`,
/// `health-http`, `health-status`, `health-redirect`.
pub async fn probe(check: &HealthCheck) -> Result<(), Reason> {
    match check {
        HealthCheck::Tcp(address) => {
            let (host, port) = host_and_port(address)?;
            connect(&host, port).await.map(drop)
        }
        HealthCheck::Url(url) => get(url).await,
    }
}

/// The reason for a probe of `check` that took longer than `limit`; its code is `health-timeout`.
#[must_use]
pub fn timed_out(check: &HealthCheck, limit: Duration) -> Reason {
    let (HealthCheck::Url(subject) | HealthCheck::Tcp(subject)) = check;
    Reason::new("health-timeout", format!("{subject} did not answer within {} ms", limit.as_millis()))
}

async fn get(url: &str) -> Result<(), Reason> {
    let mut uri = parse(url)?;
    for _ in 0..=MAX_REDIRECTS {
        let answer = exchange(&uri).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let Some(location) = answer.location.filter(|_| answer.status.is_redirection()) else {
            return Err(bad_status(&uri, answer.status, &answer.body));
        };
        uri = redirected(&uri, &location)?;
    }
    Err(Reason::new("health-redirect", format!("GET {url} was redirected more than {MAX_REDIRECTS} times")))
}

fn parse(url: &str) -> Result<Uri, Reason> {
    let bad = |why: &str| Reason::new("health-address", format!("HealthCheckURL={url}: {why}"));
    let uri: Uri = url.parse().map_err(|_| bad("this is not a URL"))?;
    match uri.scheme_str() {
        Some("http") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        Some("http") => Err(bad("it names no host")),
        Some("https") => Err(bad("this node checks http only")),
        _ => Err(bad("it must begin with http://")),
    }
}

struct Answer {
    status: StatusCode,
    location: Option<String>,
    body: Vec<u8>,
}

async fn exchange(uri: &Uri) -> Result<Answer, Reason> {
    let stream = connect(uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80)).await?;
    let failed = |error: hyper::Error| Reason::new("health-http", format!("GET {uri}: {}", chain(&error)));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let ask = async {
        let response = sender.send_request(request(uri)?).await.map_err(failed)?;
        let status = response.status();
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Answer { status, location, body: read(response.into_body()).await.map_err(failed)? })
    };
    // The connection has to be driven for the request to proceed; it may end before the answer is read.
    let mut ask = pin!(ask);
    tokio::select! {
        biased;
        answer = &mut ask => return answer,
        _ = connection => {}
    }
    ask.await
}

fn request(uri: &Uri) -> Result<Request<Empty<Bytes>>, Reason> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(if path.is_empty() { "/" } else { path })
        .header(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(header::USER_AGENT, concat!("fleet/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close");
    request.body(Empty::new()).map_err(|error| Reason::new("health-address", format!("HealthCheckURL={uri}: {error}")))
}

/// Reads the body, or its beginning when it is longer than [`MAX_BODY`].
async fn read(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            bytes.extend_from_slice(&data[..data.len().min(MAX_BODY - bytes.len())]);
        }
        if bytes.len() == MAX_BODY {
            break;
        }
    }
    Ok(bytes)
}

fn bad_status(uri: &Uri, status: StatusCode, body: &[u8]) -> Reason {
    let text = String::from_utf8_lossy(body);
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let excerpt: String = first.trim().chars().filter(|c| !c.is_control()).take(EXCERPT).collect();
    let colon = if excerpt.is_empty() { "" } else { ": " };
    Reason::new("health-status", format!("GET {uri} is answered with {status}{colon}{excerpt}"))
}

/// Where `location`, a full URL or a path, leads from `from`.
fn redirected(from: &Uri, location: &str) -> Result<Uri, Reason> {
    let bad = |why: &str| Reason::new("health-redirect", format!("GET {from} is redirected to {location}: {why}"));
    let authority = from.authority().map_or("", |authority| authority.as_str());
    let absolute = if location.starts_with("//") {
        format!("http:{location}")
    } else if location.starts_with('/') {
        format!("http://{authority}{location}")
    } else if location.contains("://") {
        location.to_owned()
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("http://{authority}{folder}/{location}")
    };
    let to: Uri = absolute.parse().map_err(|_| bad("this is not a URL"))?;
    if to.scheme_str() != Some("http") {
        return Err(bad("only http is followed"));
    }
    let place = |uri: &Uri| (uri.host().map(str::to_ascii_lowercase), uri.port_u16().unwrap_or(80));
    if place(&to) == place(from) { Ok(to) } else { Err(bad("another host is not followed")) }
}

/// `host:port`, `:port` or `port`; without a host it is 127.0.0.1.
fn host_and_port(address: &str) -> Result<(String, u16), Reason> {
    let (host, port) = address.rsplit_once(':').unwrap_or(("", address));
    let port = port.parse().map_err(|_| {
        Reason::new("health-address", format!("HealthCheckTCP={address}: it must be HOST:PORT, PORT within 1 to 65535"))
    })?;
    Ok((if host.is_empty() { "127.0.0.1" } else { host }.to_owned(), port))
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, Reason> {
    let mut last = Reason::new("health-address", format!("{host} has no address"));
    for address in resolve(host, port).await? {
        if link_local(address.ip()) {
            last = Reason::new("health-address", format!("{address} is link-local, which health checks do not ask"));
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Reason::new("health-connect", format!("connecting to {address}: {error}")),
        }
    }
    Err(last)
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Reason> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    // The common name needs no resolver, and so no thread.
    if bare.eq_ignore_ascii_case("localhost") {
        let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        return Ok(both.map(|address| SocketAddr::new(address, port)).to_vec());
    }
    match tokio::net::lookup_host((bare, port)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(Reason::new("health-address", format!("looking up {bare}: {error}"))),
    }
}

fn link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// An error with its causes; hyper's own text leaves them out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
