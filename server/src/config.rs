//! `server.toml`: the coordinator's configuration. Unknown keys are errors; every key has a default.

use fleet_units::ids::EnvironmentName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What `server.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// Where nodes and operators connect, with client certificates.
    pub listen: SocketAddr,
    /// Where nodes join, with a token; `None`, in the file `"off"`: nowhere.
    #[serde(with = "or_off")]
    pub enroll: Option<SocketAddr>,
    /// Where /health and /metrics are served, in clear; loopback. `None`, in the file `"off"`: nowhere.
    #[serde(with = "or_off")]
    pub http: Option<SocketAddr>,
    /// `host:port` under which nodes and operators reach `listen`; told to whoever joins. Empty: `listen` itself.
    pub endpoints: Vec<String>,
    /// The trust domain, part of every identity.
    pub trust_domain: String,
    /// The bare repository; relative to the state folder.
    pub repository: PathBuf,
    /// The chain, first to last.
    pub environments: Vec<EnvironmentName>,
    /// Settings of single environments.
    pub environment: BTreeMap<EnvironmentName, EnvironmentConfig>,
    /// How long leaf certificates live, in seconds.
    pub lives: Lives,
}

/// `[environment.NAME]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct EnvironmentConfig {
    /// The branch it follows; default: its name.
    pub branch: Option<String>,
}

/// `[lives]`: lives of leaf certificates, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Lives {
    /// Of nodes; default 24 h.
    pub node: u64,
    /// Of the coordinator; default 24 h.
    pub coordinator: u64,
    /// Of operators; default 30 days.
    pub operator: u64,
}

const DAY: u64 = 24 * 3600;

impl Default for Lives {
    fn default() -> Self {
        Lives { node: DAY, coordinator: DAY, operator: 30 * DAY }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([0, 0, 0, 0], 7460)),
            enroll: Some(SocketAddr::from(([0, 0, 0, 0], 7461))),
            http: Some(SocketAddr::from(([127, 0, 0, 1], 7462))),
            endpoints: Vec::new(),
            trust_domain: "fleet.local".to_owned(),
            repository: PathBuf::from("config.git"),
            environments: ["develop", "test", "staging", "production"]
                .map(|name| name.parse().expect("these are DNS labels"))
                .to_vec(),
            environment: BTreeMap::new(),
            lives: Lives::default(),
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read or written.
    #[error("{operation} {path}")]
    Io {
        /// `read` or `write`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not valid.
    #[error("{path}: {why}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        why: String,
    },
}

impl Config {
    /// Reads `path`; the defaults when there is no such file.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Config::default()),
            Err(source) => return Err(ConfigError::Io { operation: "read", path: path.to_owned(), source }),
        };
        let config: Config = toml::from_str(&text)
            .map_err(|error| ConfigError::Invalid { path: path.to_owned(), why: error.to_string() })?;
        config.check().map_err(|why| ConfigError::Invalid { path: path.to_owned(), why })?;
        Ok(config)
    }

    /// Writes it to `path`: whole and durable, or not at all.
    pub fn save(&self, path: &Path) -> Result<(), ConfigError> {
        let text = toml::to_string(self).expect("a configuration is plain values");
        write_durably(path, text.as_bytes()).map_err(|source| ConfigError::Io {
            operation: "write",
            path: path.to_owned(),
            source,
        })
    }

    fn check(&self) -> Result<(), String> {
        if let Some(http) = self.http.filter(|http| !http.ip().is_loopback()) {
            return Err(format!("http = {http}: /health and /metrics are served in clear, so only on loopback"));
        }
        if let Some(stray) = self.environment.keys().find(|name| !self.environments.contains(name)) {
            return Err(format!("[environment.{stray}]: {stray} is not in `environments`"));
        }
        Ok(())
    }

    /// The chain: name and branch, first to last.
    #[must_use]
    pub fn chain(&self) -> Vec<(EnvironmentName, String)> {
        let branch = |name: &EnvironmentName| {
            self.environment.get(name).and_then(|found| found.branch.clone()).unwrap_or_else(|| name.to_string())
        };
        self.environments.iter().map(|name| (name.clone(), branch(name))).collect()
    }

    /// What nodes are told to connect to. Where it names no host, as 0.0.0.0:7460, a node that joins takes the host it
    /// joined at.
    #[must_use]
    pub fn told_endpoints(&self) -> Vec<String> {
        if self.endpoints.is_empty() { vec![self.listen.to_string()] } else { self.endpoints.clone() }
    }

    /// The same for somebody on this host.
    #[must_use]
    pub fn local_endpoints(&self) -> Vec<String> {
        if !self.endpoints.is_empty() || !self.listen.ip().is_unspecified() {
            return self.told_endpoints();
        }
        let loopback: IpAddr =
            if self.listen.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        vec![SocketAddr::new(loopback, self.listen.port()).to_string()]
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// An address, or `"off"`: TOML has no word for nothing, and a key that is left out means its default.
mod or_off {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};
    use std::net::SocketAddr;

    const OFF: &str = "off";

    pub(super) fn serialize<S: Serializer>(value: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(address) => serializer.collect_str(address),
            None => serializer.serialize_str(OFF),
        }
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == OFF {
            return Ok(None);
        }
        let wrong = |_| D::Error::custom(format!("{text:?} is neither an address, as 127.0.0.1:7461, nor \"off\""));
        text.parse().map(Some).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(file.path())
    }

    #[test]
    fn a_missing_file_means_the_defaults_and_what_is_saved_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        let config = Config::load(&path).unwrap();
        assert_eq!(config, Config::default());
        config.save(&path).unwrap();
        assert_eq!(Config::load(&path).unwrap(), config);
    }

    #[test]
    fn enrolment_and_http_can_be_switched_off_and_stay_off() {
        let config = load("enroll = \"off\"\nhttp = \"off\"").unwrap();
        assert_eq!((config.enroll, config.http), (None, None));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        config.save(&path).unwrap();
        assert_eq!(Config::load(&path).unwrap(), config);
        let error = load("http = \"on\"").unwrap_err().to_string();
        assert!(error.contains("\"on\" is neither"), "{error}");
    }

    #[test]
    fn an_environment_may_follow_another_branch() {
        let config = load("[environment.production]\nbranch = \"master\"\n").unwrap();
        assert_eq!(config.chain().last().unwrap().1, "master");
    }

    #[test]
    fn an_operator_on_the_coordinators_host_is_told_of_loopback_instead_of_any_address() {
        assert_eq!(Config::default().local_endpoints(), ["127.0.0.1:7460"]);
        assert_eq!(load("listen = \"[::]:7460\"").unwrap().local_endpoints(), ["[::1]:7460"]);
        assert_eq!(load("listen = \"10.0.0.1:1\"").unwrap().local_endpoints(), ["10.0.0.1:1"]);
        assert_eq!(load("endpoints = [\"f.example:1\"]").unwrap().local_endpoints(), ["f.example:1"]);
    }

    #[test]
    fn unknown_keys_stray_environments_and_open_http_are_refused_with_the_place() {
        for (text, part) in [
            ("listne = \"127.0.0.1:1\"", "listne"),
            ("[environment.prod]\nbranch = \"x\"", "environment.prod"),
            ("http = \"0.0.0.0:7462\"", "loopback"),
        ] {
            let error = load(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
