//! SECTION:element-faceswap
//!
//! `faceswap` replaces faces in video with the face of a photo, in place and in real time.
//! Without a source it passes the video through untouched.
//!
//! ## Example launch line
//!
//! ```bash
//! gst-launch-1.0 filesrc location=in.mp4 ! decodebin ! videoconvert ! \
//!     faceswap source=face.jpg ! videoconvert ! x264enc ! mp4mux ! filesink location=out.mp4
//! ```
//!
//! Since: 0.1.0

// Locks: settings, loader, flight, stream, stats, control, monitor, unheard, budget. None is held while another is taken, while waiting,
// while pushing or while posting; the streaming thread takes the stream out of its lock to use it.

use std::{
    sync::{Arc, LazyLock, Mutex, atomic::AtomicU64},
    time::Instant,
};

use glib::prelude::*;
use gst::{prelude::*, subclass::prelude::*};
use gst_base::{
    prelude::*,
    subclass::{
        BaseTransformMode,
        base_transform::{GenerateOutputSuccess, InputBuffer, PrepareOutputBufferSuccess},
        prelude::*,
    },
};
use gst_video::subclass::prelude::*;

use super::{
    flight::Flight,
    frame::{FORMATS, Layout},
    govern::Control,
    job::{Faults, Loaded},
    loader::Loader,
    log::CAT,
    mark,
    pool::Misses,
    settings::{self, Settings},
    stream::Stream,
};
use crate::{
    control::{memory::Budget, monitor::Monitor, stats::Stats},
    models::Interrupter,
    sync::lock,
};

/// The element.
#[derive(Debug, Default)]
pub struct FaceSwap {
    pub(super) settings: Mutex<Settings>,
    pub(super) loader: Mutex<Option<Arc<Loader<Loaded>>>>,
    pub(super) flight: Mutex<Option<Arc<Flight>>>,
    pub(super) stream: Mutex<Option<Box<Stream>>>,
    pub(super) stats: Mutex<Stats>,
    pub(super) control: Mutex<Control>,
    pub(super) monitor: Mutex<Option<Arc<Monitor>>>,
    /// Nanoseconds that frames are held back.
    pub(super) latency: AtomicU64,
    pub(super) faults: Arc<Faults>,
    /// End runs of the swap network and the enhancer, which may take seconds.
    pub(super) interrupters: Mutex<[Option<Interrupter>; 2]>,
    /// What downstream answered to a frame pushed where upstream does not hear it: told with the next.
    pub(super) unheard: Mutex<Option<gst::FlowError>>,
    pub(super) budget: Mutex<Budget>,
    /// What pools could not give.
    pub(super) misses: Misses,
}

impl FaceSwap {
    /// Embeddings that were in the cache, and that were not, since the start.
    pub(super) fn count_cache(&self, (hits, misses): (u64, u64)) {
        lock(&self.stats).cache(hits, misses);
    }

    pub(super) fn loader(&self) -> Option<Arc<Loader<Loaded>>> {
        lock(&self.loader).clone()
    }

    pub(super) fn flight(&self) -> Option<Arc<Flight>> {
        lock(&self.flight).clone()
    }

    /// Runs `change` where there is a stream that no frame is using.
    pub(super) fn with_stream<R>(&self, change: impl FnOnce(&mut Stream) -> R) -> Option<R> {
        lock(&self.stream).as_deref_mut().map(change)
    }

    /// As [`with_stream`](Self::with_stream), for what takes long: without the lock.
    pub(super) fn use_stream<R>(&self, use_it: impl FnOnce(&mut Stream) -> R) -> Result<R, gst::FlowError> {
        let mut stream = lock(&self.stream).take().ok_or(gst::FlowError::Flushing)?;
        let result = use_it(&mut stream);
        *lock(&self.stream) = Some(stream);
        Ok(result)
    }
}

#[glib::object_subclass]
impl ObjectSubclass for FaceSwap {
    const NAME: &'static str = "GstFaceSwap";
    type Type = super::FaceSwap;
    type ParentType = gst_video::VideoFilter;

    fn class_init(_klass: &mut Self::Class) {
        mark::register();
    }
}

impl ObjectImpl for FaceSwap {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::specs);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let name = pspec.name();
        let (result, before, photos) = {
            let mut settings = lock(&self.settings);
            let before = if name == "face-map" { settings.photos() } else { None };
            (settings.set(name, value), before, settings.photos())
        };
        match result {
            Ok(()) => gst::info!(CAT, imp = self, "Property {name} is now {value:?}"),
            Err(e) => gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{e}")),
        }
        if name == "source" || (name == "face-map" && before != photos) {
            self.source_changed(photos.as_deref());
        }
        if matches!(name, "reference" | "face-map")
            && let Some(loader) = self.loader()
        {
            loader.poke();
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let name = pspec.name();
        if name == "stats" {
            return self.statistics().to_value();
        }
        lock(&self.settings).get(name).unwrap_or_else(|| pspec.default_value().clone())
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.obj().set_qos(false);
    }
}

impl GstObjectImpl for FaceSwap {}

