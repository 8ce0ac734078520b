//! Secrets that a file holds which is no unit file.

use super::{Found, MAX_FINDINGS, literal, shape};
use crate::diagnostic::{Diagnostic, Place};

/// As much as git looks at to tell binary files from text, in bytes.
const BEGINNING: usize = 8 << 10;
/// As much of a file as is looked at, in bytes: what is longer is no configuration.
const MAX_TEXT: usize = 4 << 20;
/// Largest file that is looked at line by line, as one of variables (systemd.exec(5), `EnvironmentFile=`) or of public
/// keys, in bytes.
const MAX_LINES: usize = 1 << 20;

/// Whether it is text as git sees it: no NUL near its beginning.
pub(super) fn is_text(content: &[u8]) -> bool {
    memchr::memchr(0, &content[..content.len().min(BEGINNING)]).is_none()
}

/// Everything found in the text of `path`.
pub(super) fn in_text(path: &str, content: &[u8]) -> Vec<Diagnostic> {
    let content = &content[..content.len().min(MAX_TEXT)];
    let mut found = Found::new(path, content);
    shape::find(content, |hit| found.hit(hit));
    if content.len() <= MAX_LINES && literal::may_name(content) {
        found.variables();
    }
    found.diagnostics
}

/// Whether it lists public keys: each line one for age, of SSH, a comment, or nothing.
pub(super) fn is_recipients(content: &[u8]) -> bool {
    let is_recipient = |line: &str| {
        let line = line.trim();
        line.is_empty() || ["#", "age1", "ssh-ed25519 ", "ssh-rsa "].iter().any(|begin| line.starts_with(begin))
    };
    let is_list = |text: &str| text.lines().any(is_key) && text.lines().all(is_recipient);
    content.len() <= MAX_LINES && std::str::from_utf8(content).is_ok_and(is_list)
}

fn is_key(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

impl Found<'_> {
    /// Secrets that the names of variables give away, where every line is a variable, a comment, or empty.
    fn variables(&mut self) {
        let of_form: Vec<u32> = self.diagnostics.iter().map(|found| found.place.line).collect();
        let found = std::str::from_utf8(self.text).ok().and_then(secrets).unwrap_or_default();
        let others = found.into_iter().filter(|(line, _)| !of_form.contains(line));
        for (line, name) in others.take(MAX_FINDINGS) {
            let place = Place { file: self.file.to_owned(), line, column: 1 };
            self.add(place, format!("the value of {name} stands there in clear"));
        }
    }
}

/// The secrets among the variables that `text` sets, each with its line; `None` when it says anything else.
fn secrets(text: &str) -> Option<Vec<(u32, &str)>> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let statement = text.trim();
        if statement.is_empty() || statement.starts_with(['#', ';']) {
            continue;
        }
        let (name, value) = variable(statement)?;
        if literal::names_secret(name) && literal::is_secret(name, value) {
            found.push((line, name));
        }
    }
    Some(found)
}

/// Name and value of `NAME=VALUE`, perhaps behind `export`.
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_name && !name.is_empty()).then_some((name, value.trim()))
}
