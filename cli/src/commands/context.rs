//! `fleet context list|show|use|add|remove`: which coordinator the other verbs talk to.

use crate::args::App;
use crate::context::{self, Context, Contexts};
use crate::error::{CommandError, CommandResult, Exit};
use crate::output::table::Table;
use crate::output::{Paint, json};
use serde::Serialize;
use std::path::PathBuf;

/// List and choose the coordinators this command talks to.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the contexts
    List,
    /// Show one context
    Show(Name),
    /// Make a context the one used without --context
    Use(Required),
    /// Add a context, or change one
    Add(Add),
    /// Remove a context; its identity's folder stays
    Remove(Required),
}

#[derive(Debug, clap::Args)]
struct Name {
    /// The context; default: the one in use
    name: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Required {
    /// The context
    name: String,
}

#[derive(Debug, clap::Args)]
struct Add {
    /// The name of the context
    name: String,
    /// Address of the coordinator's main listener; repeat it for several
    #[arg(long = "endpoint", env = "FLEET_ENDPOINT", value_name = "HOST:PORT", required = true, hide_env = true)]
    #[arg(value_delimiter = ',')]
    endpoints: Vec<String>,
    /// The trust domain of the fleet
    #[arg(long, env = "FLEET_TRUST_DOMAIN", value_name = "DOMAIN", hide_env = true)]
    trust_domain: String,
    /// The folder that holds key, certificate chain and roots; default: identities/NAME beside the configuration
    #[arg(long, env = "FLEET_IDENTITY", value_name = "FOLDER", hide_env = true)]
    identity: Option<PathBuf>,
    /// Make it the current context
    #[arg(long = "use", env = "FLEET_USE", hide_env = true)]
    make_current: bool,
}

/// One context in JSON.
#[derive(Debug, Serialize)]
struct View<'a> {
    name: &'a str,
    current: bool,
    endpoints: &'a [String],
    trust_domain: &'a str,
    identity: PathBuf,
}

#[derive(Debug, Serialize)]
struct List<'a> {
    contexts: Vec<View<'a>>,
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    match arguments.verb {
        Verb::List => list(app)?,
        Verb::Show(Name { name }) => show(name.as_deref(), app)?,
        Verb::Use(Required { name }) => {
            context::make_current(&name)?;
            app.output.say(&format!("{name} is now the current context"));
        }
        Verb::Add(add) => add_one(add, app)?,
        Verb::Remove(Required { name }) => {
            let removed = context::remove(&name)?;
            let folder = context::folder()?.join(removed.identity);
            app.output.say(&format!("removed the context {name}; its identity stays in {}", folder.display()));
        }
    }
    Ok(Exit::Done)
}

fn view<'a>(contexts: &'a Contexts, name: &'a str, context: &'a Context) -> CommandResult<View<'a>> {
    Ok(View {
        name,
        current: contexts.current.as_deref() == Some(name),
        endpoints: &context.endpoints,
        trust_domain: &context.trust_domain,
        identity: context::folder()?.join(&context.identity),
    })
}

fn list(app: &App) -> CommandResult<()> {
    let contexts = context::load()?;
    let views: Vec<View> =
        contexts.contexts.iter().map(|(name, context)| view(&contexts, name, context)).collect::<Result<_, _>>()?;
    if app.output.is_json() {
        return json::print(&app.output, &List { contexts: views });
    }
    if views.is_empty() {
        app.output.say("there are no contexts; `fleet up` starts a fleet on this machine and adds its own");
        return Ok(());
    }
    let mut table = Table::new(["", "CONTEXT", "ENDPOINTS", "TRUST DOMAIN"]);
    for view in &views {
        let (mark, paint) = if view.current { ("*", Paint::Strong) } else { ("", Paint::Plain) };
        let name = crate::output::table::Cell::new(view.name, paint);
        table.row([mark.into(), name, view.endpoints.join(", ").into(), view.trust_domain.into()]);
    }
    app.output.write(&table.render(&app.output.stdout))
}

fn show(name: Option<&str>, app: &App) -> CommandResult<()> {
    let contexts = context::load()?;
    let chosen = context::choose(name.or(app.context.as_deref()))?;
    let view = view(&contexts, &chosen.name, &chosen.context)?;
    if app.output.is_json() {
        return json::print(&app.output, &view);
    }
    let identity = view.identity.display().to_string();
    let endpoints = view.endpoints.join(", ");
    let current = if view.current { "yes" } else { "no" };
    let fields = [
        ("context", view.name),
        ("current", current),
        ("endpoints", &endpoints),
        ("trust domain", view.trust_domain),
        ("identity", &identity),
    ];
    let stream = &app.output.stdout;
    let text: String = fields
        .iter()
        .map(|(key, value)| format!("{} {}\n", stream.paint(Paint::Faint, &format!("{key:<13}")), stream.text(value)))
        .collect();
    app.output.write(&text)
}

fn add_one(add: Add, app: &App) -> CommandResult<()> {
    for endpoint in &add.endpoints {
        check_endpoint(endpoint)?;
    }
    let identity = match &add.identity {
        Some(folder) => std::path::absolute(folder)
            .map_err(|error| CommandError::because(format!("cannot find {}", folder.display()), error))?,
        None => context::identity_folder(&add.name)?,
    };
    let context = Context { endpoints: add.endpoints, trust_domain: add.trust_domain, identity };
    context::add(&add.name, context, add.make_current)?;
    app.output.say(&format!("added the context {}", add.name));
    Ok(())
}

fn check_endpoint(endpoint: &str) -> CommandResult<()> {
    let port =
        endpoint.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
    match port {
        Some(_) => Ok(()),
        None => Err(CommandError::usage(format!("{endpoint:?} is not an address"))
            .hint("write HOST:PORT, such as fleet.example.org:7460")),
    }
}
