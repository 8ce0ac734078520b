//! The host's time zones: the tz database, and /etc/localtime for events that name no zone. Read anew for each question:
//! timers ask seldom, and a zone that changes counts at once.

use fleet_units::calendar::{CivilTime, Zone};
use fleet_units::time::Timestamp;
use fleet_units::timers::Zones;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// The host's rules.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HostZones;

/// A zone nobody knows is UTC, as it is for systemd; `fleet lint` knows the names.
fn rules(zone: &Zone) -> TimeZone {
    match zone {
        Zone::Utc => TimeZone::UTC,
        Zone::Named(name) => TimeZone::get(name).unwrap_or(TimeZone::UTC),
        Zone::Local => local(),
    }
}

/// `$TZ`, which this process was started with, else /etc/localtime, else UTC.
fn local() -> TimeZone {
    let named = std::env::var("TZ").ok().filter(|name| !name.is_empty());
    if let Some(zone) = named.and_then(|name| TimeZone::get(name.trim_start_matches(':')).ok()) {
        return zone;
    }
    let rules = std::fs::read("/etc/localtime").ok();
    rules.and_then(|rules| TimeZone::tzif("Local", &rules).ok()).unwrap_or(TimeZone::UTC)
}

fn instant(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(i64::try_from(at.0).ok()?).ok()
}

impl Zones for HostZones {
    fn civil(&self, zone: &Zone, at: Timestamp) -> CivilTime {
        let ahead = instant(at).map_or(0, |instant| rules(zone).to_offset(instant).seconds());
        CivilTime::from_epoch_micros(at.0.saturating_add_signed(i64::from(ahead) * 1_000_000))
    }

    fn moment(&self, zone: &Zone, civil: CivilTime, like: Timestamp) -> Option<Timestamp> {
        // The civil time as if it were UTC's.
        let shown: DateTime = TimeZone::UTC.to_datetime(instant(Timestamp(civil.epoch_micros()))?);
        let rules = rules(zone);
        let ahead = match rules.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { after, .. } if rules.to_offset(instant(like)?) == after => after,
            AmbiguousOffset::Fold { before, .. } => before,
            AmbiguousOffset::Gap { .. } => return None,
        };
        civil.epoch_micros().checked_add_signed(-i64::from(ahead.seconds()) * 1_000_000).map(Timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_units::timers::next_event;
    use std::process::Command;

    fn after(event: &str, base: u64) -> Option<u64> {
        let spec = event.parse().unwrap();
        next_event(&spec, Timestamp(base * 1_000_000), &HostZones).map(|at| at.0 / 1_000_000)
    }

    /// The first elapse that `systemd-analyze calendar` tells, in seconds.
    fn systemd_says(event: &str, base: u64) -> Option<u64> {
        let base = format!("--base-time=@{base}");
        let output =
            Command::new("systemd-analyze").args(["calendar", &base, event]).env("TZ", "UTC").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("Next elapse: "))?.to_owned();
        let date = Command::new("date").args(["-u", "-d", &line, "+%s"]).output().unwrap();
        String::from_utf8_lossy(&date.stdout).trim().parse().ok()
    }

    #[test]
    fn events_around_changes_of_clocks_are_those_of_systemd() {
        if Command::new("systemd-analyze").arg("--version").output().is_err() {
            return println!("SKIP systemd_analyze_calendar: systemd-analyze is not installed");
        }
        // The hours before the changes of 2026 in Berlin, New York, Lord Howe (half an hour), Dublin (winter time is
        // the odd one), and a day without any.
        let bases = [1_774_738_800, 1_792_886_400, 1_772_946_000, 1_793_505_600, 1_775_307_600, 1_790_000_000];
        let zones = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin", "UTC"];
        let events =
            ["*-*-* *:30:00", "*-*-* 02:15:00", "*-*-* 01:45:00", "hourly", "daily", "Sun *-*-* 02:30:00", "*:0/20"];
        let mut wrong = Vec::new();
        for (base, zone) in bases.into_iter().flat_map(|base| zones.map(|zone| (base, zone))) {
            for event in events.map(|event| format!("{event} {zone}")) {
                for base in [base, base + 3_700, base + 7_300] {
                    let (own, systemd) = (after(&event, base), systemd_says(&event, base));
                    if own != systemd {
                        wrong.push(format!("{event} after {base}: {own:?}, systemd {systemd:?}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} differ: {wrong:#?}", wrong.len());
    }

    #[test]
    fn the_local_zone_is_that_of_the_host() {
        let now = Timestamp(1_795_564_800_000_000);
        let output = Command::new("date").args(["-d", "@1795564800", "+%H"]).output().unwrap();
        let hour = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(HostZones.civil(&Zone::Local, now).to_string().contains(&format!(" {hour}:00:00")));
        assert_eq!(HostZones.moment(&Zone::Local, HostZones.civil(&Zone::Local, now), now), Some(now));
    }
}
