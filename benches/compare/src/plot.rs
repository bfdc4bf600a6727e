//! The figure of a work: a dot with its interval for every row, the best on top. Where rows are
//! held against a floor, a line stands at 1. Drawn by plotters as SVG, scaled in `axis`.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::axis::Axis;
use crate::measures::{Against, Column};
use crate::results::Results;
use crate::statistics::Summary;
use crate::table::ranked;
use crate::work::{Row, Work};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: i32 = 880;
const ROW: i32 = 28;
const TOP: i32 = 64;
const BOTTOM: i32 = 48;
/// Names stand left of the axis, numbers right of it.
const LEFT: i32 = 190;
const RIGHT: i32 = 220;
/// About how wide a letter of the ticks is.
const LETTER: i32 = 7;

const INK: RGBColor = RGBColor(36, 41, 47);
const FAINT: RGBColor = RGBColor(208, 215, 222);
const FANWIRE: RGBColor = RGBColor(207, 79, 28);
const FLOOR: RGBColor = RGBColor(110, 119, 129);
const PEER: RGBColor = RGBColor(31, 95, 160);

/// Draws the first column of a work into `path`.
pub fn draw(results: &Results, work: &'static Work, path: &Path) -> Result<()> {
    let rows: Vec<(&Row, Summary)> = ranked(results, work)
        .into_iter()
        .filter_map(|(row, summary)| Some((row, summary?)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let height = TOP + ROW * rows.len() as i32 + BOTTOM;
    let backend = SVGBackend::new(path, (WIDTH as u32, height as u32));
    let figure = Figure { area: backend.into_drawing_area(), column: work.columns[0], height };
    figure.draw(work, &rows).map_err(|error| anyhow!("{}: {error}", path.display()))
}

struct Figure<'a> {
    area: Area<'a>,
    column: Column,
    height: i32,
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

impl Figure<'_> {
    fn draw(&self, work: &Work, rows: &[(&Row, Summary)]) -> Drawn {
        self.area.fill(&WHITE)?;
        let title = format!("{}: {}", work.title, self.column.title);
        self.text(&title, (16, 24), HPos::Left, 18, INK)?;
        let note = "median of the rounds and its 95 % interval; less is better";
        self.text(note, (16, 46), HPos::Left, 13, FLOOR)?;
        let to_floor = matches!(self.column.value.against, Against::Baseline | Against::Phase(_));
        let marked = to_floor.then_some(1.0);
        let values = rows.iter().flat_map(|(_, summary)| {
            [summary.interval[0], self.column.number(summary), summary.interval[1]]
        });
        let axis = Axis::of(values.chain(marked));
        self.scale(&axis, marked)?;
        for (at, (row, summary)) in rows.iter().enumerate() {
            self.row(&axis, TOP + ROW * at as i32 + ROW / 2, row, summary)?;
        }
        self.area.present()?;
        Ok(())
    }

    /// The axis with its ticks, and the line that rows are held against.
    fn scale(&self, axis: &Axis, marked: Option<f64>) -> Drawn {
        let bottom = self.height - BOTTOM;
        let mut free_from = 0;
        for tick in axis.ticks() {
            let x = x_of(axis, tick);
            let line = vec![(x, TOP), (x, bottom)];
            self.area.draw(&PathElement::new(line, FAINT.stroke_width(1)))?;
            let label = self.column.unit.tick(tick);
            let half = label.chars().count() as i32 * LETTER / 2;
            if x - half >= free_from {
                self.text(&label, (x, bottom + 16), HPos::Center, 13, FLOOR)?;
                free_from = x + half + LETTER;
            }
        }
        if let Some(value) = marked {
            let line = vec![(x_of(axis, value), TOP - 4), (x_of(axis, value), bottom + 4)];
            self.area.draw(&PathElement::new(line, INK.stroke_width(2)))?;
        }
        Ok(())
    }

    fn row(&self, axis: &Axis, y: i32, row: &Row, summary: &Summary) -> Drawn {
        let colour = match row.server {
            server if server.starts_with("fanwire") => FANWIRE,
            "floor" => FLOOR,
            _ => PEER,
        };
        self.text(row.name, (LEFT - 16, y), HPos::Right, 14, colour)?;
        let [low, high] = summary.interval.map(|value| x_of(axis, value));
        let whisker = |x| PathElement::new(vec![(x, y - 5), (x, y + 5)], colour.stroke_width(2));
        self.area.draw(&PathElement::new(vec![(low, y), (high, y)], colour.stroke_width(2)))?;
        self.area.draw(&whisker(low))?;
        self.area.draw(&whisker(high))?;
        let place = (x_of(axis, self.column.number(summary)), y);
        self.area.draw(&Circle::new(place, 5, colour.filled()))?;
        let cell = self.column.cell(Some(summary));
        self.text(&cell, (WIDTH - RIGHT + 20, y), HPos::Left, 13, INK)
    }

    fn text(&self, text: &str, at: (i32, i32), side: HPos, size: i32, colour: RGBColor) -> Drawn {
        let style = TextStyle::from(("sans-serif", size).into_font()).color(&colour);
        self.area.draw_text(text, &style.pos(Pos::new(side, VPos::Center)), at)?;
        Ok(())
    }
}

fn x_of(axis: &Axis, value: f64) -> i32 {
    LEFT + (axis.place(value) * f64::from(WIDTH - LEFT - RIGHT)).round() as i32
}
