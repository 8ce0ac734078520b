//! Which files make up a unit: its unit file and its drop-ins, in the order they are read (systemd.unit(5)).
//!
//! Layers, later ones win: `units/`, `environments/ENV/units/`, `environments/ENV/`. A unit file of a later layer
//! replaces the whole; of drop-ins with the same file name the one of the later layer counts, and within a layer the
//! more specific one (`web-api.service.d` before `web-.service.d`); `service.d` comes last of all. Drop-ins are read
//! sorted by file name, whatever their folder. An empty one masks.

use crate::bundle::SourceTree;
use crate::ids::{EnvironmentName, UnitName};
use crate::syntax::mangle::SUFFIXES;
use foldhash::HashMap;
use std::collections::BTreeMap;

/// A layer, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    /// `units/`
    Common,
    /// `environments/ENV/units/`
    EnvironmentUnits,
    /// `environments/ENV/`
    Overlay,
}

/// The unit files and drop-ins of a tree that count in one environment.
#[derive(Debug, Default)]
pub(crate) struct Index<'a> {
    /// File name of the unit to the path that counts.
    units: BTreeMap<&'a str, &'a str>,
    /// Folder name without `.d` to its drop-ins, strongest layer first.
    drop_ins: HashMap<&'a str, Vec<DropIn<'a>>>,
    /// Files in places where nothing reads them.
    pub(crate) strays: Vec<&'a str>,
}

#[derive(Clone, Copy, Debug)]
struct DropIn<'a> {
    layer: Layer,
    file_name: &'a str,
    path: &'a str,
}

/// The files of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnitFiles<'a> {
    /// Path of the unit file.
    pub unit: &'a str,
    /// Paths of the drop-ins, in the order they are read.
    pub drop_ins: Vec<&'a str>,
}

impl<'a> UnitFiles<'a> {
    /// The unit file, then the drop-ins.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &'a str> + use<'a, '_> {
        std::iter::once(self.unit).chain(self.drop_ins.iter().copied())
    }
}

impl<'a> Index<'a> {
    /// Sorts the paths of `tree` by what they are for `environment`.
    pub(crate) fn new(environment: &EnvironmentName, tree: &'a SourceTree) -> Self {
        let mut index = Index::default();
        let overlay = format!("environments/{environment}/");
        for (folder, layer) in [("units/", Layer::Common), (overlay.as_str(), Layer::Overlay)] {
            let from = tree.range::<str, _>((std::ops::Bound::Included(folder), std::ops::Bound::Unbounded));
            for (path, _) in from.take_while(|(path, _)| path.starts_with(folder)) {
                index.add(path, &path[folder.len()..], layer);
            }
        }
        for drop_ins in index.drop_ins.values_mut() {
            drop_ins.sort_by_key(|drop_in| std::cmp::Reverse(drop_in.layer));
        }
        index
    }

    fn add(&mut self, path: &'a str, below: &'a str, layer: Layer) {
        if layer == Layer::Overlay {
            if let Some(below) = below.strip_prefix("units/") {
                return self.add(path, below, Layer::EnvironmentUnits);
            }
            if below.starts_with("files/") {
                return;
            }
        }
        let file_name = path.rsplit('/').next().unwrap_or(path);
        match below.split_once('/') {
            // Later layers come later, so they replace.
            None if layer != Layer::Overlay && is_unit_file(file_name) => {
                self.units.insert(file_name, path);
            }
            Some((folder, rest)) if rest == file_name && file_name.ends_with(".conf") && folder.ends_with(".d") => {
                let drop_in = DropIn { layer, file_name, path };
                self.drop_ins.entry(&folder[..folder.len() - 2]).or_default().push(drop_in);
            }
            _ if file_name.starts_with('.') || file_name.ends_with(".md") => {}
            _ => self.strays.push(path),
        }
    }

    /// Unit files by file name, with their paths.
    pub(crate) fn units(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.units.iter().map(|(name, path)| (*name, *path))
    }

    /// Folders with drop-ins, without `.d`, each with the path of one of them; in no order.
    pub(crate) fn drop_in_folders(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.drop_ins.iter().map(|(folder, drop_ins)| (*folder, drop_ins[0].path))
    }

