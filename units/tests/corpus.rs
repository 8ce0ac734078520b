//! Unit files as packages ship them, each linted alone: none may have an error, and none holds a secret.
//!
//! The host's own are read by every run. `FLEET_CORPUS=FOLDER` adds those below a folder, such as one into which
//! packages were unpacked: `apt-get download PACKAGE && dpkg-deb -x FILE FOLDER`. No foreign file is committed.

use fleet_units::bundle::{SourceFile, SourceTree};
use fleet_units::fleet::compile;
use std::path::{Path, PathBuf};

const HOST: [&str; 3] = ["/lib/systemd/system", "/usr/lib/systemd/system", "/usr/lib/systemd/user"];

/// The regular files below `folder` that are units of kinds Fleet has.
fn unit_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
        if kind.is_dir() {
            unit_files(&path, found);
        } else if kind.is_file() && in_systemd(&path) && ["service", "target", "timer", "socket"].contains(&suffix) {
            found.push(path);
        }
    }
}

/// Other programs have files of these names as well: D-Bus, Avahi.
fn in_systemd(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    folder.ends_with("systemd/system") || folder.ends_with("systemd/user")
}

/// The errors of one file when it is all there is; a secret, which packages do not ship, is a false alarm.
fn errors(path: &Path) -> Vec<String> {
    let Ok(content) = std::fs::read(path) else { return Vec::new() };
    // An empty file masks a unit.
    if content.is_empty() {
        return Vec::new();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let tree: SourceTree = [(format!("units/{name}"), SourceFile::new(false, content))].into();
    let compiled = compile(&"test".parse().expect("it is a label"), &tree);
    let errors = compiled.diagnostics.iter().filter(|found| found.is_error() || found.code.starts_with("secret-"));
    errors.map(|error| format!("{}: {error}", path.display())).collect()
}

fn lint(name: &str, folders: &[PathBuf]) {
    let mut files = Vec::new();
    folders.iter().for_each(|folder| unit_files(folder, &mut files));
    if files.is_empty() {
        println!("SKIP {name}: there is no unit file below {folders:?}");
        return;
    }
    let errors: Vec<String> = files.iter().flat_map(|path| errors(path)).collect();
    assert!(errors.is_empty(), "{} errors in {} files:\n{}", errors.len(), files.len(), errors.join("\n"));
}

#[test]
fn unit_files_of_this_host_have_no_error() {
    lint("unit_files_of_this_host", &HOST.map(PathBuf::from));
}

#[test]
fn unit_files_of_unpacked_packages_have_no_error() {
    let Some(folder) = std::env::var_os("FLEET_CORPUS") else {
        return println!("SKIP unit_files_of_unpacked_packages: FLEET_CORPUS names no folder");
    };
    lint("unit_files_of_unpacked_packages", &[PathBuf::from(folder)]);
}

/// All regular files below `folder`, as ones that are delivered.
fn delivered(folder: &Path, tree: &mut SourceTree) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
            delivered(&path, tree);
        } else if let (Ok(true), Ok(content)) = (kind.map(|kind| kind.is_file()), std::fs::read(&path)) {
            tree.insert(format!("files{}", path.display()), SourceFile::new(false, content));
        }
    }
}

/// What packages bring in /etc holds examples of secrets and names of options, and no secret.
#[test]
fn files_that_packages_ship_are_not_taken_for_secrets() {
    let mut tree = SourceTree::new();
    delivered(Path::new("/etc/default"), &mut tree);
    if let Some(folder) = std::env::var_os("FLEET_CORPUS") {
        delivered(&PathBuf::from(folder).join("etc"), &mut tree);
    }
    if tree.is_empty() {
        return println!("SKIP files_that_packages_ship: neither /etc/default nor FLEET_CORPUS has a file");
    }
    println!("{} files", tree.len());
    let found = compile(&"test".parse().expect("it is a label"), &tree).diagnostics;
    let secrets: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(secrets.is_empty(), "{}", secrets.join("\n"));
}
