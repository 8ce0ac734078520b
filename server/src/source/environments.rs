//! What a branch's head means for its environment: accepted and compiled, or not, and why.
//!
//! An empty, missing or rewound branch never means "stop": whatever is not accepted leaves the last accepted head in
//! force.

use super::chain::{Chain, Environment};
use super::content::Contents;
use super::error::SourceError;
use super::git::{CommitFacts, Git, branch_ref, oid, revision};
use super::graph::Corrections;
use super::intent::{self, Move};
use super::interpret;
use super::log::{self, HeadLog, Kind, Logs, Record, log_ref};
use super::removal;
use super::tree::{Snapshot, TreeReader};
use fleet_units::bundle::SourceTree;
use fleet_units::diagnostic::{Diagnostic, Place, codes};
use fleet_units::fleet::{Compiled, Compiler, FleetSpec};
use fleet_units::ids::{EnvironmentName, Revision};
use fleet_units::time::Timestamp;
use fleet_units::view::{BranchState, Rejected};
use git2::Oid;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Turns files into the desired state: [`by_change`], or a small stand-in in tests.
pub type Compile = Box<dyn FnMut(&EnvironmentName, &Arc<SourceTree>) -> Compiled + Send>;

/// Compiles each environment's trees, of one tree after the other only what differs.
#[must_use]
pub fn by_change() -> Compile {
    let mut compilers: BTreeMap<EnvironmentName, Compiler> = BTreeMap::new();
    Box::new(move |environment, tree| {
        let compiler = compilers.entry(environment.clone()).or_insert_with(|| Compiler::new(environment.clone()));
        compiler.compile(tree)
    })
}

/// Compiled trees kept: the heads of a chain, and what a promotion tries.
const KEPT: usize = 16;

/// The repository, and what is known about its environments. Blocking.
pub struct Source {
    pub(crate) git: Git,
    pub(crate) chain: Chain,
    pub(crate) contents: Contents,
    compile: Compile,
    reader: TreeReader,
    logs: Logs,
    compiled: Vec<((EnvironmentName, Oid), Arc<Understood>)>,
}

/// A tree compiled for one environment.
#[derive(Clone, Debug)]
pub(crate) struct Understood {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) fleet: Arc<FleetSpec>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Understood {
    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// A head that is, or may become, the environment's desired state.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The environment.
    pub environment: EnvironmentName,
    /// The head.
    pub revision: Revision,
    /// The accepted head it follows; `None` for an environment's first.
    pub previous: Option<Revision>,
    /// How it came.
    pub kind: Kind,
    /// Promotion: the head of the earlier environment. Rollback: the earlier head.
    pub source: Option<Revision>,
    /// The desired state.
    pub fleet: Arc<FleetSpec>,
    /// The files it was made of.
    pub files: Arc<Snapshot>,
    /// Warnings and notes. Of a head accepted earlier by another version of Fleet, errors too: then `fleet` is not
    /// complete, and what runs should be left as it is.
    pub diagnostics: Vec<Diagnostic>,
    /// Author, time, subject.
    pub facts: CommitFacts,
}

/// What a look at a branch came to.
#[derive(Clone, Debug)]
pub enum Examined {
    /// The branch is at the accepted head.
    Unchanged,
    /// A new head that may be rolled out. Nothing is written yet: see [`Source::accept`].
    Accepted(Box<Accepted>),
    /// The last accepted head stays in force.
    Kept {
        /// How the branch stands. `Ok` here means: after the accepted head, but with errors or held back.
        state: BranchState,
        /// The head, and why not; `None` when there is no branch.
        rejected: Option<Rejected>,
    },
}

impl Source {
    /// Opens the repository in `path`, or makes it; completes what a crash left half done.
    ///
    /// # Errors
    /// When it cannot be opened, uses reftable or SHA-256, or its refs cannot be repaired.
    pub fn open(path: &Path, chain: Chain, compile: Compile) -> Result<Source, SourceError> {
        let git = Git::open_or_init(path, &chain.environments()[0].branch)?;
        intent::settle(&git)?;
        let mut source = Source {
            git,
            chain,
            compile,
            contents: Contents::default(),
            reader: TreeReader::default(),
            logs: Logs::default(),
            compiled: Vec::new(),
        };
        source.warm_up()?;
        Ok(source)
    }