    /// The files of `name`; `None` when there is no unit file, neither its own nor its template's.
    pub(crate) fn files(&self, name: &UnitName, tree: &SourceTree) -> Option<UnitFiles<'a>> {
        let own = self.units.get(name.as_str());
        let unit = own.or_else(|| name.template().and_then(|template| self.units.get(template.as_str())))?;
        Some(UnitFiles { unit, drop_ins: self.drop_ins(name, tree) })
    }

    fn drop_ins(&self, name: &UnitName, tree: &SourceTree) -> Vec<&'a str> {
        if self.drop_ins.is_empty() {
            return Vec::new();
        }
        let folders: Vec<&[DropIn<'a>]> =
            folders(name).iter().filter_map(|folder| self.drop_ins.get(folder.as_str())).map(Vec::as_slice).collect();
        let of_type = self.drop_ins.get(name.kind().as_str()).map(Vec::as_slice);
        let mut found: BTreeMap<&str, &str> = BTreeMap::new();
        let mut take = |drop_ins: &[DropIn<'a>], layer| {
            for drop_in in drop_ins.iter().filter(|drop_in| drop_in.layer == layer) {
                found.entry(drop_in.file_name).or_insert(drop_in.path);
            }
        };
        let layers = [Layer::Overlay, Layer::EnvironmentUnits, Layer::Common];
        layers.iter().for_each(|layer| folders.iter().for_each(|drop_ins| take(drop_ins, *layer)));
        layers.iter().for_each(|layer| of_type.iter().for_each(|drop_ins| take(drop_ins, *layer)));
        found.into_values().filter(|path| tree.get(*path).is_some_and(|file| !file.content.is_empty())).collect()
    }
}

/// The unit that is the only one to have the file `path`, if there is one: see [`is_own`].
pub(crate) fn owner(path: &str) -> Option<UnitName> {
    let name = named_by(path)?.parse().ok()?;
    is_own(&name, path).then_some(name)
}

/// Whether `path` is the unit file of `name`, or a drop-in in its own folder, and no other unit's as well: units whose
/// names begin alike share files, and so do instances.
pub(crate) fn is_own(name: &UnitName, path: &str) -> bool {
    named_by(path) == Some(name.as_str()) && !name.is_template() && !name.prefix().ends_with('-')
}

/// The name of the unit in a unit file's or drop-in's path.
fn named_by(path: &str) -> Option<&str> {
    let mut parts = path.rsplit('/');
    let (file, folder) = (parts.next()?, parts.next()?);
    let is_delivered = path.starts_with("files/") || path.contains("/files/");
    (!is_delivered).then(|| folder.strip_suffix(".d").unwrap_or(file))
}

fn is_unit_file(file_name: &str) -> bool {
    !file_name.starts_with('.') && suffix_of(file_name).is_some()
}

/// The suffix of a unit's name, of whatever kind systemd has: `mount` for `x.mount`. `None` when it is no unit's name
/// at all.
#[must_use]
pub fn suffix_of(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, suffix)| suffix).filter(|suffix| SUFFIXES.contains(suffix))
}

/// The names whose drop-in folders apply to `name`, the most specific first; without `service` itself.
fn folders(name: &UnitName) -> Vec<String> {
    let mut found = Vec::new();
    collect(name.prefix(), name.instance(), name.kind().as_str(), &mut found);
    found
}

