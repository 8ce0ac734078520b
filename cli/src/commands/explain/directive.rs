//! A directive: its rows of the table, and the spellings that mean it.

use crate::output::{Paint, Stream};
use fleet_units::spec::directives::{self, Change, Directive, Found, OldSpelling, SPELLINGS, Support};
use serde::Serialize;

/// What a key is, in one section or in several.
#[derive(Debug, Serialize)]
pub(super) struct View {
    directives: Vec<Row>,
}

/// One row of the table.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) section: &'static str,
    /// Other sections that have the same key with the same meaning.
    also_in: Vec<&'static str>,
    pub(super) key: &'static str,
    pub(super) doc: &'static str,
    pub(super) value: String,
    pub(super) default: &'static str,
    pub(super) support: &'static str,
    /// Why it has no effect, or is refused; empty for those that act.
    reason: &'static str,
    change: &'static str,
    manual: &'static str,
    spellings: Vec<Spelling>,
    /// The spelling that was asked for, when it is another one.
    #[serde(skip)]
    asked: Option<Spelling>,
}

/// Another place or name for a key.
#[derive(Clone, Debug, Serialize)]
struct Spelling {
    section: &'static str,
    key: &'static str,
    deprecated: bool,
}

impl From<&OldSpelling> for Spelling {
    fn from(spelling: &OldSpelling) -> Self {
        Spelling { section: spelling.section, key: spelling.key, deprecated: spelling.deprecated }
    }
}

/// The rows that `key` means, in `section` or in any; `None` when there are none.
pub(super) fn view(section: Option<&str>, key: &str) -> Option<View> {
    let here = |at: &str| section.is_none_or(|section| section == at);
    let of_key = directives::all().iter().filter(|row| row.key == key);
    let mut rows: Vec<Row> =
        of_key.filter(|row| section.is_none_or(|section| is_in(row, section))).map(Row::new).collect();
    for spelling in SPELLINGS.iter().filter(|spelling| spelling.key == key && here(spelling.section)) {
        let means = spelling.means.iter().filter_map(|(section, key)| directives::find(section, key));
        for row in means {
            if !rows.iter().any(|known| (known.section, known.key) == (row.section, row.key)) {
                rows.push(Row { asked: Some(spelling.into()), ..Row::new(row) });
            }
        }
    }
    (!rows.is_empty()).then_some(View { directives: rows })
}

/// Whether `row` is what `section` has under its key: sockets share rows with services.
pub(super) fn is_in(row: &Directive, section: &str) -> bool {
    match directives::lookup(section, row.key) {
        Some(Found::Row(index)) => directives::row(index).section == row.section,
        Some(Found::Spelling(_)) | None => false,
    }
}

impl Row {
    pub(super) fn new(row: &Directive) -> Self {
        let means = |spelling: &&OldSpelling| spelling.means.contains(&(row.section, row.key));
        Row {
            section: row.section,
            also_in: directives::sections_of(row.key).filter(|at| *at != row.section && is_in(row, at)).collect(),
            key: row.key,
            doc: row.doc,
            value: row.kind.describe(),
            default: row.default,
            support: row.support.as_str(),
            reason: match row.support {
                Support::Supported => "",
                Support::NotBuilt => "this version of Fleet does not put it into effect",
                Support::Inert(why) | Support::Refused(why) => why,
            },
            change: row.change.as_str(),
            manual: directives::manual(row),
            spellings: SPELLINGS.iter().filter(means).map(Spelling::from).collect(),
            asked: None,
        }
    }

    fn render(&self, stream: &Stream) -> String {
        let mut text = stream.paint(Paint::Strong, &format!("{}=", self.key));
        let also: String = self.also_in.iter().map(|section| format!(" and [{section}]")).collect();
        text += &format!(" in [{}]{also}\n", self.section);
        if let Some(asked) = &self.asked {
            let what = if asked.deprecated { "an old spelling" } else { "another place" };
            text += &format!("  {}= in [{}] is {what} of it.\n", asked.key, asked.section);
        }
        text += &format!("  {}\n\n", self.doc);
        let mut line = |label: &str, value: &str| {
            text += &format!("  {} {value}\n", stream.paint(Paint::Key, &format!("{label:<10}")));
        };
        line("value", &self.value);
        line("default", if self.default.is_empty() { "none" } else { self.default });
        line("support", &self.support());
        line("on change", self.on_change());
        let spellings: Vec<String> = self.spellings.iter().map(Spelling::text).collect();
        if !spellings.is_empty() {
            line("also", &spellings.join(", "));
        }
        line("manual", self.manual);
        text
    }

    fn support(&self) -> String {
        match self.support {
            "supported" if self.also_in.contains(&"Socket") => {
                format!("supported in [{}]; not in [Socket]: sockets do not run yet", self.section)
            }
            "supported" => "supported".to_owned(),
            "not-built-yet" => format!("not-built-yet: accepted, and listed as unenforced; {}", self.reason),
            word => format!("{word}: {}", self.reason),
        }
    }

    fn on_change(&self) -> &'static str {
        let of = |change: Change| change.as_str() == self.change;
        match () {
            () if of(Change::Live) => "live: written to the kernel, nothing restarts",
            () if of(Change::Reload) => "reload, or a restart of a unit that cannot reload",
            () if of(Change::Restart) => "restart",
            () => "none: the new value is used from then on",
        }
    }
}

impl Spelling {
    fn text(&self) -> String {
        let old = if self.deprecated { " (old)" } else { "" };
        format!("{}= in [{}]{old}", self.key, self.section)
    }
}

impl View {
    pub(super) fn render(&self, stream: &Stream) -> String {
        self.directives.iter().map(|row| row.render(stream)).collect::<Vec<_>>().join("\n")
    }
}
