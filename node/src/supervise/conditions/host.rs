//! What the host is called, what it runs, how it was booted.

use super::super::env_file;
use super::{paths, virtualization};
use fleet_units::conditions::Fact;
use fleet_units::spec::value;
use fleet_units::syntax::words::{Escapes, split};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The host's name, and the ids that stand for it: of the machine, the boot, the product.
pub(super) fn names() -> Fact {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().replace('-', "").to_ascii_lowercase();
    let ids = ["/etc/machine-id", "/proc/sys/kernel/random/boot_id", "/sys/class/dmi/id/product_uuid"];
    let ids = ids.into_iter().map(read).filter(|id| id.len() == 32);
    Fact::Named { names: BTreeSet::from([name]), ids: ids.collect() }
}

/// The words the kernel was booted with; in a container those its first process was started with.
pub(super) fn command_line() -> Vec<String> {
    if virtualization::is_container() {
        let line = fs::read("/proc/1/cmdline").unwrap_or_default();
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        return words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    }
    words_of(&fs::read_to_string("/proc/cmdline").unwrap_or_default())
}

fn words_of(line: &str) -> Vec<String> {
    match split(line, Escapes::Plain) {
        Ok(words) => words.into_iter().map(|word| word.text).collect(),
        // A quote that nothing closes.
        Err(_) => line.split_whitespace().map(str::to_owned).collect(),
    }
}

/// Versions by component: `kernel`, and `glibc` where this program is built with it.
pub(super) fn versions() -> BTreeMap<String, String> {
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut versions = BTreeMap::from([("kernel".to_owned(), kernel)]);
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: gnu_get_libc_version(3) gives a static, terminated text.
        let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
        versions.insert("glibc".to_owned(), version.to_string_lossy().into_owned());
    }
    versions
}

/// The fields of os-release(5).
pub(super) fn os_release() -> BTreeMap<String, String> {
    let text = fs::read_to_string("/etc/os-release").or_else(|_| fs::read_to_string("/usr/lib/os-release"));
    env_file::parse(&text.unwrap_or_default()).into_iter().collect()
}

/// systemd leaves this file as long as the first boot of an installation lasts.
pub(super) fn is_first_boot() -> bool {
    fs::exists("/run/systemd/first-boot").unwrap_or(false)
}

/// Whether /usr is newer than `folder` says it was updated for. `systemd.condition_needs_update=` of the kernel command
/// line overrides that.
pub(super) fn needs_update(folder: &str) -> bool {
    const SWITCHES: [&str; 2] = ["systemd.condition_needs_update", "systemd.condition-needs-update"];
    let switch = command_line().into_iter().rev().find_map(|word| match word.split_once('=') {
        Some((name, value)) if SWITCHES.contains(&name) => value::boolean(value).ok(),
        None if SWITCHES.contains(&word.as_str()) => Some(true),
        Some(_) | None => None,
    });
    if let Some(switch) = switch {
        return switch;
    }
    if paths::is_read_only(folder) == Some(true) {
        return false;
    }
    let changed = |path: &str| fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).ok();
    match (changed(&format!("{folder}/.updated")), changed("/usr/")) {
        (Some(updated), Some(usr)) => usr > updated,
        // Rather one update too many than one too few.
        (None, _) | (_, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_command_line_is_words_and_quotes_may_hold_spaces() {
        assert_eq!(words_of("quiet a=\"b c\" root=/dev/sda\n"), ["quiet", "a=b c", "root=/dev/sda"]);
        assert_eq!(words_of("it's fine"), ["it's", "fine"]);
    }
}
