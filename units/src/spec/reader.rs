//! What every section's reading shares: specifiers, words, typed values, and where to report.

use super::directives::Kind;
use super::layers::suffix_of;
use super::merge::{Assigned, Row};
use super::{signal, value};
use crate::bundle::SourceTree;
use crate::diagnostic::{Diagnostic, Place, Reason};
use crate::ids::UnitName;
use crate::status::Unenforced;
use crate::syntax::words::{Escapes, Word, split};
use crate::syntax::{Specifiers, variables};
use std::collections::BTreeSet;
use std::time::Duration;

/// Stands for "for ever" where a type has no word for it.
pub(crate) const FOR_EVER: Duration = Duration::MAX;

/// Reads values of one unit and collects what is found.
pub(crate) struct Reader<'a> {
    pub name: &'a UnitName,
    pub specifiers: Specifiers<'a>,
    /// Where delivered files are looked up.
    pub files: &'a SourceTree,
    /// `environments/ENV/`
    pub overlay: String,
    pub diagnostics: Vec<Diagnostic>,
    pub unenforced: Vec<Unenforced>,
}

impl Reader<'_> {
    pub(crate) fn error(&mut self, code: &str, place: Place, message: impl Into<String>, hint: &str) {
        self.diagnostics.push(Diagnostic::error(code, place, message).with_hint(hint));
    }

    pub(crate) fn warning(&mut self, code: &str, place: Place, message: impl Into<String>, hint: &str) {
        self.diagnostics.push(Diagnostic::warning(code, place, message).with_hint(hint));
    }

    /// Notes that `directive` is accepted and does not act.
    pub(crate) fn unenforced(&mut self, directive: impl Into<String>, code: &str, text: &str) {
        let entry = Unenforced { directive: directive.into(), reason: Reason::new(code, text) };
        if !self.unenforced.contains(&entry) {
            self.unenforced.push(entry);
        }
    }

    pub(crate) fn not_built(&mut self, directive: impl Into<String>) {
        self.unenforced(directive, "not-built-yet", "this version of Fleet does not put it into effect");
    }

    /// The value, or an error at the value's beginning.
    pub(crate) fn checked<T>(&mut self, at: &Assigned<'_>, result: Result<T, String>) -> Option<T> {
        self.checked_at(at, 0, result)
    }

    pub(crate) fn checked_at<T>(&mut self, at: &Assigned<'_>, offset: usize, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(message) => {
                let message = format!("{}=: {message}", at.assignment.key);
                self.error("bad-value", at.place(offset), message, "");
                None
            }
        }
    }

    /// The value with its specifiers filled in.
    pub(crate) fn text(&mut self, at: &Assigned<'_>) -> Option<String> {
        self.expand(at, 0, at.value())
    }

    /// `text`, which stands at byte `offset` of the value, with its specifiers filled in.
    pub(crate) fn expand(&mut self, at: &Assigned<'_>, offset: usize, text: &str) -> Option<String> {
        match self.specifiers.expand(text) {
            Ok(expanded) => Some(expanded.into_owned()),
            Err(error) => {
                let message = format!("{}=: {}", at.assignment.key, error.message);
                self.error("bad-specifier", at.place(offset + error.offset), message, "");
                None
            }
        }
    }

    /// The words of the value, specifiers not filled in.
    pub(crate) fn raw_words(&mut self, at: &Assigned<'_>, escapes: Escapes) -> Vec<Word> {
        match split(at.value(), escapes) {
            Ok(words) => words,
            Err(error) => {
                let message = format!("{}=: {}", at.assignment.key, error.message);
                self.error("bad-quoting", at.place(error.offset), message, "");
                Vec::new()
            }
        }
    }

    /// The words of all values, each with its specifiers filled in.
    pub(crate) fn words<'v>(&mut self, values: &[Assigned<'v>], escapes: Escapes) -> Vec<(Assigned<'v>, Word)> {
        let mut found = Vec::new();
        for at in values {
            for word in self.raw_words(at, escapes) {
                if let Some(text) = self.expand(at, word.offset, &word.text) {
                    found.push((*at, Word { text, ..word }));
                }
            }
        }
        found
    }

    /// Whether `text` begins with a specifier that only the node can fill in.
    pub(crate) fn is_open(&self, text: &str) -> bool {
        self.specifiers.host.is_none() && text.starts_with('%')
    }

    /// An absolute path; one that begins with the host's specifier is left as it is.
    pub(crate) fn absolute(&mut self, at: &Assigned<'_>, offset: usize, text: &str) -> Option<String> {
        if self.is_open(text) {
            return Some(text.to_owned());
        }
        self.checked_at(at, offset, value::absolute_path(text))
    }

    /// `/run` for the old folder `/var/run`, with a note, as systemd replaces it.
    pub(crate) fn below_run(&mut self, at: &Assigned<'_>, path: String) -> String {
        let Some(below) = path.strip_prefix("/var/run/") else { return path };
        let message = format!("{}=: {path} is below the old folder /var/run", at.assignment.key);
        let note = Diagnostic::note("old-path", at.place(0), message).with_hint(format!("write /run/{below}"));
        self.diagnostics.push(note);
        format!("/run/{below}")
    }

    pub(crate) fn boolean(&mut self, at: &Assigned<'_>) -> Option<bool> {
        self.checked(at, value::boolean(at.value()))
    }

    pub(crate) fn span(&mut self, at: &Assigned<'_>) -> Option<Option<Duration>> {
        self.checked(at, value::time_span(at.value()))
    }

    /// A time span whose `infinity` is [`FOR_EVER`].
    pub(crate) fn long_span(&mut self, at: &Assigned<'_>) -> Option<Duration> {
        self.span(at).map(|span| span.unwrap_or(FOR_EVER))
    }

    pub(crate) fn integer<T: TryFrom<i64>>(&mut self, at: &Assigned<'_>, kind: Kind) -> Option<T> {
        let Kind::Integer(low, high) = kind else { return None };
        let number = self.checked(at, value::integer(at.value(), low, high))?;
        T::try_from(number).ok()
    }

    pub(crate) fn signal(&mut self, at: &Assigned<'_>) -> Option<i32> {
        self.checked(at, signal::signal(at.value()))
    }

    /// The entry of `choices` that the value is, or an error that lists them.
    pub(crate) fn choice<T: Copy>(&mut self, at: &Assigned<'_>, choices: &[(&str, T)]) -> Option<T> {
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == at.value()) {
            return Some(*choice);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.not_a_choice(at, &names);
        None
    }

    fn not_a_choice(&mut self, at: &Assigned<'_>, names: &[&str]) {
        let near = crate::diagnostic::did_you_mean(at.value(), names.iter().copied());
        let hint = near.map_or(String::new(), |near| format!("did you mean {near}?"));
        let message = format!("{}=: {:?} is none of {}", at.assignment.key, at.value(), names.join(", "));
        self.error("bad-value", at.place(0), message, &hint);
    }

    /// Names of units. Those of kinds Fleet does not have are left out and told as unenforced.
    pub(crate) fn units(&mut self, values: &[Assigned<'_>]) -> BTreeSet<UnitName> {
        let mut found = BTreeSet::new();
        for (at, word) in self.words(values, Escapes::Keep) {
            match self.unit(&at, &word) {
                Some(name) if name == *self.name => {
                    let message = format!("{}= names the unit itself", at.assignment.key);
                    self.warning("self-dependency", at.place(word.offset), message, "it is ignored");
                }
                Some(name) => {
                    found.insert(name);
                }
                None => {}
            }
        }
        found
    }

    fn unit(&mut self, at: &Assigned<'_>, word: &Word) -> Option<UnitName> {
        let key = &at.assignment.key;
        let other_kind = suffix_of(&word.text).is_some_and(|s| !["service", "target", "timer", "socket"].contains(&s));
        if other_kind {
            self.unenforced(format!("{key}={}", word.text), "unit-kind", "Fleet has no units of this kind");
            return None;
        }
        if self.specifiers.host.is_none() && word.text.contains('%') {
            let message = format!("{key}=: a unit's name cannot depend on the host ({})", word.text);
            self.error("bad-value", at.place(word.offset), message, "");
            return None;
        }
        let name = match word.text.parse::<UnitName>() {
            Ok(name) => name,
            Err(error) => {
                let hint = if word.text.contains('.') { "" } else { "write the suffix as well, such as .service" };
                self.error("bad-value", at.place(word.offset), format!("{key}=: {error}"), hint);
                return None;
            }
        };
        // As systemd does, a template named by an instance means the same instance of it.
        match (name.is_template(), self.name.instance()) {
            (true, Some("")) | (false, _) => Some(name),
            (true, Some(instance)) => name.with_instance(instance).ok(),
            (true, None) => {
                let message = format!("{key}=: {name} is a template, and the unit has no instance to fill in");
                self.error(
                    "template-dependency",
                    at.place(word.offset),
                    message,
                    "name an instance, such as NAME@1.service",
                );
                None
            }
        }
    }

    /// The one unit that a value names, to be started; `None` when it is the unit itself or of no kind Fleet has.
    pub(crate) fn started_unit(&mut self, at: &Assigned<'_>) -> Option<UnitName> {
        let word = Word { text: self.text(at)?, offset: 0 };
        let name = self.unit(at, &word)?;
        if name == *self.name {
            let message = format!("{}= names the unit itself", at.assignment.key);
            self.error("bad-value", at.place(0), message, "name the service it starts, or leave it away");
            return None;
        }
        Some(name)
    }

    /// Checks the value of a directive that is accepted but not read into a type.
    pub(crate) fn check(&mut self, row: &Row<'_>) {
        let kind = row.directive.kind;
        for at in row.values {
            match kind {
                Kind::Raw
                | Kind::RawList
                | Kind::RawSet
                | Kind::Selector
                | Kind::Instances
                | Kind::Files
                | Kind::Url => {}
                Kind::Text | Kind::HostPort => checked_only(self.text(at)),
                Kind::Bool => checked_only(self.boolean(at)),
                Kind::BoolOr(words) if words.contains(&at.value()) => {}
                Kind::BoolOr(words) => {
                    let result =
                        value::boolean(at.value()).map_err(|error| format!("{error}, nor one of {}", words.join(", ")));
                    self.checked(at, result);
                }
                Kind::Choice(words) if words.contains(&at.value()) => {}
                Kind::Choice(words) => self.not_a_choice(at, words),
                Kind::Span => checked_only(self.span(at)),
                Kind::Integer(low, high) => checked_only(self.checked(at, value::integer(at.value(), low, high))),
                Kind::Size => checked_only(self.checked(at, value::size(at.value()))),
                Kind::SizeOrPercent if at.value().ends_with('%') => {
                    checked_only(self.checked(at, value::percentage(at.value())))
                }
                Kind::SizeOrPercent => checked_only(self.checked(at, value::size(at.value()))),
                Kind::Percentage => checked_only(self.checked(at, value::percentage(at.value()))),
                Kind::CountOrPercent if at.value().ends_with('%') => {
                    checked_only(self.checked(at, value::percentage(at.value())))
                }
                Kind::CountOrPercent => {
                    checked_only(self.checked(at, value::integer(at.value(), 0, i64::from(u32::MAX))))
                }
                Kind::Mode => checked_only(self.checked(at, value::mode(at.value()))),
                Kind::Signal => checked_only(self.signal(at)),
                Kind::Limit => checked_only(
                    self.checked(at, value::limit(row.directive.key.trim_start_matches("Limit"), at.value())),
                ),
                Kind::Path => {
                    if let Some(text) = self.text(at) {
                        self.absolute(at, 0, &text);
                    }
                }
                Kind::Account => {
                    if let Some(text) = self.text(at) {
                        self.checked(at, value::account(&text));
                    }
                }
                Kind::FirstUnit | Kind::LastUnit => checked_only(self.started_unit(at)),
                Kind::ExitStatus
                | Kind::Dependencies
                | Kind::Units
                | Kind::Listen
                | Kind::Calendar
                | Kind::TriggerSpan
                | Kind::Command
                | Kind::Environment
                | Kind::EnvironmentFile
                | Kind::VariableNames
                | Kind::Paths
                | Kind::Directories
                | Kind::Accounts
                | Kind::Words => self.check_list(kind, at),
            }
        }
    }

    fn check_list(&mut self, kind: Kind, at: &Assigned<'_>) {
        let values = std::slice::from_ref(at);
        match kind {
            Kind::Dependencies | Kind::Units => checked_only(self.units(values)),
            Kind::Paths => {
                for (at, word) in self.words(values, Escapes::Plain) {
                    let path = word.text.trim_start_matches(['-', '+']);
                    self.absolute(&at, word.offset, path);
                }
            }
            Kind::VariableNames => {
                for (at, word) in self.words(values, Escapes::C) {
                    let ok = variables::is_name(&word.text)
                        .then_some(())
                        .ok_or_else(|| format!("{:?} is no name of a variable", word.text));
                    self.checked_at(&at, word.offset, ok);
                }
            }
            Kind::Command => checked_only(super::command::commands(self, values)),
            _ => checked_only(self.words(values, Escapes::Plain)),
        }
    }
}

/// Reading was the check; what was read has no type to go into.
fn checked_only<T>(_: T) {}
