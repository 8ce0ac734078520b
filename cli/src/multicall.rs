//! The processes of a node are this binary under another argv[0]: `fleet: agent NAME`, then `--state DIR`.
//! They are no verbs: nobody types them, and they must not pay for parsing a command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;

/// What argv[0] of every such process begins with.
const PREFIX: &[u8] = b"fleet: ";

/// Runs the process argv[0] names, if it names one; `None`: this is the command line.
pub(crate) fn dispatch(argv: &[OsString]) -> Option<ExitCode> {
    let title = argv.first()?.as_bytes().strip_prefix(PREFIX)?;
    let role = title.split(|byte| *byte == b' ').next().unwrap_or_default();
    // One arm for each process a node has.
    #[expect(clippy::match_single_binding, reason = "the first process adds its arm")]
    Some(match role {
        _ => unknown(OsStr::from_bytes(role)),
    })
}

fn unknown(role: &OsStr) -> ExitCode {
    eprintln!("error: this fleet has no node process called {role:?}");
    ExitCode::from(2)
}
