//! Time spans against `systemd-analyze timespan`: what is one, and how many microseconds it has.

use super::{Random, assert_none, of_each_seed, oracle, printed};
use fleet_units::spec::value::time_span;

const REAL: &[&str] = &[
    "90",
    "1min 30s",
    "5min 20s",
    "2 h",
    "2hours",
    "48hr",
    "1y 12month",
    "55s500ms",
    "300ms20s 5day",
    "infinity",
    " infinity ",
    "infinity 5s",
    "1M 1m",
    "7us",
    "7\u{b5}s",
    "7\u{3bc}s",
    ".5h",
    "1.5h",
    "0.0000001M",
    "1.23456789s",
    "12.34 .56",
    "12.34s.56",
    "12.34.56",
    "5 20",
    "5 +3",
    "5+3",
    "+5",
    "++5",
    "+.5",
    "-1",
    "5-3",
    "5 -3",
    "",
    " ",
    "s",
    "5x",
    "5mx",
    "5minx",
    "5min3",
    "5m3s",
    "5.s",
    "5.",
    ".",
    "1e3",
    "0",
    "00005",
    "584541y",
    "584542y",
    "213503981d",
    "213503982d",
    "9223372036854775807us",
    "9223372036854775808us",
    "18446744073708s",
    "18446744073709s",
    "1d1d1d",
    "3 days 2 weeks",
    "1 second 1 seconds",
    "5\tmin",
    "5 min\n",
    "5Min",
    "5MIN",
    "5S",
    "1msec1usec",
];

fn span(random: &mut Random) -> String {
    const UNITS: [&str; 32] = [
        "", "", "us", "usec", "\u{b5}s", "ms", "msec", "s", "sec", "second", "seconds", "m", "min", "minute",
        "minutes", "h", "hr", "hour", "hours", "d", "day", "days", "w", "week", "weeks", "M", "month", "months", "y",
        "year", "years", "x",
    ];
    let mut text = String::new();
    for _ in 0..=random.below(3) {
        text += random.of(&["", " ", "  ", "\t"]);
        text += &random.below(10_000).to_string();
        if random.below(4) == 0 {
            text += &format!(".{}", random.below(1_000_000));
        }
        text += random.of(&["", " "]);
        text += random.of(&UNITS);
    }
    if random.below(4) == 0 { random.damaged(&text, "0123456789.+- smhMyx") } else { text }
}

/// Microseconds, infinity as systemd counts it.
fn ours(text: &str) -> Option<u64> {
    let span = time_span(text).ok()?;
    Some(span.map_or(u64::MAX, |span| u64::try_from(span.as_micros()).unwrap()))
}

fn theirs(output: &str) -> Vec<u64> {
    let count = |line: &str| {
        let (field, value) = line.trim_start().split_once(':')?;
        ["\u{3bc}s", "\u{b5}s", "us"].contains(&field).then(|| value.trim().parse().unwrap())
    };
    output.lines().filter_map(count).collect()
}

#[test]
fn time_spans_are_those_of_systemd() {
    let test = "time_spans_are_those_of_systemd";
    let mut spans: Vec<String> = REAL.iter().map(|text| (*text).to_owned()).collect();
    spans.extend(of_each_seed(500, span));
    // It stops at the first that is none: those we read go into one call, the others have one each.
    let (good, bad): (Vec<&String>, Vec<&String>) = spans.iter().partition(|text| ours(text).is_some());
    let mut differences = Vec::new();
    let Some(mut command) = oracle(test, "systemd-analyze") else { return };
    let answers = theirs(&printed(command.args(["timespan", "--"]).args(&good)));
    for (index, text) in good.iter().enumerate() {
        match (ours(text), answers.get(index)) {
            (own, Some(answer)) if own == Some(*answer) => {}
            (own, answer) => {
                differences.push(format!("{text:?}: systemd {answer:?}, fleet {own:?}"));
                if answer.is_none() {
                    break;
                }
            }
        }
    }
    for text in bad {
        let Some(mut command) = oracle(test, "systemd-analyze") else { return };
        let answers = theirs(&printed(command.args(["timespan", "--", text])));
        if !answers.is_empty() {
            differences.push(format!("{text:?}: systemd {answers:?}, fleet refuses it"));
        }
    }
    assert_none(&differences);
}
