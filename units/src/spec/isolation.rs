//! What processes see and may do (systemd.exec(5), "Paths", "Capabilities", "Security", "Sandboxing", "System call
//! filtering"). Lists are as merged: resets applied.

use super::keyword::keywords;
use super::resources::NameFilter;
use super::value::capability::CapabilitySet;
use super::value::kernel::Namespace;
use super::value::mount::{BindMount, ImageMount, ImagePolicy, PartitionOptions, PathRule, TemporaryMount};
use super::value::system_call::{Filter, SystemCallError};
use std::collections::BTreeSet;

/// The isolation of one unit; what is `None` or empty was not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IsolationSpec {
    /// Its root and what disk images add to it.
    pub root: RootSpec,
    /// What it sees of the file system.
    pub view: ViewSpec,
    /// Which namespaces are its own.
    pub namespaces: NamespaceSpec,
    /// Which privileges it has.
    pub privileges: PrivilegeSpec,
    /// What it may ask of the kernel.
    pub restrict: RestrictSpec,
}

/// `Root*=`, `Extension*=` and `*ImagePolicy=`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RootSpec {
    /// `RootDirectory=`
    pub directory: Option<String>,
    /// `RootImage=`
    pub image: Option<String>,
    /// `RootImageOptions=`
    pub image_options: Vec<PartitionOptions>,
    /// `RootImagePolicy=`
    pub image_policy: Option<ImagePolicy>,
    /// `RootMStack=`: a stack of layers.
    pub layers: Option<String>,
    /// `RootEphemeral=`
    pub ephemeral: bool,
    /// `RootHash=`
    pub hash: Option<VerityData>,
    /// `RootHashSignature=`
    pub hash_signature: Option<VerityData>,
    /// `RootVerity=`
    pub verity: Option<String>,
    /// `ExtensionImages=`
    pub extension_images: Vec<ImageMount>,
    /// `ExtensionImagePolicy=`
    pub extension_policy: Option<ImagePolicy>,
    /// `ExtensionDirectories=`
    pub extension_directories: Vec<PathRule>,
}

/// A hash or signature of dm-verity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerityData {
    /// The file that holds it.
    Path(String),
    /// The bytes.
    Bytes(Vec<u8>),
}

/// Mounts and protected paths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ViewSpec {
    /// `MountAPIVFS=`
    pub mount_api_vfs: Option<bool>,
    /// `BindLogSockets=`
    pub bind_log_sockets: Option<bool>,
    /// `ProtectProc=`
    pub protect_proc: ProtectProc,
    /// `ProcSubset=`
    pub proc_subset: ProcSubset,
    /// `ProtectSystem=`
    pub protect_system: ProtectSystem,
    /// `ProtectHome=`
    pub protect_home: ProtectHome,
    /// `ReadWritePaths=`
    pub read_write: Vec<PathRule>,
    /// `ReadOnlyPaths=`
    pub read_only: Vec<PathRule>,
    /// `InaccessiblePaths=`
    pub inaccessible: Vec<PathRule>,
    /// `ExecPaths=`
    pub exec: Vec<PathRule>,
    /// `NoExecPaths=`
    pub no_exec: Vec<PathRule>,
    /// `BindPaths=`
    pub bind: Vec<BindMount>,
    /// `BindReadOnlyPaths=`
    pub bind_read_only: Vec<BindMount>,
    /// `TemporaryFileSystem=`
    pub temporary: Vec<TemporaryMount>,
    /// `MountImages=`
    pub images: Vec<ImageMount>,
    /// `MountImagePolicy=`
    pub image_policy: Option<ImagePolicy>,
    /// `MountFlags=`
    pub propagation: Option<Propagation>,
}

/// `Private*=` and `*NamespacePath=`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamespaceSpec {
    /// `PrivateTmp=`
    pub tmp: PrivateTmp,
    /// `PrivateDevices=`
    pub devices: bool,
    /// `PrivateNetwork=`
    pub network: bool,
    /// `NetworkNamespacePath=`
    pub network_path: Option<String>,
    /// `BindNetworkInterface=`: sockets are bound to it.
    pub network_interface: Option<String>,
    /// `PrivateIPC=`
    pub ipc: bool,
    /// `IPCNamespacePath=`
    pub ipc_path: Option<String>,
    /// `PrivatePIDs=`
    pub pids: bool,
    /// `PrivateUsers=`
    pub users: PrivateUsers,
    /// `UserNamespacePath=`
    pub users_path: Option<String>,
    /// `PrivateMounts=`
    pub mounts: Option<bool>,
    /// `ProtectControlGroups=`
    pub control_groups: ProtectControlGroups,
    /// `ProtectHostname=`
    pub hostname: ProtectHostname,
    /// `PrivateBPF=`
    pub bpf: bool,
    /// `BPFDelegate*=`
    pub bpf_delegate: BpfDelegation,
    /// `DelegateNamespaces=`: those owned by its user namespace; `None` is the default.
    pub delegate: Option<BTreeSet<Namespace>>,
}

