//! Pipelines beside the main one: the recorder and the output. Each gets the swapped frames through an
//! appsrc, and its failure leaves the preview alone.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use gst_video::VideoInfo;

use super::{Event, Frames, Teller, telling};
use crate::settings::OutputKind;

/// Encoders of H.264, best first, with what makes them fit for live use.
const ENCODERS: [&str; 5] = [
    "vtenc_h264 realtime=true allow-frame-reordering=false",
    "nvh264enc preset=low-latency-hq",
    "vah264enc",
    "x264enc tune=zerolatency speed-preset=veryfast bitrate=6000 key-int-max=60",
    "openh264enc bitrate=6000000",
];
/// A recording that is not finished by then is left as it is.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(20);
/// Frames that wait for an encoder; older ones are dropped then.
const WAITING: u64 = 30;

/// The outputs that this machine has the elements for.
pub fn outputs() -> Vec<OutputKind> {
    let has = |factory: &str| gst::ElementFactory::find(factory).is_some();
    let there = |kind: &OutputKind| match kind {
        OutputKind::VirtualCamera => has("v4l2sink") && !virtual_cameras().is_empty(),
        OutputKind::SharedMemory => has("shmsink"),
        OutputKind::Rtp => has("udpsink") && has("rtph264pay") && encoder().is_some(),
        OutputKind::Whip => has("whipclientsink"),
    };
    OutputKind::ALL.into_iter().filter(there).collect()
}

/// Devices of v4l2loopback.
pub fn virtual_cameras() -> Vec<String> {
    let entries = fs::read_dir("/sys/devices/virtual/video4linux").into_iter().flatten().flatten();
    let mut devices: Vec<String> =
        entries.map(|entry| format!("/dev/{}", entry.file_name().to_string_lossy())).collect();
    devices.sort();
    devices
}

fn encoder() -> Option<&'static str> {
    let name = |line: &'static str| line.split(' ').next().unwrap_or_default();
    ENCODERS.into_iter().find(|line| gst::ElementFactory::find(name(line)).is_some())
}

/// What takes the frames.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Output(OutputKind, String),
    Recorder(PathBuf),
}

impl Kind {
    /// That it no longer runs.
    pub fn over(&self) -> Event {
        match self {
            Kind::Recorder(_) => Event::Recording(None),
            Kind::Output(..) => Event::Output(false),
        }
    }
}

pub struct Side {
    id: u64,
    kind: Kind,
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    frames: Arc<Frames>,
    teller: Teller,
}

impl Side {
    /// Starts it; frames follow. Takes a moment.
    ///
    /// # Errors
    /// An element is missing, or the address cannot be used.
    pub fn start(kind: Kind, frames: &Arc<Frames>, teller: &Teller) -> Result<Side> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let source = gst_app::AppSrc::builder()
            .format(gst::Format::Time)
            .is_live(true)
            .max_buffers(WAITING)
            .leaky_type(gst_app::AppLeakyType::Downstream)
            .build();
        let convert = gst::ElementFactory::make("videoconvert").build()?;
        let tail = tail(&kind)?;
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([source.upcast_ref(), &convert, tail.upcast_ref()])?;
        gst::Element::link_many([source.upcast_ref(), &convert, tail.upcast_ref()])?;
        watch(&pipeline, id, &kind, frames, teller);
        if pipeline.set_state(gst::State::Playing).is_err() {
            let told = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
            let _ = pipeline.set_state(gst::State::Null);
            match told.as_ref().map(|message| message.view()) {
                Some(gst::MessageView::Error(error)) => {
                    bail!(telling::fault(&error.error(), error.debug().as_deref()))
                }
                _ => bail!("it could not be started"),
            }
        }
        frames.add(id, feed(&source));
        Ok(Side { id, kind, pipeline, source, frames: frames.clone(), teller: teller.clone() })
    }

    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Ends it on a thread of its own; a recording is finished and gets its name.
    pub fn finish(self) -> thread::JoinHandle<()> {
        self.frames.remove(self.id);
        thread::spawn(move || {
            let finished = self.end();
            match (&self.kind, finished) {
                (Kind::Recorder(path), Ok(())) => {
                    self.teller.tell(Event::Note(format!("Recorded {}", path.display())));
                }
                (_, Ok(())) => {}
                (_, Err(error)) => self.teller.tell(Event::Error(format!("{error:#}"))),
            }
        })
    }

    fn end(&self) -> Result<()> {
        let bus = self.pipeline.bus().context("a pipeline has a bus")?;
        let ended = match &self.kind {
            Kind::Output(..) => true,
            Kind::Recorder(_) => {
                bus.unset_sync_handler();
                let _ = self.source.end_of_stream();
                let last = [gst::MessageType::Eos, gst::MessageType::Error];
                let message = bus.timed_pop_filtered(PATIENCE, &last);
                message.is_some_and(|message| message.type_() == gst::MessageType::Eos)
            }
        };
        let _ = self.pipeline.set_state(gst::State::Null);
        let Kind::Recorder(path) = &self.kind else { return Ok(()) };
        let part = part(path);
        if !ended {
            bail!("{}: the recording could not be finished", part.display());
        }
        fs::rename(&part, path).with_context(|| path.display().to_string())
    }
}

