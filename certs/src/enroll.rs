//! The node's side of joining: a token, a coordinator that proves to be the token's, a key made here, a certificate.

use crate::client::{self, ConnectError, LinkOptions};
use crate::identity::Identity;
use crate::join_token::{JoinToken, TokenError};
use crate::keystore::{Credentials, Keystore, KeystoreError, PendingKey};
use crate::tls::{self, TlsError};
use fleet_proto::v1::enroll_service_client::EnrollServiceClient;
use fleet_proto::v1::{JoinRequest, JoinResponse};
use fleet_units::ids::{EnvironmentName, NodeName, Sha256Digest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::CertificateDer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest wait for the coordinator's answer to a join.
const JOIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a node could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The text given is no usable token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No connection, or not to the token's coordinator.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The coordinator said no; its own words.
    #[error("the coordinator at {endpoint} refused to let {node} join: {reason}")]
    Refused {
        /// host:port.
        endpoint: String,
        /// The name asked for.
        node: NodeName,
        /// Its reason and the way on.
        reason: String,
    },
    /// The answer does not fit the question.
    #[error("the coordinator at {endpoint} gave an unusable answer: {why}")]
    Answer {
        /// host:port.
        endpoint: String,
        /// What is wrong with it.
        why: String,
    },
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The identity could not be stored.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
}

/// What a node knows once it has joined.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Its name.
    pub node: NodeName,
    /// Its environment; the token decided it.
    pub environment: EnvironmentName,
    /// Where the coordinator listens for nodes, host:port.
    pub endpoints: Vec<String>,
    /// What was written to the keystore.
    pub credentials: Credentials,
}

/// Joins as `node` at the enrolment listener `endpoint` (host:port) and writes the identity to `keystore`, durably.
/// The token is shown only after the coordinator has proved to own the root the token pins.
pub async fn join(
    token: &str,
    endpoint: &str,
    node: &NodeName,
    facts: HashMap<String, String>,
    keystore: &Keystore,
) -> Result<Joined, JoinError> {
    let token: JoinToken = token.parse()?;
    let clock = keystore.clock();
    let config = tls::enrolment_client_config(token.pin, Arc::clone(&clock))?;
    let stream = client::dial(endpoint, config, &LinkOptions::operator()).await?;
    let key = PendingKey::generate()?;
    let request =
        JoinRequest { token: token.to_string(), node: node.to_string(), csr_der: key.request()?.into(), facts };
    let response = ask(stream, endpoint, node, request).await?;
    let answer = |why: String| JoinError::Answer { endpoint: endpoint.to_owned(), why };
    let environment: EnvironmentName = response.environment.parse().map_err(|error| answer(format!("{error}")))?;
    let endpoints = response.endpoints.clone();
    let (chain, roots) = certificates(&response);
    if !roots.iter().any(|root| Sha256Digest::of(root) == token.pin) {
        return Err(answer("the root that the token names is not among its roots".to_owned()));
    }
    let credentials = key.complete(chain, roots)?;
    let wanted = Identity::Node { environment: environment.clone(), name: node.clone() };
    if credentials.me().identity != wanted {
        return Err(answer(format!("the certificate is for {}, not for {wanted}", credentials.me().identity)));
    }
    keystore.replace(&credentials)?;
    clock.saw(credentials.me().not_before);
    Ok(Joined { node: node.clone(), environment, endpoints, credentials })
}

/// Sends the request over the connection there is; it is never dialled again, the token is shown once.
async fn ask(
    stream: client::Spoken,
    endpoint: &str,
    node: &NodeName,
    request: JoinRequest,
) -> Result<JoinResponse, JoinError> {
    let refused = |reason: String| JoinError::Refused { endpoint: endpoint.to_owned(), node: node.clone(), reason };
    let once = Arc::new(Mutex::new(Some(stream)));
    let connector = tower::service_fn(move |_uri: http::Uri| {
        let stream = once.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move { stream.map(TokioIo::new).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionReset)) }
    });
    let channel = client::channel_settings()
        .timeout(JOIN_TIMEOUT)
        .connect_with_connector(connector)
        .await
        .map_err(|error| refused(client::chain(&error)))?;
    let mut service = EnrollServiceClient::new(channel).max_decoding_message_size(client::MESSAGE_LIMIT);
    let response = service.join(request).await.map_err(|status| refused(status.message().to_owned()))?;
    Ok(response.into_inner())
}

/// Chain and roots of the answer.
fn certificates(response: &JoinResponse) -> (Vec<CertificateDer<'static>>, Vec<CertificateDer<'static>>) {
    (from_wire(&response.chain_der), from_wire(&response.roots_der))
}

/// Certificates out of a message's `repeated bytes`.
pub fn from_wire<B: AsRef<[u8]>>(list: &[B]) -> Vec<CertificateDer<'static>> {
    list.iter().map(|der| CertificateDer::from(der.as_ref().to_vec())).collect()
}
