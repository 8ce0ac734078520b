//! A piece of a text: many of them share one text, so that a document is one allocation and not one for each value.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A piece of a shared text; behaves as a `str`.
#[derive(Clone)]
pub struct Text {
    whole: Arc<str>,
    range: Range<u32>,
}

impl Text {
    /// The bytes `range` of `whole`, which must begin and end at characters.
    pub(super) fn new(whole: &Arc<str>, range: Range<usize>) -> Self {
        debug_assert!(whole.get(range.clone()).is_some(), "{range:?} is no piece of {} bytes", whole.len());
        let narrow = |offset| u32::try_from(offset).expect("a unit file is far smaller than 4 GiB");
        Text { whole: Arc::clone(whole), range: narrow(range.start)..narrow(range.end) }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::new(&text.into(), 0..text.len())
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.whole[self.range.start as usize..self.range.end as usize]
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}
