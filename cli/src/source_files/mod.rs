//! The files of a configuration repository as this host has them, for verbs that need no coordinator.
//!
//! ```text
//! folder  --folder--+
//! commit  --git-----+--> Files (a SourceTree, and what is wrong with the files as files)
//! index   --git-----+
//! unit file, stdin, folder of unit files --loose--> Loose: a tree of one unit, and where its files lie
//! ```

pub(crate) mod folder;
pub(crate) mod git;
pub(crate) mod loose;

use fleet_units::bundle::SourceTree;
use fleet_units::diagnostic::{Code, Diagnostic, Place};
use fleet_units::ids::EnvironmentName;
use std::collections::BTreeSet;

/// The environments a coordinator has unless it is configured otherwise.
const CHAIN: [&str; 4] = ["develop", "test", "staging", "production"];
/// The folders of a configuration repository that say what runs.
const ROOTS: [&str; 4] = ["environments", "files", "secrets", "units"];

/// Files, and what is wrong with them as files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) tree: SourceTree,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Files {
    /// Whether there is nothing that could be looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.tree.is_empty() && self.diagnostics.is_empty()
    }

    /// `code` and words are those of the coordinator's reader of commits.
    fn refuse(&mut self, code: Code, file: &str, why: impl Into<String>) {
        let place = Place { file: file.to_owned(), line: 0, column: 0 };
        self.diagnostics.push(Diagnostic::error(code, place, why));
    }
}

/// The environments of the default chain, and those that have a folder in `tree`.
pub(crate) fn environments(tree: &SourceTree) -> BTreeSet<EnvironmentName> {
    let folders = tree.keys().filter_map(|path| path.strip_prefix("environments/")?.split('/').next());
    CHAIN.into_iter().chain(folders).filter_map(|name| name.parse().ok()).collect()
}
