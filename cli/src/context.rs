//! Contexts: which coordinator, as whom. `$XDG_CONFIG_HOME/fleet/config.toml`, identities in folders beside it.
//!
//! ```text
//! current = "local"
//!
//! [contexts.local]
//! endpoints = ["127.0.0.1:7460"]
//! trust-domain = "fleet.local"
//! identity = "identities/local"      # beside this file, or absolute: key, certificate chain, roots
//! ```
//! Read by every remote verb; written by `fleet context` and `fleet up`, under a lock, by rename.

use crate::error::{CommandError, CommandResult, did_you_mean};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// One coordinator and the identity to use there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Context {
    /// `host:port` of the main listener, tried in order.
    pub(crate) endpoints: Vec<String>,
    /// The DOMAIN of `spiffe://DOMAIN/…`; the coordinator must be of it.
    pub(crate) trust_domain: String,
    /// The folder with key, chain and roots; relative to the configuration folder, or absolute.
    pub(crate) identity: PathBuf,
}

/// The file as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Contexts {
    /// What is used without `--context`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// By name.
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// A context chosen for a command.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    /// Its name.
    pub(crate) name: String,
    /// What it says; `identity` is absolute.
    pub(crate) context: Context,
}

/// The folder of the configuration: `$XDG_CONFIG_HOME/fleet`, else `~/.config/fleet`.
pub(crate) fn folder() -> CommandResult<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config"))).map_or_else(
        || {
            Err(CommandError::usage(
                "there is no folder for the configuration: neither XDG_CONFIG_HOME nor HOME is set",
            )
            .hint("set HOME to your home folder"))
        },
        |base| Ok(base.join("fleet")),
    )
}

/// The folder for the identity of the context `name`; not made here.
pub(crate) fn identity_folder(name: &str) -> CommandResult<PathBuf> {
    Ok(folder()?.join("identities").join(name))
}

/// Reads the file; empty when there is none.
pub(crate) fn load() -> CommandResult<Contexts> {
    load_from(&folder()?)
}

/// The context a command is for: `wanted` (`--context`, FLEET_CONTEXT), else the current one.
pub(crate) fn choose(wanted: Option<&str>) -> CommandResult<Chosen> {
    let folder = folder()?;
    let contexts = load_from(&folder)?;
    let Some(name) = wanted.or(contexts.current.as_deref()) else {
        let hint = match contexts.contexts.is_empty() {
            true => "`fleet up` starts a fleet on this machine and adds its context".to_owned(),
            false => format!("`fleet context use NAME`, with NAME one of {}", names(&contexts)),
        };
        return Err(CommandError::usage("no context is chosen, so there is no coordinator to ask").hint(hint));
    };
    let context = contexts.get(name)?.clone();
    Ok(Chosen { name: name.to_owned(), context: Context { identity: folder.join(&context.identity), ..context } })
}

/// Adds the context `name`, or replaces it. It becomes current if there is none, or if `make_current`.
pub(crate) fn add(name: &str, context: Context, make_current: bool) -> CommandResult<()> {
    check_name(name)?;
    change(|contexts| {
        contexts.contexts.insert(name.to_owned(), context);
        if make_current || contexts.current.is_none() {
            contexts.current = Some(name.to_owned());
        }
        Ok(())
    })
}

/// Removes the context `name`; its identity's folder is left to the caller. An error when there is no such context.
pub(crate) fn remove(name: &str) -> CommandResult<Context> {
    change(|contexts| {
        contexts.get(name)?;
        if contexts.current.as_deref() == Some(name) {
            contexts.current = None;
        }
        Ok(contexts.contexts.remove(name).expect("it was just there"))
    })
}

/// Makes `name` current.
pub(crate) fn make_current(name: &str) -> CommandResult<()> {
    change(|contexts| {
        contexts.get(name)?;
        contexts.current = Some(name.to_owned());
        Ok(())
    })
}

impl Contexts {
    /// The context `name`; the error offers near names.
    pub(crate) fn get(&self, name: &str) -> CommandResult<&Context> {
        self.contexts.get(name).ok_or_else(|| {
            let error = CommandError::usage(format!("there is no context {name:?}"));
            match did_you_mean(name, self.contexts.keys().map(String::as_str)) {
                Some(hint) => error.hint(hint),
                None if self.contexts.is_empty() => error.hint("`fleet up` or `fleet context add` makes one"),
                None => error.hint(format!("there are {}", names(self))),
            }
        })
    }
}

fn names(contexts: &Contexts) -> String {
    contexts.contexts.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// A context's name is also a folder's.
fn check_name(name: &str) -> CommandResult<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 63 || name.starts_with('.') || !name.chars().all(plain) {
        return Err(CommandError::usage(format!("{name:?} cannot be the name of a context"))
            .hint("use 1 to 63 letters, digits, - _ and ., not beginning with a dot"));
    }
    Ok(())
}

fn file(folder: &Path) -> PathBuf {
    folder.join("config.toml")
}

fn load_from(folder: &Path) -> CommandResult<Contexts> {
    let path = file(folder);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Contexts::default()),
        Err(error) => return Err(CommandError::because(format!("cannot read {}", path.display()), error)),
    };
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        CommandError::usage(format!("{}:{line}: {}", path.display(), error.message()))
            .hint("mend the line, or remove the file and add the contexts again")
    })
}

/// Reads, changes and writes the file while no other process does.
fn change<T>(edit: impl FnOnce(&mut Contexts) -> CommandResult<T>) -> CommandResult<T> {
    let folder = folder()?;
    let cannot =
        |what: &Path, error: std::io::Error| CommandError::because(format!("cannot write {}", what.display()), error);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| cannot(&folder, error))?;
    let lock_path = folder.join("config.lock");
    let lock = private().open(&lock_path).map_err(|error| cannot(&lock_path, error))?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| cannot(&lock_path, error.into()))?;
    let mut contexts = load_from(&folder)?;
    let result = edit(&mut contexts)?;
    let text = toml::to_string(&contexts).expect("names, texts and paths of UTF-8 have a TOML form");
    replace(&file(&folder), &text).map_err(|error| cannot(&file(&folder), error))?;
    Ok(result)
}

/// Puts `text` in the place of `path`: a reader sees the old file or the new one, whole.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("toml.new");
    let mut file = private().truncate(true).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}
