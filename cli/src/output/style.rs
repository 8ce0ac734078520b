//! Colours, and what may be written to a stream: only on a terminal, never with NO_COLOR (no-color.org).

use super::escape;
use std::borrow::Cow;
use std::io::IsTerminal;

/// What a piece of text means; each meaning has one look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Paint {
    /// As it is.
    #[default]
    Plain,
    /// Headers, names of what a line is about.
    Strong,
    /// What matters less.
    Faint,
    /// As it should be.
    Good,
    /// On its way, or worth a look.
    Warning,
    /// Wrong.
    Error,
    /// A label.
    Key,
    /// One of a few colours that only tell things apart.
    Shade(u8),
}

/// Colours of [`Paint::Shade`]: those that read on light and on dark ground.
const SHADES: [&str; 6] = ["36", "35", "34", "96", "95", "94"];

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Paint::Plain => "",
            Paint::Strong => "1",
            Paint::Faint => "2",
            Paint::Good => "32",
            Paint::Warning => "33",
            Paint::Error => "1;31",
            Paint::Key => "36",
            Paint::Shade(number) => SHADES[usize::from(number) % SHADES.len()],
        }
    }

    /// The same shade for the same text, on every run and machine.
    pub(crate) fn shade_of(text: &str) -> Paint {
        let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Paint::Shade((hash >> 8) as u8 % SHADES.len() as u8)
    }
}

/// What stdout or stderr is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// A person looks at it: foreign text is escaped.
    pub(crate) terminal: bool,
    /// It shows colours.
    pub(crate) colour: bool,
}

impl Stream {
    /// A pipe or a file.
    #[cfg(test)]
    pub(crate) const PIPE: Stream = Stream { terminal: false, colour: false };

    pub(crate) fn detect(stream: &impl IsTerminal) -> Self {
        let terminal = stream.is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Stream { terminal, colour: terminal && !set("NO_COLOR") && !dumb }
    }

    /// Foreign text, fit for this stream: escaped on a terminal, exact elsewhere.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.terminal { escape::escape(text) } else { Cow::Borrowed(text) }
    }

    /// `text` (already fit for the stream) in the look of `paint`.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        match paint.code() {
            "" => text.to_owned(),
            _ if !self.colour || text.is_empty() => text.to_owned(),
            code => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    /// Foreign text in the look of `paint`.
    pub(crate) fn show(&self, paint: Paint, text: &str) -> String {
        self.paint(paint, &self.text(text))
    }
}
