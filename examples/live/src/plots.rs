//! The live plots: frame rate, times of the stages, heat and load.

use std::{collections::VecDeque, time::Instant};

use eframe::egui::{self, Color32, RichText};
use egui_plot::{Corner, Legend, Line, Plot, PlotPoints};

use crate::pipeline::Stats;

/// Seconds that are shown.
const SPAN: f64 = 60.0;
const HEIGHT: f32 = 118.0;

pub struct Plots {
    begun: Instant,
    history: VecDeque<(f64, Stats)>,
}

type Of = fn(&Stats) -> f64;
type Curve = (&'static str, Color32, Of);

const RATE: [Curve; 1] = [("frames/s", Color32::from_rgb(70, 150, 230), |s| s.fps)];
const STAGES: [Curve; 5] = [
    ("frame", Color32::from_rgb(150, 150, 150), |s| s.frame_ms),
    ("detect", Color32::from_rgb(230, 150, 50), |s| s.detect_ms),
    ("landmarks", Color32::from_rgb(80, 180, 100), |s| s.landmarks_ms),
    ("swap", Color32::from_rgb(200, 90, 170), |s| s.swap_ms),
    ("blend", Color32::from_rgb(70, 150, 230), |s| s.blend_ms),
];
const NETWORK: Curve = ("network", Color32::from_rgb(220, 80, 70), |s| s.network_ms);
const LOAD: Curve = ("load, %", Color32::from_rgb(120, 110, 220), |s| {
    s.cpu_percent / std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64)
});
const HEAT: Curve = ("heat, %", Color32::from_rgb(230, 150, 50), |s| heat(&s.thermal));
const CELSIUS: Curve = ("°C", Color32::from_rgb(220, 80, 70), |s| s.celsius.map_or(f64::NAN, f64::from));

/// From nominal, 0, to critical, 100.
fn heat(state: &str) -> f64 {
    let states = ["nominal", "fair", "serious", "critical"];
    states.iter().position(|name| *name == state).map_or(f64::NAN, |at| 100.0 * at as f64 / 3.0)
}

impl Plots {
    pub fn new() -> Plots {
        Plots { begun: Instant::now(), history: VecDeque::new() }
    }

    pub fn add(&mut self, stats: &Stats) {
        let now = self.begun.elapsed().as_secs_f64();
        self.history.push_back((now, stats.clone()));
        while self.history.front().is_some_and(|(time, _)| now - time > SPAN) {
            self.history.pop_front();
        }
    }

    pub fn newest(&self) -> Option<&Stats> {
        self.history.back().map(|(_, stats)| stats)
    }

    pub fn len(&self) -> usize {
        self.history.len()
    }

    pub fn show(&self, ui: &mut egui::Ui) {
        let newest = self.newest().cloned().unwrap_or_default();
        let mut stages = STAGES.to_vec();
        if self.history.iter().any(|(_, stats)| stats.network_ms > 0.0) {
            stages.push(NETWORK);
        }
        let machine = if newest.celsius.is_some() { vec![LOAD, HEAT, CELSIUS] } else { vec![LOAD, HEAT] };
        let degrees = newest.celsius.map(|celsius| format!(", {celsius:.0} °C")).unwrap_or_default();
        let heat = if newest.thermal.is_empty() { "–".to_owned() } else { newest.thermal.clone() };
        ui.columns(3, |columns| {
            self.plot(&mut columns[0], "rate", &format!("Frame rate: {:.1} frames/s", newest.fps), &RATE);
            self.plot(
                &mut columns[1],
                "stages",
                &format!("Stages: {:.1} ms a frame", newest.frame_ms),
                &stages,
            );
            self.plot(
                &mut columns[2],
                "machine",
                &format!("Heat: {heat}{degrees}; load {:.0} % of a core", newest.cpu_percent),
                &machine,
            );
        });
    }

    /// Where the ordinate ends: above all but the highest twentieth, so that the frame which waited for
    /// the models does not flatten the rest.
    fn top(&self, curves: &[Curve]) -> f64 {
        let highest = |stats: &Stats| curves.iter().map(|(_, _, of)| of(stats)).fold(0.0, f64::max);
        let mut values: Vec<f64> = self.history.iter().map(|(_, stats)| highest(stats)).collect();
        values.sort_by(f64::total_cmp);
        let top = values.get(values.len().saturating_sub(1) * 19 / 20).copied().unwrap_or(0.0);
        // A share is drawn up to 100.
        if curves.iter().any(|curve| curve.0 == LOAD.0) { top.max(105.0) } else { 1.2 * top.max(1.0) }
    }

    fn plot(&self, ui: &mut egui::Ui, id: &str, title: &str, curves: &[Curve]) {
        ui.label(RichText::new(title).strong());
        let now = self.history.back().map_or(0.0, |(time, _)| *time);
        let lines: Vec<Line<'_>> = curves
            .iter()
            .map(|(name, colour, of)| {
                let points: PlotPoints<'_> =
                    self.history.iter().map(|(time, stats)| [time - now, of(stats)]).collect();
                Line::new(*name, points).color(*colour).width(1.5)
            })
            .collect();
        let mut plot = Plot::new(id)
            .height(HEIGHT)
            .include_x(-SPAN)
            .include_x(0.0)
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .show_axes([false, true])
            .set_margin_fraction(egui::vec2(0.0, 0.12));
        if curves.len() > 1 {
            plot = plot.legend(Legend::default().position(Corner::LeftTop));
        }
        let top = self.top(curves);
        plot.show(ui, |plot| {
            plot.set_plot_bounds_y(0.0..=top);
            lines.into_iter().for_each(|line| plot.line(line));
        });
    }
}
