//! Scheduling, input and terminal, logging, credentials (systemd.exec(5)).

use super::within;
use crate::diagnostic::codes;
use crate::spec::exec::ExecSpec;
use crate::spec::exec::credentials::CredentialSpec;
use crate::spec::exec::logging::{FACILITIES, LEVELS, LogSpec, is_namespace, log_field, syslog_number};
use crate::spec::exec::scheduling::{Affinity, CpuPolicy, IoClass, NumaMask, SchedulingSpec};
use crate::spec::exec::streams::{Input, StreamSpec};
use crate::spec::keyword::keyword;
use crate::spec::merge::{Assigned, Row};
use crate::spec::reader::Reader;
use crate::spec::value::credential::{self, SetCredential, descriptor_name, stream_name};
use crate::spec::value::encoding::base64;
use crate::spec::value::{kernel, nanoseconds, number};
use crate::syntax::fields;
use crate::syntax::words::{Escapes, unescape};

/// Reads one directive into `spec`; `false` when it is none of this family.
pub(crate) fn row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ExecSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "ExecSearchPath" => spec.search_path = search_path(reader, row),
        "TimeoutCleanSec" => spec.timeout_clean = reader.span(last).flatten(),
        _ => {
            return within(&mut spec.credentials, |part| credential_row(reader, row, part))
                || within(&mut spec.logging, |part| log_row(reader, row, part))
                || within(&mut spec.streams, |part| stream_row(reader, row, part))
                || within(&mut spec.scheduling, |part| scheduling_row(reader, row, last, part));
        }
    }
    true
}

fn scheduling_row(reader: &mut Reader<'_>, row: &Row<'_>, last: &Assigned<'_>, spec: &mut SchedulingSpec) -> bool {
    match row.directive.key {
        "IOSchedulingClass" => spec.io_class = reader.checked(last, io_class(last.value())),
        "IOSchedulingPriority" => spec.io_priority = reader.integer(last, row.directive.kind),
        "CPUSchedulingPolicy" => spec.cpu_policy = reader.checked(last, cpu_policy(last.value())),
        "CPUSchedulingPriority" => spec.cpu_priority = reader.integer(last, row.directive.kind),
        "CPUSchedulingResetOnFork" => spec.reset_on_fork = reader.yes(last),
        "CPUAffinity" => spec.affinity = affinity(reader, row),
        "NUMAPolicy" => spec.numa_policy = Some(reader.keyword(last)),
        "NUMAMask" => {
            spec.numa_mask = Some(match last.value() {
                "all" => NumaMask::All,
                _ => NumaMask::Nodes(reader.ranges(row.values)),
            });
        }
        "TimerSlackNSec" => spec.timer_slack = reader.checked(last, nanoseconds::nanoseconds(last.value())).flatten(),
        "Personality" => {
            let known = kernel::ARCHITECTURES.contains(&last.value());
            let known = known.then(|| last.value().to_owned());
            spec.personality =
                reader.checked(last, known.ok_or_else(|| format!("{:?} is no architecture such as x86", last.value())));
        }
        "MemoryKSM" => spec.merge_pages = reader.boolean(last),
        "MemoryTHP" => spec.huge_pages = reader.keyword(last),
        "CoredumpFilter" => spec.coredump_filter = coredump_filter(reader, row),
        "KeyringMode" => spec.keyring = Some(reader.keyword(last)),
        _ => return false,
    }
    true
}

/// A name, or the number of ioprio_set(2).
fn io_class(text: &str) -> Result<IoClass, String> {
    match number::unsigned(text) {
        Some(0) => Ok(IoClass::None),
        Some(1) => Ok(IoClass::Realtime),
        Some(2) => Ok(IoClass::BestEffort),
        Some(3) => Ok(IoClass::Idle),
        _ => keyword(text).ok_or_else(|| format!("{text:?} is none of {}", IoClass::WORDS.join(", "))),
    }
}

