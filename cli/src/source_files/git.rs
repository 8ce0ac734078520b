//! The files of a commit, and of the commit that `git commit` would make: the index.

use super::{Files, ROOTS};
use crate::error::{CommandError, CommandResult};
use fleet_server::source::git::Git;
use fleet_server::source::tree::TreeReader;
use fleet_units::bundle::{MAX_FILE, SourceFile, SourceTree};
use fleet_units::diagnostic::codes;
use git2::{Index, IndexEntry, Odb, Repository};
use std::path::Path;

/// The files of `rev`, read as the coordinator reads them.
pub(crate) fn commit(path: &Path, rev: &str) -> CommandResult<Files> {
    let repository = open(path)?;
    let commit = repository
        .revparse_single(rev)
        .and_then(|object| object.peel_to_commit())
        .map_err(failed(format!("there is no commit {rev:?} in {}", repository.path().display())))?;
    let revision = commit.id().to_string().parse().map_err(CommandError::failed)?;
    let snapshot = Git::open(repository.commondir())
        .and_then(|git| TreeReader::default().read(&git, &revision))
        .map_err(|error| CommandError::because(format!("cannot read the files of {rev}"), error))?;
    Ok(Files { tree: SourceTree::clone(&snapshot.files), diagnostics: snapshot.diagnostics.clone() })
}

/// The files of the index. `git commit` names another one in GIT_INDEX_FILE for its hooks when only some of the
/// changes are committed.
pub(crate) fn staged(path: &Path) -> CommandResult<Files> {
    let repository = open(path)?;
    let cannot = || failed(format!("cannot read the index of {}", repository.path().display()));
    let index = match std::env::var_os("GIT_INDEX_FILE").filter(|name| !name.is_empty()) {
        Some(name) => Index::open(Path::new(&name)).map_err(cannot())?,
        None => repository.index().map_err(cannot())?,
    };
    let objects = repository.odb().map_err(cannot())?;
    let mut files = Files::default();
    for entry in index.iter() {
        match std::str::from_utf8(&entry.path) {
            Ok(name) if in_roots(name) => add(&mut files, &objects, name, &entry)?,
            Ok(_) => {}
            Err(_) => {
                let name = String::from_utf8_lossy(&entry.path).into_owned();
                if in_roots(&name) {
                    files.refuse(codes::BAD_NAME, &name, "a file's name must be UTF-8");
                }
            }
        }
    }
    Ok(files)
}

fn in_roots(name: &str) -> bool {
    name.split_once('/').is_some_and(|(root, _)| ROOTS.contains(&root))
}

fn add(files: &mut Files, objects: &Odb<'_>, name: &str, entry: &IndexEntry) -> CommandResult<()> {
    /// Bits of the flags that say which side of an unfinished merge an entry is; zero when there is none.
    const STAGE: u16 = 0x3000;
    if entry.flags & STAGE != 0 {
        files.refuse(codes::UNMERGED, name, "the merge of this file is not finished");
        return Ok(());
    }
    if !matches!(entry.mode, 0o100_644 | 0o100_755) {
        files.refuse(codes::NOT_A_FILE, name, "only regular files are read");
        return Ok(());
    }
    let cannot = || failed(format!("cannot read {name} from the index"));
    let (size, _) = objects.read_header(entry.id).map_err(cannot())?;
    if size > MAX_FILE {
        files.refuse(codes::FILE_TOO_LARGE, name, format!("{size} bytes; a file may have {} MiB", MAX_FILE >> 20));
        return Ok(());
    }
    let object = objects.read(entry.id).map_err(cannot())?;
    files.tree.insert(name.to_owned(), SourceFile::new(entry.mode == 0o100_755, object.data().to_vec()));
    Ok(())
}

fn open(path: &Path) -> CommandResult<Repository> {
    Repository::discover(path).map_err(failed(format!("cannot open a git repository at {}", path.display())))
}

fn failed(what: String) -> impl FnOnce(git2::Error) -> CommandError {
    move |error| CommandError::because(what, error.message().to_owned())
}
