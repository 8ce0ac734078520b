//! Civil time: what a calendar and a clock on the wall show, in no particular zone (proleptic Gregorian calendar).

use std::fmt;

/// A date and a time of day, exact to a microsecond. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilTime {
    pub(super) year: u32,
    /// 1 to 12.
    pub(super) month: u32,
    /// 1 to the length of the month.
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    /// Microseconds of the minute, 0 to 59,999,999.
    pub(super) micros: u32,
}

const MICROS_PER_MINUTE: u64 = 60_000_000;
const MINUTES_PER_DAY: u64 = 24 * 60;

impl CivilTime {
    /// The civil time that many microseconds after 1970-01-01 00:00, in UTC when they count as `CLOCK_REALTIME` does.
    #[must_use]
    pub fn from_epoch_micros(micros: u64) -> Self {
        let minutes = micros / MICROS_PER_MINUTE;
        let (year, month, day) = date_of(minutes / MINUTES_PER_DAY);
        let of_day = minutes % MINUTES_PER_DAY;
        let small = |number: u64| u32::try_from(number).expect("it is below a small bound");
        CivilTime {
            year,
            month,
            day,
            hour: small(of_day / 60),
            minute: small(of_day % 60),
            micros: small(micros % MICROS_PER_MINUTE),
        }
    }

    /// Microseconds from 1970-01-01 00:00 to it; the reverse of [`Self::from_epoch_micros`]. Zero for earlier times.
    #[must_use]
    pub fn epoch_micros(&self) -> u64 {
        let days = u64::try_from(days_until(self.year, self.month, self.day)).unwrap_or(0);
        let minutes = days * MINUTES_PER_DAY + u64::from(self.hour) * 60 + u64::from(self.minute);
        minutes * MICROS_PER_MINUTE + u64::from(self.micros)
    }

    /// 0 is Monday, 6 Sunday.
    #[must_use]
    pub fn weekday(&self) -> u8 {
        // 1970-01-01 was a Thursday.
        u8::try_from((days_until(self.year, self.month, self.day) + 3).rem_euclid(7)).expect("a remainder of 7")
    }
}

impl fmt::Display for CivilTime {
    /// `2026-11-25 04:30:00.000000`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CivilTime { year, month, day, hour, minute, micros } = self;
        let (second, fraction) = (micros / 1_000_000, micros % 1_000_000);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{fraction:06}")
    }
}

/// The number of days of a month.
pub(super) fn days_of_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date. Years begin in March here, so that the leap day is a year's last one.
fn days_until(year: u32, month: u32, day: u32) -> i64 {
    let [year, month, day] = [year, month, day].map(i64::from);
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 153 days are the five months from March to July, and again from August to December.
    let days_before_month = (153 * month + 2) / 5;
    // 719,468 days from 0000-03-01 to 1970-01-01.
    year * 365 + leap_days + days_before_month + day - 1 - 719_468
}

/// The date that many days after 1970-01-01: the reverse of [`days_until`].
fn date_of(days: u64) -> (u32, u32, u32) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = days + 719_468;
    let (era, of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    (small(era * 400 + year_of_era + later), small(month), small(day))
}
