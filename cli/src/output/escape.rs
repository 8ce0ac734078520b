//! The one function through which foreign text (logs, names, messages) reaches a terminal.
//!
//! A terminal obeys what it reads: escape sequences move the cursor and answer for the user, bidirectional
//! controls reorder a line, zero-width characters hide in names. All of them are shown, none takes effect.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with every character that is not simply seen replaced by its escape (`\x1b`, `\u{202e}`).
/// Newlines are kept: a message may have several lines. Tabs are kept.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_foreign) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        push(&mut shown, character);
    }
    Cow::Owned(shown)
}

/// One line of any bytes: as [`escape`], newlines too, and bytes that are not UTF-8 as `\xNN`.
pub(crate) fn escape_bytes(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => shown.push_str("\\n"),
                character => push(&mut shown, character),
            }
        }
        for byte in chunk.invalid() {
            write!(shown, "\\x{byte:02x}").expect("a String takes all");
        }
    }
    shown
}

fn push(shown: &mut String, character: char) {
    match character {
        '\r' => shown.push_str("\\r"),
        character if !is_foreign(character) => shown.push(character),
        character if character.is_ascii() => {
            write!(shown, "\\x{:02x}", u32::from(character)).expect("a String takes all");
        }
        character => write!(shown, "\\u{{{:x}}}", u32::from(character)).expect("a String takes all"),
    }
}

/// Whether a terminal or a reader could be misled by it.
fn is_foreign(character: char) -> bool {
    match character {
        '\t' | '\n' => false,
        // C0, DEL, C1
        character if character.is_control() => true,
        // Soft hyphen, combining grapheme joiner, Arabic letter mark, Hangul fillers, Khmer inherent vowels,
        // Mongolian variation selectors and vowel separator
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => true,
        '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}' => true,
        // Zero-width characters, bidirectional marks, line and paragraph separators, embeddings, overrides,
        // invisible operators, isolates, deprecated format characters
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        // Zero-width no-break space, interlinear annotation
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' => true,
        // Invisible music and shorthand controls, tags, variation selectors supplement
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        // Private use: what it shows is anyone's guess
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_passes_untouched() {
        for text in ["GET / 200", "größer → ok", "名前", "a\tb", "two\nlines", "👍"] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    #[test]
    fn escape_sequences_are_shown_and_not_obeyed() {
        assert_eq!(escape("\x1b[2J\x1b]0;title\x07"), "\\x1b[2J\\x1b]0;title\\x07");
        assert_eq!(escape("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(escape("100%\rdone\x08\x7f"), "100%\\rdone\\x08\\x7f");
    }

    #[test]
    fn bidirectional_controls_cannot_reorder_a_line() {
        for control in
            ['\u{202a}', '\u{202b}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{200e}', '\u{200f}', '\u{61c}']
        {
            let shown = escape_bytes(format!("user{control}nimda").as_bytes());
            assert_eq!(shown, format!("user\\u{{{:x}}}nimda", u32::from(control)));
        }
    }

    #[test]
    fn zero_width_characters_cannot_hide() {
        for hidden in ['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}', '\u{3164}', '\u{e0041}'] {
            assert!(escape(&format!("we{hidden}b")).contains("\\u{"), "{hidden:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_in_hexadecimal() {
        assert_eq!(escape_bytes(b"a\xff\xc3\xa4\xe2\x82\n"), "a\\xffä\\xe2\\x82\\n");
    }
}
