//! Whether a file is ciphertext of age, judged by its structure (<https://c2sp.org/age>): nothing is decrypted.

/// The first line of the format.
const VERSION: &[u8] = b"age-encryption.org/v1\n";
const BEGIN: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
const END: &[u8] = b"-----END AGE ENCRYPTED FILE-----";
/// Columns of base64, in the header and in the armor.
const COLUMNS: usize = 64;
/// Longest header that is looked at in an armored file, in bytes: room for a thousand recipients.
const MAX_HEADER: usize = 256 << 10;
/// The nonce and one empty chunk with its tag.
const MIN_PAYLOAD: usize = 16 + 16;

/// Why `content` is no ciphertext, when it is none.
pub(super) fn fault(content: &[u8]) -> Option<&'static str> {
    let trimmed = content.trim_ascii();
    if trimmed.starts_with(BEGIN) {
        match dearmor(trimmed) {
            Some(binary) => header_fault(&binary),
            None => Some("its armor is damaged"),
        }
    } else {
        header_fault(content)
    }
}

/// Looks at version, recipients, and the MAC, and that a payload follows.
fn header_fault(content: &[u8]) -> Option<&'static str> {
    let Some(mut rest) = content.strip_prefix(VERSION) else { return Some("it does not begin as files of age do") };
    let mut recipients = 0;
    while rest.starts_with(b"-> ") {
        match stanza(rest) {
            Some(behind) => rest = behind,
            None => return Some("the header of age is damaged"),
        }
        recipients += 1;
    }
    let payload = rest.strip_prefix(b"--- ").and_then(line).filter(|(mac, _)| mac.len() == 43 && is_base64(mac));
    match payload {
        _ if recipients == 0 => Some("the header of age names no recipient"),
        None => Some("the header of age is damaged"),
        Some((_, payload)) if payload.len() < MIN_PAYLOAD => Some("the payload behind the header of age is cut off"),
        Some(_) => None,
    }
}

/// What stands behind a recipient: arguments on one line, then base64 up to the first line that is not full.
fn stanza(text: &[u8]) -> Option<&[u8]> {
    let (arguments, mut rest) = line(text.strip_prefix(b"-> ")?)?;
    let is_argument = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
    if !arguments.split(|byte| *byte == b' ').all(is_argument) {
        return None;
    }
    loop {
        let (body, behind) = line(rest)?;
        if body.len() > COLUMNS || !is_base64(body) {
            return None;
        }
        rest = behind;
        if body.len() < COLUMNS {
            return Some(rest);
        }
    }
}

/// The first line without its end, and what follows.
fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', text)?;
    Some((&text[..end], &text[end + 1..]))
}

fn is_base64(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
}

/// The beginning of what is in the armor, enough for every header and more.
fn dearmor(text: &[u8]) -> Option<Vec<u8>> {
    let body = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let body = body.strip_prefix(b"\r").unwrap_or(body).strip_prefix(b"\n")?;
    let is_armor = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(byte);
    let mut lines = body.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    if !body.iter().all(is_armor) || lines.any(|line| line.len() > COLUMNS) {
        return None;
    }
    let mut beginning: Vec<u8> = body.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect();
    beginning.truncate(MAX_HEADER / 3 * 4);
    crate::spec::value::encoding::base64(std::str::from_utf8(&beginning).ok()?).ok()
}
