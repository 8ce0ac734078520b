//! How two source trees differ, as far as one environment looks at them.

use crate::bundle::{SourceFile, SourceTree};
use crate::ids::EnvironmentName;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is different in a tree.
#[derive(Debug, Default)]
pub(super) struct Changes<'a> {
    /// Files with another content or mode, and those that came or went.
    pub paths: BTreeSet<&'a str>,
    /// Every file is still there and none became empty, or is no longer: units have the same files as before.
    pub same_files: bool,
    /// Among them are files that units deliver.
    pub delivered: bool,
}

impl<'a> Changes<'a> {
    /// From `old` to `new`. Takes time for all files, but little: contents that both trees share are not looked at.
    pub(super) fn between(environment: &EnvironmentName, old: &'a SourceTree, new: &'a SourceTree) -> Self {
        let mut changes = Changes { same_files: true, ..Changes::default() };
        let own = format!("environments/{environment}/");
        let counts = |path: &str| !path.starts_with("environments/") || path.starts_with(&own);
        let (mut before, mut after) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let order = match (before.peek(), after.peek()) {
                (None, None) => return changes,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let was = if order.is_le() { before.next() } else { None };
            let is = if order.is_ge() { after.next() } else { None };
            let is_same = was.zip(is).is_some_and(|((_, was), (_, is))| same(was, is));
            if let Some((path, _)) = was.or(is).filter(|(path, _)| !is_same && counts(path)) {
                changes.add(path, was.map(|(_, file)| file), is.map(|(_, file)| file));
            }
        }
    }

    fn add(&mut self, path: &'a str, was: Option<&SourceFile>, is: Option<&SourceFile>) {
        let is_empty = |file: Option<&SourceFile>| file.map(|file| file.content.is_empty());
        self.paths.insert(path);
        self.same_files &= is_empty(was) == is_empty(is);
        self.delivered |= path.starts_with("files/") || path.contains("/files/");
    }

    pub(super) fn touches(&self, path: &str) -> bool {
        self.paths.contains(path)
    }
}

fn same(one: &SourceFile, other: &SourceFile) -> bool {
    let same_content = Arc::ptr_eq(&one.content, &other.content) || one.sha256 == other.sha256;
    same_content && one.executable == other.executable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> SourceTree {
        files.iter().map(|(path, text)| ((*path).to_owned(), SourceFile::new(false, text.as_bytes()))).collect()
    }

    /// Paths, whether the files are the same, whether delivered ones changed.
    fn between(old: &[(&str, &str)], new: &[(&str, &str)]) -> (Vec<String>, bool, bool) {
        let (old, new) = (tree(old), tree(new));
        let changes = Changes::between(&"test".parse().unwrap(), &old, &new);
        (changes.paths.iter().map(|path| (*path).to_owned()).collect(), changes.same_files, changes.delivered)
    }

    #[test]
    fn a_content_that_changed_leaves_the_files_the_same() {
        let old = [("units/a.service", "1"), ("units/b.service", "1")];
        assert_eq!(between(&old, &old), (vec![], true, false));
        let new = [("units/a.service", "1"), ("units/b.service", "2")];
        assert_eq!(between(&old, &new), (vec!["units/b.service".into()], true, false));
    }

    #[test]
    fn files_that_come_go_or_mask_do_not() {
        let (one, two) = ([("units/b", "1")], [("units/a", "1"), ("units/b", "1"), ("units/c", "1")]);
        assert_eq!(between(&one, &two), (vec!["units/a".into(), "units/c".into()], false, false));
        assert_eq!(between(&two, &one), (vec!["units/a".into(), "units/c".into()], false, false));
        assert_eq!(between(&one, &[("units/b", "")]), (vec!["units/b".into()], false, false));
    }

    #[test]
    fn other_environments_do_not_count_and_delivered_files_are_told() {
        let old = [("environments/other/units/a.service", "1"), ("environments/test/files/x", "1"), ("files/x", "1")];
        let new = [("environments/other/units/a.service", "2"), ("environments/test/files/x", "1"), ("files/x", "2")];
        assert_eq!(between(&old, &new), (vec!["files/x".into()], true, true));
        assert_eq!(between(&old[1..], &[]), (vec!["environments/test/files/x".into(), "files/x".into()], false, true));
    }
}
