//! A repository to play with, and a stand-in for the compiler that knows just enough.

use crate::source::git::oid;
use crate::source::{Accepted, Act, Chain, Examined, Source};
use fleet_units::bundle::{Bundle, SourceTree};
use fleet_units::diagnostic::{Diagnostic, Place, codes};
use fleet_units::fleet::{Compiled, FleetUnit};
use fleet_units::ids::{EnvironmentName, Revision, UnitName};
use fleet_units::spec::{KindSpec, UnitSpec};
use fleet_units::time::Timestamp;
use fleet_units::view::{BranchState, Rejected};
use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Repository, Signature};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) source: Source,
    pub(crate) path: PathBuf,
    clock: Cell<u64>,
    _folder: TempDir,
}

/// A change to a tree: a path and its new text, or none to remove it.
pub(crate) type Edit<'a> = (&'a str, Option<&'a str>);

pub(crate) fn environment(name: &str) -> EnvironmentName {
    name.parse().unwrap()
}

impl World {
    /// An empty repository with the default chain.
    pub(crate) fn empty() -> World {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config.git");
        let source = Source::open(&path, Chain::default(), Box::new(compile)).unwrap();
        World { source, path, clock: Cell::new(1_700_000_000), _folder: folder }
    }

    /// All four branches at one commit with five units, accepted and converged.
    pub(crate) fn new() -> World {
        let mut world = World::empty();
        let units = ["a", "b", "c", "d", "e"].map(|name| format!("units/{name}.service"));
        let edits: Vec<Edit<'_>> = units.iter().map(|path| (path.as_str(), Some("one"))).collect();
        let first = world.commit(&[], &edits, "first");
        for name in ["develop", "test", "staging", "production"] {
            world.point(name, &first);
            world.accept(name);
            world.converge(name);
        }
        world
    }

    pub(crate) fn repo(&self) -> Repository {
        Repository::open_bare(&self.path).unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.set(self.clock.get() + 60);
        Timestamp(self.clock.get() * 1_000_000)
    }

