//! `fleet server …`: the coordinator on this host.

use crate::args::App;
use crate::context::{self, Context};
use crate::error::{CommandError, CommandResult, Exit};
use fleet_certs::keystore::Keystore;
use fleet_server::config::Config;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

/// Run the coordinator, and what works on its host even with everything expired.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a coordinator's state: authority, journal, configuration; `fleet server run` makes the repository
    Init(Init),
    /// Run the coordinator
    Run(Place),
    /// Operators of this fleet
    Operator(Operator),
}

#[derive(Debug, clap::Args)]
struct Place {
    /// Where the coordinator keeps its state
    #[arg(long, env = "FLEET_STATE", value_name = "DIR", hide_env = true)]
    state: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Init {
    #[command(flatten)]
    place: Place,
    /// Where nodes and operators connect
    #[arg(long, env = "FLEET_LISTEN", value_name = "ADDRESS", hide_env = true)]
    listen: Option<SocketAddr>,
    /// Where nodes join
    #[arg(long, env = "FLEET_ENROLL", value_name = "ADDRESS", hide_env = true)]
    enroll: Option<SocketAddr>,
    /// The trust domain, part of every identity
    #[arg(long, env = "FLEET_TRUST_DOMAIN", value_name = "DOMAIN", hide_env = true)]
    trust_domain: Option<String>,
    /// host:port that nodes and operators are told; default: the address to listen on
    #[arg(long, env = "FLEET_ENDPOINT", value_name = "HOST:PORT", hide_env = true)]
    endpoint: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Operator {
    #[command(subcommand)]
    verb: OperatorVerb,
}

#[derive(Debug, clap::Subcommand)]
enum OperatorVerb {
    /// Give an operator a certificate and a context here; works with the coordinator down and everything expired
    Issue(Issue),
}

#[derive(Debug, clap::Args)]
struct Issue {
    /// The operator's name
    name: String,
    #[command(flatten)]
    place: Place,
    /// The name of the context that is made; default: the operator's
    #[arg(long, env = "FLEET_CONTEXT_NAME", value_name = "NAME", hide_env = true)]
    context_name: Option<String>,
}

impl Place {
    fn folder(&self) -> PathBuf {
        let given = self.state.clone().or_else(|| std::env::var_os("STATE_DIRECTORY").map(PathBuf::from));
        given.unwrap_or_else(|| PathBuf::from("/var/lib/fleet/server"))
    }
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    match arguments.verb {
        Verb::Init(arguments) => init(arguments, app),
        Verb::Run(place) => serve(&place, app),
        Verb::Operator(Operator { verb: OperatorVerb::Issue(arguments) }) => issue(&arguments, app),
    }
}

fn init(arguments: Init, app: &App) -> CommandResult {
    let state = arguments.place.folder();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&state)
        .map_err(|error| CommandError::because(format!("cannot make {}", state.display()), error))?;
    let path = state.join("server.toml");
    let mut config = Config::load(&path).map_err(CommandError::failed)?;
    config.listen = arguments.listen.unwrap_or(config.listen);
    config.enroll = arguments.enroll.or(config.enroll);
    if let Some(wanted) = arguments.trust_domain {
        let authority = fleet_server::init::authority_folder(&state);
        if wanted != config.trust_domain && authority.exists() {
            let error = format!("{} has an authority of the trust domain {}", state.display(), config.trust_domain);
            return Err(
                CommandError::failed(error).hint("a trust domain is for good: name another folder: --state DIR")
            );
        }
        config.trust_domain = wanted;
    }
    if !arguments.endpoint.is_empty() {
        config.endpoints = arguments.endpoint;
    }
    config.save(&path).map_err(CommandError::failed)?;
    fleet_server::init::ensure(&state, &config).map_err(CommandError::failed)?;
    app.output.say(&format!("made {}; settings: {}", state.display(), path.display()));
    app.output.say("next: fleet server operator issue NAME, then: fleet server run");
    Ok(Exit::Done)
}

fn serve(place: &Place, app: &App) -> CommandResult {
    crate::daemon_log::start(app.log_format);
    let state = place.folder();
    let config = Config::load(&state.join("server.toml")).map_err(CommandError::failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::because("cannot start the async runtime", error))?;
    runtime.block_on(fleet_server::run(&state, config)).map_err(CommandError::failed)?;
    Ok(Exit::Done)
}

fn issue(arguments: &Issue, app: &App) -> CommandResult {
    let state = arguments.place.folder();
    let config = Config::load(&state.join("server.toml")).map_err(CommandError::failed)?;
    let name = arguments.context_name.as_ref().unwrap_or(&arguments.name);
    let identity = context::identity_folder(name)?;
    let keystore = Keystore::new(&identity);
    fleet_server::init::issue_operator(&state, &config.lives, &arguments.name, &keystore)
        .map_err(CommandError::failed)?;
    let entry = Context { endpoints: config.local_endpoints(), trust_domain: config.trust_domain, identity };
    context::add(name, entry, true)?;
    app.output.say(&format!("{} is an operator now; context {name} uses this certificate", arguments.name));
    Ok(Exit::Done)
}
