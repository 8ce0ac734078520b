//! What becomes of each unit: taken over or not, what it asks for in vain, what it needs of the host.

use super::gather::Gathered;
use crate::commands::lint::unenforced;
use crate::error::CommandResult;
use crate::output::{Paint, Stream, diagnostic};
use crate::source_files::{environments, folder};
use fleet_units::bundle::{SourceFile, SourceTree};
use fleet_units::diagnostic::{Diagnostic, Reason};
use fleet_units::fleet::{self, Finding, Findings};
use fleet_units::ids::{EnvironmentName, UnitName};
use fleet_units::spec::{Context, ServiceSpec, UnitSpec, load};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// All units of an import.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    units: Vec<Imported>,
    /// What is written, by path in the repository.
    #[serde(skip)]
    files: BTreeMap<String, Vec<u8>>,
}

/// One unit.
#[derive(Debug, Serialize)]
struct Imported {
    unit: String,
    /// Where it comes from.
    source: String,
    taken: bool,
    /// The paths it has in the repository.
    files: Vec<String>,
    /// Errors say why it was not taken over.
    diagnostics: Vec<Diagnostic>,
    /// What is accepted and does not act.
    unenforced: Vec<Setting>,
    /// Files and programs it needs that do not come with it.
    on_the_host: Vec<OnTheHost>,
    /// Units it names that are neither in the repository nor part of the import.
    missing_units: Vec<String>,
    /// What else is worth knowing.
    notes: Vec<String>,
    #[serde(skip)]
    named: bool,
}

#[derive(Debug, Serialize)]
struct Setting {
    directive: String,
    reason: Reason,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct OnTheHost {
    path: String,
    directive: &'static str,
}

impl Report {
    /// Judges what was gathered as a part of the repository at `into`.
    pub(super) fn new(gathered: Gathered, into: &Path) -> CommandResult<Report> {
        let mut files = gathered.files();
        let mut tree: SourceTree = folder::read(into)?.tree;
        tree.extend(files.iter().map(|(path, content)| (path.clone(), SourceFile::new(false, content.clone()))));
        let findings = findings(&tree);
        let context = Context { environment: "develop".parse().expect("an environment's name"), host: None };
        let mut units: Vec<Imported> =
            gathered.units.keys().map(|name| judge(name, &gathered, &tree, &findings, &context)).collect();
        for unit in units.iter().filter(|unit| !unit.taken) {
            files.retain(|path, _| !unit.files.contains(path));
        }
        // Drop-ins of several units are listed with each, and stay for those that are taken over.
        let kept = units.iter().filter(|unit| unit.taken).flat_map(|unit| &unit.files);
        files.extend(kept.map(|path| (path.clone(), tree[path].content.to_vec())));
        units.extend(gathered.masked.iter().map(|name| masked(name)));
        Ok(Report { units, files })
    }

    /// What is to be written.
    pub(super) fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// How many units are taken over.
    pub(super) fn taken(&self) -> usize {
        self.units.iter().filter(|unit| unit.taken).count()
    }

    /// How many are not.
    pub(super) fn left(&self) -> usize {
        self.units.len() - self.taken()
    }

    /// Whether a unit could not be taken over that was asked for, or that is of a kind Fleet has.
    pub(super) fn failed(&self) -> bool {
        let refused = |unit: &Imported| unit.named || unit.unit.parse::<UnitName>().is_ok();
        self.units.iter().any(|unit| !unit.taken && !unit.diagnostics.is_empty() && refused(unit))
    }

    pub(super) fn render(&self, stream: &Stream) -> String {
        self.units.iter().map(|unit| unit.render(stream)).collect()
    }
}

/// What every environment of the repository says, once each; what only some say names them.
fn findings(tree: &SourceTree) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    for environment in environments(tree) {
        let compiled = fleet::compile(&environment, tree);
        findings.add_environment(&environment, compiled);
    }
    let told = |Finding { mut diagnostic, environments }: Finding| {
        if !environments.is_empty() {
            let names: Vec<&str> = environments.iter().map(EnvironmentName::as_str).collect();
            diagnostic.message += &format!(" (in {})", names.join(", "));
        }
        diagnostic
    };
    findings.into_list().into_iter().map(told).collect()
}

fn masked(name: &str) -> Imported {
    Imported {
        unit: name.to_owned(),
        source: "/dev/null".to_owned(),
        taken: false,
        files: Vec::new(),
        diagnostics: Vec::new(),
        unenforced: Vec::new(),
        on_the_host: Vec::new(),
        missing_units: Vec::new(),
        notes: vec!["it is masked".to_owned()],
        named: false,
    }
}

