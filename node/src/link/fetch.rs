//! Manifests and bundles that did not fit a notice, fetched in chunks.

use super::inbox::Refusal;
use fleet_proto::convert::WireError;
use fleet_proto::v1;
use fleet_proto::v1::node_service_client::NodeServiceClient;
use fleet_units::bundle::{Bundle, MAX_ENVIRONMENT};
use fleet_units::ids::UnitDigest;
use prost::Message;
use std::sync::Arc;
use tonic::Status;
use tonic::transport::Channel;

/// Largest manifest that is taken, in bytes: 100,000 units with long names fit.
const MAX_MANIFEST: usize = 32 << 20;

/// Fetches from the coordinator of one connection.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: NodeServiceClient<Channel>,
}

impl Fetcher {
    /// Fetches by way of `client`.
    #[must_use]
    pub fn new(client: NodeServiceClient<Channel>) -> Fetcher {
        Fetcher { client }
    }

    /// The manifest of this epoch and generation, or of a newer one.
    pub(super) async fn manifest(&mut self, epoch: u64, generation: u64) -> Result<v1::Manifest, Refusal> {
        let request = v1::FetchManifestRequest { epoch, generation };
        let mut chunks = self.client.fetch_manifest(request).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            grow(&mut bytes, &chunk.data, MAX_MANIFEST)?;
        }
        v1::Manifest::decode(&bytes[..]).map_err(|error| Status::data_loss(error.to_string()).into())
    }

    /// The bundles with these digests; each is checked against its digest.
    pub(super) async fn bundles(&mut self, digests: &[UnitDigest]) -> Result<Vec<(UnitDigest, Arc<Bundle>)>, Refusal> {
        let digests = digests.iter().map(|digest| digest.as_bytes().to_vec().into()).collect();
        let mut chunks = self.client.fetch_bundles(v1::FetchBundlesRequest { digests }).await?.into_inner();
        let mut bundles = Vec::new();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            grow(&mut bytes, &chunk.data, MAX_ENVIRONMENT)?;
            if chunk.last {
                let wire = v1::Bundle::decode(&bytes[..]).map_err(|error| Status::data_loss(error.to_string()))?;
                let bundle: Bundle = wire.try_into().map_err(|error: WireError| error)?;
                bundles.push((bundle.digest(), Arc::new(bundle)));
                bytes.clear();
            }
        }
        Ok(bundles)
    }
}

fn grow(bytes: &mut Vec<u8>, more: &[u8], most: usize) -> Result<(), Status> {
    if bytes.len() + more.len() > most {
        return Err(Status::resource_exhausted(format!("more than {most} bytes were sent")));
    }
    bytes.extend_from_slice(more);
    Ok(())
}
