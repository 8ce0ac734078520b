//! Targets that always exist (systemd.special(7)): naming one is no mistake, and nothing has to start it.

use crate::ids::UnitName;

const TARGETS: &[&str] = &[
    "basic",
    "bluetooth",
    "boot-complete",
    "cryptsetup-pre",
    "cryptsetup",
    "ctrl-alt-del",
    "default",
    "emergency",
    "exit",
    "factory-reset-now",
    "factory-reset",
    "final",
    "first-boot-complete",
    "getty-pre",
    "getty",
    "graphical-session-pre",
    "graphical-session",
    "graphical",
    "halt",
    "hibernate",
    "hybrid-sleep",
    "initrd-fs",
    "initrd-root-device",
    "initrd-root-fs",
    "initrd-switch-root",
    "initrd-usr-fs",
    "initrd",
    "integritysetup-pre",
    "integritysetup",
    "kbrequest",
    "kexec",
    "local-fs-pre",
    "local-fs",
    "machines",
    "multi-user",
    "network-online",
    "network-pre",
    "network",
    "nss-lookup",
    "nss-user-lookup",
    "paths",
    "poweroff",
    "printer",
    "reboot",
    "remote-cryptsetup",
    "remote-fs-pre",
    "remote-fs",
    "remote-integritysetup",
    "remote-veritysetup",
    "rescue",
    "rpcbind",
    "runlevel0",
    "runlevel1",
    "runlevel2",
    "runlevel3",
    "runlevel4",
    "runlevel5",
    "runlevel6",
    "shutdown",
    "sigpwr",
    "sleep",
    "slices",
    "smartcard",
    "sockets",
    "soft-reboot",
    "sound",
    "ssh-access",
    "storage-target-mode",
    "suspend-then-hibernate",
    "suspend",
    "swap",
    "sysinit",
    "system-update-pre",
    "system-update",
    "time-set",
    "time-sync",
    "timers",
    "tpm2",
    "umount",
    "usb-gadget",
    "veritysetup-pre",
    "veritysetup",
    "xdg-desktop-autostart",
];

/// Whether `name` is one of the targets of systemd.special(7); `blockdev@….target` for every instance.
#[must_use]
pub fn is_well_known_target(name: &UnitName) -> bool {
    name.as_str().strip_suffix(".target").is_some_and(|stem| TARGETS.contains(&stem) || name.prefix() == "blockdev")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_of_the_manual_always_exists() {
        let list = include_str!("../../testdata/directives/special-targets.txt").lines();
        let missing: Vec<&str> = list
            .filter(|line| !line.starts_with('#'))
            .filter(|name| !is_well_known_target(&name.parse().unwrap()))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
        for name in ["web.target", "basic.service", "my-network.target"] {
            assert!(!is_well_known_target(&name.parse().unwrap()), "{name}");
        }
    }
}
