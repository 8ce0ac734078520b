//! THE table of what is known: each directive's value, default, support, and what a change of it needs.
//!
//! It drives the parser, the checks, the plan, `fleet explain` and docs/unit-files.md. One file below
//! `directives/` for each family of rows. Source of names and values: the man pages of systemd, and what
//! `systemd --dump-configuration-items` prints.

mod conditions;
mod exec;
mod fleet;
mod install;
mod isolation;
mod kill;
mod manual;
mod resources;
mod service;
mod socket;
mod timer;
mod unit;

pub use manual::manual;

use super::condition::Subject;
use crate::diagnostic::did_you_mean;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// One directive of one section.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// Without brackets; `X-Fleet` for `[Fleet]` too.
    pub section: &'static str,
    /// Without `=`.
    pub key: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// In words of the value's grammar; empty when it has none.
    pub default: &'static str,
    /// Whether it acts.
    pub support: Support,
    /// What a change of it needs of a running unit.
    pub change: Change,
    /// One line for people.
    pub doc: &'static str,
    /// Whose reading it is.
    pub(crate) family: Family,
}

/// Rows of one file below `directives/`: one reader knows them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `[Unit]`
    Unit,
    /// `Condition*=` and `Assert*=`
    Condition,
    /// `[Service]`
    Service,
    /// systemd.kill(5)
    Kill,
    /// systemd.exec(5), without isolation.
    Exec,
    /// What processes see and may do.
    Isolation,
    /// systemd.resource-control(5)
    Resources,
    /// `[Timer]`
    Timer,
    /// `[Socket]`
    Socket,
    /// `[Install]`
    Install,
    /// `[X-Fleet]`
    Fleet,
}

/// Whether a directive acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does what its documentation says.
    Supported,
    /// It is accepted and has no effect here, for this reason.
    Inert(&'static str),
    /// It is accepted, and listed as unenforced.
    NotBuilt,
    /// It is an error, for this reason.
    Refused(&'static str),
}

/// What a change of a directive needs of a running unit; the strongest of the changed keys wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing: the new value is used from then on.
    None,
    /// Written to the kernel.
    Live,
    /// `ExecReload=`, or a restart when there is none.
    Reload,
    /// A stop and a start.
    Restart,
}

