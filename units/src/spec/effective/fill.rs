//! Specifiers filled into a value as text, only where the text then means what the specifier meant.
//!
//! Systemd fills in specifiers after it has split a value into words, so a value with a blank, a quote or a backslash
//! stays one word. As text it would not: there the specifier stays, and a comment gives its value.

use crate::spec::directives::Kind;
use crate::syntax::Specifiers;

/// A value with what could be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filled {
    pub text: String,
    /// A remark for each specifier that had to stay.
    pub kept: Vec<String>,
}

impl Filled {
    pub(super) fn as_written(value: &str) -> Self {
        Filled { text: value.to_owned(), kept: Vec::new() }
    }
}

/// `value` with its specifiers filled in, as far as the kind has any, their values are known and harmless.
pub(super) fn fill(kind: Kind, value: &str, specifiers: &Specifiers<'_>) -> Filled {
    if !has_specifiers(kind) || !value.contains('%') {
        return Filled::as_written(value);
    }
    let mut filled = Filled { text: String::with_capacity(value.len()), kept: Vec::new() };
    // Beside a backslash a character may become part of an escape.
    let escapes = value.contains('\\');
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        let letter = (character == '%').then(|| characters.next()).flatten();
        let Some(letter) = letter else {
            filled.text.push(character);
            continue;
        };
        match specifiers.value(letter) {
            // What is not known here stays, and so does what is wrong: that is another's finding.
            Ok(text) if letter != '%' && !text.starts_with('%') => {
                if !escapes && is_harmless(&text, &filled.text) {
                    filled.text.push_str(&text);
                    continue;
                }
                filled.kept.push(remark(letter, &text));
            }
            Ok(_) | Err(_) => {}
        }
        filled.text.extend(['%', letter]);
    }
    filled
}

/// In one line: what stands here goes into a comment.
fn remark(letter: char, text: &str) -> String {
    format!("%{letter} stays as written: its value is {text:?}")
}

/// Whether `text` behind `before` reads as the characters it consists of.
fn is_harmless(text: &str, before: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+,=".contains(c);
    let at_begin = !before.ends_with(|c: char| c.is_ascii_alphanumeric() || "/._=".contains(c));
    // At the beginning of a word some characters are prefixes.
    let prefix = at_begin && text.starts_with(|c: char| !c.is_ascii_alphanumeric() && c != '/');
    !text.is_empty() && text.chars().all(plain) && !prefix
}

/// The kinds whose values have specifiers; of others a percent sign stays a percent sign.
fn has_specifiers(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Text
            | Kind::Command
            | Kind::Environment
            | Kind::EnvironmentFile
            | Kind::Path
            | Kind::PathLines
            | Kind::WorkingDirectory
            | Kind::Input
            | Kind::Output
            | Kind::Paths
            | Kind::Directories
            | Kind::Account
            | Kind::Accounts
            | Kind::Words
            | Kind::Units
            | Kind::Dependencies
            | Kind::HostPort
    )
}
