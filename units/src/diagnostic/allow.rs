//! Comments that allow findings: `# fleet-allow: CODE[, CODE…]: reason`.
//!
//! ```text
//! text --find--> Allowances of each file;  findings + Allowances --settle--> findings that stay, Allowed, unused
//! ```
//! A comment acts on the file it stands in, wherever in it: on each warning and note whose place is in that file. An
//! error cannot be allowed, and a comment without a reason allows nothing. Reading finds the comments once a file;
//! `fleet::compile` and `spec::load` apply them last, when everything has been found.

use super::{Diagnostic, Place, codes, did_you_mean};
use std::collections::{BTreeSet, HashMap};

/// What a comment begins with, behind its comment sign.
const WORD: &str = "fleet-allow:";
const FORM: &str = "write # fleet-allow: CODE: reason";

/// One code that one comment allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    code: &'static str,
    /// Where the code stands in the comment.
    line: u32,
    column: u32,
}

/// A finding that a comment took off the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    /// What was found; a warning or a note.
    pub finding: Diagnostic,
    /// Where the comment names its code.
    pub by: Place,
}

/// The allowances in the comments of `file`, a unit file or drop-in, and what is wrong with those comments.
pub(crate) fn find(file: &str, text: &[u8]) -> (Vec<Allowance>, Vec<Diagnostic>) {
    let (mut allowances, mut found) = (Vec::new(), Vec::new());
    // Nearly no file has one: one search says so.
    if memchr::memmem::find(text, WORD.as_bytes()).is_none() {
        return (allowances, found);
    }
    for (line, text) in (1..).zip(String::from_utf8_lossy(text).lines()) {
        if let Some(start) = comment(text) {
            Comment { file, line, text, start }.read(&mut allowances, &mut found);
        }
    }
    (allowances, found)
}

/// Where the codes begin, in bytes, in a line that is such a comment.
fn comment(line: &str) -> Option<usize> {
    let at = line.find(WORD)?;
    let sign = line[..at].trim();
    let is_sign = !sign.is_empty() && sign.chars().all(|c| c.is_ascii_punctuation());
    is_sign.then_some(at + WORD.len())
}

/// A line that allows something, or tries to.
struct Comment<'a> {
    file: &'a str,
    line: u32,
    text: &'a str,
    /// Where the codes begin, in bytes.
    start: usize,
}

impl Comment<'_> {
    fn read(&self, allowances: &mut Vec<Allowance>, found: &mut Vec<Diagnostic>) {
        let (names, reason) = self.text[self.start..].split_once(':').unwrap_or((&self.text[self.start..], ""));
        let mut known = Vec::new();
        let mut offset = self.start;
        for name in names.split(',') {
            let at = offset + name.len() - name.trim_start().len();
            offset += name.len() + 1;
            match codes::find(name.trim()) {
                Some(code) => known.push(Allowance { code: code.name, line: self.line, column: self.column(at) }),
                None => found.push(self.unknown(name.trim(), at)),
            }
        }
        if reason.trim().is_empty() {
            let message = "a comment that allows findings must say why; it allows nothing";
            let place = self.place(self.start - WORD.len());
            found.push(Diagnostic::warning(codes::ALLOW_WITHOUT_REASON, place, message).with_hint(FORM));
        } else {
            allowances.append(&mut known);
        }
    }

    fn unknown(&self, name: &str, at: usize) -> Diagnostic {
        let shown: String = name.chars().take(60).collect();
        let message = format!("{shown:?} is no code of a finding");
        let near = did_you_mean(&shown, codes::all().map(|code| code.name));
        let hint =
            near.map_or(format!("{FORM}; docs/errors.md lists the codes"), |near| format!("did you mean {near}?"));
        Diagnostic::warning(codes::UNKNOWN_CODE, self.place(at), message).with_hint(hint)
    }

    /// The column, from 1 and in characters, of byte `offset`.
    fn column(&self, offset: usize) -> u32 {
        u32::try_from(self.text[..offset].chars().count()).map_or(u32::MAX, |before| before.saturating_add(1))
    }

    fn place(&self, offset: usize) -> Place {
        Place { file: self.file.to_owned(), line: self.line, column: self.column(offset) }
    }
}

/// What became of the findings and the comments.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// What was taken off the list.
    pub allowed: Vec<Allowed>,
    /// `unused-allow`, in the order of files and lines.
    pub unused: Vec<Diagnostic>,
}

