use super::*;

#[test]
fn every_row_is_there_once_and_has_a_line_of_documentation() {
    let mut seen = std::collections::BTreeSet::new();
    for row in all() {
        assert!(seen.insert((row.section, row.key)), "{}/{} is there twice", row.section, row.key);
        assert!(row.doc.ends_with('.') && !row.doc.contains('\n'), "{}: {:?}", row.key, row.doc);
        assert!(row.key.starts_with(|c: char| c.is_ascii_uppercase()), "{}", row.key);
    }
    for spelling in SPELLINGS {
        assert!(seen.insert((spelling.section, spelling.key)), "{} is a row as well", spelling.key);
        for (section, key) in spelling.means {
            assert!(find(section, key).is_some(), "{} means {section}/{key}, which is no row", spelling.key);
        }
    }
}

/// Sections and keys of what systemd 252 says it knows (`--dump-configuration-items`), and of what the newest reads.
#[test]
fn every_directive_of_systemd_is_known() {
    let lists = [
        include_str!("../../../testdata/directives/systemd-252.txt"),
        include_str!("../../../testdata/directives/systemd-260.txt"),
    ];
    let missing: Vec<_> = lists
        .into_iter()
        .flat_map(str::lines)
        .filter(|line| !line.starts_with('#'))
        .filter(|line| line.split_once('/').is_none_or(|(section, key)| lookup(section, key).is_none()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn keys_are_found_in_their_section_and_by_other_spellings() {
    assert_eq!(find("Service", "ExecStart").unwrap().kind, Kind::Command);
    assert!(find("Unit", "ExecStart").is_none());
    assert_eq!(find("Service", "StartLimitInterval").unwrap().key, "StartLimitIntervalSec");
    assert_eq!(find("Fleet", "Nodes").unwrap().section, "X-Fleet");
    assert_eq!(find("Service", "HealthCheckURL").unwrap().section, "X-Fleet");
    assert_eq!(nearest("Service", "ExecStrat"), Some("ExecStart"));
    assert_eq!(nearest("Service", "Frobnicate"), None);
}
