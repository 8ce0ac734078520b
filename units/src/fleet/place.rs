//! Where in the files of a unit something stands, for who has the desired state and no tree any more.

use super::FleetUnit;
use crate::check::Places;
use crate::diagnostic::Place;
use crate::ids::EnvironmentName;
use crate::spec::layers::Index;

impl FleetUnit {
    /// The place of the word `word` in the last assignment of `key` that has it; else of the last assignment of `key`,
    /// else the unit file as a whole. Reads the files of the bundle again: for findings alone.
    #[must_use]
    pub fn place(&self, environment: &EnvironmentName, key: &str, word: &str) -> Place {
        let index = Index::new(environment, &self.bundle.files);
        Places::new(&index, &self.bundle.files).word(&self.spec.name, &[key], word)
    }
}
