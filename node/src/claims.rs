//! What only one node daemon of a host can have: a PID file, a runtime folder, a listening address.
//!
//! Several nodes on one host share /run and the ports. Before a unit becomes part of what a node runs, the agent claims
//! these for it; a claim that another daemon holds is a refusal that names that node. A claim is a locked file
//! (flock(2)) in a folder all daemons of the host share: the lock goes with the process, so the claims of a daemon that
//! died are free at once, and their files are removed by whoever comes next.
//!
//! Nodes of different users have folders of their own, as have nodes with a private /run; between those nothing is seen.

use fleet_units::diagnostic::Reason;
use fleet_units::ids::{NodeName, UnitName};
use fleet_units::spec::{HealthCheck, UnitSpec};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Uid;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Why claims cannot be made at all.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    /// The folder cannot be made or read.
    #[error("the folder for claims, {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else could put files there.
    #[error("the folder for claims, {path}, belongs to user {owner}, not to user {own} which this node runs as")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        own: u32,
    },
}

/// The claims of one node daemon. Dropping it gives them all back.
#[derive(Debug)]
pub struct Claims {
    folder: PathBuf,
    node: NodeName,
    /// Locked files by claim.
    held: BTreeMap<Claim, Held>,
    /// Which unit needs which.
    units: BTreeMap<UnitName, BTreeSet<Claim>>,
    /// Whether the nodes of this user have one place for runtime folders.
    one_runtime: bool,
}

/// Something there is one of on a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    PidFile(String),
    RuntimeDirectory(String),
    Address(String),
}

/// A locked claim file; it is removed when the claim is given back.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // While the lock is still held: nobody can have claimed this very file meanwhile. A file that stays is stale.
        let _ = fs::remove_file(&self.path);
    }
}

/// Where the daemons of this user on this host meet: `/run/fleet/claims` for root, else `fleet/claims` in
/// `$XDG_RUNTIME_DIR`, else in a folder of the user's own below the one for temporary files.
#[must_use]
pub fn shared_folder() -> PathBuf {
    let own = Uid::effective();
    let base = match user_runtime() {
        _ if own.is_root() => PathBuf::from("/run/fleet"),
        Some(folder) => folder.join("fleet"),
        None => std::env::temp_dir().join(format!("fleet-{own}")),
    };
    base.join("claims")
}

fn user_runtime() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute())
}

impl Claims {
    /// Opens `folder` (see [`shared_folder`]), making it 0700 if need be, and removes what dead daemons left there.
    pub fn open(folder: &Path, node: NodeName) -> Result<Claims, ClaimsError> {
        let failed = |source| ClaimsError::Folder { path: folder.to_owned(), source };
        let parent = folder.parent().unwrap_or(folder);
        // The parent may hold sockets that units of other users reach.
        DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(failed)?;
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let (owner, own) = (fs::symlink_metadata(folder).map_err(failed)?.uid(), Uid::effective().as_raw());
        if owner != own {
            return Err(ClaimsError::Foreign { path: folder.to_owned(), owner, own });
        }
        for entry in fs::read_dir(folder).map_err(failed)? {
            remove_if_stale(&entry.map_err(failed)?.path());
        }
        // Without root and without $XDG_RUNTIME_DIR each node has runtime folders of its own.
        let one_runtime = Uid::effective().is_root() || user_runtime().is_some();
        Ok(Claims { folder: folder.to_owned(), node, held: BTreeMap::new(), units: BTreeMap::new(), one_runtime })
    }

    /// Claims what `unit` needs, and gives back what an earlier form of it needed. All or nothing: on a refusal, which
    /// names the node that holds the first claim, the unit has what it had before.
    pub fn claim(&mut self, unit: &UnitSpec) -> Result<(), Reason> {
        let mut wanted = wanted(unit);
        wanted.retain(|claim| self.one_runtime || !matches!(claim, Claim::RuntimeDirectory(_)));
        let mut new = Vec::new();
        for claim in wanted.iter().filter(|claim| !self.held.contains_key(claim)) {
            new.push((claim.clone(), self.take(claim)?));
        }
        self.held.extend(new);
        self.units.insert(unit.name.clone(), wanted);
        self.let_go();
        Ok(())
    }

    /// Gives back what `unit` had.
    pub fn release(&mut self, unit: &UnitName) {
        self.units.remove(unit);
        self.let_go();
    }

    fn let_go(&mut self) {
        let needed: BTreeSet<&Claim> = self.units.values().flatten().collect();
        self.held.retain(|claim, _| needed.contains(claim));
    }

