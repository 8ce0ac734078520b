//! `[Socket]`: what it listens on, what it starts, the options of its sockets.

use super::{socket_options, within};
use crate::ids::UnitKind;
use crate::spec::command::commands;
use crate::spec::layers::suffix_of;
use crate::spec::listen::{netlink, socket_address};
use crate::spec::merge::{Assigned, Row};
use crate::spec::reader::Reader;
use crate::spec::socket::SocketAttributes;
use crate::spec::value::credential::stream_name;
use crate::spec::{Listen, SocketAddress, SocketSpec, value};
use crate::syntax::words::Escapes;
use std::time::Duration;

/// A socket while it is being read: what has no default of its own yet.
#[derive(Default)]
pub(crate) struct Draft {
    pub spec: SocketSpec,
    /// `Listen*=` with their place in the order of all assignments, since descriptors are passed in that order.
    pub listen: Vec<(u32, Listen)>,
    /// `Service=` is given, whether or not it could be read.
    pub names_its_service: bool,
    pub trigger_burst: Option<u32>,
    pub poll_burst: Option<u32>,
    pub restart_signal: Option<i32>,
}

/// Reads one directive into `draft`; `false` when it is none of this family.
pub(crate) fn row(reader: &mut Reader<'_>, row: &Row<'_>, draft: &mut Draft) -> bool {
    listen_row(reader, row, draft)
        || command_row(reader, row, &mut draft.spec)
        || node_row(reader, row, &mut draft.spec)
        || activation_row(reader, row, draft)
        || switch_row(reader, row, &mut draft.spec)
        || socket_options::row(reader, row, &mut draft.spec.options)
        || super::kill::row(reader, row, &mut draft.spec.kill, &mut draft.restart_signal)
}

fn listen_row(reader: &mut Reader<'_>, row: &Row<'_>, draft: &mut Draft) -> bool {
    let make: fn(&mut Reader<'_>, &Assigned<'_>, String) -> Option<Listen> = match row.directive.key {
        "ListenStream" => |reader, at, text| address(reader, at, text).map(Listen::Stream),
        "ListenDatagram" => |reader, at, text| address(reader, at, text).map(Listen::Datagram),
        "ListenSequentialPacket" => sequential_packet,
        "ListenFIFO" => |reader, at, text| reader.absolute(at, 0, &text).map(Listen::Fifo),
        "ListenSpecial" => |reader, at, text| reader.absolute(at, 0, &text).map(Listen::Special),
        "ListenMessageQueue" => |reader, at, text| reader.absolute(at, 0, &text).map(Listen::MessageQueue),
        "ListenUSBFunction" => |reader, at, text| reader.absolute(at, 0, &text).map(Listen::UsbFunction),
        "ListenNetlink" => |reader, at, text| reader.checked(at, netlink(&text)).map(|()| Listen::Netlink(text)),
        _ => return false,
    };
    for at in row.values {
        let listen = reader.text(at).and_then(|text| make(reader, at, text));
        draft.listen.extend(listen.map(|listen| (at.order, listen)));
    }
    true
}

fn address(reader: &mut Reader<'_>, at: &Assigned<'_>, text: String) -> Option<SocketAddress> {
    if reader.is_open(&text) {
        return Some(SocketAddress::Open(text));
    }
    let address = reader.checked(at, socket_address(&text))?;
    match address {
        SocketAddress::Unix(path) => Some(SocketAddress::Unix(reader.below_run(at, path))),
        other => Some(other),
    }
}

fn sequential_packet(reader: &mut Reader<'_>, at: &Assigned<'_>, text: String) -> Option<Listen> {
    match address(reader, at, text)? {
        unix @ (SocketAddress::Unix(_) | SocketAddress::Abstract(_) | SocketAddress::Open(_)) => {
            Some(Listen::SequentialPacket(unix))
        }
        SocketAddress::AnyAddress(_) | SocketAddress::Ip { .. } | SocketAddress::Vsock { .. } => {
            reader.checked(at, Err(format!("{} is no unix socket; only those have sequential packets", at.value())))
        }
    }
}

fn command_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut SocketSpec) -> bool {
    let target = match row.directive.key {
        "ExecStartPre" => &mut spec.exec_start_pre,
        "ExecStartPost" => &mut spec.exec_start_post,
        "ExecStopPre" => &mut spec.exec_stop_pre,
        "ExecStopPost" => &mut spec.exec_stop_post,
        _ => return false,
    };
    *target = commands(reader, row.values);
    true
}

