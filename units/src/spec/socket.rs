//! `[Socket]` (systemd.socket(5)).

mod options;

pub use options::{BindIpv6Only, SocketOptions, SocketProtocol, Timestamping};

use super::keyword::keywords;
use super::resources::ResourceSpec;
use super::{ExecCommand, ExecSpec, KillSpec, Listen};
use crate::ids::UnitName;
use std::time::Duration;

/// A socket unit as understood.
#[derive(Clone, Debug, PartialEq)]
pub struct SocketSpec {
    /// `Listen*=`, in the order written; never empty.
    pub listen: Vec<Listen>,
    /// `Accept=`: each connection gets an instance of its own.
    pub accept: bool,
    /// `Service=`: what it starts. By default the service of the same name; with `accept` the template of that name.
    pub service: Option<UnitName>,
    /// `FileDescriptorName=`: the descriptors' name in `$LISTEN_FDNAMES`; empty means the socket unit's own name, or
    /// `connection` with `accept`.
    pub file_descriptor_name: String,
    /// `Symlinks=`: links to the one node in the file system.
    pub symlinks: Vec<String>,
    /// `SocketUser=`; empty is root.
    pub user: String,
    /// `SocketGroup=`; empty is that of the user.
    pub group: String,
    /// `SocketMode=`; default 0o666.
    pub socket_mode: u32,
    /// `DirectoryMode=` of folders made for it; default 0o755.
    pub directory_mode: u32,
    /// `RemoveOnStop=`: nodes in the file system go when it stops.
    pub remove_on_stop: bool,
    /// `FlushPending=`: what nobody has read is dropped when the service has ended.
    pub flush_pending: bool,
    /// `Writable=` of `ListenSpecial=`.
    pub writable: bool,
    /// `MaxConnections=` with `accept`; default 64.
    pub max_connections: u32,
    /// `MaxConnectionsPerSource=`; 0 is no limit.
    pub max_connections_per_source: u32,
    /// `TriggerLimitIntervalSec=` and `TriggerLimitBurst=`: so many activations within so long, or it fails.
    pub trigger_limit: RateLimit,
    /// `PollLimitIntervalSec=` and `PollLimitBurst=`: so many wake-ups within so long, or it pauses.
    pub poll_limit: RateLimit,
    /// `DeferTrigger=`: a start that would stop other units waits.
    pub defer_trigger: DeferTrigger,
    /// `DeferTriggerMaxSec=`: how long it waits; `None` is infinity.
    pub defer_trigger_max: Option<Duration>,
    /// `TimeoutSec=` of its commands; `None` is infinity. Default 90 s.
    pub timeout: Option<Duration>,
    /// Options of the sockets themselves.
    pub options: SocketOptions,
    /// `ExecStartPre=`
    pub exec_start_pre: Vec<ExecCommand>,
    /// `ExecStartPost=`
    pub exec_start_post: Vec<ExecCommand>,
    /// `ExecStopPre=`
    pub exec_stop_pre: Vec<ExecCommand>,
    /// `ExecStopPost=`
    pub exec_stop_post: Vec<ExecCommand>,
    /// `PassFileDescriptorsToExec=`: its own commands get the descriptors too.
    pub pass_descriptors: bool,
    /// `XAttrEntryPoint=`, `XAttrListen=`, `XAttrAccept=`; few sockets set any.
    pub attributes: Option<Box<SocketAttributes>>,
    /// How these commands are ended.
    pub kill: KillSpec,
    /// The environment they run in.
    pub exec: ExecSpec,
    /// systemd.resource-control(5); few sockets set any of it.
    pub resources: Option<Box<ResourceSpec>>,
}

/// Extended attributes (xattr(7)), name and value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketAttributes {
    /// `XAttrEntryPoint=`: of the node in the file system.
    pub entry_point: Vec<(String, String)>,
    /// `XAttrListen=`: of the listening socket.
    pub listen: Vec<(String, String)>,
    /// `XAttrAccept=`: of accepted connections.
    pub accept: Vec<(String, String)>,
}

keywords! {
    /// `DeferTrigger=`
    DeferTrigger {
        No = "no",
        Yes = "yes",
        Patient = "patient",
    }
}

/// So many within so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Zero switches it off.
    pub interval: Duration,
    /// How many; zero switches it off.
    pub burst: u32,
}

impl Default for SocketSpec {
    /// A socket that listens nowhere.
    fn default() -> Self {
        let two_seconds = |burst| RateLimit { interval: Duration::from_secs(2), burst };
        SocketSpec {
            listen: Vec::new(),
            accept: false,
            service: None,
            file_descriptor_name: String::new(),
            symlinks: Vec::new(),
            user: String::new(),
            group: String::new(),
            socket_mode: 0o666,
            directory_mode: 0o755,
            remove_on_stop: false,
            flush_pending: false,
            writable: false,
            max_connections: 64,
            max_connections_per_source: 0,
            trigger_limit: two_seconds(20),
            poll_limit: two_seconds(15),
            defer_trigger: DeferTrigger::No,
            defer_trigger_max: None,
            timeout: Some(Duration::from_secs(90)),
            options: SocketOptions::default(),
            exec_start_pre: Vec::new(),
            exec_start_post: Vec::new(),
            exec_stop_pre: Vec::new(),
            exec_stop_post: Vec::new(),
            pass_descriptors: false,
            attributes: None,
            kill: KillSpec::default(),
            exec: ExecSpec::default(),
            resources: None,
        }
    }
}
