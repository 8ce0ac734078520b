//! Calendar events against `systemd-analyze calendar`: what is one, its normalized form, when it elapses in UTC.

use super::{Random, assert_none, of_each_seed, oracle, printed};
use fleet_units::calendar::{CalendarSpec, CivilTime, Zone};

const ITERATIONS: usize = 4;
/// Each with its microseconds since 1970.
const BASES: [(&str, u64); 3] = [
    ("2024-02-28 23:59:58", 1_709_164_798_000_000),
    ("1999-12-31 12:00:00", 946_641_600_000_000),
    ("2195-06-15 03:04:05", 7_114_619_045_000_000),
];

/// As they stand in unit files of packages and in systemd.time(7), good and bad.
const REAL: &[&str] = &[
    "minutely",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "yearly",
    "annually",
    "anually",
    "quarterly",
    "semiannually",
    "semi-annually",
    "biannually",
    "bi-annually",
    "DAILY",
    "Weekly UTC",
    "daily utc",
    "*-*-* 6,18:00",
    "*-*-* 00:00:00",
    "Sun *-*-* 01:30",
    "Mon *-*-* 00:20:00",
    "*-*-* 4:50:00",
    "*-*-1..7 18:00:00",
    "Mon,Tue *-*-01..04 12:00:00",
    "Sat *-*-8..14 02:00",
    "*:0/15",
    "*:00/30",
    "*-*-* *:5/10:00",
    "0/2:00",
    "0,12:00",
    "Mon..Fri 22:30",
    "Mon-Fri 22:30",
    "Sat,Sun 08:05:40",
    "*-02~01",
    "*-*~1",
    "Mon *-05~07/1",
    "*-*~03..01",
    "*-*~1..3",
    "*-*~5,1/7",
    "*-02-29",
    "Mon *-02-29",
    "*-02-30",
    "2012-10-15",
    "12-10-15 1:2:3",
    "70-1-1",
    "69-1-1",
    "99..01-1-1",
    "2003-2..4-5",
    "@1395716396",
    "@0",
    "@+7",
    "@ 7",
    "@7252000000",
    "Mon @1395716396",
    "@9999999999",
    "@-1",
    "@x",
    "@1 12:00",
    "*:*:*",
    "*:*:0/1",
    "*:*:0.5",
    "*:*:0/0.7",
    "*:*:1.5/3.25",
    "05:40:23.4200004/3.1700005",
    "*:*:0..5",
    "*:*:0..0.5",
    "*:*:0..9/0.5",
    "*:*:59.9999999",
    "*:*:59.9999994",
    "*:*:0,0.1/0.7",
    "0:0:60",
    "24:00",
    "23:60",
    "*/2:00",
    "1,:00",
    ",1:00",
    "1..:00",
    "1../2:00",
    "5..5:00",
    "5..3:00",
    "5..9/4:00",
    "5..9/5:00",
    "5/0:00",
    "5/19:00",
    "5/18:00",
    "*-*-31",
    "*-4-31",
    "*-1/3-1",
    "*-12/3-1",
    "*-*-28/3",
    "*-*-31/1",
    "2000/100-1-1",
    "1970-1-1",
    "1969-12-31",
    "2199-12-31",
    "2200-1-1",
    "Wed, 17:48",
    "Wed,, 17:48",
    "Wed.. 17:48",
    "Wed..Mon 17:48",
    "Wed..Wed",
    "Wed",
    "wednesday",
    "Wedn",
    "Mon..Sun",
    "Mon,Tue,Wed,Thu,Fri,Sat,Sun 1:1",
    "Mon,Wed..Fri,Sun",
    "Tue..Wed,Fri..Sat",
    "Mon 12",
    "12",
    "",
    " ",
    "daily ",
    " daily",
    "daily  UTC",
    "Mon  12:00",
    "Mon 12:00  UTC",
    "UTC",
    "12:00 Europe/Berlin",
    "12:00 CET",
    "12:00 Fri",
    "12:00 Foo/Bar",
    "12:00 Etc/GMT+5",
    "daily Asia/Tokyo",
    "2020~1~1",
    "2020-1~1",
    "2020~1-1",
    "1~1",
    "*-*-* *:*:* *",
    "1:2:3:4",
    "1:2:3.",
    "1:2:.5",
    "0x1:00",
    "+1:00",
    "01:00/5",
    "*-*-1.5",
    "00:00:00.1/0.0000001",
    "99999999999:00",
    "0:0:2147",
    "0:0:2148",
    "0:0:99999999999999999999",
    "1970..2199/229-1-1",
    "*-*-1/30",
];

