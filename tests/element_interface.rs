//! The element as the pipeline sees it: properties, caps, events, states. Needs no model.

mod common;

use std::process::Command;

use common::*;
use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo, VideoInterlaceMode};

/// Name, type, default, range or values, C(ontrollable) or R(eady), of DESIGN.md's table.
const PROPERTIES: &str = "
    source              gchararray  -         -           C
    engine              enum        auto      auto,mesh,neural,hybrid R
    model-dir           gchararray  -         -           R
    detector-file       gchararray  -         -           R
    landmarker-file     gchararray  -         -           R
    model-file          gchararray  -         -           R
    recognizer-file     gchararray  -         -           R
    occluder-file       gchararray  -         -           R
    parser-file         gchararray  -         -           R
    enhancer-file       gchararray  -         -           R
    model-cache-dir     gchararray  -         -           R
    execution-provider  enum        auto      auto,cpu,coreml,cuda,tensorrt,openvino,webgpu,xnnpack R
    execution-provider-library gchararray -   -           R
    device              gchararray  -         -           R
    batch-size          guint       1         1..16       R
    pixel-boost         guint       0         0..1024     C
    enhancer-interval   guint       1         1..300      C
    swap-weight         gdouble     0.5       0..1        C
    masks               enum        box+area  box,area,mouth,occlusion,region R
    threads             guint       0         0..256      R
    max-memory          guint       0         0..4294967295 R
    max-in-flight       guint       0         0..16       R
    quality             enum        balanced  performance,balanced,quality C
    auto-quality        gboolean    TRUE      -           C
    target-fps          guint       0         0..240      C
    select              enum        largest   largest,all,left-most,right-most,top,bottom,centre,reference C
    reference           gchararray  -         -           C
    face-map            gchararray  -         -           C
    reference-distance  gdouble     0         0..2        C
    max-faces           guint       8         1..64       C
    detection-threshold gdouble     0.5       0..1        C
    detection-interval  guint       10        1..300      C
    opacity             gdouble     1         0..1        C
    shape               gdouble     0.5       0..1        C
    sharpness           gdouble     0         -1..1       C
    smoothing           gdouble     0.5       0..1        C
    mask-blur           gdouble     0.3       0..1        C
    mask-padding        gchararray  0,0,0,0   -           C
    mouth               enum        target    source,target C
    eyes                enum        target    source,target C
    colour-match        enum        light     none,mean,light C
    on-lost             enum        hold      pass,hold,blur,black C
    deterministic       enum        auto      auto,true,false R
    mark                enum        visible   none,metadata,visible C
    meta                gboolean    FALSE     -           C
    stats               GstStructure -        -           -
    stats-interval      guint       1000      0..4294967295 C
";

fn range(pspec: &glib::ParamSpec) -> String {
    if let Some(p) = pspec.downcast_ref::<glib::ParamSpecUInt>() {
        format!("{}..{}", p.minimum(), p.maximum())
    } else if let Some(p) = pspec.downcast_ref::<glib::ParamSpecDouble>() {
        format!("{}..{}", p.minimum(), p.maximum())
    } else if let Some(p) = pspec.downcast_ref::<glib::ParamSpecEnum>() {
        let values = p.enum_class();
        values.values().iter().map(|v| v.nick().to_owned()).collect::<Vec<_>>().join(",")
    } else if let Some(p) = pspec.downcast_ref::<glib::ParamSpecFlags>() {
        let values = p.flags_class();
        values.values().iter().map(|v| v.nick().to_owned()).collect::<Vec<_>>().join(",")
    } else {
        "-".into()
    }
}

fn default(pspec: &glib::ParamSpec) -> String {
    if let Some((_, value)) = glib::EnumValue::from_value(pspec.default_value()) {
        return value.nick().into();
    }
    let value = pspec.default_value();
    if let Some((_, values)) = glib::FlagsValue::from_value(value) {
        return values.iter().map(|v| v.nick()).collect::<Vec<_>>().join("+");
    }
    match value.get::<Option<String>>() {
        Ok(text) => text.unwrap_or_else(|| "-".into()),
        Err(_) if value.type_() == gst::Structure::static_type() => "-".into(),
        Err(_) => {
            value.transform::<String>().unwrap().get::<String>().unwrap().trim_end_matches(".000000").into()
        }
    }
}