/// Nodes in the file system.
fn node_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut SocketSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "SocketUser" => spec.user = account(reader, last),
        "SocketGroup" => spec.group = account(reader, last),
        "SocketMode" => spec.socket_mode = mode(reader, last).unwrap_or(spec.socket_mode),
        "DirectoryMode" => spec.directory_mode = mode(reader, last).unwrap_or(spec.directory_mode),
        "Symlinks" => {
            for (at, word) in reader.words(row.values, Escapes::Plain) {
                spec.symlinks.extend(reader.absolute(&at, word.offset, &word.text));
            }
        }
        _ => return false,
    }
    true
}

fn account(reader: &mut Reader<'_>, at: &Assigned<'_>) -> String {
    let text = reader.text(at);
    text.and_then(|text| reader.checked(at, value::account(&text)).map(|()| text)).unwrap_or_default()
}

fn mode(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<u32> {
    reader.checked(at, value::mode(at.value()))
}

/// What is started, when, and how often.
fn activation_row(reader: &mut Reader<'_>, row: &Row<'_>, draft: &mut Draft) -> bool {
    let Some(last) = row.values.last() else { return true };
    let (spec, kind) = (&mut draft.spec, row.directive.kind);
    match row.directive.key {
        "Service" => {
            draft.names_its_service = true;
            let template = last.value().contains("@.");
            let other = suffix_of(last.value()).is_some_and(|suffix| suffix != "service");
            if template || other {
                let problem = if template { "is a template" } else { "is no service" };
                reader.checked::<()>(last, Err(format!("{} {problem}; a socket starts a service", last.value())));
                return true;
            }
            spec.service = reader.started_unit(last).filter(|unit| unit.kind() == UnitKind::Service);
        }
        "FileDescriptorName" => spec.file_descriptor_name = descriptor_name(reader, last).unwrap_or_default(),
        "MaxConnections" => spec.max_connections = reader.integer(last, kind).unwrap_or(spec.max_connections),
        "MaxConnectionsPerSource" => {
            spec.max_connections_per_source = reader.integer(last, kind).unwrap_or_default();
        }
        "TriggerLimitIntervalSec" => limit_interval(reader, last, &mut spec.trigger_limit.interval),
        "TriggerLimitBurst" => draft.trigger_burst = reader.integer(last, kind),
        "PollLimitIntervalSec" => limit_interval(reader, last, &mut spec.poll_limit.interval),
        "PollLimitBurst" => draft.poll_burst = reader.integer(last, kind),
        "TimeoutSec" => {
            spec.timeout = reader.span(last).map_or(spec.timeout, |span| span.filter(|span| !span.is_zero()));
        }
        _ => return false,
    }
    true
}

fn limit_interval(reader: &mut Reader<'_>, at: &Assigned<'_>, interval: &mut Duration) {
    *interval = reader.long_span(at).unwrap_or(*interval);
}

fn descriptor_name(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<String> {
    let text = reader.text(at)?;
    reader.checked(at, stream_name(&text).map(str::to_owned))
}

/// Switches of the unit itself, and what its commands and nodes get.
fn switch_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut SocketSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "Accept" => spec.accept = reader.yes(last),
        "RemoveOnStop" => spec.remove_on_stop = reader.yes(last),
        "FlushPending" => spec.flush_pending = reader.yes(last),
        "Writable" => spec.writable = reader.yes(last),
        "PassFileDescriptorsToExec" => spec.pass_descriptors = reader.yes(last),
        "DeferTrigger" => spec.defer_trigger = reader.keyword(last),
        "DeferTriggerMaxSec" => spec.defer_trigger_max = reader.span(last).flatten().filter(|span| !span.is_zero()),
        _ => return within(&mut spec.attributes, |part| attribute_row(reader, row, part)),
    }
    true
}

fn attribute_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut SocketAttributes) -> bool {
    let target = match row.directive.key {
        "XAttrEntryPoint" => &mut spec.entry_point,
        "XAttrListen" => &mut spec.listen,
        "XAttrAccept" => &mut spec.accept,
        _ => return false,
    };
    *target = reader.parsed(row.values, Escapes::C, attribute);
    true
}

/// `NAME=value`; names are those of xattr(7).
fn attribute(word: &str) -> Result<(String, String), String> {
    let halves = word.split_once('=').filter(|(name, _)| !name.is_empty() && name.len() <= 255);
    let halves = halves.map(|(name, value)| (name.to_owned(), value.to_owned()));
    halves.ok_or_else(|| format!("{word:?} is no attribute such as user.origin=web"))
}
