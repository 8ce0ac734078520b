//! Values of directives: sizes, booleans, modes, limits, assignments (systemd.syntax(7), systemd.exec(5)); below it
//! what has a grammar of its own.
//!
//! Each function takes the value as written, without outer white space, and gives an error for people.

pub mod address;
pub mod amount;
pub mod capability;
pub mod credential;
pub mod device;
pub mod encoding;
pub mod kernel;
pub mod mount;
pub mod nanoseconds;
pub mod number;
pub mod ranges;
mod span;
pub mod system_call;

pub use span::time_span;

use crate::syntax::fields;
use crate::syntax::variables::is_name;
use span::time_span_in;

/// `1 yes y true t on` and `0 no n false f off`, in any case.
///
/// # Errors
/// Anything else.
pub fn boolean(text: &str) -> Result<bool, String> {
    const YES: [&str; 6] = ["1", "yes", "y", "true", "t", "on"];
    const NO: [&str; 6] = ["0", "no", "n", "false", "f", "off"];
    let is = |words: [&str; 6]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match (is(YES), is(NO)) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(format!("{text:?} is neither yes nor no")),
    }
}

/// The decimal number at the beginning of `text`: its whole part, the digits behind its dot, and the rest.
fn decimal(text: &str) -> Option<(u64, &str, &str)> {
    let (whole, rest) = text.split_at(digits(text));
    match rest.strip_prefix('.') {
        Some(behind) => {
            let (fraction, rest) = behind.split_at(digits(behind));
            let whole = if whole.is_empty() { Some(0) } else { whole.parse().ok() };
            whole.filter(|_| !fraction.is_empty()).map(|whole| (whole, fraction, rest))
        }
        None => whole.parse().ok().map(|whole| (whole, "", rest)),
    }
}

/// How many digits `text` begins with.
fn digits(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

/// `0.fraction` times `factor`, rounded down.
fn scaled(fraction: &str, factor: u64) -> u64 {
    // More than 18 digits cannot matter: the largest factor has 19.
    let digits = &fraction[..fraction.len().min(18)];
    let (value, one) =
        digits.bytes().fold((0u128, 1u128), |(value, one), digit| (value * 10 + u128::from(digit - b'0'), one * 10));
    u64::try_from(value * u128::from(factor) / one).expect("it is less than the factor")
}

/// Units of sizes, by the power of the base.
const SIZE_UNITS: &[(&str, u32)] = &[("E", 6), ("P", 5), ("T", 4), ("G", 3), ("M", 2), ("K", 1), ("B", 0), ("", 0)];

/// A size in bytes: `64K`, `1.5G`; K, M, G, T, P, E to the base 1024.
///
/// # Errors
/// No number, an unknown unit, more than 2^64 - 1 bytes.
pub fn bytes(text: &str) -> Result<u64, String> {
    bytes_to_base(text, 1024)
}

/// A size in bytes or `infinity` (`None`).
///
/// # Errors
/// What [`bytes`] refuses, and 2^64 - 1, which stands for infinity in systemd and in the kernel.
pub fn size(text: &str) -> Result<Option<u64>, String> {
    size_to_base(text, 1024)
}

/// As [`size`], to another base: rates of IO count 1000 (systemd.resource-control(5)).
///
/// # Errors
/// No number, an unknown unit, more than 2^64 - 2 bytes.
pub fn size_to_base(text: &str, base: u64) -> Result<Option<u64>, String> {
    if text == "infinity" {
        return Ok(None);
    }
    match bytes_to_base(text, base)? {
        u64::MAX => Err(format!("{text:?} is too large; no limit at all is written infinity")),
        bytes => Ok(Some(bytes)),
    }
}

fn bytes_to_base(text: &str, base: u64) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size such as 512M");
    let mut rest = text;
    let mut total: u64 = 0;
    // Several parts must get smaller, "1G 512M".
    let mut largest = u64::MAX;
    loop {
        let unsigned = rest.strip_prefix('+').unwrap_or(rest);
        let (whole, behind) = unsigned.split_at(digits(unsigned));
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        // Unlike in other numbers, no digit need follow a dot.
        let (fraction, behind) = match behind.strip_prefix('.') {
            Some(behind) => behind.split_at(digits(behind)),
            None => ("", behind),
        };
        let behind = behind.trim_start();
        let (name, power) = SIZE_UNITS.iter().find(|(name, _)| behind.starts_with(name)).ok_or_else(wrong)?;
        let factor = base.pow(*power);
        let part = whole.checked_mul(factor).and_then(|part| part.checked_add(scaled(fraction, factor)));
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(|| format!("{text:?} is too large"))?;
        rest = behind[name.len()..].trim_start();
        if factor >= largest {
            return Err(wrong());
        }
        if rest.is_empty() {
            return Ok(total);
        }
        largest = factor;
    }
}

