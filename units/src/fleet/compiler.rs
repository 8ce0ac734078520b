//! Compiling an environment commit after commit, at the price of what each changes.
//!
//! ```text
//! changes between the last tree and this
//!   nothing but what some units say, and nothing others look at   -> those units alone (Amendment)
//!   anything else   -> build the set; units whose files are as they were are taken over; checks across all again
//! ```
//! Either way the result is what [`super::compile`] gives for the tree by itself. Builds with debug assertions compare.

use super::build::{self, Before, Built};
use super::changes::Changes;
use super::{Compiled, FleetUnit, compile};
use crate::bundle::SourceTree;
use crate::check::{self, secrets};
use crate::diagnostic::Diagnostic;
use crate::ids::{EnvironmentName, UnitName};
use crate::spec::Context;
use crate::spec::layers::{self, Index};
use crate::spec::load::{Cache, FoundInFile, interpret};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Compiles the trees of one environment; keeps the last one to compare with.
#[derive(Debug)]
pub struct Compiler {
    environment: EnvironmentName,
    last: Option<(Arc<SourceTree>, Built)>,
}

impl Compiler {
    /// Knows no tree yet: the first one takes as long as [`super::compile`] does.
    #[must_use]
    pub fn new(environment: EnvironmentName) -> Self {
        Compiler { environment, last: None }
    }

    /// As [`super::compile`].
    pub fn compile(&mut self, tree: &Arc<SourceTree>) -> Compiled {
        let built = match self.last.take() {
            None => build::build(&self.environment, tree, None),
            Some((old, mut built)) => {
                let changes = Changes::between(&self.environment, &old, tree);
                match amendment(&self.environment, &built, tree, &changes) {
                    Some(amendment) => {
                        amendment.apply(&mut built);
                        built
                    }
                    None => {
                        let before = Before { built: &built, changes: &changes };
                        build::build(&self.environment, tree, Some(before))
                    }
                }
            }
        };
        let compiled = Compiled::from_parts(built.fleet.clone(), built.findings());
        debug_assert!(compiled == compile(&self.environment, tree), "what was kept is not what the tree says");
        self.last = Some((Arc::clone(tree), built));
        compiled
    }
}

/// What becomes of a few units, when nothing else does.
#[derive(Default)]
struct Amendment {
    units: Vec<(UnitName, FleetUnit, Vec<Diagnostic>)>,
    files: Vec<(String, FoundInFile)>,
}

/// `None` when more may have changed than single units by themselves.
fn amendment(
    environment: &EnvironmentName,
    built: &Built,
    tree: &SourceTree,
    changes: &Changes<'_>,
) -> Option<Amendment> {
    let touched = |unit: &FleetUnit| changes.paths.iter().any(|path| unit.bundle.files.contains_key(*path));
    let is_alone = changes.same_files
        && !changes.paths.iter().any(|path| built.behind_set.contains(*path))
        && !built.fleet.triggers.values().any(touched)
        && built.fits
        && build::fits(tree);
    if !is_alone {
        return None;
    }
    let units = match owners(built, changes) {
        Some(units) => units,
        None => built.fleet.units.iter().filter(|(_, unit)| touched(unit)).collect(),
    };
    if built.across.iter().any(|found| units.iter().any(|(name, unit)| mentions(found, name, unit))) {
        return None;
    }
    let mut amendment = Amendment::default();
    for (name, old) in units {
        amendment.unit(environment, name, old, tree)?;
    }
    amendment.files.retain(|(path, _)| changes.touches(path));
    for path in changes.paths.iter().filter(|path| secrets::is_committed(environment, path)) {
        amendment.files.push(((*path).to_owned(), secrets::in_committed(path, &tree[*path].content)));
    }
    // What was found in their old text goes.
    let unchanged_text = changes.paths.iter().filter(|path| !amendment.files.iter().any(|(found, _)| found == *path));
    let gone: Vec<_> = unchanged_text.map(|path| ((*path).to_owned(), FoundInFile::default())).collect();
    amendment.files.extend(gone);
    Some(amendment)
}

/// The units that have the changed files, when each is the file of just one unit; otherwise all have to be asked.
fn owners<'a>(built: &'a Built, changes: &Changes<'_>) -> Option<BTreeMap<&'a UnitName, &'a FleetUnit>> {
    let owner = |path: &&str| built.fleet.units.get_key_value(&layers::owner(path)?);
    changes.paths.iter().map(owner).collect()
}

impl Amendment {
    /// Reads one unit again; `None` when others would notice.
    fn unit(
        &mut self,
        environment: &EnvironmentName,
        name: &UnitName,
        old: &FleetUnit,
        tree: &SourceTree,
    ) -> Option<()> {
        // How many settings all instances have together is counted where the set is built.
        if name.template().is_some() {
            return None;
        }
        // A bundle holds all that its unit is made of, so that nodes need no more: neither does this.
        let bundle: SourceTree =
            old.bundle.files.keys().map(|path| Some((path.clone(), tree.get(path)?.clone()))).collect::<Option<_>>()?;
        let files = Index::new(environment, &bundle).files(name, &bundle)?;
        let mut cache = Cache::default();
        let documents: Vec<_> = files.paths().map(|path| cache.read(name, path, &bundle)).collect();
        let context = Context { environment: environment.clone(), host: None };
        let interpreted = interpret(name, &documents, &context, tree);
        if check::outline(&old.spec) != check::outline(&interpreted.spec) {
            return None;
        }
        let (unit, found) = build::assemble(&files, interpreted, tree);
        self.units.push((name.clone(), unit, found));
        self.files.extend(cache.found());
        Some(())
    }

    fn apply(self, built: &mut Built) {
        for (name, unit, found) in self.units {
            if found.is_empty() {
                built.of_units.remove(&name);
            } else {
                built.of_units.insert(name.clone(), found);
            }
            built.fleet.units.insert(name, unit);
        }
        for (path, found) in self.files {
            if found.is_empty() {
                built.of_files.remove(&path);
            } else {
                built.of_files.insert(path, found);
            }
        }
    }
}

/// Whether a finding is about `unit`, or tells of a place in one of its files: that may be on another line now, or in
/// another file.
fn mentions(found: &Diagnostic, name: &UnitName, unit: &FleetUnit) -> bool {
    let texts = [&found.place.file, &found.message, &found.hint];
    let mut names = unit.bundle.files.keys().map(String::as_str).chain([name.as_str()]);
    names.any(|name| texts.iter().any(|text| text.contains(name)))
}
