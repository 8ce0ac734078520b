//! Tables: a header, rows, columns as wide as their widest cell. Nothing is cut.

use super::{Paint, Stream};
use unicode_width::UnicodeWidthStr as _;

/// Between two columns.
const GAP: usize = 2;

/// One cell: foreign text and its look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>, paint: Paint) -> Self {
        Cell { text: text.into(), paint }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::new(text, Paint::Plain)
    }
}

/// Rows below a header.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    indent: usize,
}

impl Table {
    /// An empty table with these columns.
    pub(crate) fn new<const N: usize>(header: [&'static str; N]) -> Self {
        Table { header: header.to_vec(), rows: Vec::new(), indent: 0 }
    }

    /// Every line begins with `columns` spaces.
    pub(crate) fn indented(mut self, columns: usize) -> Self {
        self.indent = columns;
        self
    }

    /// One more row; a cell for each column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.header.len());
        self.rows.push(cells.into());
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Header and rows, a line each. Columns in which no row has anything are left out.
    pub(crate) fn render(&self, stream: &Stream) -> String {
        let shown: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| stream.text(&cell.text).replace('\n', " ")).collect())
            .collect();
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| match shown.iter().map(|row| row[column].width()).max() {
                Some(0) => 0,
                widest => widest.unwrap_or_default().max(self.header[column].width()),
            })
            .collect();
        let header = self.header.iter().map(|name| (name.to_string(), Paint::Faint)).collect();
        let mut text = self.line(stream, &widths, header);
        for (cells, row) in shown.into_iter().zip(&self.rows) {
            text += &self.line(stream, &widths, cells.into_iter().zip(row.iter().map(|cell| cell.paint)).collect());
        }
        text
    }

    fn line(&self, stream: &Stream, widths: &[usize], cells: Vec<(String, Paint)>) -> String {
        let mut line = " ".repeat(self.indent);
        let mut missing = 0;
        for ((cell, paint), width) in cells.iter().zip(widths).filter(|(_, width)| **width > 0) {
            if !cell.is_empty() {
                line += &" ".repeat(missing);
                line += &stream.paint(*paint, cell);
                missing = 0;
            }
            missing += width - cell.width() + GAP;
        }
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_empty_ones_are_left_out() {
        let mut table = Table::new(["UNIT", "NOTE", "STATE"]).indented(2);
        table.row(["名.service".into(), "".into(), "active".into()]);
        table.row(["a".into(), "".into(), "".into()]);
        let text = table.render(&Stream::PIPE);
        assert_eq!(text, "  UNIT        STATE\n  名.service  active\n  a\n");
    }

    #[test]
    fn a_cell_cannot_break_its_row_or_the_terminal() {
        let mut table = Table::new(["UNIT", "STATE"]);
        table.row(["a\u{202e}\nb".into(), Cell::new("failed", Paint::Error)]);
        let text = table.render(&Stream { terminal: true, colour: true });
        assert_eq!(text.lines().nth(1), Some("a\\u{202e} b  \x1b[1;31mfailed\x1b[0m"));
    }
}
