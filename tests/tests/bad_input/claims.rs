//! What two nodes of one host both want.

use fleet_tests::TestFleet;

#[test]
fn what_another_node_of_the_host_holds_is_refused_and_that_node_is_named() {
    let fleet = TestFleet::up();
    let repository = fleet.repository();
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let own = format!("fleet-test-{}", std::process::id());
    let sleeper = |more: &str| format!("[Service]\nExecStart=/bin/sleep infinity\n{more}\n");
    repository.write("units/checked.service", &sleeper(&format!("[X-Fleet]\nHealthCheckTCP=127.0.0.1:{port}")));
    repository.write("units/pidfile.service", &sleeper(&format!("PIDFile=/run/{own}.pid")));
    let root = rustix::process::geteuid().is_root();
    if root {
        repository.write("units/runtime.service", &sleeper(&format!("RuntimeDirectory={own}")));
    }
    let commit = repository.commit_and_push("Take what there is one of");
    fleet.wait_for("develop", "develop runs them", |seen| seen["running_revision"] == *commit);
    // The same for another environment, whose node shares this host.
    repository.git(&["push", "--quiet", "origin", "develop:test"]);
    let mut wanted =
        vec![("checked.service", format!("127.0.0.1:{port}")), ("pidfile.service", format!("/run/{own}.pid"))];
    if root {
        wanted.push(("runtime.service", own.clone()));
    }
    let seen = fleet.wait_for("test", "test refuses them", |seen| {
        wanted
            .iter()
            .all(|(unit, _)| seen["reasons"].to_string().contains(unit) || seen["units"].to_string().contains(unit))
    });
    let text = fleet.fleet(&["status", "-e", "test"]).ok().stdout;
    for (unit, what) in wanted {
        assert!(
            text.contains(unit) && text.contains(&what) && text.contains("develop-1"),
            "{unit}, {what}:\n{text}\n{seen:#}"
        );
    }
}
