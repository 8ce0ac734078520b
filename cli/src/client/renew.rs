//! An operator's certificate renews on use: any command, once two thirds of its life are over.

use super::Rpc;
use crate::context::Chosen;
use crate::output::Output;
use fleet_certs::keystore::{Credentials, Keystore, PendingKey};
use fleet_certs::renewal;
use fleet_proto::v1::RenewOperatorRequest;
use std::error::Error;
use std::time::Duration;

/// Renews the identity of `chosen` if that is due. Failing is worth a word, not a failed command: the certificate
/// in hand is still valid.
pub(super) async fn if_due(rpc: &mut Rpc, chosen: &Chosen, credentials: &Credentials, output: &Output) {
    let keystore = Keystore::new(&chosen.context.identity);
    if renewal::wait(keystore.clock().now(), credentials.me()) > Duration::ZERO {
        return;
    }
    if let Err(error) = renew(rpc, &keystore, credentials).await {
        output.say(&format!("warning: the certificate of the context {} could not be renewed: {error}", chosen.name));
    }
}

async fn renew(rpc: &mut Rpc, keystore: &Keystore, old: &Credentials) -> Result<(), Box<dyn Error>> {
    let key = PendingKey::generate()?;
    let request = RenewOperatorRequest { csr_der: key.request()?.into() };
    let answer = rpc.renew_operator(request).await.map_err(|status| status.message().to_owned())?.into_inner();
    let certificates = |list: Vec<prost::bytes::Bytes>| list.into_iter().map(|der| der.to_vec().into()).collect();
    let new = key.complete(certificates(answer.chain_der), certificates(answer.roots_der))?;
    if new.me().identity != old.me().identity {
        return Err("the new certificate is for someone else".into());
    }
    keystore.replace(&new)?;
    Ok(())
}
