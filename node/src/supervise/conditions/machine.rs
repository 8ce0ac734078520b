//! What the machine is made of: architecture, CPUs, memory, firmware, power, kernel modules, cgroup controllers.

use super::unknown;
use fleet_units::diagnostic::Reason;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// uname(2)'s machine in systemd's words.
pub(super) fn architecture() -> String {
    word(&rustix::system::uname().machine().to_string_lossy()).to_owned()
}

fn word(machine: &str) -> &str {
    match machine {
        "x86_64" => "x86-64",
        "i386" | "i486" | "i586" | "i686" => "x86",
        "aarch64" => "arm64",
        "aarch64_be" => "arm64-be",
        "ppc64le" => "ppc64-le",
        "ppcle" => "ppc-le",
        "sh5" => "sh64",
        "sh2" | "sh2a" | "sh3" | "sh4" | "sh4a" => "sh",
        "mips" | "mips64" if cfg!(target_endian = "little") => {
            if machine == "mips" {
                "mips-le"
            } else {
                "mips64-le"
            }
        }
        arm if arm.starts_with("arm") && arm.ends_with('b') => "arm-be",
        arm if arm.starts_with("arm") => "arm",
        other => other,
    }
}

/// Bytes of memory the kernel has.
pub(super) fn memory() -> Result<u64, Reason> {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map(|size| size * 1024).ok_or_else(|| unknown("/proc/meminfo does not say how much memory there is"))
}

/// The CPUs this process may run on.
pub(super) fn cpus() -> Result<u64, Reason> {
    let set = rustix::thread::sched_getaffinity(None);
    set.map(|set| u64::from(set.count())).map_err(|error| unknown(format!("the CPUs are not told: {error}")))
}

/// The flags of the first CPU, in the kernel's words and, where those differ, in systemd's.
pub(super) fn cpu_features() -> BTreeSet<String> {
    features_of(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
}

fn features_of(cpuinfo: &str) -> BTreeSet<String> {
    const NAMES: [(&str, &str); 3] = [("pclmulqdq", "pclmul"), ("fma", "fma3"), ("xsave", "osxsave")];
    let named = |line: &str| {
        let (name, words) = line.split_once(':')?;
        ["flags", "Features"].contains(&name.trim()).then(|| words.to_owned())
    };
    let words = cpuinfo.lines().find_map(named).unwrap_or_default();
    let mut features: BTreeSet<String> = words.split_whitespace().map(str::to_owned).collect();
    let also = NAMES.iter().filter(|(kernel, _)| features.contains(*kernel)).map(|(_, own)| (*own).to_owned());
    let also: Vec<String> = also.collect();
    features.extend(also);
    features
}

/// `uefi`, `device-tree`, and `device-tree-compatible(X)` for each X.
pub(super) fn firmware() -> BTreeSet<String> {
    let there = |path: &str| Path::new(path).exists();
    let mut words = BTreeSet::new();
    words.extend(there("/sys/firmware/efi").then(|| "uefi".to_owned()));
    words.extend(there("/sys/firmware/devicetree").then(|| "device-tree".to_owned()));
    let compatible = fs::read("/proc/device-tree/compatible").unwrap_or_default();
    let names = compatible.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    words.extend(names.map(|name| format!("device-tree-compatible({})", String::from_utf8_lossy(name))));
    words
}

/// Whether a line is plugged in, or the machine has no socket for one.
pub(super) fn has_ac_power() -> bool {
    let supplies = fs::read_dir("/sys/class/power_supply").into_iter().flatten().flatten();
    let read = |path: &Path, name: &str| fs::read_to_string(path.join(name)).unwrap_or_default().trim().to_owned();
    let lines: Vec<bool> = supplies
        .map(|supply| supply.path())
        .filter(|path| read(path, "type") == "Mains" && read(path, "scope") != "Device")
        .map(|path| read(&path, "online") == "1")
        .collect();
    lines.is_empty() || lines.contains(&true)
}

/// Whether a module is loaded and ready, or built in.
pub(super) fn has_module(name: &str) -> bool {
    let name = name.replace('-', "_");
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return false;
    }
    let folder = Path::new("/sys/module").join(name);
    match fs::read_to_string(folder.join("initstate")) {
        Ok(state) => state.trim() == "live",
        Err(_) => folder.is_dir(),
    }
}

/// `v2` or `v1`, and the controllers of that tree.
pub(super) fn controllers() -> BTreeSet<String> {
    match fs::read_to_string("/sys/fs/cgroup/cgroup.controllers") {
        Ok(words) => words.split_whitespace().chain(["v2"]).map(str::to_owned).collect(),
        Err(_) => controllers_of_v1(&fs::read_to_string("/proc/cgroups").unwrap_or_default()),
    }
}

/// The enabled lines of /proc/cgroups.
fn controllers_of_v1(text: &str) -> BTreeSet<String> {
    let enabled = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.last() == Some(&"1") && !line.starts_with('#')).then(|| words[0].to_owned())
    };
    text.lines().filter_map(enabled).chain(["v1".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_have_systemds_words() {
        let words =
            [("x86_64", "x86-64"), ("i686", "x86"), ("armv7l", "arm"), ("armv7b", "arm-be"), ("riscv64", "riscv64")];
        for (machine, expected) in words {
            assert_eq!(word(machine), expected);
        }
    }

    #[test]
    fn cpu_features_have_both_names() {
        let features = features_of("processor\t: 0\nflags\t\t: fpu sse2 pclmulqdq fma\n");
        for name in ["fpu", "sse2", "pclmulqdq", "pclmul", "fma3"] {
            assert!(features.contains(name), "{name}");
        }
        assert!(features_of("").is_empty());
    }

    #[test]
    fn of_v1_the_enabled_controllers_are_told() {
        let text = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t4\t1\nblkio\t2\t4\t1\npids\t2\t4\t0\n";
        let words: Vec<_> = controllers_of_v1(text).into_iter().collect();
        assert_eq!(words, ["blkio", "cpu", "v1"]);
    }
}
