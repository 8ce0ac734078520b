//! Cases that show what a directive does: unit files, what happens, what is then seen, and the same without the
//! directive.
//!
//! Runners elsewhere play the runs of a case; this owns the format and the judgement. A case is a text of parts, each
//! begun by a line `## …`; what comes before the first says what the case is about.
//!
//! | part | meaning |
//! |---|---|
//! | `shows SECTION/KEY …` | the rows of the directive table that the case shows |
//! | `file PATH`, `next PATH` | a file of the node's units; what it becomes at the step `apply next` |
//! | `each SECTION` | lines, each for a run of its own in the place of `{each}`; their keys are shown as well |
//! | `do` | the steps, one a line |
//! | `seen` | what the runner has to see, exactly |
//! | `without KEY` | what it has to see without the lines `KEY=…`; left out: anything but `seen` |
//! | `against KEY=VALUE` | for keys that cannot be left out: the value in the run without it |
//! | `needs root` | the case cannot be played by another user |
//!
//! Each row is taken away alone. A run without it that sees the same is a failure: the case would pass for nothing.

use crate::spec::directives::{self, Directive};
use std::collections::BTreeMap;

/// Files by their path in the repository.
pub type Files = BTreeMap<String, String>;

/// The line of a file that lines of `each` take the place of.
const EACH: &str = "{each}\n";

/// One case.
#[derive(Clone, Debug, Default)]
pub struct EffectCase {
    /// The file's name without its ending.
    pub name: String,
    /// The rows it shows.
    pub rows: Vec<&'static Directive>,
    /// Whether it can only be played by root.
    pub needs_root: bool,
    files: Files,
    next: Files,
    each: Vec<String>,
    steps: Vec<String>,
    seen: String,
    without: BTreeMap<String, String>,
    against: BTreeMap<String, String>,
}

/// One run of a case.
#[derive(Clone, Debug)]
pub struct Run {
    /// The case, and what this run lacks or has.
    pub label: String,
    /// The files at the first step `apply`.
    pub files: Files,
    /// The files at the step `apply next`.
    pub next: Files,
    /// What happens.
    pub steps: Vec<String>,
    want: Want,
}

#[derive(Clone, Debug)]
enum Want {
    Exactly(String),
    AnythingBut(String),
}

impl Run {
    /// What is wrong with what a runner saw.
    #[must_use]
    pub fn complaint(&self, seen: &str) -> Option<String> {
        match &self.want {
            Want::Exactly(wanted) if wanted == seen => None,
            Want::Exactly(wanted) => Some(format!("{}\n--- wanted\n{wanted}--- seen\n{seen}", self.label)),
            Want::AnythingBut(other) if other != seen => None,
            Want::AnythingBut(_) => Some(format!("{}: it makes no difference\n--- seen\n{seen}", self.label)),
        }
    }
}

impl EffectCase {
    /// Reads a case.
    ///
    /// # Errors
    /// What of the text is no case.
    pub fn parse(name: &str, text: &str) -> Result<EffectCase, String> {
        let mut case = EffectCase { name: name.to_owned(), ..EffectCase::default() };
        let text = format!("\n{}\n", text.trim_end());
        for part in text.split("\n## ").skip(1) {
            let (head, body) = part.split_once('\n').unwrap_or((part, ""));
            let body = if body.trim().is_empty() { String::new() } else { format!("{}\n", body.trim_end()) };
            case.take(head.trim(), body).map_err(|why| format!("{name}: {why}"))?;
        }
        if case.rows.is_empty() || case.seen.is_empty() || case.steps.is_empty() {
            return Err(format!("{name}: it needs the parts shows (or each), do and seen"));
        }
        if let Some((key, _)) = case.without.iter().find(|(_, text)| **text == case.seen) {
            return Err(format!("{name}: {key} would make no difference"));
        }
        Ok(case)
    }

    fn take(&mut self, head: &str, body: String) -> Result<(), String> {
        let (part, rest) = head.split_once(' ').unwrap_or((head, ""));
        match part {
            "shows" => self.rows.extend(rest.split(' ').map(row).collect::<Result<Vec<_>, _>>()?),
            "file" => drop(self.files.insert(rest.to_owned(), body)),
            "next" => drop(self.next.insert(rest.to_owned(), body)),
            "each" => {
                self.each = body.lines().map(str::to_owned).collect();
                let keys = self.each.iter().map(|line| row(&format!("{rest}/{}", key(line))));
                self.rows.extend(keys.collect::<Result<Vec<_>, _>>()?);
            }
            "do" => self.steps = body.lines().map(str::to_owned).collect(),
            "seen" => self.seen = body,
            "without" => drop(self.without.insert(rest.to_owned(), body)),
            "against" => drop(self.against.insert(key(rest).to_owned(), rest.to_owned())),
            "needs" if rest == "root" => self.needs_root = true,
            _ => return Err(format!("{head:?} is no part of a case")),
        }
        Ok(())
    }

