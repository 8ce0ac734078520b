//! What this crate says against what systemd's own programs say, on fixed lists and on seeded random input.
//!
//! The programs are `systemd-analyze` and `systemd-escape` of the host; without them a test prints `SKIP` and returns.
//! Many inputs go into one call, so that all of it takes a few seconds. A failure prints the seed and the input;
//! `ORACLE_SEED` runs another seed, or several: `ORACLE_SEED=1..40`.

mod calendar;
mod escape;
mod span;
mod verify;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::process::Command;
use std::sync::Mutex;

/// The seeds of this run, most often one.
fn seeds() -> RangeInclusive<u64> {
    let given = std::env::var("ORACLE_SEED").unwrap_or_default();
    let (first, last) = given.split_once("..").unwrap_or((&given, &given));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) => first..=last,
        _ => 0x5eed..=0x5eed,
    }
}

/// `count` values from the random numbers of each seed.
fn of_each_seed<T>(count: usize, mut one: impl FnMut(&mut Random) -> T) -> Vec<T> {
    let mut values = Vec::new();
    for seed in seeds() {
        let mut random = Random(seed);
        values.extend((0..count).map(|_| one(&mut random)));
    }
    values
}

/// Random numbers (splitmix64): the same ones for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap()
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// `text` with one character taken away, doubled or replaced by one of `alphabet`.
    fn damaged(&mut self, text: &str, alphabet: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        let other = self.of(&alphabet.chars().collect::<Vec<_>>());
        let index = self.below(characters.len().max(1));
        match (self.below(3), characters.is_empty()) {
            (_, true) => characters.push(other),
            (0, false) => drop(characters.remove(index)),
            (1, false) => characters.insert(index, other),
            (_, false) => characters[index] = other,
        }
        characters.into_iter().collect()
    }
}

/// The program in UTC and in the C locale; `None`, and a line that says so, when the host does not have it.
fn oracle(test: &str, program: &str) -> Option<Command> {
    if !there(program) {
        println!("SKIP {test}: this host has no {program}");
        return None;
    }
    let mut command = Command::new(program);
    command.env("TZ", "UTC").env("LC_ALL", "C.UTF-8").env("SYSTEMD_COLORS", "0").env("SYSTEMD_LOG_LEVEL", "err");
    Some(command)
}

/// Whether the host has the program; asked once.
fn there(program: &str) -> bool {
    static KNOWN: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());
    let ask = || Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    *KNOWN.lock().expect("nobody panics with it").entry(program.to_owned()).or_insert_with(ask)
}

/// What it printed, whatever its status.
fn printed(command: &mut Command) -> String {
    String::from_utf8(command.output().expect("it ran before").stdout).expect("UTF-8 went in")
}

/// Fails with every difference.
fn assert_none(differences: &[String]) {
    let shown = differences.iter().take(100).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "seed {:?}: {} differ:\n{shown}", seeds(), differences.len());
}
