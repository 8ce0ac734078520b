//! Words of a value: white space separates, quotes hold together, backslashes escape (systemd.syntax(7),
//! "Quoting"; systemd's `extract_first_word`).

use super::WHITESPACE;
use super::fields::open_escape;

/// What a backslash does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// C escapes; an unknown one is an error (`Environment=`).
    C,
    /// C escapes; an unknown one stays as written and is remembered (`Exec*=`).
    CRelaxed,
    /// It is a character like others (unit names).
    Keep,
    /// It makes the next character an ordinary one (paths).
    Plain,
    /// As [`Self::Plain`]; a quote that stays open ends with the value, and a backslash at the end is none
    /// (capabilities).
    PlainRelaxed,
    /// It makes the next character an ordinary one, and quotes are characters like others (system calls).
    Unquoted,
    /// It is a character like others, and so are quotes: white space alone separates (dependencies).
    Raw,
}

/// One word of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Byte offset in the value where it begins.
    pub offset: usize,
    /// Without quotes, escapes resolved.
    pub text: String,
}

/// Why a value has no words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WordError {
    /// Byte offset in the value.
    pub offset: usize,
    /// What is wrong there.
    pub message: String,
}

/// A text with its C escapes resolved; `nul` says whether `\\0` and `\\x00` are allowed.
///
/// # Errors
/// An escape that is none.
pub fn unescape(text: &str, nul: bool) -> Result<Vec<u8>, WordError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(backslash) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..backslash]);
        rest = &rest[backslash + 1..];
        let zero = ["x00", "000"].into_iter().find(|zero| nul && rest.starts_with(zero));
        let length = match (zero, c_escape(rest)) {
            (Some(zero), _) => {
                bytes.push(0);
                zero.len()
            }
            (None, Some((length, Escaped::Byte(byte)))) => {
                bytes.push(byte);
                length
            }
            (None, Some((length, Escaped::Char(c)))) => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                length
            }
            (None, None) => {
                let offset = text.len() - rest.len() - 1;
                return Err(WordError { offset, message: "the backslash begins no escape".to_owned() });
            }
        };
        rest = &rest[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// A cursor over a value, word by word.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    value: &'a str,
    offset: usize,
    escapes: Escapes,
    separators: &'a [char],
    /// What stood behind the last word; `None` at the end.
    separator: Option<char>,
    /// Byte offsets of escapes that stayed as written because nobody knows them.
    pub odd_escapes: Vec<usize>,
}

/// All words of `value`.
///
/// # Errors
/// Quotes that are not closed, and escapes that are not allowed.
pub fn split(value: &str, escapes: Escapes) -> Result<Vec<Word>, WordError> {
    Words::new(value, escapes).collect()
}

impl<'a> Words<'a> {
    /// The words of `value`, from its beginning.
    #[must_use]
    pub fn new(value: &'a str, escapes: Escapes) -> Self {
        Words { value, offset: 0, escapes, separators: &WHITESPACE, separator: None, odd_escapes: Vec::new() }
    }

    /// With other characters than white space between the words.
    #[must_use]
    pub(crate) fn between(self, separators: &'a [char]) -> Self {
        Words { separators, ..self }
    }

    /// Whether `separator` stood right behind the last word.
    pub(crate) fn ended_at(&self, separator: char) -> bool {
        self.separator == Some(separator)
    }

    /// The word that begins right here, an empty one if a separator or the end does.
    pub(crate) fn adjacent(&mut self) -> Result<Word, WordError> {
        self.word()
    }

