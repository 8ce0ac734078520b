//! The one wrapper around git2: open, refs, commits, ancestry. Blocking; one owner at a time.
//!
//! The repository is read as it lies there: no configuration of the machine or of a user is looked at, and it may
//! belong to another user than the one who runs the coordinator.

use super::error::{SourceError, reading, writing};
use fleet_units::ids::Revision;
use fleet_units::time::Timestamp;
use git2::{ErrorCode, ObjectType, Oid, Repository, RepositoryInitOptions, RepositoryOpenFlags, Signature};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Once;

/// An open bare repository.
pub struct Git {
    repo: Repository,
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

/// What a commit says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitFacts {
    /// The author's name, as written in the commit: foreign text.
    pub author: String,
    /// When it was committed.
    pub time: Timestamp,
    /// The first line of its message: foreign text.
    pub subject: String,
}

/// Somebody a commit of ours is attributed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Shown as the name.
    pub name: String,
    /// Shown as the address.
    pub email: String,
}

impl Person {
    /// The coordinator itself.
    #[must_use]
    pub fn coordinator() -> Self {
        Person { name: "Fleet".to_owned(), email: "coordinator@fleet.invalid".to_owned() }
    }

    /// An operator, by name.
    #[must_use]
    pub fn operator(name: &str) -> Self {
        let word: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
        Person { name: name.to_owned(), email: format!("{word}@fleet.invalid") }
    }

    fn signature(&self, now: Timestamp) -> Result<Signature<'static>, SourceError> {
        // Git forbids these in names, and refuses empty ones.
        let clean = |text: &str| text.replace(['<', '>', '\n', '\0'], " ").trim().to_owned();
        let name = Some(clean(&self.name)).filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned());
        let seconds = i64::try_from(now.0 / 1_000_000).unwrap_or(i64::MAX);
        Signature::new(&name, &clean(&self.email), &git2::Time::new(seconds, 0)).map_err(writing("a signature"))
    }
}

/// A commit to be written.
pub struct NewCommit<'a> {
    /// Its tree.
    pub tree: Oid,
    /// In order.
    pub parents: &'a [Oid],
    /// The whole message.
    pub message: &'a str,
    /// Who wanted it.
    pub author: &'a Person,
    /// When.
    pub now: Timestamp,
}

/// Makes libgit2 forget the machine: no system, global or XDG configuration, no check of who owns a repository
/// (`fleet up` may run as another user than the one who made it, and no hook or filter is ever run from it).
fn forget_the_machine() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        use git2::ConfigLevel::{Global, ProgramData, System, XDG};
        for level in [ProgramData, System, XDG, Global] {
            // SAFETY: changes libgit2's global search paths; `Once` keeps other threads of ours out, and every use of
            // git2 in this process comes after this call.
            let _ = unsafe { git2::opts::set_search_path(level, "") };
        }
        // SAFETY: as above.
        let _ = unsafe { git2::opts::set_verify_owner_validation(false) };
        // What refs of ours name must be on disk before the ref is. git2 has no function for it, and the setting in the
        // repository (core.fsyncObjectFiles) is one that git warns of at each push.
        let option = libgit2_sys::GIT_OPT_ENABLE_FSYNC_GITDIR as std::ffi::c_int;
        // SAFETY: as above; this option takes one int.
        let _ = unsafe { libgit2_sys::git_libgit2_opts(option, 1 as std::ffi::c_int) };
    });
}

impl Git {
    /// Opens the bare repository in `path`.
    ///
    /// # Errors
    /// When there is none, or it uses reftable or SHA-256.
    pub fn open(path: &Path) -> Result<Git, SourceError> {
        forget_the_machine();
        let none: [&Path; 0] = [];
        let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
        let opened = Repository::open_ext(path, flags | RepositoryOpenFlags::BARE, none);
        let repo = opened.map_err(|source| match foreign_format(path) {
            Some(format) => SourceError::Format { path: path.to_owned(), format },
            None => SourceError::Open { path: path.to_owned(), source },
        })?;
        if let Some(format) = foreign_format(path) {
            return Err(SourceError::Format { path: path.to_owned(), format });
        }
        Ok(Git { repo, path: path.to_owned(), identity: identity(path) })
    }

    /// Opens the repository in `path`, or makes a bare one whose HEAD is `branch`.
    ///
    /// # Errors
    /// As [`Git::open`]; when it cannot be made.
    pub fn open_or_init(path: &Path, branch: &str) -> Result<Git, SourceError> {
        forget_the_machine();
        if !path.join("HEAD").exists() {
            let failed = |source| SourceError::Init { path: path.to_owned(), source };
            let mut options = RepositoryInitOptions::new();
            options.bare(true).no_reinit(false).external_template(false).initial_head(branch);
            let repo = Repository::init_opts(path, &options).map_err(failed)?;
            drop(repo);
        }
        let git = Git::open(path)?;
        // libgit2 reads some settings only once.
        match git.configure().map_err(writing("the repository's configuration"))? {
            true => Git::open(path),
            false => Ok(git),
        }
    }

    /// Tells whether anything was changed.
    fn configure(&self) -> Result<bool, git2::Error> {
        let mut config = self.repo.config()?;
        let mut changed = false;
        // What is pushed by plain git must be on disk before its ref is, too; git leaves loose objects to the kernel.
        if config.get_string("core.fsync").ok().as_deref() != Some("committed,reference") {
            config.set_str("core.fsync", "committed,reference")?;
            changed = true;
        }
        // Plain git pushes by path: it must neither show nor move the refs that hold our decisions.
        if config.get_string("transfer.hideRefs").ok().as_deref() != Some("refs/fleet") {
            config.set_str("transfer.hideRefs", "refs/fleet")?;
            changed = true;
        }
        Ok(changed)
    }

