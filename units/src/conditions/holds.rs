//! One condition against the fact it asks for. Each subject's rule is that of systemd.unit(5).

use super::compare::Operator;
use super::{Fact, pattern};
use crate::spec::condition::Subject;
use crate::spec::value;
use crate::syntax::words::{Escapes, split};
use std::collections::{BTreeMap, BTreeSet};

/// Whether `subject` with `argument` holds on a host of which `fact` is true; its `!` is not looked at.
///
/// # Errors
/// Why it cannot be judged: the argument says nothing for this subject, or the fact has another shape. Such a condition
/// is never met.
pub fn holds(subject: Subject, argument: &str, fact: &Fact) -> Result<bool, String> {
    match (subject, fact) {
        (Subject::FirstBoot | Subject::AcPower, Fact::Is(is)) => Ok(value::boolean(argument)? == *is),
        (_, Fact::Is(is)) => Ok(*is),
        (Subject::Architecture, Fact::Text(own)) => Ok(argument == "native" || argument == own),
        (Subject::Virtualization, Fact::Words(words)) => Ok(virtualization(argument, words)),
        (Subject::KernelCommandLine | Subject::Environment, Fact::Words(words)) => Ok(has_word(argument, words)),
        (Subject::CpuFeature, Fact::Words(words)) => Ok(words.contains(&argument.to_ascii_lowercase())),
        (Subject::ControlGroupController, Fact::Words(words)) => controllers(argument, words),
        (Subject::Security | Subject::Firmware, Fact::Words(words)) => Ok(words.contains(argument)),
        (Subject::Firmware, Fact::Fields(fields)) => smbios(argument, fields),
        (Subject::Capability, Fact::Number(bounding)) => capability(argument, *bounding),
        (Subject::Memory, Fact::Number(bytes)) => {
            compared(argument, *bytes, |text| value::size(text).map(|size| size.unwrap_or(u64::MAX)))
        }
        (Subject::Cpus, Fact::Number(cpus)) => {
            compared(argument, *cpus, |text| text.parse().map_err(|_| format!("{text:?} is no number of CPUs")))
        }
        (Subject::MemoryPressure | Subject::CpuPressure | Subject::IoPressure, Fact::Number(now)) => {
            Ok(*now <= argument.parse::<Pressure>()?.limit)
        }
        (Subject::Host, Fact::Named { names, ids }) => Ok(host(argument, names, ids)),
        (Subject::User | Subject::Group, Fact::Named { names, ids }) => {
            Ok(names.contains(argument) || ids.contains(argument))
        }
        (Subject::KernelVersion | Subject::Version, Fact::Fields(versions)) => version(argument, versions),
        (Subject::OsRelease, Fact::Fields(fields)) => os_release(argument, fields),
        (subject, fact) => Err(format!("{} cannot be told from {fact:?}", subject.as_str())),
    }
}

/// `yes`, `no`, `vm`, `container`, `private-users`, or one technology; `words` are those that are true here.
fn virtualization(argument: &str, words: &BTreeSet<String>) -> bool {
    match value::boolean(argument) {
        Ok(any) => any == words.iter().any(|word| word != "private-users"),
        Err(_) => words.contains(argument),
    }
}

/// `NAME=value` as it stands, or `NAME` with any value or none.
fn has_word(argument: &str, words: &BTreeSet<String>) -> bool {
    let name = |word: &String| word.split_once('=').map_or(word.as_str(), |(name, _)| name) == argument;
    words.contains(argument) || (!argument.contains('=') && words.iter().any(name))
}

/// `v1`, `v2`, or controllers that must all be there.
fn controllers(argument: &str, words: &BTreeSet<String>) -> Result<bool, String> {
    let mut wanted = argument.split_ascii_whitespace().peekable();
    if wanted.peek().is_none() {
        return Err("no controller is named".to_owned());
    }
    Ok(wanted.all(|word| words.contains(word)))
}

fn capability(argument: &str, bounding: u64) -> Result<bool, String> {
    let number = value::capability::capability(argument).ok_or_else(|| format!("{argument:?} is no capability"))?;
    Ok(bounding >> number & 1 == 1)
}

/// A number behind an operator; without one, at least that number.
fn compared(argument: &str, actual: u64, read: impl Fn(&str) -> Result<u64, String>) -> Result<bool, String> {
    let (operator, rest) = Operator::of_numbers(argument).unwrap_or((Operator::GreaterOrEqual, argument));
    Ok(operator.fits(actual.cmp(&read(rest.trim())?)))
}

/// An id of 128 bits, with or without dashes, or a pattern of names in any case.
fn host(argument: &str, names: &BTreeSet<String>, ids: &BTreeSet<String>) -> bool {
    let id = argument.replace('-', "").to_ascii_lowercase();
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pattern = argument.to_lowercase();
    (is_id && ids.contains(&id)) || names.iter().any(|name| pattern::matches(&pattern, &name.to_lowercase()))
}