/// An octal mode of at most 07777.
///
/// # Errors
/// Anything else.
pub fn mode(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let value = digits.then(|| u32::from_str_radix(text, 8).ok()).flatten();
    value.filter(|mode| *mode <= 0o7777).ok_or_else(|| format!("{text:?} is no mode such as 0755"))
}

/// A whole number between `low` and `high`, in one of the notations of [`number`].
///
/// # Errors
/// Anything else.
pub fn integer(text: &str, low: i64, high: i64) -> Result<i64, String> {
    let number = number::signed(text).filter(|number| (low..=high).contains(number));
    number.ok_or_else(|| format!("{text:?} is no whole number from {low} to {high}"))
}

/// A percentage, `25%`, in hundredths of a percent; may exceed 100 %. `‰` and `‱` are understood as well.
///
/// # Errors
/// Anything else, and more than 2^31 - 1 hundredths, where systemd stops counting.
pub fn percentage(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no percentage such as 25%");
    let (digits, factor, places) = match text.char_indices().next_back() {
        Some((end, '%')) => (&text[..end], 100, 2),
        Some((end, '‰')) => (&text[..end], 10, 1),
        Some((end, '‱')) => (&text[..end], 1, 0),
        _ => return Err(wrong()),
    };
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
    let fraction = match fraction {
        Some("") => return Err(wrong()),
        other => other.unwrap_or_default(),
    };
    if fraction.len() > places || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let share = number::unsigned(whole).ok_or_else(wrong)?.checked_mul(factor);
    let share = share.and_then(|share| share.checked_add(scaled(fraction, factor)));
    share.filter(|share| i32::try_from(*share).is_ok()).ok_or_else(|| format!("{text:?} is too large"))
}

/// `Limit*=`: (soft, hard), `None` is infinity. `resource` is the key without `Limit`.
///
/// # Errors
/// A value the resource cannot have, and a soft limit above the hard one.
pub fn limit(resource: &str, text: &str) -> Result<(Option<u64>, Option<u64>), String> {
    let one = |text: &str| limit_value(resource, text.trim_start());
    let fields = fields::plain(text).map_err(|error| error.message)?;
    let (soft, hard) = match &fields.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [both] => (one(both)?, one(both)?),
        // One more colon at the end is no mistake to systemd.
        [soft, hard] | [soft, hard, ""] => (one(soft)?, one(hard)?),
        _ => return Err(format!("{text:?} is more than a soft limit and a hard one")),
    };
    if soft.unwrap_or(u64::MAX) > hard.unwrap_or(u64::MAX) {
        return Err(format!("in {text:?} the soft limit is above the hard one"));
    }
    Ok((soft, hard))
}

