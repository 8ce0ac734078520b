//! The cases of `testdata/conditions/holds.txt`: `SUBJECT | ARGUMENT | FACT | yes, no or never`.

use super::*;
use crate::spec::keyword::{Keyword, keyword};

const CASES: &str = include_str!("../../../testdata/conditions/holds.txt");

/// `is yes`, `text X`, `number 5`, `words a b`, `fields A=x B=y`, `named NAME… / ID…`
fn fact(text: &str) -> Fact {
    let (shape, rest) = text.split_once(' ').unwrap_or((text, ""));
    let set = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    match shape {
        "is" => Fact::Is(rest == "yes"),
        "text" => Fact::Text(rest.to_owned()),
        "number" => Fact::Number(rest.parse().unwrap()),
        "words" => Fact::Words(set(rest)),
        "fields" => {
            let field = |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            Fact::Fields(rest.split_whitespace().filter_map(field).collect())
        }
        "named" => {
            let (names, ids) = rest.split_once('/').unwrap();
            Fact::Named { names: set(names), ids: set(ids) }
        }
        other => panic!("{other:?} is no shape of a fact"),
    }
}

#[test]
fn every_case_comes_out_as_written() {
    let mut seen = BTreeSet::new();
    for line in CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [subject, argument, told, expected] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{line} has not four parts")
        };
        let subject: Subject = keyword(subject).unwrap_or_else(|| panic!("{line}: no such subject"));
        seen.insert(subject);
        let came = match holds(subject, argument, &fact(told)) {
            Ok(true) => "yes",
            Ok(false) => "no",
            Err(_) => "never",
        };
        assert_eq!(came, expected, "{line}");
    }
    let without: Vec<_> = Subject::ALL.iter().filter(|(_, subject)| !seen.contains(subject)).collect();
    // These are not built: nothing reads a fact for them.
    assert_eq!(without.iter().map(|(word, _)| *word).collect::<Vec<_>>(), ["Credential", "Fraction"]);
}