    /// What has not been read yet, separators in front skipped.
    #[must_use]
    pub fn rest(&self) -> &'a str {
        self.value[self.offset..].trim_start_matches(self.separators)
    }

    /// What has not been read yet; skips those of `separators` in front.
    pub(crate) fn rest_behind(&mut self, separators: &[char]) -> &'a str {
        let rest = self.value[self.offset..].trim_start_matches(separators);
        self.offset = self.value.len() - rest.len();
        rest
    }

    /// Skips white space and `token` when it is the whole next word as written.
    pub fn take_raw(&mut self, token: &str) -> bool {
        match self.rest().strip_prefix(token) {
            Some(rest) if rest.is_empty() || rest.starts_with(WHITESPACE) => {
                self.offset = self.value.len() - rest.len();
                true
            }
            _ => false,
        }
    }

    fn word(&mut self) -> Result<Word, WordError> {
        let start = self.offset;
        let mut bytes = Vec::new();
        let mut quote: Option<(char, usize)> = None;
        self.separator = None;
        while let Some(c) = self.value[self.offset..].chars().next() {
            let at = self.offset;
            self.offset += c.len_utf8();
            match (c, quote) {
                (c, Some((open, _))) if c == open => quote = None,
                ('\\', _) if ![Escapes::Keep, Escapes::Raw].contains(&self.escapes) => self.escape(at, &mut bytes)?,
                ('"' | '\'', None) if ![Escapes::Unquoted, Escapes::Raw].contains(&self.escapes) => {
                    quote = Some((c, at))
                }
                (c, None) if self.separators.contains(&c) => {
                    self.separator = Some(c);
                    break;
                }
                _ => bytes.extend_from_slice(&self.value.as_bytes()[at..self.offset]),
            }
        }
        if let Some((open, offset)) = quote.filter(|_| self.escapes != Escapes::PlainRelaxed) {
            return Err(WordError { offset, message: format!("the quote {open} is not closed") });
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| WordError { offset: start, message: "the escapes of this word give no UTF-8".to_owned() })?;
        Ok(Word { offset: start, text })
    }

    /// Reads what follows the backslash at byte `at`.
    fn escape(&mut self, at: usize, bytes: &mut Vec<u8>) -> Result<(), WordError> {
        let rest = &self.value[self.offset..];
        let Some(c) = rest.chars().next() else { return self.escape_of_nothing(at, bytes) };
        if [Escapes::Plain, Escapes::PlainRelaxed, Escapes::Unquoted].contains(&self.escapes) {
            self.offset += c.len_utf8();
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(());
        }
        match c_escape(rest) {
            Some((length, Escaped::Byte(byte))) => {
                self.offset += length;
                bytes.push(byte);
            }
            Some((length, Escaped::Char(c))) => {
                self.offset += length;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            None if self.escapes == Escapes::CRelaxed => {
                self.odd_escapes.push(at);
                bytes.push(b'\\');
            }
            None => {
                let message = format!("\\{c} is no escape (systemd.syntax(7) lists them)");
                return Err(WordError { offset: at, message });
            }
        }
        Ok(())
    }
}

impl Words<'_> {
    /// Of the backslash at byte `at`, the last of the value.
    fn escape_of_nothing(&mut self, at: usize, bytes: &mut Vec<u8>) -> Result<(), WordError> {
        match self.escapes {
            Escapes::CRelaxed => {
                self.odd_escapes.push(at);
                bytes.push(b'\\');
                Ok(())
            }
            Escapes::PlainRelaxed => Ok(()),
            Escapes::C | Escapes::Keep | Escapes::Plain | Escapes::Unquoted | Escapes::Raw => {
                Err(open_escape(self.value))
            }
        }
    }
}

impl Iterator for Words<'_> {
    type Item = Result<Word, WordError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.offset = self.value.len() - self.rest().len();
        if self.offset == self.value.len() {
            return None;
        }
        let word = self.word();
        if word.is_err() {
            self.offset = self.value.len();
        }
        Some(word)
    }
}

enum Escaped {
    Byte(u8),
    Char(char),
}

/// The escape that stands at the beginning of `rest` (behind the backslash), and its length in bytes.
/// `None` for unknown ones and for those that give NUL.
fn c_escape(rest: &str) -> Option<(usize, Escaped)> {
    let byte = |byte| Some((1, Escaped::Byte(byte)));
    match rest.as_bytes().first()? {
        b'a' => byte(0x07),
        b'b' => byte(0x08),
        b'f' => byte(0x0c),
        b'n' => byte(b'\n'),
        b'r' => byte(b'\r'),
        b't' => byte(b'\t'),
        b'v' => byte(0x0b),
        b'\\' => byte(b'\\'),
        b'"' => byte(b'"'),
        b'\'' => byte(b'\''),
        b's' => byte(b' '),
        b'x' => digits(rest, 1, 2, 16).and_then(|n| u8::try_from(n).ok()).map(|n| (3, Escaped::Byte(n))),
        b'u' => digits(rest, 1, 4, 16).and_then(char::from_u32).map(|c| (5, Escaped::Char(c))),
        b'U' => digits(rest, 1, 8, 16).and_then(char::from_u32).map(|c| (9, Escaped::Char(c))),
        b'0'..=b'7' => digits(rest, 0, 3, 8).and_then(|n| u8::try_from(n).ok()).map(|n| (3, Escaped::Byte(n))),
        _ => None,
    }
}