#[test]
fn properties_are_those_of_the_design() {
    let element = faceswap();
    let lines = PROPERTIES.lines().filter(|line| !line.trim().is_empty());
    let table: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
    let own: Vec<glib::ParamSpec> =
        element.list_properties().iter().filter(|p| p.owner_type() == element.type_()).cloned().collect();
    let mut names: Vec<&str> = own.iter().map(|p| p.name()).collect();
    let mut wanted: Vec<&str> = table.iter().map(|row| row[0]).collect();
    names.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(names, wanted);

    for row in &table {
        let [name, kind, value, values, mode] = row[..] else { panic!("{row:?}") };
        let p = element.find_property(name).unwrap();
        let type_name = p.value_type().name();
        assert!(
            type_name == kind || kind == "enum" && type_name.starts_with("GstFaceSwap"),
            "{name}: {type_name}"
        );
        let number = |text: &str| text.parse::<f64>().map_or(text.to_owned(), |n| n.to_string());
        assert_eq!(number(&default(&p)), number(value), "{name}");
        assert_eq!(range(&p), values, "{name}");
        let (controllable, playing, ready) =
            (gst::PARAM_FLAG_CONTROLLABLE, gst::PARAM_FLAG_MUTABLE_PLAYING, gst::PARAM_FLAG_MUTABLE_READY);
        let expected = match mode {
            "C" => controllable | playing,
            "R" => ready,
            _ => glib::ParamFlags::empty(),
        };
        assert_eq!(p.flags() & (controllable | playing | ready), expected, "{name}");
        assert_eq!(p.flags().contains(glib::ParamFlags::WRITABLE), name != "stats", "{name}");
        assert!(p.blurb().is_some_and(|blurb| blurb.len() > 18), "{name} has no useful blurb");
        if name != "stats" && kind != "enum" {
            let now = element.property_value(name);
            assert_eq!(format!("{now:?}"), format!("{:?}", p.default_value()), "{name}");
        }
    }
    assert!(!element.property::<bool>("qos"));
}

#[test]
fn what_is_set_reads_back() {
    let element = faceswap();
    for (name, value) in [
        ("source", "a\\,b.jpg,c.png"),
        ("select", "left-most"),
        ("mask-padding", "1,2.5,0,100"),
        ("opacity", "0.25"),
        ("max-faces", "64"),
        ("deterministic", "true"),
        ("mark", "none"),
    ] {
        element.set_property_from_str(name, value);
        let now = element.property_value(name);
        let text = match glib::EnumValue::from_value(&now) {
            Some((_, v)) => v.nick().to_owned(),
            None => now.transform::<String>().unwrap().get::<String>().unwrap(),
        };
        assert!(text.starts_with(value), "{name}: {text}");
    }
    element.set_property("source", "");
    assert_eq!(element.property::<Option<String>>("source"), None);
}

#[test]
fn wrong_padding_is_a_warning_and_changes_nothing() {
    let element = faceswap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    element.set_property("mask-padding", "1,2,3,4");
    element.set_property("mask-padding", "1,2,x");
    let text = complaint(&bus.pop_filtered(&[gst::MessageType::Warning]).unwrap());
    assert!(text.contains("\"1,2,x\"") && text.contains("top,right,bottom,left"), "{text}");
    assert_eq!(element.property::<String>("mask-padding"), "1,2,3,4");
}

#[test]
fn without_a_source_every_frame_passes_as_the_same_buffer() {
    let sizes = [(1, 1), (2, 3), (17, 5), (641, 479), (1920, 1080)];
    for (format, (width, height)) in FORMATS.into_iter().flat_map(|f| sizes.map(|s| (f, s))) {
        let info = info(format, width, height);
        let mut rig = Rig::new(&info, |e| e.set_property("model-dir", "/nonexistent"));
        let frame = gst::Buffer::with_size(info.size()).unwrap();
        let address = frame.as_ptr();
        assert_eq!(rig.pass(frame).as_ptr(), address, "{format:?} {width}x{height}");
        let shared = gst::Buffer::with_size(info.size()).unwrap();
        assert_eq!(rig.pass(shared.clone()).as_ptr(), shared.as_ptr());
    }
}

