//! The effective values of a unit, as they are written.

use super::directives::{self, Directive, Found};
use crate::syntax::Text;
use std::cmp::Ordering;
use std::fmt;

/// The effective values as written, directive by directive, resets applied: what a change is compared by.
#[derive(Clone, Default, PartialEq)]
pub struct Values {
    /// In the order of the table, those of one directive in the order they are read.
    entries: Vec<Value>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
struct Value {
    /// Index of its directive in the table.
    row: u16,
    text: Text,
}

impl Values {
    /// From (index in the table, text), in the order of the table.
    pub(crate) fn new(values: impl Iterator<Item = (u16, Text)>) -> Self {
        Values { entries: values.map(|(row, text)| Value { row, text }).collect() }
    }

    /// The values of `key` in `section`, one by one. Of what sockets share with services the section is `Service`.
    pub fn get(&self, section: &str, key: &str) -> impl DoubleEndedIterator<Item = &str> {
        let row = row_of(section, key);
        self.entries.iter().filter(move |entry| Some(entry.row) == row).map(|entry| &*entry.text)
    }

    /// Each directive that has a value, with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Directive, Vec<&str>)> {
        self.groups().map(|group| {
            let texts = group.iter().map(|value| &*value.text).collect();
            (directives::row(group[0].row), texts)
        })
    }

    fn groups(&self) -> impl Iterator<Item = &[Value]> {
        self.entries.chunk_by(|one, other| one.row == other.row)
    }

    /// The directives whose values are not the same in `other`, in the order of the table.
    pub fn differing(&self, other: &Self) -> Vec<&'static Directive> {
        let (mut ours, mut theirs) = (self.groups().peekable(), other.groups().peekable());
        let mut found = Vec::new();
        loop {
            let order = match (ours.peek(), theirs.peek()) {
                (None, None) => return found,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(our), Some(their)) => our[0].row.cmp(&their[0].row),
            };
            let our = if order.is_le() { ours.next() } else { None };
            let their = if order.is_ge() { theirs.next() } else { None };
            if our != their {
                found.extend(our.or(their).map(|group| directives::row(group[0].row)));
            }
        }
    }

    /// Sets the values of one directive, for specifications that are made without text; nothing if there is no such
    /// directive.
    pub fn set(&mut self, section: &str, key: &str, values: &[&str]) {
        let Some(row) = row_of(section, key) else { return };
        self.entries.retain(|entry| entry.row != row);
        let at = self.entries.partition_point(|entry| entry.row < row);
        let new = values.iter().map(|text| Value { row, text: (*text).into() });
        self.entries.splice(at..at, new);
    }

    /// Keeps what `keep` says yes to.
    pub fn retain(&mut self, keep: impl Fn(&Directive) -> bool) {
        self.entries.retain(|entry| keep(directives::row(entry.row)));
    }
}

fn row_of(section: &str, key: &str) -> Option<u16> {
    match directives::lookup(section, key)? {
        Found::Row(row) => Some(row),
        Found::Spelling(_) => None,
    }
}

/// `Service/Nice=["1"], …`
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(row, values)| (format!("{}/{}", row.section, row.key), values)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(values: &[(&str, &[&str])]) -> Values {
        let mut made = Values::default();
        values.iter().for_each(|(key, texts)| made.set("Service", key, texts));
        made
    }

    #[test]
    fn the_directives_that_differ_are_told_once_each() {
        let old = values(&[("Nice", &["1"]), ("Environment", &["A=1", "B=1"]), ("User", &["a"])]);
        let new = values(&[("Environment", &["A=1", "B=2"]), ("User", &["a"]), ("Group", &["g"])]);
        let keys = |directives: Vec<&Directive>| {
            let mut keys: Vec<&str> = directives.iter().map(|row| row.key).collect();
            keys.sort_unstable();
            keys
        };
        assert_eq!(keys(old.differing(&new)), ["Environment", "Group", "Nice"]);
        assert_eq!(keys(new.differing(&old)), ["Environment", "Group", "Nice"]);
        assert!(old.differing(&old).is_empty());
    }

    #[test]
    fn what_is_set_is_found_and_replaces_what_was_there() {
        let mut values = values(&[("ExecStart", &["/bin/a", "/bin/b"]), ("Nice", &["1"])]);
        assert_eq!(values.get("Service", "ExecStart").collect::<Vec<_>>(), ["/bin/a", "/bin/b"]);
        values.set("Service", "ExecStart", &["/bin/c"]);
        assert_eq!(values.get("Service", "ExecStart").collect::<Vec<_>>(), ["/bin/c"]);
        assert_eq!(values.get("Service", "Nice").last(), Some("1"));
        assert_eq!(values.get("Unit", "Nice").next(), None);
    }
}
