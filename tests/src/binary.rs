//! Finds the binary under test, or builds it: the tests crate gets no `CARGO_BIN_EXE_fleet`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The `fleet` binary of the profile the tests are built with.
pub fn fleet_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let binary = profile().join("fleet");
        if !is_newer_than_sources(&binary) {
            build(&["--package", "fleet"]);
        }
        binary
    })
}

/// A program of this crate, built with the same profile: cargo builds only the one it was asked to run.
pub fn helper_binary(name: &str) -> PathBuf {
    build(&["--package", "fleet-tests", "--bin", name]);
    profile().join(name)
}

/// target/PROFILE
fn profile() -> PathBuf {
    let own = std::env::current_exe().expect("a process knows its own path");
    let folder = own.parent().expect("a program lies in a folder");
    // Tests lie in target/PROFILE/deps, programs in target/PROFILE.
    if folder.ends_with("deps") { folder.join("..").canonicalize().expect("it is there") } else { folder.to_owned() }
}

fn build(what: &[&str]) {
    let profile = profile();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet"]).args(what);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(workspace()).status().expect("cargo runs");
    assert!(status.success(), "cargo build {} failed", what.join(" "));
}

/// The workspace's root.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is a folder of the workspace")
}

fn is_newer_than_sources(binary: &Path) -> bool {
    let Ok(built) = binary.metadata().and_then(|metadata| metadata.modified()) else { return false };
    let crates = ["units", "proto", "certs", "server", "node", "cli", "deploy", "Cargo.lock"];
    crates.iter().all(|name| newest(&workspace().join(name)).is_none_or(|changed| changed < built))
}

fn newest(path: &Path) -> Option<SystemTime> {
    let metadata = path.metadata().ok()?;
    if metadata.is_file() {
        return metadata.modified().ok();
    }
    path.read_dir().ok()?.flatten().filter_map(|entry| newest(&entry.path())).max()
}
