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
    path::PathBuf,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
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
    choice::Neural,
    flight::Flight,
    frame::{FORMATS, Layout},
    govern::Control,
    job::{self, Load, Loaded, Networks},
    loader::Loader,
    log::{self, CAT},
    mark,
    mark::{StreamTags, Used},
    pool::Misses,
    settings::{self, Settings},
    stream::Stream,
};
use crate::{
    control::{memory::Budget, monitor::Monitor, platform::give_back_memory, stats::Stats},
    models::Interrupter,
    sync::lock,
};

/// The element.
#[derive(Debug, Default)]
pub struct FaceSwap {
    pub(super) settings: Mutex<Settings>,
    loader: Mutex<Option<Arc<Loader<Loaded>>>>,
    flight: Mutex<Option<Arc<Flight>>>,
    stream: Mutex<Option<Box<Stream>>>,
    pub(super) stats: Mutex<Stats>,
    pub(super) control: Mutex<Control>,
    pub(super) monitor: Mutex<Option<Arc<Monitor>>>,
    /// Nanoseconds that frames are held back.
    latency: AtomicU64,
    pub(super) faults: Arc<Faults>,
    /// End runs of the swap network and the enhancer, which may take seconds.
    interrupters: Mutex<[Option<Interrupter>; 2]>,
    /// What downstream answered to a frame pushed where upstream does not hear it: told with the next.
    unheard: Mutex<Option<gst::FlowError>>,
    pub(super) budget: Mutex<Budget>,
    /// What pools could not give.
    pub(super) misses: Misses,
}