/// What the value of a directive is: one for each grammar. Values of a list add up, an empty one empties it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text in one line, specifiers filled in.
    Text,
    /// Anything: nobody reads it.
    Ignored,
    /// yes, no, and their relatives.
    Bool,
    /// A boolean or one of these.
    BoolOr(&'static [&'static str]),
    /// One of these.
    Choice(&'static [&'static str]),
    /// A time span, or `infinity`.
    Span,
    /// A time span; numbers without a unit are nanoseconds.
    NanoSpan,
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// A size in bytes (K, M, G, T to the base 1024), a percentage, or `infinity`.
    Memory,
    /// A number, a percentage, or `infinity`.
    Tasks,
    /// A size, a percentage, or `off`.
    Quota,
    /// A percentage, of more than 100 as well.
    Percentage,
    /// A percentage of at most 100.
    Share,
    /// A number or a percentage.
    CountOrPercent,
    /// A weight from 1 to 10000, or `idle`.
    CpuWeight,
    /// An octal mode.
    Mode,
    /// The name or number of a signal.
    Signal,
    /// Exit codes and signals.
    ExitStatus,
    /// `soft:hard`, or one for both.
    Limit,
    /// Names of units; cannot be emptied.
    Dependencies,
    /// Names of units.
    Units,
    /// A size in bytes (K, M, G, T to the base 1024).
    Size,
    /// The name of a unit; the first one given counts, and it cannot be taken away.
    FirstUnit,
    /// The name of a unit; the last one given counts, and it cannot be taken away.
    LastUnit,
    /// An address, a path or the like to listen on; a list, emptied together with all others.
    Listen,
    /// A calendar event; a list, emptied together with the time spans of triggers.
    Calendar,
    /// A time span; a list, emptied together with calendar events.
    TriggerSpan,
    /// A command line.
    Command,
    /// `NAME=value` words.
    Environment,
    /// A path, perhaps with `-`.
    EnvironmentFile,
    /// Names of variables.
    VariableNames,
    /// An absolute path.
    Path,
    /// An absolute path or `~`, perhaps with `-`.
    WorkingDirectory,
    /// Absolute paths, each perhaps with `-` or `+`.
    Paths,
    /// An absolute path in each line.
    PathLines,
    /// Absolute paths between colons.
    SearchPath,
    /// Relative names below a folder of the system, perhaps with a link and flags.
    Directories,
    /// The name or number of a user or group.
    Account,
    /// Names or numbers of groups.
    Accounts,
    /// Words with specifiers.
    Words,
    /// Where input comes from.
    Input,
    /// Where output goes.
    Output,
    /// A line of text with C escapes.
    InputText,
    /// Base64.
    InputData,
    /// A level of syslog(3).
    LogLevel,
    /// A facility of syslog(3).
    LogFacility,
    /// `FIELD=value` words.
    LogFields,
    /// A name.
    LogNamespace,
    /// A pattern, perhaps behind `~`.
    Patterns,
    /// `NAME:CONTENT`
    SetCredentials,
    /// `NAME:BASE64`
    EncryptedCredentials,
    /// `NAME[:PATH]`
    LoadCredentials,
    /// A name, perhaps with `*` at its end.
    ImportCredentials,
    /// `PATH[:NAME[:OPTIONS]]`
    OpenFiles,
    /// A name on the D-Bus.
    BusName,
    /// What a reload makes anew.
    Refresh,
    /// An IO scheduling class, by name or number.
    IoClass,
    /// A CPU scheduling policy, by name or number.
    CpuPolicy,
    /// CPUs, or `numa`.
    Affinity,
    /// NUMA nodes, or `all`.
    NumaMask,
    /// Kinds of mappings, or a hexadecimal mask.
    CoredumpFilter,
    /// Numbers and ranges.
    Numbers,
    /// The name of a slice.
    Slice,
    /// A boolean, or controllers.
    Delegation,
    /// The name of a cgroup.
    CgroupName,
    /// Controllers of cgroups.
    Controllers,
    /// A path and a weight.
    DeviceWeights,
    /// A path and a size to the base 1000.
    DeviceRates,
    /// A path and a time span.
    DeviceLatencies,
    /// A device and its rights.
    Devices,
    /// Addresses, prefixes, and their names.
    Addresses,
    /// `[FAMILY:][TRANSPORT:]PORTS`
    SocketRules,
    /// Names of network interfaces; `~` inverts.
    Interfaces,
    /// `SOURCE:FAMILY:TABLE:SET` words.
    NftSets,
    /// `TYPE:PATH`
    BpfPrograms,
    /// Words of the BPF file system.
    BpfWords,
    /// Capabilities; `~` inverts.
    Capabilities,
    /// Secure bits.
    SecureBits,
    /// A label, perhaps with `-`.
    Label,
    /// System calls and groups, perhaps with errors; `~` inverts.
    SystemCalls,
    /// System calls and groups; `~` inverts.
    LoggedCalls,
    /// An error of errno(3), or `kill`.
    SystemCallError,
    /// Architectures of system calls.
    Architectures,
    /// Address families; `~` inverts.
    AddressFamilies,
    /// A boolean, or kinds of namespaces; `~` inverts.
    Namespaces,
    /// Types and groups of file systems; `~` inverts.
    FileSystems,
    /// A boolean, or `private[:NAME]`.
    Hostname,
    /// `[-]SOURCE[:DESTINATION[:OPTIONS]]` words.
    Binds,
    /// `PATH[:OPTIONS]` words.
    TemporaryFileSystems,
    /// `[PARTITION:]OPTIONS` words.
    PartitionOptions,
    /// `[-]IMAGE:DESTINATION[:PARTITION:OPTIONS]` words.
    MountImages,
    /// `[-]IMAGE[:PARTITION:OPTIONS]` words.
    ExtensionImages,
    /// A policy of systemd.image-policy(7).
    ImagePolicy,
    /// A path, or hexadecimal digits.
    RootHash,
    /// A path, or `base64:`.
    RootHashSignature,
    /// What a host must be like, perhaps behind `|` and `!`.
    Condition(Subject),
    /// A label selector.
    Selector,
    /// `all`, a number, or names.
    Instances,
    /// `SRC[:DEST]` words.
    Files,
    /// An http or https address.
    Url,
    /// `host:port`.
    HostPort,
}

