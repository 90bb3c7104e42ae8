//! Programs of frames, events, queries, states and properties, run against one element. Also run by
//! `tests/trust`.

use std::sync::{
    Arc, LazyLock, Once,
    atomic::{AtomicU64, Ordering},
};

use arbitrary::{Result, Unstructured};
use gst::prelude::*;

/// Steps of one program at most.
const STEPS: usize = 48;

#[derive(Debug)]
enum Step {
    /// So many frames, of which one may be of another size than its caps say.
    Frames {
        count: u8,
        short: bool,
        shared: bool,
        stamped: bool,
    },
    Caps {
        format: u8,
        width: u8,
        height: u8,
        rate: u8,
        interlaced: bool,
    },
    Segment {
        start: u16,
        backwards: bool,
    },
    StreamStart,
    Gap,
    Tag,
    FlushStart,
    FlushStop {
        reset: bool,
    },
    /// What a seek of the application's does.
    Seek {
        start: u16,
    },
    Eos,
    State(u8),
    Source(u8),
    Property {
        name: u8,
        value: u8,
    },
    Depth(u8),
    Latency,
    Drain,
    Allocation,
    Late(u16),
    Upstream,
    Stats,
}

impl Step {
    /// The next step that the bytes tell.
    fn next(u: &mut Unstructured<'_>) -> Result<Step> {
        Ok(match u.int_in_range(0..=25)? {
            0..=4 => Step::Frames {
                count: u.arbitrary()?,
                short: u.ratio(1, 8)?,
                shared: u.arbitrary()?,
                stamped: u.ratio(7, 8)?,
            },
            5 | 6 => Step::Caps {
                format: u.arbitrary()?,
                width: u.arbitrary()?,
                height: u.arbitrary()?,
                rate: u.arbitrary()?,
                interlaced: u.ratio(1, 6)?,
            },
            7 => Step::Segment { start: u.arbitrary()?, backwards: u.ratio(1, 4)? },
            8 => Step::StreamStart,
            9 => Step::Gap,
            10 => Step::Tag,
            11 => Step::FlushStart,
            12 => Step::FlushStop { reset: u.arbitrary()? },
            13 => Step::Seek { start: u.arbitrary()? },
            14 | 15 => Step::Eos,
            16 => Step::State(u.arbitrary()?),
            17 | 18 => Step::Source(u.arbitrary()?),
            19 => Step::Property { name: u.arbitrary()?, value: u.arbitrary()? },
            20 => Step::Depth(u.arbitrary()?),
            21 => Step::Latency,
            22 => Step::Drain,
            23 => Step::Allocation,
            24 => Step::Late(u.arbitrary()?),
            _ => match u.arbitrary()? {
                true => Step::Upstream,
                false => Step::Stats,
            },
        })
    }
}

/// What a property may be set to, as gst-launch-1.0 would.
const PROPERTIES: [(&str, &[&str]); 18] = [
    ("on-lost", &["pass", "hold", "blur", "black"]),
    ("mark", &["none", "metadata", "visible"]),
    ("select", &["largest", "all", "left-most", "right-most", "top", "bottom", "centre", "reference"]),
    ("quality", &["performance", "balanced", "quality"]),
    ("opacity", &["0", "0.5", "1"]),
    ("meta", &["true", "false"]),
    ("deterministic", &["true", "false", "auto"]),
    ("auto-quality", &["true", "false"]),
    ("stats-interval", &["0", "1", "1000"]),
    ("mask-padding", &["0,0,0,0", "100,100,100,100", "a", "10,20,30,40"]),
    ("face-map", &["", "a=b", "nonsense", "/none.jpg=/none.jpg"]),
    ("reference", &["", "/none.jpg", "/dev/zero"]),
    ("max-faces", &["1", "64"]),
    ("detection-interval", &["1", "300"]),
    ("detection-threshold", &["0", "0.5", "1"]),
    ("target-fps", &["0", "1", "240"]),
    ("qos", &["true", "false"]),
    ("mouth", &["source", "target"]),
];

static MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models");

fn models() -> String {
    // Also built in fuzz/, one folder below.
    MODELS.replace("/fuzz/models", "/models")
}

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().expect("GStreamer");
        gstfaceswap::plugin_register_static().expect("the plugin");
    });
    // Held, so that no program waits for the models to be read again.
    static KEPT: LazyLock<gst::Element> = LazyLock::new(|| {
        let kept = element();
        kept.set_property("source", photo());
        let mut harness = harness(&kept);
        harness.set_src_caps_str("video/x-raw,format=I420,width=32,height=32,framerate=25/1");
        let pushed = harness.push(frame(&Format { bytes: 1536, ..Format::default() }, 0));
        assert!(pushed.is_ok(), "{pushed:?}");
        std::mem::forget(harness);
        kept
    });
    LazyLock::force(&KEPT);
}

fn photo() -> String {
    models() + "/demo/grace_hopper.jpg"
}

fn element() -> gst::Element {
    let element = gst::ElementFactory::make("faceswap").property("model-dir", models()).build();
    let element = element.expect("the element");
    element.set_property_from_str("quality", "performance");
    element
}

