//! `%i` and its relatives (systemd.unit(5), "Specifiers").
//!
//! Those of the unit's name are always known. Those of the host are filled in on the node; the coordinator checks
//! them and leaves them as written.

use super::escape::{unescape, unescape_path};
use crate::ids::UnitName;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Specifiers that only a host can fill in.
const HOST: &str = "aAbBCdDEgGhHlLmMoqsStTuUvVwW";

/// Those of them that stand for an absolute path.
const PATHS: &str = "CdDEhLsStTV";

/// Whether `text` begins with a specifier that stands for an absolute path only a host knows.
pub(crate) fn begins_with_path(text: &str) -> bool {
    text.strip_prefix('%').is_some_and(|rest| rest.starts_with(|letter| PATHS.contains(letter)))
}

/// Whether `text`, in which the specifiers of the name are filled in, has one that only a host can fill in.
pub(crate) fn has_host_specifier(text: &str) -> bool {
    text.split('%').skip(1).any(|rest| rest.starts_with(|letter| HOST.contains(letter)))
}

/// `text` with something in place of what only a host can fill in, to see whether it would be fine.
pub(crate) fn with_example(text: &str) -> Cow<'_, str> {
    if !has_host_specifier(text) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split('%');
    let mut example = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.chars().next().filter(|letter| HOST.contains(*letter)) {
            Some(letter) => example.extend([if PATHS.contains(letter) { "/x" } else { "x" }, &part[1..]]),
            None => example.extend(["%", part]),
        }
    }
    Cow::Owned(example)
}

/// What specifiers stand for in one unit on one host.
#[derive(Clone, Copy, Debug)]
pub struct Specifiers<'a> {
    /// The unit.
    pub name: &'a UnitName,
    /// By letter; `None` leaves the host's specifiers as written.
    pub host: Option<&'a BTreeMap<char, String>>,
}

/// Why a text cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SpecifierError {
    /// Byte offset in the text, at the percent sign.
    pub offset: usize,
    /// What is wrong there.
    pub message: String,
}

