//! `[Unit]` and `[Install]`, and what every kind of unit has (systemd.unit(5)).

use super::condition::Condition;
use super::details::UnitDetails;
use super::{FleetSection, HealthSpec, ServiceSpec, SocketSpec, TimerSpec, Values};
use crate::ids::{Sha256Digest, UnitName};
use crate::status::Unenforced;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One unit as understood.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitSpec {
    /// Its name; never a template.
    pub name: UnitName,
    /// `Description=`; empty when not given.
    pub description: String,
    /// `Documentation=`: URIs.
    pub documentation: Vec<String>,
    /// `Requires=`; `fleet::compile` adds nothing: `RequiredBy=` of others stands in their own `required_by`.
    pub requires: BTreeSet<UnitName>,
    /// `Requisite=`
    pub requisite: BTreeSet<UnitName>,
    /// `Wants=`
    pub wants: BTreeSet<UnitName>,
    /// `BindsTo=`
    pub binds_to: BTreeSet<UnitName>,
    /// `PartOf=`
    pub part_of: BTreeSet<UnitName>,
    /// `Conflicts=`
    pub conflicts: BTreeSet<UnitName>,
    /// `After=`: these start before this one.
    pub after: BTreeSet<UnitName>,
    /// `Before=`: this one starts before these.
    pub before: BTreeSet<UnitName>,
    /// `OnFailure=`
    pub on_failure: BTreeSet<UnitName>,
    /// `OnSuccess=`
    pub on_success: BTreeSet<UnitName>,
    /// `StartLimitIntervalSec=`; zero switches the limit off. Default 10 s.
    pub start_limit_interval: Duration,
    /// `StartLimitBurst=`: starts allowed within the interval. Default 5.
    pub start_limit_burst: u32,
    /// `WantedBy=`: targets that pull it in.
    pub wanted_by: BTreeSet<UnitName>,
    /// `RequiredBy=`
    pub required_by: BTreeSet<UnitName>,
    /// `Alias=`: further names.
    pub alias: BTreeSet<UnitName>,
    /// Timers and sockets of the set that start it: then it is not started by itself.
    pub triggered_by: BTreeSet<UnitName>,
    /// `Condition*=` and `Assert*=`, in the order of the table.
    pub conditions: Vec<Condition>,
    /// What few units set.
    pub details: Option<Box<UnitDetails>>,
    /// What the kind adds.
    pub kind: KindSpec,
    /// `[X-Fleet]`
    pub fleet: FleetSection,
    /// `HealthCheck*=`
    pub health: HealthSpec,
    /// Directives accepted but not put into effect, whatever the host (`not-built-yet`).
    /// What one host lacks is added by its node.
    pub unenforced: Vec<Unenforced>,
    /// The effective values as written: what a change is compared by.
    pub values: Values,
    /// Delivered files (`Files=`): path below `files/` to the digest of its content.
    pub delivered: BTreeMap<String, Sha256Digest>,
}

/// What the kind of unit adds.
#[derive(Clone, Debug, PartialEq)]
pub enum KindSpec {
    /// Processes.
    Service(Box<ServiceSpec>),
    /// Starts another unit when its time has come.
    Timer(Box<TimerSpec>),
    /// Starts a service when somebody connects or writes.
    Socket(Box<SocketSpec>),
    /// A group; active as soon as it is started.
    Target,
}

impl UnitSpec {
    /// The unit `name` with every setting at its default.
    #[must_use]
    pub fn new(name: UnitName, kind: KindSpec) -> Self {
        UnitSpec {
            name,
            description: String::new(),
            documentation: Vec::new(),
            requires: BTreeSet::new(),
            requisite: BTreeSet::new(),
            wants: BTreeSet::new(),
            binds_to: BTreeSet::new(),
            part_of: BTreeSet::new(),
            conflicts: BTreeSet::new(),
            after: BTreeSet::new(),
            before: BTreeSet::new(),
            on_failure: BTreeSet::new(),
            on_success: BTreeSet::new(),
            start_limit_interval: Duration::from_secs(10),
            start_limit_burst: 5,
            wanted_by: BTreeSet::new(),
            required_by: BTreeSet::new(),
            alias: BTreeSet::new(),
            triggered_by: BTreeSet::new(),
            conditions: Vec::new(),
            details: None,
            kind,
            fleet: FleetSection::default(),
            health: HealthSpec::default(),
            unenforced: Vec::new(),
            values: Values::default(),
            delivered: BTreeMap::new(),
        }
    }

    /// What a timer or socket starts; `None` for other kinds. With `Accept=yes` a template.
    #[must_use]
    pub fn started(&self) -> Option<&UnitName> {
        match &self.kind {
            KindSpec::Timer(timer) => timer.unit.as_ref(),
            KindSpec::Socket(socket) => socket.service.as_ref(),
            KindSpec::Service(_) | KindSpec::Target => None,
        }
    }

    /// The service part; `None` for other kinds.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceSpec> {
        match &self.kind {
            KindSpec::Service(service) => Some(service),
            KindSpec::Timer(_) | KindSpec::Socket(_) | KindSpec::Target => None,
        }
    }
}