#[test]
fn largest_frames_are_negotiated() {
    let info = info(VideoFormat::Nv12, 7680, 4320);
    let mut rig = Rig::new(&info, |_| {});
    rig.pass(gst::Buffer::with_size(info.size()).unwrap());
}

#[test]
fn unknown_frame_rate_and_no_timestamps_pass() {
    let info = builder(VideoFormat::I420, 64, 48).fps(gst::Fraction::new(0, 1)).build().unwrap();
    let mut rig = Rig::new(&info, |_| {});
    assert_eq!(rig.pass(gst::Buffer::with_size(info.size()).unwrap()).pts(), None);
}

#[test]
fn interlaced_frames_pass_and_separate_fields_are_refused() {
    for mode in [VideoInterlaceMode::Interleaved, VideoInterlaceMode::Mixed] {
        let info = builder(VideoFormat::I420, 64, 48).interlace_mode(mode).build().unwrap();
        let mut rig = Rig::new(&info, |_| {});
        rig.pass(gst::Buffer::with_size(info.size()).unwrap());
    }
    let info = builder(VideoFormat::I420, 64, 48).interlace_mode(VideoInterlaceMode::Fields).build().unwrap();
    let mut rig = Rig::new(&info, |_| {});
    let flow = rig.harness.push(gst::Buffer::with_size(info.size()).unwrap());
    assert_eq!(flow, Err(gst::FlowError::NotNegotiated));
    let text = rig.complaint();
    assert!(text.contains("interlace-mode=fields") && text.contains("deinterlace"), "{text}");
}

#[test]
fn other_formats_are_refused() {
    let element = faceswap();
    let sink = element.static_pad("sink").unwrap();
    for format in ["NV21", "Y444", "GRAY8", "P010_10LE", "ARGB"] {
        let caps = gst::Caps::builder("video/x-raw").field("format", format).build();
        assert!(!sink.query_caps(None).can_intersect(&caps), "{format}");
    }
    let gl = "video/x-raw(memory:GLMemory), format=RGBA".parse::<gst::Caps>().unwrap();
    assert!(!sink.query_caps(None).can_intersect(&gl));
}

#[test]
fn caps_may_change_between_frames() {
    let mut rig = Rig::new(&info(VideoFormat::Nv12, 64, 48), |_| {});
    for (format, width, height) in
        [(VideoFormat::Nv12, 64, 48), (VideoFormat::Bgra, 31, 7), (VideoFormat::Uyvy, 1920, 1080)]
    {
        let info = info(format, width, height);
        rig.harness.set_src_caps(info.to_caps().unwrap());
        rig.pass(gst::Buffer::with_size(info.size()).unwrap());
        let caps = rig.element.static_pad("src").unwrap().current_caps().unwrap();
        assert_eq!(VideoInfo::from_caps(&caps).unwrap().width(), width);
    }
}

#[test]
fn events_keep_their_order() {
    let info = info(VideoFormat::I420, 16, 16);
    let mut rig = Rig::new(&info, |_| {});
    let frame = gst::Buffer::with_size(info.size()).unwrap();
    rig.harness.push(stamped(&frame, 0)).unwrap();
    let mut tags = gst::TagList::new();
    tags.make_mut().add::<gst::tags::Title>(&"a title", gst::TagMergeMode::Replace);
    let gap =
        gst::event::Gap::builder(gst::ClockTime::from_mseconds(40)).duration(gst::ClockTime::SECOND).build();
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(5));
    for event in [gst::event::Tag::new(tags), gap, gst::event::Segment::new(&segment), gst::event::Eos::new()]
    {
        assert!(rig.harness.push_event(event));
    }
    let kinds: Vec<gst::EventType> =
        std::iter::from_fn(|| rig.harness.try_pull_event()).map(|e| e.type_()).collect();
    use gst::EventType::*;
    assert_eq!(kinds, [StreamStart, Caps, Segment, Tag, Gap, Segment, Eos]);
}

