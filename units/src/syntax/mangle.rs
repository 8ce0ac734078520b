//! Units as people name them: what `systemd-escape --mangle` and systemctl make of a command line's words.

use super::escape::escape_path;
use std::fmt::Write as _;

/// Longest name of a unit, in bytes.
const MAX: usize = crate::ids::UNIT_NAME_MAX;

/// Suffixes of every kind of unit that systemd has; Fleet has four of them.
pub const SUFFIXES: [&str; 11] =
    ["service", "target", "timer", "socket", "mount", "automount", "swap", "path", "slice", "scope", "device"];

/// The name of the unit that `text` means (systemd's `unit_name_mangle`): itself, the mount or device of an absolute
/// path, and otherwise the text with what a name cannot hold escaped, and with `.service` when it ends like no unit.
///
/// # Errors
/// Nothing at all, and what gives a name that is too long or begins with an `@`.
pub fn mangle(text: &str) -> Result<String, String> {
    if is_unit_name(text) {
        return Ok(text.to_owned());
    }
    if text.starts_with('/')
        && let Ok(escaped) = escape_path(text)
    {
        return Ok(format!("{escaped}.{}", if is_device(&escaped) { "device" } else { "mount" }));
    }
    let mut name = String::with_capacity(text.len() + ".service".len());
    for byte in text.bytes() {
        match byte {
            b'/' => name.push('-'),
            _ if is_allowed(byte) => name.push(char::from(byte)),
            _ => write!(name, "\\x{byte:02x}").expect("a String takes what is written"),
        }
    }
    if !is_unit_name(&name) {
        name += ".service";
    }
    if is_unit_name(&name) { Ok(name) } else { Err(format!("{text:?} names no unit")) }
}

/// Below /dev and /sys are devices.
fn is_device(escaped: &str) -> bool {
    ["dev", "sys"].iter().any(|root| escaped.strip_prefix(root).is_some_and(|rest| rest.starts_with('-')))
}

/// Whether `text` is the name of a unit of any kind that systemd has.
fn is_unit_name(text: &str) -> bool {
    let stem = suffix(text).map(|suffix| &text[..text.len() - suffix.len() - 1]);
    let fits = |stem: &str| !stem.is_empty() && !stem.starts_with('@') && stem.bytes().all(is_allowed);
    text.len() <= MAX && stem.is_some_and(fits)
}

fn suffix(text: &str) -> Option<&str> {
    text.rsplit_once('.').map(|(_, suffix)| suffix).filter(|suffix| SUFFIXES.contains(suffix))
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"@:-_.\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_are_services_and_paths_are_mounts_or_devices() {
        for (text, name) in [
            ("nginx", "nginx.service"),
            ("worker@1", "worker@1.service"),
            ("all.target", "all.target"),
            ("a b/c", r"a\x20b-c.service"),
            ("nginx.conf", "nginx.conf.service"),
            ("/var/lib", "var-lib.mount"),
            ("/", "-.mount"),
            ("/dev/sda", "dev-sda.device"),
            ("/dev", "dev.mount"),
            ("/a/../b", "-a-..-b.service"),
        ] {
            assert_eq!(mangle(text).as_deref(), Ok(name), "{text:?}");
        }
        assert!(mangle("").is_err() && mangle("@1").is_err() && mangle(&"a".repeat(250)).is_err());
    }
}
