//! `[X-Fleet]`: placement, rollout, delivery.

use crate::diagnostic::codes;
use crate::ids::Sha256Digest;
use crate::selector::Selector;
use crate::spec::merge::{Assigned, Row};
use crate::spec::reader::Reader;
use crate::spec::{DeliveredFile, FilesChange, FleetSection, Instances, Percent, Start, value};
use crate::syntax::words::Escapes;
use std::collections::{BTreeMap, BTreeSet};

/// Most instances a template may have by number.
const MAX_INSTANCES: u32 = 10_000;

/// Reads one directive into `section`; `false` when it is none of this family.
pub(crate) fn row(reader: &mut Reader<'_>, row: &Row<'_>, section: &mut FleetSection) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "Nodes" => section.nodes = nodes(reader, last).unwrap_or_default(),
        "Instances" => section.instances = instances(reader, last).unwrap_or(Instances::All),
        "Start" => {
            section.start =
                reader.choice(last, &[("auto", Start::Auto), ("manual", Start::Manual)]).unwrap_or(Start::Auto)
        }
        "Strict" => section.strict = reader.boolean(last).unwrap_or_default(),
        "Spread" => section.spread = spread(reader, last),
        "Singleton" => section.singleton = reader.yes(last),
        "Gpus" => section.gpus = reader.integer(last, row.directive.kind).unwrap_or_default(),
        "Strategy" => section.strategy = reader.keyword(last),
        "Canary" => section.canary = reader.integer(last, row.directive.kind).unwrap_or_default(),
        "OnRolloutFailure" => section.on_rollout_failure = reader.keyword(last),
        "MaxParallel" => section.max_parallel = max_parallel(reader, last).unwrap_or(section.max_parallel),
        "MinHealthySec" => section.min_healthy = reader.long_span(last).unwrap_or(section.min_healthy),
        "HealthDeadlineSec" => section.health_deadline = reader.long_span(last).unwrap_or(section.health_deadline),
        "Files" => section.files = files(reader, row),
        "FilesChange" => section.files_change = reader.choice(last, FILES_CHANGES).unwrap_or(FilesChange::Auto),
        _ => return false,
    }
    true
}

const FILES_CHANGES: &[(&str, FilesChange)] = &[
    ("auto", FilesChange::Auto),
    ("reload", FilesChange::Reload),
    ("restart", FilesChange::Restart),
    ("none", FilesChange::None),
];

