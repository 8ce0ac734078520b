//! Whether a name is that of a secret, and whether a value is one or stands for one.

use super::shape::different;
use std::ops::RangeInclusive;

/// Bytes of a value that is taken for a secret.
const VALUE: RangeInclusive<usize> = 6..=4096;
/// Different characters of a value, at least.
const MIN_DIFFERENT: usize = 4;
/// Longest name that is looked at, in bytes.
const MAX_NAME: usize = 128;

/// What names of secrets hold, in lower case: a cheap look before names are taken apart.
const HINTS: [&[u8; 4]; 5] = [b"pass", b"secr", b"toke", b"_key", b"ikey"];

/// Words that are a secret, or end with one.
const SECRET: [&str; 7] = ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "APIKEY", "SECRETKEY"];
/// Words that make a `KEY` behind them a secret.
const KEYS: [&str; 8] = ["API", "SECRET", "ACCESS", "PRIVATE", "ENCRYPTION", "SIGNING", "MASTER", "AUTH"];
// Lists of words, by spaces.

/// Last words of names that say something about a secret.
const ABOUT: &str = "FILE FILES PATH DIR DIRECTORY FOLDER URL URI ENDPOINT HOST PORT SOCKET ADDRESS NAME ID USER USERNAME EMAIL TTL \
    AGE EXPIRY EXPIRES EXPIRATION LIFETIME VALIDITY TIMEOUT INTERVAL LENGTH SIZE MIN MAX COUNT LIMIT TYPE KIND \
    ALGORITHM ALG HASH ENCODER ENCODING FORMAT HEADER FIELD COOKIE CLAIM PREFIX SUFFIX ISSUER AUDIENCE SCOPE \
    SCOPES ENABLED REQUIRED POLICY MODE METHOD AUTH PROVIDER BACKEND STORE SOURCE COMMAND PROMPT VERSION REF";
/// First words of names that ask for something about a secret.
const ASKS: &str = "NO USE WITH WITHOUT SHOW PRINT ASK SKIP ALLOW ENABLE DISABLE REQUIRE REQUIRES CREATE DELETE LIST";
/// What values that stand for a secret hold, in lower case.
const STAND_INS: &str = "example changeme change-me change_me changeit placeholder redacted replace insert your- your_ yourpass dummy \
    sample fixme todo xxxx **** ....";
/// Values that say how, or whether.
const WORDS: &str = "enabled disabled required optional default prompt manual random generate generated bcrypt argon2 argon2id \
    scrypt pbkdf2 sha256 sha512 bearer cookie header opaque internal external keyring keychain system secret \
    password";

/// Whether `text` can hold the name of a secret.
pub(super) fn may_name(text: &[u8]) -> bool {
    text.windows(4).any(|window| {
        let lower = <[u8; 4]>::try_from(window).map(u32::from_le_bytes).unwrap_or_default() | 0x2020_2020;
        HINTS.iter().any(|hint| lower == u32::from_le_bytes(**hint) | 0x2020_2020)
    })
}

/// Whether a variable or option `name` holds a secret: `DB_PASSWORD`, `api-key`, `clientSecret`; not
/// `TOKEN_FILE`, nor `password-min-length`.
pub(super) fn names_secret(name: &str) -> bool {
    if name.len() > MAX_NAME || !may_name(name.as_bytes()) && !may_name(format!("_{name}").as_bytes()) {
        return false;
    }
    let words = words(name);
    let words: Vec<&str> = words.split('_').filter(|word| !word.is_empty()).collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return false };
    let is_secret = words.iter().any(|word| SECRET.iter().any(|secret| word.ends_with(secret)))
        || words.windows(2).any(|pair| pair[1] == "KEY" && KEYS.contains(&pair[0]))
        || (words.len() > 1 && *last == "PASS");
    is_secret && !is_in(ABOUT, last) && !is_in(ASKS, first)
}

fn is_in(list: &str, word: &str) -> bool {
    list.split(' ').any(|entry| entry == word)
}

/// The words of a name in capitals, with `_` between them.
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut before_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && before_lower {
            words.push('_');
        }
        before_lower = c.is_ascii_lowercase();
        words.push(if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    }
    words
}

/// Whether `value`, that of `name`, is a secret itself: no reference to one, no path, nothing that stands for one.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    let value = value.trim_matches(['"', '\'']);
    if !VALUE.contains(&value.len()) || is_reference(value) || value.contains(char::is_whitespace) {
        return false;
    }
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit() || b".:,smhd".contains(&byte));
    let is_word = || is_in(WORDS, &value.to_ascii_lowercase()) || stands_for(value.as_bytes()) || repeats(name, value);
    !is_number && different(value.as_bytes()) >= MIN_DIFFERENT && !is_word()
}

/// Whether it says where the secret is to be found.
fn is_reference(value: &str) -> bool {
    const BEGIN: [&str; 15] =
        ["/", "./", "../", "~", "$", "@", "%", "<", "[", "{", "*", "file:", "env:", "vault:", "credential:"];
    const WITHIN: [&str; 6] = ["://", "$(", "${", "`", "{{", "%("];
    const END: [&str; 9] = [".txt", ".key", ".pem", ".crt", ".json", ".conf", ".env", ".age", ".secret"];
    BEGIN.iter().any(|begin| value.starts_with(begin))
        || END.iter().any(|end| value.ends_with(end))
        || WITHIN.iter().any(|mark| value.contains(mark))
}

/// Whether it is a text such as `EXAMPLE` or `change-me`.
pub(super) fn stands_for(value: &[u8]) -> bool {
    let has = |word: &str| value.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()));
    STAND_INS.split(' ').any(has)
}

/// Whether the value is the name again, or a part of it: `API_KEY=api-key`.
fn repeats(name: &str, value: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let value = letters(value);
    value.is_empty() || letters(name).contains(&value)
}
