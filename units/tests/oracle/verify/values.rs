//! The values each directive is tried with: those of its kind in testdata/verify/values.txt, the words and bounds of
//! the directive table, and damaged ones.

use crate::Random;
use fleet_units::spec::directives::{Directive, Kind};
use std::collections::BTreeMap;

/// Values by the name of a kind.
pub(super) struct Values(BTreeMap<&'static str, Vec<&'static str>>);

impl Values {
    /// Those of the data file. Lines are values, but for empty ones, comments, and headers `[Kind]`.
    pub(super) fn read() -> Self {
        let mut kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut kind = "";
        for line in include_str!("../../../testdata/verify/values.txt").lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match header(line) {
                Some(name) => kind = name,
                None => kinds.entry(kind).or_default().push(line),
            }
        }
        Values(kinds)
    }

    /// All values of a directive that do not depend on the seed.
    pub(super) fn of(&self, row: &Directive) -> Vec<String> {
        let own = self.0.get(name_of(row.kind).as_str()).unwrap_or_else(|| panic!("no values for {:?}", row.kind));
        let mut values: Vec<String> = own.iter().chain(&self.0["*"]).map(|value| (*value).to_owned()).collect();
        match row.kind {
            Kind::Choice(words) | Kind::BoolOr(words) => values.extend(words.iter().map(|word| (*word).to_owned())),
            Kind::Integer(low, high) => values
                .extend([low.saturating_sub(1), low, high, high.saturating_add(1)].map(|number| number.to_string())),
            _ => {}
        }
        values.push(String::new());
        values.sort();
        values.dedup();
        values
    }

    /// One of [`Self::of`], most often damaged in one place.
    pub(super) fn random(&self, row: &Directive, random: &mut Random) -> String {
        let value = random.of(&self.of(row));
        let value = if random.below(4) == 0 { value } else { random.damaged(&value, "0159aKx /:-+~%,.\\\"'@_=") };
        value.trim_matches([' ', '\t']).to_owned()
    }
}

fn header(line: &'static str) -> Option<&'static str> {
    let name = line.strip_prefix('[')?.strip_suffix(']')?;
    name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'*').then_some(name)
}

/// `Integer` of `Integer(0, 7)`
fn name_of(kind: Kind) -> String {
    let shown = format!("{kind:?}");
    shown.split_once('(').map_or(shown.clone(), |(name, _)| name.to_owned())
}