/// Exactly `count` digits of `rest` from byte `from`; `None` when there are fewer or they give zero.
fn digits(rest: &str, from: usize, count: usize, radix: u32) -> Option<u32> {
    let text = rest.get(from..from + count)?;
    let plain = text.bytes().all(|b| char::from(b).is_digit(radix));
    plain.then(|| u32::from_str_radix(text, radix).ok()).flatten().filter(|n| *n != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(value: &str, escapes: Escapes) -> Vec<String> {
        split(value, escapes).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn quotes_hold_words_together_also_within_a_word() {
        assert_eq!(words(" a  'b c' \"d 'e\" f'g h'i '' ", Escapes::C), ["a", "b c", "d 'e", "fg hi", ""]);
    }

    #[test]
    fn c_escapes_are_resolved_inside_and_outside_quotes() {
        let value = r#"a\tb "\x41\101\u00e9\U0001F600" \s '\\' \" \xc3\xa9"#;
        assert_eq!(words(value, Escapes::C), ["a\tb", "AAé😀", " ", "\\", "\"", "é"]);
    }

    #[test]
    fn unknown_escapes_stay_where_they_may_and_are_errors_elsewhere() {
        assert_eq!(words(r"a\q \w+", Escapes::CRelaxed), [r"a\q", r"\w+"]);
        assert_eq!(split(r"ab\q", Escapes::C).unwrap_err().offset, 2);
        assert!(split(r"\x00", Escapes::C).is_err());
        assert!(split(r"\xff", Escapes::C).is_err());
        assert_eq!(words(r"dev-a\x2db.service", Escapes::Keep), [r"dev-a\x2db.service"]);
        assert_eq!(words(r"/a\ b \\", Escapes::Plain), ["/a b", "\\"]);
        assert_eq!(words(r#""a b" \x20 'c"#, Escapes::Raw), ["\"a", "b\"", r"\x20", "'c"]);
        assert_eq!(words(r#""a b" \x20 'c\ d"#, Escapes::Unquoted), ["\"a", "b\"", "x20", "'c d"]);
    }

    #[test]
    fn a_whole_text_can_be_unescaped() {
        assert_eq!(unescape(r"a\nb \xff\u00e9", false).unwrap(), b"a\nb \xff\xc3\xa9");
        assert_eq!(unescape(r"a\x00", true).unwrap(), b"a\0");
        assert!(unescape(r"a\x00", false).is_err());
        assert_eq!(unescape(r"ab\q", true).unwrap_err().offset, 2);
    }

    #[test]
    fn a_backslash_at_the_end_escapes_nothing() {
        for escapes in [Escapes::C, Escapes::Plain, Escapes::Unquoted] {
            assert_eq!(split(r"a b\", escapes).unwrap_err().offset, 3, "{escapes:?}");
        }
        assert_eq!(words(r"a b\", Escapes::CRelaxed), ["a", r"b\"]);
        assert_eq!(words("a 'b\\\\ c\\", Escapes::PlainRelaxed), ["a", r"b\ c"]);
    }

    #[test]
    fn an_open_quote_is_an_error_at_the_quote() {
        assert_eq!(split("a 'b c", Escapes::C).unwrap_err().offset, 2);
        assert_eq!(split("a b\"", Escapes::C).unwrap_err().offset, 3);
    }

    #[test]
    fn a_raw_token_is_taken_only_as_a_whole_word() {
        let mut words = Words::new("a ; ;b ';'", Escapes::C);
        assert!(!words.take_raw(";"));
        words.next();
        assert!(words.take_raw(";"));
        assert!(!words.take_raw(";"));
    }

    proptest! {
        #[test]
        fn no_value_makes_splitting_panic(value in "[ a\\\\x0-9u'\"é;]{0,24}") {
            for escapes in [Escapes::C, Escapes::CRelaxed, Escapes::Keep, Escapes::Plain, Escapes::PlainRelaxed, Escapes::Unquoted, Escapes::Raw] {
                let _ = split(&value, escapes);
            }
        }

        #[test]
        fn quoted_words_come_back(words in proptest::collection::vec("[ a-c\\\\'\"]{0,5}", 0..5)) {
            let quote = |word: &String| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""));
            let value = words.iter().map(quote).collect::<Vec<_>>().join(" ");
            let found: Vec<_> = split(&value, Escapes::C).unwrap().into_iter().map(|word| word.text).collect();
            prop_assert_eq!(found, words);
        }
    }
}