impl ElementImpl for FaceSwap {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Face swap",
                "Filter/Effect/Video",
                "Replaces faces in video with the face of a photo",
                "gst-plugin-faceswap authors",
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst_video::VideoCapsBuilder::new().format_list(FORMATS).build();
            [("src", gst::PadDirection::Src), ("sink", gst::PadDirection::Sink)]
                .into_iter()
                .filter_map(|(name, direction)| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
                })
                .collect()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::PausedToReady {
            self.interrupt();
        }
        self.parent_change_state(transition)
    }
}

impl BaseTransformImpl for FaceSwap {
    const MODE: BaseTransformMode = BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        self.set_up()
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.tear_down();
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        let event = self.follow(event);
        self.parent_sink_event(event)
    }

    fn propose_allocation(
        &self,
        decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        self.parent_propose_allocation(decide_query, query)?;
        self.enlarge_pools(query);
        Ok(())
    }

    fn src_event(&self, event: gst::Event) -> bool {
        if let gst::EventView::Qos(qos) = event.view() {
            self.qos(qos);
        }
        self.parent_src_event(event)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Sink && query.is_serialized() {
            self.drain();
        }
        if !BaseTransformImplExt::parent_query(self, direction, query) {
            return false;
        }
        if let (gst::PadDirection::Src, gst::QueryViewMut::Latency(query)) = (direction, query.view_mut()) {
            self.add_latency(query);
        }
        true
    }

    fn before_transform(&self, buffer: &gst::BufferRef) {
        let segment = self.obj().segment();
        let time = segment.downcast_ref::<gst::ClockTime>().and_then(|s| s.to_stream_time(buffer.pts()));
        if let Some(time) = time {
            // Fails only where a control source has no value for this time.
            let _ = self.obj().sync_values(time);
        }
    }

    fn submit_input_buffer(
        &self,
        is_discont: bool,
        buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let unheard = lock(&self.unheard).take();
        if let Some(answer) = unheard {
            return Err(answer);
        }
        let position = self.running_time(&buffer);
        lock(&self.stats).arrived();
        let success = self.parent_submit_input_buffer(is_discont, buffer)?;
        if success == gst_base::BASE_TRANSFORM_FLOW_DROPPED {
            lock(&self.stats).dropped();
            self.with_stream(|stream| stream.gap = true);
            return Ok(gst::FlowSuccess::Ok);
        }
        let in_flight = self.flight().is_some();
        let passes = self.use_stream(|stream| {
            self.prepare(stream)?;
            if in_flight {
                self.enqueue(stream)?;
            }
            Ok(stream.passthrough == Some(true))
        });
        match passes.flatten() {
            Ok(true) => lock(&self.stats).passed(Instant::now()),
            Ok(false) => {}
            Err(e) => {
                drop(self.take_queued_buffer());
                return Err(e);
            }
        }
        self.report(position);
        Ok(success)
    }

    /// With frames in flight, pushes those that are due. The base class would set a discontinuity
    /// of the newest frame on the oldest.
    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        let Some(flight) = self.flight() else { return self.parent_generate_output() };
        let passing = self.with_stream(|stream| stream.passing.take()).flatten();
        // With the newest these are as many at once as allowed.
        self.emit(&flight, if passing.is_some() { 0 } else { flight.depth() - 1 })?;
        if let Some(buffer) = passing {
            self.obj().src_pad().push(buffer)?;
        }
        Ok(GenerateOutputSuccess::NoOutput)
    }

    fn prepare_output_buffer(
        &self,
        buffer: InputBuffer,
    ) -> Result<PrepareOutputBufferSuccess, gst::FlowError> {
        let shared: &gst::BufferRef = match buffer {
            _ if self.obj().is_passthrough() => return Ok(PrepareOutputBufferSuccess::InputBuffer),
            InputBuffer::Writable(own) if own.is_all_memory_writable() => {
                return Ok(PrepareOutputBufferSuccess::InputBuffer);
            }
            InputBuffer::Writable(buffer) => buffer,
            InputBuffer::Readable(buffer) => buffer,
        };
        let copy = self.use_stream(|stream| stream.copy(shared))?;
        copy.map(PrepareOutputBufferSuccess::Buffer).map_err(|e| self.fail(&e))
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.use_stream(|stream| self.swap(stream, buffer))?
            .map(|()| gst::FlowSuccess::Ok)
            .map_err(|e| self.fail(&e))
    }
}

impl VideoFilterImpl for FaceSwap {
    fn set_info(
        &self,
        _incaps: &gst::Caps,
        info: &gst_video::VideoInfo,
        _outcaps: &gst::Caps,
        _out_info: &gst_video::VideoInfo,
    ) -> Result<(), gst::LoggableError> {
        let layout = Layout::new(info).map_err(|reason| {
            gst::element_imp_error!(self, gst::CoreError::Negotiation, ("{reason}"));
            gst::loggable_error!(CAT, "{reason}")
        })?;
        gst::debug!(CAT, imp = self, "Frames are {layout:?}");
        let frame = self.with_stream(|stream| {
            stream.configure(layout);
            stream.frame_duration()
        });
        if let (Some(frame), Some(flight)) = (frame, self.flight()) {
            self.fit_flight(&flight, info);
            self.hold_back(&flight, frame);
        }
        Ok(())
    }
}
