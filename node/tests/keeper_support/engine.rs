//! A node with a real guard and supervisor, and the engine as its agent.

use super::{Options, PATIENCE, kill, scratch, start_guard};
use fleet_node::control::Control;
use fleet_node::host_units::HostUnits;
use fleet_node::supervise::{Assigned, Config, Desired, Engine, Everything, Handle, Host, Places, SystemClock};
use fleet_units::bundle::{Bundle, SourceFile};
use fleet_units::ids::UnitName;
use fleet_units::spec::{Context, load};
use fleet_units::status::UnitStatus;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub struct Host1 {
    pub root: PathBuf,
    pub guard: Child,
    pub handle: Handle,
}

impl Drop for Host1 {
    fn drop(&mut self) {
        kill(self.guard.id(), libc::SIGTERM);
        let _ = self.guard.wait();
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn config(root: &Path) -> Config {
    let places = Places {
        runtime: root.join("places/run"),
        state: root.join("places/state"),
        cache: root.join("places/cache"),
        logs: root.join("places/logs"),
        configuration: root.join("places/etc"),
        take_over: true,
    };
    let (node, environment) = ("test-1".parse().unwrap(), "test".parse().unwrap());
    let host = Host { node, environment, user: nix::unistd::geteuid(), places, files: root.join("run/files") };
    Config {
        host,
        holds: BTreeMap::new(),
        completed: BTreeMap::new(),
        host_units: HostUnits::in_folder("/nonexistent"),
        admission: Box::new(Everything),
        earlier: Box::new(|_, _| None),
        stamps: BTreeMap::new(),
        clock: Box::new(SystemClock),
    }
}

pub async fn engine(root: &Path) -> Handle {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Control::attach(&root.join("run/control.sock")).await {
            Ok((control, table, events)) => return Engine::start(control, table, events, config(root)),
            Err(error) if Instant::now() > deadline => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

pub async fn host(name: &str) -> Host1 {
    let root = scratch(&format!("engine-{name}"));
    let guard = start_guard(&root, Options::default());
    Host1 { handle: engine(&root).await, root, guard }
}

pub fn assigned(name: &str, text: &str, files: &[(&str, &str)]) -> Assigned {
    let mut all = vec![(format!("units/{name}"), text)];
    all.extend(files.iter().map(|(path, content)| (format!("files/{path}"), *content)));
    let file = |(path, content): (String, &str)| (path, SourceFile::new(false, content.as_bytes()));
    load_bundle(&name.parse().unwrap(), Bundle { files: all.into_iter().map(file).collect() })
}

pub fn load_bundle(name: &UnitName, bundle: Bundle) -> Assigned {
    let context = Context { environment: "test".parse().unwrap(), host: None };
    let loaded = load(name, &bundle, &context);
    let spec = loaded.spec.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    let revision = "a".repeat(40).parse().unwrap();
    Assigned { spec: Arc::new(spec), digest: bundle.digest(), bundle: Arc::new(bundle), revision }
}

impl Host1 {
    pub async fn apply(&self, units: impl IntoIterator<Item = Assigned>) -> Vec<String> {
        let units = units.into_iter().map(|unit| (unit.spec.name.clone(), unit)).collect();
        let plan = self.handle.apply(Desired { units, refused: BTreeMap::new() }).await.unwrap();
        plan.steps.iter().map(|step| format!("{} {}", step.action.as_str(), step.unit)).collect()
    }

    /// Waits for the unit to be as described.
    pub async fn until(&self, unit: &str, what: impl Fn(&UnitStatus) -> bool) -> UnitStatus {
        let mut statuses = self.handle.statuses();
        let name = unit.parse().unwrap();
        let reached = async {
            loop {
                if let Some(status) = statuses.borrow_and_update().get(&name).filter(|status| what(status)) {
                    return status.clone();
                }
                statuses.changed().await.expect("the engine runs");
            }
        };
        match tokio::time::timeout(PATIENCE, reached).await {
            Ok(status) => status,
            Err(_) => panic!("{unit} stays {:?}", self.handle.statuses().borrow().get(&name)),
        }
    }

    pub async fn is(&self, unit: &str, sub_state: &str) -> UnitStatus {
        self.until(unit, |status| status.sub_state == sub_state).await
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}
