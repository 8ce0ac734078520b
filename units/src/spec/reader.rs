//! What every section's reading shares: specifiers, words, typed values, and where to report.

use super::directives::Kind;
use super::keyword::{Keyword, keyword};
use super::layers::suffix_of;
use super::merge::{Assigned, Row};
use super::resources::NameFilter;
use super::value::ranges::{Ranges, ranges};
use super::{signal, value};
use crate::bundle::SourceTree;
use crate::diagnostic::{Code, Diagnostic, Place, Reason, codes};
use crate::ids::UnitName;
use crate::status::Unenforced;
use crate::syntax::Specifiers;
use crate::syntax::specifier::{begins_with_path, has_host_specifier, with_example};
use crate::syntax::words::{Escapes, Word, WordError, Words, split};
use std::borrow::Cow;
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
    pub(crate) fn error(&mut self, code: Code, place: Place, message: impl Into<String>, hint: &str) {
        self.diagnostics.push(Diagnostic::error(code, place, message).with_hint(hint));
    }

    pub(crate) fn warning(&mut self, code: Code, place: Place, message: impl Into<String>, hint: &str) {
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
                self.error(codes::BAD_VALUE, at.place(offset), message, "");
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
                self.error(codes::BAD_SPECIFIER, at.place(offset + error.offset), message, "");
                None
            }
        }
    }

    /// The words of the value, specifiers not filled in.
    pub(crate) fn raw_words(&mut self, at: &Assigned<'_>, escapes: Escapes) -> Vec<Word> {
        self.raw_words_from(at, 0, escapes)
    }

    /// The words behind byte `start` of the value, specifiers not filled in; offsets are those of the value.
    pub(crate) fn raw_words_from(&mut self, at: &Assigned<'_>, start: usize, escapes: Escapes) -> Vec<Word> {
        match split(&at.value()[start..], escapes) {
            Ok(words) => words.into_iter().map(|word| Word { offset: start + word.offset, ..word }).collect(),
            Err(error) => {
                self.bad_quoting(at, start, &error);
                Vec::new()
            }
        }
    }

    /// The first word of the value, specifiers not filled in, and what stands behind it.
    pub(crate) fn first_word<'v>(&mut self, at: &Assigned<'v>, escapes: Escapes) -> Option<(Word, &'v str)> {
        let mut words = Words::new(at.value(), escapes);
        match words.next()? {
            Ok(word) => Some((word, words.rest())),
            Err(error) => {
                self.bad_quoting(at, 0, &error);
                None
            }
        }
    }

    pub(crate) fn bad_quoting(&mut self, at: &Assigned<'_>, start: usize, error: &WordError) {
        let message = format!("{}=: {}", at.assignment.key, error.message);
        self.error(codes::BAD_QUOTING, at.place(start + error.offset), message, "");
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

    /// Whether `text` begins with a specifier for a path that only the node can fill in.
    pub(crate) fn is_open(&self, text: &str) -> bool {
        self.specifiers.host.is_none() && begins_with_path(text)
    }

    /// Whether `text`, specifiers filled in, has one that only the node can fill in: it cannot be judged before.
    pub(crate) fn waits(&self, text: &str) -> bool {
        self.specifiers.host.is_none() && has_host_specifier(text)
    }

    /// `text` to be judged: with an example in place of what only the node can fill in.
    pub(crate) fn example<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.waits(text) { with_example(text) } else { Cow::Borrowed(text) }
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
        let note = Diagnostic::note(codes::OLD_PATH, at.place(0), message).with_hint(format!("write /run/{below}"));
        self.diagnostics.push(note);
        format!("/run/{below}")
    }

    /// `text`, which stands at byte `offset` of the value: its specifiers filled in, an absolute path.
    pub(crate) fn path(&mut self, at: &Assigned<'_>, offset: usize, text: &str) -> Option<String> {
        let expanded = self.expand(at, offset, text)?;
        self.absolute(at, offset, &expanded)
    }

    /// Each value as an absolute path.
    pub(crate) fn path_lines(&mut self, values: &[Assigned<'_>]) -> Vec<String> {
        values.iter().filter_map(|at| self.path(at, 0, at.value())).collect()
    }

    /// What `parse` makes of each value as a whole, specifiers filled in.
    pub(crate) fn lines<T>(&mut self, values: &[Assigned<'_>], parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let line = |at| {
            let text = self.text(at)?;
            self.checked(at, parse(&text))
        };
        values.iter().filter_map(line).collect()
    }

    /// What `parse` makes of each word of the values, specifiers filled in.
    pub(crate) fn parsed<T>(
        &mut self,
        values: &[Assigned<'_>],
        escapes: Escapes,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let words = self.words(values, escapes);
        words.iter().filter_map(|(at, word)| self.checked_at(at, word.offset, parse(&word.text))).collect()
    }

    /// Sets of numbers, added up.
    pub(crate) fn ranges(&mut self, values: &[Assigned<'_>]) -> Ranges {
        let mut found = Ranges::default();
        self.lines(values, ranges).into_iter().for_each(|more| found.extend(more));
        found
    }

    /// Names that are allowed, or behind a `~` denied; `check` says whether one is any.
    pub(crate) fn name_filter(
        &mut self,
        values: &[Assigned<'_>],
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Option<NameFilter> {
        self.name_filter_from(None, values, check)
    }

    /// As [`Self::name_filter`], where something was said before. The first line decides what the list is of; names
    /// of a line of the other kind are taken from it.
    pub(crate) fn name_filter_from(
        &mut self,
        mut found: Option<NameFilter>,
        values: &[Assigned<'_>],
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Option<NameFilter> {
        for at in values {
            let invert = at.value().starts_with('~');
            let start = usize::from(invert);
            let words = self.raw_words_from(at, start, Escapes::Plain);
            let filter = found.get_or_insert_with(|| NameFilter { allow: !invert, names: BTreeSet::new() });
            for word in words {
                if self.checked_at(at, word.offset, check(&word.text)).is_none() {
                    continue;
                }
                if filter.allow == invert {
                    filter.names.remove(&word.text);
                } else {
                    filter.names.insert(word.text);
                }
            }
        }
        found
    }

    /// A warning that one word of the value has no effect: systemd ignores it silently.
    pub(crate) fn ignored(&mut self, at: &Assigned<'_>, offset: usize, word: &str, what: &str) {
        let message = format!("{}=: {word:?} is {what}, and is ignored", at.assignment.key);
        self.warning(codes::IGNORED_WORD, at.place(offset), message, "correct its spelling, or take it away");
    }

    /// A word, or an error that lists them and the default.
    pub(crate) fn keyword<T: Keyword + Default>(&mut self, at: &Assigned<'_>) -> T {
        if let Some(found) = keyword(at.value()) {
            return found;
        }
        let names: Vec<&str> = T::ALL.iter().map(|(name, _)| *name).collect();
        self.not_a_choice(at, &names);
        T::default()
    }

    /// A boolean whose default is no.
    pub(crate) fn yes(&mut self, at: &Assigned<'_>) -> bool {
        self.boolean(at).unwrap_or_default()
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
        self.error(codes::BAD_VALUE, at.place(0), message, &hint);
    }

    /// Names of units. Those of kinds Fleet does not have are left out and told as unenforced.
    pub(crate) fn units(&mut self, values: &[Assigned<'_>]) -> BTreeSet<UnitName> {
        let mut found = BTreeSet::new();
        for (at, word) in self.words(values, Escapes::Raw) {
            match self.unit(&at, &word) {
                Some(name) if name == *self.name => {
                    let message = format!("{}= names the unit itself", at.assignment.key);
                    self.warning(codes::SELF_DEPENDENCY, at.place(word.offset), message, "it is ignored");
                }
                Some(name) => {
                    found.insert(name);
                }
                None => {}
            }
        }
        found
    }

    /// The unit that a word names; `None` when that depends on the node as well.
    fn unit(&mut self, at: &Assigned<'_>, word: &Word) -> Option<UnitName> {
        if !self.waits(&word.text) {
            return self.known_unit(at, word);
        }
        let example = Word { text: with_example(&word.text).into_owned(), offset: word.offset };
        self.known_unit(at, &example)?;
        let directive = format!("{}={}", at.assignment.key, word.text);
        self.unenforced(directive, "name-of-the-host", "which unit is meant differs from node to node");
        None
    }

    fn known_unit(&mut self, at: &Assigned<'_>, word: &Word) -> Option<UnitName> {
        let key = &at.assignment.key;
        let other_kind = suffix_of(&word.text).is_some_and(|s| !["service", "target", "timer", "socket"].contains(&s));
        if other_kind {
            self.other_kind(at, word);
            self.unenforced(format!("{key}={}", word.text), "unit-kind", "Fleet has no units of this kind");
            return None;
        }
        let name = match word.text.parse::<UnitName>() {
            Ok(name) => name,
            Err(error) => {
                let hint = if word.text.contains('.') { "" } else { "write the suffix as well, such as .service" };
                self.error(codes::BAD_VALUE, at.place(word.offset), format!("{key}=: {error}"), hint);
                return None;
            }
        };
        let installs = ["WantedBy", "RequiredBy", "UpheldBy", "Alias", "Also"].contains(&&**key);
        // As systemd does, a template named by an instance means the same instance of it, one named by a plain unit
        // the instance of that unit's name.
        match (name.is_template(), self.name.instance()) {
            (true, Some("")) | (false, _) => Some(name),
            (true, Some(instance)) => name.with_instance(instance).ok(),
            (true, None) if !installs => name.with_instance(self.name.prefix()).ok(),
            (true, None) => {
                let message = format!("{key}=: {name} is a template, and the unit has no instance to fill in");
                self.error(
                    codes::TEMPLATE_DEPENDENCY,
                    at.place(word.offset),
                    message,
                    "name an instance, such as NAME@1.service",
                );
                None
            }
        }
    }

    /// An error when a name of a kind that Fleet does not have is none in systemd either.
    fn other_kind(&mut self, at: &Assigned<'_>, word: &Word) {
        let (stem, suffix) = word.text.rsplit_once('.').unwrap_or((&word.text, ""));
        let problem = match format!("{stem}.service").parse::<UnitName>() {
            Err(error) => error.to_string(),
            // As systemd's `unit_type_may_template`.
            Ok(_) if stem.contains('@') && suffix != "path" => {
                format!("{} is an instance, and units of the kind .{suffix} have none", word.text)
            }
            Ok(_) => return,
        };
        self.checked_at::<()>(at, word.offset, Err(problem));
    }

    /// The one unit that a value names, to be started; `None` when it is the unit itself or of no kind Fleet has.
    pub(crate) fn started_unit(&mut self, at: &Assigned<'_>) -> Option<UnitName> {
        let word = Word { text: self.text(at)?, offset: 0 };
        let name = self.unit(at, &word)?;
        if name == *self.name {
            let message = format!("{}= names the unit itself", at.assignment.key);
            self.error(codes::BAD_VALUE, at.place(0), message, "name the service it starts, or leave it away");
            return None;
        }
        Some(name)
    }

    /// Checks the value of a directive that goes into no type; `false` for kinds that only their typed reading knows.
    pub(crate) fn check(&mut self, row: &Row<'_>) -> bool {
        for at in row.values {
            match row.directive.kind {
                Kind::Ignored => {}
                Kind::Text => checked_only(self.text(at)),
                Kind::Bool => checked_only(self.boolean(at)),
                Kind::Choice(words) if words.contains(&at.value()) => {}
                Kind::Choice(words) => self.not_a_choice(at, words),
                Kind::BoolOr(words) if words.contains(&at.value()) => {}
                Kind::BoolOr(words) => {
                    let result =
                        value::boolean(at.value()).map_err(|error| format!("{error}, nor one of {}", words.join(", ")));
                    self.checked(at, result);
                }
                Kind::Span => checked_only(self.span(at)),
                Kind::Integer(low, high) => checked_only(self.checked(at, value::integer(at.value(), low, high))),
                Kind::Size => checked_only(self.checked(at, value::bytes(at.value()))),
                Kind::Signal => checked_only(self.signal(at)),
                Kind::Path => checked_only(self.path(at, 0, at.value())),
                Kind::Units => checked_only(self.units(std::slice::from_ref(at))),
                Kind::Words => checked_only(self.words(std::slice::from_ref(at), Escapes::Plain)),
                _ => return false,
            }
        }
        true
    }
}

/// Reading was the check; what was read has no type to go into.
fn checked_only<T>(_: T) {}
