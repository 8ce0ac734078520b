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

/// What the value of a directive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text in one line, specifiers filled in.
    Text,
    /// Any text in one line, as written.
    Raw,
    /// A list of anything, as written; an empty value empties it.
    RawList,
    /// A list of anything, as written, whose empty value is not its default but the empty set.
    RawSet,
    /// yes, no, and their relatives.
    Bool,
    /// A boolean or one of these.
    BoolOr(&'static [&'static str]),
    /// One of these.
    Choice(&'static [&'static str]),
    /// A time span, or `infinity`.
    Span,
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// A size in bytes (K, M, G, T to the base 1024), or `infinity`.
    Size,
    /// As `Size`, or a percentage.
    SizeOrPercent,
    /// A percentage.
    Percentage,
    /// A number or a percentage.
    CountOrPercent,
    /// An octal mode.
    Mode,
    /// The name or number of a signal.
    Signal,
    /// Exit codes and signals; a list.
    ExitStatus,
    /// `soft:hard`, or one for both.
    Limit,
    /// Names of units; a list that cannot be emptied.
    Dependencies,
    /// Names of units; a list.
    Units,
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
    /// A command line; a list.
    Command,
    /// `NAME=value` words; a list.
    Environment,
    /// A path, perhaps with `-`; a list.
    EnvironmentFile,
    /// Names of variables; a list.
    VariableNames,
    /// An absolute path.
    Path,
    /// Absolute paths, each perhaps with `-` or `+`; a list.
    Paths,
    /// Relative names below a folder of the system; a list.
    Directories,
    /// The name or number of a user or group.
    Account,
    /// Names or numbers of groups; a list.
    Accounts,
    /// Words with specifiers; a list.
    Words,
    /// A label selector.
    Selector,
    /// `all`, a number, or names.
    Instances,
    /// `SRC[:DEST]` words; a list.
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
            Kind::Text | Kind::Raw => "text".to_owned(),
            Kind::RawList | Kind::RawSet | Kind::Words => "list".to_owned(),
            Kind::Bool => "yes or no".to_owned(),
            Kind::BoolOr(words) => format!("yes, no, {}", words.join(", ")),
            Kind::Choice(words) => words.join(", "),
            Kind::Span => "time span".to_owned(),
            Kind::Integer(low, high) if high >= i64::from(u32::MAX) => format!("number from {low}"),
            Kind::Integer(low, high) => format!("number from {low} to {high}"),
            Kind::Size => "size".to_owned(),
            Kind::SizeOrPercent => "size or percentage".to_owned(),
            Kind::Percentage => "percentage".to_owned(),
            Kind::CountOrPercent => "number or percentage".to_owned(),
            Kind::Mode => "octal mode".to_owned(),
            Kind::Signal => "signal".to_owned(),
            Kind::ExitStatus => "list of exit statuses and signals".to_owned(),
            Kind::Limit => "limit, or soft:hard".to_owned(),
            Kind::Dependencies | Kind::Units => "list of units".to_owned(),
            Kind::FirstUnit | Kind::LastUnit => "name of a unit".to_owned(),
            Kind::Listen => "list of addresses".to_owned(),
            Kind::Calendar => "list of calendar events".to_owned(),
            Kind::TriggerSpan => "list of time spans".to_owned(),
            Kind::Command => "command line".to_owned(),
            Kind::Environment => "list of NAME=value".to_owned(),
            Kind::EnvironmentFile => "path, - allows a missing one".to_owned(),
            Kind::VariableNames => "list of names of variables".to_owned(),
            Kind::Path => "absolute path".to_owned(),
            Kind::Paths => "list of absolute paths".to_owned(),
            Kind::Directories => "list of relative names".to_owned(),
            Kind::Account => "name or number".to_owned(),
            Kind::Accounts => "list of names or numbers".to_owned(),
            Kind::Selector => "label selector".to_owned(),
            Kind::Instances => "all, number, names".to_owned(),
            Kind::Files => "list of SRC[:DEST]".to_owned(),
            Kind::Url => "http or https address".to_owned(),
            Kind::HostPort => "host:port".to_owned(),
        }
    }

    /// Whether several assignments add up (an empty one clears) instead of the last one winning.
    #[must_use]
    pub fn is_list(self) -> bool {
        match self {
            Kind::RawList
            | Kind::RawSet
            | Kind::ExitStatus
            | Kind::Dependencies
            | Kind::Units
            | Kind::Listen
            | Kind::Calendar
            | Kind::TriggerSpan
            | Kind::Command
            | Kind::Environment
            | Kind::EnvironmentFile
            | Kind::VariableNames
            | Kind::Paths
            | Kind::Directories
            | Kind::Accounts
            | Kind::Words
            | Kind::Files => true,
            Kind::Text
            | Kind::Raw
            | Kind::Bool
            | Kind::BoolOr(_)
            | Kind::Choice(_)
            | Kind::Span
            | Kind::Integer(..)
            | Kind::Size
            | Kind::SizeOrPercent
            | Kind::Percentage
            | Kind::CountOrPercent
            | Kind::Mode
            | Kind::Signal
            | Kind::Limit
            | Kind::Path
            | Kind::FirstUnit
            | Kind::LastUnit
            | Kind::Account
            | Kind::Selector
            | Kind::Instances
            | Kind::Url
            | Kind::HostPort => false,
        }
    }
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
        unit::ROWS,
        conditions::ROWS,
        service::ROWS,
        kill::ROWS,
        exec::ROWS,
        isolation::ROWS,
        resources::ROWS,
        timer::ROWS,
        socket::ROWS,
        install::ROWS,
        fleet::ROWS,
    ];
    let rows: Vec<Directive> = families.into_iter().flatten().copied().collect();
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
    Directive { section, key, kind, default, support: Support::Supported, change, doc }
}

/// A row that is accepted and listed as unenforced. Not in effect, so a change of it needs nothing.
const fn later(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> Directive {
    Directive { section, key, kind, default, support: Support::NotBuilt, change: Change::None, doc }
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
    Directive { section, key, kind, default, support: Support::Inert(why), change: Change::None, doc }
}

#[cfg(test)]
mod tests;
