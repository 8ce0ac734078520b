//! The table of shapes.

/// A kind of token or key.
pub(super) struct Shape {
    /// What it begins with.
    pub prefix: &'static str,
    /// What follows.
    pub parts: &'static [Part],
    /// Whether more may follow directly.
    pub is_open: bool,
    /// For messages, with an article.
    pub what: &'static str,
}

/// One part behind the prefix.
pub(super) enum Part {
    /// These very bytes.
    Text(&'static str),
    /// So many bytes of a class, from the second number to the third.
    Run(Class, usize, usize),
}

/// Bytes that may stand somewhere.
#[derive(Clone, Copy)]
pub(super) enum Class {
    /// Letters and digits.
    Alphanumeric,
    /// Letters, digits, `_` and `-`; what a token is delimited by is none of them.
    Word,
    /// Digits.
    Digit,
    /// Lower-case hexadecimal.
    Hex,
    /// Capital letters and the digits 2 to 7.
    Base32,
    /// Capital letters and digits.
    Capital,
    /// Base64 of either kind.
    Base64,
    /// Bech32 in capitals.
    Bech32,
    /// The end of a line, also as the escapes `\\n` and `\\r`.
    LineEnd,
}

impl Class {
    pub(super) fn has(self, byte: u8) -> bool {
        match self {
            Class::Alphanumeric => byte.is_ascii_alphanumeric(),
            Class::Word => byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-',
            Class::Digit => byte.is_ascii_digit(),
            Class::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Class::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Class::Capital => matches!(byte, b'A'..=b'Z' | b'0'..=b'9'),
            Class::Base64 => byte.is_ascii_alphanumeric() || b"+/_-=".contains(&byte),
            Class::Bech32 => b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".contains(&byte),
            Class::LineEnd => b"\n\r\\nr ".contains(&byte),
        }
    }
}

use Class::{Alphanumeric, Base32, Base64, Bech32, Capital, Digit, Hex, LineEnd, Word};
use Part::{Run, Text};

const fn token(prefix: &'static str, parts: &'static [Part], what: &'static str) -> Shape {
    Shape { prefix, parts, is_open: false, what }
}

/// A key whose body follows its header at once: before that of an encrypted one stand headers of its own.
const fn key(prefix: &'static str, parts: &'static [Part]) -> Shape {
    Shape { prefix, parts, is_open: true, what: "a private key" }
}

const BODY: &[Part] = &[Run(LineEnd, 1, 8), Run(Base64, 16, 64)];
/// The beginning of a key of OpenSSH that no passphrase protects (its cipher is `none`).
const OPENSSH: &[Part] = &[Run(LineEnd, 1, 8), Text("b3BlbnNzaC1rZXktdjEAAAAABG5vbmU")];

const AWS: &[Part] = &[Run(Base32, 16, 16)];
const GITHUB: &[Part] = &[Run(Alphanumeric, 36, 36)];
const SLACK: &[Part] = &[Run(Digit, 8, 14), Text("-"), Run(Word, 18, 100)];
const STRIPE: &[Part] = &[Run(Alphanumeric, 16, 99)];
/// Of a JSON Web Token, header and payload are JSON objects: `{"` is `ey` in base64.
const JWT: &[Part] = &[Run(Word, 15, 4096), Text(".ey"), Run(Word, 15, 4096), Text("."), Run(Word, 10, 4096)];

/// Everything that is looked for.
pub(super) const SHAPES: &[Shape] = &[
    key("-----BEGIN PRIVATE KEY-----", BODY),
    key("-----BEGIN RSA PRIVATE KEY-----", BODY),
    key("-----BEGIN EC PRIVATE KEY-----", BODY),
    key("-----BEGIN DSA PRIVATE KEY-----", BODY),
    key("-----BEGIN OPENSSH PRIVATE KEY-----", OPENSSH),
    key("-----BEGIN PGP PRIVATE KEY BLOCK-----", BODY),
    token("AGE-SECRET-KEY-1", &[Run(Bech32, 58, 58)], "a secret key of age"),
    token("AGE-SECRET-KEY-PQ-1", &[Run(Bech32, 58, 58)], "a secret key of age"),
    token("AKIA", AWS, "a key of AWS"),
    token("ASIA", AWS, "a key of AWS"),
    token("ABIA", AWS, "a key of AWS"),
    token("ACCA", AWS, "a key of AWS"),
    token("AIza", &[Run(Word, 35, 35)], "a key of Google Cloud"),
    token("GOCSPX-", &[Run(Word, 28, 28)], "an OAuth secret of Google"),
    token("ghp_", GITHUB, "a GitHub token"),
    token("gho_", GITHUB, "a GitHub token"),
    token("ghu_", GITHUB, "a GitHub token"),
    token("ghs_", GITHUB, "a GitHub token"),
    token("ghr_", GITHUB, "a GitHub token"),
    token("github_pat_", &[Run(Word, 82, 82)], "a GitHub token"),
    token("glpat-", &[Run(Word, 20, 300)], "a GitLab token"),
    token("gldt-", &[Run(Word, 20, 300)], "a GitLab token"),
    token("glrt-", &[Run(Word, 20, 300)], "a GitLab token"),
    token("glptt-", &[Run(Hex, 40, 40)], "a GitLab token"),
    token("xoxb-", SLACK, "a Slack token"),
    token("xoxp-", SLACK, "a Slack token"),
    token("xoxe-", SLACK, "a Slack token"),
    token(
        "xapp-",
        &[Run(Digit, 1, 1), Text("-"), Run(Capital, 6, 20), Text("-"), Run(Digit, 6, 20), Text("-"), Run(Hex, 32, 100)],
        "a Slack token",
    ),
    token("https://hooks.slack.com/services/", &[Run(Base64, 40, 60)], "a webhook of Slack"),
    token("sk_live_", STRIPE, "a Stripe key"),
    token("sk_test_", STRIPE, "a Stripe key"),
    token("rk_live_", STRIPE, "a Stripe key"),
    token("rk_test_", STRIPE, "a Stripe key"),
    token("npm_", GITHUB, "an npm token"),
    token("pypi-AgEIcHlwaS5vcmc", &[Run(Word, 50, 1000)], "a PyPI token"),
    token("dckr_pat_", &[Run(Word, 27, 27)], "a Docker Hub token"),
    token("dop_v1_", &[Run(Hex, 64, 64)], "a DigitalOcean token"),
    token("hvs.", &[Run(Word, 90, 120)], "a Vault token"),
    token("SG.", &[Run(Word, 22, 22), Text("."), Run(Word, 43, 43)], "a SendGrid key"),
    token("sk-ant-api03-", &[Run(Word, 95, 95)], "an Anthropic key"),
    token("sk-proj-", &[Run(Word, 100, 200)], "an OpenAI key"),
    token("ey", JWT, "a JSON Web Token"),
];
