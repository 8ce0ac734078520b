//! Secrets that are committed in clear: in unit files, in delivered files, and below `secrets/`, where only ciphertext
//! belongs.
//!
//! ```text
//! Document --unit--> what names and forms of values give away
//! files/…  --text--> forms, and variables where the file is one of variables
//! secrets/… --age--> whether it is ciphertext
//! ```
//! What a scanner claims wrongly is allowed away without a look, and then the next secret as well: names and forms are
//! few and exact. A finding names what it found, never its value.

mod age;
mod literal;
mod shape;
mod text;
mod unit;

pub(crate) use unit::in_unit;

use crate::bundle::SourceTree;
use crate::diagnostic::allow::{self, Allowance};
use crate::diagnostic::{Diagnostic, Place, codes};
use crate::ids::EnvironmentName;
use shape::Hit;

/// Findings of one file: what has more has said enough.
const MAX_FINDINGS: usize = 20;
const HINT: &str = "replace the secret, it is in git's history; encrypt the new one to secrets/ENV/NAME.age and read it by \
                    LoadCredential=NAME";

/// A file that is no unit file, and what was found in it.
pub(crate) struct Committed<'a> {
    /// Its path in the repository.
    pub path: &'a str,
    /// What its own comments allow.
    pub allowances: Vec<Allowance>,
    /// Of its comments as well.
    pub diagnostics: Vec<Diagnostic>,
}

/// Looks at what is delivered in `environment`, and at all of `secrets/`: a leak there is one in every environment.
pub(crate) fn committed<'a>(environment: &EnvironmentName, tree: &'a SourceTree) -> Vec<Committed<'a>> {
    let overlay = format!("environments/{environment}/files/");
    let delivered = ["files/", &overlay].map(|folder| below(tree, folder, delivered));
    delivered.into_iter().flatten().chain(below(tree, "secrets/", secret)).collect()
}

/// What `look` finds in the files below `folder`; those without anything to say are left out.
fn below<'a>(tree: &'a SourceTree, folder: &str, look: fn(&str, &[u8]) -> Vec<Diagnostic>) -> Vec<Committed<'a>> {
    let files = tree.range(folder.to_owned()..).take_while(|(path, _)| path.starts_with(folder));
    let committed = files.map(|(path, file)| {
        let mut diagnostics = look(path, &file.content);
        let mut allowances = Vec::new();
        if text::is_text(&file.content) {
            let (allowed, of_comments) = allow::find(path, &file.content);
            allowances = allowed;
            diagnostics.extend(of_comments);
        }
        Committed { path, allowances, diagnostics }
    });
    committed.filter(|committed| !committed.diagnostics.is_empty() || !committed.allowances.is_empty()).collect()
}

fn delivered(path: &str, content: &[u8]) -> Vec<Diagnostic> {
    if text::is_text(content) { text::in_text(path, content) } else { Vec::new() }
}

/// A file below `secrets/`. Those for people, `.md` and with a dot in front, are looked at as delivered ones are.
fn secret(path: &str, content: &[u8]) -> Vec<Diagnostic> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.starts_with('.') || name.ends_with(".md") || text::is_recipients(content) {
        return delivered(path, content);
    }
    let finding = |fault| {
        let message = format!("a file below secrets/ that is no ciphertext of age: {fault}");
        let place = Place { file: path.to_owned(), line: 0, column: 0 };
        let hint = "replace the secret, it is in git's history, and commit it encrypted: age -R RECIPIENTS -o NAME.age";
        Diagnostic::warning(codes::SECRET_NOT_ENCRYPTED, place, message).with_hint(hint)
    };
    age::fault(content).map(finding).into_iter().collect()
}

/// Collects what is found in one file, at ascending places.
struct Found<'a> {
    file: &'a str,
    text: &'a [u8],
    /// The line that was counted last, where it begins, and up to where lines are counted.
    line: u32,
    start: usize,
    counted: usize,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Found<'a> {
    fn new(file: &'a str, text: &'a [u8]) -> Self {
        Found { file, text, line: 1, start: 0, counted: 0, diagnostics: Vec::new() }
    }

    /// Adds what stands at a byte of the text; `false` when it is enough. One of a line is told.
    fn hit(&mut self, hit: Hit) -> bool {
        self.count_to(hit.offset);
        if self.diagnostics.last().is_none_or(|last| last.place.line != self.line) {
            let place = self.place(hit.offset);
            self.add(place, format!("{} stands here in clear", hit.what));
        }
        self.diagnostics.len() < MAX_FINDINGS
    }

    fn add(&mut self, place: Place, message: String) {
        self.diagnostics.push(Diagnostic::warning(codes::SECRET_IN_CLEAR, place, message).with_hint(HINT));
    }

    fn count_to(&mut self, offset: usize) {
        for end in memchr::memchr_iter(b'\n', &self.text[self.counted..offset]) {
            self.line = self.line.saturating_add(1);
            self.start = self.counted + end + 1;
        }
        self.counted = offset;
    }

    /// The place of a byte of the line counted last.
    fn place(&self, offset: usize) -> Place {
        let before = String::from_utf8_lossy(&self.text[self.start..offset]).chars().count();
        let column = u32::try_from(before).map_or(u32::MAX, |before| before.saturating_add(1));
        Place { file: self.file.to_owned(), line: self.line, column }
    }
}

#[cfg(test)]
mod tests;