    /// The repository's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn repo(&self) -> &Repository {
        &self.repo
    }

    /// Opens the repository again when its folder was replaced by another one. Tells whether it was.
    pub(crate) fn follow_replacement(&mut self) -> Result<bool, SourceError> {
        let now = identity(&self.path);
        if now == self.identity {
            return Ok(false);
        }
        *self = Git::open(&self.path)?;
        Ok(true)
    }

    /// Every branch and its head; branches that do not name an object are left out.
    ///
    /// # Errors
    /// When the refs cannot be listed.
    pub fn heads(&self) -> Result<BTreeMap<String, Revision>, SourceError> {
        let mut heads = BTreeMap::new();
        let references = self.repo.references_glob("refs/heads/*").map_err(reading("the branches"))?;
        for reference in references {
            // A branch may vanish between being listed and being read.
            let Ok(reference) = reference else { continue };
            let Ok(Some(name)) = reference.name().map(|name| name.strip_prefix("refs/heads/")) else { continue };
            if let Some(oid) = reference.resolve().ok().and_then(|r| r.target()) {
                heads.insert(name.to_owned(), revision(oid));
            }
        }
        Ok(heads)
    }

    /// The head of one branch; `None` when there is no such branch.
    ///
    /// # Errors
    /// When the ref is there and cannot be read.
    pub fn head(&self, branch: &str) -> Result<Option<Revision>, SourceError> {
        Ok(self.target(&branch_ref(branch))?.map(revision))
    }

    pub(crate) fn target(&self, name: &str) -> Result<Option<Oid>, SourceError> {
        match self.repo.refname_to_id(name) {
            Ok(oid) => Ok(Some(oid)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(source) => Err(reading(name)(source)),
        }
    }

    /// Author, time and subject of a commit.
    ///
    /// # Errors
    /// When it is not there.
    pub fn facts(&self, at: &Revision) -> Result<CommitFacts, SourceError> {
        let commit = self.commit(oid(at))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let seconds = u64::try_from(commit.time().seconds()).unwrap_or(0);
        Ok(CommitFacts {
            author: text(commit.author().name_bytes()),
            time: Timestamp(seconds.saturating_mul(1_000_000)),
            subject: text(commit.summary_bytes().unwrap_or_default()),
        })
    }

    /// Whether `commit` is `ancestor` or comes after it.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn is_descendant(&self, commit: &Revision, ancestor: &Revision) -> Result<bool, SourceError> {
        self.descends(oid(commit), oid(ancestor))
    }

    pub(crate) fn descends(&self, commit: Oid, ancestor: Oid) -> Result<bool, SourceError> {
        if commit == ancestor {
            return Ok(true);
        }
        self.repo.graph_descendant_of(commit, ancestor).map_err(reading(format!("the ancestry of {commit}")))
    }

    /// A best common ancestor; `None` when the two share no history.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn merge_base(&self, one: &Revision, other: &Revision) -> Result<Option<Revision>, SourceError> {
        match self.repo.merge_base(oid(one), oid(other)) {
            Ok(base) => Ok(Some(revision(base))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(source) => Err(reading(format!("the ancestry of {one} and {other}"))(source)),
        }
    }

    pub(crate) fn commit(&self, id: Oid) -> Result<git2::Commit<'_>, SourceError> {
        self.repo.find_commit(id).map_err(|_| SourceError::NoCommit(revision(id)))
    }

    pub(crate) fn parents(&self, id: Oid) -> Result<Vec<Oid>, SourceError> {
        Ok(self.commit(id)?.parent_ids().collect())
    }

    pub(crate) fn write_commit(&self, new: &NewCommit<'_>) -> Result<Oid, SourceError> {
        let what = || "a commit".to_owned();
        let tree = self.repo.find_tree(new.tree).map_err(writing(what()))?;
        let parents = new.parents.iter().map(|id| self.commit(*id)).collect::<Result<Vec<_>, _>>()?;
        let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
        let author = new.author.signature(new.now)?;
        let committer = Person::coordinator().signature(new.now)?;
        self.repo.commit(None, &author, &committer, new.message, &tree, &parents).map_err(writing(what()))
    }

    /// The empty tree, written if need be: what record commits carry.
    pub(crate) fn empty_tree(&self) -> Result<Oid, SourceError> {
        let odb = self.repo.odb().map_err(writing("the empty tree"))?;
        odb.write(ObjectType::Tree, b"").map_err(writing("the empty tree"))
    }
}

/// The ref of a branch.
pub(crate) fn branch_ref(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// git2's id as ours.
pub(crate) fn revision(oid: Oid) -> Revision {
    oid.to_string().parse().expect("libgit2 prints SHA-1 ids as 40 lower-case hexadecimal digits")
}

/// Our id as git2's.
pub(crate) fn oid(revision: &Revision) -> Oid {
    Oid::from_str(revision.as_str()).expect("a Revision is 40 hexadecimal digits")
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// The format of a repository that libgit2 does not read, from its configuration file.
fn foreign_format(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path.join("config")).ok()?.to_ascii_lowercase();
    let value = |key: &str| {
        let line = text.lines().map(str::trim).find(|line| line.starts_with(key))?;
        line.split_once('=').map(|(_, value)| value.trim().trim_matches('"').to_owned())
    };
    match (value("objectformat").as_deref(), value("refstorage").as_deref()) {
        (Some("sha256"), _) => Some("SHA-256 object names".to_owned()),
        (Some(other), _) if other != "sha1" => Some(format!("object format {other}")),
        (_, Some(storage)) if storage != "files" => Some(storage.to_owned()),
        _ => None,
    }
}
