//! The comparisons of conditions: operators, and the order of versions.

use super::pattern;
use std::cmp::Ordering;

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`, `==`
    Equal,
    /// `!=`, `<>`
    Unequal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
    /// `=` of texts: the very same text.
    SameText,
    /// `!=` of texts.
    OtherText,
    /// `$=`: a shell pattern.
    Matches,
    /// `!$=`
    Differs,
}

impl Operator {
    /// The operator at the beginning of an expression about numbers, and the rest.
    pub(super) fn of_numbers(text: &str) -> Option<(Operator, &str)> {
        take(text, &[("=", Operator::Equal), ("!=", Operator::Unequal)])
    }

    /// The operator at the beginning of an expression about texts and versions, and the rest.
    pub(super) fn of_texts(text: &str) -> Option<(Operator, &str)> {
        let patterns = [("!$=", Operator::Differs), ("$=", Operator::Matches)];
        let pattern = patterns.iter().find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)));
        pattern.or_else(|| take(text, &[("=", Operator::SameText), ("!=", Operator::OtherText)]))
    }

    /// Whether two values that stand to each other as `order` are compared well.
    pub(super) fn fits(self, order: Ordering) -> bool {
        match self {
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Equal | Operator::SameText | Operator::Matches => order.is_eq(),
            Operator::Unequal | Operator::OtherText | Operator::Differs => order.is_ne(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Greater => order.is_gt(),
        }
    }

    /// Whether `actual` compares well with `expected`, both texts.
    pub(super) fn fits_texts(self, actual: &str, expected: &str) -> bool {
        match self {
            Operator::SameText => actual == expected,
            Operator::OtherText => actual != expected,
            Operator::Matches => pattern::matches(expected, actual),
            Operator::Differs => !pattern::matches(expected, actual),
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Equal
            | Operator::Unequal
            | Operator::GreaterOrEqual
            | Operator::Greater => self.fits(versions(actual, expected)),
        }
    }
}

/// `plain` has the operators whose meaning depends on what is compared.
fn take<'a>(text: &'a str, plain: &[(&str, Operator); 2]) -> Option<(Operator, &'a str)> {
    let fixed = [
        ("<>", Operator::Unequal),
        ("<=", Operator::LessOrEqual),
        ("<", Operator::Less),
        (">=", Operator::GreaterOrEqual),
        (">", Operator::Greater),
        ("==", Operator::Equal),
    ];
    fixed.iter().chain(plain).find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)))
}

/// The order of two versions by the rules of the UAPI version format specification, which `systemd-analyze
/// compare-versions` follows: segments of digits or letters; `~` is older than the end, the end older than `-`, that
/// than `^`, that than `.`, and digits are newer than letters.
pub(super) fn versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Version(a.as_bytes()), Version(b.as_bytes()));
    loop {
        a.skip_foreign();
        b.skip_foreign();
        if let Some(order) = a.sign(&mut b, b'~') {
            return order;
        }
        if a.0.is_empty() || b.0.is_empty() {
            return b.0.is_empty().cmp(&a.0.is_empty());
        }
        for sign in [b'-', b'^', b'.'] {
            if let Some(order) = a.sign(&mut b, sign) {
                return order;
            }
        }
        let digits = a.0.first().is_some_and(u8::is_ascii_digit) || b.0.first().is_some_and(u8::is_ascii_digit);
        let (one, other) = (a.segment(digits), b.segment(digits));
        let order = if digits { numbers(one, other) } else { one.cmp(other) };
        if order.is_ne() {
            return order;
        }
    }
}

/// What is left of a version.
struct Version<'a>(&'a [u8]);

impl<'a> Version<'a> {
    fn skip_foreign(&mut self) {
        let known = |byte: &u8| byte.is_ascii_alphanumeric() || b"~-^.".contains(byte);
        let first = self.0.iter().position(known).unwrap_or(self.0.len());
        self.0 = &self.0[first..];
    }

    /// One that goes on with `sign` is older than one that does not; both skip it when both do.
    fn sign(&mut self, other: &mut Version<'_>, sign: u8) -> Option<Ordering> {
        match (self.0.first() == Some(&sign), other.0.first() == Some(&sign)) {
            (true, true) => {
                (self.0, other.0) = (&self.0[1..], &other.0[1..]);
                None
            }
            (false, false) => None,
            (own, others) => Some(others.cmp(&own)),
        }
    }

    /// Takes the digits, or the letters, at the beginning; perhaps none.
    fn segment(&mut self, digits: bool) -> &'a [u8] {
        let belongs = |byte: &u8| if digits { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() };
        let end = self.0.iter().position(|byte| !belongs(byte)).unwrap_or(self.0.len());
        let (segment, rest) = self.0.split_at(end);
        self.0 = rest;
        segment
    }
}

/// Numbers of any length; no digits are older than any.
fn numbers(one: &[u8], other: &[u8]) -> Ordering {
    let value = |digits: &[u8]| digits.iter().skip_while(|digit| **digit == b'0').copied().collect::<Vec<_>>();
    let (a, b) = (value(one), value(other));
    one.is_empty().cmp(&other.is_empty()).reverse().then(a.len().cmp(&b.len())).then(a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `systemd-analyze compare-versions` of systemd 252 says; the differential test asks it again.
    #[test]
    fn versions_are_ordered_as_systemd_does() {
        for (a, sign, b) in [
            ("6.1", "<", "6.10"),
            ("6.1.0", ">", "6.1"),
            ("6.1-rc1", "<", "6.1.1"),
            ("6.1~rc1", "<", "6.1"),
            ("123a", ">", "123.a"),
            ("123-9", "<", "123.1-1"),
            ("00123", "==", "123"),
            ("1_2", "==", "1/2"),
            ("1^a", ">", "1-a"),
            ("abc", "<", "abcde"),
            ("5", ">", "a"),
            ("", "<", "1"),
            ("6.18.0-1-amd64", ">", "6.18.0-1"),
        ] {
            let (operator, _) = Operator::of_numbers(sign).unwrap();
            assert!(operator.fits(versions(a, b)), "{a} {sign} {b}: {:?}", versions(a, b));
            assert_eq!(versions(a, b), versions(b, a).reverse(), "{a} {b}");
        }
    }

    #[test]
    fn operators_are_told_from_what_follows() {
        assert_eq!(Operator::of_numbers(">=4"), Some((Operator::GreaterOrEqual, "4")));
        assert_eq!(Operator::of_numbers("=4"), Some((Operator::Equal, "4")));
        assert_eq!(Operator::of_texts("=4"), Some((Operator::SameText, "4")));
        assert_eq!(Operator::of_texts("==4"), Some((Operator::Equal, "4")));
        assert_eq!(Operator::of_texts("!$=4*"), Some((Operator::Differs, "4*")));
        assert_eq!(Operator::of_numbers("4"), None);
    }
}
