//! Secrets that their form gives away: tokens that begin as nothing else does, private keys, passwords in addresses.
//!
//! Prefixes and lengths are those that the services publish and secret scanners look for. One pass over the bytes: a
//! shape is compared with only where a word begins, and each is bounded, so that no text takes more than linear time.

mod table;

use super::literal;
use std::sync::LazyLock;
use table::{Class, Part, SHAPES, Shape};

/// Something that looks like a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// Where in the text it begins, in bytes.
    pub offset: usize,
    /// `a GitHub token`
    pub what: &'static str,
}

/// Longest user name or password of an address that is looked at, in bytes.
const MAX_USER: usize = 256;
/// Different characters of a token, at least: what has fewer stands for one (`ghp_xxxx…`).
const MIN_DIFFERENT: usize = 6;

/// What can begin with a byte.
struct Starts {
    /// Whether a byte belongs to words, and whether something begins with it: one look says so for most bytes.
    of: [Start; 256],
    shapes: [Vec<&'static Shape>; 256],
}

#[derive(Clone, Copy)]
struct Start {
    is_word: bool,
    is_start: bool,
}

static STARTS: LazyLock<Starts> = LazyLock::new(|| {
    let mut shapes = [const { Vec::new() }; 256];
    for shape in SHAPES {
        shapes[usize::from(shape.prefix.as_bytes()[0])].push(shape);
    }
    let start = |byte: u8| Start {
        is_word: Class::Word.has(byte),
        is_start: byte == b':' || !shapes[usize::from(byte)].is_empty(),
    };
    let mut bytes = 0..=u8::MAX;
    let of = std::array::from_fn(|_| start(bytes.next().unwrap_or_default()));
    Starts { of, shapes }
});

/// Calls `found` with the first secret of each line of `text`, in order, until it says that this is enough.
pub(super) fn find(text: &[u8], mut found: impl FnMut(Hit) -> bool) {
    let starts = &*STARTS;
    let mut inside = false;
    let mut told_up_to = 0;
    for (offset, byte) in text.iter().enumerate() {
        let Start { is_word, is_start } = starts.of[usize::from(*byte)];
        let begins = !std::mem::replace(&mut inside, is_word);
        if !is_start || !(begins || *byte == b':') || offset < told_up_to {
            continue;
        }
        let hit = match byte {
            b':' => password(text, offset).map(|offset| Hit { offset, what: "an address with a password in it" }),
            _ => at(text, offset, &starts.shapes[usize::from(*byte)]),
        };
        if let Some(hit) = hit {
            let line_end = memchr::memchr(b'\n', &text[offset..]);
            if !found(hit) || line_end.is_none() {
                return;
            }
            told_up_to = offset + line_end.unwrap_or_default();
        }
    }
}

/// The first of `shapes` that stands at `offset`.
fn at(text: &[u8], offset: usize, shapes: &[&Shape]) -> Option<Hit> {
    let shape = shapes.iter().find(|shape| shape.matches(&text[offset..]))?;
    Some(Hit { offset, what: shape.what })
}

impl Shape {
    /// Whether `text` begins with it.
    fn matches(&self, text: &[u8]) -> bool {
        let Some(mut rest) = text.strip_prefix(self.prefix.as_bytes()) else { return false };
        for part in self.parts {
            let length = match part {
                Part::Text(text) if rest.starts_with(text.as_bytes()) => text.len(),
                Part::Text(_) => return false,
                Part::Run(class, least, most) => {
                    let length = rest.iter().take(*most).take_while(|byte| class.has(**byte)).count();
                    if length < *least {
                        return false;
                    }
                    length
                }
            };
            rest = &rest[length..];
        }
        let body = &text[self.prefix.len()..text.len() - rest.len()];
        let ends = !rest.first().is_some_and(|next| Class::Word.has(*next));
        (ends || self.is_open) && different(body) >= MIN_DIFFERENT && !literal::stands_for(body)
    }
}

/// How many different bytes `text` has.
pub(super) fn different(text: &[u8]) -> usize {
    let mut seen = [false; 256];
    text.iter().filter(|byte| !std::mem::replace(&mut seen[usize::from(**byte)], true)).count()
}

/// Where `scheme://user:password@host` begins, when `colon` is that of its scheme.
fn password(text: &[u8], colon: usize) -> Option<usize> {
    let rest = text[colon..].strip_prefix(b"://")?;
    let is_scheme = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+.-".contains(byte);
    let scheme = text[..colon].iter().rev().take(16).take_while(is_scheme).count();
    let ends_user = |byte: &u8| b"@/?#\"'<>\\".contains(byte) || byte.is_ascii_whitespace();
    let at = rest.iter().take(2 * MAX_USER).position(ends_user).filter(|at| rest[*at] == b'@')?;
    let host = rest.get(at + 1).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"[%$".contains(byte));
    let (_, password) = std::str::from_utf8(&rest[..at]).ok()?.split_once(':')?;
    (scheme > 0 && host && literal::is_secret("", password)).then_some(colon - scheme)
}