/// Takes what the comments of `files` allow out of `findings`.
pub(crate) fn settle<'a>(
    findings: &mut Vec<Diagnostic>,
    files: impl Iterator<Item = (&'a str, &'a [Allowance])>,
) -> Settled {
    let files: HashMap<&str, &[Allowance]> = files.filter(|(_, allowances)| !allowances.is_empty()).collect();
    let mut settled = Settled::default();
    if files.is_empty() {
        return settled;
    }
    let mut used = BTreeSet::new();
    findings.retain(|finding| {
        let allowances = files.get(finding.place.file.as_str()).copied().unwrap_or_default();
        let Some(by) = allowances.iter().find(|by| by.code == finding.code && !finding.is_error()) else { return true };
        let by = Place { file: finding.place.file.clone(), line: by.line, column: by.column };
        used.insert(by.clone());
        settled.allowed.push(Allowed { finding: finding.clone(), by });
        false
    });
    for (file, allowances) in files {
        for Allowance { code, line, column } in allowances {
            let place = Place { file: file.to_owned(), line: *line, column: *column };
            if !used.contains(&place) {
                settled.unused.push(unused(code, place, findings));
            }
        }
    }
    settled.unused.sort();
    settled
}

fn unused(code: &str, place: Place, findings: &[Diagnostic]) -> Diagnostic {
    let is_error = findings.iter().any(|finding| finding.code == code && finding.place.file == place.file);
    let (message, hint) = match is_error {
        true => {
            (format!("{code} is an error here, and errors cannot be allowed"), "correct it, and take the comment away")
        }
        false => (format!("no {code} is found in this file"), "take the comment away, or the code out of it"),
    };
    Diagnostic::warning(codes::UNUSED_ALLOW, place, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let (allowances, found) = find("f", text.as_bytes());
        let allowances = allowances.iter().map(|at| format!("{}@{}:{}", at.code, at.line, at.column));
        let found = found.iter().map(|d| format!("{}@{}:{}", d.code, d.place.line, d.place.column));
        (allowances.collect(), found.collect())
    }

    #[test]
    fn a_comment_names_codes_and_a_reason() {
        let (allowances, found) = read(
            "[Unit]\n# fleet-allow: kill-mode-none: it is a multiplexer\n;fleet-allow:no-effect,  old-path : é\n\
             \t## fleet-allow: masked: a: b\n// fleet-allow: strict: c\n",
        );
        assert_eq!(
            allowances,
            ["kill-mode-none@2:16", "no-effect@3:14", "old-path@3:26", "masked@4:18", "strict@5:17"]
        );
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn a_comment_without_reason_and_a_code_that_is_none_are_found() {
        assert_eq!(read("# fleet-allow: no-effect\n"), (vec![], vec!["allow-without-reason@1:3".into()]));
        assert_eq!(read("# fleet-allow: no-effect: \n"), (vec![], vec!["allow-without-reason@1:3".into()]));
        assert_eq!(
            read("# é fleet-allow: x: y\n# fleet-allow: no-efect, no-effect: é\n# fleet-allow:"),
            (
                vec!["no-effect@2:26".into()],
                vec!["unknown-code@2:16".into(), "unknown-code@3:15".into(), "allow-without-reason@3:3".into()]
            )
        );
    }

    #[test]
    fn other_text_allows_nothing() {
        for text in ["Environment=X=fleet-allow: no-effect: x", "# see fleet-allow: no-effect: x", "fleet-allow: a: b"]
        {
            assert_eq!(read(text), (vec![], vec![]), "{text}");
        }
    }

    #[test]
    fn warnings_and_notes_of_the_file_are_taken_off_the_list_and_errors_stay() {
        let place = |file: &str, line| Place { file: file.into(), line, column: 1 };
        let mut findings = vec![
            Diagnostic::warning(codes::NO_EFFECT, place("f", 3), "a"),
            Diagnostic::warning(codes::NO_EFFECT, place("g", 3), "b"),
            Diagnostic::error(codes::MASKED, place("f", 0), "c"),
        ];
        let (allowances, _) = find("f", b"# fleet-allow: no-effect, masked, old-path: because\n");
        let settled = settle(&mut findings, [("f", &*allowances)].into_iter());
        assert_eq!(findings.iter().map(|d| d.message.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(settled.allowed.len(), 1);
        assert_eq!((settled.allowed[0].by.line, settled.allowed[0].by.column), (1, 16));
        let unused: Vec<String> = settled.unused.iter().map(ToString::to_string).collect();
        assert!(unused[0].starts_with("f:1:27: warning[unused-allow]: masked is an error here"), "{unused:?}");
        assert!(
            unused[1].starts_with("f:1:35: warning[unused-allow]: no old-path is found in this file"),
            "{unused:?}"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(# fleet-allow:[a-z:,é \\n]{0,12}){0,3}.{0,20}") {
            let _ = find("f", text.as_bytes());
        }
    }
}