#[test]
fn frames_that_pass_are_counted_and_reported() {
    let info = info(VideoFormat::I420, 16, 16);
    let mut rig = Rig::new(&info, |e| e.set_property("stats-interval", 1u32));
    let frame = gst::Buffer::with_size(info.size()).unwrap();
    for i in 0..20 {
        rig.pass(stamped(&frame, i));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let stats = rig.element.property::<gst::Structure>("stats");
    assert_eq!(stats.name(), "faceswap-stats");
    for name in ["frames-in", "frames-out"] {
        assert_eq!(stats.get::<u64>(name), Ok(20), "{name}");
    }
    for name in ["frames-swapped", "frames-held", "frames-dropped"] {
        assert_eq!(stats.get::<u64>(name), Ok(0), "{name}");
    }
    let times = [
        "frame-time-mean-ms",
        "frame-time-p95-ms",
        "frame-time-max-ms",
        "detect-ms",
        "landmarks-ms",
        "swap-ms",
        "blend-ms",
    ];
    for name in times {
        assert_eq!(stats.get::<f64>(name), Ok(0.0), "{name}");
    }
    assert!(stats.get::<f64>("fps").unwrap() > 1.0);
    assert_eq!(stats.get::<u32>("faces"), Ok(0));
    assert_eq!(stats.get::<&str>("quality"), Ok("balanced"));
    let messages = rig.messages();
    let posted: Vec<_> =
        messages.iter().filter_map(|m| m.structure()).filter(|s| s.name() == "faceswap-stats").collect();
    assert!(posted.len() > 10, "{} messages", posted.len());
    let last = posted[posted.len() - 1].get::<u64>("running-time").unwrap();
    assert!(last > 0 && last <= 19 * 40_000_000 && last % 40_000_000 == 0, "{last}");
    rig.element.set_property("stats-interval", 0u32);
    rig.pass(stamped(&frame, 20));
    assert!(rig.messages().is_empty());
}

#[test]
fn missing_source_fails_at_the_start_and_is_named() {
    let element = faceswap();
    element.set_property("source", "/nonexistent/face.jpg");
    let error = try_start(&element).unwrap_err();
    assert!(error.contains("/nonexistent/face.jpg: no such file"), "{error}");
    element.set_property("source", None::<&str>);
    assert_eq!(try_start(&element), Ok(()));
}

#[test]
fn missing_model_fails_at_the_start_and_is_named() {
    let source = folder("source").join("face.png");
    image::RgbImage::new(8, 8).save(&source).unwrap();
    let element = faceswap();
    element.set_property("source", source.to_str());
    element.set_property("landmarker-file", "/nonexistent/mesh.onnx");
    element.set_property("detector-file", "/nonexistent/detector.onnx");
    let error = try_start(&element).unwrap_err();
    assert!(error.contains("/nonexistent/detector.onnx"), "{error}");
}

#[test]
fn states_cycle() {
    let element = faceswap();
    for state in [gst::State::Paused, gst::State::Playing, gst::State::Ready, gst::State::Null].repeat(25) {
        element.set_state(state).unwrap();
    }
}

/// The plugin alone in a registry of its own, as an application finds it, and with no model.
#[test]
fn inspect_works_with_nothing_installed() {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let name = format!("{}gstfaceswap{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = [deps.join(&name), deps.join("..").join(&name)].into_iter().find(|p| p.is_file()).unwrap();
    let folder = folder("inspect");
    std::fs::copy(library, folder.join(&name)).unwrap();
    let output = Command::new("gst-inspect-1.0")
        .arg("faceswap")
        .env("GST_PLUGIN_PATH", &folder)
        .env("GST_REGISTRY", folder.join("registry.bin"))
        .env("HOME", &folder)
        .env("XDG_DATA_HOME", &folder)
        .env("ORT_DYLIB_PATH", "/nonexistent")
        .finish();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in PROPERTIES.lines().filter(|line| !line.trim().is_empty()) {
        let name = line.split_whitespace().next().unwrap();
        assert!(text.contains(&format!("\n  {name}")), "{name}");
    }
}
