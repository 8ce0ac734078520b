//! The coordinator, as a verb sees it: connected under the context's identity, its refusals turned into
//! [`CommandError`](crate::error::CommandError)s with the right exit code.

mod dial;
pub(crate) mod local;
mod refusal;
mod renew;

pub(crate) use refusal::error_of;

use crate::args::App;
use crate::context::{self, Chosen};
use crate::error::CommandResult;
use fleet_proto::v1::operator_service_client::OperatorServiceClient;
use tonic::transport::Channel;
use tonic::{Response, Status};

/// Largest message taken from a coordinator, in bytes (64 MiB): a status of ten thousand nodes.
const MAX_MESSAGE: usize = 64 << 20;

/// The generated client.
pub(crate) type Rpc = OperatorServiceClient<Channel>;

/// A connection to the coordinator of a context.
pub(crate) struct Client {
    rpc: Rpc,
    chosen: Chosen,
}

/// Connects to the coordinator of the chosen context, and renews the operator's certificate when two thirds of
/// its life are over.
pub(crate) async fn connect(app: &App) -> CommandResult<Client> {
    let chosen = context::choose(app.context.as_deref())?;
    let (channel, credentials) = dial::dial(&chosen).await?;
    let mut rpc = OperatorServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    renew::if_due(&mut rpc, &chosen, &credentials, &app.output).await;
    Ok(Client { rpc, chosen })
}

impl Client {
    /// The context's name.
    pub(crate) fn name(&self) -> &str {
        &self.chosen.name
    }

    /// Says what a changing command is about to change: `context/environment`, on stderr.
    pub(crate) fn announce(&self, app: &App, environment: &str) {
        app.output.say(&format!("{}/{environment}", self.chosen.name));
    }

    /// One call; its message, or what the refusal means.
    pub(crate) async fn call<T>(
        &mut self,
        call: impl AsyncFnOnce(&mut Rpc) -> Result<Response<T>, Status>,
    ) -> CommandResult<T> {
        match call(&mut self.rpc).await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(self.error(status)),
        }
    }

    /// What `status` means on this connection.
    pub(crate) fn error(&self, status: Status) -> crate::error::CommandError {
        error_of(status, &format!("the coordinator of the context {}", self.chosen.name))
    }
}
