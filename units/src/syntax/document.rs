//! A unit file as written: sections, assignments and comments with their places; prints back byte for byte.

use super::WHITESPACE;
use super::lines::{Line, lines, readable};
use super::text::Text;
use crate::diagnostic::{Code, Diagnostic, Place, codes};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Longest logical line, continuations joined, in bytes (128 KiB; systemd allows 1 MiB).
const MAX_LINE: usize = 128 << 10;
/// Most sections and assignments of one file.
const MAX_ASSIGNMENTS: usize = 10_000;
/// Most lines of one file that are neither: what has more is no unit file at all.
const MAX_ERRORS: usize = 100;

/// A unit file or drop-in as written.
#[derive(Clone, Debug)]
pub struct Document {
    file: Arc<str>,
    source: Arc<str>,
    items: Vec<Item>,
}

/// What parsing a file gives.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// `None` when the bytes are no text (not UTF-8, control characters, too large).
    pub document: Option<Document>,
    /// In the order of lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// One piece of a document; the ranges of all pieces cover the source without a gap.
#[derive(Clone, Debug)]
struct Item {
    range: Range<usize>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    /// A blank line or a comment.
    Trivia,
    Section(Section),
    Assignment(Assignment),
    /// Neither, or behind a header that is none; a diagnostic says what is wrong.
    Garbage,
}

/// A section header, `[Unit]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Without the brackets.
    pub name: Text,
    /// From 1.
    pub line: u32,
    /// Of the opening bracket, in characters from 1.
    pub column: u32,
}

/// One `Key=value` of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// As written.
    pub key: Text,
    /// Continuations joined, outer white space removed.
    pub value: Text,
    /// Line of the key, from 1.
    pub line: u32,
    /// Column of the key, in characters from 1.
    pub column: u32,
    /// Where the pieces of the value stand; at least one.
    pieces: Pieces,
}

/// The first piece is kept inline: nearly every value is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pieces {
    first: Piece,
    more: Vec<Piece>,
}

/// From byte `offset` of the value on, text stands at `line` and `column`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    offset: usize,
    line: u32,
    column: u32,
}

impl Assignment {
    /// Line and column, from 1, of byte `offset` of the value.
    #[must_use]
    pub fn position(&self, offset: usize) -> (u32, u32) {
        let Pieces { first, more } = &self.pieces;
        let piece = more.iter().rev().find(|piece| piece.offset <= offset).unwrap_or(first);
        let end = (0..=offset.min(self.value.len())).rev().find(|end| self.value.is_char_boundary(*end)).unwrap_or(0);
        (piece.line, piece.column + characters(&self.value[piece.offset.min(end)..end]))
    }
}

impl Document {
    /// Reads `bytes`, the content of `file` (a path in the repository). Everything wrong with the grammar is
    /// found in one pass.
    #[must_use]
    pub fn parse(file: &str, bytes: &[u8]) -> Parsed {
        match readable(file, bytes) {
            Ok(text) => {
                let mut parser = Parser::new(file, text);
                parser.run();
                Parsed { document: Some(parser.document), diagnostics: parser.diagnostics }
            }
            Err(diagnostic) => Parsed { document: None, diagnostics: vec![diagnostic] },
        }
    }

    /// The path it was read from.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// The text as it was read.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The section headers, in order.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.items.iter().filter_map(|item| match &item.content {
            Content::Section(section) => Some(section),
            Content::Trivia | Content::Assignment(_) | Content::Garbage => None,
        })
    }

    /// The assignments that stand in a section, in order, each with its section.
    pub fn assignments(&self) -> impl Iterator<Item = (&Section, &Assignment)> {
        let mut current = None;
        self.items.iter().filter_map(move |item| match &item.content {
            Content::Section(section) => {
                current = Some(section);
                None
            }
            Content::Assignment(assignment) => current.map(|section| (section, assignment)),
            Content::Trivia | Content::Garbage => None,
        })
    }

    /// The values `section` gives to `key`, in order, as written.
    pub fn values<'a>(&'a self, section: &'a str, key: &'a str) -> impl Iterator<Item = &'a Assignment> {
        self.assignments()
            .filter(move |(at, assignment)| &*at.name == section && &*assignment.key == key)
            .map(|(_, assignment)| assignment)
    }

    /// Whether it says nothing at all: such a file masks (systemd.unit(5)).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }
}

