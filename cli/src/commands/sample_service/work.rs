//! What the service does by itself: calling another one, or making up requests as if users came.

use super::service::Service;
use crate::error::{CommandError, CommandResult};
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// A call that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(2);
/// What made-up users ask for.
const PATHS: [&str; 5] = ["/", "/cart", "/search?q=boots", "/", "/checkout"];

/// What to do, and how often.
#[derive(Debug)]
pub(super) struct Work {
    target: Option<Target>,
    pause: Option<Duration>,
}

/// Whom a worker calls: `http://AUTHORITY/PATH`.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    url: String,
    address: String,
    path: String,
}

impl Work {
    /// `load` is in requests a second.
    pub(super) fn new(worker_of: Option<String>, load: Option<f64>) -> CommandResult<Work> {
        let target = worker_of.map(|url| parse(&url)).transpose()?;
        let load = load.unwrap_or(if target.is_some() { 1.0 } else { 0.0 });
        Ok(Work { target, pause: (load > 0.0).then(|| Duration::from_secs_f64(1.0 / load)) })
    }

    /// Works for ever, from the moment the service is ready.
    pub(super) async fn run(&self, service: &Service) {
        let Some(pause) = self.pause else {
            return std::future::pending().await;
        };
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match &self.target {
                _ if !service.is_ready() => {}
                Some(target) => call(service, target).await,
                None => make_up(service),
            }
        }
    }
}

fn parse(url: &str) -> CommandResult<Target> {
    let rest = url.strip_prefix("http://").filter(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace));
    let Some(rest) = rest else {
        return Err(CommandError::usage(format!("--worker-of {url:?} is not a URL that begins with http://")));
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    Ok(Target { url: url.to_owned(), address, path: format!("/{path}") })
}

async fn call(service: &Service, target: &Target) {
    let began = Instant::now();
    let answer = timeout(PATIENCE, get(target)).await;
    let took = ("ms", (began.elapsed().as_millis() as u64).into());
    let failure = match answer {
        Ok(Ok(status)) if (200..300).contains(&status) && service.request() => {
            return service.log.info("called", &[("url", target.url.clone().into()), ("status", status.into()), took]);
        }
        Ok(Ok(status)) if (200..300).contains(&status) => {
            let status = ("status", status.into());
            return service.log.warn("lost the answer", &[("url", target.url.clone().into()), status, took]);
        }
        Ok(Ok(status)) => format!("answered with {status}"),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    if service.request() {
        service.failed();
    }
    service.log.warn("the call failed", &[("url", target.url.clone().into()), ("error", failure.into()), took]);
}

/// The status of a GET.
async fn get(target: &Target) -> io::Result<u16> {
    let mut stream = TcpStream::connect(&target.address).await?;
    let Target { address, path, .. } = target;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: fleet-sample\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    // The status line is all that matters; the rest of the answer is short and goes with the connection.
    let mut answer = Vec::with_capacity(1024);
    stream.take(4096).read_to_end(&mut answer).await?;
    let status =
        answer.strip_prefix(b"HTTP/1.").and_then(|rest| std::str::from_utf8(rest.get(2..5)?).ok()?.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn make_up(service: &Service) {
    let number = service.requests();
    let path = PATHS[(number % PATHS.len() as u64) as usize];
    let ms = ("ms", (3 + number * 7 % 40).into());
    match service.request() {
        true => service.log.info("request", &[("path", path.into()), ("status", 200.into()), ms]),
        false => service.log.warn("request", &[("path", path.into()), ("status", 500.into()), ms]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_takes_http_urls_with_and_without_port_and_path() {
        let target = |url| parse(url).map(|target| (target.address, target.path));
        assert_eq!(target("http://127.0.0.1:8101/ping").unwrap(), ("127.0.0.1:8101".into(), "/ping".into()));
        assert_eq!(target("http://[::1]").unwrap(), ("[::1]:80".into(), "/".into()));
        for wrong in ["https://localhost/", "localhost:80", "http://", "http://a b/"] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }
}
