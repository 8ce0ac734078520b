//! How results reach people and programs. Results go to stdout, talk to stderr; foreign text passes `escape`.

pub(crate) mod diagnostic;
pub(crate) mod escape;
pub(crate) mod excerpt;
pub(crate) mod json;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod view;

pub(crate) use style::{Paint, Stream};

use crate::error::{CommandError, CommandResult, ErrorKind};
use std::io::{self, Write as _};

/// `-o, --output`
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs: one object with `schema: 1`; logs and events one object a line
    Json,
}

/// Where and how results are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// What `-o` says.
    pub(crate) format: Format,
    /// Results.
    pub(crate) stdout: Stream,
    /// Talk.
    pub(crate) stderr: Stream,
}

impl Output {
    /// Looks at what stdout and stderr are, and at NO_COLOR and TERM.
    pub(crate) fn detect(format: Format) -> Self {
        Output { format, stdout: Stream::detect(&io::stdout()), stderr: Stream::detect(&io::stderr()) }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes `text` to stdout as it is, and sees that it is out.
    pub(crate) fn write(&self, text: &str) -> CommandResult<()> {
        self.write_bytes(text.as_bytes())
    }

    /// Writes `bytes` to stdout as they are, and sees that they are out.
    pub(crate) fn write_bytes(&self, bytes: &[u8]) -> CommandResult<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => CommandError::new(ErrorKind::BrokenPipe, error),
            _ => CommandError::because("cannot write to stdout", error),
        })
    }

    /// Tells the person something, a line on stderr; our own words around foreign ones, escaped on a terminal.
    pub(crate) fn say(&self, text: &str) {
        // Nobody is left to be told when stderr is closed.
        let _ = writeln!(io::stderr(), "{}", self.stderr.text(text));
    }
}
