//! Plots as SVG.

use anyhow::{Result, anyhow};
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

const WIDTH: u32 = 570;
const COLOURS: [RGBColor; 5] = [
    RGBColor(46, 109, 180),
    RGBColor(217, 121, 36),
    RGBColor(60, 145, 80),
    RGBColor(150, 84, 168),
    RGBColor(150, 150, 150),
];
const INK: RGBColor = RGBColor(40, 40, 40);
/// Pixels of a bar with its gap.
const ROW: u32 = 24;

pub struct Bar {
    pub label: String,
    pub value: f64,
}

pub struct Curve {
    /// Empty where there is only one.
    pub label: String,
    pub points: Vec<(f64, f64)>,
}

/// Bars from left to right, one a row, each with its value.
pub fn bars(title: &str, unit: &str, bars: &[Bar]) -> Result<String> {
    let longest = bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0) as u32;
    let labels = (longest * 13 / 2 + 12).min(WIDTH * 6 / 10);
    let most = bars.iter().map(|bar| bar.value).filter(|value| value.is_finite()).fold(0.0, f64::max);
    let most = if most > 0.0 { 1.18 * most } else { 1.0 };
    let mut svg = String::new();
    {
        let area =
            SVGBackend::with_string(&mut svg, (WIDTH, 76 + ROW * bars.len() as u32)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 16, &INK))
            .margin(8)
            .set_label_area_size(LabelAreaPosition::Left, labels)
            .x_label_area_size(30)
            .build_cartesian_2d(0.0..most, 0.0..bars.len() as f64)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .x_labels(5)
            .x_desc(unit)
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.12))
            .axis_style(INK.mix(0.5))
            .label_style(("sans-serif", 11, &INK))
            .draw()
            .map_err(failed)?;
        let middle = |row: usize| (bars.len() - row) as f64 - 0.5;
        let rectangles = bars.iter().enumerate().map(|(row, bar)| {
            let corners = [(0.0, middle(row) - 0.36), (bar.value, middle(row) + 0.36)];
            Rectangle::new(corners, COLOURS[0].filled())
        });
        chart.draw_series(rectangles).map_err(failed)?;
        let style = |side| ("sans-serif", 11, &INK).into_text_style(&area).pos(Pos::new(side, VPos::Center));
        let (left, right) = (style(HPos::Right), style(HPos::Left));
        for (row, bar) in bars.iter().enumerate() {
            let at = chart.backend_coord(&(0.0, middle(row)));
            area.draw(&Text::new(bar.label.clone(), (at.0 - 6, at.1), left.clone())).map_err(failed)?;
            let at = chart.backend_coord(&(bar.value, middle(row)));
            area.draw(&Text::new(short(bar.value), (at.0 + 5, at.1), right.clone())).map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// Lines over a common abscissa; the ordinate starts at 0.
pub fn curves(title: &str, across: &str, up: &str, curves: &[Curve]) -> Result<String> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let (low, high) = points().fold((f64::MAX, f64::MIN), |(low, high), (x, _)| (low.min(*x), high.max(*x)));
    let (low, high) = if low < high { (low, high) } else { (0.0, low.clamp(1.0, 1e12)) };
    let most = points().map(|(_, y)| *y).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 300)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 16, &INK))
            .margin(10)
            .x_label_area_size(36)
            .y_label_area_size(52)
            .build_cartesian_2d(low..high, 0.0..1.1 * most)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .x_desc(across)
            .y_desc(up)
            .x_labels(8)
            .y_labels(6)
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.12))
            .axis_style(INK.mix(0.5))
            .label_style(("sans-serif", 11, &INK))
            .draw()
            .map_err(failed)?;
        for (i, curve) in curves.iter().enumerate() {
            let colour = COLOURS[i % COLOURS.len()];
            let line = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2));
            let series = chart.draw_series(line).map_err(failed)?;
            if !curve.label.is_empty() {
                series
                    .label(curve.label.clone())
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
            }
        }
        if curves.iter().any(|curve| !curve.label.is_empty()) {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .background_style(WHITE.mix(0.85))
                .label_font(("sans-serif", 11, &INK))
                .draw()
                .map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// Three significant digits or so.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the plot cannot be drawn: {error}")
}
