//! Bundle -> UnitSpec.

use super::directives::{Directive, Family, Kind, Support};
use super::layers::{self, Index};
use super::merge::{Merged, Row};
use super::read;
use super::reader::Reader;
use super::{KindSpec, RolloutFailure, UnitSpec, value};
use crate::bundle::{Bundle, SourceTree};
use crate::check::secrets;
use crate::diagnostic::allow::{self, Allowance, Allowed};
use crate::diagnostic::{Diagnostic, Place, codes, sort};
use crate::ids::{EnvironmentName, UnitKind, UnitName};
use crate::syntax::{Document, Specifiers};
use foldhash::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What a unit is loaded for.
#[derive(Clone, Debug)]
pub struct Context {
    /// Decides which overlay applies.
    pub environment: EnvironmentName,
    /// The values of specifiers that depend on the host (`H`, `b`, `m`, `t`, `S`, `C`, `L`, `E`, `u`, `U`, `h`, …);
    /// `None` on the coordinator: such specifiers are checked, and stay as written.
    pub host: Option<BTreeMap<char, String>>,
}

/// A unit, if it could be understood, and everything found on the way.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// `None` when there is an error.
    pub spec: Option<UnitSpec>,
    /// In the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
    /// What comments took off that list.
    pub allowed: Vec<Allowed>,
}

/// Merges a bundle's files for `context.environment` and interprets them as the unit `name`.
///
/// An error is found when there is no unit file for `name`, when it is empty (masked), and for whatever systemd or the directive table refuses.
#[must_use]
pub fn load(name: &UnitName, bundle: &Bundle, context: &Context) -> Loaded {
    let index = Index::new(&context.environment, &bundle.files);
    let whole = |file: &str| Place { file: file.to_owned(), line: 0, column: 0 };
    let refuse = |diagnostic| Loaded { spec: None, diagnostics: vec![diagnostic], allowed: Vec::new() };
    let Some(files) = index.files(name, &bundle.files) else {
        let message = format!("the bundle holds no unit file for {name}");
        return refuse(Diagnostic::error(codes::NO_UNIT_FILE, whole(""), message));
    };
    if bundle.files[files.unit].content.is_empty() {
        return refuse(Diagnostic::error(
            codes::MASKED,
            whole(files.unit),
            format!("{name} is masked: its unit file is empty"),
        ));
    }
    let mut cache = Cache::default();
    let documents: Vec<Arc<Read>> = files.paths().map(|path| cache.read(name, path, &bundle.files)).collect();
    let mut interpreted = interpret(name, &documents, context, &bundle.files);
    if name.kind() == UnitKind::Service {
        interpreted.spec.triggered_by = triggers(name, &bundle.files);
    }
    let of_files: BTreeMap<String, FoundInFile> = cache.found().collect();
    let in_files = of_files.values().flat_map(|found| found.diagnostics.iter().cloned());
    let mut diagnostics: Vec<Diagnostic> = in_files.chain(interpreted.diagnostics).collect();
    sort(&mut diagnostics);
    // A comment may be there for what only a look at all units finds: none is unused here.
    let allowances = of_files.iter().map(|(path, found)| (path.as_str(), &*found.allowances));
    let allowed = allow::settle(&mut diagnostics, allowances).allowed;
    let clean = !diagnostics.iter().any(Diagnostic::is_error);
    Loaded { spec: clean.then_some(interpreted.spec), diagnostics, allowed }
}

/// The timers and sockets whose files are part of the service's bundle: `compile` adds those that start it. A template
/// stands for its instance of the service's instance.
fn triggers(service: &UnitName, files: &SourceTree) -> BTreeSet<UnitName> {
    let names = files.keys().filter(|path| path.starts_with("units/") || path.contains("/units/"));
    let names = names.filter_map(|path| path.rsplit('/').next()?.parse::<UnitName>().ok());
    let instance = |name: UnitName| match service.instance() {
        Some(instance) if name.is_template() => name.with_instance(instance).unwrap_or(name),
        _ => name,
    };
    names.filter(|name| matches!(name.kind(), UnitKind::Timer | UnitKind::Socket)).map(instance).collect()
}

