//! Units that the host's own service manager runs: a unit of the fleet may require one of them.
//!
//! systemd (since 235) keeps a link `/run/systemd/units/invocation:UNIT` for each unit with processes from its start until
//! it is inactive or failed, so that the journal can ask without D-Bus (systemd's `src/core/unit.c`). A host without
//! systemd has none.

use fleet_units::ids::UnitName;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Where the host says what it runs.
#[derive(Clone, Debug)]
pub struct HostUnits {
    folder: PathBuf,
}

impl HostUnits {
    /// Of this host.
    #[must_use]
    pub fn of_systemd() -> Self {
        HostUnits { folder: "/run/systemd/units".into() }
    }

    /// Read from another folder.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        HostUnits { folder: folder.into() }
    }

    /// What the host runs now, of the kinds that Fleet knows; nothing if it does not tell.
    #[must_use]
    pub fn running(&self) -> BTreeSet<UnitName> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.strip_prefix("invocation:")?.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_of_invocations_name_the_units_that_run() {
        let folder = tempfile::tempdir().unwrap();
        let units = HostUnits::in_folder(folder.path());
        assert!(units.running().is_empty());
        for name in ["invocation:postgresql@15-main.service", "invocation:-.mount", "log-level-max:ssh.service"] {
            symlink("0123456789abcdef0123456789abcdef", folder.path().join(name)).unwrap();
        }
        assert_eq!(units.running(), BTreeSet::from(["postgresql@15-main.service".parse().unwrap()]));
        assert!(HostUnits::in_folder(folder.path().join("missing")).running().is_empty());
    }
}
