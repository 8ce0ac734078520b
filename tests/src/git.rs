//! A working clone, driven by plain git as a user would.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A working clone.
#[derive(Clone, Debug)]
pub struct Clone {
    path: PathBuf,
}

impl Clone {
    /// The clone at `path`.
    #[must_use]
    pub fn at(path: &Path) -> Clone {
        Clone { path: path.to_owned() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs git here; gives what it printed, or panics with what it said.
    pub fn git(&self, arguments: &[&str]) -> String {
        match self.try_git(arguments) {
            Ok(stdout) => stdout,
            Err(stderr) => panic!("git {}: {stderr}", arguments.join(" ")),
        }
    }

    /// Runs git here; `Err` holds what it said.
    pub fn try_git(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("git")
            .arg("-C")
            .arg(&self.path)
            .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .output()
            .expect("git runs");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Writes a file, making its folders.
    pub fn write(&self, path: &str, content: &str) {
        let path = self.path.join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder is made");
        std::fs::write(path, content).expect("the file is written");
    }

    /// Commits everything and pushes the checked-out branch; gives the commit.
    pub fn commit_and_push(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        let branch = self.git(&["branch", "--show-current"]);
        self.git(&["push", "--quiet", "origin", &branch]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Checks out a branch as it is at the coordinator.
    pub fn checkout(&self, branch: &str) {
        self.git(&["fetch", "--quiet", "origin"]);
        self.git(&["checkout", "--quiet", "-B", branch, &format!("origin/{branch}")]);
    }
}
