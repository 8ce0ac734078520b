//! What a node tells about itself: `fact.NAME`, for selectors (`Nodes=fact.arch=x86_64`) and for people.
//!
//! Collected once at the start of the agent and sent in its Hello. Labels are the coordinator's; facts are the
//! node's own word and decide nothing about trust. What this host does not tell is left out.

use std::collections::BTreeMap;
use std::fs;

/// The facts of this host:
///
/// | fact | value |
/// |---|---|
/// | `fact.arch`, `fact.kernel`, `fact.hostname` | as uname(2) has them: `x86_64`, `6.12.0`, `box7` |
/// | `fact.os`, `fact.os-version` | `ID` and `VERSION_ID` of os-release(5): `debian`, `12` |
/// | `fact.cpus` | processors this daemon may use |
/// | `fact.memory` | bytes of memory the host has |
/// | `fact.cgroup` | `v2` (a cgroup2 tree is mounted, whatever else), `v1`, `none` |
/// | `fact.root` | `yes` when the node runs as root, else `no` |
/// | `fact.fleet` | version of the node daemon |
#[must_use]
pub fn collect() -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.insert(format!("fact.{name}"), value);
        }
    };
    if let Ok(host) = nix::sys::utsname::uname() {
        put("arch", host.machine().to_str().map(str::to_owned));
        put("kernel", host.release().to_str().map(str::to_owned));
        put("hostname", host.nodename().to_str().map(str::to_owned));
    }
    let release = fs::read_to_string("/etc/os-release").or_else(|_| fs::read_to_string("/usr/lib/os-release"));
    let release = release.unwrap_or_default();
    put("os", os_release(&release, "ID"));
    put("os-version", os_release(&release, "VERSION_ID"));
    put("cpus", std::thread::available_parallelism().ok().map(|cpus| cpus.to_string()));
    put("memory", memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default()));
    put("cgroup", Some(cgroup(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()).to_owned()));
    put("root", Some(if nix::unistd::geteuid().is_root() { "yes" } else { "no" }.to_owned()));
    put("fleet", Some(env!("CARGO_PKG_VERSION").to_owned()));
    facts
}

/// A value of os-release(5), without its quotes.
fn os_release(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

/// `MemTotal` of proc_meminfo(5), in bytes; its kB are KiB.
fn memory(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some((kibibytes * 1024).to_string())
}

/// Which cgroup tree is mounted, by the file system types of proc_pid_mountinfo(5).
fn cgroup(text: &str) -> &'static str {
    let kind = |line: &str| line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').next().map(str::to_owned));
    let kinds: Vec<String> = text.lines().filter_map(kind).collect();
    if kinds.iter().any(|kind| kind == "cgroup2") {
        "v2"
    } else if kinds.iter().any(|kind| kind == "cgroup") {
        "v1"
    } else {
        "none"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_the_facts_that_every_linux_has() {
        let facts = collect();
        for name in ["arch", "kernel", "hostname", "cpus", "memory", "cgroup", "root"] {
            assert!(facts.contains_key(&format!("fact.{name}")), "{name} is missing in {facts:?}");
        }
    }

    #[test]
    fn the_os_is_read_with_and_without_quotes() {
        let text = "PRETTY_NAME=\"Some OS 9\"\nID=some\nVERSION_ID=\"9.1\"\n";
        assert_eq!(os_release(text, "ID").as_deref(), Some("some"));
        assert_eq!(os_release(text, "VERSION_ID").as_deref(), Some("9.1"));
        assert_eq!(os_release(text, "VARIANT"), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(memory("MemTotal:       2048 kB\nMemFree: 1 kB\n").as_deref(), Some("2097152"));
        assert_eq!(memory(""), None);
    }

    #[test]
    fn a_cgroup2_tree_counts_also_beside_v1() {
        let v1 = "30 24 0:26 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n";
        let v2 = "31 24 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let other = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
        assert_eq!(cgroup(&format!("{other}{v1}{v2}")), "v2");
        assert_eq!(cgroup(&format!("{other}{v1}")), "v1");
        assert_eq!(cgroup(other), "none");
    }
}
