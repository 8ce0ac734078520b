//! The repository of a local fleet: the coordinator's bare one, with the sample or a copy of the user's, and a clone.

use super::layout::Layout;
use crate::error::{CommandError, CommandResult};
use git2::build::{RepoBuilder, TreeUpdateBuilder};
use git2::{Commit, FetchOptions, FileMode, Oid, Repository, RepositoryInitOptions, Signature};
use std::path::Path;

/// Makes the bare repository at `path`: every branch of `branches` exists, the first one is HEAD. With `from`, it holds
/// the branches of that repository (which is only read); a branch of the chain that it lacks starts at its HEAD. Else it
/// holds `files`, in one commit that all branches start at.
pub(crate) fn create(
    path: &Path,
    branches: &[String],
    from: Option<&Path>,
    files: &[(String, String)],
) -> CommandResult<()> {
    let failed = |error| CommandError::because(format!("cannot make the repository {}", path.display()), error);
    let head = format!("refs/heads/{}", branches[0]);
    let bare =
        Repository::init_opts(path, RepositoryInitOptions::new().bare(true).initial_head(&head)).map_err(failed)?;
    let start = match from {
        Some(from) => copy(&bare, from)?,
        None => commit_files(&bare, files).map_err(failed)?,
    };
    let start = bare.find_commit(start).map_err(failed)?;
    for branch in branches {
        if bare.find_branch(branch, git2::BranchType::Local).is_err() {
            bare.branch(branch, &start, false).map_err(failed)?;
        }
    }
    Ok(())
}

/// Fetches every branch of the repository at `from`; gives its HEAD commit.
fn copy(bare: &Repository, from: &Path) -> CommandResult<Oid> {
    let failed = |error| CommandError::because(format!("cannot read the repository {}", from.display()), error);
    let source = Repository::open(from).map_err(failed)?;
    let head = match source.head().and_then(|head| head.peel_to_commit()) {
        Ok(head) => head.id(),
        Err(error) if error.code() == git2::ErrorCode::UnbornBranch => {
            return Err(failed(error).hint("commit something in it first"));
        }
        Err(error) => return Err(failed(error)),
    };
    let url = source.path().to_string_lossy().into_owned();
    let mut remote = bare.remote_anonymous(&url).map_err(failed)?;
    let mut options = FetchOptions::new();
    remote.fetch(&["+refs/heads/*:refs/heads/*"], Some(&mut options), None).map_err(failed)?;
    // A detached HEAD is on no branch, so it was not fetched.
    bare.find_commit(head).map_err(|error| failed(error).hint("check out one of its branches first"))?;
    Ok(head)
}

fn commit_files(bare: &Repository, files: &[(String, String)]) -> Result<Oid, git2::Error> {
    let empty = bare.find_tree(bare.treebuilder(None)?.write()?)?;
    let mut tree = TreeUpdateBuilder::new();
    for (path, content) in files {
        tree.upsert(path.as_str(), bare.blob(content.as_bytes())?, FileMode::Blob);
    }
    let tree = bare.find_tree(tree.create_updated(bare, &empty)?)?;
    let author = Signature::now("fleet up", "fleet@localhost")?;
    let parents: [&Commit<'_>; 0] = [];
    bare.commit(None, &author, &author, "A small fleet to look at\n", &tree, &parents)
}

/// Makes the working clone at `D/config`: origin is the bare repository's path, so plain git needs no helper; the first
/// branch is checked out, all are fetched. One that is there is left alone.
pub(crate) fn clone(layout: &Layout, bare: &Path, branch: &str) -> CommandResult<()> {
    let path = layout.clone();
    if path.exists() {
        return Ok(());
    }
    let failed = |error| CommandError::because(format!("cannot make the working clone {}", path.display()), error);
    let clone = RepoBuilder::new().branch(branch).clone(&bare.to_string_lossy(), &path).map_err(failed)?;
    name_the_author(&clone).map_err(failed)
}

/// Git refuses to commit without a name; who has none set gets one in this clone.
fn name_the_author(clone: &Repository) -> Result<(), git2::Error> {
    let mut config = clone.config()?;
    if config.get_string("user.email").is_err() {
        config.set_str("user.name", "Fleet operator")?;
        config.set_str("user.email", "operator@localhost")?;
    }
    Ok(())
}
