//! `[Socket]`: options of the sockets themselves.

use crate::spec::keyword::Keyword;
use crate::spec::listen::is_interface_name;
use crate::spec::merge::{Assigned, Row};
use crate::spec::reader::Reader;
use crate::spec::socket::{BindIpv6Only, SocketOptions, SocketProtocol, Timestamping};
use crate::spec::value::{self, number};

/// Reads one directive into `options`; `false` when it is none of these.
pub(super) fn row(reader: &mut Reader<'_>, row: &Row<'_>, options: &mut SocketOptions) -> bool {
    switch_row(reader, row, options) || label_row(reader, row, options) || option_row(reader, row, options)
}

fn switch_row(reader: &mut Reader<'_>, row: &Row<'_>, options: &mut SocketOptions) -> bool {
    let Some(last) = row.values.last() else { return true };
    let target = match row.directive.key {
        "KeepAlive" => &mut options.keep_alive,
        "NoDelay" => &mut options.no_delay,
        "ReusePort" => &mut options.reuse_port,
        "FreeBind" => &mut options.free_bind,
        "Transparent" => &mut options.transparent,
        "Broadcast" => &mut options.broadcast,
        "PassCredentials" => &mut options.pass_credentials,
        "PassPIDFD" => &mut options.pass_pidfd,
        "PassSecurity" => &mut options.pass_security,
        "PassPacketInfo" => &mut options.pass_packet_info,
        "SELinuxContextFromNet" => &mut options.selinux_context_from_net,
        _ => return false,
    };
    *target = reader.yes(last);
    true
}

fn label_row(reader: &mut Reader<'_>, row: &Row<'_>, options: &mut SocketOptions) -> bool {
    let Some(last) = row.values.last() else { return true };
    let target = match row.directive.key {
        "SmackLabel" => &mut options.smack_label,
        "SmackLabelIPIn" => &mut options.smack_label_in,
        "SmackLabelIPOut" => &mut options.smack_label_out,
        _ => return false,
    };
    *target = reader.text(last).unwrap_or_default();
    true
}

fn option_row(reader: &mut Reader<'_>, row: &Row<'_>, options: &mut SocketOptions) -> bool {
    let Some(last) = row.values.last() else { return true };
    let kind = row.directive.kind;
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
        "AcceptFileDescriptors" => options.accept_descriptors = reader.boolean(last),
        "SocketProtocol" => options.protocol = reader.choice(last, SocketProtocol::ALL),
        "Timestamping" => options.timestamping = timestamping(reader, row, last),
        "IPTOS" => options.ip_tos = reader.checked(last, type_of_service(last.value())),
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

/// systemd takes several names for each unit, and a boolean.
fn timestamping(reader: &mut Reader<'_>, row: &Row<'_>, at: &Assigned<'_>) -> Timestamping {
    match (at.value(), value::boolean(at.value())) {
        ("us" | "usec" | "\u{b5}s" | "\u{3bc}s", _) => Timestamping::Micros,
        ("ns" | "nsec", _) | (_, Ok(true)) => Timestamping::Nanos,
        (_, Ok(false)) => Timestamping::Off,
        (_, Err(_)) => {
            reader.check(row);
            Timestamping::Off
        }
    }
}

/// A word of ip(7), or the byte.
fn type_of_service(text: &str) -> Result<u8, String> {
    match text {
        "low-delay" => Ok(0x10),
        "throughput" => Ok(0x08),
        "reliability" => Ok(0x04),
        "low-cost" => Ok(0x02),
        _ => number::unsigned(text).and_then(|number| u8::try_from(number).ok()).ok_or_else(|| {
            format!("{text:?} is none of low-delay, throughput, reliability, low-cost, and no number from 0 to 255")
        }),
    }
}
