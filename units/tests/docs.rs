//! The pages of `docs/` that must agree with the code: the table of directives, the list of diagnostic codes.

use fleet_units::diagnostic::codes;
use fleet_units::spec::directives::{self, SPELLINGS, Support};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn unit_files_page() -> String {
    let mut page = include_str!("../testdata/docs/unit-files.md").to_owned();
    for section in ["X-Fleet", "Unit", "Service", "Timer", "Socket", "Install"] {
        writeln!(page, "## [{section}]\n").unwrap();
        if section == "Socket" {
            page.push_str(
                "The keys of systemd.exec(5), systemd.kill(5) and systemd.resource-control(5) are known here too; ",
            );
            page.push_str("they stand under [Service] and apply to the socket's own commands.\n\n");
        }
        for (support, title) in
            [("supported", "Supported"), ("not-built-yet", "Accepted, not built yet"), ("inert", "Inert")]
        {
            let rows: Vec<_> = directives::all()
                .iter()
                .filter(|row| row.section == section && row.support.as_str() == support)
                .collect();
            if rows.is_empty() {
                continue;
            }
            writeln!(page, "### {title} in [{section}]\n").unwrap();
            page.push_str("| key | value | default | what it does | on change |\n|---|---|---|---|---|\n");
            for row in rows {
                let why = match row.support {
                    Support::Inert(why) | Support::Refused(why) => format!(" No effect: {why}."),
                    Support::Supported | Support::NotBuilt => String::new(),
                };
                let (kind, change) = (row.kind.describe(), row.change.as_str());
                writeln!(page, "| {} | {kind} | {} | {}{why} | {change} |", row.key, row.default, row.doc).unwrap();
            }
            page.push('\n');
        }
    }
    page.push_str("## Other spellings\n\n| written | read as |\n|---|---|\n");
    for spelling in SPELLINGS {
        let means: Vec<String> = spelling.means.iter().map(|(section, key)| format!("{key}= in [{section}]")).collect();
        let note = if spelling.deprecated { "" } else { " (no note)" };
        writeln!(page, "| {}= in [{}] | {}{note} |", spelling.key, spelling.section, means.join(", ")).unwrap();
    }
    page
}

fn errors_page() -> String {
    let mut page = include_str!("../testdata/docs/errors.md").to_owned();
    for group in codes::GROUPS {
        writeln!(page, "## {}\n", group.title).unwrap();
        for code in group.codes {
            writeln!(page, "### `{}` ({})\n\n{}", code.name, code.severity, code.meaning).unwrap();
            writeln!(page, "Way out: {}\n", code.way_out).unwrap();
        }
    }
    page.trim_end().to_owned() + "\n"
}

fn assert_committed(page: &str, path: &str) {
    let full = root().join(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&full, page).unwrap();
    }
    let committed = std::fs::read_to_string(&full).unwrap_or_default();
    assert!(committed == page, "{path} is not what the table says: run this test with UPDATE_DOCS=1");
}

#[test]
fn the_page_of_unit_files_is_what_the_table_says() {
    assert_committed(&unit_files_page(), "docs/unit-files.md");
}

#[test]
fn the_page_of_diagnostic_codes_is_what_the_table_says() {
    assert_committed(&errors_page(), "docs/errors.md");
}

/// The codes that source files give to diagnostics as literals.
fn codes_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" && name != "target" {
            codes_in(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            codes_of(&std::fs::read_to_string(&path).unwrap(), found);
        }
    }
}

fn codes_of(source: &str, found: &mut BTreeSet<String>) {
    const CALLS: [&str; 9] = [
        "Diagnostic::error(",
        "Diagnostic::warning(",
        "Diagnostic::note(",
        "reader.error(",
        "reader.warning(",
        "self.garbage(",
        "self.refuse(",
        "self.stop(",
        "load.stop(",
    ];
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    for call in CALLS {
        for behind in source.split(call).skip(1) {
            let literal = behind.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
            found.extend(literal.map(|(code, _)| code.to_owned()));
        }
    }
}

/// What no test makes is found here all the same: a finding with a code that is not in the table cannot be made in tests.
#[test]
fn every_code_that_the_source_names_is_in_the_table() {
    let mut found = BTreeSet::new();
    for part in ["units/src", "server/src", "cli/src"] {
        codes_in(&root().join(part), &mut found);
    }
    assert!(found.len() > 40 && found.contains("unknown-directive"), "the codes are not found any more: {found:?}");
    let missing: Vec<_> = found.iter().filter(|code| codes::find(code).is_none()).collect();
    assert!(missing.is_empty(), "units/src/diagnostic/codes has no row for {missing:?}");
}
