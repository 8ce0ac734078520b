//! Shell patterns, as fnmatch(3) without flags has them: `*`, `?`, `[a-z]`, `[!a-z]`, `\` before any of them.

/// Whether `pattern` matches the whole of `text`. Time is bounded by the product of both lengths.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut place) = (0, 0);
    // Where to go on when what follows the last star does not match: the star, and how much it took.
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        match step(&pattern[at..], text[place]) {
            Step::Star => {
                star = Some((at, place));
                at += 1;
            }
            Step::Took(length) => {
                at += length;
                place += 1;
            }
            Step::Differs => {
                let Some((back, took)) = star else { return false };
                star = Some((back, took + 1));
                at = back + 1;
                place = took + 1;
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

enum Step {
    /// A star: takes any number of characters.
    Star,
    /// So many characters of the pattern match the one.
    Took(usize),
    Differs,
}

fn step(pattern: &[char], c: char) -> Step {
    match pattern {
        ['*', ..] => Step::Star,
        ['?', ..] => Step::Took(1),
        ['\\', escaped, ..] => took(*escaped == c, 2),
        ['[', rest @ ..] => match set(rest, c) {
            Some((found, length)) => took(found, length + 1),
            None => took(c == '[', 1),
        },
        [plain, ..] => took(*plain == c, 1),
        [] => Step::Differs,
    }
}

fn took(matches: bool, length: usize) -> Step {
    if matches { Step::Took(length) } else { Step::Differs }
}

/// Whether the set behind `[` has `c`, and how long it is with its `]`; `None` when nothing closes it.
fn set(rest: &[char], c: char) -> Option<(bool, usize)> {
    let negated = matches!(rest.first(), Some('!' | '^'));
    let mut at = usize::from(negated);
    let first = at;
    let mut found = false;
    loop {
        match rest.get(at..)? {
            [']', ..] if at > first => return Some((found != negated, at + 1)),
            [low, '-', high, ..] if *high != ']' => {
                found |= (*low..=*high).contains(&c);
                at += 3;
            }
            ['\\', escaped, ..] => {
                found |= *escaped == c;
                at += 2;
            }
            [plain, ..] => {
                found |= *plain == c;
                at += 1;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, expected) in [
            ("web-*", "web-1", true),
            ("web-*", "xweb-1", false),
            ("*.example.*", "a.example.org", true),
            ("*a*b*c", "aXbXbc", true),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("box[0-9]", "box7", true),
            ("box[!0-9]", "box7", false),
            ("box[]x]", "box]", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            ("[abc", "[abc", true),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer_than_its_size_allows() {
        let began = std::time::Instant::now();
        assert!(!matches(&("*a".repeat(200) + "c"), &"a".repeat(5_000)));
        assert!(began.elapsed() < std::time::Duration::from_secs(1));
    }
}
