//! Documents -> effective assignments of each directive: order, resets, other spellings, unknown keys.

use super::Values;
use super::directives::{self, Directive, Found, Kind};
use crate::diagnostic::{Diagnostic, MAX_SUGGESTIONS, Place, codes};
use crate::ids::UnitKind;
use crate::syntax::{Assignment, Document};
use std::ops::Range;

/// One assignment and the file it stands in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assigned<'a> {
    pub file: &'a str,
    pub assignment: &'a Assignment,
    /// Where it stands in the order of all assignments of all files.
    pub order: u32,
}

impl<'a> Assigned<'a> {
    /// The value as written.
    pub(crate) fn value(&self) -> &'a str {
        &self.assignment.value
    }

    /// Where byte `offset` of the value stands.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let (line, column) = self.assignment.position(offset);
        Place { file: self.file.to_owned(), line, column }
    }

    /// Where the key stands.
    pub(crate) fn key_place(&self) -> Place {
        Place { file: self.file.to_owned(), line: self.assignment.line, column: self.assignment.column }
    }
}

/// The effective assignments of one directive; never empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub directive: &'static Directive,
    /// In order; for directives that are no list just the last one.
    pub values: &'a [Assigned<'a>],
}

/// What is in effect once all documents have been read.
#[derive(Clone, Debug)]
pub(crate) struct Merged<'a> {
    /// Index in the table, and where the values are in `values`; in the order of the table.
    rows: Vec<(u16, Range<usize>)>,
    values: Vec<Assigned<'a>>,
}

impl<'a> Merged<'a> {
    /// Reads `documents` in order, for a unit of `kind`.
    pub(crate) fn new(kind: UnitKind, documents: &[&'a Document], found: &mut Vec<Diagnostic>) -> Self {
        let mut written = Written { kind, lines: Vec::new(), first_units: Vec::new(), unknown: 0 };
        let mut order = 0;
        for document in documents {
            let file = &**document.file();
            for section in document.sections() {
                let place = || Place { file: file.to_owned(), line: section.line, column: section.column };
                found.extend(unknown_section(kind, &section.name, place));
            }
            for (section, assignment) in document.assignments() {
                if known_section(kind, &section.name) {
                    order += 1;
                    written.assign(&section.name, Assigned { file, assignment, order }, found);
                }
            }
        }
        written.merge()
    }

    /// The directives in effect, in the order of the table.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let row = |(index, values): &(u16, Range<usize>)| Row {
            directive: directives::row(*index),
            values: &self.values[values.clone()],
        };
        self.rows.iter().map(row)
    }

    /// The assignment of `key` that counts last; no key is in the table for two sections.
    pub(crate) fn last(&self, key: &str) -> Option<Assigned<'a>> {
        let (_, values) = self.rows.iter().find(|(index, _)| directives::row(*index).key == key)?;
        self.values[values.clone()].last().copied()
    }

    /// The values as written.
    pub(crate) fn values(&self) -> Values {
        let text = |assigned: &Assigned<'_>| assigned.assignment.value.clone();
        let texts = self.rows.iter().flat_map(|(index, values)| {
            self.values[values.clone()].iter().map(move |assigned| (*index, text(assigned)))
        });
        Values::new(texts)
    }
}

/// One assignment of one directive.
struct Line<'a> {
    /// Index of the directive in the table.
    row: u16,
    assigned: Assigned<'a>,
    /// What the directive was assigned before does not count any more.
    resets: bool,
    /// It has a value itself.
    counts: bool,
}

/// What the documents say, in order.
struct Written<'a> {
    kind: UnitKind,
    lines: Vec<Line<'a>>,
    /// Of those whose first value counts, the ones that have one.
    first_units: Vec<u16>,
    /// How many keys nobody knew.
    unknown: usize,
}

