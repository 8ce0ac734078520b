//! What becomes of units over stops, refusals, reloads and new agents: the engine with a supervisor without processes.

use super::fake::Fake;
use super::tests::{act, attach, config, desired, in_an_hour, name, node, plain, service};
use super::{ApplyError, Assigned, Everything, UnitAct};
use fleet_units::spec::Restart;

fn needs(unit: &str, other: &str) -> Assigned {
    service(unit, |unit, _| {
        unit.requires = [name(other)].into();
        unit.after = [name(other)].into();
    })
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_of_everything_nothing_is_applied_and_the_next_agent_starts_it_again() {
    let fake = Fake::default();
    let units = || [plain("db.service"), needs("web.service", "db.service")];
    let node = attach(fake.clone(), config(Everything));
    node.apply(units()).await;
    node.is("web.service", "running").await;
    node.handle.stop_all().await;
    assert_eq!(node.handle.apply(desired(units())).await, Err(ApplyError::Stopping));
    drop(node);
    let node = attach(fake, config(Everything));
    assert_eq!(node.apply(units()).await, ["start db.service", "start web.service"]);
    node.is("web.service", "running").await;
}

#[tokio::test(start_paused = true)]
async fn what_a_stop_took_along_comes_back_with_the_next_start() {
    let node = node();
    let units = || [plain("db.service"), needs("web.service", "db.service"), needs("job.service", "web.service")];
    node.apply(units()).await;
    node.is("job.service", "running").await;
    assert!(node.handle.act(act("db.service", UnitAct::Stop(None))).await.ok);
    assert_eq!(node.is("web.service", "dead").await.reason.unwrap().code, "dependency");
    assert!(node.handle.act(act("db.service", UnitAct::Start)).await.ok);
    node.is("job.service", "running").await;
    assert!(node.handle.act(act("job.service", UnitAct::Stop(None))).await.ok);
    assert_eq!(node.is("job.service", "dead").await.reason, None, "this one was meant itself");
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_with_a_held_unit_comes_back_with_it_also_under_a_new_agent() {
    let fake = Fake::default();
    let units = || [plain("db.service"), needs("web.service", "db.service")];
    let node = attach(fake.clone(), config(Everything));
    node.apply(units()).await;
    node.is("web.service", "running").await;
    assert!(node.handle.act(act("db.service", UnitAct::Stop(in_an_hour()))).await.ok);
    let holds = node.handle.holds().borrow().clone();
    drop(node);
    let mut config = config(Everything);
    config.holds = holds;
    let node = attach(fake, config);
    node.apply(units()).await;
    assert!(node.handle.act(act("db.service", UnitAct::Start)).await.ok);
    node.is("web.service", "running").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_bound_to_a_failed_unit_comes_back_with_it() {
    let node = node();
    let bound = service("web.service", |unit, service| {
        unit.binds_to = [name("db.service")].into();
        unit.after = [name("db.service")].into();
        service.restart = Restart::Always;
    });
    node.apply([plain("db.service"), bound]).await;
    node.is("web.service", "running").await;
    node.fake.exit("db.service", "main", 1);
    assert_eq!(node.is("web.service", "dead").await.reason.unwrap().code, "dependency");
    assert!(node.handle.act(act("db.service", UnitAct::Start)).await.ok);
    node.is("web.service", "running").await;
}
