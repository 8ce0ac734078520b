//! Trees that an environment rolled back: `refs/fleet/bad/ENV/HASH`, HASH being what it really ran.

use super::content;
use super::error::SourceError;
use super::git::{Git, oid, revision};
use super::intent::Move;
use fleet_units::ids::{EnvironmentName, Revision};
use git2::Oid;

/// A tree that was rolled back.
pub(crate) struct Mark {
    /// The head that was rolled back.
    pub(crate) head: Revision,
    name: String,
}

impl Mark {
    /// The move that lifts it.
    pub(crate) fn lift(&self) -> Move {
        Move::new(self.name.clone(), Some(oid(&self.head)), None)
    }
}

/// The mark on what `environment` would run at `commit`.
pub(crate) fn mark(git: &Git, environment: &EnvironmentName, commit: Oid) -> Result<Option<Mark>, SourceError> {
    let tree = git.commit(commit)?.tree_id();
    mark_of_tree(git, environment, tree)
}

/// The mark on what `environment` would run from `tree`.
pub(crate) fn mark_of_tree(git: &Git, environment: &EnvironmentName, tree: Oid) -> Result<Option<Mark>, SourceError> {
    let name = format!("{}{}", folder(environment), content::run_of_tree(git, environment, tree)?);
    Ok(git.target(&name)?.map(|head| Mark { head: revision(head), name }))
}

/// The move that marks what `environment` ran at `head`; `None` when it is marked already.
pub(crate) fn set(git: &Git, environment: &EnvironmentName, head: Oid) -> Result<Option<Move>, SourceError> {
    let name = format!("{}{}", folder(environment), content::run(git, environment, head)?);
    Ok(git.target(&name)?.is_none().then(|| Move::new(name, None, Some(head))))
}

/// The moves that turn every mark of the environment, but one on `running`, into a superseded one.
pub(crate) fn supersede(git: &Git, environment: &EnvironmentName, running: Oid) -> Result<Vec<Move>, SourceError> {
    let run = content::run(git, environment, running)?.to_string();
    let glob = format!("{}*", folder(environment));
    let mut moves = Vec::new();
    for reference in git.repo().references_glob(&glob).map_err(super::error::reading(glob.clone()))?.flatten() {
        let (Ok(name), Some(head)) = (reference.name(), reference.target()) else { continue };
        let hash = name.trim_start_matches(&folder(environment)).to_owned();
        if hash == run {
            continue;
        }
        let superseded = format!("refs/fleet/superseded/{environment}/{hash}");
        let earlier = git.target(&superseded)?;
        if earlier != Some(head) {
            moves.push(Move::new(superseded, earlier, Some(head)));
        }
        moves.push(Move::new(name, Some(head), None));
    }
    Ok(moves)
}

fn folder(environment: &EnvironmentName) -> String {
    format!("refs/fleet/bad/{environment}/")
}
