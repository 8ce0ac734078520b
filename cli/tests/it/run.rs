//! One command: a folder for its configuration, and what it printed.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A person with folders of their own.
pub(crate) struct Person {
    pub(crate) home: TempDir,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Person {
    pub(crate) fn new() -> Self {
        Person { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, relative: &str) -> std::path::PathBuf {
        self.home.path().join(relative)
    }

    /// `fleet` with these arguments, as this person.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command.args(arguments).env_clear().current_dir(self.home.path()).stdin(Stdio::null());
        command.env("HOME", self.home.path()).env("XDG_RUNTIME_DIR", self.path("runtime")).env("TZ", "UTC");
        command
    }

    pub(crate) fn fleet(&self, line: &str) -> Ran {
        Ran::of(self.command(&line.split_whitespace().collect::<Vec<_>>()).output().unwrap())
    }

    pub(crate) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Ran {
        Ran {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// The one JSON object on stdout.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks the exit code, and shows everything when it is another.
    pub(crate) fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}