/// A file as read.
#[derive(Debug)]
pub(crate) struct Read {
    /// Its path in the repository.
    pub file: String,
    /// `None` when it is no text.
    pub document: Option<Document>,
}

impl Read {
    /// Reads `path`, which must be in `files`, for what it says.
    pub(crate) fn new(path: &str, files: &SourceTree) -> Self {
        Read { file: path.to_owned(), document: Document::parse(path, &files[path].content).document }
    }
}

/// What is to be told of the text of one file alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct FoundInFile {
    /// Of its grammar, of its comments that allow findings, and of secrets in clear.
    pub diagnostics: Vec<Diagnostic>,
    pub allowances: Vec<Allowance>,
}

impl FoundInFile {
    pub(crate) fn is_empty(&self) -> bool {
        self.diagnostics.is_empty() && self.allowances.is_empty()
    }
}

/// Reads files. Those that several units may have are read once.
#[derive(Debug, Default)]
pub(crate) struct Cache<'a> {
    shared: HashMap<&'a str, Arc<Read>>,
    found: BTreeMap<&'a str, FoundInFile>,
}

impl<'a> Cache<'a> {
    /// The document of `path`, which must be in `files`, for the unit `name`.
    pub(crate) fn read(&mut self, name: &UnitName, path: &'a str, files: &SourceTree) -> Arc<Read> {
        if layers::is_own(name, path) {
            return self.parse(path, files);
        }
        if let Some(read) = self.shared.get(path) {
            return Arc::clone(read);
        }
        let read = self.parse(path, files);
        self.shared.insert(path, Arc::clone(&read));
        read
    }

    fn parse(&mut self, path: &'a str, files: &SourceTree) -> Arc<Read> {
        let parsed = Document::parse(path, &files[path].content);
        let (allowances, mut diagnostics) = allow::find(path, &files[path].content);
        diagnostics.splice(..0, parsed.diagnostics);
        diagnostics.extend(parsed.document.iter().flat_map(secrets::in_unit));
        let found = FoundInFile { diagnostics, allowances };
        if !found.is_empty() {
            self.found.insert(path, found);
        }
        Arc::new(Read { file: path.to_owned(), document: parsed.document })
    }

    /// What was found in the files read, of those that have any, by path.
    pub(crate) fn found(self) -> impl Iterator<Item = (String, FoundInFile)> {
        self.found.into_iter().map(|(path, found)| (path.to_owned(), found))
    }
}

/// What the documents of one unit mean.
pub(crate) struct Interpreted {
    /// Usable only when nothing found is an error.
    pub spec: UnitSpec,
    /// Without those of the documents' grammar.
    pub diagnostics: Vec<Diagnostic>,
    /// The repository's paths that `Files=` delivers.
    pub delivered_paths: BTreeSet<String>,
}

/// Interprets `documents`, the unit file first, as the unit `name`. `files` is where `Files=` looks.
pub(crate) fn interpret(
    name: &UnitName,
    documents: &[Arc<Read>],
    context: &Context,
    files: &SourceTree,
) -> Interpreted {
    let mut diagnostics = Vec::new();
    let readable: Vec<&Document> = documents.iter().filter_map(|read| read.document.as_ref()).collect();
    let merged = Merged::new(name.kind(), &readable, &mut diagnostics);
    let mut reader = Reader {
        name,
        specifiers: Specifiers { name, host: context.host.as_ref() },
        files,
        overlay: format!("environments/{}/", context.environment),
        diagnostics,
        unenforced: Vec::new(),
    };
    let mut spec = UnitSpec::new(name.clone(), KindSpec::Target);
    spec.fleet.on_rollout_failure = RolloutFailure::default_in(&context.environment);
    let mut draft = read::kind::Draft::new(name.kind());
    for row in merged.rows() {
        apply(&mut reader, &row, &mut spec, &mut draft, &context.environment);
    }
    // What could not be read is at its default now: what that says together with other settings means nothing.
    let is_whole = readable.len() == documents.len() && !reader.diagnostics.iter().any(Diagnostic::is_error);
    if spec.start_limit_burst == 0 {
        spec.start_limit_interval = Duration::ZERO;
    }
    if name.kind() == UnitKind::Socket {
        not_built(&mut reader, documents);
    }
    let file = readable.first().map_or("", |document| document.file());
    // Part of the text could not be read: what it lacks says nothing.
    let whole = (readable.len() == documents.len()).then_some(&merged);
    spec.kind = draft.finish(&mut reader, whole, file);
    if is_whole {
        read::checks::together(&mut reader, &spec, &merged);
    }
    strict(&mut reader, &spec, &merged);
    let (delivered, delivered_paths) = read::fleet::delivered(&reader, &spec.fleet.files);
    spec.delivered = delivered;
    spec.values = merged.values();
    spec.unenforced = reader.unenforced;
    Interpreted { spec, diagnostics: reader.diagnostics, delivered_paths }
}

