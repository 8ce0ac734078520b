//! The values of the host's specifiers: those of a node of this host, those given by hand, or none.

use crate::client::local;
use crate::error::{CommandError, CommandResult};
use fleet_node::specifiers;
use fleet_node::supervise::Places;
use fleet_units::ids::EnvironmentName;
use fleet_units::spec::Context;
use fleet_units::syntax::Specifiers;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::str::FromStr;

/// Those that have a value of a system manager's where a host gives none.
const WITH_DEFAULTS: &str = "tSCLETVD";

/// One `LETTER=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Specifier {
    letter: char,
    value: String,
}

impl FromStr for Specifier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (letter, value) = text.split_once('=').ok_or("such as H=box")?;
        let mut characters = letter.trim_start_matches('%').chars();
        match (characters.next(), characters.next()) {
            (Some(letter), None) if is_of_host(letter) => Ok(Specifier { letter, value: value.to_owned() }),
            _ => Err(format!("%{letter} is no specifier of a host; systemd.unit(5) lists them")),
        }
    }
}

/// Without a host the specifiers of one stay as they are.
fn is_of_host(letter: char) -> bool {
    let name = "a.service".parse().expect("a unit's name");
    let written = format!("%{letter}");
    letter != '%' && Specifiers { name: &name, host: None }.expand(&written).is_ok_and(|text| text == written)
}

/// What a unit of `environment` is read for.
pub(super) fn context(
    environment: &EnvironmentName,
    node: Option<&str>,
    given: &[Specifier],
) -> CommandResult<Context> {
    let mut context = match node {
        Some(node) => of_node(environment, node)?,
        None => Context { environment: environment.clone(), host: None },
    };
    if !given.is_empty() {
        // Of a host that is not known nothing may be assumed: what is not given stays as written.
        let unknown = || WITH_DEFAULTS.chars().map(|letter| (letter, format!("%{letter}"))).collect::<BTreeMap<_, _>>();
        let host = context.host.get_or_insert_with(unknown);
        host.extend(given.iter().map(|specifier| (specifier.letter, specifier.value.clone())));
    }
    Ok(context)
}

/// The values a node of this host gives, by its own code; it must be ours, for some depend on the user.
fn of_node(environment: &EnvironmentName, node: &str) -> CommandResult<Context> {
    let by_hand = "give the values of another host by hand: --specifier H=box";
    let socket = local::socket_of(node).map_err(|error| error.hint(by_hand))?;
    let metadata = std::fs::metadata(&socket);
    let metadata =
        metadata.map_err(|error| CommandError::because(format!("cannot read {}", socket.display()), error))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        let message = format!("the node {node} runs as another user (id {}), whose values differ", metadata.uid());
        return Err(CommandError::failed(message).hint(by_hand));
    }
    let runtime = socket.parent().unwrap_or(Path::new("/"));
    Ok(specifiers::context(environment, &Places::of_this_user(runtime)))
}