    /// Writes a commit whose tree is that of the first parent with `edits`.
    pub(crate) fn commit(&self, parents: &[&Revision], edits: &[Edit<'_>], subject: &str) -> Revision {
        let repo = self.repo();
        let base = match parents.first() {
            Some(parent) => repo.find_commit(oid(parent)).unwrap().tree().unwrap(),
            None => repo.find_tree(repo.odb().unwrap().write(ObjectType::Tree, b"").unwrap()).unwrap(),
        };
        // Removals first: libgit2 does not put a file where a folder still is.
        let mut tree = base;
        for removing in [true, false] {
            let mut update = TreeUpdateBuilder::new();
            for (path, text) in edits.iter().filter(|(_, text)| text.is_none() == removing) {
                match text {
                    Some(text) => update.upsert(*path, repo.blob(text.as_bytes()).unwrap(), FileMode::Blob),
                    None => update.remove(*path),
                };
            }
            tree = repo.find_tree(update.create_updated(&repo, &tree).unwrap()).unwrap();
        }
        let tree = tree.id();
        self.commit_tree(parents, tree, subject)
    }

    /// Writes a commit with the tree of another one.
    pub(crate) fn commit_like(&self, parents: &[&Revision], like: &Revision, subject: &str) -> Revision {
        let tree = self.repo().find_commit(oid(like)).unwrap().tree_id();
        self.commit_tree(parents, tree, subject)
    }

    pub(crate) fn commit_tree(&self, parents: &[&Revision], tree: git2::Oid, subject: &str) -> Revision {
        let repo = self.repo();
        let seconds = i64::try_from(self.now().0 / 1_000_000).unwrap();
        let who = Signature::new("ann", "ann@example.org", &git2::Time::new(seconds, 0)).unwrap();
        let parents: Vec<_> = parents.iter().map(|parent| repo.find_commit(oid(parent)).unwrap()).collect();
        let parents: Vec<_> = parents.iter().collect();
        let tree = repo.find_tree(tree).unwrap();
        repo.commit(None, &who, &who, subject, &tree, &parents).unwrap().to_string().parse().unwrap()
    }

    pub(crate) fn point(&self, branch: &str, at: &Revision) {
        self.repo().reference(&format!("refs/heads/{branch}"), oid(at), true, "test").unwrap();
    }

    pub(crate) fn delete(&self, branch: &str) {
        self.repo().find_reference(&format!("refs/heads/{branch}")).unwrap().delete().unwrap();
    }

    pub(crate) fn tip(&self, branch: &str) -> Revision {
        self.source.git().head(branch).unwrap().unwrap()
    }

    /// Commits on top of a branch, moves it, and has it accepted.
    pub(crate) fn push(&mut self, branch: &str, edits: &[Edit<'_>]) -> Revision {
        let head = self.push_only(branch, edits);
        self.accept(branch);
        head
    }

    /// Commits on top of a branch and moves it.
    pub(crate) fn push_only(&mut self, branch: &str, edits: &[Edit<'_>]) -> Revision {
        let head = self.commit(&[&self.tip(branch)], edits, "change");
        self.point(branch, &head);
        head
    }

    pub(crate) fn examine(&mut self, name: &str) -> Examined {
        let head = self.source.git().head(name).unwrap();
        self.source.examine(&environment(name), head.as_ref()).unwrap()
    }

    /// Examines a branch that is expected to be accepted, and records it.
    pub(crate) fn accept(&mut self, name: &str) -> Accepted {
        let accepted = match self.examine(name) {
            Examined::Accepted(accepted) => *accepted,
            other => panic!("{name} was not accepted: {other:?}"),
        };
        let now = self.now();
        self.source.accept(&accepted, "ann", now).unwrap();
        accepted
    }

    /// Examines a branch that is expected to be kept where it was.
    pub(crate) fn kept(&mut self, name: &str) -> (BranchState, Option<Rejected>) {
        match self.examine(name) {
            Examined::Kept { state, rejected } => (state, rejected),
            other => panic!("{name} was not kept: {other:?}"),
        }
    }

    /// The state and the code of the first finding of a branch that is kept.
    pub(crate) fn kept_code(&mut self, name: &str) -> (BranchState, String) {
        let (state, rejected) = self.kept(name);
        (state, rejected.unwrap().diagnostics[0].code.clone())
    }

    pub(crate) fn converge(&mut self, name: &str) {
        let now = self.now();
        let head = self.source.accepted(&environment(name)).unwrap().unwrap().revision;
        self.source.record_converged(&environment(name), &head, now).unwrap();
    }

    /// An operator, now.
    pub(crate) fn act(&self) -> Act {
        Act { actor: "eve".to_owned(), plan_id: None, now: self.now() }
    }

    /// Promotes into `to` from the one before.
    pub(crate) fn promote(&mut self, to: &str, rev: Option<&Revision>) -> Accepted {
        let proposed = self.source.propose_promotion(None, &environment(to), rev).unwrap();
        let act = self.act();
        self.source.commit(&proposed, &act).unwrap()
    }

    /// Opens the repository again, as after a restart.
    pub(crate) fn reopen(&mut self) {
        self.source = Source::open(&self.path, Chain::default(), Box::new(compile)).unwrap();
    }
}

/// Each `units/NAME` is a unit, unless it says BROKEN, which is an error in line 1.
pub(crate) fn compile(environment: &EnvironmentName, tree: &Arc<SourceTree>) -> Compiled {
    let mut compiled = Compiled::default();
    for (path, file) in tree.iter() {
        let own = format!("environments/{environment}/units/");
        let Some(name) = path.strip_prefix("units/").or_else(|| path.strip_prefix(&own)) else { continue };
        let Ok(name) = name.parse::<UnitName>() else { continue };
        if file.content.starts_with(b"BROKEN") {
            let place = Place { file: path.clone(), line: 1, column: 1 };
            compiled.diagnostics.push(Diagnostic::error(codes::BAD_VALUE, place, "it says so"));
            continue;
        }
        let bundle = Bundle { files: BTreeMap::from([(path.clone(), file.clone())]) };
        let digest = bundle.digest();
        let spec = Arc::new(UnitSpec::new(name.clone(), KindSpec::Target));
        compiled.fleet.units.insert(name, FleetUnit { spec, bundle: Arc::new(bundle), digest });
    }
    compiled
}
