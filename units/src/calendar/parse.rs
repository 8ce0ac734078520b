//! Text -> CalendarSpec, as systemd's `calendar_spec_from_string`.

use super::chain::{Chain, Component, MICROS};
use super::civil::CivilTime;
use super::zone::is_zone;
use super::{CalendarSpec, Weekdays, YEARS, Zone};
use std::str::FromStr;

/// Most components of one list, as in systemd.
const MAX_COMPONENTS: usize = 241;

/// Why a text is no calendar event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no calendar event: {why}")]
pub struct CalendarError {
    text: String,
    why: String,
}

/// Words for whole events and the events they mean, in any case.
const SHORTHANDS: &[(&str, &str)] = &[
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
    ("annually", "*-01-01 00:00:00"),
    ("anually", "*-01-01 00:00:00"),
    ("quarterly", "*-01,04,07,10-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00"),
    ("semi-annually", "*-01,07-01 00:00:00"),
    ("biannually", "*-01,07-01 00:00:00"),
    ("bi-annually", "*-01,07-01 00:00:00"),
];

impl FromStr for CalendarSpec {
    type Err = CalendarError;

    /// # Errors
    /// Whatever systemd refuses; a zone whose name is none of the tz database, as far as its form tells.
    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let (event, zone) = split_zone(text);
        let shorthand = SHORTHANDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(event));
        let event = shorthand.map_or(event, |(_, means)| means);
        parse(event, zone).map_err(|why| CalendarError { text: text.to_owned(), why })
    }
}

/// The event without the zone at its end.
fn split_zone(text: &str) -> (&str, Zone) {
    match text.rsplit_once(' ') {
        Some((event, zone)) if zone.eq_ignore_ascii_case("UTC") => (event, Zone::Utc),
        Some((event, zone)) if is_zone(zone) => (event, Zone::Named(zone.to_owned())),
        _ => (text, Zone::Local),
    }
}

fn parse(event: &str, zone: Zone) -> Result<CalendarSpec, String> {
    if event.is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut scanner = Scanner { rest: event };
    let weekdays = Weekdays::of_bits(scanner.weekdays()?);
    let mut spec = match scanner.rest.strip_prefix('@') {
        Some(seconds) => moment(seconds)?,
        None => {
            let mut date = scanner.date()?;
            (date.hour, date.minute, date.micros) = scanner.time()?;
            CalendarSpec { zone, ..date }
        }
    };
    spec.weekdays = weekdays;
    in_range(&spec)?;
    Ok(spec)
}

/// The event of one moment, seconds after 1970 in UTC, whatever zone stands behind it.
fn moment(seconds: &str) -> Result<CalendarSpec, String> {
    let digits = seconds.trim_start();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let number = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let micros = number.and_then(|digits| digits.parse::<u64>().ok()?.checked_mul(1_000_000));
    let Some(micros) = micros else {
        return Err(format!("{seconds:?} is no number of seconds after 1970"));
    };
    let at = CivilTime::from_epoch_micros(micros);
    let [year, month, day, hour, minute, micros] =
        [at.year, at.month, at.day, at.hour, at.minute, at.micros].map(|one| Chain::new(vec![Component::one(one)]));
    let zone = Zone::Utc;
    Ok(CalendarSpec { weekdays: Weekdays::ALL, year, month, day, from_end: false, hour, minute, micros, zone })
}

