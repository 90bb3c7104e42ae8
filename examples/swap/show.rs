//! What a run shows: a bar with the time left, a line of figures, a table at the end.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use comfy_table::{CellAlignment, Table, presets};
use gst::MessageView;
use indicatif::{ProgressBar, ProgressStyle};

const BAR: &str = "{prefix} {wide_bar:.cyan/dim} {pos}/{len} frames, {eta} left{msg}";
const MONITORED: &str = "{prefix} {wide_bar:.cyan/dim} {pos}/{len} frames, {eta} left\n  {msg}";

pub struct Show {
    bar: ProgressBar,
    monitor: bool,
    /// Frames of the segments before the current one.
    done: u64,
    lines: Vec<[String; 5]>,
    began: Instant,
}

impl Show {
    pub fn new(monitor: bool) -> Show {
        Show { bar: ProgressBar::hidden(), monitor, done: 0, lines: Vec::new(), began: Instant::now() }
    }

    pub fn begin(&mut self, output: &Path, frames: usize) {
        let name = output.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.began = Instant::now();
        self.done = 0;
        self.bar = ProgressBar::new(frames as u64).with_prefix(name.clone());
        let template = if self.monitor { MONITORED } else { BAR };
        self.bar.set_style(ProgressStyle::with_template(template).expect("a template that parses"));
        if self.bar.is_hidden() {
            eprintln!("{name}: {frames} frames");
        }
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// A segment that an earlier run finished.
    pub fn already(&mut self, frames: usize) {
        self.done += frames as u64;
        self.bar.set_position(self.done);
        // Time left is that of this run's frames.
        self.bar.reset_eta();
    }

    pub fn frames(&mut self, frames: u64) {
        self.bar.set_position(self.done + frames);
    }

    pub fn segment_done(&mut self, frames: usize, made: usize) {
        self.done += frames as u64;
        if made != frames {
            self.warn(&format!("{frames} frames were to come, {made} could be decoded"));
        }
    }

    pub fn joining(&mut self) {
        self.bar.set_position(self.done);
        if !self.monitor {
            self.bar.set_message(", joining");
        }
    }

    pub fn warn(&self, text: &str) {
        self.bar.suspend(|| eprintln!("warning: {text}"));
    }

    /// What an element says.
    pub fn message(&mut self, message: &gst::Message) {
        match message.view() {
            MessageView::Warning(warning) => self.warn(&warning.error().to_string()),
            MessageView::Element(element) if self.monitor => {
                let stats = element.structure().filter(|stats| stats.name() == "faceswap-stats");
                if let Some(line) = stats.map(figures) {
                    match self.bar.is_hidden() {
                        true => eprintln!("{line}"),
                        false => self.bar.set_message(line),
                    }
                }
            }
            _ => {}
        }
    }

    pub fn finish(&mut self) {
        self.bar.finish_and_clear();
    }

    /// Notes a result for the table.
    pub fn result(&mut self, output: &Path, frames: usize, swapped: u64, milliseconds: f64) {
        let seconds = self.began.elapsed().as_secs_f64();
        self.lines.push([
            output.display().to_string(),
            frames.to_string(),
            swapped.to_string(),
            format!("{milliseconds:.1}"),
            format!("{seconds:.1}"),
        ]);
        if swapped == 0 {
            self.warn(&format!("{}: no face was found in it", output.display()));
        }
    }

    pub fn failed(&mut self, output: &Path, why: &str) {
        let dash = || "–".to_owned();
        self.lines.push([format!("{}: {why}", output.display()), dash(), dash(), dash(), dash()]);
    }

    pub fn table(&self) {
        if self.lines.is_empty() {
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "result",
            "frames",
            "swapped",
            "ms a frame",
            "seconds",
        ]);
        table.add_rows(self.lines.iter());
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("{}", table.trim_fmt());
    }
}

/// One line of what the element tells every second.
fn figures(stats: &gst::StructureRef) -> String {
    let number = |name: &str| stats.get::<f64>(name).unwrap_or_default();
    let text = |name: &str| stats.get::<String>(name).unwrap_or_else(|_| "unknown".into());
    format!(
        "{:.0} frames/s, {:.1} ms a frame (p95 {:.1}), {} faces, {} level {}, {}, {:.0} MiB, {:.0} % CPU",
        number("fps"),
        number("frame-time-mean-ms"),
        number("frame-time-p95-ms"),
        stats.get::<u32>("faces").unwrap_or_default(),
        text("engine"),
        stats.get::<u32>("level").unwrap_or_default(),
        text("thermal"),
        number("rss-mib"),
        number("cpu-percent"),
    )
}
