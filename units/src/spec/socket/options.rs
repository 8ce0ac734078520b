//! Options of the sockets themselves (systemd.socket(5)).

use crate::spec::keyword::keywords;
use std::time::Duration;

/// Options of sockets (socket(7), tcp(7), ip(7)); `None` leaves the kernel's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// `Backlog=`; default 4,294,967,295, which the kernel cuts to its own limit.
    pub backlog: Option<u32>,
    /// `BindIPv6Only=`
    pub bind_ipv6_only: BindIpv6Only,
    /// `BindToDevice=`: a network interface; empty is none.
    pub bind_to_device: String,
    /// `KeepAlive=`
    pub keep_alive: bool,
    /// `KeepAliveTimeSec=`
    pub keep_alive_time: Option<Duration>,
    /// `KeepAliveIntervalSec=`
    pub keep_alive_interval: Option<Duration>,
    /// `KeepAliveProbes=`
    pub keep_alive_probes: Option<u32>,
    /// `DeferAcceptSec=`
    pub defer_accept: Option<Duration>,
    /// `NoDelay=`
    pub no_delay: bool,
    /// `ReusePort=`
    pub reuse_port: bool,
    /// `FreeBind=`
    pub free_bind: bool,
    /// `Transparent=`
    pub transparent: bool,
    /// `Broadcast=`
    pub broadcast: bool,
    /// `PassCredentials=`
    pub pass_credentials: bool,
    /// `PassSecurity=`
    pub pass_security: bool,
    /// `PassPacketInfo=`
    pub pass_packet_info: bool,
    /// `PassPIDFD=`
    pub pass_pidfd: bool,
    /// `AcceptFileDescriptors=`; `None` is yes.
    pub accept_descriptors: Option<bool>,
    /// `SELinuxContextFromNet=`
    pub selinux_context_from_net: bool,
    /// `SocketProtocol=`; `None` is TCP or UDP.
    pub protocol: Option<SocketProtocol>,
    /// `Timestamping=`
    pub timestamping: Timestamping,
    /// `SmackLabel=` of the node in the file system; empty is none, as of the next two.
    pub smack_label: String,
    /// `SmackLabelIPIn=`
    pub smack_label_in: String,
    /// `SmackLabelIPOut=`
    pub smack_label_out: String,
    /// `IPTOS=`: the byte of ip(7).
    pub ip_tos: Option<u8>,
    /// `Priority=`
    pub priority: Option<i32>,
    /// `IPTTL=`
    pub ip_ttl: Option<i32>,
    /// `Mark=`
    pub mark: Option<i32>,
    /// `ReceiveBuffer=` in bytes.
    pub receive_buffer: Option<u64>,
    /// `SendBuffer=` in bytes.
    pub send_buffer: Option<u64>,
    /// `TCPCongestion=`: the name of an algorithm, empty for the kernel's.
    pub tcp_congestion: String,
    /// `MessageQueueMaxMessages=`
    pub message_queue_max_messages: Option<i64>,
    /// `MessageQueueMessageSize=` in bytes.
    pub message_queue_message_size: Option<i64>,
    /// `PipeSize=` in bytes.
    pub pipe_size: Option<u64>,
}

/// `BindIPv6Only=`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BindIpv6Only {
    /// As `/proc/sys/net/ipv6/bindv6only` says.
    #[default]
    Default,
    /// IPv4 too.
    Both,
    /// IPv6 alone.
    Ipv6Only,
}

keywords! {
    /// `SocketProtocol=`
    SocketProtocol {
        UdpLite = "udplite",
        Sctp = "sctp",
        Mptcp = "mptcp",
    }

    /// `Timestamping=`; a boolean is `off` or `ns`.
    Timestamping {
        Off = "off",
        Micros = "us",
        Nanos = "ns",
    }
}
