//! `[Unit]` and `[Install]`.

use super::{details, within};
use crate::diagnostic::codes;
use crate::spec::UnitSpec;
use crate::spec::merge::Row;
use crate::spec::reader::Reader;
use crate::syntax::words::Escapes;

/// Reads one directive into `spec`; `false` when it is none of these sections'.
pub(crate) fn row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut UnitSpec) -> bool {
    let values = row.values;
    let Some(last) = values.last() else { return true };
    match row.directive.key {
        "Description" => spec.description = reader.text(last).unwrap_or_default(),
        "Documentation" => {
            spec.documentation = reader.parsed(values, Escapes::Keep, documentation);
        }
        "Requires" => spec.requires = reader.units(values),
        "Requisite" => spec.requisite = reader.units(values),
        "Wants" => spec.wants = reader.units(values),
        "BindsTo" => spec.binds_to = reader.units(values),
        "PartOf" => spec.part_of = reader.units(values),
        "Conflicts" => spec.conflicts = reader.units(values),
        "After" => spec.after = reader.units(values),
        "Before" => spec.before = reader.units(values),
        "OnFailure" => spec.on_failure = reader.units(values),
        "OnSuccess" => spec.on_success = reader.units(values),
        "StartLimitIntervalSec" => {
            if let Some(span) = reader.long_span(last) {
                spec.start_limit_interval = span;
            }
        }
        "StartLimitBurst" => {
            if let Some(burst) = reader.integer(last, row.directive.kind) {
                spec.start_limit_burst = burst;
            }
        }
        "WantedBy" => spec.wanted_by = reader.units(values),
        "RequiredBy" => spec.required_by = reader.units(values),
        "Alias" => alias(reader, row, spec),
        _ => return within(&mut spec.details, |details| details::unit_row(reader, row, details)),
    }
    true
}

/// An address, or a page of the manual (systemd's `documentation_url_is_valid`).
fn documentation(word: &str) -> Result<String, String> {
    const SCHEMES: [&str; 5] = ["http://", "https://", "file:/", "info:", "man:"];
    let known = SCHEMES.iter().find_map(|scheme| word.strip_prefix(scheme)).is_some_and(|rest| !rest.is_empty());
    let known = known && !word.chars().any(char::is_control);
    known.then(|| word.to_owned()).ok_or_else(|| format!("{word:?} begins with none of {}", SCHEMES.join(", ")))
}

/// A further name is of the same kind, and an instance's or a plain one's as the unit's own (systemd.unit(5)).
fn alias(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut UnitSpec) {
    for alias in reader.units(row.values) {
        if alias.kind() == spec.name.kind() {
            spec.alias.insert(alias);
            continue;
        }
        let place = row.values[0].place(0);
        let message = format!("Alias=: {alias} is not of the unit's kind, .{}", spec.name.kind().as_str());
        reader.error(codes::BAD_VALUE, place, message, "");
    }
}
