//! A measured figure, what it should be, and how they are shown.

use serde::Serialize;

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Shown for information.
    None,
}

/// One figure: the median of several runs.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// `/s`, `ms`, `MiB`, `x` …
    pub unit: &'static str,
    /// What it should be.
    pub target: Target,
    /// Median of the runs.
    pub median: f64,
    /// Smallest of the runs.
    pub min: f64,
    /// Largest of the runs.
    pub max: f64,
    /// Whether the target was reached; absent without target.
    pub reached: Option<bool>,
    /// What else is worth knowing: how busy server and client were, further percentiles.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Figure {
    /// A figure from its runs. There must be one at least.
    pub fn new(what: impl Into<String>, unit: &'static str, target: Target, runs: &[f64]) -> Self {
        let mut sorted = runs.to_vec();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
        let reached = match target {
            Target::AtLeast(bound) => Some(median >= bound),
            Target::AtMost(bound) => Some(median <= bound),
            Target::None => None,
        };
        Self {
            what: what.into(),
            unit,
            target,
            median,
            min: sorted.first().copied().unwrap_or(f64::NAN),
            max: sorted.last().copied().unwrap_or(f64::NAN),
            reached,
            note: String::new(),
        }
    }

    /// The same figure with a note.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The figure on one line.
    pub fn line(&self) -> String {
        self.cells()
            .into_iter()
            .filter(|cell| !cell.is_empty())
            .collect::<Vec<_>>()
            .join("  ")
    }

    fn cells(&self) -> [String; 6] {
        let target = match self.target {
            Target::AtLeast(bound) => format!("≥ {} {}", number(bound), self.unit),
            Target::AtMost(bound) => format!("≤ {} {}", number(bound), self.unit),
            Target::None => String::new(),
        };
        let verdict = match self.reached {
            Some(true) => "reached",
            Some(false) => "MISSED",
            None => "",
        };
        let range = if self.min == self.max {
            String::new()
        } else {
            format!("{} – {}", number(self.min), number(self.max))
        };
        [
            self.what.clone(),
            target,
            format!("{} {}", number(self.median), self.unit),
            range,
            verdict.to_owned(),
            self.note.clone(),
        ]
    }
}

/// All figures in aligned columns.
pub fn table(figures: &[Figure]) -> String {
    let header = ["", "target", "figure", "range", "verdict", "note"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(header)
        .chain(figures.iter().map(Figure::cells))
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<_> = (0..6).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<_> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Three significant digits, thousands apart.
fn number(value: f64) -> String {
    if value.abs() < 10.0 {
        return trim(format!("{value:.2}"));
    }
    if value.abs() < 100.0 {
        return trim(format!("{value:.1}"));
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn trim(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let check = |value, expect| assert_eq!(number(value), expect);
        check(0.0, "0");
        check(0.614, "0.61");
        check(9.5, "9.5");
        check(99.94, "99.9");
        check(812.4, "812");
        check(20_000.0, "20,000");
        check(1_234_567.8, "1,234,568");
        check(-1500.0, "-1,500");
    }

    #[test]
    fn verdicts() {
        let check =
            |target, runs: &[f64], expect| assert_eq!(Figure::new("x", "/s", target, runs).reached, expect);
        check(Target::AtLeast(10.0), &[30.0, 5.0, 10.0], Some(true));
        check(Target::AtLeast(10.0), &[30.0, 5.0, 9.0], Some(false));
        check(Target::AtMost(10.0), &[10.0], Some(true));
        check(Target::None, &[10.0], None);
    }

    #[test]
    fn columns_line_up() {
        let figures = [
            Figure::new(
                "GET",
                "/s",
                Target::AtLeast(20_000.0),
                &[21_000.0, 22_000.0, 23_000.0],
            ),
            Figure::new("a longer name", "ms", Target::None, &[1.0]).note("so"),
        ];
        let expect = "               target       figure     range            verdict  note\n\
                      GET            ≥ 20,000 /s  22,000 /s  21,000 – 23,000  reached\n\
                      a longer name               1 ms                                 so\n";
        assert_eq!(table(&figures), expect);
    }
}
