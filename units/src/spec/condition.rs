//! `Condition*=` and `Assert*=` (systemd.unit(5), "Conditions and Asserts"): what a host must be like for a start.

use super::keyword::keywords;

/// One condition or assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `Assert…`: when it does not hold the start fails; of a condition it is skipped.
    pub assert: bool,
    /// `|`: of all conditions so marked one is enough.
    pub trigger: bool,
    /// `!`: it must not hold.
    pub negate: bool,
    /// What is asked.
    pub subject: Subject,
    /// About what: a path, a name, a comparison, as the subject has it; specifiers filled in.
    pub argument: String,
}

impl std::fmt::Display for Condition {
    /// As in a unit file: `ConditionPathExists=|!/etc/x`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let family = if self.assert { "Assert" } else { "Condition" };
        let (trigger, negate) = (if self.trigger { "|" } else { "" }, if self.negate { "!" } else { "" });
        write!(f, "{family}{}={trigger}{negate}{}", self.subject.as_str(), self.argument)
    }
}

keywords! {
    /// What a condition asks; the word stands behind `Condition` or `Assert`.
    Subject {
        PathExists = "PathExists",
        PathExistsGlob = "PathExistsGlob",
        PathIsDirectory = "PathIsDirectory",
        PathIsSymbolicLink = "PathIsSymbolicLink",
        PathIsMountPoint = "PathIsMountPoint",
        PathIsReadWrite = "PathIsReadWrite",
        PathIsEncrypted = "PathIsEncrypted",
        PathIsSocket = "PathIsSocket",
        DirectoryNotEmpty = "DirectoryNotEmpty",
        FileNotEmpty = "FileNotEmpty",
        FileIsExecutable = "FileIsExecutable",
        NeedsUpdate = "NeedsUpdate",
        FirstBoot = "FirstBoot",
        Architecture = "Architecture",
        Firmware = "Firmware",
        Virtualization = "Virtualization",
        Host = "Host",
        KernelCommandLine = "KernelCommandLine",
        KernelVersion = "KernelVersion",
        Version = "Version",
        KernelModuleLoaded = "KernelModuleLoaded",
        Credential = "Credential",
        Security = "Security",
        Capability = "Capability",
        AcPower = "ACPower",
        Memory = "Memory",
        CpuFeature = "CPUFeature",
        Cpus = "CPUs",
        Environment = "Environment",
        User = "User",
        Group = "Group",
        ControlGroupController = "ControlGroupController",
        OsRelease = "OSRelease",
        MemoryPressure = "MemoryPressure",
        CpuPressure = "CPUPressure",
        IoPressure = "IOPressure",
        Fraction = "Fraction",
    }
}

impl Subject {
    /// Whether the argument is an absolute path: then systemd refuses others, and no white space may stand around `!`.
    #[must_use]
    pub fn is_path(self) -> bool {
        match self {
            Subject::PathExists
            | Subject::PathExistsGlob
            | Subject::PathIsDirectory
            | Subject::PathIsSymbolicLink
            | Subject::PathIsMountPoint
            | Subject::PathIsReadWrite
            | Subject::PathIsEncrypted
            | Subject::PathIsSocket
            | Subject::DirectoryNotEmpty
            | Subject::FileNotEmpty
            | Subject::FileIsExecutable
            | Subject::NeedsUpdate => true,
            Subject::FirstBoot
            | Subject::Architecture
            | Subject::Firmware
            | Subject::Virtualization
            | Subject::Host
            | Subject::KernelCommandLine
            | Subject::KernelVersion
            | Subject::Version
            | Subject::KernelModuleLoaded
            | Subject::Credential
            | Subject::Security
            | Subject::Capability
            | Subject::AcPower
            | Subject::Memory
            | Subject::CpuFeature
            | Subject::Cpus
            | Subject::Environment
            | Subject::User
            | Subject::Group
            | Subject::ControlGroupController
            | Subject::OsRelease
            | Subject::MemoryPressure
            | Subject::CpuPressure
            | Subject::IoPressure
            | Subject::Fraction => false,
        }
    }

    /// Why systemd could not evaluate `argument`, which it reads only at the start: such a condition never holds.
    /// `None` when it could, or when that depends on the host.
    #[must_use]
    pub fn objection(self, argument: &str) -> Option<String> {
        let objection = match self {
            Subject::FirstBoot | Subject::AcPower => super::value::boolean(argument).err(),
            Subject::Architecture => {
                let known = argument == "native" || super::value::kernel::ARCHITECTURES.contains(&argument);
                (!known).then(|| format!("{argument:?} is no architecture such as x86-64"))
            }
            Subject::Capability => {
                let unknown = super::value::capability::capability(argument).is_none();
                unknown.then(|| format!("{argument:?} is no capability such as CAP_NET_ADMIN"))
            }
            Subject::Cpus => compared(argument, |number| number.parse::<u32>().is_ok()),
            Subject::Memory => compared(argument, |size| super::value::size(size).is_ok()),
            Subject::ControlGroupController => {
                let known = |word: &str| {
                    ["v1", "v2"].contains(&word)
                        || super::keyword::keyword::<super::resources::Controller>(word).is_some()
                };
                let other = argument.split_ascii_whitespace().find(|word| !known(word));
                other.map(|word| format!("{word:?} is no controller such as cpu, and not v2"))
            }
            Subject::MemoryPressure | Subject::CpuPressure | Subject::IoPressure => pressure(argument),
            Subject::OsRelease => {
                (!argument.contains('=')).then(|| format!("{argument:?} is no comparison such as ID=debian"))
            }
            _ => None,
        };
        objection.filter(|_| !argument.contains('%'))
    }
}

/// `>= 4` and the like; without an operator the number must be equal or greater.
fn compared(argument: &str, is_number: impl Fn(&str) -> bool) -> Option<String> {
    let number = argument.trim_start_matches(['<', '>', '=', '!']).trim_start();
    (!is_number(number)).then(|| format!("{argument:?} is no comparison such as >= 4"))
}

/// `[SLICE:]LIMIT%[/TIME]`
fn pressure(argument: &str) -> Option<String> {
    let limit = argument.rsplit_once(':').map_or(argument, |(_, limit)| limit);
    let limit = limit.split_once('/').map_or(limit, |(limit, _)| limit).trim();
    super::value::percentage(limit).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_never_hold_are_told() {
        for (subject, good, bad) in [
            (Subject::AcPower, "true", "maybe"),
            (Subject::Architecture, "x86-64", "amd64"),
            (Subject::Capability, "CAP_NET_ADMIN", "CAP_X"),
            (Subject::Cpus, ">= 4", ">= x"),
            (Subject::Memory, "2G", "2 elephants"),
            (Subject::ControlGroupController, "cpu memory", "gpu"),
            (Subject::MemoryPressure, "user.slice:50%/1min", "50"),
            (Subject::OsRelease, "ID=debian", "debian"),
        ] {
            assert_eq!(subject.objection(good), None);
            assert!(subject.objection(bad).is_some(), "{subject:?} {bad}");
        }
        assert_eq!(Subject::Architecture.objection("%v"), None);
    }
}
