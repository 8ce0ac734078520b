//! Unit files of the host, each with one line changed.

use super::judge::{self, UnitFile};
use super::{Difference, Differences, Refuser, difference};
use crate::{Random, assert_none, of_each_seed};
use std::ops::RangeInclusive;
use std::path::Path;

const FOLDER: &str = "/lib/systemd/system";
const CHANGES: usize = 1000;

/// Names and texts, in the order of the names.
fn unit_files() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(Path::new(FOLDER)).into_iter().flatten().flatten();
    let regular = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let mut found: Vec<(String, String)> = regular
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let kind = name.rsplit_once('.')?.1;
            let wanted = ["service", "timer", "socket", "target"].contains(&kind);
            wanted.then(|| std::fs::read_to_string(entry.path()).ok().map(|text| (name.clone(), text)))?
        })
        .collect();
    found.sort();
    found
}

/// One line damaged, replaced by a line of another file, emptied, or written twice.
fn changed(files: &[(String, String)], index: usize, random: &mut Random) -> UnitFile {
    let (name, text) = &files[random.below(files.len())];
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = random.below(lines.len().max(1));
    if let Some(line) = lines.get_mut(at) {
        let key = line.split_once('=').map(|(key, _)| format!("{key}="));
        let other = &files[random.below(files.len())].1;
        let others: Vec<&str> = other.lines().collect();
        *line = match (random.below(6), key) {
            (0, _) if !others.is_empty() => random.of(&others).to_owned(),
            (1, Some(key)) => key,
            (2, Some(_)) => format!("{line}\n{line}"),
            (3, Some(key)) => {
                format!("{key}{}", random.of(&["0x10", "yes", "%n", "a b", "\"a", "-1", "/a", "infinity"]))
            }
            _ => random.damaged(line, "01 =\\\"'[]#;%/-.:@~aZ"),
        };
    }
    UnitFile { name: format!("m{index}-{name}"), text: lines.join("\n") + "\n" }
}

/// Lines that belong together by continuation, and the section they stand in.
fn groups(text: &str) -> Vec<(String, RangeInclusive<u32>)> {
    let mut found: Vec<(String, RangeInclusive<u32>)> = Vec::new();
    let mut section = String::new();
    let mut open = false;
    for (number, line) in (1u32..).zip(text.lines()) {
        let comment = line.trim_start().starts_with(['#', ';']);
        match found.last_mut() {
            Some((_, lines)) if open => *lines = *lines.start()..=number,
            _ => {
                if line.starts_with('[') {
                    line.trim_end().clone_into(&mut section);
                }
                found.push((section.clone(), number..=number));
            }
        }
        open = if comment { open } else { line.ends_with('\\') };
    }
    // What goes on at the end of the file has the number of the line that is missing.
    if let Some((_, lines)) = found.last_mut().filter(|_| open) {
        *lines = *lines.start()..=lines.end() + 1;
    }
    found
}

/// Whether what `line` says depends on the instance, which a template alone does not have here.
fn is_of_instance(name: &str, line: &str) -> bool {
    name.contains("@.") && line.split('%').skip(1).any(|rest| rest.starts_with(|c| "iIjJnNf".contains(c)))
}

#[test]
fn changed_files_of_the_host_are_refused_where_systemd_refuses_them() {
    let test = "changed_files_of_the_host_are_refused_where_systemd_refuses_them";
    let originals = unit_files();
    if originals.is_empty() {
        return println!("SKIP {test}: there is no unit file in {FOLDER}");
    }
    let mut numbers = 0..;
    let files = of_each_seed(CHANGES, |random| changed(&originals, numbers.next().unwrap_or_default(), random));
    let Some((theirs, ours)) = judge::both(test, &files) else { return };
    let known = Differences::read();
    let mut unknown = Vec::new();
    for ((file, theirs), ours) in files.iter().zip(&theirs).zip(&ours) {
        // `verify` does not look into [Install].
        for (section, lines) in groups(&file.text).into_iter().filter(|(section, _)| section != "[Install]") {
            // There it stops reading, and does not load the unit.
            if theirs.get(lines.end()).is_some_and(|refusal| refusal.message.starts_with("Invalid section header")) {
                break;
            }
            let Some(found) = difference(theirs, ours, lines.clone()) else { continue };
            let line = file.text.lines().nth(*lines.start() as usize - 1).unwrap_or_default();
            if found.refuser == Refuser::Systemd && is_of_instance(&file.name, line) {
                continue;
            }
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            let place = format!("{}/{key}", section.trim_matches(['[', ']']));
            if !known.knows(&found, &place, value.trim(), false) {
                let Difference { refuser, message } = found;
                unknown.push(format!("{}:{}: {refuser:?} alone refuses {line}: {message}", file.name, lines.start()));
            }
        }
    }
    assert_none(&unknown);
}
