//! Capabilities (capabilities(7)) and secure bits, as sets of bits with the kernel's numbers.

use std::fmt;

/// Names without `CAP_`; the position is the kernel's number.
const NAMES: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// A set of capabilities; bit n is the capability with number n.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// Every capability, those of later kernels included.
    pub const ALL: CapabilitySet = CapabilitySet(u64::MAX);

    /// The bits of capset(2).
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// With the capability `number` as well.
    #[must_use]
    pub fn with(self, number: u8) -> Self {
        CapabilitySet(self.0 | 1 << number)
    }

    /// `before`, changed by one line of a list of capabilities: `self` are those named, `invert` says whether behind
    /// a `~`. The first line of all, and one that names none, replace; others add or, inverted, take away.
    #[must_use]
    pub fn merged_into(self, before: Option<CapabilitySet>, invert: bool) -> CapabilitySet {
        CapabilitySet(match (before, invert) {
            (Some(before), false) if self.0 != 0 => before.0 | self.0,
            (Some(before), true) if self.0 != 0 => before.0 & !self.0,
            (_, false) => self.0,
            (_, true) => !self.0,
        })
    }
}

impl fmt::Debug for CapabilitySet {
    /// `CAP_CHOWN CAP_KILL`; a set that has nearly all as `~` and what it lacks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inverted = self.0 >> 63 == 1;
        let bits = if inverted { !self.0 } else { self.0 };
        f.write_str(if inverted { "~" } else { "" })?;
        let names =
            (0..NAMES.len()).filter(|number| bits >> number & 1 == 1).map(|number| format!("CAP_{}", NAMES[number]));
        f.write_str(&names.collect::<Vec<_>>().join(" "))
    }
}

/// The number of a capability, by name in any case or by number; `None` for unknown ones, which systemd ignores.
#[must_use]
pub fn capability(word: &str) -> Option<u8> {
    if let Ok(number) = word.parse::<u8>() {
        return Some(number).filter(|number| *number < 63);
    }
    let name = word.get(..4).filter(|start| start.eq_ignore_ascii_case("CAP_")).map(|_| &word[4..])?;
    NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)).and_then(|number| u8::try_from(number).ok())
}

/// The bit of prctl(2), `PR_SET_SECUREBITS`; `None` for unknown words, which systemd ignores.
#[must_use]
pub fn secure_bit(word: &str) -> Option<u8> {
    const WORDS: [&str; 6] =
        ["noroot", "noroot-locked", "no-setuid-fixup", "no-setuid-fixup-locked", "keep-caps", "keep-caps-locked"];
    WORDS.iter().position(|known| *known == word).map(|bit| 1 << bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_names_and_numbers() {
        assert_eq!((capability("CAP_CHOWN"), capability("cap_bpf"), capability("12")), (Some(0), Some(39), Some(12)));
        assert_eq!(
            (capability("CHOWN"), capability("CAP_"), capability("CAP_X"), capability("63")),
            (None, None, None, None)
        );
        assert_eq!(capability("äöü"), None);
        assert_eq!((secure_bit("noroot"), secure_bit("keep-caps-locked"), secure_bit("x")), (Some(1), Some(32), None));
    }

    #[test]
    fn lines_replace_add_and_take_away() {
        let set = |numbers: &[u8]| numbers.iter().fold(CapabilitySet::default(), |set, number| set.with(*number));
        let first = set(&[0, 5]).merged_into(None, false);
        assert_eq!(format!("{first:?}"), "CAP_CHOWN CAP_KILL");
        assert_eq!(format!("{:?}", set(&[5]).merged_into(Some(first), true)), "CAP_CHOWN");
        assert_eq!(format!("{:?}", set(&[21]).merged_into(Some(first), false)), "CAP_CHOWN CAP_KILL CAP_SYS_ADMIN");
        assert_eq!(format!("{:?}", set(&[21]).merged_into(None, true)), "~CAP_SYS_ADMIN");
        assert_eq!(set(&[]).merged_into(Some(first), true), CapabilitySet::ALL);
        assert!(set(&[]).merged_into(Some(first), false).is_empty());
    }
}
