//! Label selectors: `role=web,zone in (a,b),!gpu`.
//!
//! ```text
//! selector    = [ requirement { "," requirement } ]
//! requirement = KEY | "!" KEY | KEY ("=" | "==" | "!=") VALUE | KEY ("in" | "notin") "(" VALUE { "," VALUE } ")"
//! ```
//! The meaning is that of Kubernetes' label selectors: `!=` and `notin` also match where the label is absent.

mod demands;
mod parse;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A conjunction of requirements on labels; the empty one matches every node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// All of them must hold.
    pub requirements: Vec<Requirement>,
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's name.
    pub key: String,
    /// What must be true of its value.
    pub test: Test,
}

/// What a requirement asks of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// `key`: it is there.
    Exists,
    /// `!key`: it is not there.
    Absent,
    /// `key=value`
    Equals(String),
    /// `key!=value`; true where it is absent.
    Differs(String),
    /// `key in (a,b)`
    In(BTreeSet<String>),
    /// `key notin (a,b)`; true where it is absent.
    NotIn(BTreeSet<String>),
}

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct SelectorError {
    /// Where in the text, in characters from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl Selector {
    /// Whether `labels` fulfil every requirement.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| requirement.test.holds(labels.get(&requirement.key)))
    }

    /// A label of which it asks what no value can fulfil (`role=a,role=b`); `None` when some node could match.
    #[must_use]
    pub fn contradiction(&self) -> Option<&str> {
        demands::contradiction(self.requirements.iter())
    }

    /// The label, when it asks for one label alone, whatever its value.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        match self.requirements.as_slice() {
            [Requirement { key, test: Test::Exists }] => Some(key),
            _ => None,
        }
    }

    /// Whether no node can match both.
    #[must_use]
    pub fn excludes(&self, other: &Selector) -> bool {
        // Every node matches a selector without requirements: most have none.
        let trivial = self.requirements.is_empty() || other.requirements.is_empty() || self == other;
        !trivial && demands::contradiction(self.requirements.iter().chain(&other.requirements)).is_some()
    }
}

impl Test {
    fn holds(&self, value: Option<&String>) -> bool {
        match self {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::Equals(wanted) => value == Some(wanted),
            Test::Differs(unwanted) => value != Some(unwanted),
            Test::In(wanted) => value.is_some_and(|value| wanted.contains(value)),
            Test::NotIn(unwanted) => value.is_none_or(|value| !unwanted.contains(value)),
        }
    }
}

impl fmt::Display for Selector {
    /// In the grammar above, so that parsing gives the same selector.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { key, test }) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match test {
                Test::Exists => f.write_str(key)?,
                Test::Absent => write!(f, "!{key}")?,
                Test::Equals(value) => write!(f, "{key}={value}")?,
                Test::Differs(value) => write!(f, "{key}!={value}")?,
                Test::In(values) => write!(f, "{key} in ({})", list(values))?,
                Test::NotIn(values) => write!(f, "{key} notin ({})", list(values))?,
            }
        }
        Ok(())
    }
}

