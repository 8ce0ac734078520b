use super::*;
use proptest::prelude::*;

fn normalized(text: &str) -> Result<String, String> {
    text.parse::<CalendarSpec>().map(|spec| spec.to_string()).map_err(|error| error.to_string())
}

/// The examples of systemd.time(7), "Calendar Events", with the normalized forms given there.
#[test]
fn the_examples_of_the_manual_have_its_normalized_forms() {
    for (text, expected) in [
        ("Sat,Thu,Mon..Wed,Sat..Sun", "Mon..Thu,Sat,Sun *-*-* 00:00:00"),
        ("Mon,Sun 12-*-* 2,1:23", "Mon,Sun 2012-*-* 01,02:23:00"),
        ("Wed *-1", "Wed *-*-01 00:00:00"),
        ("Wed..Wed,Wed *-1", "Wed *-*-01 00:00:00"),
        ("Wed, 17:48", "Wed *-*-* 17:48:00"),
        ("Wed..Sat,Tue 12-10-15 1:2:3", "Tue..Sat 2012-10-15 01:02:03"),
        ("*-*-7 0:0:0", "*-*-07 00:00:00"),
        ("10-15", "*-10-15 00:00:00"),
        ("monday *-12-* 17:00", "Mon *-12-* 17:00:00"),
        ("Mon,Fri *-*-3,1,2 *:30:45", "Mon,Fri *-*-01,02,03 *:30:45"),
        ("12,14,13,12:20,10,30", "*-*-* 12,13,14:10,20,30:00"),
        ("12..14:10,20,30", "*-*-* 12..14:10,20,30:00"),
        ("mon,fri *-1/2-1,3 *:30:45", "Mon,Fri *-01/2-01,03 *:30:45"),
        ("03-05 08:05:40", "*-03-05 08:05:40"),
        ("08:05:40", "*-*-* 08:05:40"),
        ("05:40", "*-*-* 05:40:00"),
        ("Sat,Sun 12-05 08:05:40", "Sat,Sun *-12-05 08:05:40"),
        ("Sat,Sun 08:05:40", "Sat,Sun *-*-* 08:05:40"),
        ("2003-03-05 05:40", "2003-03-05 05:40:00"),
        ("05:40:23.4200004/3.1700005", "*-*-* 05:40:23.420000/3.170001"),
        ("2003-02..04-05", "2003-02..04-05 00:00:00"),
        ("2003-03-05 05:40 UTC", "2003-03-05 05:40:00 UTC"),
        ("2003-03-05", "2003-03-05 00:00:00"),
        ("03-05", "*-03-05 00:00:00"),
        ("hourly", "*-*-* *:00:00"),
        ("daily", "*-*-* 00:00:00"),
        ("daily UTC", "*-*-* 00:00:00 UTC"),
        ("monthly", "*-*-01 00:00:00"),
        ("weekly", "Mon *-*-* 00:00:00"),
        ("weekly Pacific/Auckland", "Mon *-*-* 00:00:00 Pacific/Auckland"),
        ("yearly", "*-01-01 00:00:00"),
        ("annually", "*-01-01 00:00:00"),
        ("*:2/3", "*-*-* *:02/3:00"),
        ("*-02~03", "*-02~03 00:00:00"),
        ("Mon *-05~07/1", "Mon *-05~07/1 00:00:00"),
        ("@1395716396", "2014-03-25 02:59:56 UTC"),
    ] {
        assert_eq!(normalized(text).as_deref(), Ok(expected), "{text:?}");
    }
}

#[test]
fn what_systemd_refuses_is_refused_with_the_reason() {
    for (text, why) in [
        ("", "it is empty"),
        ("7", "a time of day cannot go on at its end"),
        ("24:00", "its hour lies outside 0 to 23"),
        ("*-13-01", "its month lies outside 1 to 12"),
        ("*-*~29", "its day before the end of the month lies outside 1 to 28"),
        ("1969-01-01", "its year lies outside 1970 to 2199"),
        ("*/2:00", "a date cannot go on at \"/2:00\""),
        ("Sun..Mon 12:00", "runs backwards"),
        ("Mon.. 12:00", "a range of weekdays has no end"),
        ("Mon..Wed..Fri", "a list of weekdays cannot go on"),
        ("Funday 12:00", "a number is missing at \"Funday 12:00\""),
        ("Monta", "a weekday cannot go on at \"ta\""),
        ("12:00:60", "its second lies outside"),
        ("12:00:00.5..01.2", "shorter than one second"),
        ("12:00:0/0", "it repeats every 0"),
        ("12:00:00 noon", "nothing can stand behind the seconds"),
        ("12:00 Europe/../x", "a time of day cannot go on"),
        ("12:00 CEST", "a time of day cannot go on at \" CEST\""),
        ("@-1", "no number of seconds"),
        ("@18446744073709551616", "no number of seconds"),
        ("*-*-* 1,:00", "a number is missing at \":00\""),
        ("9999999999:00", "the number 9999999999 is too large"),
        ("12:00\u{e9}", "a number cannot go on"),
    ] {
        let error = normalized(text).unwrap_err();
        assert!(error.contains(why), "{text:?}: {error}");
    }
    let many = |count: usize| format!("*-*-* 00:00:{}", vec!["1"; count].join(","));
    assert!(normalized(&many(241)).is_ok());
    assert!(normalized(&many(242)).is_err());
}

