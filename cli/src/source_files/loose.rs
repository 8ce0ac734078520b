//! Unit files on their own: given by path, on stdin, or all that lie in a folder that is no configuration repository.
//!
//! Each is a small tree of its own, `units/NAME` with the drop-ins that lie beside it, as `systemd-analyze verify FILE`
//! would read it. Links are followed: distributions give units further names that way.

use crate::error::{CommandError, CommandResult};
use fleet_units::bundle::{MAX_FILE, SourceFile, SourceTree};
use fleet_units::ids::UnitName;
use fleet_units::spec::suffix_of;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// One unit by itself.
#[derive(Debug)]
pub(crate) struct Loose {
    /// Its file name: `web.service`, also of kinds Fleet does not have.
    pub(crate) name: String,
    /// `units/NAME` and `units/FOLDER.d/*.conf`.
    pub(crate) tree: SourceTree,
    /// Path in the tree to the path as the person knows it.
    pub(crate) shown: BTreeMap<String, String>,
}

impl Loose {
    fn new(name: &str, shown: String, content: Vec<u8>) -> Self {
        let path = format!("units/{name}");
        Loose {
            name: name.to_owned(),
            tree: SourceTree::from([(path.clone(), SourceFile::new(false, content))]),
            shown: BTreeMap::from([(path, shown)]),
        }
    }

    /// Adds the drop-ins of `folder` (`…/web.service.d`), if there is such a folder.
    fn drop_ins(&mut self, folder: &Path) -> CommandResult<()> {
        let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
        for path in names(folder)?.iter().filter(|name| name.ends_with(".conf")).map(|name| folder.join(name)) {
            let file_name = path.file_name().unwrap_or_default().to_string_lossy();
            let in_tree = format!("units/{name}/{file_name}");
            self.tree.insert(in_tree.clone(), SourceFile::new(false, read(&path)?));
            self.shown.insert(in_tree, path.display().to_string());
        }
        Ok(())
    }

    /// Whether drop-ins in `folder` (a file name) may apply to the unit. Which do, the merge knows.
    fn may_have(&self, folder: &str) -> bool {
        let Some(stem) = folder.strip_suffix(".d") else { return false };
        let Some((own, kind)) = self.name.rsplit_once('.') else { return false };
        match stem.strip_suffix(kind).map(|rest| rest.strip_suffix('.')) {
            Some(None) => stem == kind,
            Some(Some(rest)) => own.starts_with(rest.split('@').next().unwrap_or_default()),
            None => false,
        }
    }
}

/// The unit of a file. Of a drop-in it is the unit that the drop-in lies beside.
pub(crate) fn file(path: &Path) -> CommandResult<Loose> {
    fs::metadata(path).map_err(|error| CommandError::because(format!("cannot read {}", path.display()), error))?;
    let path = unit_of_drop_in(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !is_unit_file_name(&name) {
        let why = name.parse::<UnitName>().err().map_or_else(|| name.clone(), |error| error.to_string());
        return Err(CommandError::usage(why).hint("name a unit file such as web.service, or a folder"));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folders = names(parent)?;
    one(&path, &name, parent, &folders)
}

/// The unit files of a folder, each on its own; names that are no unit's are passed over.
pub(crate) fn folder(folder: &Path) -> CommandResult<Vec<Loose>> {
    let names = names(folder)?;
    let files = names.iter().filter(|name| is_unit_file_name(name));
    // A link that leads nowhere is a unit of a package that is gone.
    let files = files.map(|name| (name, folder.join(name))).filter(|(_, path)| path.exists() && !path.is_dir());
    files.map(|(name, path)| one(&path, name, folder, &names)).collect()
}

/// What is on stdin, as the unit `name`.
pub(crate) fn stdin(name: &UnitName) -> CommandResult<Loose> {
    let mut content = Vec::new();
    let read = io::stdin().lock().take(MAX_FILE as u64 + 1).read_to_end(&mut content);
    read.map_err(|error| CommandError::because("cannot read stdin", error))?;
    Ok(Loose::new(name.as_str(), format!("<stdin:{name}>"), content))
}

fn one(path: &Path, name: &str, parent: &Path, beside: &[String]) -> CommandResult<Loose> {
    let mut loose = Loose::new(name, path.display().to_string(), read(path)?);
    for folder in beside.iter().filter(|folder| loose.may_have(folder)).collect::<Vec<_>>() {
        loose.drop_ins(&parent.join(folder))?;
    }
    Ok(loose)
}

/// `X/web.service` for `X/web.service.d/10.conf`; other paths as they are.
fn unit_of_drop_in(path: &Path) -> CommandResult<PathBuf> {
    let folder = path.parent().filter(|_| path.extension().is_some_and(|extension| extension == "conf"));
    let Some(unit) = folder.and_then(|folder| folder.to_str()).and_then(|folder| folder.strip_suffix(".d")) else {
        return Ok(path.to_owned());
    };
    match Path::new(unit).is_file() {
        true => Ok(unit.into()),
        false => Err(CommandError::usage(format!("{} is a drop-in, and {unit} is not there", path.display()))
            .hint("a drop-in is read with its unit: name the unit's file, or the folder of the repository")),
    }
}

/// The names in a folder, sorted; those that are no UTF-8 name nothing of ours. None when it is no folder.
fn names(folder: &Path) -> CommandResult<Vec<String>> {
    let cannot = |error| CommandError::because(format!("cannot read {}", folder.display()), error);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        names.extend(entry.map_err(cannot)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

fn is_unit_file_name(name: &str) -> bool {
    !name.starts_with('.') && suffix_of(name).is_some()
}

/// The content of a regular file, or nothing for /dev/null, by which systemd masks.
fn read(path: &Path) -> CommandResult<Vec<u8>> {
    let cannot = |error: io::Error| CommandError::because(format!("cannot read {}", path.display()), error);
    let metadata = fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() && fs::canonicalize(path).map_err(cannot)? != Path::new("/dev/null") {
        return Err(CommandError::failed(format!("{} is no regular file", path.display())));
    }
    let mut content = Vec::new();
    let file = fs::File::open(path).map_err(cannot)?;
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut content).map_err(cannot)?;
    Ok(content)
}
