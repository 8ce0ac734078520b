//! Time spans (systemd.time(7), "Parsing Time Spans").

use super::decimal;
use crate::syntax::WHITESPACE;
use std::time::Duration;

/// Units of time in microseconds, systemd.time(7); a month is 30.44 days, a year 365.25. As systemd does, the first
/// that the text begins with is taken, so longer names stand before shorter ones.
pub(super) const TIME_UNITS: &[(&str, u64)] = &[
    ("seconds", 1_000_000),
    ("second", 1_000_000),
    ("sec", 1_000_000),
    ("s", 1_000_000),
    ("minutes", 60_000_000),
    ("minute", 60_000_000),
    ("min", 60_000_000),
    ("months", 2_629_800_000_000),
    ("month", 2_629_800_000_000),
    ("M", 2_629_800_000_000),
    ("msec", 1_000),
    ("ms", 1_000),
    ("m", 60_000_000),
    ("hours", 3_600_000_000),
    ("hour", 3_600_000_000),
    ("hr", 3_600_000_000),
    ("h", 3_600_000_000),
    ("days", 86_400_000_000),
    ("day", 86_400_000_000),
    ("d", 86_400_000_000),
    ("weeks", 604_800_000_000),
    ("week", 604_800_000_000),
    ("w", 604_800_000_000),
    ("years", 31_557_600_000_000),
    ("year", 31_557_600_000_000),
    ("y", 31_557_600_000_000),
    ("usec", 1),
    ("us", 1),
    ("\u{3bc}s", 1),
    ("\u{b5}s", 1),
];

/// A time span: `5min 20s`, `1.5h`, `90` (seconds), `infinity` (`None`). Exact to a microsecond.
///
/// # Errors
/// No number, an unknown unit, a negative span, one that is too long (584,542 years).
pub fn time_span(text: &str) -> Result<Option<Duration>, String> {
    time_span_in(text, 1_000_000).map(|span| span.map(Duration::from_micros))
}

/// A time span in microseconds; numbers without a unit count `default_unit` microseconds.
pub(super) fn time_span_in(text: &str, default_unit: u64) -> Result<Option<u64>, String> {
    let mut rest = text.trim_matches(WHITESPACE);
    if rest == "infinity" {
        return Ok(None);
    }
    if rest.is_empty() {
        return Err("a time span is missing".to_owned());
    }
    let too_long = || format!("{text:?} is too long");
    let mut total: u64 = 0;
    while !rest.is_empty() {
        if rest.starts_with('-') {
            return Err(format!("{text:?} is negative"));
        }
        let (whole, fraction, behind) = span_number(rest).ok_or_else(|| match rest.len() < text.len() {
            true => no_unit_of_time(rest),
            false => format!("{text:?} is no time span such as 5min 20s"),
        })?;
        let word = behind.trim_start_matches(WHITESPACE);
        let unit = TIME_UNITS.iter().find_map(|(name, factor)| Some((*factor, word.strip_prefix(name)?)));
        let (factor, tail) = unit.unwrap_or((default_unit, word));
        if unit.is_none() && word.len() == behind.len() && !word.is_empty() {
            return Err(no_unit_of_time(word));
        }
        // As in systemd, the last whole number that would fit is too long already.
        let part = (whole < u64::MAX / factor).then(|| whole * factor);
        let part = part.and_then(|part| part.checked_add(span_fraction(fraction, factor)));
        let sum = part.and_then(|part| total.checked_add(part));
        total = sum.filter(|sum| *sum < u64::MAX).ok_or_else(too_long)?;
        rest = tail.trim_start_matches(WHITESPACE);
    }
    Ok(Some(total))
}

fn no_unit_of_time(rest: &str) -> String {
    let unit = rest.split(|c: char| c.is_ascii_digit() || WHITESPACE.contains(&c)).next().unwrap_or(rest);
    format!("{unit:?} is no unit of time (us ms s min h d w M y)")
}

/// The number of a time span, perhaps with a plus sign: its whole part, the digits behind its dot, and the rest.
fn span_number(text: &str) -> Option<(u64, &str, &str)> {
    match text.strip_prefix('+') {
        Some(unsigned) if unsigned.starts_with(|c: char| c.is_ascii_digit()) => decimal(unsigned),
        Some(_) => None,
        None => decimal(text),
    }
    // Whole parts are those of systemd's signed numbers.
    .filter(|(whole, ..)| i64::try_from(*whole).is_ok())
}

/// `0.fraction` times `factor`: systemd rounds down digit by digit.
fn span_fraction(fraction: &str, factor: u64) -> u64 {
    let mut of_digit = factor;
    let mut total = 0;
    for digit in fraction.bytes() {
        of_digit /= 10;
        total += u64::from(digit - b'0') * of_digit;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_those_of_systemd_time_7() {
        let micros = |text: &str| time_span(text).unwrap().unwrap().as_micros();
        for (text, expected) in [
            ("2 h", 7_200_000_000),
            ("2hours", 7_200_000_000),
            ("48hr", 172_800_000_000),
            ("1y 12month", 31_557_600_000_000 + 12 * 2_629_800_000_000),
            ("55s500ms", 55_500_000),
            ("300ms20s 5day", 20_300_000 + 432_000_000_000),
            ("5min 20s", 320_000_000),
            ("90", 90_000_000),
            ("0", 0),
            ("1.5h", 5_400_000_000),
            ("3.5", 3_500_000),
            ("1M 1m", 2_629_800_000_000 + 60_000_000),
            ("7us", 7),
            ("5 20", 25_000_000),
            ("+5", 5_000_000),
            ("5 +3", 8_000_000),
            (".5h", 1_800_000_000),
            ("12.34 .56", 12_900_000),
            ("5min3", 303_000_000),
            ("1.5us", 1),
            ("0.0000001M", 262_980),
            ("213503981d", 18_446_743_958_400_000_000),
        ] {
            assert_eq!(micros(text), expected, "{text:?}");
        }
        assert_eq!(time_span("infinity").unwrap(), None);
        for text in [
            "",
            "-1s",
            "5x",
            "s",
            "1..5s",
            "5min-3s",
            "99999999999y",
            "213503982d",
            "infinity 5s",
            "5.s",
            "1e3",
            "++5",
            "5+3",
            "5-3",
            "+.5",
            "9223372036854775808us",
            "1\u{e9}",
        ] {
            assert!(time_span(text).is_err(), "{text:?}");
        }
    }
}