    /// Reads what the first examined head will be compared with, so that it does not wait for it.
    fn warm_up(&mut self) -> Result<(), SourceError> {
        for environment in self.chain.environments().to_vec() {
            let log = self.logs.of(&self.git, &environment.name)?;
            for record in log.heads() {
                self.contents.outside_secrets(&self.git, oid(&record.head))?;
                self.contents.common(&self.git, oid(&record.head))?;
            }
        }
        Ok(())
    }

    /// The chain of environments.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The repository.
    #[must_use]
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// Every branch and its head. Follows the folder when another one has taken its place.
    ///
    /// # Errors
    /// When the refs cannot be read.
    pub fn heads(&mut self) -> Result<BTreeMap<String, Revision>, SourceError> {
        if self.git.follow_replacement()? {
            self.logs.clear();
        }
        self.git.heads()
    }

    /// The last accepted head, compiled: what an environment shall run when the coordinator starts.
    ///
    /// # Errors
    /// When the log, the commit or its files cannot be read.
    pub fn accepted(&mut self, environment: &EnvironmentName) -> Result<Option<Accepted>, SourceError> {
        self.known(environment)?;
        let log = self.logs.of(&self.git, environment)?;
        let Some(record) = log.accepted().cloned() else { return Ok(None) };
        let previous = log.heads().rev().nth(1).map(|record| record.head.clone());
        let understood = self.understand(environment, oid(&record.head))?;
        self.assemble(environment, &record.head, previous, (record.kind, record.source), &understood).map(Some)
    }

    /// Decides what `head`, found on the environment's branch (`None`: there is no branch), means. Writes nothing.
    ///
    /// Ask again, too, for a branch that is not at its accepted head when an earlier environment accepted a head or
    /// converged: what was refused may be a promotion by now.
    ///
    /// # Errors
    /// When the repository cannot be read; a head that breaks a rule is no error.
    pub fn examine(&mut self, environment: &EnvironmentName, head: Option<&Revision>) -> Result<Examined, SourceError> {
        self.known(environment)?;
        let accepted = self.log(environment)?.accepted().map(|record| record.head.clone());
        let Some(head) = head else {
            return Ok(Examined::Kept { state: BranchState::Missing, rejected: None });
        };
        if accepted.as_ref() == Some(head) {
            return Ok(Examined::Unchanged);
        }
        let kept = |state, diagnostics| Examined::Kept {
            state,
            rejected: Some(Rejected { revision: head.clone(), diagnostics }),
        };
        if self.git.commit(oid(head)).is_err() {
            let message = format!("{environment}'s branch names {head}, which is no commit of this repository");
            return Ok(kept(
                BranchState::Unaccepted,
                vec![Diagnostic::error(codes::NO_COMMIT, Place::default(), message)],
            ));
        }
        let reading = interpret::interpret(self, environment, accepted.as_ref(), head)?;
        if let Some((state, diagnostic)) = reading.refused {
            return Ok(kept(state, vec![diagnostic]));
        }
        let understood = self.understand(environment, oid(head))?;
        if understood.has_errors() {
            return Ok(kept(BranchState::Ok, errors_first(&understood.diagnostics)));
        }
        let before = match &accepted {
            Some(accepted) => Some(self.understand(environment, oid(accepted))?),
            None => None,
        };
        if let Some(diagnostic) =
            before.and_then(|before| removal::gate(&before.fleet, &understood.fleet, reading.kind))
        {
            return Ok(kept(BranchState::Ok, vec![diagnostic]));
        }
        let mut found = self.assemble(environment, head, accepted, (reading.kind, reading.source), &understood)?;
        found.diagnostics.extend(reading.warnings);
        Ok(Examined::Accepted(Box::new(found)))
    }

    /// Writes an examined head into the head log, durably. It may be rolled out before this: after a crash the head
    /// is simply examined again.
    ///
    /// # Errors
    /// [`SourceError::Moved`] when another head was accepted since it was examined.
    pub fn accept(&mut self, accepted: &Accepted, actor: &str, now: Timestamp) -> Result<(), SourceError> {
        let log = self.log(&accepted.environment)?;
        if log.accepted().map(|record| &record.head) != accepted.previous.as_ref() {
            return Err(SourceError::Moved { name: log_ref(&accepted.environment) });
        }
        let record = Record {
            head: accepted.revision.clone(),
            kind: accepted.kind,
            source: accepted.source.clone(),
            actor: actor.to_owned(),
            reason: String::new(),
            time: now,
        };
        self.append(&accepted.environment, &record)
    }

