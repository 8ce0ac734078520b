//! Which virtualization this host runs in, by the signs systemd-detect-virt(1) goes by. Of nested ones the innermost
//! counts: a container before a machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// `container` or `vm` with the technology's own word, and `private-users`; empty on bare metal.
pub(super) fn words() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    match (container(), machine()) {
        (Some(own), _) => words.extend(["container".to_owned(), own]),
        (None, Some(own)) => words.extend(["vm".to_owned(), own]),
        (None, None) => {}
    }
    if has_private_users(&fs::read_to_string("/proc/self/uid_map").unwrap_or_default()) {
        words.insert("private-users".to_owned());
    }
    words
}

/// Whether the innermost virtualization is a container.
pub(super) fn is_container() -> bool {
    container().is_some()
}

fn container() -> Option<String> {
    let there = |path: &str| Path::new(path).exists();
    if there("/proc/vz") && !there("/proc/bc") {
        return Some("openvz".to_owned());
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if kernel.contains("Microsoft") || kernel.contains("WSL") {
        return Some("wsl".to_owned());
    }
    // What the container's manager leaves for those who may not read the first process's environment.
    let told = fs::read_to_string("/run/host/container-manager")
        .or_else(|_| fs::read_to_string("/run/systemd/container"))
        .ok()
        .or_else(|| variable_of_init("container"));
    match told.as_deref().map(str::trim).filter(|told| !told.is_empty()) {
        // Its own word for an OCI runtime says no more than the files do.
        Some("oci") | None => {}
        Some(word) => return Some(known_container(word).to_owned()),
    }
    let files = [("/run/.containerenv", "podman"), ("/.dockerenv", "docker")];
    files.iter().find(|(path, _)| there(path)).map(|(_, word)| (*word).to_owned())
}

fn known_container(word: &str) -> &str {
    const WORDS: [&str; 8] = ["lxc", "lxc-libvirt", "systemd-nspawn", "docker", "podman", "rkt", "proot", "pouch"];
    if WORDS.contains(&word) { word } else { "container-other" }
}

fn variable_of_init(name: &str) -> Option<String> {
    let block = fs::read("/proc/1/environ").ok()?;
    let value = |entry: &[u8]| {
        let text = String::from_utf8_lossy(entry);
        text.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    block.split(|byte| *byte == 0).find_map(value)
}

/// The start of a DMI text, and systemd's word.
const DMI: [(&str, &str); 16] = [
    ("KVM", "kvm"),
    ("OpenStack", "kvm"),
    ("KubeVirt", "kvm"),
    ("Amazon EC2", "amazon"),
    ("QEMU", "qemu"),
    ("VMware", "vmware"),
    ("VMW", "vmware"),
    ("innotek GmbH", "oracle"),
    ("VirtualBox", "oracle"),
    ("Oracle Corporation", "oracle"),
    ("Xen", "xen"),
    ("Bochs", "bochs"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Hyper-V", "microsoft"),
    ("Apple Virtualization", "apple"),
];

fn machine() -> Option<String> {
    let dmi = ["product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version"];
    let texts = dmi.into_iter().filter_map(|name| fs::read_to_string(format!("/sys/class/dmi/id/{name}")).ok());
    if let Some(word) = texts.filter_map(|text| of_dmi(&text)).next() {
        return Some(word.to_owned());
    }
    if fs::read_to_string("/sys/hypervisor/type").is_ok_and(|kind| kind.trim() == "xen") {
        return Some("xen".to_owned());
    }
    if fs::read_to_string("/proc/sysinfo").is_ok_and(|text| text.contains("z/VM")) {
        return Some("zvm".to_owned());
    }
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if cpuinfo.contains("User Mode Linux") {
        return Some("uml".to_owned());
    }
    is_virtual_cpu(&cpuinfo).then(|| hypervisor().to_owned())
}

fn of_dmi(text: &str) -> Option<&'static str> {
    DMI.iter().find(|(start, _)| text.starts_with(start)).map(|(_, word)| *word)
}

/// The bit of the CPU that says it is not alone.
fn is_virtual_cpu(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")).unwrap_or_default();
    flags.split_whitespace().any(|flag| flag == "hypervisor")
}

/// The hypervisor's own name where the CPU tells it.
fn hypervisor() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        let told = std::arch::x86_64::__cpuid(0x4000_0000);
        let name: Vec<u8> = [told.ebx, told.ecx, told.edx].into_iter().flat_map(u32::to_le_bytes).collect();
        let known: [(&[u8], &str); 10] = [
            (b"XenVMMXenVMM", "xen"),
            (b"KVMKVMKVM", "kvm"),
            (b"Linux KVM Hv", "kvm"),
            (b"TCGTCGTCGTCG", "qemu"),
            (b"VMwareVMware", "vmware"),
            (b"Microsoft Hv", "microsoft"),
            (b"bhyve bhyve ", "bhyve"),
            (b"QNXQVMBSQG", "qnx"),
            (b"ACRNACRNACRN", "acrn"),
            (b"SRESRESRESRE", "sre"),
        ];
        if let Some((_, word)) = known.iter().find(|(start, _)| name.starts_with(start)) {
            return word;
        }
    }
    "vm-other"
}

/// Whether ids here stand for others (user_namespaces(7)).
fn has_private_users(uid_map: &str) -> bool {
    let words: Vec<&str> = uid_map.split_whitespace().collect();
    !words.is_empty() && words != ["0", "0", "4294967295"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_virtualization_are_understood() {
        assert_eq!(of_dmi("KVM Virtual Machine\n"), Some("kvm"));
        assert_eq!(of_dmi("ThinkPad X1\n"), None);
        assert!(is_virtual_cpu("flags\t\t: fpu hypervisor lahf_lm\n") && !is_virtual_cpu("flags\t\t: fpu\n"));
        assert!(!has_private_users("         0          0 4294967295\n"));
        assert!(has_private_users("         0     100000      65536\n"));
        assert_eq!((known_container("lxc"), known_container("new-thing")), ("lxc", "container-other"));
    }
}
