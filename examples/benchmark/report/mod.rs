//! The page: one file with its plots in it.

mod plots;

use std::{collections::BTreeSet, fmt::Write};

use anyhow::Result;

use crate::{
    compare,
    record::{Machine, Outcome, Record, Series},
};
use plots::{Bar, Curve};

/// Groups in the page's order, with their headings; others follow.
const GROUPS: [(&str, &str); 11] = [
    ("element", "The whole element"),
    ("first-frame", "From start to the first swapped frame, in a new process"),
    ("stage", "Stages of a frame"),
    ("network", "Networks"),
    ("threads", "Threads"),
    ("soak", "A minute at full speed"),
    ("memory", "Memory of a process"),
    ("memory-of-a-frame", "A frame's memory"),
    ("resize", "Resizing to two thirds"),
    ("colour", "Colour conversion"),
    ("blur", "Gaussian blur"),
];

/// What the element's cases are drawn by: title, and which part of the id varies.
const VARIED: [(&str, usize); 5] = [
    ("by frame size and engine", 0),
    ("by format, 1920×1080", 2),
    ("by faces, 1920×1080", 3),
    ("by batch, 1920×1080", 4),
    ("by frames in flight, 1920×1080", 5),
];
const USUAL: [&str; 6] = ["1920x1080", "", "NV12", "faces=1", "batch=1", "depth=0"];

pub fn page(record: &Record, earlier: Option<&Record>) -> Result<String> {
    let mut body = String::new();
    heading(&mut body, record)?;
    if let Some(earlier) = earlier {
        ratios(&mut body, earlier, record)?;
    }
    let known = GROUPS.iter().map(|(group, title)| ((*group).to_owned(), (*title).to_owned()));
    let present: BTreeSet<&str> = record.results.iter().map(Outcome::group).collect();
    let other = present.iter().filter(|group| !GROUPS.iter().any(|(known, _)| known == *group));
    let other = other.map(|group| ((*group).to_owned(), (*group).to_owned()));
    for (group, title) in known.chain(other) {
        section(&mut body, record, &group, &title)?;
    }
    if !record.skipped.is_empty() {
        body.push_str("<h2>Not measured</h2><ul>");
        for skipped in &record.skipped {
            write!(body, "<li><code>{}</code>: {}</li>", escape(&skipped.id), escape(&skipped.reason))?;
        }
        body.push_str("</ul>");
    }
    let style = include_str!("style.css");
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>faceswap benchmark</title>\
         <style>{style}</style></head>\n<body>{body}</body></html>\n"
    ))
}

fn heading(body: &mut String, record: &Record) -> Result<()> {
    let Machine { chip, system, kernel, architecture, gstreamer, .. } = &record.machine;
    let machine = &record.machine;
    write!(body, "<h1>faceswap {}: benchmark</h1>", escape(&record.program.version))?;
    if record.program.debug {
        body.push_str(
            "<p class=\"warning\">Built without <code>--release</code>: the figures say little.</p>",
        );
    }
    if record.run.quick {
        body.push_str("<p class=\"warning\">A quick run: few values each.</p>");
    }
    let temperature = machine.temperature_c.map(|celsius| format!(", {celsius:.0} °C")).unwrap_or_default();
    let cores = format!(
        "{} fast, {} efficient; {} logical",
        machine.performance_cores, machine.efficiency_cores, machine.logical_cores
    );
    let rows = [
        ("Processor", chip.clone()),
        ("Cores", cores),
        ("Memory", format!("{} MiB", machine.memory_mib)),
        ("Accelerators", machine.accelerators.join(", ")),
        ("System", format!("{system}, {kernel}, {architecture}")),
        ("GStreamer", gstreamer.clone()),
        ("ONNX Runtime", machine.onnx_runtime.clone().unwrap_or_default()),
        ("Load before the run", format!("{:.2} of {} cores", machine.load, machine.logical_cores)),
        (
            "Other work during it",
            record.others().map(|share| format!("{:.0} % of all cores", 100.0 * share)).unwrap_or_default(),
        ),
        ("Heat", format!("{}{temperature}", machine.thermal)),
        ("Took", format!("{:.0} s", record.run.seconds)),
        ("Swap network", record.run.model.clone().unwrap_or_else(|| "none".into())),
    ];
    body.push_str("<table class=\"machine\">");
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        write!(body, "<tr><th>{name}</th><td>{}</td></tr>", escape(value))?;
    }
    body.push_str("</table>");
    Ok(())
}

fn ratios(body: &mut String, earlier: &Record, record: &Record) -> Result<()> {
    let rows = record.results.iter().filter_map(|now| {
        let ratio = compare::ratio(earlier.find(&now.id)?, now)?;
        Some(Bar { label: now.id.clone(), value: ratio })
    });
    body.push_str("<h2>Beside the earlier run: above 1 is better</h2>");
    body.push_str(&plots::bars("ratio of the better quartiles", "", &rows.collect::<Vec<_>>())?);
    Ok(())
}

