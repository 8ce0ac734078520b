//! One pass over a source tree: every unit read, and everything found.

use super::changes::Changes;
use super::{FleetSpec, FleetUnit, survey, triggers, whole};
use crate::bundle::{Bundle, MAX_ENVIRONMENT, MAX_FILE, SourceTree};
use crate::check::{self, secrets};
use crate::diagnostic::allow::{self, Settled};
use crate::diagnostic::{Diagnostic, codes, sort};
use crate::ids::{EnvironmentName, UnitKind, UnitName};
use crate::spec::layers::{Index, UnitFiles};
use crate::spec::load::{Cache, FoundInFile, Interpreted, Read, interpret};
use crate::spec::{Context, Instances, UnitSpec};
use crate::syntax::Document;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most units of one environment, instances counted one by one.
const MAX_UNITS: usize = 20_000;
/// Most settings of all instances of templates together, names in `Instances=` counted one by one: a short file can
/// ask for many instances, and each is read by itself. 10,000 instances may have 25 settings each.
const MAX_INSTANCE_SETTINGS: usize = 250_000;

/// What a source tree means for one environment. Findings are kept apart by what they depend on, so that the next tree
/// takes over those of what it does not change.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub fleet: FleetSpec,
    /// Of the units that have any, what was found in what each says.
    pub of_units: BTreeMap<UnitName, Vec<Diagnostic>>,
    /// Of the files that have any, what was found in the text alone, and what its comments allow.
    pub of_files: BTreeMap<String, FoundInFile>,
    /// What was found in names, sizes, templates and instances that nothing starts.
    pub of_set: Vec<Diagnostic>,
    /// What was found across units.
    pub across: Vec<Diagnostic>,
    /// Whether the tree as a whole keeps the bounds of sizes: then `of_set` says nothing of them.
    pub fits: bool,
    /// How many settings each instance of a template has.
    pub settings: BTreeMap<UnitName, usize>,
    /// The files that `of_set` depends on by what they say.
    pub behind_set: BTreeSet<String>,
}

impl Built {
    pub(super) fn unit(&self, name: &UnitName) -> Option<&FleetUnit> {
        self.fleet.units.get(name).or_else(|| self.fleet.triggers.get(name))
    }

    /// Everything found that no comment allows, in the order of files and lines, and what became of the comments.
    pub(super) fn findings(&self) -> (Vec<Diagnostic>, Settled) {
        let of_units = self.of_units.values().flatten();
        let of_files = self.of_files.values().flat_map(|found| &found.diagnostics);
        let mut all: Vec<Diagnostic> =
            of_units.chain(of_files).chain(&self.of_set).chain(&self.across).cloned().collect();
        sort(&mut all);
        let allowances = self.of_files.iter().map(|(path, found)| (path.as_str(), &*found.allowances));
        let settled = allow::settle(&mut all, allowances);
        (all, settled)
    }
}

/// A tree that was built before, and how the one to be built differs from it.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub built: &'a Built,
    pub changes: &'a Changes<'a>,
}

impl<'a> Before<'a> {
    /// The unit, if nothing that it is made of has changed.
    fn unit(&self, name: &UnitName, files: &UnitFiles<'_>) -> Option<&'a FleetUnit> {
        let unit = self.built.unit(name)?;
        let own = unit.bundle.files.len() - unit.spec.delivered.len();
        let is_same = unit.spec.triggered_by.is_empty()
            && own == files.paths().count()
            && files.paths().all(|path| unit.bundle.files.contains_key(path) && !self.changes.touches(path))
            && (!self.changes.delivered || !asks_for_files(&unit.spec));
        is_same.then_some(unit)
    }
}

/// Builds `tree`; units that are as `before` are taken from there.
pub(super) fn build(environment: &EnvironmentName, tree: &SourceTree, before: Option<Before<'_>>) -> Built {
    let mut build = Build::new(environment, tree, before);
    build.units();
    build.instances_named_by_others();
    build.instances_nobody_named();
    triggers::attach(&build.trigger_paths, &mut build.built.fleet, tree);
    build.sizes();
    build.finish()
}

struct Build<'a> {
    tree: &'a SourceTree,
    context: Context,
    before: Option<Before<'a>>,
    index: Index<'a>,
    cache: Cache<'a>,
    /// The unit file of each timer and socket.
    trigger_paths: BTreeMap<UnitName, &'a str>,
    /// Names of unit files whatever their kind: a dependency on one of them is not missing.
    present: BTreeSet<UnitName>,
    /// Settings of instances so far.
    instance_settings: usize,
    built: Built,
}