/// Where a recording is written until it is finished.
fn part(path: &Path) -> PathBuf {
    path.with_extension("part")
}

fn tail(kind: &Kind) -> Result<gst::Bin> {
    let h264 = || {
        let encoder = encoder().context("GStreamer has no encoder of H.264: install its ugly plugins")?;
        // Else an encoder may keep RGB's full chroma, which few players can show.
        let format = "capsfilter caps=\"video/x-raw,format=(string){NV12,I420}\"";
        Ok::<String, anyhow::Error>(format!("{format} ! {encoder} ! h264parse config-interval=1"))
    };
    let line = match kind {
        Kind::Recorder(_) => format!("{} ! mp4mux ! filesink name=end", h264()?),
        Kind::Output(OutputKind::VirtualCamera, _) => "v4l2sink name=end sync=false".into(),
        Kind::Output(OutputKind::SharedMemory, _) => {
            "capsfilter caps=video/x-raw,format=I420 ! shmsink name=end wait-for-connection=false sync=false"
                .into()
        }
        Kind::Output(OutputKind::Rtp, _) => {
            format!("{} ! rtph264pay pt=96 ! udpsink name=end sync=false", h264()?)
        }
        Kind::Output(OutputKind::Whip, _) => "whipclientsink name=end".into(),
    };
    let bin = gst::parse::bin_from_description(&line, true)?;
    let end = bin.by_name("end").context("the last element")?;
    match kind {
        Kind::Recorder(path) => {
            let part = part(path);
            let folder = part.parent().filter(|folder| !folder.as_os_str().is_empty());
            folder.map_or(Ok(()), fs::create_dir_all).with_context(|| path.display().to_string())?;
            end.set_property("location", part.to_str().context("not a UTF-8 name")?);
        }
        Kind::Output(OutputKind::VirtualCamera, device) => {
            let first = virtual_cameras().into_iter().next().context("there is no virtual camera")?;
            end.set_property("device", if device.is_empty() { first } else { device.clone() });
        }
        Kind::Output(OutputKind::SharedMemory, path) => end.set_property("socket-path", path),
        Kind::Output(OutputKind::Rtp, address) => {
            let wrong = || format!("{address}: an address is HOST:PORT");
            let (host, port) = address.rsplit_once(':').with_context(wrong)?;
            end.set_property("host", host);
            end.set_property("port", i32::from(port.parse::<u16>().with_context(wrong)?));
        }
        Kind::Output(OutputKind::Whip, address) => {
            let proxy =
                end.dynamic_cast_ref::<gst::ChildProxy>().context("whipclientsink has a signaller")?;
            proxy.set_child_property("signaller::whip-endpoint", address);
        }
    }
    Ok(bin)
}

/// Tells of its errors while it runs, and takes its frames away then.
fn watch(pipeline: &gst::Pipeline, id: u64, kind: &Kind, frames: &Arc<Frames>, teller: &Teller) {
    let Some(bus) = pipeline.bus() else { return };
    let (kind, frames, teller) = (kind.clone(), Arc::downgrade(frames), teller.clone());
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::Error(error) = message.view() {
            if let Some(frames) = frames.upgrade() {
                frames.remove(id);
            }
            let what = match &kind {
                Kind::Recorder(path) => format!("Recording {}", path.display()),
                Kind::Output(kind, address) => format!("{} {address}", kind.label()),
            };
            let said = telling::fault(&error.error(), error.debug().as_deref());
            teller.tell(Event::Error(format!("{what}: {said}")));
            teller.tell(kind.over());
        }
        gst::BusSyncReply::Pass
    });
}

/// Hands frames to the appsrc, in times that start at 0 and never go back.
fn feed(source: &gst_app::AppSrc) -> super::frames::Tap {
    #[derive(Default)]
    struct Times {
        caps: Option<VideoInfo>,
        offset: Option<i128>,
        last: i128,
    }
    let (source, times) = (source.clone(), Mutex::new(Times::default()));
    Box::new(move |buffer, info, time| {
        let Ok(mut times) = times.lock() else { return };
        if times.caps.as_ref() != Some(info) {
            source.set_caps(info.to_caps().ok().as_ref());
            times.caps = Some(info.clone());
        }
        let usual = buffer.duration().map_or(33_000_000, |duration| i128::from(duration.nseconds()));
        let time = i128::from(time.nseconds());
        let offset = *times.offset.get_or_insert(time);
        let mut at = time - offset;
        if at < times.last || at > times.last + i128::from(Duration::from_secs(5).as_nanos() as u64) {
            at = times.last + usual;
            times.offset = Some(time - at);
        }
        times.last = at;
        let mut copy = buffer.copy();
        if let Some(copy) = copy.get_mut() {
            copy.set_pts(gst::ClockTime::from_nseconds(at as u64));
            copy.set_dts(gst::ClockTime::NONE);
        }
        // Refused once the side pipeline has failed, which it tells itself.
        let _ = source.push_buffer(copy);
    })
}
