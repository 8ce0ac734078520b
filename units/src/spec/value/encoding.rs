//! Bytes written as text: hexadecimal, base64, C escapes.

/// Pairs of hexadecimal digits; white space between digits is skipped.
///
/// # Errors
/// Other characters, and an odd number of digits.
pub fn hexadecimal(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || "it is no hexadecimal text".to_owned();
    let digits = text.chars().filter(|c| !c.is_ascii_whitespace());
    let digits: Vec<u32> = digits.map(|c| c.to_digit(16)).collect::<Option<_>>().ok_or_else(wrong)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let byte = |[high, low]: &[u32; 2]| u8::try_from(high << 4 | low).expect("two digits are a byte");
    if rest.is_empty() { Ok(pairs.iter().map(byte).collect()) } else { Err(wrong()) }
}

/// RFC 4648 with padding; white space is skipped.
///
/// # Errors
/// Other characters, padding that is missing or stands elsewhere than at the end, and bits that are in no byte.
pub fn base64(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || "it is no base64 text".to_owned();
    let plain: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let (groups, rest) = plain.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    let mut bytes = Vec::with_capacity(groups.len() * 3);
    for (index, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|b| **b == b'=').count();
        if padding > 2 || (padding > 0 && index + 1 < groups.len()) {
            return Err(wrong());
        }
        let mut bits = 0u32;
        for byte in &group[..4 - padding] {
            bits = bits << 6 | sextet(*byte).ok_or_else(wrong)?;
        }
        // Of 6 bits a character, those behind the last whole byte.
        if bits & ((1 << (2 * padding)) - 1) != 0 {
            return Err(wrong());
        }
        let [_, group @ ..] = (bits << (6 * padding)).to_be_bytes();
        bytes.extend_from_slice(&group[..3 - padding]);
    }
    Ok(bytes)
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_and_base64_are_decoded() {
        assert_eq!(hexadecimal("00 ffAb"), Ok(vec![0, 255, 0xab]));
        assert!(hexadecimal("0").is_err() && hexadecimal("0g").is_err());
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9v YmFy", "foobar")] {
            assert_eq!(base64(text).unwrap(), bytes.as_bytes(), "{text:?}");
        }
        for text in ["Z", "Zg", "Zg=", "Z===", "Zg==Zg==", "Zm9*", "====="] {
            assert!(base64(text).is_err(), "{text:?}");
        }
    }
}