impl<'a> Build<'a> {
    fn new(environment: &EnvironmentName, tree: &'a SourceTree, before: Option<Before<'a>>) -> Self {
        let index = Index::new(environment, tree);
        let mut built = Built::default();
        Build {
            tree,
            context: Context { environment: environment.clone(), host: None },
            before,
            cache: Cache::default(),
            trigger_paths: BTreeMap::new(),
            present: survey::survey(&index, &mut built.of_set),
            instance_settings: 0,
            index,
            built,
        }
    }

    fn is_masked(&self, path: &str) -> bool {
        self.tree[path].content.is_empty()
    }

    fn units(&mut self) {
        let files: Vec<_> =
            self.index.units().filter_map(|(name, path)| Some((name.parse::<UnitName>().ok()?, path))).collect();
        for (name, path) in files {
            if self.is_masked(path) {
                continue;
            }
            if name.is_template() {
                self.template(&name);
            } else {
                self.unit(&name);
            }
        }
    }

    fn read(&mut self, name: &UnitName, files: &UnitFiles<'a>) -> Vec<Arc<Read>> {
        let Self { cache, tree, .. } = self;
        files.paths().map(|path| cache.read(name, path, tree)).collect()
    }

    /// What `name` says, for the findings alone.
    fn judge(&mut self, name: &UnitName, files: &UnitFiles<'a>) -> (Interpreted, Vec<Arc<Read>>) {
        self.built.behind_set.extend(files.paths().map(str::to_owned));
        let documents = self.read(name, files);
        (interpret(name, &documents, &self.context, self.tree), documents)
    }

    /// The instances a template has by itself. Without any it is judged by a stand-in.
    fn template(&mut self, template: &UnitName) {
        let Some(files) = self.index.files(template, self.tree) else { return };
        let Ok(sample) = template.with_instance("1") else { return };
        let (mut judged, documents) = self.judge(&sample, &files);
        let instances: Vec<String> = match &judged.spec.fleet.instances {
            Instances::All | Instances::Count(0) => Vec::new(),
            Instances::Count(count) => (1..=*count).map(|number| number.to_string()).collect(),
            Instances::Names(names) => names.clone(),
        };
        if instances.is_empty() {
            judged.diagnostics.retain(|found| !is_of_instance(found, &documents));
            self.built.of_set.append(&mut judged.diagnostics);
        }
        for instance in instances {
            match template.with_instance(&instance) {
                Ok(name) => self.unit(&name),
                Err(error) => {
                    let found = Diagnostic::error(codes::BAD_UNIT_NAME, whole(files.unit), error.to_string());
                    self.built.of_set.push(found);
                }
            }
        }
    }

    /// Takes one unit into the set, once.
    fn unit(&mut self, name: &UnitName) {
        let is_late = name.template().is_some() && self.instance_settings > MAX_INSTANCE_SETTINGS;
        if is_late || self.built.unit(name).is_some() || self.count() > MAX_UNITS {
            return;
        }
        let Some(files) = self.index.files(name, self.tree) else { return };
        let before = self.before.and_then(|before| Some((before.built, before.unit(name, &files)?)));
        let unit = match before {
            Some((built, unit)) => {
                if !self.affords(name, files.unit, built.settings.get(name).copied().unwrap_or_default()) {
                    return;
                }
                self.take_findings(name, &files, built);
                unit.clone()
            }
            None => {
                let documents = self.read(name, &files);
                if !self.affords(name, files.unit, settings(&documents)) {
                    return;
                }
                let interpreted = interpret(name, &documents, &self.context, self.tree);
                let (unit, found) = assemble(&files, interpreted, self.tree);
                if !found.is_empty() {
                    self.built.of_units.insert(name.clone(), found);
                }
                unit
            }
        };
        match name.kind() {
            UnitKind::Service | UnitKind::Target => self.built.fleet.units.insert(name.clone(), unit),
            UnitKind::Timer | UnitKind::Socket => {
                self.trigger_paths.insert(name.clone(), files.unit);
                self.built.fleet.triggers.insert(name.clone(), unit)
            }
        };
    }