impl Support {
    /// The word for it: supported, inert, not-built-yet, refused.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Support::Supported => "supported",
            Support::Inert(_) => "inert",
            Support::NotBuilt => "not-built-yet",
            Support::Refused(_) => "refused",
        }
    }
}

impl Change {
    /// The word for it: none, live, reload, restart.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Change::None => "none",
            Change::Live => "live",
            Change::Reload => "reload",
            Change::Restart => "restart",
        }
    }
}

impl Kind {
    /// The value in a few words, for people: `yes or no`, `time span`.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Kind::BoolOr(words) => {
                let others: Vec<&str> = words.iter().copied().filter(|word| !["yes", "no"].contains(word)).collect();
                format!("yes, no, {}", others.join(", "))
            }
            Kind::Choice(words) => words.join(", "),
            Kind::Integer(low, high) if high >= i64::from(u32::MAX) => format!("number from {low}"),
            Kind::Integer(low, high) => format!("number from {low} to {high}"),
            other => other.facts().0.to_owned(),
        }
    }

    /// Whether several assignments add up (an empty one clears) instead of the last one winning.
    #[must_use]
    pub fn is_list(self) -> bool {
        match self.facts().1 {
            Shape::Single => false,
            Shape::List | Shape::Set => true,
        }
    }

    /// Whether an empty value says something of its own, besides forgetting what was before.
    #[must_use]
    pub fn empty_counts(self) -> bool {
        self.facts().1 == Shape::Set
    }

    /// In words, and how several assignments become one.
    fn facts(self) -> (&'static str, Shape) {
        use Shape::{List, Set, Single};
        match self {
            Kind::Text => ("text", Single),
            Kind::Ignored => ("anything", Single),
            Kind::Bool => ("yes or no", Single),
            Kind::BoolOr(..) => ("yes, no, or a word", Single),
            Kind::Choice(..) => ("word", Single),
            Kind::Span => ("time span", Single),
            Kind::NanoSpan => ("time span, nanoseconds without a unit", Single),
            Kind::Integer(..) => ("number", Single),
            Kind::Memory => ("size or percentage", Single),
            Kind::Tasks => ("number or percentage", Single),
            Kind::Quota => ("size, percentage, or off", Single),
            Kind::Percentage => ("percentage", Single),
            Kind::Share => ("percentage", Single),
            Kind::CountOrPercent => ("number or percentage", Single),
            Kind::CpuWeight => ("number from 1 to 10000, idle", Single),
            Kind::Mode => ("octal mode", Single),
            Kind::Signal => ("signal", Single),
            Kind::ExitStatus => ("list of exit statuses and signals", List),
            Kind::Limit => ("limit, or soft:hard", Single),
            Kind::FirstUnit | Kind::LastUnit => ("name of a unit", Single),
            Kind::Listen => ("list of addresses", List),
            Kind::Calendar => ("list of calendar events", List),
            Kind::TriggerSpan => ("list of time spans", List),
            Kind::Size => ("size", Single),
            Kind::Dependencies => ("list of units", List),
            Kind::Units => ("list of units", List),
            Kind::Command => ("command line", List),
            Kind::Environment => ("list of NAME=value", List),
            Kind::EnvironmentFile => ("path, - allows a missing one", List),
            Kind::VariableNames => ("list of names of variables", List),
            Kind::Path => ("absolute path", Single),
            Kind::WorkingDirectory => ("absolute path or ~, - allows a missing one", Single),
            Kind::Paths => ("list of absolute paths", List),
            Kind::PathLines => ("absolute path", List),
            Kind::SearchPath => ("absolute paths between colons", List),
            Kind::Directories => ("list of relative names, NAME:LINK:ro", List),
            Kind::Account => ("name or number", Single),
            Kind::Accounts => ("list of names or numbers", List),
            Kind::Words => ("list", List),
            Kind::Input => ("null, tty, data, file:PATH, socket, fd:NAME", Single),
            Kind::Output => {
                ("journal, null, inherit, tty, kmsg, file:PATH, append:PATH, truncate:PATH, socket, fd:NAME", Single)
            }
            Kind::InputText => ("text", List),
            Kind::InputData => ("base64", List),
            Kind::LogLevel => ("level of syslog", Single),
            Kind::LogFacility => ("facility of syslog", Single),
            Kind::LogFields => ("list of FIELD=value", List),
            Kind::LogNamespace => ("name", Single),
            Kind::Patterns => ("regular expression, behind ~ what is dropped", List),
            Kind::SetCredentials => ("NAME:CONTENT", List),
            Kind::EncryptedCredentials => ("NAME:BASE64", List),
            Kind::LoadCredentials => ("NAME or NAME:PATH", List),
            Kind::ImportCredentials => ("name, * at its end", List),
            Kind::OpenFiles => ("PATH:NAME:OPTIONS", List),
            Kind::BusName => ("name on the bus", Single),
            Kind::Refresh => ("list of extensions, credentials", List),
            Kind::IoClass => ("best-effort, none, realtime, idle", Single),
            Kind::CpuPolicy => ("other, batch, idle, fifo, rr, ext", Single),
            Kind::Affinity => ("numbers and ranges, numa", List),
            Kind::NumaMask => ("numbers and ranges, all", List),
            Kind::CoredumpFilter => ("list of kinds of mappings", List),
            Kind::Numbers => ("numbers and ranges", List),
            Kind::Slice => ("slice", Single),
            Kind::Delegation => ("yes, no, list of controllers", Set),
            Kind::CgroupName => ("name", Single),
            Kind::Controllers => ("list of controllers", List),
            Kind::DeviceWeights => ("path and number from 1 to 10000", List),
            Kind::DeviceRates => ("path and size a second", List),
            Kind::DeviceLatencies => ("path and time span", List),
            Kind::Devices => ("device and rwm", List),
            Kind::Addresses => ("list of addresses and prefixes", List),
            Kind::SocketRules => ("FAMILY:TRANSPORT:PORTS", List),
            Kind::Interfaces => ("list of interfaces, ~ inverts", List),
            Kind::NftSets => ("list of SOURCE:FAMILY:TABLE:SET", List),
            Kind::BpfPrograms => ("TYPE:PATH", List),
            Kind::BpfWords => ("list", List),
            Kind::Capabilities => ("list of capabilities, ~ inverts", Set),
            Kind::SecureBits => ("list of secure bits", List),
            Kind::Label => ("label, - allows a missing one", Single),
            Kind::SystemCalls => ("list of system calls, ~ inverts", List),
            Kind::LoggedCalls => ("list of system calls, ~ inverts", List),
            Kind::SystemCallError => ("error, kill", Single),
            Kind::Architectures => ("list of architectures", List),
            Kind::AddressFamilies => ("list of address families, ~ inverts", List),
            Kind::Namespaces => ("yes, no, list of namespaces, ~ inverts", List),
            Kind::FileSystems => ("list of file systems, ~ inverts", List),
            Kind::Hostname => ("yes, no, private:NAME", Single),
            Kind::Binds => ("list of SOURCE:DESTINATION:OPTIONS", List),
            Kind::TemporaryFileSystems => ("list of PATH:OPTIONS", List),
            Kind::PartitionOptions => ("list of PARTITION:OPTIONS", List),
            Kind::MountImages => ("list of IMAGE:DESTINATION", List),
            Kind::ExtensionImages => ("list of images", List),
            Kind::ImagePolicy => ("image policy", Single),
            Kind::RootHash => ("path or hexadecimal digits", Single),
            Kind::RootHashSignature => ("path or base64:DATA", Single),
            Kind::Condition(..) => ("condition", List),
            Kind::Selector => ("label selector", Single),
            Kind::Instances => ("all, number, names", Single),
            Kind::Files => ("list of SRC[:DEST]", List),
            Kind::Url => ("http or https address", Single),
            Kind::HostPort => ("host:port", Single),
        }
    }
}

