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
mod kind;
mod manual;
mod resources;
mod service;
mod socket;
mod spellings;
mod timer;
mod unit;

pub use kind::Kind;
pub use manual::manual;
pub use spellings::{OldSpelling, SPELLINGS};

use crate::diagnostic::did_you_mean;
use crate::ids::{EnvironmentName, UnitKind};
use foldhash::HashMap;
use std::collections::HashSet;
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

impl Directive {
    /// The default in `environment`: of `pause (develop: none)` one or the other.
    #[must_use]
    pub fn default_in(&self, environment: &EnvironmentName) -> &'static str {
        let Some((common, others)) = self.default.split_once(" (").filter(|_| self.section == "X-Fleet") else {
            return self.default;
        };
        let mut others = others.trim_end_matches(')').split(", ").filter_map(|other| other.split_once(": "));
        others.find(|(name, _)| *name == environment.as_str()).map_or(common, |(_, default)| default)
    }
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

/// Directives whose kind wants a value, and whose readers in systemd let an empty one forget what was before.
const MAY_BE_EMPTY: &[&str] = &[
    "BindLogSockets",
    "CPUQuotaPeriodSec",
    "FailureActionExitStatus",
    "IOSchedulingPriority",
    "IOWeight",
    "KillMode",
    "ManagedOOMMemoryPressureDurationSec",
    "ManagedOOMMemoryPressure",
    "ManagedOOMSwap",
    "MemoryKSM",
    "MemoryPressureWatch",
    "MountAPIVFS",
    "MountFlags",
    "NUMAPolicy",
    "Nice",
    "OOMScoreAdjust",
    "Personality",
    "SetLoginEnvironment",
    "StartupIOWeight",
    "SuccessActionExitStatus",
    "TTYColumns",
    "TTYRows",
    "TimeoutAbortSec",
];

/// Keys of `[Socket]` that systemd knows there and does not support there.
const NOT_FOR_SOCKETS: &[&str] =
    &["Delegate", "ManagedOOMMemoryPressure", "ManagedOOMMemoryPressureLimit", "ManagedOOMSwap"];

impl Directive {
    /// Its support where it stands in `section`: nothing acts in sockets, which do not run yet.
    #[must_use]
    pub fn support_in(&self, section: &str) -> Support {
        match self.support {
            Support::Supported if section == "Socket" => Support::NotBuilt,
            support => support,
        }
    }

    /// Why the directive is refused in units of `kind`; `None` when it is not.
    #[must_use]
    pub fn refused_in(&self, kind: UnitKind) -> Option<&'static str> {
        match self.support {
            Support::Refused(why) => Some(why),
            _ if kind == UnitKind::Socket && NOT_FOR_SOCKETS.contains(&self.key) => {
                Some("systemd does not support it for sockets")
            }
            Support::Supported | Support::Inert(_) | Support::NotBuilt => None,
        }
    }

    /// Whether an empty value is refused, and what was given before stays. Otherwise it forgets that. In Fleet's own
    /// section it always does.
    #[must_use]
    pub fn refuses_empty(&self) -> bool {
        self.section != "X-Fleet" && self.kind.wants_a_value() && !MAY_BE_EMPTY.contains(&self.key)
    }
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
    let mut keys: HashMap<_, Vec<_>> = HashMap::default();
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
