//! `[Service]`: who runs, where, with which variables, limits, output and folders.

use super::process;
use crate::diagnostic::codes;
use crate::spec::exec::{Directories, DirectoryLink, ExecSpec, Preserve, WorkingDirectory};
use crate::spec::merge::{Assigned, Row};
use crate::spec::reader::Reader;
use crate::spec::value;
use crate::spec::value::amount::{self, Amount};
use crate::spec::value::credential::stream_name;
use crate::syntax::words::Escapes;
use crate::syntax::{fields, variables};

/// Reads one directive into `spec`; `false` when it is none of this family.
pub(crate) fn row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ExecSpec) -> bool {
    if let Some(resource) = row.directive.key.strip_prefix("Limit") {
        return limit(reader, row, resource, spec);
    }
    identity_row(reader, row, spec)
        || variable_row(reader, row, spec)
        || process_row(reader, row, spec)
        || directory_row(reader, row, spec)
        || process::row(reader, row, spec)
}

fn limit(reader: &mut Reader<'_>, row: &Row<'_>, resource: &str, spec: &mut ExecSpec) -> bool {
    if let Some(last) = row.values.last()
        && let Some(limit) = reader.checked(last, value::limit(resource, last.value()))
    {
        spec.limits.insert(resource.to_owned(), limit);
    }
    true
}

fn identity_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ExecSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "User" => spec.user = account(reader, last),
        "Group" => spec.group = account(reader, last),
        "SupplementaryGroups" => {
            for (at, word) in reader.words(row.values, Escapes::Unquoted) {
                if reader.checked_at(&at, word.offset, value::account(&word.text)).is_some() {
                    spec.supplementary_groups.push(word.text);
                }
            }
        }
        "WorkingDirectory" => spec.working_directory = working_directory(reader, last),
        _ => return false,
    }
    true
}

fn account(reader: &mut Reader<'_>, at: &Assigned<'_>) -> String {
    let text = reader.text(at).unwrap_or_default();
    match reader.checked(at, value::account(&text)) {
        Some(()) => text,
        None => String::new(),
    }
}

fn working_directory(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<WorkingDirectory> {
    let text = reader.text(at)?;
    let optional = text.starts_with('-');
    let path = text.strip_prefix('-').unwrap_or(&text);
    let path = if path == "~" { path.to_owned() } else { reader.absolute(at, usize::from(optional), path)? };
    Some(WorkingDirectory { path, optional })
}

fn variable_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ExecSpec) -> bool {
    match row.directive.key {
        "Environment" => {
            for (at, word) in reader.words(row.values, Escapes::C) {
                spec.environment.extend(reader.checked_at(&at, word.offset, value::assignment(&word.text)));
            }
        }
        "EnvironmentFile" => row.values.iter().for_each(|at| environment_file(reader, at, spec)),
        "PassEnvironment" => {
            for (at, word) in reader.words(row.values, Escapes::Plain) {
                let name = if variables::is_name(&reader.example(&word.text)) {
                    Ok(word.text)
                } else {
                    Err(format!("{:?} is no name of a variable", word.text))
                };
                spec.pass_environment.extend(reader.checked_at(&at, word.offset, name));
            }
        }
        "UnsetEnvironment" => {
            for (at, word) in reader.words(row.values, Escapes::C) {
                let text = reader.example(&word.text);
                let valid = if variables::is_name(&text) { Ok(()) } else { value::assignment(&text).map(|_| ()) };
                if reader.checked_at(&at, word.offset, valid).is_some() {
                    spec.unset_environment.push(word.text);
                }
            }
        }
        _ => return false,
    }
    true
}

fn environment_file(reader: &mut Reader<'_>, at: &Assigned<'_>, spec: &mut ExecSpec) {
    let Some(text) = reader.text(at) else { return };
    let optional = text.starts_with('-');
    let path = text.strip_prefix('-').unwrap_or(&text);
    if let Some(path) = reader.absolute(at, usize::from(optional), path) {
        spec.environment_files.push((path, optional));
    }
}

fn process_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ExecSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "UMask" => spec.umask = mode(reader, last),
        "Nice" => spec.nice = reader.integer(last, row.directive.kind),
        "OOMScoreAdjust" => spec.oom_score_adjust = reader.integer(last, row.directive.kind),
        "IgnoreSIGPIPE" => spec.ignore_sigpipe = reader.boolean(last),
        "StandardOutput" => spec.standard_output = stream(reader, last),
        "StandardError" => spec.standard_error = stream(reader, last),
        "SyslogIdentifier" => spec.syslog_identifier = reader.text(last).unwrap_or_default(),
        _ => return false,
    }
    true
}

