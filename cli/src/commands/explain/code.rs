//! A diagnostic code: its section of docs/errors.md.

use crate::output::{Paint, Stream};
use fleet_units::diagnostic::{Severity, codes};
use serde::Serialize;

/// One code, from the table of codes.
#[derive(Debug, Serialize)]
pub(super) struct View {
    code: &'static str,
    severity: Severity,
    group: &'static str,
    meaning: &'static str,
    way_out: &'static str,
    allow: Option<String>,
}

/// The code `name`; `None` when there is none.
pub(super) fn view(name: &str) -> Option<View> {
    let code = codes::find(name)?;
    let group = codes::GROUPS.iter().find(|group| group.codes.contains(code)).map_or("", |group| group.title);
    let allow = (code.severity != Severity::Error).then(|| format!("# fleet-allow: {name}: reason"));
    Some(View { code: code.name, severity: code.severity, group, meaning: code.meaning, way_out: code.way_out, allow })
}

impl View {
    pub(super) fn render(&self, stream: &Stream) -> String {
        let name = stream.paint(Paint::Strong, self.code);
        let mut text = format!("{name}  ({}; {})\n  {}\n", self.severity, self.group, self.meaning);
        text += &format!("  {} {}\n", stream.paint(Paint::Key, "way out:"), self.way_out);
        if let Some(allow) = &self.allow {
            text += &format!("  {} {allow}\n", stream.paint(Paint::Key, "allow it by a comment in its file:"));
        }
        text
    }
}
