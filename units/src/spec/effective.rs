//! One unit as it counts in an environment: what is left of its files after drop-ins, overlay and resets, each line
//! with the place it comes from. Printed, it is a valid unit file that means the same.
//!
//! ```text
//! UnitName + SourceTree + Context --effective--> Effective --Display--> a unit file with comments that name places
//! ```

mod fill;

use super::directives;
use super::layers::Index;
use super::load::{Cache, Context};
use super::merge::Merged;
use crate::bundle::SourceTree;
use crate::diagnostic::{Diagnostic, Place, did_you_mean};
use crate::ids::{UnitKind, UnitName};
use crate::syntax::Specifiers;
use fill::Filled;
use std::fmt;

/// The lines of a unit that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The unit.
    pub name: UnitName,
    /// Its files that count, in the order they are read: the unit file, then drop-ins.
    pub files: Vec<String>,
    /// Section by section, and within a section in the order of files and lines.
    pub lines: Vec<EffectiveLine>,
    /// What is wrong with these files by themselves: grammar, unknown sections and keys.
    pub diagnostics: Vec<Diagnostic>,
}

/// One `Key=value` that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveLine {
    /// The section it is read as.
    pub section: &'static str,
    /// The key it is read as.
    pub key: &'static str,
    /// On one line; specifiers filled in where their values are known.
    pub value: String,
    /// Specifiers that stayed although their values are known, because there the value would read as something else.
    pub kept: Vec<String>,
    /// As written, when it is another spelling of `key`.
    pub written: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// Why there is nothing to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEffective {
    /// No file for it, nor for its template.
    #[error("{environment} has no unit file for {name}")]
    Missing {
        /// The unit.
        name: UnitName,
        /// Where it was looked for.
        environment: String,
        /// The unit that was probably meant.
        near: Option<String>,
    },
    /// Its unit file is empty.
    #[error("{name} is masked in {environment}: {path} is empty")]
    Masked {
        /// The unit.
        name: UnitName,
        /// Where.
        environment: String,
        /// The empty file.
        path: String,
    },
}

/// The unit `name` of `tree`, for `context.environment`. Of a template the lines are shown as written.
///
/// # Errors
/// When there is no file for it, and when it is masked.
pub fn effective(name: &UnitName, tree: &SourceTree, context: &Context) -> Result<Effective, NotEffective> {
    let index = Index::new(&context.environment, tree);
    let environment = context.environment.to_string();
    let Some(files) = index.files(name, tree) else {
        let near = did_you_mean(name.as_str(), index.units().map(|(name, _)| name)).map(str::to_owned);
        return Err(NotEffective::Missing { name: name.clone(), environment, near });
    };
    if tree[files.unit].content.is_empty() {
        return Err(NotEffective::Masked { name: name.clone(), environment, path: files.unit.to_owned() });
    }
    let paths: Vec<&str> = files.paths().collect();
    let mut cache = Cache::default();
    let read: Vec<_> = paths.iter().map(|path| cache.read(name, path, tree)).collect();
    let documents: Vec<_> = read.iter().filter_map(|read| read.document.as_ref()).collect();
    let mut diagnostics: Vec<Diagnostic> = cache.found().flat_map(|(_, found)| found.diagnostics).collect();
    let merged = Merged::new(name.kind(), &documents, &mut diagnostics);
    let specifiers = Specifiers { name, host: context.host.as_ref() };
    let mut lines = Vec::new();
    for row in merged.rows() {
        for at in row.values {
            let filled = match name.is_template() {
                true => Filled::as_written(at.value()),
                false => fill::fill(row.directive, at.value(), &specifiers),
            };
            let directives::Directive { section, key, .. } = *row.directive;
            // A socket's processes are set up by rows it shares with services.
            let section = if (name.kind(), section) == (UnitKind::Socket, "Service") { "Socket" } else { section };
            let written = (*at.assignment.key != *key).then(|| at.assignment.key.to_string());
            let Filled { text: value, kept } = filled;
            lines.push(EffectiveLine { section, key, value, kept, written, place: at.key_place() });
        }
    }
    sort(&mut lines, &paths);
    diagnostics.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(Effective { name: name.clone(), files: paths.into_iter().map(str::to_owned).collect(), lines, diagnostics })
}

/// Sections stay in the order of the table; within one, lines come in the order they are read.
fn sort(lines: &mut [EffectiveLine], paths: &[&str]) {
    let mut sections: Vec<&str> = Vec::new();
    for line in lines.iter() {
        if !sections.contains(&line.section) {
            sections.push(line.section);
        }
    }
    let section = |line: &EffectiveLine| sections.iter().position(|section| *section == line.section);
    let file = |line: &EffectiveLine| paths.iter().position(|path| *path == line.place.file);
    // Stable: of a key that stands for two the table decides.
    lines.sort_by_key(|line| (section(line), file(line), line.place.line, line.place.column));
}

impl fmt::Display for Effective {
    /// A comment names the place of the line below it; lines without a comment follow the one above them in its file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.is_empty() {
            // An empty file would mask the unit.
            return writeln!(f, "# {} sets nothing", self.name);
        }
        let mut above: Option<&EffectiveLine> = None;
        for line in &self.lines {
            let new_section = above.is_none_or(|above| above.section != line.section);
            if new_section {
                let gap = if above.is_some() { "\n" } else { "" };
                writeln!(f, "{gap}[{}]", line.section)?;
            }
            if new_section || above.is_none_or(|above| !line.follows(above)) {
                writeln!(f, "# {}", line.origin())?;
            }
            for kept in &line.kept {
                writeln!(f, "# {kept}")?;
            }
            writeln!(f, "{}={}", line.key, line.value)?;
            above = Some(line);
        }
        Ok(())
    }
}

impl EffectiveLine {
    /// `units/web.service:7`, and how the key is written there when that is another spelling.
    #[must_use]
    pub fn origin(&self) -> String {
        let Place { file, line, .. } = &self.place;
        let written = self.written.as_ref().map_or(String::new(), |written| format!(", written {written}="));
        format!("{file}:{line}{written}")
    }

    fn follows(&self, above: &EffectiveLine) -> bool {
        self.written.is_none() && self.place.file == above.place.file && self.place.line == above.place.line + 1
    }
}

#[cfg(test)]
mod tests;
