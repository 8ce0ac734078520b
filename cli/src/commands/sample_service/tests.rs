//! The service as probes, people and its own control see it.

use super::service::Service;
use super::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A service on a free port, and where.
async fn serve(service: Service, control: bool) -> (SocketAddr, Arc<Service>) {
    let listener = web::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let service = Arc::new(service);
    tokio::spawn(web::serve(Some(listener), service.clone(), control));
    (address, service)
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

async fn status(address: SocketAddr, request: &str) -> u16 {
    ask(address, request).await[9..12].parse().unwrap()
}

fn sample(error_rate: f64) -> Service {
    let service = Service::new("sample", None, error_rate);
    service.set_ready();
    service
}

#[tokio::test]
async fn it_is_unhealthy_and_not_ready_until_its_slow_start_is_over() {
    let (address, service) = serve(Service::new("sample", None, 0.0), false).await;
    assert_eq!((status(address, "GET /health").await, status(address, "GET /ready").await), (503, 503));
    service.set_ready();
    assert_eq!((status(address, "GET /health").await, status(address, "GET /ready").await), (200, 200));
}

#[tokio::test]
async fn control_is_there_only_when_allowed() {
    let (address, _) = serve(sample(0.0), false).await;
    assert_eq!(status(address, "POST /control/fail").await, 404);
    let (address, service) = serve(sample(0.0), true).await;
    assert_eq!(status(address, "POST /control/nonsense").await, 404);
    assert_eq!(status(address, "GET /control/fail").await, 405);
    assert_eq!(status(address, "POST /control/fail").await, 200);
    assert!(ask(address, "GET /health").await.contains("503 Service Unavailable"));
    assert_eq!(status(address, "GET /ping").await, 500);
    assert_eq!(status(address, "POST /control/recover").await, 200);
    assert_eq!((status(address, "GET /health").await, status(address, "GET /ping").await), (200, 200));
    assert_eq!(status(address, "POST /control/exit").await, 200);
    service.told_to_exit().await;
}

#[tokio::test]
async fn its_page_shows_the_motd_of_this_moment() {
    let folder = tempfile::tempdir().unwrap();
    let motd = folder.path().join("motd.txt");
    std::fs::write(&motd, "first\n").unwrap();
    let (address, _) = serve(Service::new("sample", Some(motd.clone()), 0.0), false).await;
    assert!(ask(address, "GET /").await.contains("\n  first\n"));
    std::fs::write(&motd, "second").unwrap();
    assert!(ask(address, "GET /").await.contains("second"));
    std::fs::remove_file(&motd).unwrap();
    assert!(ask(address, "GET /").await.contains("cannot read"));
}

#[tokio::test]
async fn it_counts_what_it_answers() {
    let (address, _) = serve(sample(0.0), false).await;
    ask(address, "GET /ping").await;
    let metrics = ask(address, "GET /metrics").await;
    assert!(metrics.contains("sample_requests_total{service=\"sample\"} 1\n"), "{metrics}");
}

#[test]
fn errors_are_spread_evenly() {
    let service = sample(0.25);
    let fine: Vec<bool> = (0..8).map(|_| service.request()).collect();
    assert_eq!(fine, [true, true, true, false, true, true, true, false]);
    assert_eq!((service.requests(), service.errors()), (8, 2));
    assert!((0..10).all(|_| sample(0.0).request()) && !sample(1.0).request());
}

#[test]
fn only_loopback_is_listened_on() {
    assert!(web::listen("0.0.0.0:0".parse().unwrap()).is_err());
}

#[test]
fn numbers_out_of_range_are_refused() {
    assert!(rate("-1").is_err() && rate("nan").is_err() && rate("2.5").is_ok());
    assert!(share("1.1").is_err() && share("1").is_ok());
    assert!(seconds("-1").is_err() && seconds("inf").is_err() && seconds("1e300").is_err());
    assert_eq!(seconds("1.5s"), Ok(Duration::from_millis(1500)));
}
