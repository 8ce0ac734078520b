//! Calendar events, the values of `OnCalendar=` (systemd.time(7), "Calendar Events").
//!
//! ```text
//! text --parse--> CalendarSpec --Display--> normalized form
//!                 CalendarSpec + CivilTime --next--> CivilTime of the next elapse
//! ```
//! Pure: no clock, no files of time zones. A zone is kept as text; who knows its rules turns moments into civil time
//! of that zone, and back.

mod chain;
mod civil;
mod next;
mod parse;
mod zone;

pub use civil::CivilTime;
pub use parse::CalendarError;
pub use zone::Zone;

use chain::{Chain, MICROS};
use std::fmt;

/// The first and the last year of a calendar event, as in systemd.
pub(crate) const YEARS: (u32, u32) = (1970, 2199);

/// One calendar event: `Mon..Fri *-*-* 09:00:00 Europe/Berlin`. Parsed with `FromStr`; shown in systemd's normalized
/// form, which parses to the same again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CalendarSpec {
    weekdays: Weekdays,
    year: Chain,
    month: Chain,
    /// Days from the first of the month, or from its last one when `from_end`.
    day: Chain,
    /// `~`: 1 is the last day of the month.
    from_end: bool,
    hour: Chain,
    minute: Chain,
    /// Microseconds of the minute.
    micros: Chain,
    zone: Zone,
}

impl CalendarSpec {
    /// The zone it is meant in; [`Zone::Local`] when none is given.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }
}

impl fmt::Display for CalendarSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.weekdays)?;
        self.year.show(f, 4, 1)?;
        f.write_str("-")?;
        self.month.show(f, 2, 1)?;
        f.write_str(if self.from_end { "~" } else { "-" })?;
        self.day.show(f, 2, 1)?;
        f.write_str(" ")?;
        self.hour.show(f, 2, 1)?;
        f.write_str(":")?;
        self.minute.show(f, 2, 1)?;
        f.write_str(":")?;
        self.micros.show(f, 2, MICROS)?;
        match &self.zone {
            Zone::Local => Ok(()),
            Zone::Utc => f.write_str(" UTC"),
            Zone::Named(name) => write!(f, " {name}"),
        }
    }
}

/// A set of weekdays; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Weekdays(u8);

impl Weekdays {
    const NAMES: [&'static str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    const ALL: Weekdays = Weekdays(0b111_1111);

    /// The set of these bits, Monday the lowest; all days when there is none.
    fn of_bits(bits: u8) -> Self {
        if bits == 0 { Weekdays::ALL } else { Weekdays(bits & Weekdays::ALL.0) }
    }

    /// Whether the day is one of them; 0 is Monday.
    fn has(self, day: u8) -> bool {
        self.0 & (1 << day) != 0
    }
}

impl fmt::Display for Weekdays {
    /// `Mon..Wed,Fri` and a space; nothing for all days.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Weekdays::ALL {
            return Ok(());
        }
        let short = |day: u8| &Weekdays::NAMES[usize::from(day)][..3];
        let mut day = 0;
        let mut comma = "";
        while day < 7 {
            let first = day;
            while day < 7 && self.has(day) {
                day += 1;
            }
            match day - first {
                0 => day += 1,
                length => {
                    write!(f, "{comma}{}", short(first))?;
                    comma = ",";
                    if length > 1 {
                        write!(f, "{}{}", if length == 2 { "," } else { ".." }, short(day - 1))?;
                    }
                }
            }
        }
        f.write_str(" ")
    }
}

#[cfg(test)]
mod tests;
