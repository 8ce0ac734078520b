//! One rule of "what runs" and "on change" a test, and the property that a plan converges.

use super::{Action, Desired, DesiredUnit, Due, Observed, ObservedUnit, Plan, plan};
use crate::ids::{Sha256Digest, UnitName};
use crate::spec::{FilesChange, KindSpec, Start, UnitSpec};
use crate::status::ActiveState;
use crate::testing::{command, unit};
use proptest::prelude::*;
use std::sync::Arc;

fn digest(seed: u8) -> Sha256Digest {
    Sha256Digest::of(&[seed])
}

fn desired(units: impl IntoIterator<Item = (UnitSpec, u8)>) -> Desired {
    let entry =
        |(spec, seed): (UnitSpec, u8)| (spec.name.clone(), DesiredUnit { spec: Arc::new(spec), digest: digest(seed) });
    Desired { units: units.into_iter().map(entry).collect() }
}

fn observed(spec: UnitSpec, seed: u8, active: ActiveState) -> (UnitName, ObservedUnit) {
    let name = spec.name.clone();
    (name, ObservedUnit { spec: Arc::new(spec), digest: digest(seed), active, held: false, due: None })
}

fn web(change: impl FnOnce(&mut UnitSpec)) -> UnitSpec {
    unit("web.service", change)
}

fn with(key: &'static str, value: &str) -> UnitSpec {
    web(|spec| {
        spec.values.set("Service", key, &[value]);
    })
}

/// The step for one unit that is `active` from `old` and shall run from `new`.
fn step(old: UnitSpec, active: ActiveState, new: UnitSpec) -> (Action, String) {
    let name = old.name.clone();
    let before = Observed { units: [observed(old, 1, active)].into(), ..Observed::default() };
    let steps = plan(&desired([(new, 2)]), &before).steps;
    let step = steps.into_iter().find(|step| step.unit == name).unwrap();
    (step.action, step.reason.text)
}

fn first(desired: &Desired, observed: &Observed) -> (Action, String) {
    let step = plan(desired, observed).steps.remove(0);
    (step.action, step.reason.code)
}

#[test]
fn a_new_unit_starts_unless_it_waits_to_be_asked_or_triggered() {
    let none = Observed::default();
    assert_eq!(first(&desired([(web(|_| {}), 1)]), &none), (Action::Start, "new".into()));
    let manual = web(|spec| spec.fleet.start = Start::Manual);
    assert_eq!(first(&desired([(manual, 1)]), &none), (Action::Update, "manual".into()));
    let timed = web(|spec| spec.triggered_by.extend(["web.timer".parse().unwrap()]));
    assert_eq!(first(&desired([(timed, 1)]), &none), (Action::Update, "triggered".into()));
}

#[test]
fn a_unit_named_only_as_a_reaction_does_not_start_by_itself() {
    let app = || unit("app.service", |spec| spec.on_failure.extend(["alert.service".parse().unwrap()]));
    let alert = || unit("alert.service", |_| {});
    assert_eq!(first(&desired([(alert(), 1), (app(), 1)]), &Observed::default()).1, "triggered");
    let other = unit("other.service", |spec| spec.wants.extend(["alert.service".parse().unwrap()]));
    let all = desired([(alert(), 1), (app(), 1), (other, 1)]);
    assert_eq!(first(&all, &Observed::default()).0, Action::Start);
}

#[test]
fn a_start_that_lacks_what_it_requires_says_so() {
    let requires = |name: &str| {
        let name: UnitName = name.parse().unwrap();
        web(move |spec| spec.requires.extend([name]))
    };
    let none = Observed::default();
    let plan_of = |units: Vec<UnitSpec>| plan(&desired(units.into_iter().map(|unit| (unit, 1))), &none);
    let reason = |plan: Plan| plan.steps.into_iter().find(|step| step.unit.as_str() == "web.service").unwrap().reason;
    let lacking = reason(plan_of(vec![requires("db.service")]));
    assert_eq!(lacking.code, "dependency-missing");
    assert!(
        lacking.text.contains("requires db.service") && lacking.text.contains("nor run by its host"),
        "{}",
        lacking.text
    );
    assert_eq!(reason(plan_of(vec![requires("network-online.target")])).code, "new");
    // Of the targets outside the set only those of systemd.special(7) are always there.
    assert_eq!(reason(plan_of(vec![requires("stack.target")])).code, "dependency-missing");
    assert_eq!(reason(plan_of(vec![requires("db.service"), unit("db.service", |_| {})])).code, "new");
    let named = unit("postgres.service", |spec| spec.alias.extend(["db.service".parse().unwrap()]));
    assert_eq!(reason(plan_of(vec![requires("db.service"), named])).code, "new");
}

