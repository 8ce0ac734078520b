//! Lets the nodes of a local fleet join it, the same way any node does: a token, then a certificate for a key made here.

use super::layout::Layout;
use super::settings::Settings;
use crate::args::{App, LogFormat};
use crate::client::{self, Client};
use crate::commands::join;
use crate::error::{CommandError, CommandResult};
use crate::output::{Format, Output};
use fleet_node::config::StateError;
use fleet_proto::v1;
use fleet_units::ids::{EnvironmentName, NodeName};
use std::time::Duration;
use tokio::time::Instant;

/// How often a coordinator that is starting is tried.
const TRY: Duration = Duration::from_millis(50);

/// The operator of a local fleet.
pub(crate) struct Operator {
    client: Client,
}

impl Operator {
    /// Connects as the context of this fleet, for as long as `patience` if the coordinator is still starting.
    pub(crate) async fn connect(layout: &Layout, patience: Duration) -> CommandResult<Operator> {
        let app = app(layout);
        let until = Instant::now() + patience;
        loop {
            match client::connect(&app).await {
                Ok(client) => return Ok(Operator { client }),
                Err(error) if Instant::now() > until => {
                    let log = layout.server().join("server.log");
                    return Err(error.hint(format!("the coordinator's own words: {}", log.display())));
                }
                Err(_) => tokio::time::sleep(TRY).await,
            }
        }
    }

    /// Lets `name` join, unless it has.
    pub(crate) async fn enlist(
        &mut self,
        layout: &Layout,
        settings: &Settings,
        environment: &EnvironmentName,
        name: &str,
    ) -> CommandResult<()> {
        let state = layout.node(name);
        match fleet_node::config::Membership::load(&state) {
            Ok(_) => return Ok(()),
            Err(StateError::NotJoined(_)) => {}
            // Damaged, or of a newer version: it is not ours to replace.
            Err(error) => return Err(CommandError::because(format!("cannot start the node {name}"), error)),
        }
        let request = v1::CreateTokenRequest {
            environment: environment.to_string(),
            name: name.to_owned(),
            // What is left of a node that was half made is not in anybody's way.
            replace: true,
            ..Default::default()
        };
        let token = self.client.call(async |rpc| rpc.create_token(request).await).await?.token;
        let node: NodeName = name.parse().map_err(CommandError::failed)?;
        join::join(&token, &settings.enroll.to_string(), &node, &state).await
    }
}

/// The verbs' view of a local fleet: its own context, nothing printed.
pub(crate) fn app(layout: &Layout) -> App {
    App { context: Some(layout.context_name()), output: Output::detect(Format::Table), log_format: LogFormat::Text }
}
