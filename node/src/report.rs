//! What has changed since the coordinator last heard of it: status reports, whole after a hello, then only differences.

use fleet_proto::v1;
use fleet_units::ids::UnitName;
use fleet_units::status::UnitStatus;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

/// Largest report, in bytes: messages on the long stream stay under 8 KB, so that none pins memory at the other end.
const MAX_REPORT: usize = 7 << 10;

/// All units of a node, as the engine publishes them.
pub type Statuses = BTreeMap<UnitName, UnitStatus>;

/// Remembers what was told on one connection.
#[derive(Debug, Default)]
pub struct Reporter {
    told: Statuses,
    host: BTreeSet<UnitName>,
    sequence: u64,
    greeted: bool,
}

impl Reporter {
    /// The messages that bring the coordinator from what it was told to `now`, and to what the `host` runs; none when
    /// nothing changed. The first call tells everything, even if that is nothing.
    pub fn report(&mut self, now: &Statuses, host: &BTreeSet<UnitName>) -> Vec<v1::StatusReport> {
        let changed: Vec<v1::UnitStatus> = now
            .iter()
            .filter(|(unit, status)| self.told.get(*unit) != Some(status))
            .map(|(_, status)| status.clone().into())
            .collect();
        let removed: Vec<String> = self.told.keys().filter(|unit| !now.contains_key(*unit)).map(String::from).collect();
        let host_changed = !self.greeted || self.host != *host;
        if self.greeted && changed.is_empty() && removed.is_empty() && !host_changed {
            return Vec::new();
        }
        let mut reports = self.cut(changed);
        reports.last_mut().expect("cut gives at least one").removed = removed;
        reports[0].complete = !self.greeted;
        if host_changed {
            let report = self.next();
            reports.push(v1::StatusReport { host: Some(host_units(host)), ..report });
            self.host.clone_from(host);
        }
        self.greeted = true;
        self.told = now.clone();
        reports
    }

    fn cut(&mut self, units: Vec<v1::UnitStatus>) -> Vec<v1::StatusReport> {
        let mut reports = vec![self.next()];
        let mut size = 0;
        for unit in units {
            let length = unit.encoded_len();
            if size > 0 && size + length > MAX_REPORT {
                let next = self.next();
                reports.push(next);
                size = 0;
            }
            size += length;
            reports.last_mut().expect("never empty").units.push(unit);
        }
        reports
    }

    fn next(&mut self) -> v1::StatusReport {
        self.sequence += 1;
        v1::StatusReport { sequence: self.sequence, ..Default::default() }
    }
}

/// As many as one report holds; a host with more names than that tells the first of them.
fn host_units(units: &BTreeSet<UnitName>) -> v1::HostUnits {
    let mut size = 0;
    let fits = |unit: &&UnitName| {
        size += unit.as_str().len() + 4;
        size <= MAX_REPORT
    };
    v1::HostUnits { active: units.iter().take_while(fits).map(String::from).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_units::ids::InvocationId;
    use fleet_units::status::{ActiveState, Health};
    use fleet_units::time::Timestamp;

    fn statuses(count: usize, pid: u32) -> Statuses {
        let status = |unit: UnitName| UnitStatus {
            unit,
            active_state: ActiveState::Active,
            sub_state: "running".into(),
            result: "success".into(),
            main_pid: pid,
            restarts: 0,
            health: Health::None,
            digest: None,
            unit_revision: None,
            since: Timestamp(1),
            held: None,
            unenforced: vec![],
            invocation_id: InvocationId(0),
            wanted: true,
            completed: false,
            reason: None,
            next_elapse: None,
        };
        (0..count)
            .map(|i| {
                let unit: UnitName = format!("unit-{i}.service").parse().unwrap();
                (unit.clone(), status(unit))
            })
            .collect()
    }

    #[test]
    fn the_first_report_is_complete_even_when_empty_and_nothing_new_says_nothing() {
        let mut reporter = Reporter::default();
        let first = reporter.report(&Statuses::new(), &BTreeSet::new());
        assert_eq!((first.len(), first[0].complete), (2, true));
        assert!(reporter.report(&Statuses::new(), &BTreeSet::new()).is_empty());
    }

    #[test]
    fn what_the_host_runs_is_told_first_and_when_it_changed() {
        let mut reporter = Reporter::default();
        let told = |reports: Vec<v1::StatusReport>| {
            reports.into_iter().filter_map(|report| report.host).map(|host| host.active).collect::<Vec<_>>()
        };
        let host = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<BTreeSet<UnitName>>();
        let units = Statuses::new();
        assert_eq!(told(reporter.report(&units, &host(&[]))), [[""; 0]; 1]);
        assert_eq!(told(reporter.report(&units, &host(&["db.service"]))), [["db.service"]]);
        assert!(reporter.report(&units, &host(&["db.service"])).is_empty());
        let many: Vec<String> = (0..1000).map(|number| format!("unit-{number}.service")).collect();
        let many: BTreeSet<UnitName> = many.iter().map(|name| name.parse().unwrap()).collect();
        let reports = reporter.report(&units, &many);
        assert!(reports.iter().all(|report| report.encoded_len() < 8 << 10));
    }

    #[test]
    fn only_differences_follow() {
        let mut reporter = Reporter::default();
        reporter.report(&statuses(3, 1), &BTreeSet::new());
        let mut now = statuses(2, 1);
        now.first_entry().unwrap().get_mut().main_pid = 2;
        let reports = reporter.report(&now, &BTreeSet::new());
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].units.len(), 1);
        assert_eq!(reports[0].removed, ["unit-2.service"]);
        assert!(!reports[0].complete);
    }

    #[test]
    fn many_units_are_cut_into_messages_under_8_kb_and_only_the_first_is_complete() {
        let reports = Reporter::default().report(&statuses(1000, 1), &BTreeSet::new());
        assert!(reports.len() > 5);
        assert!(reports.iter().all(|report| report.encoded_len() < 8 << 10));
        assert_eq!(reports.iter().filter(|report| report.complete).count(), 1);
        assert_eq!(reports.iter().map(|report| report.units.len()).sum::<usize>(), 1000);
    }
}