    /// The run with everything (or one for each line of `each`), then one without each row.
    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        let seen = || Want::Exactly(self.seen.clone());
        let mut runs: Vec<Run> = match self.each.as_slice() {
            [] => vec![self.run(self.name.clone(), seen(), str::to_owned)],
            lines => {
                let with = |line: &String| {
                    let label = format!("{} with {line}", self.name);
                    self.run(label, seen(), |text| text.replace(EACH, &format!("{line}\n")))
                };
                let without = self.run(format!("{} without each", self.name), self.want_without("each"), |text| {
                    text.replace(EACH, "")
                });
                lines.iter().map(with).chain([without]).collect()
            }
        };
        let of_each = |row: &Directive| self.each.iter().any(|line| key(line) == row.key);
        runs.extend(self.rows.iter().filter(|row| !of_each(row)).map(|row| self.run_without(row.key)));
        runs
    }

    fn run_without(&self, key: &str) -> Run {
        let instead = self.against.get(key);
        let label = match instead {
            Some(line) => format!("{} with {line}", self.name),
            None => format!("{} without {key}", self.name),
        };
        self.run(label, self.want_without(key), |text| replaced(text, key, instead.map(String::as_str)))
    }

    fn run(&self, label: String, want: Want, change: impl Fn(&str) -> String) -> Run {
        let changed = |files: &Files| files.iter().map(|(path, text)| (path.clone(), change(text))).collect();
        let (files, next) = (changed(&self.files), changed(&self.next));
        Run { label, files, next, steps: self.steps.clone(), want }
    }

    fn want_without(&self, key: &str) -> Want {
        match self.without.get(key) {
            Some(text) => Want::Exactly(text.clone()),
            None => Want::AnythingBut(self.seen.clone()),
        }
    }
}

/// The text with `instead` in the place of the first line `key=…`, and without the others.
fn replaced(text: &str, key: &str, mut instead: Option<&str>) -> String {
    let is_it = |line: &str| self::key(line) == key && line.contains('=');
    let lines = text.lines().filter_map(|line| if is_it(line) { instead.take() } else { Some(line) });
    lines.map(|line| format!("{line}\n")).collect()
}

fn key(line: &str) -> &str {
    line.split('=').next().unwrap_or_default()
}

fn row(name: &str) -> Result<&'static Directive, String> {
    let found = name.split_once('/').and_then(|(section, key)| directives::find(section, key));
    found.ok_or_else(|| format!("{name} is no row of the directive table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = "What it is about.\n\n## shows Service/Nice Service/UMask\n## file units/a.service\n[Service]\n\
        Nice=5\nUMask=0077\n## against UMask=0022\n## do\napply\n## seen\nboth\n## without Nice\none\n";

    fn parse(text: &str) -> Result<EffectCase, String> {
        EffectCase::parse("a", text)
    }

    #[test]
    fn each_row_is_taken_away_alone() {
        let runs = parse(CASE).unwrap().runs();
        let told: Vec<(&str, &str)> =
            runs.iter().map(|run| (run.label.as_str(), run.files["units/a.service"].as_str())).collect();
        let expected = [
            ("a", "[Service]\nNice=5\nUMask=0077\n"),
            ("a without Nice", "[Service]\nUMask=0077\n"),
            ("a with UMask=0022", "[Service]\nNice=5\nUMask=0022\n"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_run_without_a_row_that_sees_the_same_is_a_failure() {
        let runs = parse(CASE).unwrap().runs();
        let complains = |seen: [&str; 3]| {
            let seen = runs.iter().zip(seen);
            seen.map(|(run, seen)| run.complaint(&format!("{seen}\n")).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(complains(["both", "one", "other"]), [false, false, false]);
        assert_eq!(complains(["other", "both", "both"]), [true, true, true]);
        assert_eq!(complains(["both", "other", "other"]), [false, true, false]);
    }

    #[test]
    fn each_line_has_a_run_and_shows_its_row() {
        let text = "## file units/a.service\n[Service]\n{each}\n## each Service\nNice=5\nUMask=0077\n## do\napply\n## seen\nx\n";
        let case = parse(text).unwrap();
        assert_eq!(case.rows.iter().map(|row| row.key).collect::<Vec<_>>(), ["Nice", "UMask"]);
        let files: Vec<String> = case.runs().into_iter().map(|run| run.files["units/a.service"].clone()).collect();
        assert_eq!(files, ["[Service]\nNice=5\n", "[Service]\nUMask=0077\n", "[Service]\n"]);
    }

    #[test]
    fn what_is_no_case_is_refused() {
        for (text, why) in [
            ("## shows Service/Nicer\n", "no row"),
            ("## show Service/Nice\n", "no part"),
            ("## shows Service/Nice\n## do\napply\n", "it needs"),
            ("## shows Service/Nice\n## do\na\n## without Nice\nx\n## seen\nx\n", "no difference"),
        ] {
            assert!(parse(text).unwrap_err().contains(why), "{text}");
        }
    }
}
