//! The differences that are known, each with its reason: testdata/verify/differences.txt.

use std::cell::Cell;

/// Who refuses what the other takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refuser {
    Systemd,
    Fleet,
}

/// A refusal that only one of the two pronounces.
pub(super) struct Difference {
    pub refuser: Refuser,
    pub message: String,
}

/// One line of the file.
struct Known {
    refuser: Refuser,
    /// `Section/Key`, with `*` for anything.
    place: &'static str,
    /// The value, with `*` for anything.
    value: &'static str,
    /// What the one who refuses says, with `*` for anything.
    says: &'static str,
    /// Begins with `newer:` where a newer systemd agrees with Fleet.
    reason: &'static str,
    used: Cell<bool>,
}

/// Every line of the file.
pub(super) struct Differences(Vec<Known>);

impl Differences {
    /// Lines of `refuser|place|value|says|reason`; comments begin with `#`.
    pub(super) fn read() -> Self {
        let lines = include_str!("../../../testdata/verify/differences.txt").lines();
        let known = |line: &'static str| {
            let [refuser, place, value, says, reason] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("no five columns between tabs: {line:?}");
            };
            let refuser = match refuser {
                "systemd" => Refuser::Systemd,
                "fleet" => Refuser::Fleet,
                other => panic!("{other:?} is neither systemd nor fleet: {line:?}"),
            };
            assert!(reason.len() > 10, "no reason: {line:?}");
            Known { refuser, place, value, says, reason, used: Cell::new(false) }
        };
        Differences(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(known).collect())
    }

    /// Whether a difference is known; with `counts` its line is used from then on.
    pub(super) fn knows(&self, found: &Difference, place: &str, value: &str, counts: bool) -> bool {
        let fits = |known: &&Known| {
            known.refuser == found.refuser
                && glob(known.place, place)
                && glob(known.value, value)
                && glob(known.says, &found.message)
        };
        let known = self.0.iter().find(fits);
        known.inspect(|known| known.used.set(known.used.get() || counts)).is_some()
    }

    /// Lines that nothing used. Those about what is newer than this systemd are left out when `newer`.
    pub(super) fn stale(&self, newer: bool) -> Vec<String> {
        let stale = self.0.iter().filter(|known| !(known.used.get() || newer && known.reason.starts_with("newer:")));
        stale
            .map(|known| format!("{:?} {} = {}: no difference any more", known.refuser, known.place, known.value))
            .collect()
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            ends.into_iter().any(|at| glob(after, &rest[at..]))
        }),
    }
}
