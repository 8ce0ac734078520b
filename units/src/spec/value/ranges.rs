//! Sets of numbers, `0-3 8,10` (CPUs, NUMA nodes; systemd's `parse_cpu_set`).

use super::number::unsigned;
use crate::syntax::words::{Escapes, Words};

/// Largest set systemd takes.
const MAX: u32 = 8192;

/// A set of numbers below 8192, as ranges in order that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// The ranges, both ends included.
    #[must_use]
    pub fn as_slice(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Adds the numbers of `other`.
    pub fn extend(&mut self, other: Ranges) {
        self.0.extend(other.0);
        self.0.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(self.0.len());
        for (low, high) in self.0.drain(..) {
            match merged.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        self.0 = merged;
    }
}

/// Numbers and ranges, separated by commas or white space, quoted perhaps.
///
/// # Errors
/// Anything else, a range that runs backwards, and numbers from 8192.
pub fn ranges(text: &str) -> Result<Ranges, String> {
    let mut found = Ranges::default();
    for word in Words::new(text, Escapes::Plain).between(&[' ', '\t', '\n', '\r', ',']) {
        found.0.push(range(&word.map_err(|error| error.message)?.text)?);
    }
    found.extend(Ranges::default());
    Ok(found)
}

fn range(word: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("{word:?} is neither a number nor a range such as 0-3");
    let number = |text: &str| unsigned(text).and_then(|number| u32::try_from(number).ok()).ok_or_else(wrong);
    let (low, high) = match word.split_once('-') {
        Some((low, high)) => (number(low)?, number(high)?),
        None => (number(word)?, number(word)?),
    };
    match (low <= high, high < MAX) {
        (true, true) => Ok((low, high)),
        (false, _) => Err(format!("the range {word:?} runs backwards")),
        (true, false) => Err(format!("{high} is too large: at most {} is possible", MAX - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges_are_joined() {
        assert_eq!(ranges("8,0-3 2-5,10").unwrap().as_slice(), [(0, 5), (8, 8), (10, 10)]);
        assert_eq!(ranges("1 2 3").unwrap().as_slice(), [(1, 3)]);
        assert!(ranges("").unwrap().as_slice().is_empty());
        for text in ["a", "3-1", "1-", "-1", "8192", "08", "1-2-3"] {
            assert!(ranges(text).is_err(), "{text:?}");
        }
    }
}
