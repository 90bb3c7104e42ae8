//! What is shown during long steps.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over a known number of frames.
pub fn frames(what: &str, frames: u64) -> ProgressBar {
    bar(what, frames, "{msg:32} {wide_bar:.cyan/dim} {pos}/{len} frames {eta:>4} left")
}

/// A bar over time in the video, in milliseconds; 0 where its length is not known.
pub fn video(what: &str, milliseconds: u64) -> ProgressBar {
    if milliseconds == 0 {
        let bar = bar(what, 0, "{spinner} {msg}");
        bar.enable_steady_tick(Duration::from_millis(100));
        return bar;
    }
    bar(what, milliseconds, "{msg:32} {wide_bar:.cyan/dim} {percent}% {eta:>4} left")
}

fn bar(what: &str, length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what.to_owned());
    // A terminal sees the bar; a log gets one line.
    if bar.is_hidden() {
        println!("{what} …");
    }
    bar.set_style(ProgressStyle::with_template(template).expect("a template that parses"));
    bar
}
