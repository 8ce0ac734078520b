//! What cgroups bound, weigh and count (systemd.resource-control(5)). Lists are as merged: resets applied.

use super::keyword::keywords;
use super::value::address::{IpPrefix, SocketBind};
use super::value::amount::Amount;
use super::value::device::DeviceAllow;
use super::value::ranges::Ranges;
use std::collections::BTreeSet;
use std::time::Duration;

/// The resources of one unit; what is `None` or empty was not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceSpec {
    /// `CPU*=`
    pub cpu: CpuResources,
    /// `Memory*=`
    pub memory: MemoryResources,
    /// `TasksAccounting=`
    pub tasks_accounting: Option<bool>,
    /// `TasksMax=`
    pub tasks_max: Option<Amount>,
    /// `IO*=`
    pub io: IoResources,
    /// Addresses, sockets, interfaces.
    pub network: NetworkAccess,
    /// `DeviceAllow=`, in order.
    pub device_allow: Vec<DeviceAllow>,
    /// `DevicePolicy=`
    pub device_policy: DevicePolicy,
    /// Its place in the cgroup tree.
    pub tree: CgroupPlace,
    /// `BPFProgram=`: attach type and path below the BPF file system.
    pub bpf_programs: Vec<(String, String)>,
    /// `ManagedOOM*=`
    pub oomd: OomdPolicy,
    /// `CoredumpReceive=`
    pub coredump_receive: bool,
}

/// A share of CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuWeight {
    /// Only what nobody else wants.
    Idle,
    /// From 1 to 10,000; 100 is usual.
    Share(u16),
}

/// CPU time, and the CPUs and NUMA nodes of the `cpuset` controller.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CpuResources {
    /// `CPUAccounting=`
    pub accounting: Option<bool>,
    /// `CPUWeight=`
    pub weight: Option<CpuWeight>,
    /// `StartupCPUWeight=`
    pub startup_weight: Option<CpuWeight>,
    /// `CPUQuota=` in hundredths of a percent of one CPU.
    pub quota: Option<u64>,
    /// `CPUQuotaPeriodSec=`
    pub quota_period: Option<Duration>,
    /// `AllowedCPUs=`
    pub allowed_cpus: Ranges,
    /// `StartupAllowedCPUs=`
    pub startup_allowed_cpus: Ranges,
    /// `AllowedMemoryNodes=`
    pub allowed_memory_nodes: Ranges,
    /// `StartupAllowedMemoryNodes=`
    pub startup_allowed_memory_nodes: Ranges,
}

/// Limits of memory; amounts are bytes or shares of the host's memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryResources {
    /// `MemoryAccounting=`
    pub accounting: Option<bool>,
    /// `MemoryMin=`
    pub min: Option<Amount>,
    /// `DefaultMemoryMin=`
    pub default_min: Option<Amount>,
    /// `MemoryLow=`
    pub low: Option<Amount>,
    /// `DefaultMemoryLow=`
    pub default_low: Option<Amount>,
    /// `StartupMemoryLow=`
    pub startup_low: Option<Amount>,
    /// `DefaultStartupMemoryLow=`
    pub default_startup_low: Option<Amount>,
    /// `MemoryHigh=`
    pub high: Option<Amount>,
    /// `StartupMemoryHigh=`
    pub startup_high: Option<Amount>,
    /// `MemoryMax=`
    pub max: Option<Amount>,
    /// `StartupMemoryMax=`
    pub startup_max: Option<Amount>,
    /// `MemorySwapMax=`
    pub swap_max: Option<Amount>,
    /// `StartupMemorySwapMax=`
    pub startup_swap_max: Option<Amount>,
    /// `MemoryZSwapMax=`
    pub zswap_max: Option<Amount>,
    /// `StartupMemoryZSwapMax=`
    pub startup_zswap_max: Option<Amount>,
    /// `MemoryZSwapWriteback=`
    pub zswap_writeback: Option<bool>,
    /// `MemoryPressureWatch=`
    pub pressure_watch: PressureWatch,
    /// `MemoryPressureThresholdSec=`
    pub pressure_threshold: Option<Duration>,
}

