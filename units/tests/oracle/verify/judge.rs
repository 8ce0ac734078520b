//! Two judges of unit files: `systemd-analyze verify`, and this crate.

use crate::oracle;
use fleet_units::bundle::{SourceFile, SourceTree};
use fleet_units::diagnostic::Diagnostic;
use fleet_units::diagnostic::codes::GROUPS;
use fleet_units::fleet::compile;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is refused of one file, by line.
pub(super) type Refused = BTreeMap<u32, Refusal>;

/// What is said of a line.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub message: String,
    /// Whether it is a warning, such as of a word of a list that is ignored: of some lists systemd does that silently.
    pub warning: bool,
}

/// A unit file of the test.
pub(super) struct UnitFile {
    pub name: String,
    pub text: String,
}

/// Files of one call.
const CHUNK: usize = 1000;

/// What it says of lines that it takes.
const NOTES: [&str; 7] = [
    "Unit uses ",
    "Unit dependency type ",
    "Ignoring unknown escape sequences",
    "Standard output type ",
    "Support for option ",
    "PIDFile= references a path below legacy directory",
    "PermissionsStartOnly= is deprecated",
];

/// A folder that goes with its value.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fleet-oracle-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the folder of temporary files is writable");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What systemd and what this crate says of each file, at the same time; `None` where the host has no systemd.
pub(super) fn both(test: &str, files: &[UnitFile]) -> Option<(Vec<Refused>, Vec<Refused>)> {
    std::thread::scope(|scope| {
        let theirs = scope.spawn(|| systemd(test, files));
        let ours = fleet(files);
        Some((theirs.join().expect("its own panic was shown"), ours)).and_then(|(theirs, ours)| Some((theirs?, ours)))
    })
}

/// Why systemd and why this crate refuses a whole unit, of each file: for what its settings say together.
pub(super) fn both_of_units(test: &str, files: &[UnitFile]) -> Option<Vec<[Option<String>; 2]>> {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    verify(test, files, |_, line| {
        if let Some((name, message)) = line.split_once(": ").filter(|(_, message)| message.ends_with("Refusing.")) {
            said.entry(name.to_owned()).or_insert_with(|| message.to_owned());
        }
    })?;
    let refuses = |found: &Diagnostic| found.is_error() || found.message.ends_with("systemd refuses the unit");
    let ours = |file: &UnitFile| diagnostics(file).into_iter().find(refuses).map(|found| found.message);
    Some(files.iter().map(|file| [said.remove(&file.name), ours(file)]).collect())
}

/// What `systemd-analyze verify` says of the lines of each file; `None` where the host does not have it.
fn systemd(test: &str, files: &[UnitFile]) -> Option<Vec<Refused>> {
    let mut said: BTreeMap<String, Refused> = BTreeMap::new();
    verify(test, files, |folder, line| match place(folder, line) {
        Some((file, number, message)) if !NOTES.iter().any(|note| message.starts_with(note)) => {
            said.entry(file.to_owned())
                .or_default()
                .entry(number)
                .or_insert_with(|| Refusal { message: message.to_owned(), warning: false });
        }
        _ => {}
    })?;
    Some(files.iter().map(|file| said.remove(&file.name).unwrap_or_default()).collect())
}

/// Hands every line that `systemd-analyze verify` prints to `line`, with the folder the files are in. It looks for no
/// other unit than those of one call.
fn verify(test: &str, files: &[UnitFile], mut line: impl FnMut(&Path, &str)) -> Option<()> {
    let folder = Folder::new(test);
    for chunk in files.chunks(CHUNK) {
        let paths: Vec<PathBuf> = chunk.iter().map(|file| folder.0.join(&file.name)).collect();
        for (file, path) in chunk.iter().zip(&paths) {
            std::fs::write(path, &file.text).expect("the folder is ours");
        }
        let mut command = oracle(test, "systemd-analyze")?;
        command.env("SYSTEMD_LOG_LEVEL", "warning").env("SYSTEMD_LOG_TARGET", "console");
        command.env("SYSTEMD_UNIT_PATH", &folder.0).args(["verify", "--man=no", "--"]).args(&paths);
        let output = command.output().expect("it ran before");
        String::from_utf8_lossy(&output.stderr).lines().for_each(|text| line(&folder.0, text));
        paths.iter().for_each(|path| std::fs::remove_file(path).expect("it was written above"));
    }
    Some(())
}

/// `FOLDER/FILE:LINE: MESSAGE`
fn place<'a>(folder: &Path, line: &'a str) -> Option<(&'a str, u32, &'a str)> {
    let rest = line.strip_prefix(folder.to_str()?)?.strip_prefix('/')?;
    let (file, rest) = rest.split_once(':')?;
    let (number, message) = rest.split_once(": ")?;
    Some((file, number.parse().ok()?, message))
}

/// What this crate says of the lines of each file.
fn fleet(files: &[UnitFile]) -> Vec<Refused> {
    let refusal = |found: Diagnostic| {
        let message = format!("[{}] {}", found.code, found.message);
        (found.place.line, Refusal { message, warning: !found.is_error() })
    };
    files.iter().map(|file| diagnostics(file).into_iter().filter(refuses).map(refusal).collect()).collect()
}

/// All that this crate says of a file when it is all there is.
fn diagnostics(file: &UnitFile) -> Vec<Diagnostic> {
    let environment = "test".parse().expect("it is a label");
    let path = format!("units/{}", file.name);
    let tree: SourceTree = [(path, SourceFile::new(false, file.text.as_bytes()))].into();
    compile(&environment, &tree).diagnostics
}

/// Errors of one line, and what is ignored: systemd says of both that it ignores them. What settings or units say
/// together it says without a line, or only when it starts the unit.
fn refuses(found: &Diagnostic) -> bool {
    let groups = GROUPS.iter().filter(|group| ["Text", "Keys and values"].contains(&group.title));
    let of_a_line = groups.flat_map(|group| group.codes).any(|code| code.name == found.code);
    of_a_line && (found.is_error() || ["ignored-word", "unknown-section"].contains(&&*found.code))
}
