//! The node service: a node speaks only for itself, as its certificate says.

use super::caller;
use crate::logs::LogStore;
use crate::reconcile::Handle;
use crate::sessions::{self, Offer};
use fleet_certs::identity::Identity;
use fleet_proto::v1;
use fleet_proto::v1::node_service_server::NodeService;
use fleet_units::ids::{EnvironmentName, NodeName, UnitDigest};
use prost::Message;
use std::pin::Pin;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// Largest chunk of a manifest or bundle, in bytes.
const CHUNK: usize = 256 << 10;
/// Messages on their way to one node. Offers wait in a watch, so few are ever queued.
const OUTBOUND: usize = 4;

/// Signs a node's request for a new leaf.
pub type RenewNode = dyn Fn(&fleet_certs::peer::PeerIdentity, &[u8]) -> Result<v1::RenewResponse, Status> + Send + Sync;

/// What the node service works with.
pub struct NodeApi {
    /// The fleet task.
    pub fleet: Handle,
    /// Where logs go.
    pub logs: LogStore,
    /// How leaves are renewed.
    pub renew: Box<RenewNode>,
    /// Ends every stream.
    pub shutdown: CancellationToken,
}

type Chunks<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl NodeApi {
    fn node<T>(request: &Request<T>) -> Result<(EnvironmentName, NodeName), Status> {
        match caller(request)?.identity {
            Identity::Node { environment, name } => Ok((environment, name)),
            other => Err(Status::permission_denied(format!("{other} is no node"))),
        }
    }

    async fn offer(&self, node: NodeName) -> Result<Offer, Status> {
        self.fleet
            .offer_of(node)
            .await
            .ok_or_else(|| Status::failed_precondition("there is no assignment for this node yet"))
    }
}

#[tonic::async_trait]
impl NodeService for NodeApi {
    type ControlStream = ReceiverStream<Result<v1::CoordinatorMessage, Status>>;
    type LogsStream = Chunks<v1::LogAck>;
    type FetchManifestStream = Chunks<v1::Chunk>;
    type FetchBundlesStream = Chunks<v1::BundleChunk>;

    async fn control(
        &self,
        request: Request<Streaming<v1::NodeMessage>>,
    ) -> Result<Response<Self::ControlStream>, Status> {
        let (environment, node) = Self::node(&request)?;
        let (outbound, messages) = mpsc::channel(OUTBOUND);
        let serving = sessions::serve(
            node,
            environment,
            request.into_inner(),
            outbound,
            self.fleet.clone(),
            self.shutdown.clone(),
        );
        tokio::spawn(serving);
        Ok(Response::new(ReceiverStream::new(messages)))
    }

    async fn logs(&self, request: Request<Streaming<v1::LogBatch>>) -> Result<Response<Self::LogsStream>, Status> {
        let (environment, node) = Self::node(&request)?;
        let acks = self.logs.receive(environment, node, request.into_inner(), self.shutdown.clone());
        Ok(Response::new(Box::pin(acks)))
    }

    async fn fetch_manifest(
        &self,
        request: Request<v1::FetchManifestRequest>,
    ) -> Result<Response<Self::FetchManifestStream>, Status> {
        let (_, node) = Self::node(&request)?;
        let manifest = v1::Manifest::from(self.offer(node).await?.assignment.as_ref()).encode_to_vec();
        let chunks: Vec<_> = pieces(&manifest).map(|data| Ok(v1::Chunk { data: data.to_vec().into() })).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }

    async fn fetch_bundles(
        &self,
        request: Request<v1::FetchBundlesRequest>,
    ) -> Result<Response<Self::FetchBundlesStream>, Status> {
        let (_, node) = Self::node(&request)?;
        let offer = self.offer(node).await?;
        let digests = request
            .into_inner()
            .digests
            .iter()
            .map(|digest| UnitDigest::from_bytes(digest))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        // One bundle is cut up at a time: a large environment does not stand in memory twice.
        let bundles = tokio_stream::iter(digests).map(move |digest| bundle_chunks(&offer, &digest));
        let chunks = bundles.flat_map_chunks();
        Ok(Response::new(chunks))
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::RenewResponse>, Status> {
        let peer = caller(&request)?;
        Self::node(&request)?;
        (self.renew)(&peer, &request.into_inner().csr_der).map(Response::new)
    }
}

trait FlatChunks {
    fn flat_map_chunks(self) -> Chunks<v1::BundleChunk>;
}

impl<S> FlatChunks for S
where
    S: Stream<Item = Result<Vec<v1::BundleChunk>, Status>> + Send + 'static,
{
    fn flat_map_chunks(self) -> Chunks<v1::BundleChunk> {
        let (sender, receiver) = mpsc::channel(OUTBOUND);
        tokio::spawn(async move {
            let mut bundles = Box::pin(self);
            while let Some(bundle) = bundles.next().await {
                let chunks = match bundle {
                    Ok(chunks) => chunks.into_iter().map(Ok).collect(),
                    Err(status) => vec![Err(status)],
                };
                for chunk in chunks {
                    if sender.send(chunk).await.is_err() {
                        return;
                    }
                }
            }
        });
        Box::pin(ReceiverStream::new(receiver))
    }
}

fn bundle_chunks(offer: &Offer, digest: &UnitDigest) -> Result<Vec<v1::BundleChunk>, Status> {
    let bundle = offer
        .bundle(digest)
        .ok_or_else(|| Status::not_found(format!("bundle {digest} is not in this node's assignment")))?;
    let bytes = v1::Bundle::from(bundle.as_ref()).encode_to_vec();
    let mut chunks: Vec<v1::BundleChunk> = pieces(&bytes)
        .map(|data| v1::BundleChunk {
            digest: digest.as_bytes().to_vec().into(),
            data: data.to_vec().into(),
            last: false,
        })
        .collect();
    chunks.last_mut().expect("a bundle has at least its format").last = true;
    Ok(chunks)
}

fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(CHUNK)
}
