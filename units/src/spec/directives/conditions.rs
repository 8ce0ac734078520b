//! `Condition*=` and `Assert*=` of `[Unit]`, systemd.unit(5), "Conditions and Asserts".

use super::Change::None;
use super::{Directive, Kind, later};
use crate::spec::condition::Subject;

const U: &str = "Unit";

/// Each condition, and the assertion of the same name.
macro_rules! conditions {
    ($($name:literal $subject:ident: $what:literal,)+) => {
        &[$(
            later(
                U,
                concat!("Condition", $name),
                Kind::Condition(Subject::$subject),
                "",
                None,
                concat!("Starts only where ", $what, "."),
            ),
            later(
                U,
                concat!("Assert", $name),
                Kind::Condition(Subject::$subject),
                "",
                None,
                concat!("Fails unless ", $what, "."),
            ),
        )+]
    };
}

/// Every one of them; they are looked at when the unit starts, so a change needs nothing.
pub(super) const ROWS: &[Directive] = conditions![
    "PathExists" PathExists: "the path exists",
    "PathExistsGlob" PathExistsGlob: "a path matches the pattern",
    "PathIsDirectory" PathIsDirectory: "the path is a folder",
    "PathIsSymbolicLink" PathIsSymbolicLink: "the path is a symbolic link",
    "PathIsMountPoint" PathIsMountPoint: "the path is a mount point",
    "PathIsReadWrite" PathIsReadWrite: "the path is on a writable file system",
    "PathIsEncrypted" PathIsEncrypted: "the path is on an encrypted device",
    "PathIsSocket" PathIsSocket: "the path is a socket",
    "DirectoryNotEmpty" DirectoryNotEmpty: "the folder has something in it",
    "FileNotEmpty" FileNotEmpty: "the file has content",
    "FileIsExecutable" FileIsExecutable: "the file is executable",
    "NeedsUpdate" NeedsUpdate: "/etc or /var wants an update",
    "FirstBoot" FirstBoot: "it is the first boot",
    "Architecture" Architecture: "the machine has this architecture",
    "Firmware" Firmware: "the firmware is of this type",
    "Virtualization" Virtualization: "it runs in this virtualization",
    "Host" Host: "the host has this name or machine id",
    "KernelCommandLine" KernelCommandLine: "the kernel command line has this word",
    "KernelVersion" KernelVersion: "the kernel has this version",
    "Version" Version: "the component has this version",
    "KernelModuleLoaded" KernelModuleLoaded: "the kernel module is loaded",
    "Credential" Credential: "the credential was passed",
    "Security" Security: "this security technology is on",
    "Capability" Capability: "the capability is in the bounding set",
    "ACPower" AcPower: "the host is on AC power",
    "Memory" Memory: "the host has so much memory",
    "CPUFeature" CpuFeature: "the CPU has this feature",
    "CPUs" Cpus: "the host has so many CPUs",
    "Environment" Environment: "the variable is set in the manager",
    "User" User: "the manager runs as this user",
    "Group" Group: "the manager runs in this group",
    "ControlGroupController" ControlGroupController: "the cgroup controllers are there",
    "OSRelease" OsRelease: "os-release has this field",
    "MemoryPressure" MemoryPressure: "memory pressure is below the limit",
    "CPUPressure" CpuPressure: "CPU pressure is below the limit",
    "IOPressure" IoPressure: "IO pressure is below the limit",
    "Fraction" Fraction: "the host belongs to this fraction of all",
];
