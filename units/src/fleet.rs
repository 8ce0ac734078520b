//! Every unit of one environment at one revision: the desired state.
//!
//! ```text
//! SourceTree --Index--> unit files, drop-ins --read once each--> Documents --interpret--> UnitSpec, per instance
//!            --check--> Diagnostics across units
//! ```

mod findings;
mod triggers;

pub use findings::{Finding, Findings};

use crate::bundle::{Bundle, MAX_ENVIRONMENT, MAX_FILE, SourceTree};
use crate::check;
use crate::diagnostic::allow::{self, Allowed};
use crate::diagnostic::{Diagnostic, Place, codes};
use crate::ids::{EnvironmentName, UnitDigest, UnitKind, UnitName};
use crate::spec::layers::{Index, UnitFiles, suffix_of};
use crate::spec::load::{Cache, Read, interpret};
use crate::spec::{Context, Instances, UnitSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most units of one environment, instances counted one by one.
const MAX_UNITS: usize = 20_000;

/// One unit of the desired state. Of a template there is an entry for each instance: those of its `Instances=`, those
/// with a file of their own, and those that units of the set start by name. Templates themselves have none.
#[derive(Clone, Debug)]
pub struct FleetUnit {
    /// As understood, host specifiers unexpanded. For a template with `Instances=` this is per instance.
    pub spec: Arc<UnitSpec>,
    /// Its source files.
    pub bundle: Arc<Bundle>,
    /// The bundle's digest.
    pub digest: UnitDigest,
}

/// The desired state of one environment.
#[derive(Clone, Debug, Default)]
pub struct FleetSpec {
    /// By unit name; instances listed one by one. Services and targets: what is placed and started.
    pub units: BTreeMap<UnitName, FleetUnit>,
    /// The timers and sockets, understood and checked as `units` are. Nothing runs them yet; what they start is in
    /// [`UnitSpec::started`].
    pub triggers: BTreeMap<UnitName, FleetUnit>,
}

/// What a source tree means for one environment.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// Complete only when no diagnostic is an error.
    pub fleet: FleetSpec,
    /// Everything found that no comment allows, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
    /// What comments allow.
    pub allowed: Vec<Allowed>,
    /// Comments that allow nothing in this environment: findings once the same is true of all ([`Findings`]).
    pub unused_allowances: Vec<Diagnostic>,
}

/// Reads every unit of `tree` for `environment`, and checks them. Files below other environments are not looked at.
#[must_use]
pub fn compile(environment: &EnvironmentName, tree: &SourceTree) -> Compiled {
    let mut compiler = Compiler::new(environment, tree);
    compiler.survey();
    compiler.units();
    compiler.instances_named_by_others();
    compiler.instances_nobody_named();
    triggers::attach(&compiler.triggers, &compiler.trigger_paths, &mut compiler.units, tree);
    compiler.sizes();
    compiler.finish()
}

