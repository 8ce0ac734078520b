//! What directives do, by the cases of `testdata/directives/engine`: the engine with a supervisor without processes and
//! paused time. The format is that of [`fleet_units::testing::effect_case`].
//!
//! A transcript has each step, what the supervisor was asked for because of it, and the units whose state is another
//! one afterwards. Steps: `apply [next]`, `start|stop|restart|reload UNIT`, `exit UNIT CODE [control]`,
//! `die UNIT SIGNAL`, `notify UNIT TEXT`, `unhealthy UNIT`, `wait SPAN`; `stubborn UNIT`: its processes ignore all but
//! SIGKILL; `missing PROGRAM`: it cannot be executed; `touch NAME`: makes `{root}/NAME`.

use super::fake::Fake;
use super::tests::{Node, attach, config, desired, name};
use super::{Act, Assigned, Everything, UnitAct};
use fleet_units::bundle::{Bundle, SourceFile};
use fleet_units::ids::UnitName;
use fleet_units::spec::value::time_span;
use fleet_units::spec::{Context, load};
use fleet_units::status::{Health, UnitStatus};
use fleet_units::testing::effect_case::{EffectCase, Files, Run};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One case being played.
struct Play<'a> {
    run: &'a Run,
    root: &'a Path,
    node: Node,
    /// What was last shown of each unit.
    shown: BTreeMap<UnitName, String>,
    transcript: String,
}

#[tokio::test(start_paused = true)]
async fn directives_do_in_the_engine_what_their_cases_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/directives/engine");
    let mut complaints = Vec::new();
    let mut runs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy();
        let text = std::fs::read_to_string(&path).unwrap();
        let case = EffectCase::parse(&stem, &text).unwrap_or_else(|why| panic!("{why}"));
        for run in case.runs() {
            let root = tempfile::tempdir().unwrap();
            let seen = play(&run, root.path()).await;
            complaints.extend(run.complaint(&seen));
            runs += 1;
        }
    }
    assert!(runs > 0 && complaints.is_empty(), "{} of {runs} runs:\n{}", complaints.len(), complaints.join("\n"));
}

async fn play(run: &Run, root: &Path) -> String {
    let node = attach(Fake::default(), config(Everything));
    let mut play = Play { run, root, node, shown: BTreeMap::new(), transcript: String::new() };
    for step in &run.steps {
        writeln!(play.transcript, "> {step}").unwrap();
        play.step(step).await;
        play.look().await;
    }
    play.transcript
}

impl Play<'_> {
    async fn step(&mut self, step: &str) {
        let words: Vec<&str> = step.split(' ').collect();
        let fake = self.node.fake.clone();
        match words.as_slice() {
            ["apply"] => self.apply(&self.run.files.clone()).await,
            ["apply", "next"] => {
                let mut files = self.run.files.clone();
                files.extend(self.run.next.clone());
                self.apply(&files).await;
            }
            ["start", unit] => self.act(unit, UnitAct::Start).await,
            ["stop", unit] => self.act(unit, UnitAct::Stop(None)).await,
            ["restart", unit] => self.act(unit, UnitAct::Restart).await,
            ["reload", unit] => self.act(unit, UnitAct::Reload).await,
            ["exit", unit, code, role @ ..] => {
                let role = role.first().unwrap_or(&"main");
                self.with(unit, role, || fake.exit(unit, role, code.parse().unwrap()));
            }
            ["die", unit, signal] => self.with(unit, "main", || fake.die(unit, "main", signal.parse().unwrap())),
            ["notify", unit, text] => self.with(unit, "main", || fake.notify(unit, text)),
            ["unhealthy", unit] => self.node.handle.report_health(name(unit), Health::Unhealthy, None).await,
            ["wait", span] => tokio::time::sleep(time_span(span).unwrap().expect("a finite span")).await,
            ["stubborn", unit] => fake.world().stubborn.push((*unit).to_owned()),
            ["missing", program] => fake.world().missing.push((*program).to_owned()),
            ["touch", file] => std::fs::write(self.root.join(file), "").unwrap(),
            _ => panic!("{}: {step:?} is no step", self.run.label),
        }
    }

    /// Does it if there is such a process.
    fn with(&mut self, unit: &str, role: &str, act: impl FnOnce()) {
        let there = self.node.fake.world().pid(unit, role).is_some();
        if there { act() } else { writeln!(self.transcript, "no such process").unwrap() }
    }

    async fn apply(&mut self, files: &Files) {
        let root = self.root.display().to_string();
        let files = files.iter().map(|(path, text)| (path.clone(), text.replace("{root}", &root))).collect();
        let units: Vec<Result<Assigned, String>> = assigned(&files);
        for refused in units.iter().filter_map(|unit| unit.as_ref().err()) {
            writeln!(self.transcript, "{refused}").unwrap();
        }
        let plan = self.node.handle.apply(desired(units.into_iter().flatten())).await.unwrap();
        for step in plan.steps {
            writeln!(self.transcript, "plan {} {}", step.action.as_str(), step.unit).unwrap();
        }
    }

    async fn act(&mut self, unit: &str, action: UnitAct) {
        let (who, why) = ("ann".to_owned(), String::new());
        let asked = Act { unit: name(unit), action, who, why, no_block: true };
        let result = self.node.handle.act(asked).await;
        if !result.ok {
            writeln!(self.transcript, "refused: {}", result.error).unwrap();
        }
    }

    /// What came of a step.
    async fn look(&mut self) {
        // Time only passes once everything else is done.
        tokio::time::sleep(Duration::from_millis(1)).await;
        for line in self.node.fake.distinct() {
            writeln!(self.transcript, "{line}").unwrap();
        }
        let statuses = self.node.handle.statuses();
        for (unit, status) in statuses.borrow().iter() {
            let text = shown(status);
            if self.shown.get(unit) != Some(&text) {
                writeln!(self.transcript, "= {unit} {text}").unwrap();
                self.shown.insert(unit.clone(), text);
            }
        }
    }
}

/// `active running`, `failed failed exit-code`, `inactive dead (dependency)`.
fn shown(status: &UnitStatus) -> String {
    let mut text = format!("{} {}", status.active_state.as_str(), status.sub_state);
    if status.result != "success" {
        write!(text, " {}", status.result).unwrap();
    }
    if let Some(reason) = status.reason.as_ref().filter(|reason| reason.code != status.result) {
        write!(text, " ({})", reason.code).unwrap();
    }
    if status.health == Health::Unhealthy {
        text.push_str(" unhealthy");
    }
    text
}

/// Each unit of the files, or why it is refused.
fn assigned(files: &Files) -> Vec<Result<Assigned, String>> {
    let names = files.keys().filter_map(|path| path.strip_prefix("units/")?.parse::<UnitName>().ok());
    names.map(|unit| one(&unit, files)).collect()
}

fn one(unit: &UnitName, files: &Files) -> Result<Assigned, String> {
    let own = |path: &&String| **path == format!("units/{unit}") || path.starts_with("files/");
    let source = |path: &String| (path.clone(), SourceFile::new(false, files[path].as_bytes()));
    let bundle = Bundle { files: files.keys().filter(own).map(source).collect() };
    let loaded = load(unit, &bundle, &Context { environment: "test".parse().unwrap(), host: None });
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|found| found.code.as_str()).collect();
    let spec = loaded.spec.ok_or_else(|| format!("{unit} is refused: {}", codes.join(", ")))?;
    let revision = "a".repeat(40).parse().unwrap();
    Ok(Assigned { spec: Arc::new(spec), digest: bundle.digest(), bundle: Arc::new(bundle), revision })
}
