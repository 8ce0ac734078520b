//! What was found, once each: the same finding of several environments is one.

use super::deny::Deny;
use super::unenforced::{self, UnitUnenforced};
use crate::output::{Stream, diagnostic};
use crate::source_files::loose::Loose;
use crate::source_files::{Files, environments};
use fleet_units::bundle::SourceTree;
use fleet_units::diagnostic::{Diagnostic, Severity, codes};
use fleet_units::fleet::{self, Findings};
use fleet_units::ids::EnvironmentName;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Findings about a unit on its own that only say what is not given with it.
const NEED_THE_OTHERS: [&str; 3] =
    [codes::DEPENDENCY_NOT_IN_SET.name, codes::ORPHAN_DROP_IN.name, codes::MISSING_FILE.name];

/// What was looked at, and what was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// How many files were looked at.
    pub(super) files: usize,
    /// In the order of files and lines.
    #[serde(rename = "diagnostics")]
    findings: Vec<Finding>,
    /// How many findings comments allow.
    pub(super) allowed: usize,
    /// What units ask for and do not get.
    unenforced: Vec<UnitUnenforced>,
    /// The texts the findings are about, by the path that places name.
    #[serde(skip)]
    texts: BTreeMap<String, String>,
}

/// One finding.
#[derive(Debug, Serialize)]
struct Finding {
    #[serde(flatten)]
    diagnostic: Diagnostic,
    /// Where it was found, when it is not about all environments; none for units on their own.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    environments: BTreeSet<EnvironmentName>,
    /// What made it an error.
    #[serde(skip)]
    denied: Option<&'static str>,
}

impl From<fleet::Finding> for Finding {
    fn from(fleet::Finding { diagnostic, environments }: fleet::Finding) -> Self {
        Finding { diagnostic, environments, denied: None }
    }
}

impl Report {
    /// Checks a configuration repository for `environment`, or for all that it has.
    pub(super) fn of_repository(files: Files, environment: Option<&EnvironmentName>) -> Report {
        let environments = environment.map_or_else(|| environments(&files.tree), |one| BTreeSet::from([one.clone()]));
        let mut findings = Findings::default();
        files.diagnostics.iter().cloned().for_each(|item| findings.add(item));
        let mut unenforced = BTreeMap::new();
        for environment in &environments {
            let compiled = fleet::compile(environment, &files.tree);
            unenforced::of_fleet(&compiled.fleet, &mut unenforced);
            findings.add_environment(environment, compiled);
        }
        // What one environment does not need, another may.
        if environment.is_none() {
            findings.add_unused_allowances();
        }
        let mut report = Report { files: files.tree.len(), allowed: findings.allowed(), ..Report::default() };
        report.findings = findings.into_list().into_iter().map(Finding::from).collect();
        report.unenforced = unenforced.into_values().collect();
        report.keep_texts(&files.tree, |path| path.to_owned());
        report
    }

    /// Checks units on their own, one after the other.
    pub(super) fn of_units(units: &[Loose]) -> Report {
        let mut report = Report::default();
        for unit in units {
            report.add_unit(unit);
        }
        report
    }

    fn add_unit(&mut self, unit: &Loose) {
        // Any name does: a unit on its own has no overlays.
        let environment: EnvironmentName = "develop".parse().expect("an environment's name");
        let shown = |path: &str| unit.shown.get(path).cloned().unwrap_or_else(|| path.to_owned());
        let compiled = fleet::compile(&environment, &unit.tree);
        let kept = compiled.diagnostics.iter().filter(|item| counts(item));
        for item in kept {
            let mut diagnostic = item.clone();
            diagnostic.place.file = shown(&item.place.file);
            self.findings.push(Finding { diagnostic, environments: BTreeSet::new(), denied: None });
        }
        self.allowed += compiled.allowed.iter().filter(|allowed| counts(&allowed.finding)).count();
        let mut found = BTreeMap::new();
        unenforced::of_fleet(&compiled.fleet, &mut found);
        unenforced::of_template(unit, &environment, &mut found);
        self.unenforced.extend(found.into_values().map(|item| UnitUnenforced { file: shown(&item.file), ..item }));
        self.files += unit.tree.len();
        self.keep_texts(&unit.tree, shown);
    }

    /// Remembers the texts that findings point into.
    fn keep_texts(&mut self, tree: &SourceTree, shown: impl Fn(&str) -> String) {
        let with_lines = self.findings.iter().filter(|finding| finding.diagnostic.place.line > 0);
        let wanted: BTreeSet<&str> = with_lines.map(|finding| finding.diagnostic.place.file.as_str()).collect();
        for (path, file) in tree {
            let shown = shown(path);
            if wanted.contains(shown.as_str()) {
                self.texts.insert(shown, String::from_utf8_lossy(&file.content).into_owned());
            }
        }
    }

    /// Makes errors of what is denied.
    pub(super) fn deny(&mut self, denied: &[Deny]) {
        for finding in self.findings.iter_mut().filter(|finding| !finding.diagnostic.is_error()) {
            if let Some(deny) = denied.iter().find(|deny| deny.hits(&finding.diagnostic)) {
                finding.diagnostic.severity = Severity::Error;
                finding.denied = Some(deny.as_str());
            }
        }
    }

    /// Everything found.
    pub(super) fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.findings.iter().map(|finding| &finding.diagnostic)
    }

    /// All of it, for people.
    pub(super) fn render(&self, stream: &Stream) -> String {
        let mut text = String::new();
        // Logs of CI are read by more people than the repository: a line with a secret is not shown.
        let of_secrets = self.diagnostics().filter(|found| found.code == codes::SECRET_IN_CLEAR.name);
        let secret: BTreeSet<_> = of_secrets.map(|found| (found.place.file.as_str(), found.place.line)).collect();
        let mut file = "";
        let mut lines: Vec<&str> = Vec::new();
        for finding in &self.findings {
            let place = &finding.diagnostic.place;
            if place.file != file {
                file = &place.file;
                lines = self.texts.get(file).map_or(Vec::new(), |text| text.lines().collect());
            }
            let source = (place.line as usize).checked_sub(1).and_then(|index| lines.get(index).copied());
            let source = source.filter(|_| !secret.contains(&(place.file.as_str(), place.line)));
            text += &diagnostic::block(&finding.diagnostic, source, &finding.notes(), stream);
        }
        text + &unenforced::render(&self.unenforced, stream)
    }
}

impl Finding {
    fn notes(&self) -> Vec<String> {
        let names: Vec<&str> = self.environments.iter().map(EnvironmentName::as_str).collect();
        let only = (!names.is_empty()).then(|| format!("only in {}", names.join(", ")));
        let denied = self.denied.map(|what| format!("an error because of --deny {what}"));
        only.into_iter().chain(denied).collect()
    }
}

/// Whether a finding about a unit on its own says something about that unit.
fn counts(diagnostic: &Diagnostic) -> bool {
    !NEED_THE_OTHERS.contains(&diagnostic.code.as_str())
}
