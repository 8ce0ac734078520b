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

/// The text of every source file below `folder` that is no test.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, text);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let source = std::fs::read_to_string(&path).unwrap();
            text.push_str(source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
        }
    }
}

/// A code cannot be made outside the table; here the table is held to what is made.
#[test]
fn every_code_of_the_table_is_made_somewhere() {
    let mut text = String::new();
    ["units/src", "server/src", "cli/src"].iter().for_each(|part| sources(&root().join(part), &mut text));
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c)).collect();
    let constant = |name: &str| format!("codes::{}", name.to_uppercase().replace('-', "_"));
    let idle: Vec<_> = codes::all().map(|code| code.name).filter(|name| !words.contains(&*constant(name))).collect();
    assert!(idle.is_empty(), "nothing makes {idle:?}: take the rows away");
}
