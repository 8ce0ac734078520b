//! Texts and paths as parts of unit names: what `systemd-escape` does (systemd.unit(5), "String Escaping for Inclusion
//! in Unit Names").

use std::fmt::Write as _;

/// As `systemd-escape`: `/` becomes `-`; all but letters, digits, `:`, `_` and a dot that is not first `\xHH`.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'/' => result.push('-'),
            b':' | b'_' => result.push(char::from(byte)),
            b'.' if index > 0 => result.push('.'),
            _ if byte.is_ascii_alphanumeric() => result.push(char::from(byte)),
            _ => write!(result, "\\x{byte:02x}").expect("a String takes what is written"),
        }
    }
    result
}

/// As `systemd-escape --path`: slashes at both ends and doubled ones do not count, the root is `-`.
///
/// # Errors
/// A path with `..`, and a relative one without a name.
pub fn escape_path(path: &str) -> Result<String, String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(format!("the path {path:?} holds \"..\""));
    }
    if parts.is_empty() && path.starts_with('.') {
        return Err(format!("the path {path:?} names nothing"));
    }
    Ok(if parts.is_empty() { "-".to_owned() } else { escape(&parts.join("/")) })
}

/// As `systemd-escape --unescape`: `-` becomes `/`, `\x2d` the character with that code.
///
/// # Errors
/// A backslash that begins no `\xHH`, and bytes that are no UTF-8.
pub fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'-' => bytes.push(b'/'),
            b'\\' => {
                let code =
                    tail.strip_prefix(b"x").and_then(|hex| hex.get(..2)).and_then(|hex| std::str::from_utf8(hex).ok());
                let code = code.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
                let Some(code) = code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) else {
                    return Err(format!("{text:?} cannot be unescaped: a backslash must begin \\xHH"));
                };
                bytes.push(code);
                rest = &tail[3..];
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("{text:?} unescapes to bytes that are not UTF-8"))
}

/// As `systemd-escape --unescape --path`: an absolute path.
///
/// # Errors
/// As [`unescape`], and what gives no plain path: an empty part, `.` or `..` among its parts.
pub fn unescape_path(text: &str) -> Result<String, String> {
    if text == "-" {
        return Ok("/".to_owned());
    }
    let path = unescape(text)?;
    match path.split('/').find(|part| ["", ".", ".."].contains(part)) {
        Some(part) => Err(format!("{text:?} is no escaped path: a part of it is {part:?}")),
        None => Ok(format!("/{path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_escaped_without_the_slashes_that_do_not_count() {
        for (path, escaped) in [("/", "-"), ("", "-"), ("/dev//sda/", "dev-sda"), ("/.a/./b-c", r"\x2ea-b\x2dc")] {
            assert_eq!(escape_path(path).as_deref(), Ok(escaped), "{path:?}");
        }
        assert!(escape_path("/a/../b").is_err());
        assert_eq!(unescape_path("dev-sda").as_deref(), Ok("/dev/sda"));
        for text in ["-a", "a-", "a--b", "..", "a-.-b", ""] {
            assert!(unescape_path(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn escaping_and_back_gives_the_text(text in ".{0,20}") {
            prop_assert_eq!(unescape(&escape(&text)).unwrap(), text);
        }

        #[test]
        fn escaping_a_plain_path_and_back_gives_the_path(path in "(/[a-z.é-]{1,6}){1,4}") {
            if !path.split('/').any(|part| part == "." || part == "..") {
                prop_assert_eq!(unescape_path(&escape_path(&path).unwrap()).unwrap(), path);
            }
        }
    }
}
