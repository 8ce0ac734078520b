//! Times as people and programs write them: RFC 3339 in JSON, ages in tables, `--since 10m` on the command line.

use jiff::{SignedDuration, Timestamp as Instant, tz::TimeZone};
use std::time::Duration;

/// Microseconds since 1970 as RFC 3339 UTC with microseconds and Z; `None` for 0, which means "never".
pub(crate) fn rfc3339(micros: u64) -> Option<String> {
    instant(micros).map(|instant| instant.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
}

/// Microseconds since 1970 as people of this host's time zone read it; `-` for 0.
pub(crate) fn local(micros: u64) -> String {
    match instant(micros) {
        Some(instant) => instant.to_zoned(TimeZone::system()).strftime("%b %d %H:%M:%S").to_string(),
        None => "-".to_owned(),
    }
}

fn instant(micros: u64) -> Option<Instant> {
    let micros = i64::try_from(micros).ok().filter(|micros| *micros > 0)?;
    Instant::from_microsecond(micros).ok()
}

/// Now, in microseconds since 1970.
pub(crate) fn now() -> u64 {
    u64::try_from(Instant::now().as_microsecond()).unwrap_or_default()
}

/// How long ago `micros` was, in the two largest units: `42s`, `3m10s`, `2h5m`, `4d3h`; `-` for 0.
pub(crate) fn age(micros: u64, now: u64) -> String {
    if micros == 0 {
        return "-".to_owned();
    }
    span(now.saturating_sub(micros) / 1_000_000)
}

/// How long until `micros`; `expired` when that is over.
pub(crate) fn until(micros: u64, now: u64) -> String {
    if micros <= now { "expired".to_owned() } else { span((micros - now) / 1_000_000) }
}

/// A number of seconds in its two largest units.
pub(crate) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let pair = |large: u64, unit: &str, small: u64, sub: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{sub}"),
    };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => pair(minutes, "m", seconds % 60, "s"),
        3600..86400 => pair(hours, "h", minutes % 60, "m"),
        _ => pair(days, "d", hours % 24, "h"),
    }
}

/// A time span as in systemd.time(7): `90`, `5m`, `1h 30min`, `2days`. A bare number means seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err("it is empty; write for example 5m or 1h 30min".to_owned());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| format!("there is no number before {rest:?}"))?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let micros = unit_micros(&rest[..letters])
            .ok_or_else(|| format!("{:?} is no unit of time; there are ms, s, min, h, d, w", &rest[..letters]))?;
        let part = number.checked_mul(micros).map(Duration::from_micros);
        total = part.and_then(|part| total.checked_add(part)).ok_or("it is too long")?;
        rest = rest[letters..].trim_start();
    }
    Ok(total)
}

/// The words of systemd.time(7), without months and years.
fn unit_micros(unit: &str) -> Option<u64> {
    Some(match unit {
        "us" | "usec" => 1,
        "ms" | "msec" => 1_000,
        "" | "s" | "sec" | "second" | "seconds" => 1_000_000,
        "m" | "min" | "minute" | "minutes" => 60_000_000,
        "h" | "hr" | "hour" | "hours" => 3_600_000_000,
        "d" | "day" | "days" => 86_400_000_000,
        "w" | "week" | "weeks" => 604_800_000_000,
        _ => return None,
    })
}

/// A point in time, in microseconds since 1970: a span before now (`10m`, `2h ago`, `-1h`), RFC 3339,
/// `2026-11-20 12:00[:30]`, `2026-11-20`, `12:00` (today), `now`, `today`, `yesterday`; without a zone it is this host's.
pub(crate) fn parse_moment(text: &str) -> Result<u64, String> {
    parse_moment_at(text, &Instant::now().to_zoned(TimeZone::system()))
}

fn parse_moment_at(text: &str, now: &jiff::Zoned) -> Result<u64, String> {
    let text = text.trim();
    let midnight = |days: i64| {
        let date = now.date().checked_sub(jiff::Span::new().days(days)).map_err(|error| error.to_string())?;
        civil(date.at(0, 0, 0, 0), now)
    };
    match text {
        "now" => return micros(now.timestamp()),
        "today" => return midnight(0),
        "yesterday" => return midnight(1),
        _ => {}
    }
    let span = text.strip_suffix("ago").or_else(|| text.strip_prefix('-')).unwrap_or(text);
    if let Ok(duration) = parse_duration(span) {
        let duration = SignedDuration::try_from(duration).map_err(|error| error.to_string())?;
        return now.timestamp().checked_sub(duration).map_err(|error| error.to_string()).and_then(micros);
    }
    if let Ok(instant) = text.parse::<Instant>() {
        return micros(instant);
    }
    // Dates first, and times only with a colon: else the time's parser reads 2026-13-01 as 20:26 with an offset.
    if let Ok(datetime) = text.parse::<jiff::civil::DateTime>() {
        return civil(datetime, now);
    }
    if let Some(time) = text.contains(':').then(|| text.parse::<jiff::civil::Time>().ok()).flatten() {
        return civil(now.date().to_datetime(time), now);
    }
    Err("write a span before now (10m), a time of today (12:00), or a date and time (2026-11-20 12:00:00)".to_owned())
}

fn civil(datetime: jiff::civil::DateTime, now: &jiff::Zoned) -> Result<u64, String> {
    datetime.to_zoned(now.time_zone().clone()).map_err(|error| error.to_string()).and_then(|at| micros(at.timestamp()))
}

fn micros(instant: Instant) -> Result<u64, String> {
    u64::try_from(instant.as_microsecond()).map_err(|_| "it is before 1970".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_show_their_two_largest_units() {
        let ages = [0, 59, 60, 190, 7200, 7500, 90000].map(span);
        assert_eq!(ages, ["0s", "59s", "1m", "3m10s", "2h", "2h5m", "1d1h"]);
        assert_eq!(age(0, 5), "-");
    }

    #[test]
    fn json_times_have_microseconds_and_z() {
        assert_eq!(rfc3339(1_700_000_000_000_042).as_deref(), Some("2023-11-14T22:13:20.000042Z"));
        assert_eq!(rfc3339(0), None);
    }

    #[test]
    fn durations_are_those_of_systemd() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h 30min"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("1m500ms"), Ok(Duration::from_millis(60_500)));
        for wrong in ["", "h", "5 parsecs", "-3", "99999999999999999999", "18446744073709551615w"] {
            assert!(parse_duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn moments_are_spans_clock_times_or_dates() {
        let now: jiff::Zoned = "2026-11-20T12:30:00[UTC]".parse().unwrap();
        let at = |text| parse_moment_at(text, &now).map(|micros| rfc3339(micros).unwrap());
        assert_eq!(at("10m").unwrap(), "2026-11-20T12:20:00.000000Z");
        assert_eq!(at("2h ago").unwrap(), "2026-11-20T10:30:00.000000Z");
        assert_eq!(at("09:15").unwrap(), "2026-11-20T09:15:00.000000Z");
        assert_eq!(at("2026-11-19").unwrap(), "2026-11-19T00:00:00.000000Z");
        assert_eq!(at("2026-11-19 08:00").unwrap(), "2026-11-19T08:00:00.000000Z");
        assert_eq!(at("2026-11-19T08:00:00.5+01:00").unwrap(), "2026-11-19T07:00:00.500000Z");
        assert_eq!(at("yesterday").unwrap(), "2026-11-19T00:00:00.000000Z");
        for wrong in ["", "soon", "2026-13-01"] {
            assert!(at(wrong).is_err(), "{wrong:?}");
        }
    }
}
