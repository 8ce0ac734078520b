//! Time spans in nanoseconds (systemd's `parse_nsec`).

use super::span::TIME_UNITS;
use super::{decimal, scaled};

/// A time span whose numbers without a unit are nanoseconds; `infinity` is `None`.
///
/// # Errors
/// No number, an unknown unit, more than 584 years.
pub fn nanoseconds(text: &str) -> Result<Option<u64>, String> {
    if text == "infinity" {
        return Ok(None);
    }
    let wrong = || format!("{text:?} is no time span such as 50us");
    let mut rest = text.trim_start();
    let mut total: u64 = 0;
    loop {
        let (whole, fraction, behind) = decimal(rest).ok_or_else(wrong)?;
        let behind = behind.trim_start();
        let (factor, tail) = unit(behind).ok_or_else(wrong)?;
        // As in systemd, the last whole number that would fit is too long already.
        let part = if whole >= u64::MAX / factor { None } else { whole.checked_mul(factor) }
            .and_then(|part| part.checked_add(scaled(fraction, factor)));
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(|| format!("{text:?} is too long"))?;
        rest = tail.trim_start();
        if rest.is_empty() {
            return Ok(Some(total));
        }
    }
}

/// The unit at the beginning of `text` in nanoseconds, and what stands behind it.
fn unit(text: &str) -> Option<(u64, &str)> {
    let nano = ["nsec", "ns"].into_iter().find_map(|name| Some((1, text.strip_prefix(name)?)));
    let named = || TIME_UNITS.iter().find_map(|(name, micros)| Some((micros * 1000, text.strip_prefix(name)?)));
    let none = || text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_whitespace());
    nano.or_else(named).or_else(|| none().then_some((1, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_a_unit_are_nanoseconds() {
        assert_eq!((nanoseconds("50"), nanoseconds("1.5us")), (Ok(Some(50)), Ok(Some(1500))));
        assert_eq!((nanoseconds("1ms 2ns"), nanoseconds("infinity")), (Ok(Some(1_000_002)), Ok(None)));
        assert!(nanoseconds("").is_err() && nanoseconds("1x").is_err() && nanoseconds("-1").is_err());
        assert!(nanoseconds("600y").is_err());
    }
}
