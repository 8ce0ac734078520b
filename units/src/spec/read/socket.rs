//! `[Socket]`: what it listens on, what it starts, the options of its sockets.

use crate::ids::UnitKind;
use crate::spec::command::commands;
use crate::spec::layers::suffix_of;
use crate::spec::listen::{is_interface_name, netlink, socket_address};
use crate::spec::merge::{Assigned, Row};
use crate::spec::reader::Reader;
use crate::spec::socket::BindIpv6Only;
use crate::spec::value::number;
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
        || option_row(reader, row, &mut draft.spec)
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

/// As systemd's `fdname_is_valid`: printable ASCII without a colon, at most 255 bytes.
fn descriptor_name(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<String> {
    let text = reader.text(at)?;
    let valid = text.len() <= 255 && text.bytes().all(|byte| (b' '..127).contains(&byte) && byte != b':');
    let checked = valid.then_some(text.clone());
    reader.checked(at, checked.ok_or_else(|| format!("{text:?} is no name of a descriptor (no colon, ASCII alone)")))
}

fn switch_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut SocketSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    let options = &mut spec.options;
    let target = match row.directive.key {
        "Accept" => &mut spec.accept,
        "RemoveOnStop" => &mut spec.remove_on_stop,
        "FlushPending" => &mut spec.flush_pending,
        "Writable" => &mut spec.writable,
        "KeepAlive" => &mut options.keep_alive,
        "NoDelay" => &mut options.no_delay,
        "ReusePort" => &mut options.reuse_port,
        "FreeBind" => &mut options.free_bind,
        "Transparent" => &mut options.transparent,
        "Broadcast" => &mut options.broadcast,
        "PassCredentials" => &mut options.pass_credentials,
        "PassSecurity" => &mut options.pass_security,
        "PassPacketInfo" => &mut options.pass_packet_info,
        _ => return false,
    };
    *target = reader.boolean(last).unwrap_or_default();
    true
}

fn option_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut SocketSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    let (options, kind) = (&mut spec.options, row.directive.kind);
    let bytes = |reader: &mut Reader<'_>| reader.checked(last, value::bytes(last.value()));
    match row.directive.key {
        "Backlog" => options.backlog = reader.integer(last, kind),
        "BindIPv6Only" => options.bind_ipv6_only = bind_ipv6_only(reader, row, last),
        "BindToDevice" => options.bind_to_device = device(reader, last),
        "KeepAliveTimeSec" => options.keep_alive_time = reader.span(last).flatten(),
        "KeepAliveIntervalSec" => options.keep_alive_interval = reader.span(last).flatten(),
        "KeepAliveProbes" => options.keep_alive_probes = reader.integer(last, kind),
        "DeferAcceptSec" => options.defer_accept = reader.span(last).flatten(),
        "Priority" => options.priority = reader.integer(last, kind),
        "IPTTL" => options.ip_ttl = reader.integer(last, kind),
        "Mark" => options.mark = reader.integer(last, kind),
        "ReceiveBuffer" => options.receive_buffer = bytes(reader),
        "SendBuffer" => options.send_buffer = bytes(reader),
        "PipeSize" => options.pipe_size = bytes(reader),
        // No specifiers are filled in here.
        "TCPCongestion" => last.value().clone_into(&mut options.tcp_congestion),
        "MessageQueueMaxMessages" => options.message_queue_max_messages = reader.integer(last, kind),
        "MessageQueueMessageSize" => options.message_queue_message_size = reader.integer(last, kind),
        "IPTOS" => type_of_service(reader, last),
        _ => return false,
    }
    true
}

/// A word, or a boolean: yes is `ipv6-only`, no is `both`.
fn bind_ipv6_only(reader: &mut Reader<'_>, row: &Row<'_>, at: &Assigned<'_>) -> BindIpv6Only {
    match (at.value(), value::boolean(at.value())) {
        ("default", _) => BindIpv6Only::Default,
        ("both", _) | (_, Ok(false)) => BindIpv6Only::Both,
        ("ipv6-only", _) | (_, Ok(true)) => BindIpv6Only::Ipv6Only,
        (_, Err(_)) => {
            reader.check(row);
            BindIpv6Only::Default
        }
    }
}

fn device(reader: &mut Reader<'_>, at: &Assigned<'_>) -> String {
    let name = at.value();
    match name {
        "*" => String::new(),
        _ if is_interface_name(name) => name.to_owned(),
        _ => {
            let wrong: Result<String, _> = Err(format!("{name:?} is no name of a network interface"));
            reader.checked(at, wrong).unwrap_or_default()
        }
    }
}

fn type_of_service(reader: &mut Reader<'_>, at: &Assigned<'_>) {
    let known = ["low-delay", "throughput", "reliability", "low-cost"].contains(&at.value());
    let number = number::unsigned(at.value()).is_some_and(|number| u8::try_from(number).is_ok());
    if !known && !number {
        let wrong: Result<(), _> = Err(format!(
            "{:?} is none of low-delay, throughput, reliability, low-cost, and no number from 0 to 255",
            at.value()
        ));
        reader.checked(at, wrong);
    }
}
