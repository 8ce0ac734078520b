//! Join tokens: made, listed, taken back. Their secrets are shown once and kept as hashes.

use super::not_found;
use super::operator::OperatorApi;
use crate::journal::{Entry, NewToken, TokenRecord};
use fleet_certs::join_token::JoinToken;
use fleet_proto::v1;
use std::time::Duration;
use tonic::Status;

/// How long a token is good for when nobody says otherwise.
const DEFAULT_LIFE: Duration = Duration::from_secs(600);
/// The longest life of a token that several nodes may use.
const LONGEST_SHARED: Duration = Duration::from_secs(30 * 24 * 3600);

impl OperatorApi {
    pub(super) fn new_token(
        &self,
        by: String,
        request: v1::CreateTokenRequest,
    ) -> Result<v1::CreateTokenResponse, Status> {
        let life = match request.expires_seconds {
            0 => DEFAULT_LIFE,
            seconds => Duration::from_secs(seconds),
        };
        let uses = request.uses.max(1);
        if uses > 1 && life > LONGEST_SHARED {
            return Err(Status::invalid_argument("a token for several nodes may live at most 30 days"));
        }
        let environment = request
            .environment
            .parse()
            .map_err(|error: fleet_units::ids::IdError| Status::invalid_argument(error.to_string()))?;
        let secret = JoinToken::generate(self.pin);
        let token = NewToken {
            id: secret.id(),
            hash: secret.hash(),
            uses,
            expires: (self.wall)().after(life),
            environment,
            labels: request.labels.into_iter().collect(),
            name: request.name,
            replace: request.replace,
            by,
        };
        let record = TokenRecord { token: token.clone(), used: 0, revoked: false };
        self.record(Entry::TokenCreated(token))?;
        Ok(v1::CreateTokenResponse { token: secret.to_string(), view: Some(view(&record)) })
    }

    pub(super) fn tokens(&self) -> Vec<v1::TokenView> {
        self.journal.state().tokens.values().map(view).collect()
    }

    pub(super) fn take_back_token(&self, by: String, id: String) -> Result<(), Status> {
        let state = self.journal.state();
        match state.tokens.get(&id) {
            None => Err(not_found("token", &id, state.tokens.keys().map(String::as_str))),
            Some(token) if token.revoked => Ok(()),
            Some(_) => self.record(Entry::TokenRevoked { id, by }),
        }
    }
}

fn view(record: &TokenRecord) -> v1::TokenView {
    let NewToken { id, uses, expires, environment, labels, name, by, .. } = record.token.clone();
    v1::TokenView {
        id,
        environment: environment.into(),
        uses_left: uses.saturating_sub(record.used),
        uses,
        expires_us: expires.0,
        labels: labels.into_iter().collect(),
        name,
        created_by: by,
        revoked: record.revoked,
    }
}
