//! What units ask for and do not get, in a few lines: real units have twenty such settings.

use crate::output::{Paint, Stream};
use crate::source_files::loose::Loose;
use fleet_units::bundle::Bundle;
use fleet_units::diagnostic::Reason;
use fleet_units::fleet::FleetSpec;
use fleet_units::ids::{EnvironmentName, UnitName};
use fleet_units::spec::{self, Context};
use fleet_units::status::Unenforced;
use serde::Serialize;
use std::collections::BTreeMap;

/// Up to so many units are shown one by one; more of them by setting.
const ONE_BY_ONE: usize = 6;
/// Columns of a line.
const WIDTH: usize = 100;

/// The settings of one unit file that are accepted and do not act, whatever the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct UnitUnenforced {
    /// The unit; of instances their template.
    pub(super) unit: String,
    /// Its unit file.
    pub(super) file: String,
    /// In the order of the table of directives.
    pub(super) settings: Vec<Setting>,
}

/// One setting, as in `fleet status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Setting {
    /// `ProtectSystem=strict`, or just the key.
    directive: String,
    reason: Reason,
}

/// Adds what the units of `fleet` do not get, by unit file.
pub(super) fn of_fleet(fleet: &FleetSpec, found: &mut BTreeMap<String, UnitUnenforced>) {
    for (name, unit) in fleet.units.iter().chain(&fleet.triggers) {
        let template = name.template();
        let names = [Some(name), template.as_ref()];
        let is_file_of = |path: &&String, name: &UnitName| path.rsplit('/').next() == Some(name.as_str());
        let own = names.into_iter().flatten().find_map(|name| {
            let path = unit.bundle.files.keys().find(|path| is_file_of(path, name))?;
            Some((name, path))
        });
        if let Some((name, path)) = own {
            add(name, path, &unit.spec.unenforced, found);
        }
    }
}

/// Adds what instances of a template on its own would not get.
pub(super) fn of_template(unit: &Loose, environment: &EnvironmentName, found: &mut BTreeMap<String, UnitUnenforced>) {
    let Ok(name) = unit.name.parse::<UnitName>() else { return };
    let Ok(sample) = name.with_instance("1") else { return };
    let context = Context { environment: environment.clone(), host: None };
    if let Some(spec) = spec::load(&sample, &Bundle { files: unit.tree.clone() }, &context).spec {
        add(&name, &format!("units/{name}"), &spec.unenforced, found);
    }
}

fn add(unit: &UnitName, file: &str, settings: &[Unenforced], found: &mut BTreeMap<String, UnitUnenforced>) {
    if settings.is_empty() {
        return;
    }
    let entry = found.entry(file.to_owned()).or_insert_with(|| UnitUnenforced {
        unit: unit.to_string(),
        file: file.to_owned(),
        settings: Vec::new(),
    });
    for Unenforced { directive, reason } in settings {
        let setting = Setting { directive: directive.clone(), reason: reason.clone() };
        if !entry.settings.contains(&setting) {
            entry.settings.push(setting);
        }
    }
}

/// A note with all of them; nothing when there are none.
pub(super) fn render(units: &[UnitUnenforced], stream: &Stream) -> String {
    if units.is_empty() {
        return String::new();
    }
    let label = stream.paint(Paint::Key, "note:");
    if units.len() > ONE_BY_ONE {
        let counts = format!("in {} units, with the number of units for each", units.len());
        return format!("{label} unenforced (accepted, and not in effect) {counts}\n{}\n", by_setting(units, stream));
    }
    let mut text = format!("{label} unenforced (accepted, and not in effect)\n");
    for unit in units {
        text += &format!("  {}\n", stream.show(Paint::Strong, &unit.unit));
        let settings = unit.settings.iter().map(|setting| (setting.reason.code.as_str(), setting.directive.clone()));
        text += &by_reason(settings, stream);
    }
    text + "\n"
}

/// Each setting, however its value, with the number of units that have it; the most frequent first.
fn by_setting(units: &[UnitUnenforced], stream: &Stream) -> String {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for unit in units {
        let mut keys: Vec<(&str, &str)> =
            unit.settings.iter().map(|setting| (code(setting), key_of(setting))).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            *counts.entry(key).or_default() += 1;
        }
    }
    let mut sorted: Vec<((&str, &str), usize)> = counts.into_iter().collect();
    sorted.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
    by_reason(sorted.into_iter().map(|((code, key), count)| (code, format!("{key} ({count})"))), stream)
}

fn code(setting: &Setting) -> &str {
    &setting.reason.code
}

/// `PrivateTmp` of `PrivateTmp=yes`.
fn key_of(setting: &Setting) -> &str {
    setting.directive.split('=').next().unwrap_or_default()
}

/// `code: setting setting …` for each reason, filled to lines.
pub(crate) fn by_reason<'a>(settings: impl Iterator<Item = (&'a str, String)>, stream: &Stream) -> String {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for (code, setting) in settings {
        match groups.iter_mut().find(|(known, _)| *known == code) {
            Some((_, group)) => group.push(setting),
            None => groups.push((code, vec![setting])),
        }
    }
    groups.iter().map(|(code, group)| fill(&format!("    {code}:"), group, stream)).collect()
}

/// `head` and `words`, with commas, in lines of at most [`WIDTH`] columns.
fn fill(head: &str, words: &[String], stream: &Stream) -> String {
    const INDENT: &str = "      ";
    let mut text = head.to_owned();
    let mut column = head.len();
    for (index, word) in words.iter().enumerate() {
        let word = format!("{word}{}", if index + 1 < words.len() { "," } else { "" });
        let length = word.chars().count();
        if column + 1 + length > WIDTH && column > INDENT.len() {
            text += &format!("\n{INDENT}{}", stream.text(&word));
            column = INDENT.len() + length;
        } else {
            text += &format!(" {}", stream.text(&word));
            column += 1 + length;
        }
    }
    text + "\n"
}