fn nodes(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<Selector> {
    match at.value().parse::<Selector>() {
        Ok(selector) => Some(selector),
        Err(error) => {
            let offset = at.value().char_indices().nth(error.column - 1).map_or(at.value().len(), |(offset, _)| offset);
            reader.error(
                codes::BAD_SELECTOR,
                at.place(offset),
                format!("Nodes=: {}", error.message),
                "such as role=web,zone in (a,b),!gpu",
            );
            None
        }
    }
}

/// One label, without a value.
fn spread(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<String> {
    let text = reader.text(at)?;
    let wrong = || format!("{text:?} is no label, such as zone");
    let selector = text.parse::<Selector>().map_err(|_| wrong());
    let is_label = |selector: &Selector| selector.label().is_some_and(|label| label == text);
    let label = selector.and_then(|selector| is_label(&selector).then(|| text.clone()).ok_or_else(wrong));
    reader.checked(at, label)
}

fn instances(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<Instances> {
    let text = at.value();
    if text == "all" {
        return Some(Instances::All);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let number = text.parse().ok().filter(|number| *number <= MAX_INSTANCES);
        let result = number.ok_or_else(|| format!("{text} is more than {MAX_INSTANCES}"));
        return reader.checked(at, result).map(Instances::Count);
    }
    if reader.name.instance().is_none() {
        let message =
            format!("Instances=: {text:?} is neither all nor a number, and only templates have named instances");
        reader.error(codes::BAD_VALUE, at.place(0), message, "");
        return None;
    }
    let (mut names, mut seen) = (Vec::new(), BTreeSet::new());
    for word in reader.raw_words(at, Escapes::Keep) {
        // Judged as a name of this very template, so that length and characters are those of unit names.
        let template = reader.name.template().unwrap_or_else(|| reader.name.clone());
        let result = template.with_instance(&word.text).map_err(|error| error.to_string());
        if reader.checked_at(at, word.offset, result).is_some() && seen.insert(word.text.clone()) {
            names.push(word.text);
        }
    }
    Some(Instances::Names(names))
}

fn max_parallel(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<Percent> {
    let text = at.value();
    if text.ends_with('%') {
        let hundredths = reader.checked(at, value::percentage(text))?;
        let whole = u32::try_from(hundredths / 100).ok().filter(|percent| (1..=100).contains(percent));
        return reader.checked(at, whole.ok_or_else(|| format!("{text} is not from 1% to 100%"))).map(Percent::Percent);
    }
    let count = reader.checked(at, value::integer(text, 1, i64::from(u32::MAX)))?;
    u32::try_from(count).ok().map(Percent::Count)
}

/// `SRC[:DEST]` words. `..` is refused anywhere, whatever it would mean.
fn files(reader: &mut Reader<'_>, row: &Row<'_>) -> Vec<DeliveredFile> {
    let mut found: Vec<DeliveredFile> = Vec::new();
    for (at, word) in reader.words(row.values, Escapes::Plain) {
        let (source, destination) = match word.text.split_once(':') {
            Some((source, destination)) => (source, Some(destination)),
            None => (word.text.as_str(), None),
        };
        if source.starts_with('/') {
            let message = format!("Files=: {source:?} is absolute; sources are below files/ in the repository");
            reader.error(codes::BAD_VALUE, at.place(word.offset), message, "such as Files=web/nginx.conf");
            continue;
        }
        let Some(source) = reader.checked_at(&at, word.offset, value::plain_path(source)) else { continue };
        let destination = match destination {
            None => None,
            Some(path) => match reader.checked_at(&at, word.offset, value::absolute_path(path)) {
                Some(path) => Some(path),
                None => continue,
            },
        };
        if !reader.name.is_template() && delivered_below(reader, &source).is_empty() {
            let message = format!("Files=: files/{source} is not in the repository");
            reader.error(
                codes::MISSING_FILE,
                at.place(word.offset),
                message,
                "commit it, or correct the path; it is below files/",
            );
            continue;
        }
        if destination.is_some() {
            reader.unenforced(
                format!("Files={}", word.text),
                "not-built-yet",
                "the files appear under $FLEET_FILES; they are not bound to the destination",
            );
        }
        found.push(DeliveredFile { source, destination });
    }
    found
}

/// Path below files/ to path in the repository, for `source` or all below it; an environment's file counts before
/// the common one.
pub(crate) fn delivered_below(reader: &Reader<'_>, source: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for root in ["files/".to_owned(), format!("{}files/", reader.overlay)] {
        let path = format!("{root}{source}");
        let folder = format!("{path}/");
        let below =
            reader.files.range(folder.clone()..).map(|(path, _)| path).take_while(|path| path.starts_with(&folder));
        let itself = reader.files.get_key_value(&path).map(|(path, _)| path);
        for path in itself.into_iter().chain(below) {
            found.insert(path[root.len()..].to_owned(), path.clone());
        }
    }
    found
}

/// What `files` delivers: path below files/ to digest, and the paths in the repository it comes from.
pub(crate) fn delivered(
    reader: &Reader<'_>,
    files: &[DeliveredFile],
) -> (BTreeMap<String, Sha256Digest>, BTreeSet<String>) {
    let mut digests = BTreeMap::new();
    let mut paths = BTreeSet::new();
    for file in files {
        for (below, path) in delivered_below(reader, &file.source) {
            digests.insert(below, reader.files[&path].sha256);
            paths.insert(path);
        }
    }
    (digests, paths)
}