#[test]
fn what_does_not_start_lacks_nothing() {
    let lonely = |start| {
        web(move |spec| {
            spec.binds_to.insert("db.service".parse().unwrap());
            spec.fleet.start = start;
        })
    };
    let all = desired([(lonely(Start::Manual), 1)]);
    assert_eq!(first(&all, &Observed::default()).1, "manual");
    let running =
        Observed { units: [observed(lonely(Start::Auto), 1, ActiveState::Active)].into(), ..Observed::default() };
    assert_eq!(first(&desired([(lonely(Start::Auto), 1)]), &running), (Action::Keep, "unchanged".into()));
    let found = super::missing(&all, &Observed::default(), all.units.keys());
    assert_eq!(found.iter().map(|missing| missing.key).collect::<Vec<_>>(), ["BindsTo"]);
}

#[test]
fn what_the_host_runs_is_not_missing() {
    let all = desired([(web(|spec| spec.requires = ["db.service".parse().unwrap()].into()), 1)]);
    let code = |observed: &Observed| first(&all, observed).1;
    assert_eq!(code(&Observed::default()), "dependency-missing");
    let host = Observed { host: ["db.service".parse().unwrap()].into(), ..Observed::default() };
    assert_eq!(code(&host), "new");
}

#[test]
fn a_unit_that_another_pulls_in_lacks_what_it_requires_too() {
    let helper = || {
        unit("helper.service", |spec| {
            spec.requires.insert("db.service".parse().unwrap());
            spec.fleet.start = Start::Manual;
        })
    };
    let wants = |spec: &mut UnitSpec| spec.wants.extend(["helper.service".parse().unwrap()]);
    let all = desired([(helper(), 1), (web(wants), 1)]);
    let lacking = |observed: &Observed| {
        let plan = plan(&all, observed);
        let found = super::missing(&all, observed, plan.starting());
        found.into_iter().map(|missing| missing.unit.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(lacking(&Observed::default()), ["helper.service"]);
    // One that runs is not started.
    let running = Observed { units: [observed(helper(), 1, ActiveState::Active)].into(), ..Observed::default() };
    assert_eq!(lacking(&running), [""; 0]);
}

#[test]
fn a_removed_unit_stops() {
    let before = Observed { units: [observed(web(|_| {}), 1, ActiveState::Active)].into(), ..Observed::default() };
    assert_eq!(first(&Desired::default(), &before), (Action::Stop, "removed".into()));
}

#[test]
fn a_description_never_touches_a_process_and_a_command_restarts_it() {
    let described = web(|spec| {
        spec.values.set("Unit", "Description", &["new"]);
    });
    let (action, why) = step(web(|_| {}), ActiveState::Active, described);
    assert_eq!((action, why.as_str()), (Action::Update, "Description changed"));
    let (action, why) = step(with("ExecStart", "/bin/a"), ActiveState::Active, with("ExecStart", "/bin/b"));
    assert_eq!((action, why.as_str()), (Action::Restart, "ExecStart changed"));
    let (action, _) = step(with("Restart", "no"), ActiveState::Active, with("Restart", "always"));
    assert_eq!(action, Action::Update);
}

#[test]
fn a_changed_unit_that_is_down_starts_only_when_the_change_needs_it() {
    for down in [ActiveState::Failed, ActiveState::Inactive] {
        assert_eq!(step(with("ExecStart", "/a"), down, with("ExecStart", "/b")).0, Action::Start);
        assert_eq!(step(with("Restart", "no"), down, with("Restart", "always")).0, Action::Update);
    }
    let manual = |value| {
        let mut spec = with("ExecStart", value);
        spec.fleet.start = Start::Manual;
        spec
    };
    assert_eq!(step(manual("/a"), ActiveState::Inactive, manual("/b")).0, Action::Update);
    assert_eq!(step(manual("/a"), ActiveState::Active, manual("/b")).0, Action::Restart);
}

#[test]
fn delivered_files_reload_what_can_reload_and_restart_the_rest() {
    let files = |seed: u8, reloads: bool, rule: FilesChange| {
        web(|spec| {
            spec.delivered.insert("files/web/nginx.conf".into(), digest(seed));
            spec.fleet.files_change = rule;
            if let (true, KindSpec::Service(service)) = (reloads, &mut spec.kind) {
                service.exec_reload = vec![command("/bin/reload")];
            }
        })
    };
    let act = |reloads, rule| step(files(1, reloads, rule), ActiveState::Active, files(2, reloads, rule));
    assert_eq!(act(true, FilesChange::Auto), (Action::Reload, "files/web/nginx.conf changed".into()));
    assert_eq!(act(false, FilesChange::Auto).0, Action::Restart);
    assert_eq!(act(true, FilesChange::Restart).0, Action::Restart);
    assert_eq!(act(true, FilesChange::None).0, Action::Update);
}

#[test]
fn an_unchanged_unit_is_left_alone_unless_the_host_booted_or_its_hold_ended() {
    let now = desired([(web(|_| {}), 1)]);
    for state in [ActiveState::Failed, ActiveState::Inactive, ActiveState::Active] {
        let before = Observed { units: [observed(web(|_| {}), 1, state)].into(), ..Observed::default() };
        assert_eq!(first(&now, &before).0, Action::Keep, "{state:?}");
    }
    for (due, code) in [(Due::Boot, "boot"), (Due::HoldEnded, "hold-ended")] {
        let mut entry = observed(web(|_| {}), 1, ActiveState::Inactive);
        entry.1.due = Some(due);
        assert_eq!(
            first(&now, &Observed { units: [entry].into(), ..Observed::default() }),
            (Action::Start, code.into())
        );
    }
}

#[test]
fn a_held_unit_is_not_started_by_any_change() {
    let mut entry = observed(with("ExecStart", "/a"), 1, ActiveState::Inactive);
    entry.1.held = true;
    entry.1.due = Some(Due::Boot);
    let before = Observed { units: [entry].into(), ..Observed::default() };
    assert_eq!(first(&desired([(with("ExecStart", "/b"), 2)]), &before).0, Action::Update);
    assert_eq!(first(&desired([(with("ExecStart", "/a"), 1)]), &before), (Action::Keep, "held".into()));
}

/// What the world looks like once a plan was done.
fn done(desired: &Desired, observed: &Observed) -> Observed {
    let mut after = Observed::default();
    for step in plan(desired, observed).steps {
        let old = observed.units.get(&step.unit);
        let Some(new) = desired.units.get(&step.unit) else { continue };
        let touched = matches!(step.action, Action::Start | Action::Restart);
        let active = old.map_or(ActiveState::Inactive, |old| old.active);
        let unit = ObservedUnit {
            spec: new.spec.clone(),
            digest: new.digest,
            active: if touched { ActiveState::Active } else { active },
            held: old.is_some_and(|old| old.held),
            due: old.and_then(|old| old.due).filter(|_| !touched),
        };
        after.units.insert(step.unit, unit);
    }
    after
}

fn any_unit() -> impl Strategy<Value = (UnitSpec, u8)> {
    (0..5u8, 0..3u8, any::<bool>()).prop_map(|(name, seed, manual)| {
        let spec = unit(&format!("u{name}.service"), |spec| {
            spec.values.set("Service", "ExecStart", &[&seed.to_string()]);
            spec.fleet.start = if manual { Start::Manual } else { Start::Auto };
        });
        (spec, seed)
    })
}

fn any_observed() -> impl Strategy<Value = (UnitName, ObservedUnit)> {
    use ActiveState::{Activating, Active, Deactivating, Failed, Inactive};
    let due = prop_oneof![Just(None), Just(Some(Due::Boot)), Just(Some(Due::HoldEnded))];
    let active = prop_oneof![Just(Inactive), Just(Active), Just(Failed), Just(Activating), Just(Deactivating)];
    (any_unit(), active, any::<bool>(), due).prop_map(|((spec, seed), active, held, due)| {
        let (name, mut unit) = observed(spec, seed, active);
        unit.held = held;
        unit.due = due;
        (name, unit)
    })
}

proptest! {
    #[test]
    fn a_second_plan_is_empty(
        units in prop::collection::vec(any_unit(), 0..6),
        before in prop::collection::btree_map(Just(()), any_observed(), 0..2),
        more in prop::collection::vec(any_observed(), 0..6),
    ) {
        let desired = desired(units);
        let before = Observed { units: before.into_values().chain(more).collect(), ..Observed::default() };
        let after = done(&desired, &before);
        for step in plan(&desired, &after).steps {
            prop_assert_eq!(step.action, Action::Keep, "{}: {}", step.unit, step.reason.text);
        }
    }
}
