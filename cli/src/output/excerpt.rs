//! One line of a file and what is underlined in it, fit for a screen: tabs and wide characters keep the underline in
//! place, foreign characters are shown as escapes, a long line is cut around the place.

use super::escape;
use unicode_width::UnicodeWidthStr as _;

/// Most characters of a line that are shown.
const SHOWN: usize = 110;
/// How many characters stay before the place when a line is cut.
const BEFORE: usize = 40;
/// What a tab is shown as.
const TAB: &str = "    ";

/// A line, and how its underline is indented and how long it is, in columns of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub(crate) line: String,
    pub(crate) indent: usize,
    /// Zero when there is nothing to underline.
    pub(crate) length: usize,
}

/// `line` with the word at `column` (in characters, from 1; 0 is no place in the line) underlined.
pub(crate) fn excerpt(line: &str, column: u32) -> Excerpt {
    let at = (column as usize).saturating_sub(1);
    let from = if line.chars().nth(SHOWN).is_some() { at.saturating_sub(BEFORE) } else { 0 };
    let mut rest = line.chars().skip(from);
    let shown: Vec<char> = rest.by_ref().take(SHOWN).collect();
    let cut = rest.next().is_some();
    let at = (at - from).min(shown.len());
    let token = if column == 0 { 0 } else { token(&shown, at, at + from == indentation(line)) };
    let text = |characters: &[char]| characters.iter().map(|character| show(*character)).collect::<String>();
    let before = format!("{}{}", if from > 0 { "…" } else { "" }, text(&shown[..at]));
    let word = text(&shown[at..at + token]);
    let after = text(&shown[at + token..]);
    let length = if column == 0 { 0 } else { word.width().max(1) };
    Excerpt { indent: before.width(), length, line: format!("{before}{word}{after}{}", if cut { "…" } else { "" }) }
}

fn indentation(line: &str) -> usize {
    line.chars().take_while(|character| character.is_whitespace()).count()
}

fn show(character: char) -> String {
    match character {
        '\t' => TAB.to_owned(),
        character => escape::escape(character.encode_utf8(&mut [0; 4])).into_owned(),
    }
}

/// How many characters belong together at `at`: a section header, the key of an assignment, a specifier, what a quote
/// holds, or a word.
fn token(line: &[char], at: usize, first: bool) -> usize {
    let rest = &line[at..];
    let up_to = |end: &dyn Fn(char) -> bool| rest.iter().position(|character| end(*character)).unwrap_or(rest.len());
    let closing = |close: char| rest.iter().skip(1).position(|character| *character == close).map(|end| end + 2);
    let word = || up_to(&char::is_whitespace);
    match rest.first() {
        Some('[') if first => closing(']').unwrap_or_else(word),
        Some(_) if first && rest.contains(&'=') => {
            let key = up_to(&|character| character == '=');
            rest[..key].iter().rposition(|character| !character.is_whitespace()).map_or(1, |last| last + 1)
        }
        Some('%') if rest.len() > 1 => 2,
        Some(quote @ ('"' | '\'')) => closing(*quote).unwrap_or_else(word),
        Some(_) | None => word(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line, and the underline below it.
    fn shown(line: &str, column: u32) -> (String, String) {
        let Excerpt { line, indent, length } = excerpt(line, column);
        (line, " ".repeat(indent) + &"^".repeat(length))
    }

    #[test]
    fn a_key_a_header_a_word_a_quoted_text_and_a_specifier_are_underlined_whole() {
        let cases = [
            ("ExecStrat=/bin/x", 1, "^^^^^^^^^"),
            ("  Key = value", 3, "  ^^^"),
            ("[Serivce]", 1, "^^^^^^^^^"),
            ("After=a.service b.servcie", 17, "                ^^^^^^^^^"),
            ("ExecStart=/bin/x 'a b' c", 18, "                 ^^^^^"),
            ("ExecStart=/bin/x 'a b", 18, "                 ^^"),
            ("ExecStart=/bin/%Q/x", 16, "               ^^"),
            ("no assignment", 1, "^^"),
            ("User=", 6, "     ^"),
            ("User=x", 40, "      ^"),
            ("User=x", 0, ""),
        ];
        for (line, column, wanted) in cases {
            assert_eq!(shown(line, column), (line.to_owned(), wanted.to_owned()), "{line}");
        }
    }

    #[test]
    fn tabs_wide_and_foreign_characters_keep_the_underline_below_its_word() {
        assert_eq!(shown("\tA=\t名 bad", 7), ("    A=    名 bad".to_owned(), "             ^^^".to_owned()));
        assert_eq!(shown("A=\u{202e}x bad", 6), ("A=\\u{202e}x bad".to_owned(), "            ^^^".to_owned()));
        assert_eq!(shown("A=\x1b[2J", 3), ("A=\\x1b[2J".to_owned(), "  ^^^^^^^".to_owned()));
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("A={} bad {}", "x".repeat(1000), "y".repeat(1_000_000));
        let (text, underline) = shown(&line, 1004);
        assert!(text.chars().count() <= SHOWN + 2 && text.starts_with('…') && text.ends_with('…'), "{text}");
        assert_eq!(text.find("bad").map(|at| text[..at].chars().count()), Some(underline.find('^').unwrap()));
        assert_eq!(underline.trim(), "^^^");
        let (text, underline) = shown(&line, 1);
        assert!(text.starts_with("A=xx") && underline == "^", "{text}");
    }
}
