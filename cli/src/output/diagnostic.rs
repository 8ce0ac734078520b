//! Findings about the configuration repository: one line with its place, the line it stands on, a hint.

use super::{Paint, Stream};
use fleet_units::diagnostic::{Diagnostic, Place, Severity};
use std::fmt::Write as _;

/// `diagnostic` for people: `units/web.service:7:1: error[unknown-directive]: …`, then the source line when
/// `source` (the file's text) is at hand, then the hint. Each line begins with `indent` and ends with a newline.
pub(crate) fn render(diagnostic: &Diagnostic, source: Option<&str>, indent: &str, stream: &Stream) -> String {
    let label = format!("{}[{}]", diagnostic.severity, diagnostic.code);
    let mut text = String::new();
    let place = stream.show(Paint::Strong, &place(&diagnostic.place));
    let label = stream.show(paint(diagnostic.severity), &label);
    writeln!(text, "{indent}{place}: {label}: {}", stream.text(&diagnostic.message)).expect("a String takes all");
    if let Some(line) = source.and_then(|source| excerpt(&diagnostic.place, source)) {
        let number = stream.paint(Paint::Faint, &format!("{:>5} |", diagnostic.place.line));
        writeln!(text, "{indent}{number} {}", stream.text(line)).expect("a String takes all");
    }
    if !diagnostic.hint.is_empty() {
        let label = stream.paint(Paint::Key, "hint:");
        writeln!(text, "{indent}  {label} {}", stream.text(&diagnostic.hint)).expect("a String takes all");
    }
    text
}

/// `2 errors, 1 warning`; `no findings` when there are none.
pub(crate) fn summary(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let parts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .map(|severity| (count(severity), severity))
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| format!("{count} {severity}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
}

fn place(place: &Place) -> String {
    match (place.line, place.column) {
        (0, _) => place.file.clone(),
        (line, 0) => format!("{}:{line}", place.file),
        (line, column) => format!("{}:{line}:{column}", place.file),
    }
}

fn paint(severity: Severity) -> Paint {
    match severity {
        Severity::Error => Paint::Error,
        Severity::Warning => Paint::Warning,
        Severity::Note => Paint::Key,
    }
}

fn excerpt<'a>(place: &Place, source: &'a str) -> Option<&'a str> {
    let index = (place.line as usize).checked_sub(1)?;
    source.lines().nth(index).filter(|line| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_its_place_its_line_and_its_hint() {
        let place = Place { file: "units/web.service".into(), line: 2, column: 1 };
        let finding = Diagnostic::error("unknown-directive", place, "there is no ExecStrat=").with_hint("ExecStart=?");
        let text = render(&finding, Some("[Service]\nExecStrat=/bin/x\n"), "", &Stream::PIPE);
        assert_eq!(
            text,
            "units/web.service:2:1: error[unknown-directive]: there is no ExecStrat=\n    2 | ExecStrat=/bin/x\n  hint: ExecStart=?\n"
        );
        assert_eq!(summary(&[finding]), "1 error");
    }
}
