//! What is made when a local fleet first comes up: ports, CA, repository, clone, context.

use super::layout::Layout;
use super::repository;
use super::settings::Settings;
use crate::context::{self, Context};
use crate::error::{CommandError, CommandResult};
use crate::example_fleet::{self, ENVIRONMENTS};
use fleet_certs::authority::Authority;
use fleet_certs::keystore::Keystore;
use fleet_server::config::Config;
use fleet_server::init;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// The operator who brings a local fleet up.
const OPERATOR: &str = "local";

/// Makes what is missing in the folder; gives its settings.
pub(crate) fn prepare(
    layout: &Layout,
    nodes: Option<u32>,
    repo: Option<&Path>,
    make_current: bool,
) -> CommandResult<Settings> {
    let known = Settings::load(layout)?;
    let mut settings = match &known {
        Some(settings) => settings.clone(),
        None => Settings::choose(nodes.unwrap_or(1))?,
    };
    settings.nodes = settings.nodes.max(nodes.unwrap_or(1));
    let server = layout.server();
    make(&server, 0o700)?;
    let config = server_config(&server.join("server.toml"), &settings)?;
    make(&layout.nodes(), 0o700)?;
    // Units run as other users: they reach their files and the notify socket through it.
    make(layout.runtime(), 0o755)?;
    write_policy(&layout.policy())?;
    let bare = server.join(&config.repository);
    if !bare.exists() {
        make_repository(layout, &bare, &config, repo)?;
    }
    config.save(&server.join("server.toml")).map_err(CommandError::failed)?;
    init::ensure(&server, &config).map_err(CommandError::failed)?;
    let name = layout.context_name();
    let identity = context::identity_folder(&name)?;
    ensure_operator(&server, &config, &Keystore::new(&identity))?;
    let endpoints = vec![settings.listen.to_string()];
    context::add(&name, Context { endpoints, trust_domain: config.trust_domain.clone(), identity }, make_current)?;
    repository::clone(layout, &bare, &config.chain()[0].1)?;
    // Last: with it, the folder counts as made.
    settings.save(layout)?;
    Ok(settings)
}

/// An operator's certificate of this fleet's authority, unless there is a good one.
fn ensure_operator(server: &Path, config: &Config, keystore: &Keystore) -> CommandResult<()> {
    let authority = Authority::load(&init::authority_folder(server)).map_err(CommandError::failed)?;
    if init::is_good(keystore, &authority) {
        return Ok(());
    }
    init::issue_operator(server, &config.lives, OPERATOR, keystore).map_err(CommandError::failed)
}

/// What `server.toml` says, with the addresses of this fleet.
fn server_config(path: &Path, settings: &Settings) -> CommandResult<Config> {
    let mut config = Config::load(path).map_err(CommandError::failed)?;
    config.listen = settings.listen;
    config.enroll = Some(settings.enroll);
    config.http = Some(settings.http);
    Ok(config)
}

fn make_repository(layout: &Layout, bare: &Path, config: &Config, from: Option<&Path>) -> CommandResult<()> {
    let branches: Vec<String> = config.chain().into_iter().map(|(_, branch)| branch).collect();
    let ports = free_ports(layout.is_default())?;
    let port = |environment: &str| {
        let at = ENVIRONMENTS.iter().position(|(name, _)| *name == environment);
        ports[at.expect("the sample asks for its own environments")]
    };
    let files = example_fleet::files(port);
    // Made beside its place and moved there whole, so that a half-made one is never taken for the repository.
    let new = bare.with_extension("new");
    let _ = std::fs::remove_dir_all(&new);
    repository::create(&new, &branches, from, &files)?;
    std::fs::rename(&new, bare).map_err(|error| CommandError::because(format!("cannot make {}", bare.display()), error))
}

/// The sample's usual ports if `usual` and they are free, else others. Only the fleet of the default folder wants the
/// usual ones: several fleets that come up at the same time would all find them free.
fn free_ports(usual: bool) -> CommandResult<Vec<u16>> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let wanted = ENVIRONMENTS.iter().filter(|_| usual);
    let held: std::io::Result<Vec<TcpListener>> = wanted.map(|(_, port)| bind(*port)).collect();
    let held = match held {
        Ok(held) if usual => held,
        Ok(_) | Err(_) => ENVIRONMENTS
            .iter()
            .map(|_| bind(0))
            .collect::<Result<_, _>>()
            .map_err(|error| CommandError::because("cannot find free ports on 127.0.0.1", error))?,
    };
    held.iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect::<Result<_, _>>()
        .map_err(|error| CommandError::because("cannot tell which ports are free", error))
}

/// Whoever brings a fleet up on a machine of their own lets its units run as they are.
fn write_policy(path: &Path) -> CommandResult<()> {
    const POLICY: &str = "# Made by `fleet up`: on a machine of one's own, units may run as root.\n\
                          # Packages for servers ship allow_root = false.\n\
                          allow_root = true\n";
    if path.exists() {
        return Ok(());
    }
    write_for_owner(path, POLICY)
        .map_err(|error| CommandError::because(format!("cannot write {}", path.display()), error))
}

/// Writes a file that others may read and only its owner may write, whatever the umask: a node refuses a policy that
/// others may write.
fn write_for_owner(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

fn make(folder: &Path, mode: u32) -> CommandResult<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(folder)
        .map_err(|error| CommandError::because(format!("cannot make {}", folder.display()), error))
}

/// Ends units that killed nodes left, and removes what only a running fleet needs. No node of the fleet may run.
///
/// # Errors
/// When left units cannot be looked for; what would find them stays.
pub(crate) fn clean(layout: &Layout) -> CommandResult<()> {
    for entry in std::fs::read_dir(layout.runtime()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(node) = name.strip_prefix("node-") {
            fleet_node::keeper::end_leftovers(&entry.path(), node).map_err(|error| {
                CommandError::because(format!("cannot look for units that the node {node} left"), error)
            })?;
        }
    }
    // What is left there is sockets and delivered files; failing to remove them harms nobody.
    let _ = std::fs::remove_dir_all(layout.runtime());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_for_its_owner_alone_to_write_whatever_the_umask() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("policy.toml");
        write_policy(&path).expect("it is written");
        let mode = path.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        write_policy(&path).expect("one that is there stays");
    }
}