fn limit_value(resource: &str, text: &str) -> Result<Option<u64>, String> {
    if text == "infinity" && resource != "NICE" {
        return Ok(None);
    }
    match resource {
        "FSIZE" | "DATA" | "STACK" | "CORE" | "RSS" | "AS" | "MEMLOCK" | "MSGQUEUE" => size(text.trim_end()),
        // Seconds, rounded up.
        "CPU" => Ok(time_span_in(text, 1_000_000)?.map(|micros| micros.div_ceil(1_000_000))),
        "RTTIME" => time_span_in(text, 1),
        "NICE" => nice_limit(text).map(Some),
        _ => match number::unsigned(text) {
            Some(number) if number < u64::MAX => Ok(Some(number)),
            _ => Err(format!("{text:?} is no number or infinity")),
        },
    }
}

/// `+5` and `-5` are nice levels, other numbers the limit of setrlimit(2): 20 minus the level.
fn nice_limit(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is neither a nice level from -20 to +19 nor a limit from 0 to 40");
    let (level, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (true, digits.trim_start()),
        None => (false, text),
    };
    let number = number::unsigned(digits).and_then(|number| i64::try_from(number).ok()).ok_or_else(wrong)?;
    let number = if text.starts_with('-') { -number } else { number };
    let fits = if level { (-20..20).contains(&number) } else { (0..=40).contains(&number) };
    let limit = if level { 20 - number } else { number };
    u64::try_from(limit).ok().filter(|_| fits).ok_or_else(wrong)
}

/// The halves of one `NAME=value` word of `Environment=`.
///
/// # Errors
/// No `=`, a name that is none, a control character in the value other than tab and line end.
pub fn assignment(word: &str) -> Result<(String, String), String> {
    let (name, value) = word.split_once('=').ok_or_else(|| format!("{word:?} is no assignment NAME=value"))?;
    if !is_name(name) {
        return Err(format!("{name:?} is no name of a variable (letters, digits and _, no digit first)"));
    }
    if value.chars().any(|c| c.is_ascii_control() && c != '\t' && c != '\n') {
        return Err(format!("the value of {name} holds a control character"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Whether `text` can be the name or number of a user or group (systemd's relaxed rule, "User/Group Name Syntax"; its
/// `valid_user_group_name`).
///
/// # Errors
/// Empty, too long, or with what breaks files such as /etc/passwd; numbers that mean "none", or would be octal.
pub fn account(text: &str) -> Result<(), String> {
    let bad = |why: &str| Err(format!("{text:?} is no user or group: {why}"));
    if text.is_empty() || text.len() > 256 {
        return bad("it must have 1 to 256 bytes");
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return match text.parse::<u32>() {
            // 65535 and 4294967295 mean "no id" to the kernel.
            Ok(0xffff | u32::MAX) | Err(_) => bad("the number is not allowed"),
            Ok(number) if number.to_string() != text => bad("a number has no zeros in front"),
            Ok(_) => Ok(()),
        };
    }
    if text.strip_prefix('-').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit())) {
        return bad("a number cannot be negative");
    }
    if text == "." || text == ".." || text.starts_with(' ') || text.ends_with(' ') {
        return bad("it must not be . or .., nor begin or end with a space");
    }
    match text.chars().find(|c| c.is_control() || ":/".contains(*c)) {
        Some(c) => bad(&format!("{c:?} is not allowed")),
        None => Ok(()),
    }
}

/// An absolute path without `..`, doubled slashes removed.
///
/// # Errors
/// A relative path, `..`, a control character, more than 4095 bytes.
pub fn absolute_path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("the path {text:?} is not absolute"));
    }
    plain_path(text)
}