    /// Whether an instance with so many settings is not one too many; the first that is, is told, and none follows.
    fn affords(&mut self, name: &UnitName, file: &str, settings: usize) -> bool {
        let Some(template) = name.template() else { return true };
        self.instance_settings += settings;
        let affords = self.instance_settings <= MAX_INSTANCE_SETTINGS;
        if affords {
            self.built.settings.insert(name.clone(), settings);
        } else {
            let message = format!(
                "the instances of templates have more than {MAX_INSTANCE_SETTINGS} settings together; {template} is the \
                 one that exceeds it"
            );
            let found = Diagnostic::error(codes::TOO_MANY_UNITS, whole(file), message);
            self.built.of_set.push(found.with_hint("have fewer instances of it, or shorter files"));
        }
        affords
    }

    /// What was found before in the unit and its files.
    fn take_findings(&mut self, name: &UnitName, files: &UnitFiles<'_>, built: &Built) {
        if let Some(found) = built.of_units.get(name) {
            self.built.of_units.insert(name.clone(), found.clone());
        }
        for path in files.paths() {
            if let Some(found) = built.of_files.get(path) {
                self.built.of_files.insert(path.to_owned(), found.clone());
            }
        }
    }

    fn count(&self) -> usize {
        self.built.fleet.units.len() + self.built.fleet.triggers.len()
    }

    /// Instances that exist because a unit of the set starts them.
    fn instances_named_by_others(&mut self) {
        let all = self.built.fleet.units.values().chain(self.built.fleet.triggers.values());
        let mut open: Vec<UnitName> = all.flat_map(|unit| instances_named_by(&unit.spec)).cloned().collect();
        while let Some(name) = open.pop() {
            if self.built.unit(&name).is_none() {
                self.unit(&name);
                let made = self.built.unit(&name);
                open.extend(made.into_iter().flat_map(|unit| instances_named_by(&unit.spec)).cloned());
            }
        }
    }

    /// Drop-ins for one instance of a template count for it even while nothing starts that instance: they are judged.
    fn instances_nobody_named(&mut self) {
        let folders: Vec<UnitName> =
            self.index.drop_in_folders().filter_map(|(folder, _)| folder.parse::<UnitName>().ok()).collect();
        for name in folders {
            let is_instance = name.template().is_some_and(|template| self.present.contains(&template));
            if !is_instance || self.built.unit(&name).is_some() {
                continue;
            }
            let Some(files) = self.index.files(&name, self.tree) else { continue };
            if !self.is_masked(files.unit) {
                let (judged, _) = self.judge(&name, &files);
                let found = judged.diagnostics.into_iter().filter(|found| found.code != codes::MISSING_FILE.name);
                self.built.of_set.extend(found);
            }
        }
    }

    fn sizes(&mut self) {
        if self.count() > MAX_UNITS {
            let message = format!("the environment has more than {MAX_UNITS} units");
            self.built.of_set.push(Diagnostic::error(codes::TOO_MANY_UNITS, whole(""), message));
        }
        // Units hold no more than the tree does: while that keeps the bounds, they do.
        self.built.fits = fits(self.tree);
        if self.built.fits {
            return;
        }
        let mut paths = BTreeMap::new();
        for unit in self.built.fleet.units.values().chain(self.built.fleet.triggers.values()) {
            for (path, file) in &unit.bundle.files {
                paths.insert(path.as_str(), file.content.len());
            }
        }
        let large = paths.iter().filter(|(_, size)| **size > MAX_FILE).map(|(path, size)| {
            Diagnostic::error(
                codes::FILE_TOO_LARGE,
                whole(path),
                format!("the file has {size} bytes; at most {MAX_FILE} are allowed"),
            )
        });
        self.built.of_set.extend(large);
        let total: usize = paths.values().sum();
        if total > MAX_ENVIRONMENT {
            let message = format!("the environment's files have {total} bytes; at most {MAX_ENVIRONMENT} are allowed");
            self.built.of_set.push(Diagnostic::error(codes::ENVIRONMENT_TOO_LARGE, whole(""), message));
        }
    }