/// How several assignments of a directive become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The last one wins.
    Single,
    /// They add up; an empty one clears.
    List,
    /// They add up; an empty one clears and is itself the first.
    Set,
}

/// A spelling systemd still understands, or a second place for a key.
#[derive(Clone, Copy, Debug)]
pub struct OldSpelling {
    /// Where it stands.
    pub section: &'static str,
    /// As written.
    pub key: &'static str,
    /// Section and key of what it means; several for `TimeoutSec=`.
    pub means: &'static [(&'static str, &'static str)],
    /// Whether it is on its way out: then it gets a note.
    pub deprecated: bool,
}

/// What a key in a section is.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// A row of the table, by its index in [`all`].
    Row(u16),
    /// Another spelling of rows.
    Spelling(&'static OldSpelling),
}

struct Table {
    rows: Vec<Directive>,
    keys: HashMap<&'static str, Vec<(&'static str, Found)>>,
}

/// The rows of `[Service]` that `[Socket]` has as well: everything about processes that is not a service's own.
const SHARED: &[&[Directive]] = &[kill::ROWS, exec::ROWS, isolation::ROWS, resources::ROWS];

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let families = [
        (Family::Unit, unit::ROWS),
        (Family::Condition, conditions::ROWS),
        (Family::Service, service::ROWS),
        (Family::Kill, kill::ROWS),
        (Family::Exec, exec::ROWS),
        (Family::Isolation, isolation::ROWS),
        (Family::Resources, resources::ROWS),
        (Family::Timer, timer::ROWS),
        (Family::Socket, socket::ROWS),
        (Family::Install, install::ROWS),
        (Family::Fleet, fleet::ROWS),
    ];
    let of = |(family, rows): (Family, &'static [Directive])| rows.iter().map(move |row| Directive { family, ..*row });
    let rows: Vec<Directive> = families.into_iter().flat_map(of).collect();
    let shared: HashSet<&str> = SHARED.iter().flat_map(|family| family.iter()).map(|row| row.key).collect();
    let mut keys: HashMap<_, Vec<_>> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let index = u16::try_from(index).expect("the table has some hundred rows");
        let places = keys.entry(row.key).or_default();
        places.push((row.section, Found::Row(index)));
        if row.section == "Service" && shared.contains(row.key) {
            places.push(("Socket", Found::Row(index)));
        }
    }
    for spelling in SPELLINGS {
        let places = keys.entry(spelling.key).or_default();
        places.push((spelling.section, Found::Spelling(spelling)));
        if spelling.section == "Service"
            && spelling.means.iter().all(|(at, key)| *at == "Service" && shared.contains(key))
        {
            places.push(("Socket", Found::Spelling(spelling)));
        }
    }
    Table { rows, keys }
});