impl<'a> Written<'a> {
    fn assign(&mut self, section: &str, assigned: Assigned<'a>, found: &mut Vec<Diagnostic>) {
        let key = &*assigned.assignment.key;
        match directives::lookup(section, key) {
            Some(Found::Row(index)) => self.set(index, assigned, found),
            Some(Found::Spelling(spelling)) => {
                if spelling.deprecated {
                    let means: Vec<String> =
                        spelling.means.iter().map(|(at, key)| format!("{key}= in [{}]", self.section(at))).collect();
                    let is_place = matches!(spelling.means, [(_, only)] if *only == key);
                    let (message, verb) = match is_place {
                        true => (format!("[{section}] is an old place of {key}="), "move it:"),
                        false => (format!("{key}= is an old spelling"), "write"),
                    };
                    found.push(
                        Diagnostic::note(codes::DEPRECATED_SPELLING, assigned.key_place(), message)
                            .with_hint(format!("{verb} {}", means.join(" and "))),
                    );
                }
                for (section, key) in spelling.means {
                    if let Some(Found::Row(index)) = directives::lookup(section, key) {
                        self.set(index, assigned, found);
                    }
                }
            }
            // Keys of others, systemd.unit(5): ignored silently.
            None if key.starts_with("X-") => {}
            None => {
                self.unknown += 1;
                found.push(unknown_key(self.kind, section, &assigned, self.unknown <= MAX_SUGGESTIONS));
            }
        }
    }

    fn set(&mut self, index: u16, assigned: Assigned<'a>, found: &mut Vec<Diagnostic>) {
        let directive = directives::row(index);
        let empty = assigned.value().is_empty();
        if directive.kind == Kind::Dependencies && empty {
            let message = format!("{}= cannot be emptied: dependencies only add up", directive.key);
            found.push(
                Diagnostic::warning(codes::DEPENDENCIES_NOT_RESET, assigned.key_place(), message).with_hint(
                    "a drop-in cannot take dependencies away (systemd.unit(5)); replace the unit file instead",
                ),
            );
            return;
        }
        if let Some(why) = directive.refused_in(self.kind) {
            found.push(Diagnostic::error(
                codes::REFUSED_DIRECTIVE,
                assigned.key_place(),
                format!("{}= is refused: {why}", directive.key),
            ));
        }
        if empty && directive.refuses_empty() {
            found.push(needs_a_value(directive, assigned.key_place()));
            return;
        }
        if directive.kind == Kind::FirstUnit {
            if self.first_units.contains(&index) {
                found.push(not_the_first_unit(directive.key, assigned.key_place()));
                return;
            }
            self.first_units.push(index);
        }
        if empty {
            let of_list = others_of_list(directive);
            self.lines.extend(of_list.map(|row| Line { row, assigned, resets: true, counts: false }));
        }
        let (resets, counts) = (empty || !directive.kind.is_list(), !empty || directive.kind.empty_counts());
        self.lines.push(Line { row: index, assigned, resets, counts });
    }

    /// Directive by directive, what counts.
    fn merge(mut self) -> Merged<'a> {
        // Stable: what is assigned to one directive stays in order.
        self.lines.sort_by_key(|line| line.row);
        let mut merged = Merged { rows: Vec::new(), values: Vec::with_capacity(self.lines.len()) };
        for lines in self.lines.chunk_by(|one, other| one.row == other.row) {
            let from = lines.iter().rposition(|line| line.resets).unwrap_or(0);
            let start = merged.values.len();
            merged.values.extend(lines[from..].iter().filter(|line| line.counts).map(|line| line.assigned));
            if merged.values.len() > start {
                merged.rows.push((lines[0].row, start..merged.values.len()));
            }
        }
        merged
    }

    /// The section of this unit that holds a row of `section`: sockets have rows of services in their own.
    fn section(&self, section: &'static str) -> &'static str {
        if self.kind == UnitKind::Socket && section == "Service" { "Socket" } else { section }
    }
}

/// The other directives, by index in the table, that fill one list with `directive`.
fn others_of_list(directive: &Directive) -> impl Iterator<Item = u16> {
    let rows = (0..).zip(directives::all());
    rows.filter(move |(_, row)| row.key != directive.key && fill_one_list(directive, row)).map(|(index, _)| index)
}

