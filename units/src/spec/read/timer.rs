//! `[Timer]`: when it elapses, what it starts, and what its settings say together (systemd's `timer_verify`).

use crate::calendar::{CalendarSpec, CivilTime};
use crate::diagnostic::{Place, codes};
use crate::ids::UnitKind;
use crate::spec::merge::{Assigned, Merged, Row};
use crate::spec::reader::Reader;
use crate::spec::{TimerSpec, TimerTrigger, value};
use std::time::Duration;

/// A timer while it is being read.
#[derive(Default)]
pub(crate) struct Draft {
    spec: TimerSpec,
    /// `Unit=` is given, whether or not it could be read.
    names_its_unit: bool,
}

/// Reads one directive into `draft`; `false` when it is none of this section.
pub(crate) fn row(reader: &mut Reader<'_>, row: &Row<'_>, draft: &mut Draft) -> bool {
    trigger_row(reader, row, &mut draft.spec) || setting_row(reader, row, draft)
}

fn trigger_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut TimerSpec) -> bool {
    let trigger = match row.directive.key {
        "OnCalendar" => {
            spec.triggers.extend(row.values.iter().filter_map(|at| event(reader, at)).map(TimerTrigger::Calendar));
            return true;
        }
        "OnActiveSec" => TimerTrigger::Active,
        "OnBootSec" => TimerTrigger::Boot,
        "OnStartupSec" => TimerTrigger::Startup,
        "OnUnitActiveSec" => TimerTrigger::UnitActive,
        "OnUnitInactiveSec" => TimerTrigger::UnitInactive,
        _ => return false,
    };
    spec.triggers.extend(row.values.iter().filter_map(|at| span(reader, at)).map(trigger));
    true
}

fn event(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<CalendarSpec> {
    let text = reader.text(at)?;
    let spec = text.parse::<CalendarSpec>().map_err(|error| error.to_string());
    let spec = reader.checked(at, spec)?;
    if spec.next_after(CivilTime::from_epoch_micros(0)).is_none() {
        let message = format!("OnCalendar=: {spec} never comes");
        reader.warning(
            codes::NEVER_ELAPSES,
            at.place(0),
            message,
            "such as a 30 February; `systemd-analyze calendar` shows the next times",
        );
    }
    Some(spec)
}

fn span(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<Duration> {
    let text = reader.text(at)?;
    reader.checked(at, value::time_span(&text)).map(|span| span.unwrap_or(Duration::MAX))
}

fn setting_row(reader: &mut Reader<'_>, row: &Row<'_>, draft: &mut Draft) -> bool {
    let Some(last) = row.values.last() else { return true };
    let spec = &mut draft.spec;
    match row.directive.key {
        "Unit" => {
            draft.names_its_unit = true;
            spec.unit = reader.started_unit(last);
            if spec.unit.as_ref().is_some_and(|unit| unit.kind() == UnitKind::Timer) {
                let message = "Unit= names a timer: a timer starts what does something";
                reader.warning(codes::TIMER_STARTS_TIMER, last.place(0), message, "name a service (systemd.timer(5))");
            }
        }
        "OnClockChange" => spec.on_clock_change = reader.boolean(last).unwrap_or_default(),
        "OnTimezoneChange" => spec.on_timezone_change = reader.boolean(last).unwrap_or_default(),
        "AccuracySec" => spec.accuracy = reader.long_span(last).unwrap_or(spec.accuracy),
        "RandomizedDelaySec" => spec.randomized_delay = reader.long_span(last).unwrap_or_default(),
        "RandomizedOffsetSec" => spec.randomized_offset = reader.long_span(last).unwrap_or_default(),
        "FixedRandomDelay" => spec.fixed_random_delay = reader.boolean(last).unwrap_or_default(),
        "DeferReactivation" => spec.defer_reactivation = reader.boolean(last).unwrap_or_default(),
        "Persistent" => spec.persistent = reader.boolean(last).unwrap_or_default(),
        "WakeSystem" => spec.wake_system = reader.boolean(last).unwrap_or_default(),
        "RemainAfterElapse" => spec.remain_after_elapse = reader.boolean(last).unwrap_or(true),
        _ => return false,
    }
    true
}

/// Completes a draft; with `merged` it checks what is given and what is not. `file` is the unit file.
pub(crate) fn finish(reader: &mut Reader<'_>, draft: Draft, merged: Option<&Merged<'_>>, file: &str) -> TimerSpec {
    let mut spec = draft.spec;
    if !draft.names_its_unit {
        spec.unit = reader.name.with_kind(UnitKind::Service).ok();
    }
    if let Some(merged) = merged {
        let whole = Place { file: file.to_owned(), line: 0, column: 0 };
        triggers(reader, &spec, merged, whole);
        inert(reader, &spec, merged);
    }
    spec
}

const TRIGGERS: [&str; 6] =
    ["OnCalendar", "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec"];

fn triggers(reader: &mut Reader<'_>, spec: &TimerSpec, merged: &Merged<'_>, whole: Place) {
    // One that could not be read has an error of its own.
    let given = TRIGGERS.iter().find_map(|key| merged.last(key));
    let Some(given) = given else {
        if !spec.on_clock_change && !spec.on_timezone_change {
            let message = "the timer has nothing that makes it elapse";
            reader.error(codes::NO_TRIGGER, whole, message, "say when: OnCalendar=daily, or OnBootSec=5min");
        }
        return;
    };
    let follows =
        |trigger: &TimerTrigger| matches!(trigger, TimerTrigger::UnitActive(_) | TimerTrigger::UnitInactive(_));
    let waits = !spec.triggers.is_empty() && spec.triggers.iter().all(follows);
    if waits && !spec.on_clock_change && !spec.on_timezone_change {
        let message = "the timer waits for its unit to run once, and nothing here makes it";
        let hint = "add OnActiveSec= or OnBootSec= for the first time";
        reader.warning(codes::NEVER_ELAPSES, given.key_place(), message, hint);
    }
}

/// Settings that say something and change nothing.
fn inert(reader: &mut Reader<'_>, spec: &TimerSpec, merged: &Merged<'_>) {
    let no_calendar = merged.last("OnCalendar").is_none();
    let no_delay = spec.randomized_delay.is_zero() && merged.last("RandomizedDelaySec").is_none();
    let cases = [
        ("Persistent", spec.persistent && no_calendar, "OnCalendar="),
        ("DeferReactivation", spec.defer_reactivation && no_calendar, "OnCalendar="),
        ("FixedRandomDelay", spec.fixed_random_delay && no_delay, "RandomizedDelaySec="),
    ];
    for (key, without_effect, needs) in cases {
        if let (true, Some(at)) = (without_effect, merged.last(key)) {
            let message = format!("{key}= has no effect without {needs}");
            reader.warning(codes::NO_EFFECT, at.key_place(), message, &format!("add {needs}, or take it away"));
        }
    }
}
