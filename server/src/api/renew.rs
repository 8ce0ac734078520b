//! New leaves for old identities: the same name, a new key. The identity comes from the certificate that asks.

use super::node::RenewNode;
use super::operator::RenewOperator;
use crate::config::Lives;
use crate::journal::{Entry, Journal};
use fleet_certs::authority::{Authority, AuthorityError, CheckedRequest, Issued};
use fleet_certs::clock::system_time;
use fleet_certs::identity::Identity;
use fleet_proto::v1;
use fleet_units::time::Timestamp;
use rustls::pki_types::CertificateDer;
use std::future::{Ready, ready};
use std::sync::Arc;
use tonic::Status;
use tonic::codegen::Bytes;

/// How nodes' leaves are renewed.
#[must_use]
pub fn of_nodes(authority: Arc<Authority>, journal: Journal, lives: Lives) -> Box<RenewNode> {
    Box::new(move |peer, request| {
        let issued = sign(&authority, &lives, &peer.identity, request, journal.signing_time())?;
        Ok(v1::RenewResponse { chain_der: ders(&issued.chain), roots_der: ders(authority.roots()) })
    })
}

/// How operators' leaves are renewed; the journal knows the latest serial.
#[must_use]
pub fn of_operators(authority: Arc<Authority>, journal: Journal, lives: Lives) -> Box<RenewOperator> {
    Box::new(move |peer, request| {
        let issued = sign(&authority, &lives, &peer.identity, request, journal.signing_time())?;
        if let Identity::Operator { name } = &peer.identity {
            let serial = issued.peer.serial.to_string();
            let recorded = journal.append(Entry::OperatorRenewed { name: name.clone(), serial });
            recorded.map_err(|error| Status::unavailable(crate::error_chain(&error)))?;
        }
        Ok(v1::RenewOperatorResponse { chain_der: ders(&issued.chain), roots_der: ders(authority.roots()) })
    })
}

type Certificates = Vec<CertificateDer<'static>>;
type Signed = Ready<Result<(Certificates, Certificates), AuthorityError>>;

/// How the coordinator renews its own leaf.
pub fn own(authority: Arc<Authority>, lives: Lives) -> impl Fn(Vec<u8>) -> Signed {
    move |request| {
        let name = "coordinator".parse().expect("this is a DNS label");
        let identity = Identity::Coordinator { name };
        let signed = CheckedRequest::parse(&request)
            .and_then(|request| authority.sign(&request, &identity, lives.of(&identity), system_time()))
            .map(|issued| (issued.chain, authority.roots().to_vec()));
        ready(signed)
    }
}

fn sign(
    authority: &Authority,
    lives: &Lives,
    identity: &Identity,
    request: &[u8],
    now: Timestamp,
) -> Result<Issued, Status> {
    let request = CheckedRequest::parse(request).map_err(|error| {
        Status::invalid_argument(format!("the request cannot be used: {}", crate::error_chain(&error)))
    })?;
    authority
        .sign(&request, identity, lives.of(identity), now)
        .map_err(|error| Status::internal(crate::error_chain(&error)))
}

fn ders(certificates: &[CertificateDer<'_>]) -> Vec<Bytes> {
    certificates.iter().map(|der| Bytes::copy_from_slice(der)).collect()
}
