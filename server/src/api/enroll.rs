//! Enrolment: a token and a request for a certificate in, a certificate out. No client certificate is asked for here.
//!
//! One use of a token counts once its record is durable, and before the certificate is handed out: two joins with a
//! token's last use cannot both succeed, and a crash in between costs the use, not the fleet's safety.

use crate::config::Lives;
use crate::journal::{Entry, Journal, JournalState, TokenRecord, Undecided};
use fleet_certs::authority::{Authority, CheckedRequest};
use fleet_certs::identity::Identity;
use fleet_certs::join_token::JoinToken;
use fleet_proto::v1;
use fleet_proto::v1::enroll_service_server::EnrollService;
use fleet_units::ids::NodeName;
use fleet_units::time::Timestamp;
use std::sync::Arc;
use tonic::codegen::Bytes;
use tonic::{Request, Response, Status};

/// What the enrolment service works with.
pub struct EnrollApi {
    authority: Arc<Authority>,
    journal: Journal,
    lives: Lives,
    endpoints: Vec<String>,
}

/// Why a token does not let a node in. Each has its own words, and the way on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEntry {
    /// It pins another authority.
    #[error("the token is of another fleet: it pins another certificate authority")]
    Foreign,
    /// No such token was made here, or its secret was altered.
    #[error("the token is not known here: it was altered, or its fleet was made anew")]
    Unknown,
    /// It was taken back.
    #[error("the token was revoked")]
    Revoked,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// All its uses are used.
    #[error("the token is used up: it was good for {0} node(s)")]
    UsedUp(u32),
    /// It is for another name.
    #[error("the token is for nodes named {pattern:?}, not for {node}")]
    Name {
        /// What it is for.
        pattern: String,
        /// What was asked for.
        node: NodeName,
    },
    /// There is a node of this name.
    #[error("{0} has joined already, and the token does not replace nodes")]
    Exists(NodeName),
}

impl NoEntry {
    fn status(&self) -> Status {
        let next = match self {
            NoEntry::Exists(node) => {
                format!("`fleet nodes remove {node}`, or a token made with --replace")
            }
            NoEntry::Name { .. } => "join under that name, or have a token made for this one".to_owned(),
            NoEntry::Foreign | NoEntry::Unknown | NoEntry::Revoked | NoEntry::Expired | NoEntry::UsedUp(_) => {
                "have a new one made: fleet token create".to_owned()
            }
        };
        Status::permission_denied(format!("{self}; {next}"))
    }
}

impl EnrollApi {
    /// Nodes that join are told `endpoints` (host:port of the main listener).
    #[must_use]
    pub fn new(authority: Arc<Authority>, journal: Journal, lives: Lives, endpoints: Vec<String>) -> EnrollApi {
        EnrollApi { authority, journal, lives, endpoints }
    }

    fn enrol(&self, request: v1::JoinRequest) -> Result<v1::JoinResponse, Status> {
        let token: JoinToken =
            request.token.parse().map_err(|error| Status::invalid_argument(format!("the token: {error}")))?;
        let node: NodeName = request
            .node
            .parse()
            .map_err(|error: fleet_units::ids::IdError| Status::invalid_argument(error.to_string()))?;
        let checked = CheckedRequest::parse(&request.csr_der)
            .map_err(|error| Status::invalid_argument(crate::error_chain(&error)))?;
        if token.pin != self.authority.root_digest() {
            return Err(NoEntry::Foreign.status());
        }
        let environment = admit(&self.journal.state(), &token, &node, self.journal.signing_time())
            .map_err(|no| no.status())?
            .token
            .environment
            .clone();
        let identity = Identity::Node { environment: environment.clone(), name: node.clone() };
        let issued = self
            .authority
            .sign(&checked, &identity, self.lives.of(&identity), self.journal.signing_time())
            .map_err(|error| Status::internal(crate::error_chain(&error)))?;
        let decided = self.journal.decide(|state, now| -> Result<Entry, NoEntry> {
            let record = admit(state, &token, &node, now)?;
            Ok(Entry::NodeEnrolled {
                node: node.clone(),
                environment: environment.clone(),
                labels: record.token.labels.clone(),
                token: Some(record.token.id.clone()),
                serial: issued.peer.serial.to_string(),
                key: checked.key_digest(),
            })
        });
        match decided {
            Ok(_) => {}
            Err(Undecided::Refused(no)) => return Err(no.status()),
            Err(Undecided::Journal(error)) => return Err(Status::unavailable(crate::error_chain(&error))),
        }
        tracing::info!(%node, %environment, "a node joined");
        let ders = |chain: &[rustls::pki_types::CertificateDer<'_>]| -> Vec<Bytes> {
            chain.iter().map(|der| Bytes::copy_from_slice(der)).collect()
        };
        Ok(v1::JoinResponse {
            node: node.into(),
            environment: environment.into(),
            chain_der: ders(&issued.chain),
            roots_der: ders(self.authority.roots()),
            trust_domain: self.authority.domain().as_str().to_owned(),
            endpoints: self.endpoints.clone(),
        })
    }
}