impl fmt::Display for Document {
    /// The text as it was read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items.iter().try_for_each(|item| f.write_str(&self.source[item.range.clone()]))
    }
}

fn characters(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

/// A line whose continuations are being joined.
struct Pending {
    start: usize,
    end: usize,
    text: String,
    pieces: Vec<Piece>,
}

/// One line with its continuations joined.
struct Logical<'t> {
    /// The file, or what its continuations were joined to.
    whole: &'t Arc<str>,
    /// Where in `whole` the line begins.
    start: usize,
    /// The line.
    text: &'t str,
    /// Where in the file its parts stand.
    pieces: &'t [Piece],
}

impl Logical<'_> {
    /// `part`, a slice of the line, without a copy of its bytes; `offset` is where in the line it begins.
    fn share(&self, offset: usize, part: &str) -> Text {
        let start = self.start + offset;
        Text::new(self.whole, start..start + part.len())
    }

    /// Line and column of byte `offset` of the line.
    fn locate(&self, offset: usize) -> (u32, u32) {
        let piece = self.pieces.iter().rev().find(|piece| piece.offset <= offset).unwrap_or(&self.pieces[0]);
        (piece.line, piece.column + characters(&self.text[piece.offset..offset]))
    }

    /// The pieces of the value that begins at byte `start` of the line.
    fn value_pieces(&self, start: usize) -> Pieces {
        let (line, column) = self.locate(start);
        let moved = self.pieces.iter().filter(|piece| piece.offset > start);
        let more = moved.map(|piece| Piece { offset: piece.offset - start, ..*piece }).collect();
        Pieces { first: Piece { offset: 0, line, column }, more }
    }
}

struct Parser {
    source: Arc<str>,
    document: Document,
    diagnostics: Vec<Diagnostic>,
    /// Whether assignments belong somewhere; an error was told when they do not.
    in_section: bool,
    /// Behind a broken header: nobody knows where assignments belong, and nothing more is told.
    lost: bool,
    /// Sections and assignments so far.
    counted: usize,
}

impl Parser {
    fn new(file: &str, text: &str) -> Self {
        let source: Arc<str> = text.into();
        let document = Document { file: file.into(), source: Arc::clone(&source), items: Vec::new() };
        Parser { source, document, diagnostics: Vec::new(), in_section: false, lost: false, counted: 0 }
    }

    /// The line structure of systemd's `config_parse`: comments within a continued line are skipped, an empty
    /// line ends it, the backslash becomes a space.
    fn run(&mut self) {
        let mut pending: Option<Pending> = None;
        let source = Arc::clone(&self.source);
        for line in lines(&source) {
            let mut text = line.text;
            if line.start == 0 {
                text = text.strip_prefix('\u{feff}').unwrap_or(text);
            }
            let start = line.start + line.text.len() - text.len();
            let trimmed = text.trim_start_matches(WHITESPACE);
            let comment = trimmed.starts_with(['#', ';']);
            match pending.take() {
                Some(mut open) if comment => {
                    open.end = line.end;
                    pending = Some(open);
                }
                Some(open) => pending = self.join(open, line, text),
                None if comment || trimmed.is_empty() => self.push(line.start..line.end, Content::Trivia),
                None if continues(text) => {
                    let open = Pending { start: line.start, end: line.start, text: String::new(), pieces: Vec::new() };
                    pending = self.join(open, line, text);
                }
                None => {
                    let pieces = [piece(0, &line)];
                    self.logical(line.start..line.end, &Logical { whole: &source, start, text, pieces: &pieces });
                }
            }
            if let Some((code, message)) = self.exceeded() {
                return self.stop(line, code, message);
            }
        }
        if let Some(open) = pending {
            self.joined(&open);
        }
    }

    /// Adds `text` to a continued line; gives it back when it goes on.
    fn join(&mut self, mut open: Pending, line: Line<'_>, text: &str) -> Option<Pending> {
        open.pieces.push(piece(open.text.len(), &line));
        open.end = line.end;
        if continues(text) {
            open.text.push_str(&text[..text.len() - 1]);
            open.text.push(' ');
            if open.text.len() <= MAX_LINE {
                return Some(open);
            }
        } else {
            open.text.push_str(text);
        }
        self.joined(&open);
        None
    }

    fn joined(&mut self, open: &Pending) {
        let whole: Arc<str> = open.text.as_str().into();
        self.logical(open.start..open.end, &Logical { whole: &whole, start: 0, text: &whole, pieces: &open.pieces });
    }