#[test]
fn civil_time_and_microseconds_since_1970_are_two_ways_to_say_the_same() {
    for (micros, text) in [
        (0, "1970-01-01 00:00:00.000000"),
        (951_782_399_999_999, "2000-02-28 23:59:59.999999"),
        (951_868_800_000_001, "2000-03-01 00:00:00.000001"),
        (4_107_542_400_000_000, "2100-03-01 00:00:00.000000"),
        (7_258_118_399_000_000, "2199-12-31 23:59:59.000000"),
    ] {
        let time = CivilTime::from_epoch_micros(micros);
        assert_eq!(time.to_string(), text);
        assert_eq!(time.epoch_micros(), micros);
    }
    assert_eq!(CivilTime::from_epoch_micros(0).weekday(), 3);
    assert_eq!(CivilTime::from_epoch_micros(u64::MAX).epoch_micros(), u64::MAX);
}

#[test]
fn the_last_days_of_a_month_follow_its_length() {
    let spec: CalendarSpec = "*-02~01".parse().unwrap();
    let mut time = CivilTime::from_epoch_micros(1_700_000_000_000_000);
    let mut found = Vec::new();
    for _ in 0..3 {
        time = spec.next_after(time).unwrap();
        found.push(time.to_string());
    }
    assert_eq!(found, ["2024-02-29 00:00:00.000000", "2025-02-28 00:00:00.000000", "2026-02-28 00:00:00.000000"]);
}

#[test]
fn what_never_elapses_and_what_is_over_ends() {
    let now = CivilTime::from_epoch_micros(1_700_000_000_000_000);
    for text in ["*-02-30", "2020-01-01", "@5", "Mon 2024-01-02"] {
        assert_eq!(text.parse::<CalendarSpec>().unwrap().next_after(now), None, "{text:?}");
    }
    let minutely: CalendarSpec = "minutely".parse().unwrap();
    assert_eq!(minutely.next_after(CivilTime::from_epoch_micros(u64::MAX)), None);
    assert_eq!(minutely.next_after(CivilTime::from_epoch_micros(7_258_118_399_000_000)), None);
}

/// Expressions that are likely to be good, of every form there is.
fn expression() -> impl Strategy<Value = String> {
    let number = |low: u32, high: u32| {
        prop_oneof![
            4 => Just("*".to_owned()),
            4 => (low..=high).prop_map(|number| number.to_string()),
            2 => (low..=high, 1..=5u32).prop_map(|(number, step)| format!("{number}/{step}")),
            2 => (low..=high, 0..=9u32, 1..=5u32).prop_map(|(from, more, step)| format!("{from}..{}/{step}", from + more)),
            1 => (low..=high, low..=high).prop_map(|(one, two)| format!("{one},{two}")),
        ]
    };
    let day = prop_oneof![Just(""), Just("Mon "), Just("sat,sun "), Just("Tue..Friday ")];
    let second =
        prop_oneof![number(0, 59), (0..59u32, 1..99u32).prop_map(|(whole, part)| format!("{whole}.{part:02}/2.5"))];
    let zone = prop_oneof![Just(""), Just(" UTC"), Just(" Europe/Berlin")];
    let dash = prop_oneof![3 => Just("-"), 1 => Just("~")];
    (day, number(2020, 2040), number(1, 12), dash, number(1, 28), number(0, 23), number(0, 59), second, zone).prop_map(
        |(day, year, month, dash, of_month, hour, minute, second, zone)| {
            format!("{day}{year}-{month}{dash}{of_month} {hour}:{minute}:{second}{zone}")
        },
    )
}

proptest! {
    #[test]
    fn the_normalized_form_means_the_same_and_is_its_own(text in expression(), from in 0..4_000_000_000u64) {
        let Ok(spec) = text.parse::<CalendarSpec>() else { return Ok(()) };
        let shown = spec.to_string();
        let again: CalendarSpec = shown.parse().unwrap();
        prop_assert_eq!(again.to_string(), shown);
        let time = CivilTime::from_epoch_micros(from * 1_000_000);
        prop_assert_eq!(again.next_after(time), spec.next_after(time));
    }

    #[test]
    fn the_next_elapse_is_later_and_every_field_of_it_matches(text in expression(), from in 0..4_000_000_000_000_000u64) {
        let Ok(spec) = text.parse::<CalendarSpec>() else { return Ok(()) };
        let time = CivilTime::from_epoch_micros(from);
        let Some(next) = spec.next_after(time) else { return Ok(()) };
        prop_assert!(next > time, "{} is not after {}", next, time);
        // The microsecond before elapses next at the very same time: it matches itself.
        let just_before = CivilTime::from_epoch_micros(next.epoch_micros() - 1);
        prop_assert_eq!(spec.next_after(just_before), Some(next));
        prop_assert!(spec.weekdays.has(next.weekday()));
        for (chain, value) in
            [(&spec.year, next.year), (&spec.month, next.month), (&spec.hour, next.hour), (&spec.minute, next.minute)]
        {
            prop_assert_eq!(chain.first_from(value), Some(value));
        }
        prop_assert_eq!(spec.micros.first_from(next.micros), Some(next.micros));
    }

    #[test]
    fn no_text_makes_parsing_or_the_search_panic(text in "[-~*/.,:@0-9MonFriUTC ]{0,24}", from in any::<u64>()) {
        if let Ok(spec) = text.parse::<CalendarSpec>() {
            let _ = spec.next_after(CivilTime::from_epoch_micros(from));
        }
    }
}
