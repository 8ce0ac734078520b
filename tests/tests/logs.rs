//! Logs the whole way: written on a node, shipped over a real connection, stored by the coordinator, read there.

use fleet_node::logs::ship;
use fleet_node::logs::spool::{Spool, SpoolLimits, SpoolWriter};
use fleet_proto::v1;
use fleet_proto::v1::node_service_server::{NodeService, NodeServiceServer};
use fleet_server::logs::query::{Item, LogQuery};
use fleet_server::logs::{LogStore, Retention};
use fleet_units::ids::{InvocationId, NodeName, UnitName};
use fleet_units::log_record::{LogRecord, Stream};
use fleet_units::time::Timestamp;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

/// A coordinator that takes logs and nothing else; whoever connects is `n-1` of develop.
struct Coordinator {
    store: LogStore,
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

struct Service(LogStore, CancellationToken);

type None<T> = tokio_stream::Empty<Result<T, Status>>;

#[tonic::async_trait]
impl NodeService for Service {
    type ControlStream = None<v1::CoordinatorMessage>;
    type LogsStream = ReceiverStream<Result<v1::LogAck, Status>>;
    type FetchManifestStream = None<v1::Chunk>;
    type FetchBundlesStream = None<v1::BundleChunk>;

    async fn control(&self, _: Request<Streaming<v1::NodeMessage>>) -> Result<Response<Self::ControlStream>, Status> {
        Err(Status::unimplemented("logs only"))
    }

    async fn logs(&self, request: Request<Streaming<v1::LogBatch>>) -> Result<Response<Self::LogsStream>, Status> {
        let (environment, node) = ("develop".parse().unwrap(), node());
        Ok(Response::new(self.0.receive(environment, node, request.into_inner(), self.1.clone())))
    }

    async fn fetch_manifest(
        &self,
        _: Request<v1::FetchManifestRequest>,
    ) -> Result<Response<Self::FetchManifestStream>, Status> {
        Err(Status::unimplemented("logs only"))
    }

    async fn fetch_bundles(
        &self,
        _: Request<v1::FetchBundlesRequest>,
    ) -> Result<Response<Self::FetchBundlesStream>, Status> {
        Err(Status::unimplemented("logs only"))
    }

    async fn renew(&self, _: Request<v1::RenewRequest>) -> Result<Response<v1::RenewResponse>, Status> {
        Err(Status::unimplemented("logs only"))
    }
}

impl Coordinator {
    async fn start(dir: &Path, address: SocketAddr) -> Self {
        let store = LogStore::open(dir, Retention::default()).unwrap();
        let stop = CancellationToken::new();
        // The port of a coordinator that has just stopped may take a moment to be free.
        let listener = loop {
            match tokio::net::TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let address = listener.local_addr().unwrap();
        let service = NodeServiceServer::new(Service(store.clone(), stop.clone()));
        let stopped = stop.clone().cancelled_owned();
        let serving = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            Server::builder().add_service(service).serve_with_incoming_shutdown(incoming, stopped).await.unwrap();
        });
        Coordinator { store, address, stop, serving }
    }

    async fn stop(self) -> SocketAddr {
        self.stop.cancel();
        self.serving.abort();
        let _ = self.serving.await;
        self.address
    }

    fn lines(&self, last: Option<u64>) -> Vec<LogRecord> {
        let mut past = self.store.query(&LogQuery { last, ..LogQuery::default() }).unwrap();
        let mut lines = Vec::new();
        loop {
            let items = past.next_items(1000).unwrap();
            if items.is_empty() {
                return lines;
            }
            for item in items {
                match item {
                    Item::Line(line) => lines.push(line),
                    Item::Lost(source, lost) => panic!("{lost} lines of {source:?} are lost"),
                }
            }
        }
    }

    /// Waits until the last line that is stored has this text.
    async fn until_last(&self, text: &str) {
        let query = LogQuery { last: Some(0), ..LogQuery::default() };
        let mut follower = self.store.follow(query.clone(), &self.store.query(&query).unwrap());
        let begun = Instant::now();
        while self.lines(Some(1)).last().is_none_or(|line| line.message != text.as_bytes()) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{text} does not arrive");
            let _ = tokio::time::timeout(Duration::from_millis(200), follower.changed()).await;
            follower.next_items().unwrap();
        }
    }
}

fn node() -> NodeName {
    "n-1".parse().unwrap()
}

fn web() -> UnitName {
    "web.service".parse().unwrap()
}

