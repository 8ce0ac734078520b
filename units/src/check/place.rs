//! Where in the files of a unit something stands that was found in what the unit means.

use crate::diagnostic::Place;
use crate::ids::UnitName;
use crate::spec::load::Read;
use crate::syntax::{Assignment, Document};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Looks for places; only findings need them.
pub(super) struct Places<'a> {
    /// The documents of each unit, the unit file first.
    pub documents: &'a BTreeMap<UnitName, Vec<Arc<Read>>>,
}

impl<'a> Places<'a> {
    fn of(&self, unit: &UnitName) -> impl Iterator<Item = &'a Document> + use<'a> {
        let documents = self.documents.get(unit).map_or(&[][..], Vec::as_slice);
        documents.iter().filter_map(|read| read.document.as_ref())
    }

    /// The unit's file as a whole.
    pub(super) fn file(&self, unit: &UnitName) -> Place {
        let file = self.of(unit).next().map_or(String::new(), |document| document.file().to_string());
        Place { file, line: 0, column: 0 }
    }

    /// Where one of `keys` holds the word `word`; `None` when it does so by a specifier.
    pub(super) fn find(&self, unit: &UnitName, keys: &[&str], word: &str) -> Option<Place> {
        self.last(unit, keys, |assignment| word_at(assignment, word))
    }

    /// As [`Self::find`], else the last assignment of one of `keys`, else the file as a whole.
    pub(super) fn word(&self, unit: &UnitName, keys: &[&str], word: &str) -> Place {
        self.find(unit, keys, word).unwrap_or_else(|| self.key(unit, keys))
    }

    /// The last assignment of one of `keys`, at its value; the file as a whole when there is none.
    pub(super) fn key(&self, unit: &UnitName, keys: &[&str]) -> Place {
        self.last(unit, keys, |_| Some(0)).unwrap_or_else(|| self.file(unit))
    }

    /// The last assignment of one of `keys` in which `offset` finds something.
    fn last(&self, unit: &UnitName, keys: &[&str], offset: impl Fn(&Assignment) -> Option<usize>) -> Option<Place> {
        let mut place = None;
        for document in self.of(unit) {
            for (_, assignment) in document.assignments().filter(|(_, at)| keys.contains(&&*at.key)) {
                if let Some(offset) = offset(assignment) {
                    let (line, column) = assignment.position(offset);
                    place = Some(Place { file: document.file().to_string(), line, column });
                }
            }
        }
        place
    }
}

/// Where `word` stands between white space in the value, in bytes.
fn word_at(assignment: &Assignment, word: &str) -> Option<usize> {
    let value = &*assignment.value;
    let is_whole = |(offset, _): &(usize, &str)| {
        let (before, after) = (&value[..*offset], &value[offset + word.len()..]);
        !before.ends_with(|c: char| !c.is_whitespace()) && !after.starts_with(|c: char| !c.is_whitespace())
    };
    value.match_indices(word).find(is_whole).map(|(offset, _)| offset)
}
