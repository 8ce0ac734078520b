//! The fuzz targets of `fuzz/` on seeded inputs, ten seconds each; a failure is shrunk and printed with its seed.
//! `FLEET_FUZZ_SECONDS` and `FLEET_FUZZ_SEED` (a number) look longer or elsewhere.

#[path = "../fuzz/bodies.rs"]
#[allow(unreachable_pub, reason = "the fuzzer's targets see it as a crate")]
mod bodies;

use fleet_units::spec::directives;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Inputs of one seed.
const ROUND: u32 = 64;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Gives `body` inputs of `strategy` until the time is up: a round of them from each seed, one seed after the other.
fn fuzz<T: Debug>(strategy: impl Strategy<Value = T>, body: impl Fn(T)) {
    let first = number("FLEET_FUZZ_SEED", 1);
    let end = Instant::now() + Duration::from_secs(number("FLEET_FUZZ_SECONDS", 10));
    for seed in first.. {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = ProptestConfig { cases: ROUND, failure_persistence: None, ..ProptestConfig::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let outcome = runner.run(&strategy, |input| {
            body(input);
            Ok(())
        });
        assert!(outcome.is_ok(), "FLEET_FUZZ_SEED={seed}: {}", outcome.unwrap_err());
        if Instant::now() >= end {
            println!("{} inputs, seeds {first} to {seed}", (seed - first + 1) * u64::from(ROUND));
            return;
        }
    }
}

/// Texts made of the pieces that mean something, with anything between them.
fn soup(pieces: &'static [&'static str], longest: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(pieces).prop_map(str::to_owned),
        1 => "[ -~]{0,6}",
        1 => "\\PC{0,3}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..longest).prop_map(|pieces| pieces.concat())
}

const SYNTAX: &[&str] = &[
    "[Service]",
    "[Unit]",
    "[",
    "]",
    "\n",
    "\r\n",
    "\r",
    "=",
    "\\\n",
    "\\",
    "#",
    ";",
    " ",
    "\t",
    "Key",
    "ExecStart",
    "value",
    "\u{feff}",
    "\0",
    "é",
    "\u{202e}",
    "X-",
    "\"",
    "'",
];
const WORDS: &[&str] = &[
    " ",
    "\t",
    "\n",
    "\"",
    "'",
    "\\",
    "\\x",
    "\\x41",
    "\\x00",
    "\\u00e9",
    "\\U0001F600",
    "\\777",
    "\\101",
    "\\s",
    "a",
    "b",
    "é",
    "%i",
    "$A",
    "${A}",
    ";",
    "\\;",
    "=",
];
const SELECTORS: &[&str] =
    &["role", "=", "==", "!=", "!", ",", " ", "in", "notin", "(", ")", "a", "b-c", "x.y/z", "_", "é", "1"];
const CALENDARS: &[&str] = &[
    "Mon",
    "..",
    ",",
    "-",
    "~",
    "/",
    ":",
    "*",
    " ",
    "2024",
    "02",
    "29",
    "31",
    "1",
    "0",
    "00",
    "60",
    "12",
    "5.5",
    "UTC",
    "Europe/Berlin",
    "daily",
    "weekly",
    "@",
    "1700000000",
    "Sun",
    "2199",
    "99",
    "4294967295",
];
const VALUES: &[&str] = &[
    "",
    "yes",
    "no",
    "infinity",
    "1",
    "-1",
    "0",
    "5min 20s",
    "1G",
    "50%",
    "%i",
    "%H",
    "%%",
    "%",
    "/a",
    "/a/../b",
    "a/b",
    "-/x",
    "+/x",
    "~",
    "a.service",
    "b.timer",
    "x@.service",
    "SIGTERM",
    "0755",
    "A=b",
    "A=\"b c\"",
    "'",
    "\"",
    "\\x0a",
    "@system-service",
    "~CAP_SYS_ADMIN",
    "127.0.0.1:80",
    "[::1]:80",
    "http://127.0.0.1/",
    "Mon *-*-* 00:00",
    "daily",
    "/bin/sh -c 'a; b'",
    "@/bin/a b",
    "-+!!:/x",
    ";",
    "/x ; /y",
    "a:b:c",
    "10:20",
    "1-3,5",
    "AF_INET",
    "any",
    "never",
    "role=web,zone in (a,b)",
    "all",
    "3 a b",
    "{}",
    "$A ${B}",
    "\u{7f}",
];

/// Unit files with true keys and odd values.
fn unit_file() -> impl Strategy<Value = String> {
    let rows = directives::all();
    let value = prop_oneof![
        6 => prop::collection::vec(prop::sample::select(VALUES), 1..3).prop_map(|values| values.join(" ")),
        1 => soup(WORDS, 8),
    ];
    let assignment = (0..rows.len(), value).prop_map(|(index, value)| {
        let row = &rows[index];
        format!("[{}]\n{}={value}\n", row.section, row.key)
    });
    let line = prop_oneof![8 => assignment, 1 => soup(SYNTAX, 6)];
    let lines = prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat());
    prop_oneof![lines.clone(), lines.prop_map(|lines| format!("[Service]\nExecStart=/bin/a\n{lines}"))]
}

#[test]
fn documents_of_any_bytes() {
    let bytes = prop::collection::vec(any::<u8>(), 0..64);
    fuzz(prop_oneof![4 => soup(SYNTAX, 40).prop_map(String::into_bytes), 1 => bytes], |bytes| bodies::document(&bytes));
}

#[test]
fn words_of_any_text() {
    fuzz(soup(WORDS, 24), |text| bodies::words(&text));
}

#[test]
fn selectors_of_any_text() {
    fuzz(soup(SELECTORS, 16), |text| bodies::selector(&text));
}

#[test]
fn calendar_events_of_any_text() {
    fuzz(soup(CALENDARS, 20), |text| bodies::calendar(&text));
}

#[test]
fn units_of_any_values() {
    let parts = (any::<u8>(), unit_file(), unit_file());
    fuzz(parts, |(kind, unit, drop_in)| {
        let text = format!("{unit}\0{drop_in}");
        bodies::unit(&[&[kind], text.as_bytes()].concat());
    });
}
