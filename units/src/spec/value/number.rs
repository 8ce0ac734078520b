//! Whole numbers as systemd's `safe_atou` and `safe_atoi` read them: decimal, `0x` hexadecimal, `0b` binary, `0o` or a
//! leading `0` octal, perhaps behind a sign.

/// A number that is not negative.
#[must_use]
pub fn unsigned(text: &str) -> Option<u64> {
    // strtoul(3) takes a sign as well, and of negative numbers systemd lets zero through.
    match signed_parts(text) {
        (false, digits) => magnitude(digits),
        (true, digits) => magnitude(digits).filter(|number| *number == 0),
    }
}

/// A number that may be negative.
#[must_use]
pub fn signed(text: &str) -> Option<i64> {
    let (negative, digits) = signed_parts(text);
    let number = i128::from(magnitude(digits)?);
    i64::try_from(if negative { -number } else { number }).ok()
}

fn signed_parts(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn magnitude(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', b'b', ..] => (&text[2..], 2),
        [b'0', b'o', ..] => (&text[2..], 8),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    // The library would take one more sign here.
    let plain = digits.starts_with(|c: char| c.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_bases_of_strtoul() {
        for (text, number) in [("10", 10), ("0x10", 16), ("0X1f", 31), ("010", 8), ("0o17", 15), ("0b11", 3), ("+5", 5)]
        {
            assert_eq!((unsigned(text), signed(text)), (Some(number), i64::try_from(number).ok()), "{text:?}");
        }
        assert_eq!(
            (signed("-0x10"), signed("-0"), unsigned("-0"), unsigned("-1")),
            (Some(-16), Some(0), Some(0), None)
        );
        for text in ["", "08", "0x", "0b2", "++1", "+ 1", "0x+1", "1_0", "1.0", "18446744073709551616", "-", "é"] {
            assert_eq!((unsigned(text), signed(text)), (None, None), "{text:?}");
        }
        assert_eq!((signed("9223372036854775808"), signed("-9223372036854775808")), (None, Some(i64::MIN)));
    }
}