struct Compiler<'a> {
    tree: &'a SourceTree,
    context: Context,
    index: Index<'a>,
    cache: Cache<'a>,
    units: BTreeMap<UnitName, FleetUnit>,
    /// The documents of each unit, for places of findings across units.
    documents: BTreeMap<UnitName, Vec<Arc<Read>>>,
    triggers: BTreeMap<UnitName, FleetUnit>,
    /// The unit file of each timer and socket.
    trigger_paths: BTreeMap<UnitName, &'a str>,
    /// Names of unit files whatever their kind: a dependency on one of them is not missing.
    present: BTreeSet<UnitName>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Compiler<'a> {
    fn new(environment: &EnvironmentName, tree: &'a SourceTree) -> Self {
        Compiler {
            tree,
            context: Context { environment: environment.clone(), host: None },
            index: Index::new(environment, tree),
            cache: Cache::default(),
            units: BTreeMap::new(),
            documents: BTreeMap::new(),
            triggers: BTreeMap::new(),
            trigger_paths: BTreeMap::new(),
            present: BTreeSet::new(),
            diagnostics: Vec::new(),
        }
    }

    /// What file names alone say.
    fn survey(&mut self) {
        for path in std::mem::take(&mut self.index.strays) {
            self.diagnostics.push(stray(path));
        }
        let files: Vec<_> = self.index.units().collect();
        for (file_name, path) in files {
            match unit_name(file_name, path) {
                Ok(name) => {
                    self.present.insert(name);
                }
                Err(diagnostic) => self.diagnostics.push(diagnostic),
            }
        }
        let orphans: Vec<_> =
            self.index.drop_in_folders().filter_map(|(folder, path)| self.orphan(folder, path)).collect();
        self.diagnostics.extend(orphans);
    }

    fn is_masked(&self, path: &str) -> bool {
        self.tree[path].content.is_empty()
    }

    /// A warning when no unit has drop-ins in `folder` (without `.d`).
    fn orphan(&self, folder: &str, path: &str) -> Option<Diagnostic> {
        let applies = match folder.parse::<UnitName>() {
            _ if ["service", "target", "timer", "socket"].contains(&folder) => true,
            Ok(name) if name.prefix().ends_with('-') => true,
            Ok(name) => {
                self.present.contains(&name) || name.template().is_some_and(|template| self.present.contains(&template))
            }
            Err(_) => false,
        };
        let near = || crate::diagnostic::did_you_mean(folder, self.present.iter().map(UnitName::as_str));
        (!applies).then(|| {
            let hint = near().map_or(String::new(), |near| format!("did you mean {near}.d?"));
            let message = format!("the drop-ins of {folder}.d apply to no unit of this environment");
            Diagnostic::warning(codes::ORPHAN_DROP_IN, whole(path), message).with_hint(hint)
        })
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

    fn read(&mut self, files: &UnitFiles<'a>) -> Vec<Arc<Read>> {
        std::iter::once(files.unit)
            .chain(files.drop_ins.iter().copied())
            .map(|path| self.cache.read(path, self.tree))
            .collect()
    }

    /// The instances a template has by itself. Without any it is judged by a stand-in.
    fn template(&mut self, template: &UnitName) {
        let Some(files) = self.index.files(template, self.tree) else { return };
        let documents = self.read(&files);
        let Ok(sample) = template.with_instance("1") else { return };
        let judged = interpret(&sample, &documents, &self.context, self.tree);
        let instances: Vec<String> = match &judged.spec.fleet.instances {
            Instances::All | Instances::Count(0) => Vec::new(),
            Instances::Count(count) => (1..=*count).map(|number| number.to_string()).collect(),
            Instances::Names(names) => names.clone(),
        };
        if instances.is_empty() {
            self.diagnostics.extend(judged.diagnostics.into_iter().filter(|found| !is_of_instance(found, &documents)));
        }
        for instance in instances {
            match template.with_instance(&instance) {
                Ok(name) => self.unit(&name),
                Err(error) => {
                    self.diagnostics.push(Diagnostic::error(codes::BAD_UNIT_NAME, whole(files.unit), error.to_string()))
                }
            }
        }
    }

    /// Reads one unit into the set, once.
    fn unit(&mut self, name: &UnitName) {
        if self.has(name) || self.units.len() + self.triggers.len() > MAX_UNITS {
            return;
        }
        let Some(files) = self.index.files(name, self.tree) else { return };
        let documents = self.read(&files);
        let mut interpreted = interpret(name, &documents, &self.context, self.tree);
        self.diagnostics.append(&mut interpreted.diagnostics);
        let mut bundle = Bundle::default();
        let own = std::iter::once(files.unit).chain(files.drop_ins);
        for path in own.chain(interpreted.delivered_paths.iter().map(String::as_str)) {
            bundle.files.insert(path.to_owned(), self.tree[path].clone());
        }
        let unit = FleetUnit { spec: Arc::new(interpreted.spec), digest: bundle.digest(), bundle: Arc::new(bundle) };
        match name.kind() {
            UnitKind::Service | UnitKind::Target => self.units.insert(name.clone(), unit),
            UnitKind::Timer | UnitKind::Socket => {
                self.trigger_paths.insert(name.clone(), files.unit);
                self.triggers.insert(name.clone(), unit)
            }
        };
        self.documents.insert(name.clone(), documents);
    }

    /// Instances that exist because a unit of the set starts them.
    fn instances_named_by_others(&mut self) {
        let all = self.units.values().chain(self.triggers.values());
        let mut open: Vec<UnitName> = all.flat_map(|unit| instances_named_by(&unit.spec)).cloned().collect();
        while let Some(name) = open.pop() {
            if !self.has(&name) {
                self.unit(&name);
                let made = self.units.get(&name).or_else(|| self.triggers.get(&name));
                open.extend(made.into_iter().flat_map(|unit| instances_named_by(&unit.spec)).cloned());
            }
        }
    }

    fn has(&self, name: &UnitName) -> bool {
        self.units.contains_key(name) || self.triggers.contains_key(name)
    }

    /// Drop-ins for one instance of a template count for it even while nothing starts that instance: they are judged.
    fn instances_nobody_named(&mut self) {
        let folders: Vec<UnitName> =
            self.index.drop_in_folders().filter_map(|(folder, _)| folder.parse::<UnitName>().ok()).collect();
        for name in folders {
            if name.template().is_none_or(|template| !self.present.contains(&template)) || self.has(&name) {
                continue;
            }
            let Some(files) = self.index.files(&name, self.tree) else { continue };
            if !self.is_masked(files.unit) {
                let documents = self.read(&files);
                let judged = interpret(&name, &documents, &self.context, self.tree);
                self.diagnostics
                    .extend(judged.diagnostics.into_iter().filter(|found| found.code != codes::MISSING_FILE.name));
            }
        }
    }

    fn sizes(&mut self) {
        if self.units.len() + self.triggers.len() > MAX_UNITS {
            let message = format!("the environment has more than {MAX_UNITS} units");
            self.diagnostics.push(Diagnostic::error(codes::TOO_MANY_UNITS, whole(""), message));
        }
        // Units hold no more than the tree does: while that keeps the bounds, they do.
        let sizes = self.tree.values().map(|file| file.content.len());
        let (largest, total) = sizes.fold((0, 0), |(largest, total), size| (size.max(largest), total + size));
        if largest <= MAX_FILE && total <= MAX_ENVIRONMENT {
            return;
        }
        let mut paths = BTreeMap::new();
        for unit in self.units.values().chain(self.triggers.values()) {
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
        self.diagnostics.extend(large);
        let total: usize = paths.values().sum();
        if total > MAX_ENVIRONMENT {
            let message = format!("the environment's files have {total} bytes; at most {MAX_ENVIRONMENT} are allowed");
            self.diagnostics.push(Diagnostic::error(codes::ENVIRONMENT_TOO_LARGE, whole(""), message));
        }
    }

    fn finish(mut self) -> Compiled {
        self.diagnostics.extend(self.cache.diagnostics().cloned());
        let committed = check::secrets::committed(&self.context.environment, self.tree);
        self.diagnostics.extend(committed.iter().flat_map(|file| &file.diagnostics).cloned());
        if self.units.len() <= MAX_UNITS {
            let across = check::Across {
                units: &self.units,
                triggers: &self.triggers,
                documents: &self.documents,
                present: &self.present,
            };
            self.diagnostics.extend(across.check());
        }
        self.diagnostics.sort_by(|a, b| a.place.cmp(&b.place).then_with(|| a.cmp(b)));
        self.diagnostics.dedup();
        let of_committed = committed.iter().map(|file| (file.path, &*file.allowances));
        let allowances = self.cache.allowances().chain(of_committed);
        let settled = allow::settle(&mut self.diagnostics, allowances);
        Compiled {
            fleet: FleetSpec { units: self.units, triggers: self.triggers },
            diagnostics: self.diagnostics,
            allowed: settled.allowed,
            unused_allowances: settled.unused,
        }
    }
}

/// The instances of templates that a unit starts.
fn instances_named_by(spec: &UnitSpec) -> impl Iterator<Item = &UnitName> {
    let named = [&spec.requires, &spec.wants, &spec.binds_to, &spec.on_failure, &spec.on_success];
    let named = named.into_iter().flatten().chain(spec.started());
    named.filter(|name| name.instance().is_some_and(|instance| !instance.is_empty()))
}

fn whole(path: &str) -> Place {
    Place { file: path.to_owned(), line: 0, column: 0 }
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

fn stray(path: &str) -> Diagnostic {
    let file_name = path.rsplit('/').next().unwrap_or(path);
    let hint = match (path.split('/').collect::<Vec<_>>().as_slice(), suffix_of(file_name)) {
        (["environments", environment, name], Some(_)) => {
            format!("a unit of this environment alone is environments/{environment}/units/{name}")
        }
        ([.., folder, _], None) if folder.ends_with(".d") => "drop-ins end in .conf".to_owned(),
        _ => "units are units/NAME.service, drop-ins units/NAME.service.d/NAME.conf, delivered files are below files/"
            .to_owned(),
    };
    Diagnostic::warning(codes::STRAY_FILE, whole(path), format!("nothing reads {path}")).with_hint(hint)
}

/// The unit a file is named for; an error for kinds that Fleet does not have.
fn unit_name(file_name: &str, path: &str) -> Result<UnitName, Diagnostic> {
    let suffix = suffix_of(file_name).unwrap_or_default();
    if !["service", "target", "timer", "socket"].contains(&suffix) {
        let message = format!("Fleet has no .{suffix} units");
        let hint = "the kinds are .service, .target, .timer and .socket";
        return Err(Diagnostic::error(codes::UNIT_KIND, whole(path), message).with_hint(hint));
    }
    file_name
        .parse()
        .map_err(|error: crate::ids::IdError| Diagnostic::error(codes::BAD_UNIT_NAME, whole(path), error.to_string()))
}

#[cfg(test)]
mod tests;
