//! THE table of diagnostic codes: every code a finding can have, how bad it is at most, what it means and the way out.
//!
//! It drives `fleet explain CODE`, the comments that allow findings, and docs/errors.md. One file below `codes/` for
//! each group. A finding is made with one of the constants here; nothing else makes a [`Code`].

mod across;
mod comments;
mod commits;
mod files;
mod rollout;
mod secrets;
mod settings;
mod text;
mod values;

pub use across::*;
pub use comments::*;
pub use commits::*;
pub use files::*;
pub use rollout::*;
pub use secrets::*;
pub use settings::*;
pub use text::*;
pub use values::*;

use super::Severity;

/// `codes! { BAD_NAME = error("bad-name", "What it means.", "What to do."); }`: a constant for each code, and the list
/// of all. The constant is the code in capitals, which a test holds to.
macro_rules! codes {
    ($($constant:ident = $severity:ident($name:literal, $meaning:literal, $way_out:literal $(,)?);)*) => {
        $(
            #[doc = $meaning]
            pub const $constant: super::Code = $severity(stringify!($constant), $name, $meaning, $way_out);
        )*
        pub(super) const CODES: &[super::Code] = &[$($constant),*];
    };
}
use codes;

/// One diagnostic code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Kebab case, stable from the first release: `unknown-directive`.
    pub name: &'static str,
    /// How bad a finding of it is; the worst, where that depends.
    pub severity: Severity,
    /// What was found, in sentences for people; may hold Markdown's backquotes.
    pub meaning: &'static str,
    /// What to do about it.
    pub way_out: &'static str,
    /// Its constant. Private, so that only the table makes codes.
    constant: &'static str,
}

/// Codes that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// In the order of the documentation.
    pub codes: &'static [Code],
}

/// Every code, group by group.
pub const GROUPS: &[Group] = &[
    Group { title: "Text", codes: text::CODES },
    Group { title: "Keys and values", codes: values::CODES },
    Group { title: "Settings that do not go together", codes: settings::CODES },
    Group { title: "Placement, rollout and health", codes: rollout::CODES },
    Group { title: "Files and units", codes: files::CODES },
    Group { title: "Across units", codes: across::CODES },
    Group { title: "Secrets", codes: secrets::CODES },
    Group { title: "Comments that allow findings", codes: comments::CODES },
    Group { title: "Commits", codes: commits::CODES },
];

/// Every code, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Code> {
    GROUPS.iter().flat_map(|group| group.codes)
}

/// The code `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Code> {
    all().find(|code| code.name == name)
}

const fn error(constant: &'static str, name: &'static str, meaning: &'static str, way_out: &'static str) -> Code {
    Code { name, severity: Severity::Error, meaning, way_out, constant }
}

const fn warning(constant: &'static str, name: &'static str, meaning: &'static str, way_out: &'static str) -> Code {
    Code { name, severity: Severity::Warning, meaning, way_out, constant }
}

const fn note(constant: &'static str, name: &'static str, meaning: &'static str, way_out: &'static str) -> Code {
    Code { name, severity: Severity::Note, meaning, way_out, constant }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_is_kebab_case_and_stands_in_the_table_once() {
        let mut seen = BTreeSet::new();
        for code in all() {
            let kebab = code.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            assert!(kebab && !code.name.is_empty(), "{:?}", code.name);
            assert_eq!(code.constant.to_lowercase().replace('_', "-"), code.name);
            assert!(seen.insert(code.name), "{} stands in the table twice", code.name);
            assert!(code.meaning.ends_with(['.', ')']) && code.way_out.ends_with(['.', '`']), "{}", code.name);
            assert_eq!(find(code.name), Some(code));
        }
        assert_eq!(find("no-such-code"), None);
    }
}
