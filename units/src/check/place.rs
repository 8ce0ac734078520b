//! Where in the files of a unit something stands that was found in what the unit means.

use crate::bundle::SourceTree;
use crate::diagnostic::Place;
use crate::ids::UnitName;
use crate::spec::layers::{Index, UnitFiles};
use crate::spec::load::Read;
use crate::syntax::Assignment;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Looks for places; only findings need them, so files are read again for them.
pub(crate) struct Places<'a> {
    index: &'a Index<'a>,
    tree: &'a SourceTree,
    read: RefCell<BTreeMap<String, Arc<Read>>>,
}

impl<'a> Places<'a> {
    /// Of units whose files `index` finds in `tree`.
    pub(crate) fn new(index: &'a Index<'a>, tree: &'a SourceTree) -> Self {
        Places { index, tree, read: RefCell::default() }
    }

    /// The documents of the unit, the unit file first.
    fn of(&self, unit: &UnitName) -> Vec<Arc<Read>> {
        let files = self.index.files(unit, self.tree);
        let mut read = self.read.borrow_mut();
        let document = |path: &str| {
            Arc::clone(read.entry(path.to_owned()).or_insert_with(|| Arc::new(Read::new(path, self.tree))))
        };
        files.iter().flat_map(UnitFiles::paths).map(document).collect()
    }

    /// The unit's file as a whole.
    pub(super) fn file(&self, unit: &UnitName) -> Place {
        let file = self.of(unit).first().map_or(String::new(), |read| read.file.clone());
        Place { file, line: 0, column: 0 }
    }

    /// Where one of `keys` holds the word `word`; `None` when it does so by a specifier.
    pub(super) fn find(&self, unit: &UnitName, keys: &[&str], word: &str) -> Option<Place> {
        self.last(unit, keys, |assignment| word_at(assignment, word))
    }

    /// As [`Self::find`], else the last assignment of one of `keys`, else the file as a whole.
    pub(crate) fn word(&self, unit: &UnitName, keys: &[&str], word: &str) -> Place {
        self.find(unit, keys, word).unwrap_or_else(|| self.key(unit, keys))
    }

    /// The last assignment of one of `keys`, at its value; the file as a whole when there is none.
    pub(super) fn key(&self, unit: &UnitName, keys: &[&str]) -> Place {
        self.last(unit, keys, |_| Some(0)).unwrap_or_else(|| self.file(unit))
    }

    /// The last assignment of one of `keys` in which `offset` finds something.
    fn last(&self, unit: &UnitName, keys: &[&str], offset: impl Fn(&Assignment) -> Option<usize>) -> Option<Place> {
        let mut place = None;
        let documents = self.of(unit);
        for document in documents.iter().filter_map(|read| read.document.as_ref()) {
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
