//! The sections of unit files: how many keys each knows, and which.

use super::directive::{Row, is_in};
use crate::output::table::{Cell, Table};
use crate::output::{Paint, Stream};
use fleet_units::spec::directives::{self, Support};
use serde::Serialize;

/// All sections.
#[derive(Debug, Serialize)]
pub(super) struct Overview {
    sections: Vec<Section>,
}

/// How many keys one section knows, by support.
#[derive(Debug, Serialize)]
struct Section {
    section: &'static str,
    directives: usize,
    supported: usize,
    not_built_yet: usize,
    inert: usize,
    refused: usize,
}

/// The keys of one section.
#[derive(Debug, Serialize)]
pub(super) struct Rows {
    directives: Vec<Row>,
}

/// The names of the sections, without brackets, in the order of the table.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for row in directives::all() {
        if !names.contains(&row.section) {
            names.push(row.section);
        }
    }
    names
}

/// How many keys each section knows.
pub(super) fn overview() -> Overview {
    let section = |section| {
        let rows = || directives::all().iter().filter(move |row| is_in(row, section));
        let count = |support: fn(Support) -> bool| rows().filter(|row| support(row.support_in(section))).count();
        Section {
            section,
            directives: rows().count(),
            supported: count(|support| support == Support::Supported),
            not_built_yet: count(|support| support == Support::NotBuilt),
            inert: count(|support| matches!(support, Support::Inert(_))),
            refused: count(|support| matches!(support, Support::Refused(_))),
        }
    };
    Overview { sections: names().into_iter().map(section).collect() }
}

/// The keys of `section`; `None` when there is no such section.
pub(super) fn rows(section: &str) -> Option<Rows> {
    let rows: Vec<Row> = directives::all().iter().filter(|row| is_in(row, section)).map(Row::new).collect();
    (!rows.is_empty()).then_some(Rows { directives: rows })
}

impl Overview {
    pub(super) fn render(&self, stream: &Stream) -> String {
        let mut table = Table::new(["SECTION", "KEYS", "SUPPORTED", "NOT BUILT YET", "INERT", "REFUSED"]);
        for row in &self.sections {
            let number = |number: usize| Cell::from(number.to_string());
            let name = Cell::new(format!("[{}]", row.section), Paint::Strong);
            let counts = [row.directives, row.supported, row.not_built_yet, row.inert, row.refused];
            let [all, supported, later, inert, refused] = counts.map(number);
            table.row([name, all, supported, later, inert, refused]);
        }
        table.render(stream) + "`fleet explain --section Service` lists keys, `fleet explain KEY` tells more of one\n"
    }
}

impl Rows {
    pub(super) fn render(&self, stream: &Stream) -> String {
        let mut table = Table::new(["KEY", "SUPPORT", "DEFAULT", "WHAT IT DOES"]);
        for row in &self.directives {
            let support = match row.support {
                "supported" => Cell::new(row.support, Paint::Good),
                support => Cell::new(support, Paint::Warning),
            };
            table.row([Cell::new(row.key, Paint::Strong), support, row.default.into(), row.doc.into()]);
        }
        table.render(stream)
    }
}
