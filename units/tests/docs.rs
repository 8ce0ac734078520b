//! The pages of `docs/` that must agree with the code: the table of directives, the list of diagnostic codes.

use fleet_units::spec::directives::{self, SPELLINGS, Support};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn unit_files_page() -> String {
    let mut page = include_str!("../testdata/docs/unit-files.md").to_owned();
    for section in ["X-Fleet", "Unit", "Service", "Install"] {
        writeln!(page, "## [{section}]\n").unwrap();
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

#[test]
fn the_page_of_unit_files_is_what_the_table_says() {
    let path = root().join("docs/unit-files.md");
    let page = unit_files_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/unit-files.md is not what the table says: run this test with UPDATE_DOCS=1");
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
    const CALLS: [&str; 6] = [
        "Diagnostic::error(",
        "Diagnostic::warning(",
        "Diagnostic::note(",
        "reader.error(",
        "reader.warning(",
        "self.garbage(",
    ];
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    for call in CALLS {
        for behind in source.split(call).skip(1) {
            let literal = behind.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
            found.extend(literal.map(|(code, _)| code.to_owned()));
        }
    }
}

#[test]
fn every_diagnostic_code_is_explained() {
    let mut codes = BTreeSet::new();
    for part in ["units/src", "server/src"] {
        codes_in(&root().join(part), &mut codes);
    }
    assert!(codes.len() > 40 && codes.contains("unknown-directive"), "the codes are not found any more: {codes:?}");
    let page = std::fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let missing: Vec<_> = codes.iter().filter(|code| !page.contains(&format!("\n### `{code}` "))).collect();
    assert!(missing.is_empty(), "docs/errors.md does not explain {missing:?}");
}