/// `BPFDelegate*=`: words of the kernel, or `any`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BpfDelegation {
    /// `BPFDelegateCommands=`
    pub commands: Vec<String>,
    /// `BPFDelegateMaps=`
    pub maps: Vec<String>,
    /// `BPFDelegatePrograms=`
    pub programs: Vec<String>,
    /// `BPFDelegateAttachments=`
    pub attachments: Vec<String>,
}

/// Users, capabilities and labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrivilegeSpec {
    /// `DynamicUser=`
    pub dynamic_user: bool,
    /// `SetLoginEnvironment=`
    pub login_environment: Option<bool>,
    /// `CapabilityBoundingSet=`; `None` is all.
    pub bounding: Option<CapabilitySet>,
    /// `AmbientCapabilities=`
    pub ambient: CapabilitySet,
    /// `SecureBits=`: the bits of prctl(2).
    pub secure_bits: u8,
    /// `NoNewPrivileges=`
    pub no_new: bool,
    /// `SELinuxContext=`
    pub selinux_context: Option<Label>,
    /// `AppArmorProfile=`
    pub apparmor_profile: Option<Label>,
    /// `SmackProcessLabel=`
    pub smack_label: Option<Label>,
}

/// A label of a security module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// As the module reads it.
    pub label: String,
    /// `-`: one that cannot be set is no error.
    pub optional: bool,
}

/// `Restrict*=`, `SystemCall*=` and their neighbours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RestrictSpec {
    /// `ProtectClock=`
    pub clock: bool,
    /// `ProtectKernelTunables=`
    pub kernel_tunables: bool,
    /// `ProtectKernelModules=`
    pub kernel_modules: bool,
    /// `ProtectKernelLogs=`
    pub kernel_logs: bool,
    /// `LockPersonality=`
    pub personality: bool,
    /// `MemoryDenyWriteExecute=`
    pub write_execute: bool,
    /// `RestrictRealtime=`
    pub realtime: bool,
    /// `RestrictSUIDSGID=`
    pub suid_sgid: bool,
    /// `RemoveIPC=`
    pub remove_ipc: bool,
    /// `RestrictAddressFamilies=`; `None` is no restriction.
    pub address_families: Option<NameFilter>,
    /// `RestrictFileSystems=`
    pub file_systems: Option<Filter>,
    /// `RestrictNamespaces=`: those it may make; `None` is no restriction.
    pub namespaces: Option<BTreeSet<Namespace>>,
    /// `SystemCallFilter=`
    pub system_calls: Option<Filter>,
    /// `SystemCallLog=`
    pub system_call_log: Option<Filter>,
    /// `SystemCallErrorNumber=`; `None` kills.
    pub system_call_error: Option<SystemCallError>,
    /// `SystemCallArchitectures=`
    pub system_call_architectures: BTreeSet<String>,
    /// `LandlockConfig=`
    pub landlock_config: Option<String>,
}

/// `ProtectHostname=`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProtectHostname {
    /// `no`
    #[default]
    No,
    /// `yes`: it cannot be changed.
    Yes,
    /// `private[:NAME]`: it has one of its own.
    Private(Option<String>),
}

keywords! {
    /// `ProtectProc=`
    ProtectProc { Default = "default", NoAccess = "noaccess", Invisible = "invisible", Ptraceable = "ptraceable" }

    /// `ProcSubset=`
    ProcSubset { All = "all", Pid = "pid" }

    /// `ProtectSystem=`
    ProtectSystem { No = "no", Yes = "yes", Full = "full", Strict = "strict" }

    /// `ProtectHome=`
    ProtectHome { No = "no", Yes = "yes", ReadOnly = "read-only", Tmpfs = "tmpfs" }

    /// `PrivateTmp=`
    PrivateTmp { No = "no", Yes = "yes", Disconnected = "disconnected" }

    /// `PrivateUsers=`
    PrivateUsers { No = "no", Yes = "yes", OwnUser = "self", Identity = "identity", Full = "full", Managed = "managed" }

    /// `ProtectControlGroups=`
    ProtectControlGroups { No = "no", Yes = "yes", Private = "private", Strict = "strict" }

    /// `MountFlags=`
    Propagation {
        Shared = "shared",
        Slave = "slave",
        Private = "private",
    }
}