    pub(crate) fn append(&mut self, environment: &EnvironmentName, record: &Record) -> Result<(), SourceError> {
        let previous = self.log(environment)?.tip();
        let id = log::write(&self.git, previous, record)?;
        intent::carry_out(&self.git, vec![Move::new(log_ref(environment), previous, Some(id))], record.kind.as_str())
    }

    pub(crate) fn log(&mut self, environment: &EnvironmentName) -> Result<&HeadLog, SourceError> {
        self.logs.of(&self.git, environment)
    }

    /// The corrections that the environment's log makes to the commit graph.
    pub(crate) fn corrections(&mut self, environment: &EnvironmentName) -> Result<Corrections, SourceError> {
        Corrections::new(&self.git, self.logs.of(&self.git, environment)?)
    }

    pub(crate) fn known(&self, environment: &EnvironmentName) -> Result<&Environment, SourceError> {
        self.chain.get(environment).ok_or_else(|| SourceError::UnknownEnvironment(environment.to_string()))
    }

    /// The head of the environment's branch, now.
    pub(crate) fn branch_tip(&self, environment: &EnvironmentName) -> Result<Option<Oid>, SourceError> {
        self.git.target(&branch_ref(&self.known(environment)?.branch))
    }

    /// Compiles a commit for an environment; remembers the last ones.
    pub(crate) fn understand(
        &mut self,
        environment: &EnvironmentName,
        commit: Oid,
    ) -> Result<Arc<Understood>, SourceError> {
        let tree = self.git.commit(commit)?.tree_id();
        self.understand_tree(environment, tree)
    }

    pub(crate) fn understand_tree(
        &mut self,
        environment: &EnvironmentName,
        tree: Oid,
    ) -> Result<Arc<Understood>, SourceError> {
        let key = (environment.clone(), tree);
        if let Some((_, understood)) = self.compiled.iter().find(|(known, _)| *known == key) {
            return Ok(Arc::clone(understood));
        }
        let snapshot = self.reader.read_tree(&self.git, tree)?;
        let Compiled { fleet, diagnostics, .. } = (self.compile)(environment, &snapshot.files);
        let diagnostics = snapshot.diagnostics.iter().cloned().chain(diagnostics).collect();
        let understood = Arc::new(Understood { snapshot, fleet: Arc::new(fleet), diagnostics });
        if self.compiled.len() == KEPT {
            self.compiled.remove(0);
        }
        self.compiled.push((key, Arc::clone(&understood)));
        Ok(understood)
    }

    /// The files of a revision, for `fleet diff` and the like.
    ///
    /// # Errors
    /// When the commit is not there.
    pub fn files(&mut self, at: &Revision) -> Result<Arc<Snapshot>, SourceError> {
        self.reader.read(&self.git, at)
    }

    /// Compiles any revision for an environment: its desired state and everything found.
    ///
    /// # Errors
    /// When the commit is not there.
    pub fn compile_at(
        &mut self,
        environment: &EnvironmentName,
        at: &Revision,
    ) -> Result<(Arc<FleetSpec>, Vec<Diagnostic>), SourceError> {
        let understood = self.understand(environment, oid(at))?;
        Ok((Arc::clone(&understood.fleet), understood.diagnostics.clone()))
    }

    /// The id of a revision's tree, in hexadecimal, as a promotion's plan knows it.
    ///
    /// # Errors
    /// When the commit is not there.
    pub fn tree(&self, at: &Revision) -> Result<String, SourceError> {
        Ok(self.git.commit(oid(at))?.tree_id().to_string())
    }

    pub(crate) fn assemble(
        &self,
        environment: &EnvironmentName,
        head: &Revision,
        previous: Option<Revision>,
        (kind, source): (Kind, Option<Revision>),
        understood: &Understood,
    ) -> Result<Accepted, SourceError> {
        Ok(Accepted {
            environment: environment.clone(),
            revision: head.clone(),
            previous,
            kind,
            source,
            fleet: Arc::clone(&understood.fleet),
            files: Arc::clone(&understood.snapshot),
            diagnostics: understood.diagnostics.clone(),
            facts: self.git.facts(head)?,
        })
    }

    /// The id of a revision's common tree: what promotions carry unchanged.
    ///
    /// # Errors
    /// When the commit is not there.
    pub fn common_tree(&mut self, at: &Revision) -> Result<Revision, SourceError> {
        self.contents.common(&self.git, oid(at)).map(revision)
    }
}

fn errors_first(diagnostics: &[Diagnostic]) -> Vec<Diagnostic> {
    let mut sorted = diagnostics.to_vec();
    sorted.sort_by_key(|diagnostic| diagnostic.severity);
    sorted
}
