//! What is found in several environments of one source tree: each finding once.

use super::Compiled;
use crate::diagnostic::{Allowed, Diagnostic, Place};
use crate::ids::EnvironmentName;
use std::collections::{BTreeMap, BTreeSet};

/// Findings of one source tree, gathered environment by environment.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// By place, so that they come in the order of files and lines; each with the environments it was found in, none
    /// when it is about all of them.
    diagnostics: BTreeMap<(Place, Diagnostic), BTreeSet<EnvironmentName>>,
    /// The environments added so far.
    environments: BTreeSet<EnvironmentName>,
    allowed: BTreeSet<Allowed>,
    unused: BTreeSet<Diagnostic>,
}

/// One finding of several environments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was found.
    pub diagnostic: Diagnostic,
    /// The environments it is about; empty when it is about all that were looked at.
    pub environments: BTreeSet<EnvironmentName>,
}

impl Findings {
    /// Adds a finding that is not about an environment.
    pub fn add(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.insert((diagnostic.place.clone(), diagnostic), BTreeSet::new());
    }

    /// Adds what was found in one environment.
    pub fn add_environment(&mut self, environment: &EnvironmentName, compiled: Compiled) {
        self.environments.insert(environment.clone());
        for diagnostic in compiled.diagnostics {
            let place = diagnostic.place.clone();
            self.diagnostics.entry((place, diagnostic)).or_default().insert(environment.clone());
        }
        self.allowed.extend(compiled.allowed);
        self.unused.extend(compiled.unused_allowances);
    }

    /// Adds the comments that allow nothing in any environment added so far: call it once all have been.
    pub fn add_unused_allowances(&mut self) {
        let used: BTreeSet<&Place> = self.allowed.iter().map(|allowed| &allowed.by).collect();
        let unused: Vec<_> = self.unused.iter().filter(|unused| !used.contains(&unused.place)).cloned().collect();
        unused.into_iter().for_each(|diagnostic| self.add(diagnostic));
    }

    /// How many findings comments allow.
    #[must_use]
    pub fn allowed(&self) -> usize {
        let findings: BTreeSet<&Diagnostic> = self.allowed.iter().map(|allowed| &allowed.finding).collect();
        findings.len()
    }

    /// Everything that no comment allows, once each, in the order of files and lines.
    #[must_use]
    pub fn into_list(self) -> Vec<Finding> {
        let all = &self.environments;
        let finding = |((_, diagnostic), found_in): ((Place, Diagnostic), BTreeSet<EnvironmentName>)| Finding {
            diagnostic,
            environments: if found_in == *all { BTreeSet::new() } else { found_in },
        };
        self.diagnostics.into_iter().map(finding).collect()
    }
}