/// Whether two directives fill one list, so that emptying one of them empties it (systemd.timer(5), systemd.socket(5),
/// systemd.unit(5), systemd.exec(5)).
fn fill_one_list(one: &Directive, other: &Directive) -> bool {
    const TOGETHER: [[&str; 2]; 4] = [
        ["BindPaths", "BindReadOnlyPaths"],
        ["LoadCredential", "LoadCredentialEncrypted"],
        ["SetCredential", "SetCredentialEncrypted"],
        ["StandardInputText", "StandardInputData"],
    ];
    let asserts = |row: &Directive| row.key.starts_with("Assert");
    match (one.kind, other.kind) {
        (Kind::Calendar | Kind::TriggerSpan, Kind::Calendar | Kind::TriggerSpan) | (Kind::Listen, Kind::Listen) => true,
        (Kind::Condition(_), Kind::Condition(_)) => asserts(one) == asserts(other),
        _ => TOGETHER.iter().any(|keys| keys.contains(&one.key) && keys.contains(&other.key)),
    }
}

/// As systemd says of most settings that are no lists.
fn needs_a_value(directive: &Directive, place: Place) -> Diagnostic {
    let message = format!("{}=: nothing is given; what was given before would stay", directive.key);
    let hint = match directive.default {
        "" => "take the line away".to_owned(),
        default => format!("write what you want; the default is {default}"),
    };
    Diagnostic::error(codes::BAD_VALUE, place, message).with_hint(hint)
}

/// As systemd says of a timer's `Unit=`.
fn not_the_first_unit(key: &str, place: Place) -> Diagnostic {
    let message = format!("{key}= counts once: the first one stays, this one is ignored");
    let hint = "a drop-in cannot change it; replace the unit file instead";
    Diagnostic::warning(codes::NOT_THE_FIRST_UNIT, place, message).with_hint(hint)
}

fn known_section(kind: UnitKind, section: &str) -> bool {
    match section {
        "Unit" | "Install" | "X-Fleet" | "Fleet" => true,
        "Service" => kind == UnitKind::Service,
        "Timer" => kind == UnitKind::Timer,
        "Socket" => kind == UnitKind::Socket,
        // Has no keys of its own; systemd takes it all the same.
        "Target" => kind == UnitKind::Target,
        _ => false,
    }
}

fn unknown_section(kind: UnitKind, section: &str, place: impl Fn() -> Place) -> Option<Diagnostic> {
    if known_section(kind, section) || section.starts_with("X-") {
        return None;
    }
    let message = format!("[{section}] is no section of a .{} unit: what stands in it is ignored", kind.as_str());
    let known = ["Unit", "Service", "Timer", "Socket", "Install", "X-Fleet"];
    let near = crate::diagnostic::did_you_mean(section, known.into_iter().filter(|known| known_section(kind, known)));
    let hint = near
        .map_or("sections that begin with X- are left to others".to_owned(), |near| format!("did you mean [{near}]?"));
    Some(Diagnostic::warning(codes::UNKNOWN_SECTION, place(), message).with_hint(hint))
}

/// `suggest`: whether to look for the key that was meant.
fn unknown_key(kind: UnitKind, section: &str, assigned: &Assigned<'_>, suggest: bool) -> Diagnostic {
    let key = &*assigned.assignment.key;
    let shown: String = key.chars().take(60).collect();
    let message = format!("{shown}= is no directive of [{section}]");
    let own = directives::sections_of(key).find(|section| known_section(kind, section));
    let elsewhere = own.or_else(|| directives::sections_of(key).next());
    let near = suggest.then(|| directives::nearest(section, key)).flatten();
    let hint = match (elsewhere, near) {
        (Some(other), _) => format!("{shown}= belongs in [{other}]"),
        (None, Some(near)) => format!("did you mean {near}=?"),
        (None, None) => "keys that begin with X- are left to others".to_owned(),
    };
    Diagnostic::error(codes::UNKNOWN_DIRECTIVE, assigned.key_place(), message).with_hint(hint)
}