/// As systemd's `unit_file_find_dirs`: the name, its template, then the same for the prefix cut after its last dash.
fn collect(prefix: &str, instance: Option<&str>, suffix: &str, found: &mut Vec<String>) {
    let name = match instance {
        Some(instance) => format!("{prefix}@{instance}.{suffix}"),
        None => format!("{prefix}.{suffix}"),
    };
    if found.contains(&name) {
        return;
    }
    found.push(name);
    let instance = instance.filter(|instance| !instance.is_empty());
    if instance.is_some() {
        collect(prefix, Some(""), suffix, found);
    }
    if let Some(dash) = prefix.strip_suffix('-').unwrap_or(prefix).rfind('-').filter(|dash| *dash > 0) {
        collect(&prefix[..=dash], instance, suffix, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::SourceFile;

    fn tree(paths: &[&str]) -> SourceTree {
        let file = |path: &&str| {
            let (path, content) = path.strip_prefix('-').map_or((*path, "x"), |path| (path, ""));
            (path.to_owned(), SourceFile::new(false, content.as_bytes()))
        };
        paths.iter().map(file).collect()
    }

    fn files(name: &str, paths: &[&str]) -> Vec<String> {
        let tree = tree(paths);
        let index = Index::new(&"test".parse().unwrap(), &tree);
        let files = index.files(&name.parse().unwrap(), &tree);
        files.map_or(Vec::new(), |files| std::iter::once(files.unit).chain(files.drop_ins).map(str::to_owned).collect())
    }

    /// Observed with systemd 252 (`systemd-analyze verify`, a file of one name in each folder).
    #[test]
    fn folders_go_from_specific_to_general_as_in_systemd() {
        assert_eq!(
            folders(&"foo-bar-baz@1-2.service".parse().unwrap()),
            [
                "foo-bar-baz@1-2.service",
                "foo-bar-baz@.service",
                "foo-bar-.service",
                "foo-.service",
                "foo-bar-@1-2.service",
                "foo-bar-@.service",
                "foo-@1-2.service",
                "foo-@.service"
            ]
        );
        assert_eq!(folders(&"web.service".parse().unwrap()), ["web.service"]);
        assert_eq!(folders(&"a-b-.service".parse().unwrap()), ["a-b-.service", "a-.service"]);
    }

    #[test]
    fn drop_ins_sort_by_file_name_whatever_their_folder() {
        let found = files(
            "web-api.service",
            &[
                "units/web-api.service",
                "units/service.d/50-b.conf",
                "units/web-.service.d/20-x.conf",
                "units/web-api.service.d/30-y.conf",
                "environments/test/web-api.service.d/10-a.conf",
                "environments/production/web-api.service.d/00-other.conf",
            ],
        );
        assert_eq!(
            found[1..],
            [
                "environments/test/web-api.service.d/10-a.conf",
                "units/web-.service.d/20-x.conf",
                "units/web-api.service.d/30-y.conf",
                "units/service.d/50-b.conf"
            ]
        );
    }

    #[test]
    fn of_one_file_name_the_later_layer_and_then_the_more_specific_folder_counts() {
        let all = [
            "units/a-b.service",
            "units/service.d/z.conf",
            "environments/test/service.d/z.conf",
            "units/a-.service.d/z.conf",
            "units/a-b.service.d/z.conf",
            "environments/test/units/a-b.service.d/z.conf",
            "environments/test/a-.service.d/z.conf",
            "environments/test/a-b.service.d/z.conf",
        ];
        for count in 2..=all.len() {
            let strongest = if count == 2 { all[1] } else { all[count - 1] };
            assert_eq!(files("a-b.service", &all[..count])[1..], [strongest]);
        }
    }

    #[test]
    fn an_empty_drop_in_masks_and_an_environment_replaces_a_unit_file_whole() {
        let found = files(
            "web.service",
            &[
                "units/web.service",
                "environments/test/units/web.service",
                "units/web.service.d/10.conf",
                "-environments/test/web.service.d/10.conf",
                "-units/web.service.d/20.conf",
                "units/service.d/20.conf",
            ],
        );
        assert_eq!(found, ["environments/test/units/web.service"]);
    }

    #[test]
    fn an_instance_has_its_own_file_or_that_of_its_template() {
        let paths =
            ["units/w@.service", "units/w@1.service", "units/w@.service.d/1.conf", "units/w@2.service.d/2.conf"];
        assert_eq!(files("w@1.service", &paths), ["units/w@1.service", "units/w@.service.d/1.conf"]);
        assert_eq!(
            files("w@2.service", &paths),
            ["units/w@.service", "units/w@.service.d/1.conf", "units/w@2.service.d/2.conf"]
        );
        assert_eq!(files("v@2.service", &paths), Vec::<String>::new());
    }

    #[test]
    fn files_nothing_reads_are_strays() {
        let tree = tree(&[
            "units/README.md",
            "units/.gitkeep",
            "units/web.serivce",
            "units/web.service.d/10-x.cnf",
            "units/web.service.d/sub/10.conf",
            "units/sub/web.service",
            "environments/test/web.service",
            "environments/test/files/a/b",
            "environments/other/x",
            "files/a/b",
        ]);
        let index = Index::new(&"test".parse().unwrap(), &tree);
        assert_eq!(
            index.strays,
            [
                "units/sub/web.service",
                "units/web.serivce",
                "units/web.service.d/10-x.cnf",
                "units/web.service.d/sub/10.conf",
                "environments/test/web.service"
            ]
        );
    }
}
