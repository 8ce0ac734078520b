//! Whether requirements contradict each other.

use super::{Requirement, Test};
use std::collections::{BTreeMap, BTreeSet};

/// The first label for which no value fulfils all of the requirements; linear but for the sorting.
pub(super) fn contradiction<'a>(requirements: impl Iterator<Item = &'a Requirement> + Clone) -> Option<&'a str> {
    let mut labels: BTreeMap<&str, Demands<'_>> = BTreeMap::new();
    for Requirement { key, test } in requirements.clone() {
        labels.entry(key).or_default().add(test);
    }
    requirements.map(|requirement| requirement.key.as_str()).find(|key| labels[key].are_impossible())
}

/// What all requirements on one label ask together.
#[derive(Default)]
struct Demands<'a> {
    exists: bool,
    absent: bool,
    /// The values that every `=` and `in` allows; `None` without such a test.
    allowed: Option<BTreeSet<&'a str>>,
    forbidden: BTreeSet<&'a str>,
}

impl<'a> Demands<'a> {
    fn add(&mut self, test: &'a Test) {
        match test {
            Test::Exists => self.exists = true,
            Test::Absent => self.absent = true,
            Test::Equals(value) => self.allow(|allowed| allowed == value, std::iter::once(value)),
            Test::In(values) => self.allow(|allowed| values.contains(allowed), values.iter()),
            Test::Differs(value) => drop(self.forbidden.insert(value)),
            Test::NotIn(values) => self.forbidden.extend(values.iter().map(String::as_str)),
        }
    }

    fn allow(&mut self, is_allowed: impl Fn(&str) -> bool, values: impl Iterator<Item = &'a String>) {
        match &mut self.allowed {
            Some(allowed) => allowed.retain(|value| is_allowed(value)),
            None => self.allowed = Some(values.map(String::as_str).collect()),
        }
    }

    fn are_impossible(&self) -> bool {
        match &self.allowed {
            Some(allowed) => self.absent || allowed.is_subset(&self.forbidden),
            None => self.absent && self.exists,
        }
    }
}