    /// Files that are no unit files.
    fn committed(&mut self) {
        for path in secrets::committed(&self.context.environment, self.tree) {
            let before = self.before.filter(|before| !before.changes.touches(path));
            let found = match before {
                Some(before) => before.built.of_files.get(path).cloned().unwrap_or_default(),
                None => secrets::in_committed(path, &self.tree[path].content),
            };
            if !found.is_empty() {
                self.built.of_files.insert(path.to_owned(), found);
            }
        }
    }

    fn finish(mut self) -> Built {
        self.built.of_files.extend(std::mem::take(&mut self.cache).found());
        self.committed();
        if self.built.fleet.units.len() <= MAX_UNITS {
            let across = check::Across {
                units: &self.built.fleet.units,
                triggers: &self.built.fleet.triggers,
                places: check::Places::new(&self.index, self.tree),
                present: &self.present,
            };
            self.built.across = across.check();
        }
        self.built
    }
}

/// How many settings `documents` hold; of long values each word counts.
fn settings(documents: &[Arc<Read>]) -> usize {
    const LONG: usize = 1000;
    let words = |value: &str| if value.len() > LONG { 1 + value.split_ascii_whitespace().count() } else { 1 };
    let assignments = documents.iter().filter_map(|read| read.document.as_ref()).flat_map(Document::assignments);
    assignments.map(|(_, assignment)| words(&assignment.value)).sum()
}

/// Whether `tree` as a whole keeps the bounds of sizes.
pub(super) fn fits(tree: &SourceTree) -> bool {
    let sizes = tree.values().map(|file| file.content.len());
    let (largest, total) = sizes.fold((0, 0), |(largest, total), size| (size.max(largest), total + size));
    largest <= MAX_FILE && total <= MAX_ENVIRONMENT
}

/// A unit of the set, and what was found in it.
pub(super) fn assemble(
    files: &UnitFiles<'_>,
    interpreted: Interpreted,
    tree: &SourceTree,
) -> (FleetUnit, Vec<Diagnostic>) {
    let mut bundle = Bundle::default();
    for path in files.paths().chain(interpreted.delivered_paths.iter().map(String::as_str)) {
        bundle.files.insert(path.to_owned(), tree[path].clone());
    }
    let unit = FleetUnit { spec: Arc::new(interpreted.spec), digest: bundle.digest(), bundle: Arc::new(bundle) };
    (unit, interpreted.diagnostics)
}

/// Whether what is below files/ is part of what the unit means.
fn asks_for_files(spec: &UnitSpec) -> bool {
    spec.values.get("X-Fleet", "Files").next().is_some()
}

/// The instances of templates that a unit starts.
fn instances_named_by(spec: &UnitSpec) -> impl Iterator<Item = &UnitName> {
    let named = [&spec.requires, &spec.wants, &spec.binds_to, &spec.on_failure, &spec.on_success];
    let upheld = spec.details.iter().flat_map(|details| &details.upholds);
    let named = named.into_iter().flatten().chain(upheld).chain(spec.started());
    named.filter(|name| name.instance().is_some_and(|instance| !instance.is_empty()))
}

/// Whether a finding about a stand-in for a template's instances need not be true of them: a file for each instance,
/// or a value that holds the instance's name, as `OnCalendar=%i` does.
fn is_of_instance(found: &Diagnostic, documents: &[Arc<Read>]) -> bool {
    const OF_INSTANCE: [&str; 5] = ["%i", "%I", "%f", "%n", "%N"];
    let of_file = documents.iter().filter(|read| read.file == found.place.file);
    let mut assignments = of_file.filter_map(|read| read.document.as_ref()).flat_map(|document| document.assignments());
    let named = |value: &str| OF_INSTANCE.iter().any(|specifier| value.contains(specifier));
    found.code == codes::MISSING_FILE.name
        || (found.place.line > 0
            && found.code != codes::UNKNOWN_DIRECTIVE.name
            && assignments.any(|(_, assignment)| {
                let (last, _) = assignment.position(assignment.value.len());
                (assignment.line..=last).contains(&found.place.line) && named(&assignment.value)
            }))
}
