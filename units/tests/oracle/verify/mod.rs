//! Unit files against `systemd-analyze verify`: what it refuses must be an error here, what it takes must be none.
//!
//! The first test gives every directive the values of its kind, one in a file; the second one changes a line of unit
//! files of the host; the third one puts settings together that may contradict each other. Keys that are newer than systemd 252 are left out (testdata/directives); differences that are
//! meant stand, each with its reason, in testdata/verify/differences.txt.

mod differences;
mod host;
mod judge;
mod together;
mod values;

use super::{Random, assert_none, of_each_seed, printed};
use differences::{Difference, Differences, Refuser};
use fleet_units::spec::directives::{self, Directive, Found};
use judge::{Refused, UnitFile};
use values::Values;

/// Of each key and of each run: values that depend on the seed.
const RANDOM_VALUES: usize = 3;

/// One assignment that is tried.
struct Trial {
    section: &'static str,
    key: &'static str,
    value: String,
    /// Whether every run tries it.
    fixed: bool,
}

/// Section, key, and the row that says what the value is, of every key that systemd 252 knows. `verify` does not look
/// into `[Install]`.
fn places() -> Vec<(&'static str, &'static str, &'static Directive)> {
    let list = include_str!("../../../testdata/directives/systemd-252.txt").lines();
    let of = |line: &'static str| {
        let (section, key) = line.split_once('/').filter(|(section, _)| !section.starts_with('#'))?;
        let row = match directives::lookup(section, key)? {
            Found::Row(index) => directives::row(index),
            Found::Spelling(spelling) => directives::find(spelling.means[0].0, spelling.means[0].1)?,
        };
        (section != "Install").then_some((section, key, row))
    };
    list.filter_map(of).collect()
}

fn trials() -> Vec<Trial> {
    let (values, places) = (Values::read(), places());
    // The rows that sockets share with services are read by the same code.
    let own = places.iter().filter(|(section, _, row)| row.section == *section || row.section == "Unit");
    let fixed = own.flat_map(|(section, key, row)| {
        values.of(row).into_iter().map(|value| Trial { section, key, value, fixed: true })
    });
    let each_place = |random: &mut Random| {
        let one = |(section, key, row): &(&'static str, &'static str, &Directive)| {
            let value = values.random(row, random);
            Trial { section, key, value, fixed: false }
        };
        places.iter().map(one).collect::<Vec<_>>()
    };
    fixed.chain(of_each_seed(RANDOM_VALUES, each_place).into_iter().flatten()).collect()
}

/// The assignment on line 2 of a unit that has nothing else but what it cannot do without.
fn unit_file(index: usize, trial: &Trial) -> UnitFile {
    let Trial { section, key, value, .. } = trial;
    let (suffix, base, needed, usual) = match *section {
        "Timer" => ("timer", "Timer", "OnCalendar", "daily"),
        "Socket" => ("socket", "Socket", "ListenStream", "/run/x"),
        _ => ("service", "Service", "ExecStart", "/bin/true"),
    };
    let rest = if needed == *key { String::new() } else { format!("[{base}]\n{needed}={usual}\n") };
    // The space keeps a backslash at the end of the value from taking the next line in.
    UnitFile { name: format!("o{index}.{suffix}"), text: format!("[{section}]\n{key}={value} \n\n{rest}") }
}

/// What one alone refuses within `lines`.
fn difference(theirs: &Refused, ours: &Refused, lines: std::ops::RangeInclusive<u32>) -> Option<Difference> {
    let within = |said: &Refused| lines.clone().find_map(|line| said.get(&line).cloned());
    let (refuser, message) = match (within(theirs), within(ours)) {
        (Some(refusal), None) => (Refuser::Systemd, refusal.message),
        (None, Some(refusal)) if !refusal.warning => (Refuser::Fleet, refusal.message),
        (Some(_), Some(_)) | (None, Some(_) | None) => return None,
    };
    Some(Difference { refuser, message })
}

/// Whether the host's systemd is another than the one the list of differences was made with.
fn is_newer() -> bool {
    let mut command = std::process::Command::new("systemd-analyze");
    !printed(command.arg("--version")).starts_with("systemd 252")
}

#[test]
fn values_are_refused_where_systemd_refuses_them() {
    let trials = trials();
    let files: Vec<UnitFile> = trials.iter().enumerate().map(|(index, trial)| unit_file(index, trial)).collect();
    let Some((theirs, ours)) = judge::both("values_are_refused_where_systemd_refuses_them", &files) else { return };
    let known = Differences::read();
    let mut unknown = Vec::new();
    for ((trial, theirs), ours) in trials.iter().zip(&theirs).zip(&ours) {
        let Trial { section, key, value, fixed } = trial;
        let Some(found) = difference(theirs, ours, 2..=2) else { continue };
        if !known.knows(&found, &format!("{section}/{key}"), value, *fixed) {
            let Difference { refuser, message } = found;
            unknown.push(format!("{refuser:?} alone refuses {section}/{key}={value}: {message}"));
        }
    }
    unknown.extend(known.stale(is_newer()));
    assert_none(&unknown);
}
