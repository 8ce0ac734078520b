//! Join tokens: the text that lets a new node in.
//!
//! `FLEET1.<id>.<secret>.<pin>.<check>`: 8 bytes of id, 32 bytes of secret, SHA-256 of the root certificate's DER, and
//! the first 4 bytes of SHA-256 over all before it. The check tells a copying mistake from a forged token; the pin lets
//! the node know its coordinator before it shows the secret. All parts are base64url without padding. The coordinator
//! keeps only a hash of the secret: 32 random bytes need no slow hash.

use crate::files::random;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_units::ids::Sha256Digest;
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq as _;

/// What every token of this format begins with.
const PREFIX: &str = "FLEET1";
/// Characters of a whole token.
const LENGTH: usize = PREFIX.len() + 1 + 11 + 1 + 43 + 1 + 43 + 1 + 6;

/// Why a text is no join token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing was given.
    #[error("the join token is empty")]
    Empty,
    /// Something else was given.
    #[error("this is not a join token: one begins with {PREFIX}.")]
    NotAToken,
    /// A later format.
    #[error("this join token has a newer format than this version of fleet reads; update fleet on this host")]
    Newer,
    /// The end is missing.
    #[error("the join token is cut off: it has {0} of {LENGTH} characters; copy the whole line")]
    Truncated(usize),
    /// Characters were changed or added.
    #[error("the join token is damaged: a character was changed or added; copy it again, or create a new one")]
    Tampered,
}

/// A token as it is handed to a node. Its `Debug` shows no secret; its `Display` is the token.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    id: [u8; 8],
    secret: [u8; 32],
    /// SHA-256 of the root certificate's DER.
    pub pin: Sha256Digest,
}

impl JoinToken {
    /// A new token for the fleet of this root.
    #[must_use]
    pub fn generate(pin: Sha256Digest) -> JoinToken {
        JoinToken { id: random(), secret: random(), pin }
    }

    /// Its public name, in lists and in the journal.
    #[must_use]
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.id)
    }

    /// What the coordinator keeps: SHA-256 over id and secret.
    #[must_use]
    pub fn hash(&self) -> Sha256Digest {
        Sha256Digest::of(&[self.id.as_slice(), self.secret.as_slice()].concat())
    }

    /// Whether `kept` is the hash of this token; takes the same time whatever they hold.
    #[must_use]
    pub fn matches(&self, kept: &Sha256Digest) -> bool {
        self.hash().as_bytes().ct_eq(kept.as_bytes()).into()
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let body = format!("{PREFIX}.{}.{}.{}", encode(&self.id), encode(&self.secret), encode(self.pin.as_bytes()));
        write!(f, "{body}.{}", check(&body))
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({})", self.id())
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        plausible(text)?;
        let (body, sum) = text.rsplit_once('.').ok_or(TokenError::Tampered)?;
        if text.len() != LENGTH || check(body) != sum {
            return Err(TokenError::Tampered);
        }
        let parts: Vec<&str> = body.split('.').collect();
        let [_, id, secret, pin] = parts.as_slice() else { return Err(TokenError::Tampered) };
        let pin = Sha256Digest::from_bytes(&decode::<32>(pin)?).map_err(|_| TokenError::Tampered)?;
        Ok(JoinToken { id: decode(id)?, secret: decode(secret)?, pin })
    }
}

/// Tells what the text is when it is no token at all, of another format, or cut off.
fn plausible(text: &str) -> Result<(), TokenError> {
    if text.is_empty() {
        return Err(TokenError::Empty);
    }
    let head = text.split('.').next().unwrap_or_default();
    if head != PREFIX {
        let newer = head.strip_prefix("FLEET").and_then(|digits| digits.parse::<u32>().ok());
        return Err(if newer.is_some_and(|version| version > 1) { TokenError::Newer } else { TokenError::NotAToken });
    }
    if text.len() < LENGTH {
        return Err(TokenError::Truncated(text.len()));
    }
    Ok(())
}

fn check(body: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256Digest::of(body.as_bytes()).as_bytes()[..4])
}

fn decode<const N: usize>(part: &str) -> Result<[u8; N], TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Tampered)?;
    bytes.try_into().map_err(|_| TokenError::Tampered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        JoinToken::generate(Sha256Digest::of(b"root"))
    }

    #[test]
    fn a_token_reads_back_and_matches_its_own_hash_only() {
        let token = token();
        let read: JoinToken = format!(" {token}\n").parse().unwrap();
        assert_eq!(read, token);
        assert!(read.matches(&token.hash()));
        assert!(!read.matches(&self::token().hash()));
    }

    #[test]
    fn the_secret_is_not_in_debug_output() {
        let token = token();
        let secret = URL_SAFE_NO_PAD.encode(token.secret);
        assert!(!format!("{token:?}").contains(&secret));
    }

    #[test]
    fn every_prefix_of_a_token_is_cut_off_or_no_token() {
        let text = token().to_string();
        assert_eq!(text.len(), LENGTH);
        assert_eq!("".parse::<JoinToken>(), Err(TokenError::Empty));
        for end in 1..text.len() {
            let wanted = if end < PREFIX.len() { TokenError::NotAToken } else { TokenError::Truncated(end) };
            assert_eq!(text[..end].parse::<JoinToken>(), Err(wanted));
        }
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let text = token().to_string();
        for at in PREFIX.len() + 1..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(changed.parse::<JoinToken>(), Err(TokenError::Tampered), "{at}");
        }
        assert_eq!(format!("{text}x").parse::<JoinToken>(), Err(TokenError::Tampered));
    }

    #[test]
    fn other_texts_are_told_apart() {
        assert_eq!("hello".parse::<JoinToken>(), Err(TokenError::NotAToken));
        assert_eq!("FLEET2.abc".parse::<JoinToken>(), Err(TokenError::Newer));
        assert_eq!("FLEETX.abc".parse::<JoinToken>(), Err(TokenError::NotAToken));
    }
}