/// What failed on a frame, and is to run on the CPU from now on.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub network: AtomicBool,
    pub enhancer: AtomicBool,
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

    /// A network was handed to the engine.
    pub(super) fn network_started(&self, interrupter: Interrupter) {
        lock(&self.interrupters)[0] = Some(interrupter);
    }

    /// As [`network_started`](Self::network_started), of the enhancer.
    pub(super) fn enhancer_started(&self, interrupter: Interrupter) {
        lock(&self.interrupters)[1] = Some(interrupter);
    }

    /// Ends waiting for a source, for frames in flight, or for a network.
    fn interrupt(&self) {
        lock(&self.interrupters).iter().flatten().for_each(Interrupter::interrupt);
        if let Some(loader) = self.loader() {
            loader.interrupt();
        }
        if let Some(flight) = self.flight() {
            flight.interrupt();
        }
    }

    /// Lets waiting be again, after a flush.
    fn resume(&self) {
        lock(&self.interrupters).iter().flatten().for_each(Interrupter::resume);
        if let Some(flight) = self.flight() {
            flight.discard();
            flight.resume();
        }
        *lock(&self.unheard) = None;
        if let Some(loader) = self.loader() {
            loader.resume();
        }
    }

    /// Pushes all frames in flight, so that what follows does not overtake them.
    fn drain(&self) {
        if let Some(flight) = self.flight()
            && let Err(e) = self.emit(&flight, 0)
        {
            self.answer_later(e);
        }
    }

    /// Keeps what downstream answered until upstream can be told. Some elements say a thing once.
    pub(super) fn answer_later(&self, answer: gst::FlowError) {
        // A flush tells upstream itself, and ends.
        if answer != gst::FlowError::Flushing {
            lock(&self.unheard).get_or_insert(answer);
        }
    }

    pub(super) fn latency(&self) -> gst::ClockTime {
        gst::ClockTime::from_nseconds(self.latency.load(Ordering::Relaxed))
    }

    /// Tells the pipeline of a latency that is not the one it knows.
    fn update_latency(&self, latency: Duration) {
        let latency = latency.as_nanos() as u64;
        if self.latency.swap(latency, Ordering::Relaxed) != latency {
            gst::info!(CAT, imp = self, "Latency is now {}", gst::ClockTime::from_nseconds(latency));
            let message = gst::message::Latency::builder().src(&*self.obj()).build();
            // Without a bus there is nobody to tell.
            let _ = self.obj().post_message(message);
        }
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

    /// Tells the worker of a new `source`.
    fn source_changed(&self, source: Option<&str>) {
        let Some(loader) = self.loader() else { return };
        match source {
            Some(list) => loader.request(list),
            None => loader.cancel(),
        }
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
        log::route_runtime();
        let settings = lock(&self.settings).clone();
        let search = settings.search();
        let photos = settings.photos();
        if let Some(list) = &photos {
            let neural =
                settings.neural().map_err(|e| gst::error_msg!(gst::LibraryError::Settings, ("{e}")))?;
            let (reference, map) = (settings.reference.as_deref(), settings.face_map.as_deref());
            job::check(list, &search, neural.as_ref(), reference, map).map_err(|e| e.to_start_error())?;
        }
        let neural = settings.neural().unwrap_or_default();
        self.set_budget(settings.max_memory);
        let neural = neural.map(|neural| Neural { batch: self.fit_batch(neural.batch), ..neural });
        self.faults.network.store(false, Ordering::Relaxed);
        self.faults.enhancer.store(false, Ordering::Relaxed);
        let cache = settings.model_cache_dir.as_ref().map(PathBuf::from);
        let networks = Networks { cache, swap: neural.clone(), enhancer: settings.enhancer() };
        let faults = self.faults.clone();
        let job = Load::new(&self.obj(), search, settings.threads as usize, networks, faults);
        let loader = Loader::spawn(job).map_err(|e| {
            gst::error_msg!(gst::ResourceError::Failed, ("no thread for loading models: {e}"))
        })?;
        if let Some(list) = &photos {
            loader.require(list);
        }
        (*lock(&self.interrupters), *lock(&self.unheard)) = ([None, None], None);
        *lock(&self.stats) = Stats::default();
        self.start_control();
        self.misses.store(0, Ordering::Relaxed);
        let used = neural.as_ref().map_or(Used::Mesh, |neural| neural.usage.engine());
        let flight = match settings.max_in_flight {
            0 => None,
            depth => {
                // While as many are in flight, others wait for their faces to share a run.
                let sharing = neural.as_ref().map_or(0, |neural| neural.frames_waiting());
                Some(Arc::new(Flight::new(depth as usize + sharing, self.misses.clone())))
            }
        };
        *lock(&self.flight) = flight.clone();
        *lock(&self.stream) = Some(Box::new(Stream::new(flight, used, self.misses.clone())));
        self.latency.store(0, Ordering::Relaxed);
        *lock(&self.loader) = Some(Arc::new(loader));
        let newest = lock(&self.settings).photos();
        if newest != photos {
            self.source_changed(newest.as_deref());
        }
        gst::info!(CAT, imp = self, "Started with {settings:?}");
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let loader = lock(&self.loader).take();
        let stream = lock(&self.stream).take();
        let flight = lock(&self.flight).take();
        drop((loader, stream, flight));
        give_back_memory();
        self.stop_control();
        gst::info!(CAT, imp = self, "Stopped");
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if event.is_serialized() && event.type_() != gst::EventType::FlushStop {
            self.drain();
        }
        let event = match event.view() {
            gst::EventView::FlushStart(_) => {
                self.interrupt();
                event
            }
            gst::EventView::FlushStop(_) => {
                self.resume();
                self.with_stream(Stream::reset);
                event
            }
            gst::EventView::Eos(_) => {
                *lock(&self.unheard) = None;
                self.report_last();
                event
            }
            gst::EventView::StreamStart(_) => {
                *lock(&self.unheard) = None;
                self.with_stream(|stream| stream.tags = StreamTags::new(stream.used));
                event
            }
            gst::EventView::Tag(_) => {
                let mut stream = lock(&self.stream);
                match stream.as_deref_mut() {
                    Some(stream) => stream.tags.pass(event),
                    None => event,
                }
            }
            _ => event,
        };
        self.parent_sink_event(event)
    }

    fn propose_allocation(
        &self,
        decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        self.parent_propose_allocation(decide_query, query)?;
        // Frames in flight are held as well; upstream's pool must not run dry.
        let held = self.flight().map_or(0, |flight| flight.depth() as u32);
        let pools: Vec<_> = query.allocation_pools().enumerate().collect();
        for (index, (pool, size, min, max)) in pools.into_iter().filter(|_| held > 0) {
            let max = if max == 0 { 0 } else { max + held };
            query.set_nth_allocation_pool(index as u32, pool.as_ref(), size, min + held, max);
        }
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
            let own = self.latency();
            let (live, min, max) = query.result();
            query.set(live, min + own, max.map(|max| max + own));
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
            let hold = frame * flight.depth() as u32;
            flight.set_hold(hold);
            self.update_latency(hold);
        }
        Ok(())
    }
}
