//! The units of files and folders of systemd: what is a unit, what only names one, what enables an instance.

use crate::error::{CommandError, CommandResult};
use crate::source_files::loose::{self, Loose};
use fleet_units::ids::UnitName;
use fleet_units::spec::suffix_of;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What the paths of the command line hold.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// By file name.
    pub(super) units: BTreeMap<String, Unit>,
    /// Further name to the unit it means: links to another name.
    pub(super) aliases: BTreeMap<String, String>,
    /// Names in `*.wants` and `*.requires`: enabled units, instances among them.
    pub(super) enabled: BTreeSet<String>,
    /// Whether a folder with such folders was read: only then a unit that is not in them is not enabled.
    pub(super) knows_enabled: bool,
    /// Units that are links to /dev/null.
    pub(super) masked: BTreeSet<String>,
}

/// One unit with its drop-ins.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) loose: Loose,
    /// It was named on the command line, and not just lies in a folder.
    pub(super) named: bool,
}

/// Reads `paths`; of several units of one name the first counts, as in systemd's search path.
pub(super) fn gather(paths: &[PathBuf]) -> CommandResult<Gathered> {
    let mut gathered = Gathered::default();
    for path in paths {
        match path.is_dir() {
            true => gathered.folder(path)?,
            false => gathered.unit(path, true)?,
        }
    }
    if gathered.units.is_empty() && gathered.masked.is_empty() {
        return Err(CommandError::failed("there are no unit files").hint("name unit files, or a folder with some"));
    }
    Ok(gathered)
}

impl Gathered {
    fn folder(&mut self, folder: &Path) -> CommandResult<()> {
        for name in entries(folder)? {
            let path = folder.join(&name);
            if name.ends_with(".wants") || name.ends_with(".requires") {
                self.knows_enabled = true;
                self.enabled.extend(entries(&path)?.into_iter().filter(|name| suffix_of(name).is_some()));
            } else if suffix_of(&name).is_some() && !name.starts_with('.') && !path.is_dir() {
                self.unit(&path, false)?;
            }
        }
        Ok(())
    }

    fn unit(&mut self, path: &Path, named: bool) -> CommandResult<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Ok(target) = fs::read_link(path) {
            if fs::canonicalize(path).is_ok_and(|target| target == Path::new("/dev/null")) {
                self.masked.insert(name);
                return Ok(());
            }
            let target = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if target != name && suffix_of(&target).is_some() && !named {
                self.aliases.entry(name).or_insert(target);
                return Ok(());
            }
            if !path.exists() {
                return Ok(()); // Of a package that is gone.
            }
        }
        let loose = loose::file(path)?;
        self.units.entry(loose.name.clone()).or_insert(Unit { loose, named });
        Ok(())
    }

    /// The files the units become, by their path in the repository: the files as they are, and a drop-in for what
    /// links said.
    pub(super) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let of_units = self.units.values().flat_map(|unit| unit.loose.tree.iter());
        let mut files: BTreeMap<String, Vec<u8>> =
            of_units.map(|(path, file)| (path.clone(), file.content.to_vec())).collect();
        for name in self.units.keys() {
            let text = self.said_by_links(name);
            if !text.is_empty() {
                let head = "# From the links of systemd that enabled this unit or gave it further names.\n";
                files.insert(format!("units/{name}.d/50-import.conf"), format!("{head}{text}").into_bytes());
            }
        }
        files
    }

    /// `Alias=` and `Instances=` of links.
    fn said_by_links(&self, name: &str) -> String {
        let written = self.units.get(name).map_or("".into(), |unit| {
            let file = &unit.loose.tree[&format!("units/{name}")];
            String::from_utf8_lossy(&file.content).into_owned()
        });
        let says_already = |alias: &str| {
            written.lines().any(|line| line.starts_with("Alias=") && line[6..].split_whitespace().any(|at| at == alias))
        };
        let aliases = self.aliases.iter().filter(|(alias, target)| *target == name && !says_already(alias));
        let aliases: Vec<&str> = aliases.map(|(alias, _)| alias.as_str()).collect();
        let mut text = String::new();
        if !aliases.is_empty() {
            text += &format!("[Install]\nAlias={}\n", aliases.join(" "));
        }
        let template = |unit: &UnitName| unit.template().is_some_and(|template| template.as_str() == name);
        let units = self.enabled.iter().filter_map(|unit| unit.parse::<UnitName>().ok()).filter(template);
        let instances: Vec<String> = units.filter_map(|unit| unit.instance().map(str::to_owned)).collect();
        if !instances.is_empty() {
            text += &format!("[X-Fleet]\nInstances={}\n", instances_value(&instances));
        }
        text
    }
}

/// As `Instances=` writes them: a lone number would be a count, so the name of one that is a number stands twice.
fn instances_value(names: &[String]) -> String {
    let counted = (1..=names.len()).all(|number| names.contains(&number.to_string()));
    match names {
        _ if counted => names.len().to_string(),
        [one] if one.bytes().all(|byte| byte.is_ascii_digit()) || one == "all" => format!("{one} {one}"),
        names => names.join(" "),
    }
}

fn entries(folder: &Path) -> CommandResult<Vec<String>> {
    let cannot = |error| CommandError::because(format!("cannot read {}", folder.display()), error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        names.extend(entry.map_err(cannot)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_a_count_only_when_they_are_numbered_from_one() {
        let value = |names: &[&str]| instances_value(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(value(&["1"]), "1");
        assert_eq!(value(&["1", "2", "3"]), "3");
        assert_eq!(value(&["3"]), "3 3");
        assert_eq!(value(&["15-main"]), "15-main");
        assert_eq!(value(&["2", "a"]), "2 a");
    }
}