fn list(values: &BTreeSet<String>) -> String {
    values.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn matches(selector: &str, pairs: &[(&str, &str)]) -> bool {
        selector.parse::<Selector>().unwrap().matches(&labels(pairs))
    }

    #[test]
    fn every_requirement_must_hold() {
        let web = [("role", "web"), ("zone", "a")];
        assert!(matches("", &web));
        assert!(matches(" role = web , zone in ( a, b ), !gpu ", &web));
        assert!(!matches("role=web,zone in (b,c)", &web));
        assert!(!matches("role=web,!zone", &web));
        assert!(matches("role", &web));
        assert!(!matches("gpu", &web));
        assert!(matches("role==web", &web));
    }

    #[test]
    fn negative_tests_also_match_where_the_label_is_absent() {
        assert!(matches("role!=db", &[]));
        assert!(matches("role notin (db,cache)", &[]));
        assert!(!matches("role!=db", &[("role", "db")]));
        assert!(!matches("role notin (db,cache)", &[("role", "cache")]));
    }

    #[test]
    fn labels_whose_names_begin_like_an_operator_are_labels() {
        assert!(matches("in in (in)", &[("in", "in")]));
        assert!(matches("notin,in", &[("in", ""), ("notin", "")]));
    }

    #[test]
    fn what_no_value_fulfils_is_a_contradiction() {
        let contradiction = |text: &str| text.parse::<Selector>().unwrap().contradiction().map(str::to_owned);
        for text in [
            "role=a,role=b",
            "x,!x",
            "x=a,!x",
            "x=a,x!=a",
            "x in (a,b),x notin (a,b,c)",
            "x in (a),x in (b,c)",
            "x in (a,b),x!=a,x!=b",
            "y,x=1,x in (2)",
        ] {
            assert_eq!(contradiction(text).as_deref(), text.contains("role").then_some("role").or(Some("x")), "{text}");
        }
        for text in ["", "x", "!x", "x!=a,!x", "x!=a,x", "x notin (a,b),x", "x in (a,b),x in (b,c)", "x=a,x in (a,b),x"]
        {
            assert_eq!(contradiction(text), None, "{text}");
        }
    }

    #[test]
    fn selectors_exclude_each_other_when_no_node_can_match_both() {
        let excludes = |one: &str, other: &str| {
            let (one, other) = (one.parse::<Selector>().unwrap(), other.parse::<Selector>().unwrap());
            assert_eq!(one.excludes(&other), other.excludes(&one));
            one.excludes(&other)
        };
        assert!(
            excludes("role=web", "role=db,zone=a")
                && excludes("gpu", "!gpu")
                && excludes("z in (a,b)", "z notin (b,a)")
        );
        assert!(!excludes("", "role=web") && !excludes("role=web", "zone=a") && !excludes("role!=web", "role!=db"));
        assert!(!excludes("z in (a,b)", "z in (b,c)") && !excludes("role=web", "role=web"));
    }

    #[test]
    fn an_error_says_the_column() {
        for (text, column) in [
            ("role=", 6),
            ("role=web zone=a", 10),
            ("a,,b", 3),
            ("zone in a", 9),
            ("zone in (a", 11),
            ("zone in ()", 10),
            ("zone is (a)", 6),
            ("ä=b", 1),
            ("a=ä", 3),
            ("!", 2),
            ("a=b,", 5),
            ("a=b\n", 0),
        ] {
            let found = text.parse::<Selector>().err().map_or(0, |error| error.column);
            assert_eq!(found, column, "{text:?}");
        }
    }

    fn word() -> impl Strategy<Value = String> {
        "[a-zA-Z0-9._/-]{1,8}"
    }

    fn test() -> impl Strategy<Value = Test> {
        let set = || proptest::collection::btree_set(word(), 1..4);
        prop_oneof![
            Just(Test::Exists),
            Just(Test::Absent),
            word().prop_map(Test::Equals),
            word().prop_map(Test::Differs),
            set().prop_map(Test::In),
            set().prop_map(Test::NotIn),
        ]
    }

    proptest! {
        #[test]
        fn a_printed_selector_parses_back(parts in proptest::collection::vec((word(), test()), 0..5)) {
            let requirements = parts.into_iter().map(|(key, test)| Requirement { key, test }).collect();
            let selector = Selector { requirements };
            prop_assert_eq!(selector.to_string().parse::<Selector>().unwrap(), selector);
        }

        #[test]
        fn a_selector_that_matches_something_has_no_contradiction(
            parts in proptest::collection::vec(("[ab]", test()), 0..4),
            labels in proptest::collection::btree_map("[ab]", word(), 0..3),
        ) {
            let requirements = parts.into_iter().map(|(key, test)| Requirement { key, test }).collect();
            let selector = Selector { requirements };
            prop_assert!(!selector.matches(&labels) || selector.contradiction().is_none());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = text.parse::<Selector>();
        }
    }
}