fn harness(element: &gst::Element) -> gst_check::Harness {
    gst_check::Harness::with_element(element, Some("sink"), Some("src"))
}

#[derive(Debug, Clone, Default)]
struct Format {
    caps: String,
    bytes: usize,
}

fn format(format: u8, width: u8, height: u8, rate: u8, interlaced: bool) -> Format {
    let name = ["NV12", "I420", "UYVY", "YUY2", "BGRx", "RGB", "NV21"][usize::from(format) % 7];
    let (width, height) = (1 + u32::from(width) % 96, 1 + u32::from(height) % 96);
    let mode = if interlaced { "interleaved" } else { "progressive" };
    let rate = u32::from(rate) % 60;
    let caps = format!(
        "video/x-raw,format={name},width={width},height={height},framerate={rate}/1,interlace-mode={mode}"
    );
    let even = |v: u32| v.next_multiple_of(4) as usize;
    let (row, rows) = (even(width), even(height));
    let bytes = match name {
        "NV12" | "I420" | "NV21" => row * rows * 2,
        "UYVY" | "YUY2" => row * rows * 2 + 4 * rows,
        "RGB" => even(3 * width) * rows,
        _ => 4 * row * rows,
    };
    Format { caps, bytes }
}

fn frame(format: &Format, index: u64) -> gst::Buffer {
    let mut frame = gst::Buffer::from_mut_slice(vec![(index * 7) as u8; format.bytes]);
    frame.get_mut().expect("a new buffer").set_pts(40 * index * gst::ClockTime::MSECOND);
    frame
}

struct Run {
    element: gst::Element,
    harness: gst_check::Harness,
    bus: gst::Bus,
    format: Format,
    index: u64,
    /// Accepted since the last flush or change of state.
    accepted: u64,
    left: Arc<AtomicU64>,
    /// Something happened after which frames may be missing.
    upset: bool,
    /// Late frames may be dropped.
    qos: bool,
    shared: Vec<(gst::Buffer, Vec<u8>)>,
}

/// Runs the program that `data` is.
pub fn run(data: &[u8]) {
    init();
    let element = element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let left = Arc::new(AtomicU64::new(0));
    let count = left.clone();
    let pad = element.static_pad("src").expect("a pad");
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    let harness = harness(&element);
    let format = format(1, 63, 47, 25, false);
    let mut run = Run {
        element,
        harness,
        bus,
        format,
        index: 0,
        accepted: 0,
        left,
        upset: true,
        qos: false,
        shared: Vec::new(),
    };
    run.start_stream();
    let mut u = Unstructured::new(data);
    for _ in 0..STEPS {
        match Step::next(&mut u) {
            Ok(step) if !u.is_empty() => run.step(step),
            _ => break,
        }
    }
    run.check_shared();
    run.element.set_state(gst::State::Null).expect("the state NULL");
    drop(run.harness);
}

impl Run {
    fn start_stream(&mut self) {
        self.push_event(gst::event::StreamStart::new("events"));
        if let Ok(caps) = self.format.caps.parse::<gst::Caps>() {
            self.push_event(gst::event::Caps::new(&caps));
        }
        self.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        self.forget();
    }

    /// From here on nothing is owed.
    fn forget(&mut self) {
        (self.accepted, self.upset) = (0, self.qos);
        self.left.store(0, Ordering::Relaxed);
    }