/// `[kernel|glibc|systemd] EXPRESSION…`: all of them are about that component, the kernel when none is named.
fn version(argument: &str, versions: &BTreeMap<String, String>) -> Result<bool, String> {
    let end = argument.find(|c: char| "!$<=>".contains(c) || c.is_ascii_whitespace()).unwrap_or(argument.len());
    let (component, expressions) = match &argument[..end] {
        named @ ("kernel" | "glibc" | "systemd") => (named, &argument[end..]),
        _ => ("kernel", argument),
    };
    let actual = versions.get(component).ok_or_else(|| format!("this host has no version of {component}"))?;
    let words = words(expressions)?;
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let (operator, mut expected) = Operator::of_texts(word).unwrap_or((Operator::Matches, word));
        if expected.trim().is_empty() {
            expected = words.next().ok_or_else(|| format!("nothing stands behind {word}"))?;
        }
        if !operator.fits_texts(actual, expected.trim()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `FIELD OPERATOR VALUE…` without white space; a field that is not there is empty.
fn os_release(argument: &str, fields: &BTreeMap<String, String>) -> Result<bool, String> {
    for expression in words(argument)? {
        let wrong = || format!("{expression:?} is no comparison such as ID=debian");
        let end = expression.find(|c| "!$<=>".contains(c)).ok_or_else(wrong)?;
        let (name, rest) = expression.split_at(end);
        let (operator, expected) = Operator::of_texts(rest).ok_or_else(wrong)?;
        if name.is_empty() || expected.is_empty() || expected.starts_with(char::is_whitespace) {
            return Err(wrong());
        }
        if !operator.fits_texts(fields.get(name).map_or("", String::as_str), expected) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The field of `smbios-field(FIELD OPERATOR VALUE)`, a name below /sys/class/dmi/id; `None` for other arguments of
/// `ConditionFirmware=`.
#[must_use]
pub fn smbios_field(argument: &str) -> Option<&str> {
    Some(smbios_expression(argument)?.0)
}

/// The field, and the comparison behind it.
fn smbios_expression(argument: &str) -> Option<(&str, &str)> {
    let inner = argument.strip_prefix("smbios-field(")?.strip_suffix(')')?;
    let (name, comparison) = inner.split_at(inner.find(|c| "!$<=>".contains(c))?);
    let name = name.trim_end();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!name.is_empty() && name.bytes().all(plain)).then_some((name, comparison))
}

fn smbios(argument: &str, fields: &BTreeMap<String, String>) -> Result<bool, String> {
    let wrong = || format!("{argument:?} is no comparison such as smbios-field(bios_vendor = X)");
    let (name, comparison) = smbios_expression(argument).ok_or_else(wrong)?;
    let (operator, expected) = Operator::of_texts(comparison).ok_or_else(wrong)?;
    let expected = match &*words(expected)? {
        [one] => one.clone(),
        _ => return Err(wrong()),
    };
    Ok(fields.get(name).is_some_and(|actual| operator.fits_texts(actual, &expected)))
}

fn words(text: &str) -> Result<Vec<String>, String> {
    let words = split(text, Escapes::Plain).map_err(|error| error.message)?;
    Ok(words.into_iter().map(|word| word.text).collect())
}

/// The argument of `Condition*Pressure=`: `[SLICE:]LIMIT%[/WINDOW]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// The slice; `None`: the whole host.
    pub slice: Option<String>,
    /// Which of the kernel's averages.
    pub window: Window,
    /// Hundredths of a percent.
    pub limit: u64,
}

/// The averages the kernel keeps of pressure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Window {
    /// Ten seconds.
    TenSeconds,
    /// A minute.
    Minute,
    /// Five minutes.
    #[default]
    FiveMinutes,
}

impl std::str::FromStr for Pressure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (slice, rest) = match text.split_once(':') {
            Some((slice, rest)) => (Some(slice.trim().to_owned()), rest),
            None => (None, text),
        };
        let (limit, window) = match rest.split_once('/') {
            Some((limit, window)) => (limit, window.trim().parse()?),
            None => (rest, Window::default()),
        };
        Ok(Pressure { slice, window, limit: value::percentage(limit.trim())? })
    }
}

impl std::str::FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = [("10sec", Window::TenSeconds), ("1min", Window::Minute), ("5min", Window::FiveMinutes)];
        let found = words.into_iter().find(|(word, _)| text.starts_with(word));
        found.map(|(_, window)| window).ok_or_else(|| format!("{text:?} is none of 10sec, 1min, 5min"))
    }
}

#[cfg(test)]
mod tests;
