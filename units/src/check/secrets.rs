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
use crate::diagnostic::allow;
use crate::diagnostic::{Diagnostic, Place, codes};
use crate::ids::EnvironmentName;
use crate::spec::load::FoundInFile;
use shape::Hit;

/// Findings of one file: what has more has said enough.
const MAX_FINDINGS: usize = 20;
const HINT: &str = "replace the secret, it is in git's history; encrypt the new one to secrets/ENV/NAME.age and read it by \
                    LoadCredential=NAME";

/// The paths of `tree` that [`in_committed`] is for: what is delivered in `environment`, and all of `secrets/`: a leak
/// there is one in every environment.
pub(crate) fn committed<'a>(environment: &EnvironmentName, tree: &'a SourceTree) -> impl Iterator<Item = &'a str> {
    folders(environment).into_iter().flat_map(|folder| {
        let from = tree.range(folder.clone()..).map(|(path, _)| path.as_str());
        from.take_while(move |path| path.starts_with(&folder))
    })
}

/// Whether [`committed`] would give `path`.
pub(crate) fn is_committed(environment: &EnvironmentName, path: &str) -> bool {
    folders(environment).iter().any(|folder| path.starts_with(folder))
}

fn folders(environment: &EnvironmentName) -> [String; 3] {
    ["files/".to_owned(), format!("environments/{environment}/files/"), "secrets/".to_owned()]
}

/// What is found in a file that is no unit file, and what its own comments allow.
pub(crate) fn in_committed(path: &str, content: &[u8]) -> FoundInFile {
    let look = if path.starts_with("secrets/") { secret } else { delivered };
    let mut found = FoundInFile { diagnostics: look(path, content), allowances: Vec::new() };
    if text::is_text(content) {
        let (allowances, of_comments) = allow::find(path, content);
        found.allowances = allowances;
        found.diagnostics.extend(of_comments);
    }
    found
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
