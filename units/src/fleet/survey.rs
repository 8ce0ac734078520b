//! What the names of files alone say: which units there are, and which files nothing reads.

use super::whole;
use crate::diagnostic::{Diagnostic, codes, did_you_mean};
use crate::ids::UnitName;
use crate::spec::layers::{Index, suffix_of};
use std::collections::BTreeSet;

/// The names of the unit files of `index`, whatever their kind, and what is wrong with names.
pub(super) fn survey(index: &Index<'_>, found: &mut Vec<Diagnostic>) -> BTreeSet<UnitName> {
    found.extend(index.strays.iter().map(|path| stray(path)));
    let mut present = BTreeSet::new();
    for (file_name, path) in index.units() {
        match unit_name(file_name, path) {
            Ok(name) => {
                present.insert(name);
            }
            Err(diagnostic) => found.push(diagnostic),
        }
    }
    found.extend(index.drop_in_folders().filter_map(|(folder, path)| orphan(&present, folder, path)));
    present
}

/// A warning when no unit has drop-ins in `folder` (without `.d`).
fn orphan(present: &BTreeSet<UnitName>, folder: &str, path: &str) -> Option<Diagnostic> {
    let applies = match folder.parse::<UnitName>() {
        _ if ["service", "target", "timer", "socket"].contains(&folder) => true,
        Ok(name) if name.prefix().ends_with('-') => true,
        Ok(name) => present.contains(&name) || name.template().is_some_and(|template| present.contains(&template)),
        Err(_) => false,
    };
    let near = || did_you_mean(folder, present.iter().map(UnitName::as_str));
    (!applies).then(|| {
        let hint = near().map_or(String::new(), |near| format!("did you mean {near}.d?"));
        let message = format!("the drop-ins of {folder}.d apply to no unit of this environment");
        Diagnostic::warning(codes::ORPHAN_DROP_IN, whole(path), message).with_hint(hint)
    })
}

fn stray(path: &str) -> Diagnostic {
    let file_name = path.rsplit('/').next().unwrap_or(path);
    let hint = match (path.split('/').collect::<Vec<_>>().as_slice(), suffix_of(file_name)) {
        (["environments", environment, name], Some(_)) => {
            format!("a unit of this environment alone is environments/{environment}/units/{name}")
        }
        ([.., folder, _], None) if folder.ends_with(".d") => "drop-ins end in .conf".to_owned(),
        _ => "units are units/NAME.service, drop-ins units/NAME.service.d/NAME.conf, delivered files are below files/"
            .to_owned(),
    };
    Diagnostic::warning(codes::STRAY_FILE, whole(path), format!("nothing reads {path}")).with_hint(hint)
}

/// The unit a file is named for; an error for kinds that Fleet does not have.
fn unit_name(file_name: &str, path: &str) -> Result<UnitName, Diagnostic> {
    let suffix = suffix_of(file_name).unwrap_or_default();
    if !["service", "target", "timer", "socket"].contains(&suffix) {
        let message = format!("Fleet has no .{suffix} units");
        let hint = "the kinds are .service, .target, .timer and .socket";
        return Err(Diagnostic::error(codes::UNIT_KIND, whole(path), message).with_hint(hint));
    }
    file_name
        .parse()
        .map_err(|error: crate::ids::IdError| Diagnostic::error(codes::BAD_UNIT_NAME, whole(path), error.to_string()))
}