    fn take(&self, claim: &Claim) -> Result<Held, Reason> {
        let path = self.folder.join(claim.file_name());
        let failed = |error: io::Error| Reason::new("claim-failed", format!("claiming {}: {error}", claim.shown()));
        loop {
            let file = open(&path).map_err(failed)?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                // The holder may have removed the file between our opening and locking it; then it is nobody's.
                Ok(lock) if !still_at(&lock, &path) => {}
                Ok(mut lock) => {
                    lock.set_len(0).map_err(failed)?;
                    writeln!(lock, "{} {} {}", self.node, std::process::id(), claim.shown()).map_err(failed)?;
                    return Ok(Held { path, _lock: lock });
                }
                Err((file, nix::errno::Errno::EWOULDBLOCK)) => return Err(claimed(claim, file)),
                Err((_, error)) => return Err(failed(error.into())),
            }
        }
    }
}

impl Claim {
    /// What the unit asks, as people know it.
    fn shown(&self) -> String {
        match self {
            Claim::PidFile(path) => format!("PIDFile={path}"),
            Claim::RuntimeDirectory(name) => format!("RuntimeDirectory={name}"),
            Claim::Address(address) => format!("the address {address}"),
        }
    }

    /// A name for its file: no path, no dot first, at most 255 bytes whatever the unit says.
    fn file_name(&self) -> String {
        let (kind, value) = match self {
            Claim::PidFile(path) => ("pid-file", path),
            Claim::RuntimeDirectory(name) => ("runtime-directory", name),
            Claim::Address(address) => ("address", address),
        };
        format!("{kind}-{}", fleet_units::ids::Sha256Digest::of(value.as_bytes()))
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // The standard library adds O_CLOEXEC: no child of ours can keep a claim alive.
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options.open(path)
}

fn still_at(lock: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (lock.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => identity(ours) == identity(there),
        _ => false,
    }
}

fn remove_if_stale(path: &Path) {
    let Ok(file) = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path) else {
        return;
    };
    if let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock)
        && still_at(&lock, path)
    {
        let _ = fs::remove_file(path);
    }
}

fn claimed(claim: &Claim, mut file: File) -> Reason {
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    // A moment after its creation the file may still be empty.
    let holder = match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        [node, pid, ..] => format!("node {node} (process {pid})"),
        _ => "another node".to_owned(),
    };
    Reason::new("claimed-elsewhere", format!("{} is held by {holder} on this host", claim.shown()))
}

/// What of this unit only one node of a host can have.
fn wanted(unit: &UnitSpec) -> BTreeSet<Claim> {
    let mut claims = BTreeSet::new();
    if let Some(service) = unit.service() {
        claims.extend(service.pid_file.iter().map(|path| Claim::PidFile(path.clone())));
        claims.extend(service.exec.runtime_directory.names.iter().map(|name| Claim::RuntimeDirectory(name.clone())));
    }
    let address = match &unit.health.check {
        Some(HealthCheck::Url(url)) => url.strip_prefix("http://").and_then(|rest| {
            let authority = rest.split(['/', '?', '#']).next()?;
            local_address(authority, Some(80))
        }),
        Some(HealthCheck::Tcp(address)) => local_address(address, None),
        None => None,
    };
    claims.extend(address.map(Claim::Address));
    claims
}

