//! How much of something a unit may have: an absolute number, a share of what the host has, or no limit.

use super::number::unsigned;
use super::{percentage, size};

/// A limit of memory (bytes) or tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// `infinity`
    Infinity,
    /// Bytes, or a count.
    Number(u64),
    /// Hundredths of a percent of what the host has; at most 10,000.
    Share(u32),
}

/// A limit of memory: a size, a percentage of the host's memory, or `infinity`. `zero` says whether 0 is one.
///
/// # Errors
/// Anything else.
pub fn memory(text: &str, zero: bool) -> Result<Amount, String> {
    let amount = match share(text)? {
        Some(share) => share,
        None => size(text)?.map_or(Amount::Infinity, Amount::Number),
    };
    match amount {
        Amount::Number(0) | Amount::Share(0) if !zero => Err(format!("{text:?} would leave no memory at all")),
        Amount::Infinity | Amount::Number(_) | Amount::Share(_) => Ok(amount),
    }
}

/// A limit of tasks: a count from 1, a percentage of what the host allows, or `infinity`.
///
/// # Errors
/// Anything else.
pub fn tasks(text: &str) -> Result<Amount, String> {
    if text == "infinity" {
        return Ok(Amount::Infinity);
    }
    if let Some(share) = share(text)? {
        return Ok(share);
    }
    let count = unsigned(text).filter(|count| (1..u64::MAX).contains(count));
    count.map(Amount::Number).ok_or_else(|| format!("{text:?} is no number from 1, percentage, or infinity"))
}

/// `None` when `text` is no percentage at all.
fn share(text: &str) -> Result<Option<Amount>, String> {
    if !text.ends_with(['%', '‰', '‱']) {
        return Ok(None);
    }
    let share = u32::try_from(percentage(text)?).ok().filter(|share| *share <= 10_000);
    share.map(|share| Some(Amount::Share(share))).ok_or_else(|| format!("{text:?} is more than 100%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_shares_or_infinite() {
        assert_eq!(memory("1K", false), Ok(Amount::Number(1024)));
        assert_eq!(memory("12.5%", false), Ok(Amount::Share(1250)));
        assert_eq!((memory("infinity", false), memory("0", true)), (Ok(Amount::Infinity), Ok(Amount::Number(0))));
        assert_eq!((tasks("5"), tasks("10‰")), (Ok(Amount::Number(5)), Ok(Amount::Share(100))));
        for text in ["101%", "0", "0%", "-1", "x", ""] {
            assert!(memory(text, false).is_err(), "{text:?}");
        }
        for text in ["0", "1K", "101%", ""] {
            assert!(tasks(text).is_err(), "{text:?}");
        }
    }
}
