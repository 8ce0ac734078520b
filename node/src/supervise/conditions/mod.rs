//! What this host says to `Condition*=` and `Assert*=` (systemd.unit(5)): reads one fact for each, when it is asked for.
//!
//! ```text
//! conditions --check--> ask --paths, host, machine, account, pressure--> Fact --units: holds, judge--> Judgement
//! ```
//! Everything here may wait for a slow file system: call it off the agent's thread. What is asked is what the agent
//! sees: its rights, its environment, its view of the file system.

mod account;
mod host;
mod machine;
mod paths;
mod pressure;
mod security;
mod virtualization;

#[cfg(test)]
mod tests;

use fleet_units::conditions::{Fact, Judgement, holds, judge, smbios_field};
use fleet_units::diagnostic::Reason;
use fleet_units::spec::condition::{Condition, Subject};
use fleet_units::spec::directives::{self, Support};
use std::collections::BTreeMap;

/// Judges the conditions of a unit on this host, now.
pub(super) fn check(conditions: &[Condition]) -> Judgement {
    let built: Vec<Condition> = conditions.iter().filter(|condition| is_built(condition.subject)).cloned().collect();
    judge(&built, |condition| {
        let (subject, argument) = (condition.subject, condition.argument.as_str());
        ask(subject, argument).map(|fact| holds(subject, argument, &fact))
    })
}

/// Others are listed as unenforced wherever the unit is read.
fn is_built(subject: Subject) -> bool {
    let row = directives::find("Unit", &format!("Condition{}", subject.as_str()));
    row.is_some_and(|row| row.support == Support::Supported)
}

/// Whether this process runs in a container.
pub(super) fn is_container() -> bool {
    virtualization::is_container()
}

/// The fact that `subject` is about; an error says why this host does not tell.
fn ask(subject: Subject, argument: &str) -> Result<Fact, Reason> {
    let fact = match subject {
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
        | Subject::FileIsExecutable => Fact::Is(paths::is(subject, argument)),
        Subject::NeedsUpdate => Fact::Is(host::needs_update(argument)),
        Subject::FirstBoot => Fact::Is(host::is_first_boot()),
        Subject::KernelModuleLoaded => Fact::Is(machine::has_module(argument)),
        Subject::AcPower => Fact::Is(machine::has_ac_power()),
        Subject::Architecture => Fact::Text(machine::architecture()),
        Subject::Firmware => firmware(argument),
        Subject::Virtualization => Fact::Words(virtualization::words()),
        Subject::Host => host::names(),
        Subject::KernelCommandLine => Fact::words(host::command_line()),
        Subject::KernelVersion | Subject::Version => Fact::Fields(host::versions()),
        Subject::OsRelease => Fact::Fields(host::os_release()),
        Subject::Security => security::fact(argument)?,
        Subject::Capability => Fact::Number(account::bounding_set()?),
        Subject::Environment => Fact::words(account::environment()),
        Subject::User => account::user(),
        Subject::Group => account::groups(),
        Subject::Memory => Fact::Number(machine::memory()?),
        Subject::Cpus => Fact::Number(machine::cpus()?),
        Subject::CpuFeature => Fact::Words(machine::cpu_features()),
        Subject::ControlGroupController => Fact::Words(machine::controllers()),
        Subject::MemoryPressure => pressure::fact("memory", argument)?,
        Subject::CpuPressure => pressure::fact("cpu", argument)?,
        Subject::IoPressure => pressure::fact("io", argument)?,
        Subject::Credential | Subject::Fraction => return Err(unknown("no fact of this host is about it")),
    };
    Ok(fact)
}

fn firmware(argument: &str) -> Fact {
    match smbios_field(argument) {
        Some(field) => {
            let value = std::fs::read_to_string(format!("/sys/class/dmi/id/{field}")).ok();
            let field = |value: String| (field.to_owned(), value.trim_end().to_owned());
            Fact::Fields(value.into_iter().map(field).collect::<BTreeMap<_, _>>())
        }
        None => Fact::Words(machine::firmware()),
    }
}

/// Why a condition counts as met although nobody knows.
fn unknown(why: impl Into<String>) -> Reason {
    Reason::new("unknown-on-host", why)
}