/// Every row, family by family.
#[must_use]
pub fn all() -> &'static [Directive] {
    &TABLE.rows
}

/// The row of `key` in `section`; other spellings are followed when they mean exactly one row.
#[must_use]
pub fn find(section: &str, key: &str) -> Option<&'static Directive> {
    match lookup(section, key)? {
        Found::Row(index) => Some(row(index)),
        Found::Spelling(OldSpelling { means: [(section, key)], .. }) => find(section, key),
        Found::Spelling(_) => None,
    }
}

/// What `key` in `section` is; `[Fleet]` is read as `[X-Fleet]`.
#[must_use]
pub fn lookup(section: &str, key: &str) -> Option<Found> {
    let section = canonical(section);
    TABLE.keys.get(key)?.iter().find(|(at, _)| *at == section).map(|(_, found)| *found)
}

/// The row with an index that [`lookup`] gave.
#[must_use]
pub fn row(index: u16) -> &'static Directive {
    &TABLE.rows[usize::from(index)]
}

/// The section a section is read as: `[Fleet]` is `[X-Fleet]`.
#[must_use]
pub fn canonical(section: &str) -> &str {
    if section == "Fleet" { "X-Fleet" } else { section }
}

/// The sections that know `key`.
pub fn sections_of(key: &str) -> impl Iterator<Item = &'static str> {
    TABLE.keys.get(key).into_iter().flatten().map(|(section, _)| *section)
}