/// IO by share, rate and latency; settings of one device have its path (a node, or a file on it).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IoResources {
    /// `IOAccounting=`
    pub accounting: Option<bool>,
    /// `IOWeight=`, from 1 to 10,000.
    pub weight: Option<u16>,
    /// `StartupIOWeight=`
    pub startup_weight: Option<u16>,
    /// `IODeviceWeight=`
    pub device_weight: Vec<(String, u16)>,
    /// `IOReadBandwidthMax=` in bytes a second; `None` is no limit.
    pub read_bandwidth_max: Vec<(String, Option<u64>)>,
    /// `IOWriteBandwidthMax=` in bytes a second.
    pub write_bandwidth_max: Vec<(String, Option<u64>)>,
    /// `IOReadIOPSMax=` in operations a second.
    pub read_iops_max: Vec<(String, Option<u64>)>,
    /// `IOWriteIOPSMax=` in operations a second.
    pub write_iops_max: Vec<(String, Option<u64>)>,
    /// `IODeviceLatencyTargetSec=`; `None` is no target.
    pub latency_target: Vec<(String, Option<Duration>)>,
}

/// Whom it may talk to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkAccess {
    /// `IPAccounting=`
    pub accounting: Option<bool>,
    /// `IPAddressAllow=`
    pub address_allow: Vec<IpPrefix>,
    /// `IPAddressDeny=`
    pub address_deny: Vec<IpPrefix>,
    /// `IPIngressFilterPath=`: BPF programs.
    pub ingress_filters: Vec<String>,
    /// `IPEgressFilterPath=`: BPF programs.
    pub egress_filters: Vec<String>,
    /// `SocketBindAllow=`
    pub bind_allow: Vec<SocketBind>,
    /// `SocketBindDeny=`
    pub bind_deny: Vec<SocketBind>,
    /// `RestrictNetworkInterfaces=`
    pub interfaces: Option<NameFilter>,
    /// `NFTSet=`: source, family, table and set, as written.
    pub nft_sets: Vec<String>,
}

/// Names that alone are allowed, or that alone are not; what later lines say adds to or takes from the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameFilter {
    /// Whether `names` are allowed (and nothing else) or denied.
    pub allow: bool,
    /// The names.
    pub names: BTreeSet<String>,
}

/// Where in the cgroup tree it is, and what it manages itself there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CgroupPlace {
    /// `Slice=`
    pub slice: Option<String>,
    /// `Delegate=`; `None` is no.
    pub delegate: Option<Delegation>,
    /// `DelegateSubgroup=`
    pub delegate_subgroup: Option<String>,
    /// `DisableControllers=`
    pub disable_controllers: BTreeSet<Controller>,
}

/// `Delegate=`, when it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delegation {
    /// `yes`: every controller.
    All,
    /// These controllers; possibly none.
    Controllers(BTreeSet<Controller>),
}

/// `ManagedOOM*=`: what systemd-oomd does to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OomdPolicy {
    /// `ManagedOOMSwap=`
    pub swap: OomdAction,
    /// `ManagedOOMMemoryPressure=`
    pub memory_pressure: OomdAction,
    /// `ManagedOOMMemoryPressureLimit=` in hundredths of a percent.
    pub memory_pressure_limit: Option<u32>,
    /// `ManagedOOMMemoryPressureDurationSec=`
    pub memory_pressure_duration: Option<Duration>,
    /// `ManagedOOMPreference=`
    pub preference: OomdPreference,
}

keywords! {
    /// `DevicePolicy=`
    DevicePolicy { Auto = "auto", Closed = "closed", Strict = "strict" }

    /// `MemoryPressureWatch=`
    PressureWatch { Auto = "auto", Off = "no", On = "yes", Skip = "skip" }

    /// `ManagedOOMSwap=` and `ManagedOOMMemoryPressure=`
    OomdAction { Auto = "auto", Kill = "kill" }

    /// `ManagedOOMPreference=`
    OomdPreference { None = "none", Avoid = "avoid", Omit = "omit" }

    /// A controller of the cgroup tree; those of cgroup v1 are known by name.
    Controller {
        Cpu = "cpu",
        CpuAcct = "cpuacct",
        CpuSet = "cpuset",
        Io = "io",
        BlkIo = "blkio",
        Memory = "memory",
        Devices = "devices",
        Pids = "pids",
        BpfFirewall = "bpf-firewall",
        BpfDevices = "bpf-devices",
        BpfForeign = "bpf-foreign",
        BpfSocketBind = "bpf-socket-bind",
        BpfRestrictNetworkInterfaces = "bpf-restrict-network-interfaces",
        BpfBindNetworkInterface = "bpf-bind-network-interface",
    }
}