/// A name, or the number of sched(7).
fn cpu_policy(text: &str) -> Result<CpuPolicy, String> {
    match number::unsigned(text) {
        Some(0) => Ok(CpuPolicy::Other),
        Some(1) => Ok(CpuPolicy::Fifo),
        Some(2) => Ok(CpuPolicy::RoundRobin),
        Some(3) => Ok(CpuPolicy::Batch),
        Some(5) => Ok(CpuPolicy::Idle),
        Some(7) => Ok(CpuPolicy::Ext),
        _ => keyword(text).ok_or_else(|| format!("{text:?} is none of {}", CpuPolicy::WORDS.join(", "))),
    }
}

/// `numa` replaces what was before, and numbers replace it.
fn affinity(reader: &mut Reader<'_>, row: &Row<'_>) -> Option<Affinity> {
    let numa = row.values.iter().rposition(|at| at.value() == "numa");
    match numa.map_or(row.values, |numa| &row.values[numa + 1..]) {
        [] => numa.map(|_| Affinity::Numa),
        values => Some(Affinity::Cpus(reader.ranges(values))),
    }
}

fn coredump_filter(reader: &mut Reader<'_>, row: &Row<'_>) -> Option<u64> {
    const WORDS: [&str; 9] = [
        "private-anonymous",
        "shared-anonymous",
        "private-file-backed",
        "shared-file-backed",
        "elf-headers",
        "private-huge",
        "shared-huge",
        "private-dax",
        "shared-dax",
    ];
    // core(5): what the kernel dumps without being asked.
    const USUAL: u64 = 0x33;
    let bits = |word: &str| match (word, WORDS.iter().position(|known| *known == word)) {
        ("default", _) => Ok(USUAL),
        ("all", _) => Ok(u64::MAX),
        (_, Some(bit)) => Ok(1 << bit),
        (number, None) => {
            u64::from_str_radix(number.strip_prefix("0x").or(number.strip_prefix("0X")).unwrap_or(number), 16)
                .map_err(|_| format!("{word:?} is no kind of mapping such as shared-huge, and no hexadecimal number"))
        }
    };
    let all = reader.parsed(row.values, Escapes::Plain, bits);
    all.into_iter().reduce(|one, other| one | other)
}

/// Paths with colons between; a backslash makes the next character an ordinary one.
fn search_path(reader: &mut Reader<'_>, row: &Row<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for at in row.values {
        match fields::plain(at.value()) {
            Ok(paths) => found.extend(paths.iter().filter_map(|path| reader.path(at, 0, path))),
            Err(error) => reader.bad_quoting(at, 0, &error),
        }
    }
    found
}

fn stream_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut StreamSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "StandardInput" => spec.input = input(reader, last).unwrap_or_default(),
        "StandardInputText" => row.values.iter().for_each(|at| spec.input_data.extend(input_text(reader, at))),
        "StandardInputData" => {
            for at in row.values {
                spec.input_data.extend(reader.checked(at, base64(at.value())).into_iter().flatten());
            }
        }
        "TTYPath" => spec.tty_path = reader.path(last, 0, last.value()),
        "TTYReset" => spec.tty_reset = reader.yes(last),
        "TTYVHangup" => spec.tty_hangup = reader.yes(last),
        "TTYVTDisallocate" => spec.tty_disallocate = reader.yes(last),
        "TTYRows" => spec.tty_rows = reader.integer(last, row.directive.kind),
        "TTYColumns" => spec.tty_columns = reader.integer(last, row.directive.kind),
        "PAMName" => spec.pam_name = reader.text(last),
        "UtmpIdentifier" => spec.utmp_identifier = reader.text(last),
        "UtmpMode" => spec.utmp_mode = reader.keyword(last),
        _ => return false,
    }
    true
}

