//! Pressure stall information: /proc/pressure, or the pressure files of a slice's cgroup.

use super::unknown;
use fleet_units::conditions::{Fact, Pressure, Window};
use fleet_units::diagnostic::Reason;
use std::fs;

/// The pressure on `resource` (`memory`, `cpu`, `io`) that `argument` asks for, in hundredths of a percent.
pub(super) fn fact(resource: &str, argument: &str) -> Result<Fact, Reason> {
    // What is no argument is never met; that is said where it is compared.
    let Ok(asked) = argument.parse::<Pressure>() else { return Ok(Fact::Number(u64::MAX)) };
    let (path, line) = match &asked.slice {
        // Of the whole host, full pressure on CPUs is not defined.
        None => (format!("/proc/pressure/{resource}"), if resource == "cpu" { "some" } else { "full" }),
        Some(slice) => (format!("/sys/fs/cgroup/{}/{resource}.pressure", folder(slice)), "full"),
    };
    let text = fs::read_to_string(&path).map_err(|error| unknown(format!("{path}: {error}")))?;
    let now = average(&text, line, asked.window).or_else(|| average(&text, "some", asked.window));
    now.map(Fact::Number).ok_or_else(|| unknown(format!("{path} has no such average")))
}

/// `a-b.slice` lies in `a.slice/a-b.slice` (systemd.slice(5)).
fn folder(slice: &str) -> String {
    let stem = slice.strip_suffix(".slice").unwrap_or(slice);
    if stem == "-" || stem.contains('/') {
        return String::new();
    }
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
    ends.map(|end| format!("{}.slice", &stem[..end])).collect::<Vec<_>>().join("/")
}

/// `some avg10=0.00 avg60=1.50 avg300=0.00 total=0` -> 150 for the minute.
fn average(text: &str, line: &str, window: Window) -> Option<u64> {
    let name = match window {
        Window::TenSeconds => "avg10=",
        Window::Minute => "avg60=",
        Window::FiveMinutes => "avg300=",
    };
    let words = text.lines().find_map(|told| told.strip_prefix(line))?;
    let number = words.split_whitespace().find_map(|word| word.strip_prefix(name))?;
    let (whole, fraction) = number.split_once('.')?;
    Some(whole.parse::<u64>().ok()? * 100 + fraction.get(..2)?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_are_in_hundredths_of_a_percent() {
        let text = "some avg10=1.25 avg60=0.00 avg300=12.50 total=5\nfull avg10=0.10 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(average(text, "some", Window::TenSeconds), Some(125));
        assert_eq!(average(text, "some", Window::FiveMinutes), Some(1250));
        assert_eq!(average(text, "full", Window::TenSeconds), Some(10));
        assert_eq!(average("", "some", Window::Minute), None);
    }

    #[test]
    fn slices_lie_in_one_another() {
        assert_eq!(folder("user.slice"), "user.slice");
        assert_eq!(folder("a-b-c.slice"), "a.slice/a-b.slice/a-b-c.slice");
        assert_eq!(folder("-.slice"), "");
        assert_eq!(folder("../../etc"), "");
    }
}
