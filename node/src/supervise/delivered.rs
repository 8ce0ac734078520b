//! Delivered files (`Files=`): a new version is a new folder and one atomic change of a symlink.
//!
//! ```text
//! RUNTIME/files/web.service/<digest>/web/nginx.conf      paths as below files/ in the repository
//! RUNTIME/files/web.service/current -> <digest>          what FLEET_FILES names
//! ```

use fleet_units::bundle::Bundle;
use fleet_units::ids::{EnvironmentName, Sha256Digest};
use fleet_units::spec::UnitSpec;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::{fs, io::Write as _};

/// Why files are not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeliverError {
    /// Writing failed.
    #[error("{operation} {path}: {source}")]
    Io {
        /// `write`, `make folder`, `link`.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The bundle lacks a file its unit names.
    #[error("the bundle holds no file {0}")]
    Missing(String),
}

/// Writes the files of `spec` below `root` (the node's `RUNTIME/files`), and gives the symlink's path; `None` when it
/// has none. What is there already is not written again; folders of older versions are removed.
///
/// # Errors
/// [`DeliverError`]; then the symlink still names the old version.
pub(super) fn deliver(
    root: &Path,
    environment: &EnvironmentName,
    spec: &UnitSpec,
    bundle: &Bundle,
) -> Result<Option<PathBuf>, DeliverError> {
    if spec.delivered.is_empty() {
        return Ok(None);
    }
    let folder = root.join(spec.name.as_str());
    let version = version(spec).short();
    let (current, target) = (folder.join("current"), folder.join(&version));
    if fs::read_link(&current).is_ok_and(|link| link == Path::new(&version)) {
        return Ok(Some(current));
    }
    for path in spec.delivered.keys() {
        write(&target, environment, path, bundle)?;
    }
    swap(&current, &version)?;
    remove_others(&folder, &version);
    Ok(Some(current))
}

/// Removes everything of one unit.
pub(super) fn remove(root: &Path, spec: &UnitSpec) {
    // Nothing was delivered to most units.
    let _ = fs::remove_dir_all(root.join(spec.name.as_str()));
}

fn version(spec: &UnitSpec) -> Sha256Digest {
    let mut input = Vec::new();
    for (path, digest) in &spec.delivered {
        input.extend_from_slice(path.as_bytes());
        input.push(0);
        input.extend_from_slice(digest.as_bytes());
    }
    Sha256Digest::of(&input)
}

fn write(target: &Path, environment: &EnvironmentName, path: &str, bundle: &Bundle) -> Result<(), DeliverError> {
    let below = path.strip_prefix("files/").unwrap_or(path);
    let missing = || DeliverError::Missing(below.to_owned());
    // Paths come from a repository; none may leave the folder.
    if !Path::new(below).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(missing());
    }
    let source = bundle.files.get(&format!("environments/{environment}/files/{below}"));
    let source = source.or_else(|| bundle.files.get(&format!("files/{below}"))).ok_or_else(missing)?;
    let file = target.join(below);
    let parent = file.parent().unwrap_or(target);
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| DeliverError::Io { operation, path, source }
    };
    fs::create_dir_all(parent).map_err(failed("make folder", parent))?;
    // Units read these as users of their own, whatever the node's umask.
    let levels = 2 + Path::new(below).components().count();
    for folder in parent.ancestors().take(levels) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(failed("make folder", folder))?;
    }
    let mut out = fs::File::create(&file).map_err(failed("write", &file))?;
    out.write_all(&source.content).map_err(failed("write", &file))?;
    let mode = if source.executable { 0o755 } else { 0o644 };
    out.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed("write", &file))
}

fn swap(current: &Path, version: &str) -> Result<(), DeliverError> {
    let next = current.with_file_name("next");
    let failed = |source| DeliverError::Io { operation: "link", path: current.to_owned(), source };
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    symlink(version, &next).map_err(failed)?;
    fs::rename(&next, current).map_err(failed)
}

fn remove_others(folder: &Path, version: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name() != version && entry.file_name() != "current") {
        // A process may still hold it open; what stays is removed with the next version.
        let _ = fs::remove_dir_all(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_units::bundle::SourceFile;
    use fleet_units::testing::unit;

    fn bundle(content: &str) -> (UnitSpec, Bundle) {
        let file = SourceFile::new(true, content.as_bytes());
        let spec = unit("web.service", |spec| spec.delivered.extend([("web/a.conf".into(), file.sha256)]));
        (spec, Bundle { files: [("files/web/a.conf".to_owned(), file)].into() })
    }

    #[test]
    fn a_new_version_is_a_new_folder_behind_the_same_link() {
        let root = tempfile::tempdir().unwrap();
        let environment = "test".parse().unwrap();
        let deliver = |content| {
            let (spec, bundle) = bundle(content);
            deliver(root.path(), &environment, &spec, &bundle).unwrap().unwrap()
        };
        let current = deliver("one");
        assert_eq!(fs::read_to_string(current.join("web/a.conf")).unwrap(), "one");
        assert_eq!(deliver("two"), current);
        assert_eq!(fs::read_to_string(current.join("web/a.conf")).unwrap(), "two");
        assert_eq!(fs::read_dir(current.parent().unwrap()).unwrap().count(), 2, "the old version is gone");
    }

    #[test]
    fn a_path_that_leaves_the_folder_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (mut spec, bundle) = bundle("one");
        spec.delivered.insert("../../x".into(), Sha256Digest::of(b""));
        assert!(deliver(root.path(), &"test".parse().unwrap(), &spec, &bundle).is_err());
    }
}
