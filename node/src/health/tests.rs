//! Probes against real listeners on loopback, and the loop as a whole.

use super::probe::{MAX_BODY, probe};
use super::run;
use fleet_units::diagnostic::Reason;
use fleet_units::spec::{HealthCheck, HealthSpec};
use fleet_units::status::Health;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Answers each request with what `answer` makes of its path, until the runtime of the test ends.
async fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..read]).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default();
            let _ = stream.write_all(&answer(path)).await;
        }
    });
    address
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

async fn get(url: String) -> Result<(), Reason> {
    probe(&HealthCheck::Url(url)).await
}

async fn code(url: String) -> String {
    get(url).await.unwrap_err().code
}

#[tokio::test]
async fn every_2xx_is_healthy_and_other_answers_say_status_and_first_line() {
    let address = serve(|path| match path {
        "/ok" => answer("200 OK", "", "fine"),
        "/none?deep=1" => answer("204 No Content", "", ""),
        _ => answer("503 Service Unavailable", "", "\n the database\x1b is down\nmore"),
    })
    .await;
    assert_eq!(get(format!("http://{address}/ok")).await, Ok(()));
    assert_eq!(get(format!("http://{address}/none?deep=1")).await, Ok(()));
    let reason = get(format!("http://{address}")).await.unwrap_err();
    let expected = format!("GET http://{address}/ is answered with 503 Service Unavailable: the database is down");
    assert_eq!((reason.code.as_str(), reason.text), ("health-status", expected));
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_host_only_and_not_for_ever() {
    let address = serve(|path| match path {
        "/a/path" => answer("302 Found", "location: next\r\n", ""),
        "/a/next" => answer("307 Temporary Redirect", "location: /ok\r\n", ""),
        "/ok" => answer("200 OK", "", ""),
        "/away" => answer("302 Found", "location: http://127.0.0.2:1/\r\n", ""),
        "/tls" => answer("302 Found", "location: https://localhost/\r\n", ""),
        "/unmodified" => answer("304 Not Modified", "", ""),
        _ => answer("302 Found", "location: /loop\r\n", ""),
    })
    .await;
    assert_eq!(get(format!("http://{address}/a/path")).await, Ok(()));
    for path in ["away", "tls", "loop"] {
        assert_eq!(code(format!("http://{address}/{path}")).await, "health-redirect", "{path}");
    }
    assert_eq!(code(format!("http://{address}/unmodified")).await, "health-status");
}

#[tokio::test]
async fn a_body_without_end_is_cut_and_the_status_decides() {
    let address = serve(|_| {
        let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n".to_vec();
        bytes.resize(bytes.len() + MAX_BODY, b'x');
        bytes
    })
    .await;
    assert_eq!(get(format!("http://{address}/")).await, Ok(()));
}

#[tokio::test]
async fn what_is_not_http_is_a_failure() {
    let address = serve(|_| b"+OK ready\r\n".to_vec()).await;
    assert_eq!(code(format!("http://{address}/")).await, "health-http");
    let address = serve(|_| Vec::new()).await;
    assert_eq!(code(format!("http://{address}/")).await, "health-http");
}

#[tokio::test]
async fn addresses_that_cannot_be_asked_are_named() {
    for url in [
        "ftp://127.0.0.1/",
        "http://",
        "https://127.0.0.1/",
        "no url",
        "http://169.254.169.254/latest",
        "http://[fe80::1]/",
    ] {
        assert_eq!(code(url.to_owned()).await, "health-address", "{url}");
    }
}

#[tokio::test]
async fn a_tcp_check_wants_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for address in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!(":{port}"), port.to_string()] {
        assert_eq!(probe(&HealthCheck::Tcp(address.clone())).await, Ok(()), "{address}");
    }
    drop(listener);
    assert_eq!(probe(&HealthCheck::Tcp(format!("127.0.0.1:{port}"))).await.unwrap_err().code, "health-connect");
    for wrong in ["", "127.0.0.1", "127.0.0.1:99999"] {
        assert_eq!(probe(&HealthCheck::Tcp(wrong.into())).await.unwrap_err().code, "health-address", "{wrong}");
    }
}

fn spec(check: Option<HealthCheck>) -> HealthSpec {
    let millis = Duration::from_millis;
    HealthSpec {
        check,
        interval: millis(100),
        timeout: millis(50),
        retries: 2,
        start_period: Duration::ZERO,
        ..HealthSpec::default()
    }
}

/// Runs a check and gives its reports.
fn watch(spec: HealthSpec) -> mpsc::UnboundedReceiver<(Health, String)> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(run(spec, move |health, reason| {
        let _ = sender.send((health, reason.map(|reason| reason.code).unwrap_or_default()));
    }));
    receiver
}

#[tokio::test]
async fn a_unit_that_comes_up_late_goes_away_and_returns_is_followed() {
    // A port that is free now: bound and let go.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut reports =
        watch(HealthSpec { interval: Duration::from_secs(1), ..spec(Some(HealthCheck::Tcp(address.clone()))) });
    assert_eq!(reports.recv().await.unwrap(), (Health::Starting, String::new()));
    assert_eq!(reports.recv().await.unwrap(), (Health::Starting, "health-connect".into()));
    let listener = TcpListener::bind(&address).await.unwrap();
    assert_eq!(reports.recv().await.unwrap(), (Health::Healthy, String::new()));
    drop(listener);
    assert_eq!(reports.recv().await.unwrap(), (Health::Unhealthy, "health-connect".into()));
    let _listener = TcpListener::bind(&address).await.unwrap();
    assert_eq!(reports.recv().await.unwrap(), (Health::Healthy, String::new()));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_timeout() {
    // Accepted by the kernel, never read by anyone.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut reports = watch(spec(Some(HealthCheck::Url(url))));
    for expected in
        [(Health::Starting, ""), (Health::Starting, "health-timeout"), (Health::Unhealthy, "health-timeout")]
    {
        assert_eq!(reports.recv().await.unwrap(), (expected.0, expected.1.to_owned()));
    }
}

#[tokio::test]
async fn without_a_check_there_is_nothing_to_judge() {
    let mut reports = watch(spec(None));
    assert_eq!(reports.recv().await, Some((Health::None, String::new())));
    assert_eq!(reports.recv().await, None);
}
