//! `Condition*=` and `Assert*=`.

use crate::diagnostic::codes;
use crate::spec::condition::{Condition, Subject};
use crate::spec::keyword::keyword;
use crate::spec::merge::{Assigned, Row};
use crate::spec::reader::Reader;

/// Reads one directive into `found`.
pub(crate) fn row(reader: &mut Reader<'_>, row: &Row<'_>, found: &mut Vec<Condition>) -> bool {
    let (assert, word) = match row.directive.key.strip_prefix("Assert") {
        Some(word) => (true, word),
        None => (false, row.directive.key.strip_prefix("Condition").unwrap_or_default()),
    };
    let Some(subject) = keyword(word) else { return false };
    for at in row.values {
        found.extend(condition(reader, at, assert, subject));
    }
    true
}

fn condition(reader: &mut Reader<'_>, at: &Assigned<'_>, assert: bool, subject: Subject) -> Option<Condition> {
    let (trigger, rest) = prefix(at.value(), '|', subject);
    let (negate, rest) = prefix(rest, '!', subject);
    let offset = at.value().len() - rest.len();
    let argument = if subject.is_path() { reader.path(at, offset, rest)? } else { reader.expand(at, offset, rest)? };
    if let Some(objection) = subject.objection(&argument) {
        let message = format!("{}=: {objection}: it never holds", at.assignment.key);
        reader.warning(
            codes::BAD_CONDITION,
            at.place(offset),
            message,
            "systemd reads it only at the start, and then fails",
        );
    }
    Some(Condition { assert, trigger, negate, subject, argument })
}

/// Takes `sign` away, with the white space behind it where that may be.
fn prefix(text: &str, sign: char, subject: Subject) -> (bool, &str) {
    match text.strip_prefix(sign) {
        Some(rest) if subject.is_path() => (true, rest),
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    }
}