/// Sockets are understood and checked; nothing runs them yet.
fn not_built(reader: &mut Reader<'_>, documents: &[Arc<Read>]) {
    let file = documents.first().map_or(String::new(), |read| read.file.clone());
    let message = format!(".{} units do not run yet", reader.name.kind().as_str());
    let hint = "the service it starts is not started by itself; `fleet start` starts it";
    reader.warning(codes::KIND_NOT_BUILT_YET, Place { file, line: 0, column: 0 }, message, hint);
}

/// `Strict=yes`: what would be unenforced on every host is an error; a node adds what it lacks itself.
fn strict(reader: &mut Reader<'_>, spec: &UnitSpec, merged: &Merged<'_>) {
    if let (true, false, Some(at)) = (spec.fleet.strict, reader.unenforced.is_empty(), merged.last("Strict")) {
        let names: Vec<&str> = reader.unenforced.iter().map(|entry| entry.directive.as_str()).collect();
        let message = format!("Strict=yes, and these would not be in effect: {}", names.join(", "));
        reader.error(codes::STRICT, at.key_place(), message, "take them away, or Strict=");
    }
}

/// Reads one directive, whatever its family; the rest is checked by its kind.
fn apply(
    reader: &mut Reader<'_>,
    row: &Row<'_>,
    spec: &mut UnitSpec,
    draft: &mut read::kind::Draft,
    environment: &EnvironmentName,
) {
    let known = typed(reader, row, spec, draft) || reader.check(row);
    debug_assert!(known, "nothing reads {}=", row.directive.key);
    // What sockets share with services stands in their own section.
    let own = matches!(row.directive.section, "Service" | "Socket");
    let section = if own && reader.name.kind() == UnitKind::Socket { "Socket" } else { row.directive.section };
    if row.directive.support_in(section) == Support::NotBuilt && asks(row, environment) {
        reader.not_built(shown(row));
    }
}

/// Reads a directive that has a typed field; `false` for others.
fn typed(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut UnitSpec, draft: &mut read::kind::Draft) -> bool {
    match row.directive.family {
        Family::Unit | Family::Install => read::unit::row(reader, row, spec),
        Family::Condition => read::condition::row(reader, row, &mut spec.conditions),
        Family::Fleet => {
            read::fleet::row(reader, row, &mut spec.fleet) || read::health::row(reader, row, &mut spec.health)
        }
        Family::Service
        | Family::Kill
        | Family::Exec
        | Family::Isolation
        | Family::Resources
        | Family::Timer
        | Family::Socket => draft.row(reader, row),
    }
}

/// Whether the values ask for anything but the default of `environment`.
fn asks(row: &Row<'_>, environment: &EnvironmentName) -> bool {
    let Directive { kind, .. } = row.directive;
    let default = row.directive.default_in(environment);
    let value = row.values.last().map_or("", |last| last.value());
    match kind {
        Kind::Bool | Kind::BoolOr(_) => match (value::boolean(value), value::boolean(default)) {
            (Ok(value), Ok(default)) => value != default,
            _ => value != default,
        },
        Kind::Span => match (value::time_span(value), value::time_span(default)) {
            (Ok(value), Ok(default)) => value != default,
            _ => true,
        },
        _ if kind.is_list() => row.values.iter().any(|at| at.value() != default),
        _ => value != default,
    }
}

/// `Key=value`, or just the key of lists and long values.
fn shown(row: &Row<'_>) -> String {
    let key = row.directive.key;
    match row.values {
        [one] if !row.directive.kind.is_list() && one.value().len() <= 60 => format!("{key}={}", one.value()),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests;