/// Whether `token` lets `node` in at `now`. Pure; the record says what the node gets.
fn admit<'a>(
    state: &'a JournalState,
    token: &JoinToken,
    node: &NodeName,
    now: Timestamp,
) -> Result<&'a TokenRecord, NoEntry> {
    let record = state.tokens.get(&token.id()).ok_or(NoEntry::Unknown)?;
    let made = &record.token;
    if !token.matches(&made.hash) {
        return Err(NoEntry::Unknown);
    }
    if record.revoked {
        return Err(NoEntry::Revoked);
    }
    if now >= made.expires {
        return Err(NoEntry::Expired);
    }
    if record.used >= made.uses {
        return Err(NoEntry::UsedUp(made.uses));
    }
    if !made.name.is_empty() && !matches(&made.name, node.as_str()) {
        return Err(NoEntry::Name { pattern: made.name.clone(), node: node.clone() });
    }
    if state.nodes.contains_key(node) && !made.replace {
        return Err(NoEntry::Exists(node.clone()));
    }
    Ok(record)
}

/// Whether `name` is `pattern`, in which each `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let pieces: Vec<&str> = rest.split('*').collect();
    let (last, middle) = pieces.split_last().expect("a split gives at least one piece");
    for piece in middle {
        let Some(at) = left.find(piece) else { return false };
        left = &left[at + piece.len()..];
    }
    left.ends_with(last)
}

#[tonic::async_trait]
impl EnrollService for EnrollApi {
    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinResponse>, Status> {
        let answer = self.enrol(request.into_inner());
        if let Err(status) = &answer {
            tracing::warn!(reason = status.message(), "a node was not let in");
        }
        answer.map(Response::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::NewToken;
    use fleet_units::ids::Sha256Digest;

    const NOW: Timestamp = Timestamp(1_000);

    fn state(token: &JoinToken, change: impl FnOnce(&mut TokenRecord)) -> JournalState {
        let made = NewToken {
            id: token.id(),
            hash: token.hash(),
            uses: 1,
            expires: Timestamp(2_000),
            environment: "test".parse().unwrap(),
            labels: Default::default(),
            name: "test-*".to_owned(),
            replace: false,
            by: "operator/ann".to_owned(),
        };
        let mut record = TokenRecord { token: made, used: 0, revoked: false };
        change(&mut record);
        let mut state = JournalState::default();
        state.tokens.insert(token.id(), record);
        state
    }

    fn outcome(node: &str, change: impl FnOnce(&mut TokenRecord)) -> Result<(), NoEntry> {
        let token = JoinToken::generate(Sha256Digest::of(b"root"));
        admit(&state(&token, change), &token, &node.parse().unwrap(), NOW).map(drop)
    }

    #[test]
    fn each_reason_to_refuse_a_token_has_its_own_words() {
        assert_eq!(outcome("test-1", |_| {}), Ok(()));
        assert_eq!(outcome("test-1", |token| token.revoked = true), Err(NoEntry::Revoked));
        assert_eq!(outcome("test-1", |token| token.token.expires = NOW), Err(NoEntry::Expired));
        assert_eq!(outcome("test-1", |token| token.used = 1), Err(NoEntry::UsedUp(1)));
        assert!(matches!(outcome("web-1", |_| {}), Err(NoEntry::Name { .. })));
        assert_eq!(outcome("test-1", |token| token.token.hash = Sha256Digest::of(b"other")), Err(NoEntry::Unknown));
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        for (pattern, name, fits) in [
            ("web", "web", true),
            ("web", "web-1", false),
            ("web-*", "web-1", true),
            ("*-eu-*", "web-eu-1", true),
            ("*-eu-*", "web-us-1", false),
            ("*", "anything", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
