//! Findings about the configuration repository, in two looks: a block with the source line, as rustc writes them,
//! where the files are at hand (`lint`), and one line with a hint inside other views (`status`, `plan`).

use super::excerpt::excerpt;
use super::{Paint, Stream};
use fleet_units::diagnostic::{Diagnostic, Place, Severity};
use std::fmt::Write as _;

/// `diagnostic` inside another view: `units/web.service:7:1: error[unknown-directive]: …`, then the hint. Each line
/// begins with `indent` and ends with a newline.
pub(crate) fn line(diagnostic: &Diagnostic, indent: &str, stream: &Stream) -> String {
    let mut text = String::new();
    let place = stream.show(Paint::Strong, &place(&diagnostic.place));
    let label = label(diagnostic, stream);
    writeln!(text, "{indent}{place}: {label}: {}", stream.text(&diagnostic.message)).expect("a String takes all");
    if !diagnostic.hint.is_empty() {
        let label = stream.paint(Paint::Key, "hint:");
        writeln!(text, "{indent}  {label} {}", stream.text(&diagnostic.hint)).expect("a String takes all");
    }
    text
}

/// `diagnostic` as a block: what is wrong, where, the line itself (`source`, when at hand) with the place underlined,
/// the hint, and `notes`. Ends with an empty line.
pub(crate) fn block(diagnostic: &Diagnostic, source: Option<&str>, notes: &[String], stream: &Stream) -> String {
    let Place { file, line, column } = &diagnostic.place;
    let number = source.map_or(String::new(), |_| line.to_string());
    let gutter = " ".repeat(number.len().max(1));
    let bar = stream.paint(Paint::Faint, &format!("{gutter} |"));
    let mut lines = vec![format!("{}: {}", label(diagnostic, stream), stream.show(Paint::Strong, &diagnostic.message))];
    if !file.is_empty() {
        let arrow = stream.paint(Paint::Faint, &format!("{gutter}-->"));
        lines.push(format!("{arrow} {}", stream.text(&place(&diagnostic.place))));
    }
    if let Some(source) = source {
        let excerpt = excerpt(source, *column);
        lines.push(bar.clone());
        lines.push(format!("{} {}", stream.paint(Paint::Faint, &format!("{number} |")), excerpt.line));
        if excerpt.length > 0 {
            let carets = stream.paint(paint(diagnostic.severity), &"^".repeat(excerpt.length));
            lines.push(format!("{bar} {}{carets}", " ".repeat(excerpt.indent)));
        }
    }
    let hint = Some(("help", diagnostic.hint.as_str())).filter(|(_, hint)| !hint.is_empty());
    let tail: Vec<_> = hint.into_iter().chain(notes.iter().map(|note| ("note", note.as_str()))).collect();
    if source.is_some() && !tail.is_empty() {
        lines.push(bar);
    }
    let mark = stream.paint(Paint::Faint, &format!("{gutter} ="));
    for (label, text) in tail {
        lines.push(format!("{mark} {}: {}", stream.paint(Paint::Key, label), stream.text(text)));
    }
    lines.iter().map(|line| format!("{line}\n")).collect::<String>() + "\n"
}

/// `2 errors, 1 warning`; `no findings` when there are none.
pub(crate) fn summary<'a>(diagnostics: impl Iterator<Item = &'a Diagnostic>) -> String {
    let mut counts = [(Severity::Error, 0), (Severity::Warning, 0), (Severity::Note, 0)];
    for diagnostic in diagnostics {
        counts.iter_mut().filter(|(severity, _)| *severity == diagnostic.severity).for_each(|(_, count)| *count += 1);
    }
    let parts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {severity}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
}

fn label(diagnostic: &Diagnostic, stream: &Stream) -> String {
    stream.show(paint(diagnostic.severity), &format!("{}[{}]", diagnostic.severity, diagnostic.code))
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

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_units::diagnostic::codes;

    fn finding() -> Diagnostic {
        let place = Place { file: "units/web.service".into(), line: 12, column: 1 };
        Diagnostic::error(codes::UNKNOWN_DIRECTIVE, place, "there is no ExecStrat=")
            .with_hint("did you mean ExecStart=?")
    }

    #[test]
    fn a_block_shows_place_line_underline_hint_and_notes() {
        let text = block(&finding(), Some("ExecStrat=/bin/x"), &["only in production".to_owned()], &Stream::PIPE);
        let wanted = "\
error[unknown-directive]: there is no ExecStrat=
  --> units/web.service:12:1
   |
12 | ExecStrat=/bin/x
   | ^^^^^^^^^
   |
   = help: did you mean ExecStart=?
   = note: only in production

";
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_finding_about_a_whole_file_has_no_line() {
        let place = Place { file: "units/a.mount".into(), line: 0, column: 0 };
        let finding = Diagnostic::error(codes::UNIT_KIND, place, "Fleet has no .mount units");
        let text = block(&finding, None, &[], &Stream::PIPE);
        assert_eq!(text, "error[unit-kind]: Fleet has no .mount units\n --> units/a.mount\n\n");
    }

    #[test]
    fn inside_other_views_a_finding_is_one_line_and_a_hint() {
        let text = line(&finding(), "  ", &Stream::PIPE);
        let wanted = "  units/web.service:12:1: error[unknown-directive]: there is no ExecStrat=\n    hint: did you mean ExecStart=?\n";
        assert_eq!(text, wanted);
        assert_eq!(summary([finding()].iter()), "1 error");
    }
}
