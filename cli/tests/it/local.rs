//! `fleet node …` over a node's local socket.

use crate::run::Person;
use fleet_proto::v1::local_service_server::{LocalService, LocalServiceServer};
use fleet_proto::v1::*;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

/// A node that has one unit and notes what it is asked.
#[derive(Default)]
struct Node {
    asked: Mutex<Vec<LocalActRequest>>,
}

fn web() -> UnitStatus {
    UnitStatus {
        unit: "web.service".into(),
        active_state: ActiveState::Failed.into(),
        sub_state: "failed".into(),
        result: "exit-code".into(),
        ..Default::default()
    }
}

#[tonic::async_trait]
impl LocalService for Node {
    type LocalLogsStream = tokio_stream::Iter<std::vec::IntoIter<Result<LocalLogsResponse, Status>>>;

    async fn local_status(&self, _: Request<LocalStatusRequest>) -> Result<Response<LocalStatusResponse>, Status> {
        let link = Some(Reason { code: "unreachable".into(), text: "connection refused".into() });
        let node = "develop-1".into();
        Ok(Response::new(LocalStatusResponse { node, link, units: vec![web()], agent_pid: 7, ..Default::default() }))
    }

    async fn local_logs(&self, request: Request<LocalLogsRequest>) -> Result<Response<Self::LocalLogsStream>, Status> {
        let line = LogLine {
            unit: request.into_inner().unit,
            node: "develop-1".into(),
            message: "hi".into(),
            ..Default::default()
        };
        Ok(Response::new(tokio_stream::iter(vec![Ok(LocalLogsResponse { lines: vec![line] })])))
    }

    async fn local_act(&self, request: Request<LocalActRequest>) -> Result<Response<LocalActResponse>, Status> {
        self.asked.lock().unwrap().push(request.into_inner());
        let result =
            ActionResult { node: "develop-1".into(), unit: "web.service".into(), ok: true, ..Default::default() };
        Ok(Response::new(LocalActResponse { results: vec![result] }))
    }
}

/// Serves a node at `socket` until the runtime is dropped.
fn serve(socket: &Path) -> (tokio::runtime::Runtime, Arc<Node>) {
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let node = Arc::new(Node::default());
    let _inside = runtime.enter();
    let incoming = UnixListenerStream::new(tokio::net::UnixListener::bind(socket).unwrap());
    let service = LocalServiceServer::from_arc(Arc::clone(&node));
    runtime.spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
    drop(_inside);
    (runtime, node)
}

#[test]
fn the_only_node_of_this_host_is_found_in_the_runtime_folder() {
    let person = Person::new();
    let _node = serve(&person.path("runtime/fleet/node-develop-1/local.sock"));
    let ran = person.fleet("node ps").exits(0);
    assert!(ran.stdout.contains("web.service  failed/exit-code"), "{ran:?}");
    let ran = person.fleet("node status --name develop-1").exits(0);
    assert!(ran.stdout.contains("not connected: connection refused"), "{ran:?}");
    let value = person.fleet("node status web -o json").exits(0).json();
    assert_eq!((&value["schema"], &value["units"][0]["name"]), (&1.into(), &"web.service".into()));
    assert!(person.fleet("node status wbe").exits(1).stderr.contains("did you mean web.service?"));
    assert!(person.fleet("node ps --name develop-2").exits(1).stderr.contains("did you mean develop-1?"));
}

#[test]
fn units_are_stopped_one_or_all_with_a_hold() {
    let person = Person::new();
    let (_runtime, node) = serve(&person.path("s"));
    person.fleet("node stop web --socket s --for 5m --reason why").exits(0);
    person.fleet("node stop --units --socket s").exits(0);
    person.fleet("node restart web --socket s").exits(0);
    person.fleet("node stop --socket s").exits(2);
    let asked = node.asked.lock().unwrap();
    assert_eq!((asked[0].unit.as_str(), asked[0].hold_seconds, asked[0].why.as_str()), ("web.service", 300, "why"));
    assert_eq!((asked[1].unit.as_str(), asked[1].action()), ("", UnitAction::Stop));
    assert_eq!(asked[2].action(), UnitAction::Restart);
}

#[test]
fn logs_come_from_the_nodes_own_spool() {
    let person = Person::new();
    let _node = serve(&person.path("s"));
    assert!(person.fleet("node logs web --socket s").exits(0).stdout.ends_with("develop-1/web | hi\n"));
}

#[test]
fn a_node_that_is_not_there_is_exit_code_5() {
    let person = Person::new();
    let ran = person.fleet("node ps --socket nowhere").exits(5);
    assert!(ran.stderr.contains("cannot reach the node at nowhere") && ran.stderr.contains("hint:"), "{ran:?}");
}