/// A path, absolute or not, with doubled slashes and `.` removed, and none of what [`absolute_path`] refuses.
///
/// # Errors
/// `..`, a control character, nothing, more than 4095 bytes, more than 255 in one name.
pub fn plain_path(text: &str) -> Result<String, String> {
    if text.len() > 4095 {
        return Err("a path has at most 4095 bytes".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err(format!("the path {text:?} holds a control character"));
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.iter().any(|part| part.len() > 255) {
        return Err("a name in a path has at most 255 bytes".to_owned());
    }
    if parts.contains(&"..") {
        return Err(format!("the path {text:?} holds \"..\""));
    }
    match (text.starts_with('/'), parts.is_empty()) {
        (true, _) => Ok(format!("/{}", parts.join("/"))),
        (false, true) => Err("a path is missing".to_owned()),
        (false, false) => Ok(parts.join("/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_to_the_base_1024() {
        assert_eq!(size("64K").unwrap(), Some(65_536));
        assert_eq!(size("1.5G").unwrap(), Some(1_610_612_736));
        assert_eq!(size("1G 512M").unwrap(), Some(1_610_612_736));
        assert_eq!(size("10").unwrap(), Some(10));
        assert_eq!(size("infinity").unwrap(), None);
        for text in ["", "K", "5k", "5X", "-1", "512M 1G", "17179869184G"] {
            assert!(size(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn limits_have_the_unit_of_their_resource() {
        assert_eq!(limit("NOFILE", "1024:524288").unwrap(), (Some(1024), Some(524_288)));
        assert_eq!(limit("NOFILE", "infinity").unwrap(), (None, None));
        assert_eq!(limit("NOFILE", r"1\2:1\3:").unwrap(), (Some(12), Some(13)));
        assert_eq!(limit("CORE", "0:infinity").unwrap(), (Some(0), None));
        assert_eq!(limit("MEMLOCK", "64K").unwrap().0, Some(65_536));
        assert_eq!(limit("CPU", "1500ms").unwrap().0, Some(2));
        assert_eq!(limit("RTTIME", "200ms").unwrap().0, Some(200_000));
        assert_eq!(limit("RTTIME", "5").unwrap().0, Some(5));
        assert_eq!(limit("NICE", "-5").unwrap().0, Some(25));
        assert_eq!(limit("NICE", "+19").unwrap().0, Some(1));
        for (resource, text) in [
            ("NOFILE", "2:1"),
            ("NOFILE", "64K"),
            ("NOFILE", "infinity:5"),
            ("NICE", "41"),
            ("NICE", "+20"),
            ("CPU", ""),
            ("CPU", "1:"),
            ("CPU", "1:2:3"),
            ("CPU", "1\\"),
        ] {
            assert!(limit(resource, text).is_err(), "{resource} {text:?}");
        }
    }

    #[test]
    fn small_values_are_checked() {
        assert_eq!((boolean("Yes"), boolean("off")), (Ok(true), Ok(false)));
        assert!(boolean("maybe").is_err());
        assert_eq!((mode("0755"), mode("2755")), (Ok(0o755), Ok(0o2755)));
        assert!(mode("0o755").is_err() && mode("888").is_err() && mode("17777").is_err() && mode("+7").is_err());
        assert_eq!((percentage("12.5%"), percentage("12.5‰"), percentage("3‱")), (Ok(1250), Ok(125), Ok(3)));
        assert!(percentage("1.234%").is_err() && percentage("1.5‱").is_err());
        assert_eq!(size_to_base("1.5M", 1000), Ok(Some(1_500_000)));
        assert!(percentage("12").is_err() && integer("20", -20, 19).is_err());
        assert_eq!(assignment("A=b=c").unwrap(), ("A".to_owned(), "b=c".to_owned()));
        assert!(assignment("1A=b").is_err() && assignment("A").is_err() && assignment("A-B=c").is_err());
        for name in ["www-data", "1000", "_x", "a.b", "DOMAIN\\user", "a b", "-x", "+1"] {
            assert!(account(name).is_ok(), "{name:?}");
        }
        for name in ["", "-1", "-", "a:b", "a/b", "a ", "010", "4294967295", "65535", "..", "a\tb"] {
            assert!(account(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn paths_are_cleaned_and_never_lead_upwards() {
        assert_eq!(absolute_path("//a/./b//").unwrap(), "/a/b");
        assert_eq!(plain_path("a//b").unwrap(), "a/b");
        assert!(absolute_path("a").is_err() && absolute_path("/a/../b").is_err() && plain_path("").is_err());
        assert!(plain_path("../a").is_err() && plain_path("a\nb").is_err());
    }
}
