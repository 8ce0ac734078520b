//! What is found in several environments of one source tree: each finding once.

use super::Compiled;
use crate::diagnostic::{Allowed, Diagnostic, Place};
use std::collections::BTreeSet;

/// Findings of one source tree, gathered environment by environment.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// By place, so that they come in the order of files and lines.
    diagnostics: BTreeSet<(Place, Diagnostic)>,
    allowed: BTreeSet<Allowed>,
    unused: BTreeSet<Diagnostic>,
}

impl Findings {
    /// Adds one finding.
    pub fn add(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.insert((diagnostic.place.clone(), diagnostic));
    }

    /// Adds what was found in one environment.
    pub fn add_environment(&mut self, compiled: Compiled) {
        compiled.diagnostics.into_iter().for_each(|diagnostic| self.add(diagnostic));
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
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics.into_iter().map(|(_, diagnostic)| diagnostic).collect()
    }
}