/// Refuses numbers and repetitions that their field does not have.
fn in_range(spec: &CalendarSpec) -> Result<(), String> {
    let fields = [
        ("year", &spec.year, YEARS, false),
        ("month", &spec.month, (1, 12), false),
        ("day", &spec.day, (1, 31), spec.from_end),
        ("hour", &spec.hour, (0, 23), false),
        ("minute", &spec.minute, (0, 59), false),
        ("second", &spec.micros, (0, 60 * MICROS - 1), false),
    ];
    match fields.iter().find(|(_, chain, (low, high), from_end)| !chain.fits(*low, *high, *from_end)) {
        None => Ok(()),
        Some(("second", ..)) => Err("its second lies outside 0 to 59, or repeats beyond that".to_owned()),
        Some((_, _, (low, _), true)) => Err(format!("its day before the end of the month lies outside {low} to 28")),
        Some((name, _, (low, high), false)) => {
            Err(format!("its {name} lies outside {low} to {high}, or repeats beyond that"))
        }
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    /// What stands next: a byte of ASCII, `None` at the end. Text beyond ASCII fits nowhere.
    fn peek(&self) -> Option<u8> {
        self.rest.bytes().next()
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn here(&self) -> String {
        match self.rest {
            "" => "at its end".to_owned(),
            rest => format!("at {rest:?}"),
        }
    }

    /// `Mon`, `Mon,Wed`, `Mon..Fri`, and the old `Mon-Fri`: one bit for each day. None when it does not begin with a
    /// weekday.
    fn weekdays(&mut self) -> Result<u8, String> {
        let mut bits = 0u8;
        let mut range_from: Option<usize> = None;
        while let Some(day) = self.weekday()? {
            if range_from.is_some_and(|from| from > day) {
                return Err("a range of weekdays runs backwards; the week begins on Monday".to_owned());
            }
            for between in range_from.unwrap_or(day)..=day {
                bits |= 1 << between;
            }
            let separator = if self.rest.starts_with("..") { ".." } else { &self.rest[..self.rest.len().min(1)] };
            range_from = match (separator, range_from) {
                ("", _) => return Ok(bits),
                (" ", _) => None,
                (",", _) => None,
                (".." | "-", None) => Some(day),
                _ => return Err(format!("a list of weekdays cannot go on {}", self.here())),
            };
            if separator != " " {
                self.skip(separator.len());
            }
            if matches!(self.peek(), None | Some(b' ')) {
                self.skip_spaces();
                return if range_from.is_none() { Ok(bits) } else { Err("a range of weekdays has no end".to_owned()) };
            }
        }
        if bits == 0 { Ok(bits) } else { Err(format!("a weekday is missing {}", self.here())) }
    }

    /// The weekday that stands next, Monday is 0.
    fn weekday(&mut self) -> Result<Option<usize>, String> {
        let begins = |name: &str| self.rest.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name));
        let names = Weekdays::NAMES.iter().enumerate();
        let found = names.flat_map(|(day, name)| [(day, *name), (day, &name[..3])]).find(|(_, name)| begins(name));
        let Some((day, name)) = found else { return Ok(None) };
        self.skip(name.len());
        match self.peek() {
            None | Some(b'-' | b'.' | b',' | b' ') => Ok(Some(day)),
            Some(_) => Err(format!("a weekday cannot go on {}", self.here())),
        }
    }

    /// `year-month-day`, `month-day`, or nothing when a time of day stands next.
    fn date(&mut self) -> Result<CalendarSpec, String> {
        let any = CalendarSpec {
            weekdays: Weekdays::ALL,
            year: Chain::default(),
            month: Chain::default(),
            day: Chain::default(),
            from_end: false,
            hour: Chain::default(),
            minute: Chain::default(),
            micros: Chain::default(),
            zone: Zone::Local,
        };
        let before = self.rest;
        if before.is_empty() {
            return Ok(any);
        }
        let first = self.components(1)?;
        if matches!(self.peek(), None | Some(b':')) {
            self.rest = before;
            return Ok(any);
        }
        let from_end = self.date_separator()?;
        let second = self.components(1)?;
        if matches!(self.peek(), None | Some(b' ')) {
            self.skip_spaces();
            let (month, day) = (Chain::new(first), Chain::new(second));
            return Ok(CalendarSpec { from_end: from_end && !day.is_empty(), month, day, ..any });
        }
        if from_end {
            return Err("~ stands before the day alone".to_owned());
        }
        let from_end = self.date_separator()?;
        let third = self.components(1)?;
        if !matches!(self.peek(), None | Some(b' ')) {
            return Err(format!("a date cannot go on {}", self.here()));
        }
        self.skip_spaces();
        let (year, month, day) = (Chain::new(full_years(first)), Chain::new(second), Chain::new(third));
        Ok(CalendarSpec { from_end: from_end && !day.is_empty(), year, month, day, ..any })
    }

    /// `-`, or `~` before days that count from the end of the month.
    fn date_separator(&mut self) -> Result<bool, String> {
        let from_end = match self.peek() {
            Some(b'-') => false,
            Some(b'~') => true,
            _ => return Err(format!("a date cannot go on {}", self.here())),
        };
        self.skip(1);
        Ok(from_end)
    }

    /// `hour:minute:second`, `hour:minute`, or nothing, which is midnight. Nothing may follow.
    fn time(&mut self) -> Result<(Chain, Chain, Chain), String> {
        let zero = || Chain::new(vec![Component::one(0)]);
        if self.rest.is_empty() {
            return Ok((zero(), zero(), zero()));
        }
        let hour = Chain::new(self.components(1)?);
        self.colon()?;
        let minute = Chain::new(self.components(1)?);
        if self.rest.is_empty() {
            return Ok((hour, minute, zero()));
        }
        self.colon()?;
        let micros = Chain::new(self.components(MICROS)?);
        if !self.rest.is_empty() {
            return Err(format!("nothing can stand behind the seconds but a time zone; it goes on {}", self.here()));
        }
        Ok((hour, minute, micros))
    }

    fn colon(&mut self) -> Result<(), String> {
        if self.peek() != Some(b':') {
            return Err(format!("a time of day cannot go on {}", self.here()));
        }
        self.skip(1);
        Ok(())
    }

    /// `*`, or components with commas between them. `unit` is 1, or a million where fractions are allowed.
    fn components(&mut self, unit: u32) -> Result<Vec<Component>, String> {
        if self.peek() == Some(b'*') {
            self.skip(1);
            let every_second = Component { start: 0, stop: None, step: unit };
            return Ok(if unit == 1 { Vec::new() } else { vec![every_second] });
        }
        let mut found = Vec::new();
        loop {
            if found.len() == MAX_COMPONENTS {
                return Err(format!("a list has more than {MAX_COMPONENTS} entries"));
            }
            found.push(self.component(unit)?);
            match self.peek() {
                Some(b',') => self.skip(1),
                None | Some(b' ' | b'-' | b'~' | b':') => return Ok(found),
                Some(_) => return Err(format!("a number cannot go on {}", self.here())),
            }
        }
    }

    /// `start`, `start..stop`, `start/step`, `start..stop/step`
    fn component(&mut self, unit: u32) -> Result<Component, String> {
        let start = self.number(unit)?;
        let mut component = Component::one(start);
        if self.rest.starts_with("..") {
            self.skip(2);
            component.stop = Some(self.number(unit)?);
            component.step = unit;
        }
        if self.peek() == Some(b'/') {
            self.skip(1);
            component.step = self.number(unit)?;
            if component.step == 0 {
                return Err("it repeats every 0".to_owned());
            }
        } else if unit > 1 && component.stop.is_some_and(|stop| u64::from(start) + u64::from(unit) > u64::from(stop)) {
            return Err("a range of seconds shorter than one second needs a repetition, such as /0.1".to_owned());
        }
        Ok(component)
    }

    /// A number in `unit`ths; a fraction where there is a unit. Digits behind the sixth round it.
    fn number(&mut self, unit: u32) -> Result<u32, String> {
        let whole = self.digits();
        if whole.is_empty() {
            return Err(format!("a number is missing {}", self.here()));
        }
        let number = whole.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
        let mut number = number.filter(|number| i32::try_from(*number).is_ok());
        if unit > 1 && self.peek() == Some(b'.') && !self.rest.starts_with("..") {
            self.skip(1);
            let fraction = self.digits();
            if fraction.is_empty() {
                return Err(format!("a fraction is missing {}", self.here()));
            }
            number = number.and_then(|number| number.checked_add(millionths(fraction)));
        }
        number.ok_or_else(|| format!("the number {} is too large", shortened(whole)))
    }

    fn digits(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits
    }
}

/// `0.fraction` in millionths, rounded.
fn millionths(fraction: &str) -> u32 {
    let digit = |index: usize| fraction.as_bytes().get(index).map_or(0, |byte| u32::from(byte - b'0'));
    let floor = (0..6).fold(0, |value, index| value * 10 + digit(index));
    floor + u32::from(digit(6) >= 5)
}

fn shortened(digits: &str) -> &str {
    &digits[..digits.len().min(20)]
}

/// `12` is 2012, `89` is 1989.
fn full_years(mut components: Vec<Component>) -> Vec<Component> {
    let full = |year: u32| match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        _ => year,
    };
    for component in &mut components {
        component.start = full(component.start);
        component.stop = component.stop.map(full);
    }
    components
}
