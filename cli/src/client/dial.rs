//! The one function that opens a channel: mTLS with the context's identity.

use crate::context::Chosen;
use crate::error::{CommandError, CommandResult, ErrorKind};
use fleet_certs::client::{ConnectError, ConnectErrorKind, LinkOptions};
use fleet_certs::keystore::{Credentials, Keystore};
use tonic::transport::Channel;

/// Connects to the first endpoint of `chosen` that answers and accepts us; also gives the identity we show.
pub(super) async fn dial(chosen: &Chosen) -> CommandResult<(Channel, Credentials)> {
    let keystore = Keystore::new(&chosen.context.identity);
    let credentials = keystore.load().map_err(|error| {
        CommandError::because(format!("cannot use the identity of the context {}", chosen.name), error)
            .of_kind(ErrorKind::Unreachable)
            .hint("`fleet server operator issue NAME` on the coordinator's host makes a new one")
    })?;
    let (ours, wanted) = (credentials.me().domain.as_str(), &chosen.context.trust_domain);
    if ours != wanted {
        let what = format!("the context {} is for the fleet {wanted}, but its identity is of {ours}", chosen.name);
        return Err(CommandError::usage(what).hint("`fleet context add` can change either"));
    }
    let channel = fleet_certs::client::connect(&chosen.context.endpoints, &keystore, &LinkOptions::operator())
        .await
        .map_err(|error| unreachable(&error, &chosen.name))?;
    Ok((channel, credentials))
}

/// What a failed connection means; each kind is "unreachable or not authenticated".
pub(super) fn unreachable(error: &ConnectError, context: &str) -> CommandError {
    let what = format!("cannot connect to the coordinator of the context {context} at {}", error.endpoint);
    let failed = CommandError::because(what, error.why.clone()).of_kind(ErrorKind::Unreachable);
    match error.kind {
        ConnectErrorKind::Unreachable => failed
            .hint("is it running? `fleet up` starts a fleet on this machine")
            .hint(format!("`fleet context show {context}` shows where it is looked for")),
        ConnectErrorKind::Timeout
        | ConnectErrorKind::WrongAuthority
        | ConnectErrorKind::TheirCertificate
        | ConnectErrorKind::OurCertificate
        | ConnectErrorKind::Keystore
        | ConnectErrorKind::Protocol => failed.hint(error.next.clone()),
    }
}
