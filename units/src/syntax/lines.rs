//! Physical lines of a text, and what no unit file may hold.

use crate::diagnostic::{Diagnostic, Place, codes};

/// Largest unit file or drop-in, in bytes (1 MiB).
pub(super) const MAX_FILE: usize = 1 << 20;

/// One physical line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// From 1.
    pub number: u32,
    /// Byte offset of its first character in the text.
    pub start: usize,
    /// Byte offset behind its line end.
    pub end: usize,
    /// Without the line end.
    pub text: &'a str,
}

/// The lines of `text`; `\n` and `\r\n` end a line.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    text.split_inclusive('\n').zip(1..).map(move |(raw, number)| {
        let line = raw.strip_suffix('\n').unwrap_or(raw);
        let line = Line { number, start, end: start + raw.len(), text: line.strip_suffix('\r').unwrap_or(line) };
        start = line.end;
        line
    })
}

/// `bytes` as text; an error that says where when they are too many, not UTF-8, or hold a control character
/// other than tab and line end.
pub(super) fn readable<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, Diagnostic> {
    let at = |line, column| Place { file: file.to_owned(), line, column };
    if bytes.len() > MAX_FILE {
        let message = format!("the file has {} bytes; a unit file has at most {MAX_FILE}", bytes.len());
        return Err(Diagnostic::error(codes::FILE_TOO_LARGE, at(0, 0), message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = position(&String::from_utf8_lossy(&bytes[..error.valid_up_to()]));
        let message = format!("the byte 0x{:02x} is not UTF-8", bytes[error.valid_up_to()]);
        Diagnostic::error(codes::NOT_UTF8, at(line, column), message).with_hint("save the file as UTF-8")
    })?;
    // Nearly every file is plain ASCII: looking at bytes finds out five times sooner.
    if text.bytes().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')) {
        return Ok(text);
    }
    match text.char_indices().find(|(offset, c)| forbidden(*c, &text[*offset..])) {
        None => Ok(text),
        Some((offset, c)) => {
            let (line, column) = position(&text[..offset]);
            let message = format!("the control character U+{:04X} must not stand in a unit file", c as u32);
            Err(Diagnostic::error(codes::CONTROL_CHARACTER, at(line, column), message)
                .with_hint("within quotes it can be written as an escape such as \\x1b"))
        }
    }
}

/// Control characters, and the ones that reorder or hide text on a screen (a reviewer would not see what runs).
fn forbidden(c: char, rest: &str) -> bool {
    match c {
        '\n' | '\t' => false,
        '\r' => !rest.starts_with("\r\n"),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
}

/// Line and column, from 1, of what follows `before`.
fn position(before: &str) -> (u32, u32) {
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before[..line_start].matches('\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}