fn input(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<Input> {
    let text = reader.text(at)?;
    if let Some(claim) = keyword(&text) {
        return Some(Input::Terminal(claim));
    }
    Some(match text.split_once(':').map_or((text.as_str(), None), |(word, rest)| (word, Some(rest))) {
        ("null", None) => Input::Null,
        ("data", None) => Input::Data,
        ("socket", None) => Input::Socket,
        ("fd", None | Some("")) => Input::Descriptor(None),
        ("fd", Some(name)) => Input::Descriptor(Some(reader.checked(at, stream_name(name))?.to_owned())),
        ("file", Some(path)) => Input::File(reader.absolute(at, "file:".len(), path)?),
        _ => {
            let hint = "null, tty, tty-force, tty-fail, data, file:PATH, socket or fd:NAME";
            let message = format!("{}=: {text:?} is no place input comes from", at.assignment.key);
            reader.error(codes::BAD_VALUE, at.place(0), message, hint);
            return None;
        }
    })
}

/// One line of text, with its line end.
fn input_text(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Vec<u8> {
    let Some(bytes) = reader.checked(at, unescape(at.value(), false).map_err(|error| error.message)) else {
        return Vec::new();
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => reader.expand(at, 0, &text).unwrap_or_default().into_bytes(),
        Err(error) => error.into_bytes(),
    };
    text.into_iter().chain([b'\n']).collect()
}

fn log_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut LogSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "LogLevelMax" => spec.level_max = reader.checked(last, syslog_number(LEVELS, 7, last.value())),
        "LogRateLimitIntervalSec" => spec.rate_interval = reader.long_span(last),
        "LogRateLimitBurst" => spec.rate_burst = reader.integer(last, row.directive.kind),
        "LogFilterPatterns" => row.values.iter().for_each(|at| pattern(reader, at, spec)),
        "LogNamespace" => {
            let text = reader.text(last).unwrap_or_default();
            let fits = is_namespace(&text);
            spec.namespace = reader.checked(
                last,
                fits.then(|| text.clone()).ok_or_else(|| format!("{text:?} is no name of a log namespace")),
            );
        }
        "LogExtraFields" => spec.extra_fields = reader.parsed(row.values, Escapes::C, log_field),
        "SyslogFacility" => spec.facility = reader.checked(last, syslog_number(FACILITIES, 127, last.value())),
        "SyslogLevel" => spec.level = reader.checked(last, syslog_number(LEVELS, 7, last.value())),
        "SyslogLevelPrefix" => spec.level_prefix = reader.boolean(last),
        _ => return false,
    }
    true
}

/// The patterns are those of PCRE2; whether one is well formed is seen where it is used.
fn pattern(reader: &mut Reader<'_>, at: &Assigned<'_>, spec: &mut LogSpec) {
    match at.value().strip_prefix('~') {
        Some("") => {
            reader.checked::<()>(at, Err("a pattern is missing behind ~".to_owned()));
        }
        Some(denied) => spec.denied_patterns.push(denied.to_owned()),
        None => spec.allowed_patterns.push(at.value().to_owned()),
    }
}

fn credential_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut CredentialSpec) -> bool {
    let encrypted = row.directive.key.ends_with("Encrypted");
    match row.directive.key {
        "LoadCredential" | "LoadCredentialEncrypted" => {
            for loaded in reader.lines(row.values, |text| credential::loaded(text, encrypted)) {
                spec.load.retain(|other| other.name != loaded.name);
                spec.load.push(loaded);
            }
        }
        "SetCredential" | "SetCredentialEncrypted" => {
            for at in row.values {
                let Some(set) = set_credential(reader, at, encrypted) else { continue };
                spec.set.retain(|other| other.name != set.name);
                spec.set.push(set);
            }
        }
        "ImportCredential" => spec.import.extend(reader.lines(row.values, credential::imported)),
        _ => return false,
    }
    true
}

fn set_credential(reader: &mut Reader<'_>, at: &Assigned<'_>, encrypted: bool) -> Option<SetCredential> {
    let halves = at.value().split_once(':').filter(|(_, content)| !content.is_empty());
    let (name, content) = reader.checked(at, halves.ok_or_else(|| "it is not NAME:CONTENT".to_owned()))?;
    let name = reader.expand(at, 0, name)?;
    reader.checked(at, descriptor_name(&name))?;
    let bytes = if encrypted { base64(content) } else { unescape(content, true).map_err(|error| error.message) };
    let content = reader.checked_at(at, at.value().len() - content.len(), bytes)?;
    Some(SetCredential { name, content, encrypted })
}
