//! Tables for people: columns side by side, no lines, one header, pages that stay in line.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};

use crate::output::plain;
use crate::{Output, Result};

/// The blanks at both sides of a cell, which count as its width.
const PADDING: u16 = 2;

/// How narrow a column of prose may get: with fewer characters to a line, nobody reads it.
const READABLE: u16 = 26;

/// How a value is shown.
pub enum Value {
    /// As it is.
    Plain(String),
    /// In a colour that asks for attention.
    Striking(String),
}

impl<T: ToString> From<T> for Value {
    fn from(value: T) -> Self {
        Self::Plain(value.to_string())
    }
}

/// A table that is written page by page. No column ever gets narrower, so that pages stay in line.
pub struct Listing<const COLUMNS: usize> {
    header: Option<[&'static str; COLUMNS]>,
    widths: [u16; COLUMNS],
}

impl<const COLUMNS: usize> Listing<COLUMNS> {
    /// A table with these headings.
    pub fn new(header: [&'static str; COLUMNS]) -> Self {
        Self { header: Some(header), widths: [0; COLUMNS] }
    }

    /// Writes the next rows.
    pub fn page(
        &mut self,
        output: &mut Output<'_>,
        rows: impl IntoIterator<Item = [Value; COLUMNS]>,
    ) -> Result<()> {
        let mut table = table(output);
        if let Some(header) = self.header.take() {
            table.set_header(header.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
        }
        table.add_rows(rows.into_iter().map(|row| row.map(cell)));
        if table.header().is_none() && table.is_empty() {
            return Ok(());
        }
        for (width, content) in self.widths.iter_mut().zip(table.column_max_content_widths()) {
            *width = (*width).max(content.saturating_add(PADDING));
        }
        // A narrow terminal breaks the last column, which is prose, and no id. One that is too narrow for that breaks lines.
        let [but_last @ .., last] = self.widths.as_slice() else { return Ok(()) };
        let as_wide = but_last.iter().map(|&width| ColumnConstraint::Absolute(Width::Fixed(width)));
        let readable = ColumnConstraint::LowerBoundary(Width::Fixed((*last).min(READABLE)));
        table.set_constraints(as_wide.chain([readable]));
        output.text(&format!("{}\n", table.trim_fmt()))
    }
}

/// Writes one record, a field a line.
pub fn record(
    output: &mut Output<'_>,
    fields: impl IntoIterator<Item = (&'static str, Value)>,
) -> Result<()> {
    let mut table = table(output);
    for (name, value) in fields {
        table.add_row([Cell::new(name).add_attribute(Attribute::Bold), cell(value)]);
    }
    output.text(&format!("{}\n", table.trim_fmt()))
}

fn table(output: &Output<'_>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if output.out_is_terminal {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        // Whoever reads a file or a pipe wants one line a record, however long.
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    if output.is_coloured() {
        table.enforce_styling();
    } else {
        table.force_no_tty();
        if output.out_is_terminal {
            table.set_width(terminal_width());
        }
    }
    table
}

/// The terminal's width, which a table that was told not to be on a terminal does not ask for.
fn terminal_width() -> u16 {
    Table::new().width().unwrap_or(80)
}

fn cell(value: Value) -> Cell {
    match value {
        Value::Plain(text) => Cell::new(plain(&text)),
        Value::Striking(text) => Cell::new(plain(&text)).fg(Color::Yellow),
    }
}