fn section(body: &mut String, record: &Record, group: &str, title: &str) -> Result<()> {
    let outcomes: Vec<&Outcome> = record.results.iter().filter(|o| o.group() == group).collect();
    let series: Vec<&Series> = record
        .series
        .iter()
        .filter(|s| s.id.split('/').next() == Some(group) && !s.points.is_empty())
        .collect();
    if outcomes.is_empty() && series.is_empty() {
        return Ok(());
    }
    write!(body, "<h2>{}</h2><div class=\"plots\">", escape(title))?;
    for plot in drawn(group, &outcomes)? {
        body.push_str(&plot);
    }
    for series in series {
        let name = series.id.split('/').next_back().unwrap_or_default().replace('-', " ");
        let curve = Curve { label: String::new(), points: series.points.clone() };
        body.push_str(&plots::curves(&name, "seconds", &series.unit, &[curve])?);
    }
    body.push_str("</div>");
    table(body, &outcomes)
}

fn drawn(group: &str, outcomes: &[&Outcome]) -> Result<Vec<String>> {
    match group {
        "element" => VARIED
            .iter()
            .filter_map(|(title, part)| {
                let bars = varied(outcomes, *part);
                (!bars.is_empty()).then(|| plots::bars(&format!("frames/s {title}"), "frames/s", &bars))
            })
            .collect(),
        "threads" => Ok(vec![plots::curves("speed-up over one", "workers", "×", &speed_ups(outcomes))?]),
        _ => {
            let units: BTreeSet<&str> = outcomes.iter().map(|outcome| shown(outcome).1).collect();
            let one = |unit: &&str| {
                let of_unit = outcomes.iter().filter(|outcome| shown(outcome).1 == *unit);
                let bar = |o: &&Outcome| Bar { label: o.name().into(), value: shown(o).0 };
                let title = if unit.ends_with("/s") { (*unit).to_owned() } else { format!("median, {unit}") };
                plots::bars(&title, unit, &of_unit.map(bar).collect::<Vec<_>>())
            };
            units.iter().map(one).collect()
        }
    }
}

/// What is drawn of a case: what it does a second, else its median; and the unit.
fn shown(outcome: &Outcome) -> (f64, &str) {
    match (outcome.per_second, outcome.group()) {
        (Some(rate), "resize" | "colour" | "blur" | "memory-of-a-frame") => (rate, "operations/s"),
        (Some(rate), "soak") => (rate, "frames/s"),
        _ => (outcome.statistics.median, &outcome.unit),
    }
}

/// The element's cases that differ from the usual in this part alone; the engine may differ too.
fn varied(outcomes: &[&Outcome], part: usize) -> Vec<Bar> {
    let mut bars = Vec::new();
    for outcome in outcomes {
        let parts: Vec<&str> = outcome.name().split('/').collect();
        let Some(rate) = outcome.per_second.filter(|_| parts.len() == USUAL.len()) else { continue };
        // Batches are of several faces.
        let alike = |i: usize| {
            i == part || i == 1 || parts[i] == USUAL[i] || part == 4 && i == 3 && parts[3] == "faces=4"
        };
        if (0..parts.len()).all(alike) && !(part == 4 && parts[3] != "faces=4") {
            bars.push(Bar { label: format!("{} {}", parts[1], parts[part]), value: rate });
        }
    }
    if bars.len() > 1 || part == 0 { bars } else { Vec::new() }
}

fn speed_ups(outcomes: &[&Outcome]) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for outcome in outcomes {
        let parts: Vec<&str> = outcome.name().split('/').collect();
        let ([kind, workers], Some(rate)) = (&parts[..], outcome.per_second) else { continue };
        let Ok(workers) = workers.parse::<f64>() else { continue };
        if curves.last().is_none_or(|curve| curve.label != kind.replace('-', " ")) {
            curves.push(Curve { label: kind.replace('-', " "), points: Vec::new() });
        }
        if let Some(curve) = curves.last_mut() {
            curve.points.push((workers, rate));
        }
    }
    for curve in &mut curves {
        let alone = curve.points.first().map_or(1.0, |(_, rate)| *rate);
        curve.points.iter_mut().for_each(|(_, rate)| *rate /= alone);
    }
    let most = curves.iter().flat_map(|curve| &curve.points).map(|(workers, _)| *workers).fold(1.0, f64::max);
    curves.push(Curve { label: "ideal".into(), points: vec![(1.0, 1.0), (most, most)] });
    curves
}

fn table(body: &mut String, outcomes: &[&Outcome]) -> Result<()> {
    body.push_str(
        "<details open><summary>Figures</summary><table><tr><th>case</th><th>unit</th><th>median</th><th>p95</th>\
         <th>least</th><th>most</th><th>values</th><th>a second</th><th>allocations each</th></tr>",
    );
    for outcome in outcomes {
        let s = &outcome.statistics;
        let notes: Vec<String> =
            outcome.notes.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let optional = |value: Option<f64>| value.map(|value| format!("{value:.2}")).unwrap_or_default();
        write!(
            body,
            "<tr title=\"{}\"><td><code>{}</code></td><td>{}</td><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&notes.join(", ")),
            escape(outcome.name()),
            escape(&outcome.unit),
            s.median,
            s.p95,
            s.min,
            s.max,
            s.runs,
            optional(outcome.per_second),
            optional(outcome.allocations),
        )?;
    }
    body.push_str("</table></details>");
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