    fn push_event(&mut self, event: gst::Event) -> bool {
        self.harness.push_event(event)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Frames { count, short, shared, stamped } => self.frames(count % 6, short, shared, stamped),
            Step::Caps { format: name, width, height, rate, interlaced } => {
                self.format = format(name, width, height, rate, interlaced);
                if let Ok(caps) = self.format.caps.parse::<gst::Caps>() {
                    self.upset |= !self.push_event(gst::event::Caps::new(&caps));
                }
            }
            Step::Segment { start, backwards } => self.segment(start, backwards),
            Step::StreamStart => {
                self.push_event(gst::event::StreamStart::new("again"));
            }
            Step::Gap => {
                let at = 40 * self.index * gst::ClockTime::MSECOND;
                self.push_event(gst::event::Gap::builder(at).duration(gst::ClockTime::SECOND).build());
                self.index += 25;
            }
            Step::Tag => {
                let mut tags = gst::TagList::new();
                if let Some(tags) = tags.get_mut() {
                    tags.add::<gst::tags::Title>(&"title", gst::TagMergeMode::Append);
                }
                self.push_event(gst::event::Tag::new(tags));
            }
            Step::FlushStart => {
                self.push_event(gst::event::FlushStart::new());
                self.upset = true;
            }
            Step::FlushStop { reset } => {
                self.push_event(gst::event::FlushStop::new(reset));
                self.upset = true;
            }
            Step::Seek { start } => {
                self.push_event(gst::event::FlushStart::new());
                self.push_event(gst::event::FlushStop::new(true));
                self.segment(start, false);
                self.forget();
            }
            Step::Eos => self.end(),
            Step::State(state) => self.state(state),
            Step::Source(which) => {
                let source = match which % 5 {
                    0 | 1 => photo(),
                    2 => String::new(),
                    3 => "/none.jpg".into(),
                    _ => "/dev/zero".into(),
                };
                self.element.set_property("source", source);
            }
            Step::Property { name, value } => {
                let (name, values) = PROPERTIES[usize::from(name) % PROPERTIES.len()];
                self.qos |= name == "qos";
                self.upset |= self.qos;
                self.element.set_property_from_str(name, values[usize::from(value) % values.len()]);
            }
            Step::Depth(depth) => self.element.set_property("max-in-flight", u32::from(depth) % 5),
            Step::Latency => {
                let mut query = gst::query::Latency::new();
                let _ = self.element.static_pad("src").map(|pad| pad.query(&mut query));
            }
            Step::Drain => {
                let mut query = gst::query::Drain::new();
                let _ = self.element.static_pad("sink").map(|pad| pad.query(&mut query));
            }
            Step::Allocation => {
                let caps = self.format.caps.parse::<gst::Caps>().ok();
                let mut query = gst::query::Allocation::new(caps.as_ref(), true);
                let _ = self.element.static_pad("sink").map(|pad| pad.query(&mut query));
            }
            Step::Late(ms) => {
                let now = 40 * self.index * gst::ClockTime::MSECOND;
                let late = i64::from(ms) * 1_000_000;
                self.harness.push_upstream_event(gst::event::Qos::new(
                    gst::QOSType::Underflow,
                    1.5,
                    late,
                    now,
                ));
            }
            Step::Upstream => {
                self.harness.push_upstream_event(gst::event::Reconfigure::new());
                self.harness.push_upstream_event(gst::event::Latency::new(gst::ClockTime::MSECOND));
            }
            Step::Stats => drop(self.element.property::<gst::Structure>("stats")),
        }
        self.hear();
        while self.harness.try_pull().is_some() {}
        while self.harness.try_pull_event().is_some() {}
    }

    /// After an error frames are missing.
    fn hear(&mut self) {
        while let Some(message) = self.bus.pop() {
            if let gst::MessageView::Error(error) = message.view() {
                let text = error.error().to_string();
                assert!(!text.contains("panicked") && !text.contains("unexpectedly"), "{text}");
                self.upset = true;
            }
        }
    }

    fn frames(&mut self, count: u8, short: bool, shared: bool, stamped: bool) {
        for at in 0..count {
            let mut frame = frame(&self.format, self.index);
            let buffer = frame.get_mut().expect("a new buffer");
            if !stamped {
                buffer.set_pts(gst::ClockTime::NONE);
            }
            if short && at == 0 {
                let bytes = buffer.size() / 3;
                buffer.set_size(bytes);
            }
            if shared && at == 1 {
                let before = frame.map_readable().map(|map| map.to_vec()).unwrap_or_default();
                self.shared.push((frame.clone(), before));
            }
            self.index += 1;
            match self.harness.push(frame) {
                Ok(_) => self.accepted += 1,
                Err(_) => self.upset = true,
            }
        }
    }

    fn segment(&mut self, start: u16, backwards: bool) {
        let start = u64::from(start) * gst::ClockTime::MSECOND;
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_start(start);
        segment.set_position(start);
        if backwards {
            segment.set_stop(start + 100 * gst::ClockTime::SECOND);
            segment.set_rate(-1.0);
        }
        self.push_event(gst::event::Segment::new(&segment));
        self.index = start.mseconds() / 40;
        // What lies outside the segment is dropped by the base class.
        self.upset |= backwards;
    }

    /// At the end of the stream all that was taken has come out.
    fn end(&mut self) {
        let ended = self.push_event(gst::event::Eos::new());
        self.hear();
        if ended && !self.upset {
            let left = self.left.load(Ordering::Relaxed);
            assert_eq!(left, self.accepted, "frames out, frames in");
        }
        self.push_event(gst::event::FlushStart::new());
        self.push_event(gst::event::FlushStop::new(true));
        self.segment(0, false);
        self.forget();
    }

    fn state(&mut self, state: u8) {
        let state = [gst::State::Null, gst::State::Ready, gst::State::Paused][usize::from(state) % 3];
        let _ = self.element.set_state(state);
        self.check_shared();
        if self.element.set_state(gst::State::Playing).is_ok() {
            let (_, now, _) = self.element.state(Some(gst::ClockTime::from_seconds(20)));
            self.start_stream();
            self.upset = now != gst::State::Playing;
        } else {
            // A source that is not there; without it the element starts.
            self.element.set_property("source", "");
            self.element.set_property("face-map", "");
            self.element.set_property("reference", "");
            let _ = self.element.set_state(gst::State::Null);
            self.element.set_state(gst::State::Playing).expect("starts without a source");
            self.start_stream();
        }
    }

    /// Whoever else holds a frame sees it unchanged.
    fn check_shared(&mut self) {
        for (frame, before) in self.shared.drain(..) {
            assert!(
                frame.map_readable().is_ok_and(|map| *map == before[..]),
                "a shared frame was written to"
            );
        }
    }
}