fn number(random: &mut Random, low: usize, high: usize) -> String {
    let one = |random: &mut Random| low + random.below(high - low + 2);
    match random.below(10) {
        0..4 => "*".to_owned(),
        4..7 => one(random).to_string(),
        7 => format!("{}/{}", one(random), random.below(9)),
        8 => format!("{}..{}", one(random), one(random)),
        _ => format!("{}..{}/{},{}", one(random), one(random), 1 + random.below(5), one(random)),
    }
}

fn expression(random: &mut Random) -> String {
    let days = ["", "", "Mon ", "Sat,Sun ", "tue..friday ", "Wed,Fri.. ", "Sun..Mon "];
    let second = |random: &mut Random| match random.below(3) {
        0 => number(random, 0, 59),
        1 => format!("{}.{}", random.below(60), random.below(10_000_000)),
        _ => format!("{}.{}/{}.{}", random.below(60), random.below(100), random.below(9), random.below(1000)),
    };
    let mut text = random.of(&days).to_owned();
    let dash = random.of(&["-", "-", "-", "~"]);
    match random.below(4) {
        0 => {}
        1 => text += &format!("{}{dash}{}", number(random, 1, 12), number(random, 1, 31)),
        _ => {
            text += &format!("{}-{}{dash}{}", number(random, 2020, 2030), number(random, 1, 12), number(random, 1, 31));
        }
    }
    if random.below(4) > 0 {
        text += &format!(" {}:{}", number(random, 0, 23), number(random, 0, 59));
        if random.below(3) > 0 {
            text += &format!(":{}", second(random));
        }
    }
    let text = text.trim().to_owned();
    let text = if random.below(5) == 0 { random.damaged(&text, "0123456789*/.,:-~@ MonF") } else { text };
    // The place of a zone is not looked up here, so the zone stays whole.
    text + random.of(&["", "", "", " UTC", " Europe/Berlin"])
}

/// What is said of each expression: nothing when it is none, else its normalized form and the times in UTC. Of events
/// in another zone the form alone.
fn ours(text: &str, base: u64) -> Option<Vec<String>> {
    let spec: CalendarSpec = text.parse().ok()?;
    let mut lines = vec![spec.to_string()];
    if matches!(spec.zone(), Zone::Named(_)) {
        return Some(lines);
    }
    let mut time = CivilTime::from_epoch_micros(base);
    for _ in 0..ITERATIONS {
        match spec.next_after(time) {
            Some(next) => time = next,
            None if lines.len() == 1 => {
                lines.push("never".to_owned());
                break;
            }
            None => break,
        }
        let day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][usize::from(time.weekday())];
        lines.push(format!("{day} {} UTC", &time.to_string()[..19]));
    }
    Some(lines)
}

/// The answers of one call, in the order of the expressions: each is a block of lines, or nothing, and an empty line
/// stands between two.
fn theirs(output: &str, expressions: &[String]) -> Vec<Option<Vec<String>>> {
    let mut lines = output.lines();
    let answer = |text: &String| {
        let mut block = Vec::new();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            let (field, value) = line.trim_start().split_once(": ").unwrap_or((line, ""));
            if field == "Normalized form" || field == "Next elapse" || field.starts_with("Iter") {
                block.push(value.to_owned());
            }
        }
        let zoned = text.parse::<CalendarSpec>().is_ok_and(|spec| matches!(spec.zone(), Zone::Named(_)));
        if zoned {
            block.truncate(1);
        }
        (!block.is_empty()).then_some(block)
    };
    expressions.iter().map(answer).collect()
}

#[test]
fn calendar_events_are_those_of_systemd() {
    let mut expressions: Vec<String> = REAL.iter().map(|text| (*text).to_owned()).collect();
    expressions.extend(of_each_seed(1200, expression));
    let mut differences = Vec::new();
    for (base, micros) in BASES {
        for chunk in expressions.chunks(400) {
            let Some(mut command) = oracle("calendar_events_are_those_of_systemd", "systemd-analyze") else { return };
            command.args(["calendar", &format!("--base-time={base} UTC"), &format!("--iterations={ITERATIONS}"), "--"]);
            let answers = theirs(&printed(command.args(chunk)), chunk);
            for (text, answer) in chunk.iter().zip(answers) {
                let own = ours(text, micros);
                // Nothing is printed either when the search in a zone ends at a change of its clocks.
                if answer.is_none() && own.as_ref().is_some_and(|own| own.len() == 1) {
                    continue;
                }
                if own != answer {
                    differences.push(format!("{text:?} from {base}:\n  systemd {answer:?}\n  fleet   {own:?}"));
                }
            }
        }
    }
    assert_none(&differences);
}
