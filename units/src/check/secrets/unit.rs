//! Secrets that a unit file or drop-in holds.

use super::{Found, MAX_FINDINGS, literal, shape};
use crate::diagnostic::{Diagnostic, Place};
use crate::syntax::words::{Escapes, Word, split};
use crate::syntax::{Assignment, Document};

/// Everything found, whatever its section, and whether or not it is in effect: it was committed.
pub(crate) fn in_unit(document: &Document) -> Vec<Diagnostic> {
    let mut found = Found::new(document.file(), document.source().as_bytes());
    shape::find(document.source().as_bytes(), |hit| found.hit(hit));
    if literal::may_name(document.source().as_bytes()) {
        let named = document.assignments().flat_map(|(_, assignment)| named(assignment));
        named.take(MAX_FINDINGS).for_each(|(place, message)| found.named(place, message));
    }
    found.diagnostics
}

/// Secrets that their names give away, with line and column.
fn named(assignment: &Assignment) -> Vec<((u32, u32), String)> {
    let value = &*assignment.value;
    if !literal::may_name(value.as_bytes()) {
        return Vec::new();
    }
    let names = match &*assignment.key {
        "Environment" => split(value, Escapes::C).unwrap_or_default().iter().filter_map(variable).collect(),
        "SetCredential" => credential(value).into_iter().collect(),
        key if key.starts_with("Exec") || key == "HealthCheckExec" => {
            arguments(&split(value, Escapes::CRelaxed).unwrap_or_default())
        }
        _ => Vec::new(),
    };
    let tell = |(offset, name): (usize, String)| {
        let message = format!("{}=: the value of {name} stands there in clear", assignment.key);
        (assignment.position(offset), message)
    };
    names.into_iter().map(tell).collect()
}

/// `NAME=VALUE` where both say that it is a secret: where it begins, and its name.
fn variable(word: &Word) -> Option<(usize, String)> {
    let (name, value) = word.text.split_once('=')?;
    is_secret(name, value).then(|| (word.offset, name.to_owned()))
}

/// `ID:VALUE`
fn credential(text: &str) -> Option<(usize, String)> {
    let (id, value) = text.split_once(':')?;
    is_secret(id, value).then(|| (0, id.to_owned()))
}

/// `--NAME=VALUE`, `NAME=VALUE` and `--NAME VALUE`.
fn arguments(words: &[Word]) -> Vec<(usize, String)> {
    let next = words.iter().skip(1).map(Some).chain([None]);
    let found = words.iter().zip(next).filter_map(|(word, next)| match next {
        _ if word.text.contains('=') => variable(word),
        Some(next) if word.text.starts_with("--") => {
            let is_value = !next.text.starts_with('-') && !next.text.contains('=');
            (is_value && is_secret(&word.text, &next.text)).then(|| (word.offset, word.text.clone()))
        }
        _ => None,
    });
    found.collect()
}

/// Whether it is a literal secret: a value with a specifier is none.
fn is_secret(name: &str, value: &str) -> bool {
    let has_specifier = || value.replace("%%", "").contains('%');
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    is_name && literal::names_secret(name) && !has_specifier() && literal::is_secret(name, value)
}

impl super::Found<'_> {
    /// A secret that a name gives away, unless one of the same line was found by its form.
    fn named(&mut self, (line, column): (u32, u32), message: String) {
        if !self.diagnostics.iter().any(|found| found.place.line == line) {
            self.add(Place { file: self.file.to_owned(), line, column }, message);
        }
    }
}