/// The key of `section` that `wanted` was most likely meant to be.
#[must_use]
pub fn nearest(section: &str, wanted: &str) -> Option<&'static str> {
    let section = canonical(section);
    let is_row =
        |places: &[(&str, Found)]| places.iter().any(|(at, found)| *at == section && matches!(found, Found::Row(_)));
    did_you_mean(wanted, TABLE.keys.iter().filter(|(_, places)| is_row(places)).map(|(key, _)| *key))
}

const fn spelling(
    section: &'static str,
    key: &'static str,
    means: &'static [(&'static str, &'static str)],
) -> OldSpelling {
    OldSpelling { section, key, means, deprecated: true }
}

const fn place(key: &'static str, means: &'static [(&'static str, &'static str)]) -> OldSpelling {
    OldSpelling { section: "Service", key, means, deprecated: false }
}

/// Other spellings, from systemd's load-fragment-gperf.gperf.
pub const SPELLINGS: &[OldSpelling] = &[
    spelling("Unit", "BindTo", &[("Unit", "BindsTo")]),
    spelling("Unit", "PropagateReloadTo", &[("Unit", "PropagatesReloadTo")]),
    spelling("Unit", "PropagateReloadFrom", &[("Unit", "ReloadPropagatedFrom")]),
    spelling("Unit", "RequiresOverridable", &[("Unit", "Requires")]),
    spelling("Unit", "RequisiteOverridable", &[("Unit", "Requisite")]),
    spelling("Unit", "StartLimitInterval", &[("Unit", "StartLimitIntervalSec")]),
    spelling("Unit", "OnFailureIsolate", &[("Unit", "OnFailureJobMode")]),
    spelling("Service", "StartLimitInterval", &[("Unit", "StartLimitIntervalSec")]),
    spelling("Service", "StartLimitBurst", &[("Unit", "StartLimitBurst")]),
    spelling("Service", "StartLimitAction", &[("Unit", "StartLimitAction")]),
    spelling("Service", "FailureAction", &[("Unit", "FailureAction")]),
    spelling("Service", "RebootArgument", &[("Unit", "RebootArgument")]),
    spelling("Service", "RestartMaxDelay", &[("Service", "RestartMaxDelaySec")]),
    spelling("Service", "ReadWriteDirectories", &[("Service", "ReadWritePaths")]),
    spelling("Service", "ReadOnlyDirectories", &[("Service", "ReadOnlyPaths")]),
    spelling("Service", "InaccessibleDirectories", &[("Service", "InaccessiblePaths")]),
    spelling("Service", "MemoryLimit", &[("Service", "MemoryMax")]),
    place("TimeoutSec", &[("Service", "TimeoutStartSec"), ("Service", "TimeoutStopSec")]),
    place("HealthCheckURL", &[("X-Fleet", "HealthCheckURL")]),
    place("HealthCheckTCP", &[("X-Fleet", "HealthCheckTCP")]),
    place("HealthCheckExec", &[("X-Fleet", "HealthCheckExec")]),
    place("HealthCheckGRPC", &[("X-Fleet", "HealthCheckGRPC")]),
    place("HealthCheckInterval", &[("X-Fleet", "HealthCheckInterval")]),
    place("HealthCheckTimeout", &[("X-Fleet", "HealthCheckTimeout")]),
    place("HealthCheckRetries", &[("X-Fleet", "HealthCheckRetries")]),
    place("HealthCheckStartPeriod", &[("X-Fleet", "HealthCheckStartPeriod")]),
];

/// A row that acts.
const fn works(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    default: &'static str,
    change: Change,
    doc: &'static str,
) -> Directive {
    Directive { section, key, kind, default, support: Support::Supported, change, doc, family: Family::Unit }
}

/// A row that is accepted and listed as unenforced. `change` is what a change of it will need once it acts.
const fn later(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    default: &'static str,
    change: Change,
    doc: &'static str,
) -> Directive {
    Directive { section, key, kind, default, support: Support::NotBuilt, change, doc, family: Family::Unit }
}

/// A row that is accepted and has no effect, for a reason.
const fn inert(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    default: &'static str,
    why: &'static str,
    doc: &'static str,
) -> Directive {
    Directive {
        section,
        key,
        kind,
        default,
        support: Support::Inert(why),
        change: Change::None,
        doc,
        family: Family::Unit,
    }
}

#[cfg(test)]
mod tests;
