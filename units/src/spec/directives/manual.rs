//! Which page of the manual a directive is documented on.

use super::{Directive, exec, isolation, kill, resources};

/// The page: `systemd.exec(5)`; for Fleet's own section the page of its documentation.
#[must_use]
pub fn manual(directive: &Directive) -> &'static str {
    let in_any =
        |families: &[&[Directive]]| families.iter().flat_map(|rows| rows.iter()).any(|row| row.key == directive.key);
    match directive.section {
        "X-Fleet" => "docs/unit-files.md",
        "Unit" | "Install" => "systemd.unit(5)",
        "Timer" => "systemd.timer(5)",
        "Socket" => "systemd.socket(5)",
        _ if in_any(&[kill::ROWS]) => "systemd.kill(5)",
        _ if in_any(&[exec::ROWS, isolation::ROWS]) => "systemd.exec(5)",
        _ if in_any(&[resources::ROWS]) => "systemd.resource-control(5)",
        _ => "systemd.service(5)",
    }
}

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::*;

    #[test]
    fn each_family_has_its_page() {
        let cases = [
            ("Unit", "After", "systemd.unit(5)"),
            ("Unit", "ConditionPathExists", "systemd.unit(5)"),
            ("Service", "ExecStart", "systemd.service(5)"),
            ("Service", "TimeoutAbortSec", "systemd.service(5)"),
            ("Service", "KillMode", "systemd.kill(5)"),
            ("Service", "User", "systemd.exec(5)"),
            ("Service", "PrivateTmp", "systemd.exec(5)"),
            ("Service", "MemoryMax", "systemd.resource-control(5)"),
            ("Timer", "OnCalendar", "systemd.timer(5)"),
            ("Socket", "ListenStream", "systemd.socket(5)"),
            ("Socket", "KillMode", "systemd.kill(5)"),
            ("Install", "WantedBy", "systemd.unit(5)"),
            ("Fleet", "Nodes", "docs/unit-files.md"),
        ];
        for (section, key, page) in cases {
            assert_eq!(find(section, key).map(manual), Some(page), "{key}");
        }
    }
}