impl Specifiers<'_> {
    /// `text` with its specifiers filled in; `%%` becomes `%`, a `%` that no letter or digit follows stays.
    ///
    /// # Errors
    /// An unknown specifier, one this host has no value for, an instance that cannot be unescaped, and a value with
    /// a control character.
    pub fn expand<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, SpecifierError> {
        if !text.contains('%') {
            return Ok(Cow::Borrowed(text));
        }
        let mut result = String::with_capacity(text.len() + 16);
        let mut chars = text.char_indices();
        while let Some((offset, c)) = chars.next() {
            match (c, chars.clone().next()) {
                ('%', Some((_, letter))) if letter == '%' || letter.is_ascii_alphanumeric() => {
                    chars.next();
                    let value = self.value(letter).map_err(|message| SpecifierError { offset, message })?;
                    if value.chars().any(char::is_control) {
                        let message = format!("%{letter} stands for a text with a control character here");
                        return Err(SpecifierError { offset, message });
                    }
                    result.push_str(&value);
                }
                _ => result.push(c),
            }
        }
        Ok(Cow::Owned(result))
    }

    /// What `%letter` stands for; `%letter` itself when only a host knows and there is none.
    pub(crate) fn value(&self, letter: char) -> Result<Cow<'_, str>, String> {
        let name = self.name;
        let instance = name.instance().unwrap_or_default();
        let last = || name.prefix().rsplit('-').next().unwrap_or_default();
        Ok(match letter {
            '%' => "%".into(),
            'n' => name.as_str().into(),
            'N' => name.stem().into(),
            'p' => name.prefix().into(),
            'P' => unescape(name.prefix())?.into(),
            'i' => instance.into(),
            'I' => unescape(instance)?.into(),
            'j' => last().into(),
            'J' => unescape(last())?.into(),
            'f' => unescape_path(if instance.is_empty() { name.prefix() } else { instance })?.into(),
            _ if HOST.contains(letter) => return self.host_value(letter),
            'y' | 'Y' => {
                return Err(format!(
                    "%{letter} (the unit file's path) means nothing here: units have no file on the node"
                ));
            }
            'c' | 'r' | 'R' => {
                return Err(format!(
                    "%{letter} (a path of systemd's cgroups) means nothing here: units have cgroups of their own"
                ));
            }
            _ => return Err(format!("%{letter} is no specifier; a percent sign is written %%")),
        })
    }

    fn host_value(&self, letter: char) -> Result<Cow<'_, str>, String> {
        let Some(host) = self.host else {
            return Ok(format!("%{letter}").into());
        };
        match (host.get(&letter), letter) {
            (Some(value), _) => Ok(value.as_str().into()),
            // The values of a system manager, systemd.unit(5).
            (None, 't') => Ok("/run".into()),
            (None, 'S') => Ok("/var/lib".into()),
            (None, 'C') => Ok("/var/cache".into()),
            (None, 'L') => Ok("/var/log".into()),
            (None, 'E') => Ok("/etc".into()),
            (None, 'T') => Ok("/tmp".into()),
            (None, 'V') => Ok("/var/tmp".into()),
            (None, 'D') => Ok("/usr/share".into()),
            // As systemd's `specifier_credentials_dir`.
            (None, 'd') => Ok(format!("{}/credentials/{}", self.host_value('t')?, self.name).into()),
            (None, _) => Err(format!("this host has no value for %{letter}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(name: &str, text: &str) -> Result<String, String> {
        let name = name.parse().unwrap();
        let specifiers = Specifiers { name: &name, host: None };
        specifiers.expand(text).map(Cow::into_owned).map_err(|error| format!("{}: {}", error.offset, error.message))
    }

    #[test]
    fn specifiers_of_the_name_are_filled_in() {
        let name = r"foo-bar@a-b\x2dc.service";
        assert_eq!(expand(name, "%n|%N|%p|%i").unwrap(), r"foo-bar@a-b\x2dc.service|foo-bar@a-b\x2dc|foo-bar|a-b\x2dc");
        assert_eq!(expand(name, "%P|%I|%j|%J|%f|%%i").unwrap(), "foo/bar|a/b-c|bar|bar|/a/b-c|%i");
        assert_eq!(expand("web.service", "[%i] %f 10%/1 %").unwrap(), "[] /web 10%/1 %");
    }

    #[test]
    fn an_example_stands_in_for_what_only_a_host_knows() {
        assert_eq!(with_example("a%m.%ib-%t%"), "ax.%ib-/x%");
        assert_eq!(with_example("a%"), "a%");
    }

    #[test]
    fn specifiers_of_the_host_stay_on_the_coordinator_and_are_filled_in_on_the_node() {
        assert_eq!(expand("a.service", "%H %t/x").unwrap(), "%H %t/x");
        let name: UnitName = "a.service".parse().unwrap();
        let host = BTreeMap::from([('H', "box".to_owned()), ('t', "/tmp/run".to_owned())]);
        let specifiers = Specifiers { name: &name, host: Some(&host) };
        assert_eq!(specifiers.expand("%H %t/x %S").unwrap(), "box /tmp/run/x /var/lib");
        assert_eq!(specifiers.expand("a %m").unwrap_err().offset, 2);
    }

    /// What systemd has, one a line; the node's own test looks at its values.
    #[test]
    fn every_specifier_of_systemd_is_filled_in_or_refused_with_a_reason() {
        let list = include_str!("../../testdata/directives/specifiers.txt").lines();
        let letters: Vec<(&str, &str)> = list
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let mut words = line.split(' ');
                (words.next().unwrap(), words.next().unwrap())
            })
            .collect();
        for (letter, whose) in &letters {
            let text = format!("%{letter}");
            match (*whose, expand("web@a.service", &text)) {
                ("name", Ok(value)) => assert!(!value.starts_with('%'), "{text} gave {value}"),
                ("host", Ok(value)) => assert_eq!(value, text),
                ("refused", Err(error)) => assert!(error.contains("means nothing here"), "{error}"),
                (_, other) => panic!("{text} is of {whose}: {other:?}"),
            }
        }
        let all = ('A'..='Z').chain('a'..='z').chain('0'..='9').map(|letter| letter.to_string());
        for letter in all.filter(|letter| !letters.iter().any(|(known, _)| known == letter)) {
            assert!(
                expand("web@a.service", &format!("%{letter}")).unwrap_err().contains("is no specifier"),
                "{letter}"
            );
        }
    }

    #[test]
    fn unknown_specifiers_and_smuggled_lines_are_errors() {
        assert!(expand("a.service", "ab%Q").unwrap_err().starts_with("2: %Q"));
        assert!(expand(r"a@x\x0ay.service", "%I").unwrap_err().contains("control character"));
        assert_eq!(expand(r"a@x\x0ay.service", "%i").unwrap(), r"x\x0ay");
        assert!(expand(r"a@x\q.service", "%I").unwrap_err().contains("unescaped"));
    }
}
