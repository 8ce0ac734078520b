//! How the kernel schedules processes and treats their memory (systemd.exec(5), "Scheduling").

use crate::spec::keyword::keywords;
use crate::spec::value::ranges::Ranges;

/// The scheduling of one unit's processes; what is `None` was not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchedulingSpec {
    /// `IOSchedulingClass=`
    pub io_class: Option<IoClass>,
    /// `IOSchedulingPriority=`, 0 (highest) to 7.
    pub io_priority: Option<u8>,
    /// `CPUSchedulingPolicy=`
    pub cpu_policy: Option<CpuPolicy>,
    /// `CPUSchedulingPriority=`, 1 to 99 for realtime policies.
    pub cpu_priority: Option<u8>,
    /// `CPUSchedulingResetOnFork=`
    pub reset_on_fork: bool,
    /// `CPUAffinity=`
    pub affinity: Option<Affinity>,
    /// `NUMAPolicy=`
    pub numa_policy: Option<NumaPolicy>,
    /// `NUMAMask=`; `None` with a policy that needs one is an error of the host's.
    pub numa_mask: Option<NumaMask>,
    /// `TimerSlackNSec=` in nanoseconds.
    pub timer_slack: Option<u64>,
    /// `Personality=`: an architecture.
    pub personality: Option<String>,
    /// `MemoryKSM=`
    pub merge_pages: Option<bool>,
    /// `MemoryTHP=`
    pub huge_pages: HugePages,
    /// `CoredumpFilter=`: the bits of core(5).
    pub coredump_filter: Option<u64>,
    /// `KeyringMode=`
    pub keyring: Option<KeyringMode>,
}

/// `CPUAffinity=`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// `numa`: the CPUs of the nodes of `NUMAMask=`.
    Numa,
    /// These CPUs.
    Cpus(Ranges),
}

/// `NUMAMask=`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumaMask {
    /// `all`
    All,
    /// These nodes.
    Nodes(Ranges),
}

keywords! {
    /// `IOSchedulingClass=` (ioprio_set(2))
    IoClass { BestEffort = "best-effort", None = "none", Realtime = "realtime", Idle = "idle" }

    /// `CPUSchedulingPolicy=` (sched(7))
    CpuPolicy { Other = "other", Batch = "batch", Idle = "idle", Fifo = "fifo", RoundRobin = "rr", Ext = "ext" }

    /// `NUMAPolicy=` (set_mempolicy(2))
    NumaPolicy {
        Default = "default",
        Preferred = "preferred",
        Bind = "bind",
        Interleave = "interleave",
        Local = "local",
    }

    /// `MemoryTHP=`
    HugePages { Inherit = "inherit", Disable = "disable", Madvise = "madvise", System = "system" }

    /// `KeyringMode=` (keyrings(7))
    KeyringMode { Private = "private", Inherit = "inherit", Shared = "shared" }
}
