//! `Condition*=` and `Assert*=` of `[Unit]`, systemd.unit(5), "Conditions and Asserts".

use super::Change::None;
use super::{Directive, Kind, later, works};
use crate::spec::condition::Subject;

const U: &str = "Unit";

/// Each condition, and the assertion of the same name.
macro_rules! conditions {
    ($($row:ident $name:literal $subject:ident: $what:literal,)+) => {
        &[$(
            $row(
                U,
                concat!("Condition", $name),
                Kind::Condition(Subject::$subject),
                "",
                None,
                concat!("Starts only where ", $what, "."),
            ),
            $row(
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
    works "PathExists" PathExists: "the path exists",
    works "PathExistsGlob" PathExistsGlob: "a path matches the pattern",
    works "PathIsDirectory" PathIsDirectory: "the path is a folder",
    works "PathIsSymbolicLink" PathIsSymbolicLink: "the path is a symbolic link",
    works "PathIsMountPoint" PathIsMountPoint: "the path is a mount point",
    works "PathIsReadWrite" PathIsReadWrite: "the path is on a writable file system",
    works "PathIsEncrypted" PathIsEncrypted: "the path is on an encrypted device",
    works "PathIsSocket" PathIsSocket: "the path is a socket",
    works "DirectoryNotEmpty" DirectoryNotEmpty: "the folder has something in it",
    works "FileNotEmpty" FileNotEmpty: "the file has content",
    works "FileIsExecutable" FileIsExecutable: "the file is executable",
    works "NeedsUpdate" NeedsUpdate: "/etc or /var wants an update",
    works "FirstBoot" FirstBoot: "it is the first boot",
    works "Architecture" Architecture: "the machine has this architecture",
    works "Firmware" Firmware: "the firmware is of this type",
    works "Virtualization" Virtualization: "it runs in this virtualization",
    works "Host" Host: "the host has this name or machine id",
    works "KernelCommandLine" KernelCommandLine: "the kernel command line has this word",
    works "KernelVersion" KernelVersion: "the kernel has this version",
    works "Version" Version: "the component has this version",
    works "KernelModuleLoaded" KernelModuleLoaded: "the kernel module is loaded",
    later "Credential" Credential: "the credential was passed",
    works "Security" Security: "this security technology is on",
    works "Capability" Capability: "the capability is in the bounding set",
    works "ACPower" AcPower: "the host is on AC power",
    works "Memory" Memory: "the host has so much memory",
    works "CPUFeature" CpuFeature: "the CPU has this feature",
    works "CPUs" Cpus: "the host has so many CPUs",
    works "Environment" Environment: "the variable is set in the manager",
    works "User" User: "the manager runs as this user",
    works "Group" Group: "the manager runs in this group",
    works "ControlGroupController" ControlGroupController: "the cgroup controllers are there",
    works "OSRelease" OsRelease: "os-release has this field",
    works "MemoryPressure" MemoryPressure: "memory pressure is below the limit",
    works "CPUPressure" CpuPressure: "CPU pressure is below the limit",
    works "IOPressure" IoPressure: "IO pressure is below the limit",
    later "Fraction" Fraction: "the host belongs to this fraction of all",
];
