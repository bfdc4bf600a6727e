//! The table of a work: its rows in the order of what they reached, for the terminal and for the
//! document.

use crate::marks::marks;
use crate::measures::Column;
use crate::results::Results;
use crate::statistics::Summary;
use crate::work::{Row, Work};

/// Cells of text under heads.
#[derive(Debug, PartialEq)]
pub struct Table {
    pub heads: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// One line for each row that was measured, the smallest number of the first column first.
    pub fn of(results: &Results, work: &'static Work) -> Self {
        let heads = work.columns.iter().map(|column| column.title.to_owned());
        let heads = [vec![String::new()], heads.collect(), vec!["remarks".into()]].concat();
        let cells = |row: &Row| {
            let cell = |column: &Column| column.cell(column.summary(results, work, row).as_ref());
            let cells = work.columns.iter().map(cell).collect();
            [vec![row.name.into()], cells, vec![marks(results, work, row).join(", ")]].concat()
        };
        Self { heads, rows: ranked(results, work).iter().map(|(row, _)| cells(row)).collect() }
    }

    /// Columns side by side, for a terminal.
    pub fn to_terminal(&self) -> String {
        let lines = || std::iter::once(&self.heads).chain(&self.rows);
        let width = |at: usize| lines().map(|line| line[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let padded = |line: &Vec<String>| {
            let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        lines().map(padded).collect()
    }

    pub fn to_markdown(&self) -> String {
        let line = |cells: &Vec<String>| format!("| {} |\n", cells.join(" | "));
        let rule = format!("|{}\n", "---|".repeat(self.heads.len()));
        line(&self.heads) + &rule + &self.rows.iter().map(line).collect::<String>()
    }
}

/// The rows that were measured, with what they reached in the first column, smallest first.
pub fn ranked(results: &Results, work: &'static Work) -> Vec<(&'static Row, Option<Summary>)> {
    let first = work.columns[0];
    let measured = |row: &&Row| results.turns.iter().any(|turn| turn.row == row.name);
    let mut rows: Vec<_> = work
        .rows
        .iter()
        .filter(measured)
        .map(|row| (row, first.summary(results, work, row)))
        .collect();
    rows.sort_by(|(_, a), (_, b)| {
        let number = |summary: &Option<Summary>| {
            summary.as_ref().map_or(f64::INFINITY, |summary| first.number(summary))
        };
        number(a).total_cmp(&number(b))
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn both_forms() {
        let line = |cells: [&str; 3]| cells.map(String::from).to_vec();
        let table = Table {
            heads: line(["", "p50", "remarks"]),
            rows: vec![line(["floor", "1.0 µs", ""]), line(["bun", "12.0 µs", "3 lost"])],
        };
        let plain = "       p50      remarks\nfloor  1.0 µs\nbun    12.0 µs  3 lost\n";
        assert_eq!(table.to_terminal(), plain);
        let markdown = "|  | p50 | remarks |\n|---|---|---|\n| floor | 1.0 µs |  |\n\
                        | bun | 12.0 µs | 3 lost |\n";
        assert_eq!(table.to_markdown(), markdown);
    }
}
