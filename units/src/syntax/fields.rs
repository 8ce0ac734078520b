//! Fields of a word: what stands between colons (systemd's `extract_first_word` with a colon as the separator).

use super::words::{WordError, unescape};

/// The fields of `text`, empty ones as well; a backslash makes the next character an ordinary one.
///
/// # Errors
/// A backslash at the end.
pub(crate) fn plain(text: &str) -> Result<Vec<String>, WordError> {
    let mut fields = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let last = fields.last_mut().expect("it is never empty");
        match c {
            ':' => fields.push(String::new()),
            '\\' => last.push(chars.next().ok_or_else(|| open_escape(text))?),
            other => last.push(other),
        }
    }
    Ok(fields)
}

/// The fields of `text`, empty ones as well; `\:` is a colon, other backslashes begin C escapes.
///
/// # Errors
/// A backslash that begins no escape, and escapes that give no UTF-8.
pub(crate) fn escaped(text: &str) -> Result<Vec<String>, String> {
    let mut raw = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let last = raw.last_mut().expect("it is never empty");
        match (c, chars.clone().next()) {
            (':', _) => raw.push(String::new()),
            ('\\', Some(':')) => last.extend(chars.next()),
            ('\\', Some(_)) => last.extend(['\\'].into_iter().chain(chars.next())),
            (other, _) => last.push(other),
        }
    }
    let field = |field: String| {
        let bytes = unescape(&field, false).map_err(|error| format!("in {field:?} {}", error.message))?;
        String::from_utf8(bytes).map_err(|_| format!("the escapes of {field:?} give no UTF-8"))
    };
    raw.into_iter().map(field).collect()
}

/// Of a backslash behind which nothing stands.
pub(super) fn open_escape(text: &str) -> WordError {
    WordError { offset: text.len() - 1, message: "nothing stands behind the backslash at the end".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colons_separate_and_backslashes_take_that_away() {
        assert_eq!(plain(r"a::b\:c\\:").unwrap(), ["a", "", r"b:c\", ""]);
        assert_eq!(escaped(r"a:b\:c\x41:").unwrap(), ["a", "b:cA", ""]);
        assert_eq!(plain(r"a:b\").unwrap_err().offset, 3);
        assert!(escaped(r"a\q").is_err() && escaped(r"a\").is_err());
    }
}