    fn push(&mut self, range: Range<usize>, content: Content) {
        self.counted += usize::from(matches!(content, Content::Section(_) | Content::Assignment(_)));
        self.document.items.push(Item { range, content });
    }

    /// A section header, an assignment, or an error.
    fn logical(&mut self, range: Range<usize>, logical: &Logical<'_>) {
        let text = logical.text;
        let start = text.len() - text.trim_start_matches(WHITESPACE).len();
        let body = text.trim_matches(WHITESPACE);
        let content = if body.is_empty() {
            // Continued lines that hold nothing.
            Content::Trivia
        } else if text.len() > MAX_LINE {
            let (line, column) = logical.locate(start);
            self.garbage(codes::LINE_TOO_LONG, line, column, format!("the line has more than {MAX_LINE} bytes"), "")
        } else if let Some(header) = body.strip_prefix('[') {
            self.section(logical, header, start)
        } else {
            self.assignment(logical, body, start)
        };
        self.push(range, content);
    }

    fn section(&mut self, logical: &Logical<'_>, header: &str, start: usize) -> Content {
        self.in_section = true;
        self.lost = false;
        let (line, column) = logical.locate(start);
        match header.strip_suffix(']') {
            Some(name) if !name.is_empty() && !name.contains(['[', ']']) => {
                Content::Section(Section { name: logical.share(start + 1, name), line, column })
            }
            _ => {
                self.lost = true;
                let message = format!("[{} is no section header", shown(header));
                self.garbage(codes::BAD_SECTION_HEADER, line, column, message, "a header looks like [Service]")
            }
        }
    }

    fn assignment(&mut self, logical: &Logical<'_>, body: &str, start: usize) -> Content {
        let (line, column) = logical.locate(start);
        let Some((key, value)) = body.split_once('=') else {
            let message = format!("{:?} is no assignment: there is no \"=\"", shown(body));
            return self.garbage(
                codes::MISSING_EQUALS,
                line,
                column,
                message,
                "write Key=value, or begin the line with #",
            );
        };
        let key = key.trim_end_matches(WHITESPACE);
        if key.is_empty() {
            return self.garbage(codes::MISSING_KEY, line, column, "no key stands before \"=\"".to_owned(), "");
        }
        if !self.in_section {
            let hint = "begin the file with a header such as [Unit] or [Service]";
            return self.garbage(
                codes::NO_SECTION,
                line,
                column,
                format!("{:?} stands in no section", shown(key)),
                hint,
            );
        }
        if self.lost {
            return Content::Garbage;
        }
        let value = value.trim_start_matches(WHITESPACE);
        let value_start = start + body.len() - value.len();
        Content::Assignment(Assignment {
            key: logical.share(start, key),
            value: logical.share(value_start, value),
            line,
            column,
            pieces: logical.value_pieces(value_start),
        })
    }

    fn garbage(&mut self, code: Code, line: u32, column: u32, message: String, hint: &str) -> Content {
        let place = Place { file: self.document.file.to_string(), line, column };
        self.diagnostics.push(Diagnostic::error(code, place, message).with_hint(hint));
        Content::Garbage
    }

    /// Which bound the file exceeds.
    fn exceeded(&self) -> Option<(Code, String)> {
        if self.counted > MAX_ASSIGNMENTS {
            let message = format!("the file has more than {MAX_ASSIGNMENTS} sections and assignments");
            return Some((codes::TOO_MANY_ASSIGNMENTS, message));
        }
        let message = || format!("more than {MAX_ERRORS} lines are neither section header nor assignment");
        (self.diagnostics.len() > MAX_ERRORS).then(|| (codes::TOO_MANY_ERRORS, message()))
    }

    /// Reads nothing behind `line`.
    fn stop(&mut self, line: Line<'_>, code: Code, message: String) {
        let content = self.garbage(code, line.number, 1, format!("{message}; the rest is not read"), "");
        self.push(line.end..self.source.len(), content);
    }
}

/// Whether an unescaped backslash ends the line.
fn continues(text: &str) -> bool {
    (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
}

/// The piece that `line` adds at byte `offset` of a joined text; a byte order mark has no column of its own.
fn piece(offset: usize, line: &Line<'_>) -> Piece {
    Piece { offset, line: line.number, column: 1 }
}

/// Foreign text for a message: not more than 60 characters.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests;
