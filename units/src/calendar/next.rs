//! When a calendar event elapses next: field by field, from the year down to microseconds.
//!
//! A field without a match carries one over to the field above it; a field that moved on sets those below it to their
//! beginning. The order of the steps is that of systemd's `find_next`, so that the answers are the same.

use super::chain::MICROS as MICROS_PER_SECOND;
use super::civil::days_of_month;
use super::{CalendarSpec, CivilTime, YEARS};

/// Most steps of one search, as in systemd. What elapses at all needs fewer: weekdays repeat after 7 days, 29 February
/// after at most 8 years, both together after at most 40.
const MAX_STEPS: u32 = 1000;

const YEAR: usize = 0;
const MONTH: usize = 1;
const DAY: usize = 2;
const HOUR: usize = 3;
const MINUTE: usize = 4;
const MICROS: usize = 5;
/// The beginning of each field.
const FIRST: [u32; 6] = [0, 1, 1, 0, 0, 0];

impl CalendarSpec {
    /// The first elapse after `time`, both in the event's own zone; `None` when there is none up to the year 2199.
    ///
    /// It knows no time zones: a time that does not exist because clocks are put forward is the caller's to move.
    #[must_use]
    pub fn next_after(&self, time: CivilTime) -> Option<CivilTime> {
        let mut walk = Walk::just_after(time);
        for _ in 0..MAX_STEPS {
            match walk.step(self) {
                Step::Found => return Some(walk.time()),
                Step::Again => {}
                Step::Never => return None,
            }
        }
        None
    }
}

enum Step {
    /// Every field matches.
    Found,
    /// A field was carried over: look again from the year.
    Again,
    /// No year matches any more.
    Never,
}

/// Where the search is, field by field.
struct Walk([u32; 6]);

impl Walk {
    /// One microsecond after `time`.
    fn just_after(time: CivilTime) -> Self {
        let CivilTime { year, month, day, hour, minute, micros } = time;
        let mut walk = Walk([year, month, day, hour, minute, micros]);
        match micros < walk.last(MICROS) {
            true => walk.0[MICROS] += 1,
            false => {
                walk.carry_from(MICROS);
            }
        }
        walk
    }

    fn time(&self) -> CivilTime {
        let [year, month, day, hour, minute, micros] = self.0;
        CivilTime { year, month, day, hour, minute, micros }
    }

    fn step(&mut self, spec: &CalendarSpec) -> Step {
        for field in YEAR..=MICROS {
            let found = self.first_match(spec, field);
            match found.filter(|value| *value <= self.last(field)) {
                Some(value) => self.set(field, value),
                None if field == YEAR => return Step::Never,
                None => {
                    self.overflow(field, found);
                    return Step::Again;
                }
            }
            if field == DAY && !spec.weekdays.has(self.time().weekday()) {
                self.carry_from(HOUR);
                return Step::Again;
            }
        }
        Step::Found
    }

    /// Carries over a field whose next value, if there is one, lies behind its range. As in systemd, what is left of
    /// that value stays when more than the field above changes, and a fraction of a second always does.
    fn overflow(&mut self, field: usize, found: Option<u32>) {
        let left = found.map(|found| found - self.last(field) - 1 + FIRST[field]);
        let changed = self.carry_from(field);
        match left {
            Some(left) if changed + 1 < field => self.0[field] = left,
            Some(left) if field == MICROS => self.0[field] = left % MICROS_PER_SECOND,
            Some(_) | None => {}
        }
    }

    /// The first value of the field that `spec` has and that is not before the present one; perhaps out of range.
    fn first_match(&self, spec: &CalendarSpec, field: usize) -> Option<u32> {
        let value = self.0[field];
        match field {
            YEAR if value > YEARS.1 => None,
            YEAR => spec.year.first_from(value),
            MONTH => spec.month.first_from(value),
            DAY if spec.from_end => spec.day.first_day_from_end(value, self.last(DAY)),
            DAY => spec.day.first_from(value),
            HOUR => spec.hour.first_from(value),
            MINUTE => spec.minute.first_from(value),
            _ => spec.micros.first_from(value),
        }
    }

    /// The end of the field's range.
    fn last(&self, field: usize) -> u32 {
        match field {
            YEAR => YEARS.1,
            MONTH => 12,
            DAY => days_of_month(self.0[YEAR], self.0[MONTH]),
            HOUR => 23,
            MINUTE => 59,
            _ => 60 * MICROS_PER_SECOND - 1,
        }
    }

    /// Sets a field; when it changes, those below it begin anew.
    fn set(&mut self, field: usize, value: u32) {
        if self.0[field] != value {
            self.0[field] = value;
            self.0[field + 1..].copy_from_slice(&FIRST[field + 1..]);
        }
    }

    /// Adds one to the field above, and to those above it as far as it overflows; tells the highest it changed.
    fn carry_from(&mut self, field: usize) -> usize {
        let above = (MONTH..field).rev().find(|above| self.0[*above] < self.last(*above)).unwrap_or(YEAR);
        self.set(above, self.0[above].saturating_add(1));
        above
    }
}
