//! What was measured, as a table for people.

use std::fmt;

/// Rows of figures.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<[String; 7]>,
}

impl Table {
    /// Adds one row; returns its median. No values make no row.
    pub(crate) fn add(&mut self, what: &str, unit: &str, values: &[f64], target: Option<f64>) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
            self.rows.push([
                what.to_owned(),
                "not measured".to_owned(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
            ]);
            return f64::NAN;
        };
        let middle = median(&sorted);
        let judged = target.map(|target| {
            let verdict = if middle <= target { "met" } else { "missed" };
            (format!("{target} {unit}"), verdict.to_owned())
        });
        let (target, verdict) = judged.unwrap_or_default();
        let shown = |value: f64| format!("{value:.2}");
        let median = format!("{} {unit}", shown(middle));
        self.rows.push([
            what.to_owned(),
            median,
            shown(*least),
            shown(*most),
            sorted.len().to_string(),
            target,
            verdict,
        ]);
        middle
    }
}

/// The middle of sorted values; of an even number, the mean of the two in the middle.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "median", "min", "max", "n", "target", ""].map(str::to_owned);
        let line = ["---", "---:", "---:", "---:", "---:", "---:", "---"].map(str::to_owned);
        let rows: Vec<&[String; 7]> = [&head, &line].into_iter().chain(&self.rows).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        for row in &rows {
            for (column, cell) in row.iter().enumerate() {
                write!(formatter, "| {cell:<width$} ", width = width(column))?;
            }
            writeln!(formatter, "|")?;
        }
        Ok(())
    }
}