fn mode(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<u32> {
    reader.checked(at, value::mode(at.value()))
}

/// Where a stream goes. What is not built goes into the unit's log all the same, so that nothing is lost.
fn stream(reader: &mut Reader<'_>, at: &Assigned<'_>) -> String {
    const OTHERS: [&str; 7] = ["tty", "kmsg", "journal+console", "kmsg+console", "syslog+console", "socket", "fd"];
    let text = reader.text(at).unwrap_or_default();
    match text.as_str() {
        "journal" | "null" | "inherit" => return text,
        // systemd reads the old word as journal.
        "syslog" => return "journal".to_owned(),
        other if OTHERS.contains(&other) || stream_argument(reader, at, other) => {
            let directive = format!("{}={text}", at.assignment.key);
            reader.unenforced(directive, "not-built-yet", "the stream goes into the unit's log instead");
        }
        other => {
            let near = crate::diagnostic::did_you_mean(other, ["journal", "null", "inherit"]);
            let hint = near.map_or(String::new(), |near| format!("did you mean {near}?"));
            let message = format!("{}=: {other:?} is no place for a stream", at.assignment.key);
            reader.error(codes::BAD_VALUE, at.place(0), message, &hint);
        }
    }
    String::new()
}

/// Whether `text` is a file or a named descriptor; `true` as well when it is one with an error, which is told.
fn stream_argument(reader: &mut Reader<'_>, at: &Assigned<'_>, text: &str) -> bool {
    match text.split_once(':') {
        Some(("fd", "")) => true,
        Some(("fd", name)) => {
            reader.checked(at, stream_name(name));
            true
        }
        Some((word @ ("file" | "append" | "truncate"), path)) => {
            reader.absolute(at, word.len() + 1, path);
            true
        }
        _ => false,
    }
}

fn directory_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ExecSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    if row.directive.key == "RuntimeDirectoryPreserve" {
        spec.runtime_directory_preserve = preserve(reader, last);
        return true;
    }
    let key = row.directive.key;
    let base = key.find("Directory").map_or(key, |start| &key[..start + "Directory".len()]);
    let target = match base {
        "RuntimeDirectory" => &mut spec.runtime_directory,
        "StateDirectory" => &mut spec.state_directory,
        "CacheDirectory" => &mut spec.cache_directory,
        "LogsDirectory" => &mut spec.logs_directory,
        "ConfigurationDirectory" => &mut spec.configuration_directory,
        _ => return false,
    };
    match &key[base.len()..] {
        "" => directories(reader, row, target),
        "Mode" => target.mode = mode(reader, last),
        "Accounting" => target.accounting = reader.yes(last),
        "Quota" => target.quota = quota(reader, last),
        _ => return false,
    }
    true
}

fn quota(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<Amount> {
    if at.value() == "off" { None } else { reader.checked(at, amount::memory(at.value(), false)) }
}

fn preserve(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Preserve {
    match at.value() {
        "restart" => Preserve::Restart,
        _ => match reader.boolean(at) {
            Some(true) => Preserve::Yes,
            Some(false) | None => Preserve::No,
        },
    }
}

/// Relative names. A link or flags behind one (`NAME:LINK:ro`) are not built.
fn directories(reader: &mut Reader<'_>, row: &Row<'_>, target: &mut Directories) {
    for (at, word) in reader.words(row.values, Escapes::Keep) {
        let Some(parts) = reader.checked_at(&at, word.offset, fields::escaped(&word.text)) else { continue };
        let mut rest = parts.iter().skip(1).map(String::as_str);
        let Some(name) = directory(reader, &at, word.offset, &parts[0]) else { continue };
        if row.directive.key == "ConfigurationDirectory" && rest.clone().any(|part| !part.is_empty()) {
            reader.checked_at::<()>(&at, word.offset, Err("neither a link nor flags are possible here".to_owned()));
            continue;
        }
        let (link, flags) =
            (rest.next().filter(|link| !link.is_empty()), rest.next().filter(|flags| !flags.is_empty()));
        let link = match link.map(|link| directory(reader, &at, word.offset, link)) {
            Some(None) => continue,
            Some(link) => link,
            None => None,
        };
        let read_only = match flags {
            None => false,
            Some("ro") => true,
            Some(flags) => {
                let problem = format!("{flags:?} is no flag of a folder: the one there is is ro");
                reader.checked_at::<()>(&at, word.offset, Err(problem));
                continue;
            }
        };
        if link.is_some() || read_only {
            reader.not_built(format!("{}={}", row.directive.key, word.text));
            target.links.push(DirectoryLink { name: name.clone(), link, read_only });
        }
        if !target.names.contains(&name) {
            target.names.push(name);
        }
    }
}

fn directory(reader: &mut Reader<'_>, at: &Assigned<'_>, offset: usize, name: &str) -> Option<String> {
    if name.starts_with('/') {
        let message =
            format!("{}=: {name:?} is absolute; names are below the directive's own folder", at.assignment.key);
        let hint = "leave the folder away: RuntimeDirectory=web is /run/web";
        reader.error(codes::BAD_VALUE, at.place(offset), message, hint);
        return None;
    }
    let name = reader.checked_at(at, offset, value::plain_path(name))?;
    // systemd keeps the folders of DynamicUser= there.
    let reserved = name == "private" || name.starts_with("private/");
    reader.checked_at(at, offset, if reserved { Err(format!("{name:?} is reserved")) } else { Ok(name) })
}
