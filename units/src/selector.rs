//! Label selectors: `role=web,zone in (a,b),!gpu`.

use std::collections::BTreeMap;
use std::str::FromStr;

/// A conjunction of requirements on labels; the empty one matches every node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector;

impl Selector {
    /// Whether `labels` fulfil every requirement.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let _ = labels;
        unimplemented!()
    }
}

impl FromStr for Selector {
    type Err = String;
    fn from_str(_: &str) -> Result<Self, String> {
        unimplemented!()
    }
}