/// The listening address a health check on this host implies, in one spelling. Loopback's first address, its name and
/// the any address are one: who listens on one of them keeps others from the rest. `None` for other hosts.
fn local_address(authority: &str, default_port: Option<u16>) -> Option<String> {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => match authority.parse() {
            Ok(port) => ("", port),
            Err(_) => (authority, default_port?),
        },
    };
    match host.trim_matches(['[', ']']).to_ascii_lowercase().as_str() {
        "" | "localhost" | "127.0.0.1" | "0.0.0.0" | "::1" | "::" => Some(format!("127.0.0.1:{port}")),
        other => {
            let address: std::net::IpAddr = other.parse().ok()?;
            address.is_loopback().then(|| format!("{address}:{port}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{service_of, service_unit};

    fn open_as(folder: &Path, node: &str) -> Claims {
        let claims = Claims::open(&folder.join("claims"), node.parse().unwrap()).unwrap();
        Claims { one_runtime: true, ..claims }
    }

    fn with_pid_file(name: &str, path: &str) -> UnitSpec {
        let mut unit = service_unit(name);
        service_of(&mut unit).pid_file = Some(path.to_owned());
        unit
    }

    fn with_check(check: HealthCheck) -> UnitSpec {
        let mut unit = service_unit("web.service");
        unit.health.check = Some(check);
        unit
    }

    fn files(claims: &Claims) -> usize {
        fs::read_dir(&claims.folder).unwrap().count()
    }

    #[test]
    fn the_second_node_is_refused_and_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, mut second) = (open_as(folder.path(), "n1"), open_as(folder.path(), "n2"));
        let unit = with_pid_file("a.service", "/run/a.pid");
        assert_eq!(first.claim(&unit), Ok(()));
        assert_eq!(first.claim(&unit), Ok(()), "a node may claim again what it has");
        let reason = second.claim(&unit).unwrap_err();
        assert_eq!(reason.code, "claimed-elsewhere");
        assert!(reason.text.contains("PIDFile=/run/a.pid is held by node n1"), "{reason}");
    }

    #[test]
    fn a_claim_given_back_is_free_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, mut second) = (open_as(folder.path(), "n1"), open_as(folder.path(), "n2"));
        let unit = with_pid_file("a.service", "/run/a.pid");
        first.claim(&unit).unwrap();
        first.release(&unit.name);
        assert_eq!((files(&first), second.claim(&unit)), (0, Ok(())));
        drop(second);
        assert_eq!((files(&first), first.claim(&unit)), (0, Ok(())));
    }

    #[test]
    fn a_changed_unit_gives_back_what_it_no_longer_needs_and_a_refused_one_keeps_what_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, mut second) = (open_as(folder.path(), "n1"), open_as(folder.path(), "n2"));
        first.claim(&with_pid_file("a.service", "/run/old.pid")).unwrap();
        second.claim(&with_pid_file("b.service", "/run/b.pid")).unwrap();
        assert!(first.claim(&with_pid_file("a.service", "/run/b.pid")).is_err());
        assert!(second.claim(&with_pid_file("c.service", "/run/old.pid")).is_err());
        first.claim(&with_pid_file("a.service", "/run/new.pid")).unwrap();
        assert_eq!(second.claim(&with_pid_file("c.service", "/run/old.pid")), Ok(()));
    }

    #[test]
    fn two_units_of_one_node_share_a_claim_until_the_last_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, mut second) = (open_as(folder.path(), "n1"), open_as(folder.path(), "n2"));
        let mut units = [service_unit("a.service"), service_unit("b.service")];
        for unit in &mut units {
            service_of(unit).exec.runtime_directory.names = vec!["shared".into()];
            first.claim(unit).unwrap();
        }
        first.release(&units[0].name);
        assert!(second.claim(&units[1]).is_err());
        first.release(&units[1].name);
        assert_eq!(second.claim(&units[1]), Ok(()));
    }

    #[test]
    fn runtime_folders_are_claimed_only_where_nodes_share_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut unit = service_unit("a.service");
        service_of(&mut unit).exec.runtime_directory.names = vec!["a".into()];
        let mut nodes = ["n1", "n2"].map(|node| Claims { one_runtime: false, ..open_as(folder.path(), node) });
        assert!(nodes.iter_mut().all(|claims| claims.claim(&unit).is_ok()));
    }

    #[test]
    fn what_a_dead_daemon_left_vanishes() {
        let folder = tempfile::tempdir().unwrap();
        let claims = open_as(folder.path(), "n1");
        let stale = claims.folder.join("address-of-the-dead");
        fs::write(&stale, "n9 1 the address 127.0.0.1:1").unwrap();
        let mut holder = open_as(folder.path(), "n2");
        assert!(!stale.exists());
        holder.claim(&with_pid_file("a.service", "/run/a.pid")).unwrap();
        assert_eq!(files(&open_as(folder.path(), "n3")), 1, "a living claim stays");
    }

    #[test]
    fn the_spellings_of_one_local_address_are_one_claim() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = open_as(folder.path(), "n1");
        first.claim(&with_check(HealthCheck::Url("http://127.0.0.1:8080/health".into()))).unwrap();
        let mut second = open_as(folder.path(), "n2");
        for same in ["http://localhost:8080", "http://0.0.0.0:8080/?q", "http://[::1]:8080/"] {
            let reason = second.claim(&with_check(HealthCheck::Url(same.into()))).unwrap_err();
            assert!(reason.text.contains("127.0.0.1:8080 is held by node n1"), "{reason}");
        }
        for same in ["127.0.0.1:8080", ":8080", "8080"] {
            assert!(second.claim(&with_check(HealthCheck::Tcp(same.into()))).is_err(), "{same}");
        }
        for other in
            ["http://127.0.0.1:8081/", "http://127.0.0.2:8080/", "http://db.example:8080/", "http://localhost/"]
        {
            assert_eq!(second.claim(&with_check(HealthCheck::Url(other.into()))), Ok(()), "{other}");
        }
    }

    #[test]
    fn names_of_any_length_and_shape_are_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let mut claims = open_as(folder.path(), "n1");
        let path = format!("/run/{}/../x.pid", "ä/".repeat(500));
        assert_eq!(claims.claim(&with_pid_file("a.service", &path)), Ok(()));
    }
}
