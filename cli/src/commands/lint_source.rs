//! The files `fleet lint` looks at: a folder, a commit, a single unit file, stdin.

use crate::error::{CommandError, CommandResult};
use fleet_server::source::git::Git;
use fleet_server::source::tree::TreeReader;
use fleet_units::bundle::{MAX_FILE, SourceFile, SourceTree};
use fleet_units::diagnostic::{Diagnostic, Place};
use fleet_units::ids::UnitName;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The folders of a configuration repository that say what runs.
const ROOTS: [&str; 3] = ["environments", "files", "units"];

/// What a unit file from stdin is called.
const STDIN: &str = "units/stdin.service";

/// Files, and what is wrong with them as files.
pub(crate) struct Files {
    pub(crate) tree: SourceTree,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Reads what `path` (`-` is stdin) and `--rev` name.
pub(crate) fn read(path: &str, rev: Option<&str>) -> CommandResult<Files> {
    let mut files = Files { tree: SourceTree::new(), diagnostics: Vec::new() };
    let cannot = |error: io::Error| CommandError::because(format!("cannot read {path}"), error);
    match (path, rev) {
        ("-", Some(_)) => return Err(CommandError::usage("--rev names a commit of a repository, not of stdin")),
        ("-", None) => {
            let mut content = Vec::new();
            io::stdin().lock().take(MAX_FILE as u64 + 1).read_to_end(&mut content).map_err(cannot)?;
            files.tree.insert(STDIN.to_owned(), SourceFile::new(false, content));
        }
        (path, Some(rev)) => return commit(Path::new(path), rev),
        (path, None) if fs::metadata(path).map_err(cannot)?.is_dir() => {
            for root in ROOTS {
                files.walk(Path::new(path), root)?;
            }
        }
        (path, None) => files.unit_file(Path::new(path))?,
    }
    Ok(files)
}

impl Files {
    /// One unit file, wherever it lies, as if it were in `units/`.
    fn unit_file(&mut self, path: &Path) -> CommandResult<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Err(error) = name.parse::<UnitName>() {
            return Err(CommandError::usage(error).hint("name a unit file such as web.service, or a folder"));
        }
        let content =
            fs::read(path).map_err(|error| CommandError::because(format!("cannot read {}", path.display()), error))?;
        self.tree.insert(format!("units/{name}"), SourceFile::new(false, content));
        Ok(())
    }

    /// Adds what lies at `base/relative`, folders with all below them. What is not there adds nothing.
    fn walk(&mut self, base: &Path, relative: &str) -> CommandResult<()> {
        let path = base.join(relative);
        let cannot = |error: io::Error| CommandError::because(format!("cannot read {}", path.display()), error);
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            metadata => metadata.map_err(cannot)?,
        };
        if metadata.is_dir() {
            let mut names = Vec::new();
            for entry in fs::read_dir(&path).map_err(cannot)? {
                match entry.map_err(cannot)?.file_name().into_string() {
                    Ok(name) => names.push(name),
                    Err(name) => self.refuse("bad-name", relative, format!("{name:?} is no name for a file here")),
                }
            }
            names.sort();
            return names.iter().try_for_each(|name| self.walk(base, &format!("{relative}/{name}")));
        }
        if !metadata.is_file() {
            self.refuse("not-a-file", relative, "only regular files are read".to_owned());
        } else if metadata.len() > MAX_FILE as u64 {
            let message = format!("{} bytes; a file may have {} MiB", metadata.len(), MAX_FILE >> 20);
            self.refuse("file-too-large", relative, message);
        } else {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let content = fs::read(&path).map_err(cannot)?;
            self.tree.insert(relative.to_owned(), SourceFile::new(executable, content));
        }
        Ok(())
    }

    /// `code` and words are those of the coordinator's reader of commits.
    fn refuse(&mut self, code: &str, file: &str, why: String) {
        let place = Place { file: file.to_owned(), line: 0, column: 0 };
        self.diagnostics.push(Diagnostic::error(code, place, why));
    }
}

/// The files of a commit, read as the coordinator reads them.
fn commit(path: &Path, rev: &str) -> CommandResult<Files> {
    let failed = |what: String| move |error: git2::Error| CommandError::because(what, error.message().to_owned());
    let repository = git2::Repository::discover(path)
        .map_err(failed(format!("cannot open a git repository at {}", path.display())))?;
    let commit = repository
        .revparse_single(rev)
        .and_then(|object| object.peel_to_commit())
        .map_err(failed(format!("there is no commit {rev:?} in {}", repository.path().display())))?;
    let revision = commit.id().to_string().parse().map_err(CommandError::failed)?;
    let snapshot = Git::open(repository.commondir())
        .and_then(|git| TreeReader::default().read(&git, &revision))
        .map_err(|error| CommandError::because(format!("cannot read the files of {rev}"), error))?;
    Ok(Files { tree: snapshot.files.clone(), diagnostics: snapshot.diagnostics.clone() })
}
