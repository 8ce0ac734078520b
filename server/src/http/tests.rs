//! The listener as a probe and as Prometheus see it, over loopback.

use super::metrics::InEnvironment;
use super::*;
use fleet_units::components::ComponentState;
use fleet_units::view::{BranchState, EnvironmentState, EnvironmentView, FleetView, NodeCounts};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

struct Served {
    address: SocketAddr,
    components: watch::Sender<Components>,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
}

fn fleet() -> FleetView {
    let environment = EnvironmentView {
        name: "test".parse().unwrap(),
        branch: "test".into(),
        desired_revision: None,
        running_revision: None,
        state: EnvironmentState::Empty,
        reasons: Vec::new(),
        branch_state: BranchState::Ok,
        nodes: NodeCounts { total: 3, connected: 2 },
        units: Vec::new(),
        rejected: None,
    };
    FleetView { environments: vec![environment] }
}

async fn serve() -> Served {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (components, watched) = watch::channel(Components::starting(&["store"]));
    let (metrics, shutdown) = (Arc::new(Metrics::new()), CancellationToken::new());
    let refresh = Arc::new(|metrics: &Metrics| metrics.observe(&fleet()));
    let shown = Shown { components: watched, metrics: metrics.clone(), refresh };
    tokio::spawn(run(listener, shown, shutdown.clone()));
    Served { address, components, metrics, shutdown }
}

/// Status line, headers and body of a GET.
async fn get(address: SocketAddr, path: &str) -> (String, String, String) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    (status.to_owned(), headers.to_owned(), body.to_owned())
}

#[tokio::test]
async fn readiness_follows_the_parts_and_liveness_does_not() {
    let served = serve().await;
    let (status, _, body) = get(served.address, "/health/readiness").await;
    assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 503 Service Unavailable", "not ready: store: starting\n"));
    assert!(get(served.address, "/health/liveness").await.0.ends_with("200 OK"));
    assert!(get(served.address, "/health").await.0.starts_with("HTTP/1.1 503"));
    served.components.send_modify(|parts| {
        parts.set("store", ComponentState::Degraded, "rebuilt");
    });
    assert!(get(served.address, "/health/readiness").await.0.ends_with("200 OK"));
    let (status, _, body) = get(served.address, "/health").await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert!(status.ends_with("200 OK"));
    assert_eq!(
        body,
        serde_json::json!({
            "schema": 1, "state": "degraded", "components": {"store": {"state": "degraded", "text": "rebuilt"}}
        })
    );
}

#[tokio::test]
async fn metrics_are_openmetrics_text() {
    let served = serve().await;
    served.metrics.commits_accepted.get_or_create(&InEnvironment { environment: "test".into() }).inc();
    served.metrics.answered("fleet.v1.Operator/Status", "ok");
    let (_, headers, body) = get(served.address, "/metrics").await;
    assert!(headers.contains("application/openmetrics-text"), "{headers}");
    for line in [
        "fleet_commits_accepted_total{environment=\"test\"} 1",
        "fleet_requests_total{rpc=\"fleet.v1.Operator/Status\",code=\"ok\"} 1",
        "fleet_connected_nodes{environment=\"test\"} 2",
        "fleet_environment_state{environment=\"test\",state=\"empty\"} 1",
        "fleet_environment_state{environment=\"test\",state=\"converged\"} 0",
    ] {
        assert!(body.lines().any(|found| found == line), "{line} is not in\n{body}");
    }
    assert!(body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn it_ends_when_told() {
    let served = serve().await;
    served.shutdown.cancel();
    while tokio::net::TcpStream::connect(served.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_address_of_the_network_is_refused_and_a_taken_port_names_its_holder() {
    assert!(matches!(listen("0.0.0.0:0".parse().unwrap()), Err(HttpError::NotLoopback(_))));
    let first = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let error = listen(first.local_addr().unwrap()).unwrap_err().to_string();
    assert!(error.contains("is taken by"), "{error}");
}
