//! Security technologies of the kernel and the firmware.

use super::unknown;
use fleet_units::conditions::Fact;
use fleet_units::diagnostic::Reason;
use rustix::net::{AddressFamily, SocketType, netlink, socket};
use std::fs;
use std::path::Path;

/// The word asked for when it is on; unknown words never are.
pub(super) fn fact(word: &str) -> Result<Fact, Reason> {
    let there = |path: &str| Path::new(path).exists();
    let on = match word {
        "selinux" => there("/sys/fs/selinux/enforce"),
        "smack" => there("/sys/fs/smackfs"),
        "apparmor" => fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|on| on.starts_with('Y')),
        "tomoyo" => there("/sys/kernel/security/tomoyo/version"),
        "ima" => there("/sys/kernel/security/ima"),
        "audit" => has_audit(),
        "uefi-secureboot" => is_secure_boot(),
        "tpm2" | "cvm" | "measured-uki" => return Err(unknown(format!("this version cannot tell {word}"))),
        _ => false,
    };
    Ok(Fact::words(on.then_some(word)))
}

/// The kernel has an audit subsystem, and lets this process speak to it.
fn has_audit() -> bool {
    socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::AUDIT)).is_ok()
}

/// The last byte of the variable (UEFI specification, "SecureBoot"), behind four of its attributes.
fn is_secure_boot() -> bool {
    let variable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    fs::read(variable).is_ok_and(|bytes| bytes.len() == 5 && bytes[4] == 1)
}
