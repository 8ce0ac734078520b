//! `fleet token create|list|revoke`: what a new node joins with.

use crate::args::App;
use crate::client;
use crate::error::{CommandError, CommandResult, Exit};
use crate::output::table::{Cell, Table};
use crate::output::time::{now, parse_duration, rfc3339, until};
use crate::output::view::some;
use crate::output::{Paint, json};
use fleet_proto::v1;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Make, list and revoke the tokens nodes join with.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a token; it is shown once, on stdout
    #[command(
        after_help = "Example: fleet token create -e production --label role=web --name 'web-*' --uses 3 > token"
    )]
    Create(Create),
    /// List the tokens
    List,
    /// Revoke a token
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// The environment nodes join
    #[arg(short, long, env = "FLEET_ENVIRONMENT", value_name = "ENV", hide_env = true)]
    environment: String,
    /// How many nodes may join with it
    #[arg(long, env = "FLEET_USES", value_name = "N", default_value_t = 1, hide_env = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    uses: u32,
    /// How long it is valid
    #[arg(long, env = "FLEET_EXPIRES", value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    #[arg(hide_env = true)]
    expires: Duration,
    /// A label nodes get that join with it; repeat it for several
    #[arg(long = "label", env = "FLEET_LABEL", value_name = "KEY=VALUE", value_parser = label, hide_env = true)]
    labels: Vec<(String, String)>,
    /// The name, or a pattern with *, nodes must have
    #[arg(long, env = "FLEET_NAME", value_name = "NAME", hide_env = true)]
    name: Option<String>,
    /// A node of that name may be there already and is replaced
    #[arg(long, env = "FLEET_REPLACE", hide_env = true)]
    replace: bool,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Debug, clap::Args)]
struct Revoke {
    /// The token's id, from `fleet token list`
    id: String,
}

#[derive(Debug, Serialize)]
struct Created {
    token: String,
    #[serde(flatten)]
    view: Option<Token>,
}

#[derive(Debug, Serialize)]
struct List {
    tokens: Vec<Token>,
}

#[derive(Debug, Serialize)]
struct Token {
    id: String,
    environment: String,
    uses: u32,
    uses_left: u32,
    expires: Option<String>,
    labels: BTreeMap<String, String>,
    name: Option<String>,
    created_by: String,
    revoked: bool,
}

impl From<v1::TokenView> for Token {
    fn from(token: v1::TokenView) -> Self {
        Token {
            id: token.id,
            environment: token.environment,
            uses: token.uses,
            uses_left: token.uses_left,
            expires: rfc3339(token.expires_us),
            labels: token.labels.into_iter().collect(),
            name: some(token.name),
            created_by: token.created_by,
            revoked: token.revoked,
        }
    }
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    match arguments.verb {
        Verb::Create(arguments) => create(arguments, app)?,
        Verb::List => list(app)?,
        Verb::Revoke(arguments) => revoke(arguments, app)?,
    }
    Ok(Exit::Done)
}

fn create(arguments: Create, app: &App) -> CommandResult<()> {
    if arguments.expires.as_secs() == 0 {
        return Err(
            CommandError::usage("a token must be valid for at least a second").hint("for example --expires 10m")
        );
    }
    let environment = arguments.environment;
    let request = v1::CreateTokenRequest {
        uses: arguments.uses,
        expires_seconds: arguments.expires.as_secs(),
        environment: environment.clone(),
        labels: arguments.labels.into_iter().collect(),
        name: arguments.name.unwrap_or_default(),
        replace: arguments.replace,
    };
    let created = app.block_on(async {
        let mut client = client::connect(app).await?;
        client.announce(app, &environment);
        client.call(async |rpc| rpc.create_token(request).await).await
    })?;
    if app.output.is_json() {
        return json::print(&app.output, &Created { token: created.token, view: created.view.map(Into::into) });
    }
    app.output.write(&format!("{}\n", created.token))?;
    if let Some(view) = created.view {
        let times = if view.uses == 1 { "once".to_owned() } else { format!("{} times", view.uses) };
        let left = until(view.expires_us, now());
        app.output.say(&format!("token {}: for {environment}, {times}, within {left}; it is not shown again", view.id));
    }
    Ok(())
}

fn list(app: &App) -> CommandResult<()> {
    let tokens = app.block_on(async {
        let mut client = client::connect(app).await?;
        Ok(client.call(async |rpc| rpc.list_tokens(v1::ListTokensRequest {}).await).await?.tokens)
    })?;
    if app.output.is_json() {
        return json::print(&app.output, &List { tokens: tokens.into_iter().map(Into::into).collect() });
    }
    if tokens.is_empty() {
        app.output.say("there are no tokens");
        return Ok(());
    }
    let mut table = Table::new(["TOKEN", "ENVIRONMENT", "USES LEFT", "EXPIRES IN", "NAME", "LABELS", "BY"]);
    let now = now();
    for token in &tokens {
        let expires = if token.revoked { "revoked".to_owned() } else { until(token.expires_us, now) };
        let usable = !token.revoked && token.uses_left > 0 && token.expires_us > now;
        let labels: BTreeMap<&String, &String> = token.labels.iter().collect();
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        table.row([
            Cell::new(token.id.as_str(), if usable { Paint::Strong } else { Paint::Faint }),
            token.environment.as_str().into(),
            format!("{} of {}", token.uses_left, token.uses).into(),
            expires.into(),
            token.name.as_str().into(),
            labels.join(",").into(),
            token.created_by.as_str().into(),
        ]);
    }
    app.output.write(&table.render(&app.output.stdout))
}

fn revoke(arguments: Revoke, app: &App) -> CommandResult<()> {
    let request = v1::RevokeTokenRequest { id: arguments.id.clone() };
    app.block_on(async {
        let mut client = client::connect(app).await?;
        app.output.say(client.name());
        client.call(async |rpc| rpc.revoke_token(request).await).await
    })?;
    app.output.say(&format!("revoked the token {}", arguments.id));
    Ok(())
}