fn now() -> Timestamp {
    Timestamp(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap())
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn put(writer: &mut SpoolWriter, text: &str) {
    writer.append(Stream::Stdout, InvocationId(1), now(), text.as_bytes());
}

/// An agent's share in this: a connection that is made again when it ends.
struct Agent {
    stop: CancellationToken,
    shipping: JoinHandle<()>,
}

impl Agent {
    fn start(root: PathBuf, address: SocketAddr) -> Self {
        let stop = CancellationToken::new();
        let shutdown = stop.clone();
        let shipping = tokio::spawn(async move {
            let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
            ship::run(channel, root, node(), shutdown).await;
        });
        Agent { stop, shipping }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.shipping.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_is_readable_at_the_coordinator_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(&dir.path().join("logs"), any_port()).await;
    let root = dir.path().join("spool");
    let mut writer = SpoolWriter::open(&root, &web(), SpoolLimits::default()).unwrap();
    let agent = Agent::start(root, coordinator.address);
    put(&mut writer, "first\n");
    coordinator.until_last("first").await;
    let mut times = Vec::new();
    for n in 0..20 {
        let written = Instant::now();
        put(&mut writer, &format!("line {n}\n"));
        coordinator.until_last(&format!("line {n}")).await;
        times.push(written.elapsed());
    }
    times.sort_unstable();
    eprintln!("written -> readable: median {:?}, slowest {:?}", times[10], times[19]);
    assert!(times[10] < Duration::from_secs(1), "{times:?}");
    agent.stop().await;
    coordinator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_arrives_once_while_agents_and_coordinators_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let (root, logs) = (dir.path().join("spool"), dir.path().join("logs"));
    let mut coordinator = Coordinator::start(&logs, any_port()).await;
    let spool = Spool::open(&root, SpoolLimits { segment: 1 << 20, ..SpoolLimits::default() }).unwrap();
    let stop = CancellationToken::new();
    let writing = std::thread::spawn({
        let stop = stop.clone();
        let mut writer = spool.writer(&web()).unwrap();
        move || {
            let mut n = 0;
            while !stop.is_cancelled() {
                let mut chunk = String::new();
                for _ in 0..100 {
                    chunk.push_str(&format!("line {n}\n"));
                    n += 1;
                }
                // Chunks end inside of lines, as those of a pipe do.
                let (head, tail) = chunk.split_at(chunk.len() / 2);
                put(&mut writer, head);
                put(&mut writer, tail);
                std::thread::sleep(Duration::from_millis(1));
            }
            put(&mut writer, "the end\n");
            n
        }
    });
    for round in 0..6 {
        let agent = Agent::start(root.clone(), coordinator.address);
        let before = coordinator.lines(Some(1)).last().map_or(0, |line| line.sequence);
        let begun = Instant::now();
        while coordinator.lines(Some(1)).last().map_or(0, |line| line.sequence) < before + 1000 {
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing arrives in round {round}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if round % 2 == 0 {
            // Without any goodbye.
            agent.shipping.abort();
        } else {
            let address = coordinator.stop().await;
            agent.stop().await;
            coordinator = Coordinator::start(&logs, address).await;
        }
    }
    stop.cancel();
    let written = writing.join().unwrap();
    let agent = Agent::start(root, coordinator.address);
    coordinator.until_last("the end").await;
    let lines = coordinator.lines(None);
    assert_eq!(lines.len(), written + 1);
    for (n, line) in lines[..written].iter().enumerate() {
        assert_eq!((line.sequence, &line.message[..]), (n as u64 + 1, format!("line {n}").as_bytes()));
    }
    agent.stop().await;
    coordinator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_comes_back_is_found_on_the_same_connection() {
    let dir = tempfile::tempdir().unwrap();
    let (root, logs) = (dir.path().join("spool"), dir.path().join("logs"));
    let coordinator = Coordinator::start(&logs, any_port()).await;
    let mut writer = SpoolWriter::open(&root, &web(), SpoolLimits::default()).unwrap();
    let agent = Agent::start(root, coordinator.address);
    put(&mut writer, "before\n");
    coordinator.until_last("before").await;
    let address = coordinator.stop().await;
    put(&mut writer, "while it was away\n");
    let coordinator = Coordinator::start(&logs, address).await;
    put(&mut writer, "after\n");
    coordinator.until_last("after").await;
    let texts: Vec<_> =
        coordinator.lines(None).into_iter().map(|line| String::from_utf8(line.message).unwrap()).collect();
    assert_eq!(texts, ["before", "while it was away", "after"]);
    agent.stop().await;
    coordinator.stop().await;
}