fn judge(name: &str, gathered: &Gathered, tree: &SourceTree, findings: &[Diagnostic], context: &Context) -> Imported {
    let unit = &gathered.units[name];
    let mut files: Vec<String> = unit.loose.tree.keys().cloned().collect();
    let links = format!("units/{name}.d/50-import.conf");
    if tree.contains_key(&links) && !files.contains(&links) {
        files.push(links);
    }
    let of_unit = |item: &&Diagnostic| files.contains(&item.place.file);
    let mut diagnostics = Vec::new();
    let mut missing = BTreeSet::new();
    for item in findings.iter().filter(of_unit) {
        match item.code.as_str() {
            "dependency-not-in-set" => missing.extend(missing_unit(&item.message)),
            "orphan-drop-in" => {}
            _ => diagnostics.push(item.clone()),
        }
    }
    let spec = spec_of(name, tree, context);
    let parsed = name.parse::<UnitName>().ok();
    Imported {
        unit: name.to_owned(),
        source: unit.loose.shown.get(&format!("units/{name}")).cloned().unwrap_or_default(),
        taken: !diagnostics.iter().any(Diagnostic::is_error),
        files,
        diagnostics,
        unenforced: spec.as_ref().map_or(Vec::new(), |spec| {
            let setting = |item: &fleet_units::status::Unenforced| Setting {
                directive: item.directive.clone(),
                reason: item.reason.clone(),
            };
            spec.unenforced.iter().map(setting).collect()
        }),
        on_the_host: spec.as_ref().and_then(UnitSpec::service).map_or(Vec::new(), on_the_host),
        missing_units: missing.into_iter().collect(),
        notes: parsed.map_or(Vec::new(), |parsed| notes(&parsed, gathered, spec.as_ref())),
        named: unit.named,
    }
}

/// `Wants=: x.service is no unit of this environment`
fn missing_unit(message: &str) -> Option<String> {
    message.split(": ").nth(1)?.split(' ').next().map(str::to_owned)
}

/// The unit as understood; of a template its instance 1.
fn spec_of(name: &str, tree: &SourceTree, context: &Context) -> Option<UnitSpec> {
    let name: UnitName = name.parse().ok()?;
    let name = if name.is_template() { name.with_instance("1").ok()? } else { name };
    let files = tree.iter().filter(|(path, _)| path.starts_with("units/") || path.starts_with("files/"));
    let bundle = fleet_units::bundle::Bundle { files: files.map(|(p, file)| (p.clone(), file.clone())).collect() };
    load(&name, &bundle, context).spec
}

fn on_the_host(service: &ServiceSpec) -> Vec<OnTheHost> {
    let mut found: Vec<OnTheHost> = Vec::new();
    let mut add = |path: &str, directive| {
        if !found.iter().any(|known| known.path == path) {
            found.push(OnTheHost { path: path.to_owned(), directive });
        }
    };
    service.exec.environment_files.iter().for_each(|(path, _)| add(path, "EnvironmentFile"));
    let commands = [
        ("ExecCondition", &service.exec_condition),
        ("ExecStartPre", &service.exec_start_pre),
        ("ExecStart", &service.exec_start),
        ("ExecStartPost", &service.exec_start_post),
        ("ExecReload", &service.exec_reload),
        ("ExecStop", &service.exec_stop),
        ("ExecStopPost", &service.exec_stop_post),
    ];
    for (directive, commands) in commands {
        commands.iter().for_each(|command| add(&command.program, directive));
    }
    found
}

/// What differs from how the host runs it now.
fn notes(name: &UnitName, gathered: &Gathered, spec: Option<&UnitSpec>) -> Vec<String> {
    let mut notes = Vec::new();
    let instances = gathered
        .enabled
        .iter()
        .any(|unit| unit.parse::<UnitName>().ok().and_then(|u| u.template()).as_ref() == Some(name));
    if name.is_template() && !instances {
        notes.push("a template: Instances= in [X-Fleet] says which instances run".to_owned());
    }
    let installs = spec.is_some_and(|spec| !spec.wanted_by.is_empty() || !spec.required_by.is_empty());
    let plain = name.instance().is_none();
    if gathered.knows_enabled && installs && plain && !gathered.enabled.contains(name.as_str()) {
        let why = "not enabled on the host; Fleet starts every service it places";
        notes.push(format!("{why}: Start=manual in [X-Fleet] leaves that to you"));
    }
    notes
}

impl Imported {
    fn render(&self, stream: &Stream) -> String {
        let name = stream.show(Paint::Strong, &self.unit);
        let what = match self.taken {
            true => stream.paint(Paint::Good, "taken over"),
            false => stream.paint(Paint::Warning, "not taken over"),
        };
        let mut text = format!("{name}  {what}\n");
        for item in &self.diagnostics {
            text += &diagnostic::line(item, "  ", stream);
        }
        if !self.unenforced.is_empty() {
            text += &format!("  {}\n", stream.paint(Paint::Key, "unenforced (accepted, and not in effect):"));
            let settings = self.unenforced.iter().map(|item| (item.reason.code.as_str(), item.directive.clone()));
            text += &unenforced::by_reason(settings, stream);
        }
        let mut list = |label: &str, items: Vec<String>| {
            if !items.is_empty() {
                let label = stream.paint(Paint::Key, &format!("{label}:"));
                text += &format!("  {label} {}\n", stream.text(&items.join(", ")));
            }
        };
        let needed = |item: &OnTheHost| format!("{} ({}=)", item.path, item.directive);
        list("needs on the host", self.on_the_host.iter().map(needed).collect());
        list("names units that are not here", self.missing_units.clone());
        list("note", self.notes.clone());
        text
    }
}
