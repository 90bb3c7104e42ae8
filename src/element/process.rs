//! What the streaming thread does with one frame.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use gst::{prelude::*, subclass::prelude::*};
use gst_base::{prelude::*, subclass::prelude::*};

use super::{
    Deterministic, Mark,
    flight::{Flight, Next},
    imp::FaceSwap,
    job::Loaded,
    loader,
    log::CAT,
    mark, messages,
    pending::{Pending, Ticket},
    stream::{Stream, SwapError},
};
use crate::{
    control::stats::Processed,
    engine::{Fault, Params, Report},
    models::Provider,
    sync::lock,
};

/// What a frame cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    /// From its arrival until it was finished.
    pub elapsed: Duration,
    /// In the stage that bounds the rate.
    pub busy: Duration,
    /// Frames still in flight.
    pub queue: usize,
}

impl FaceSwap {
    /// Before each frame: takes what the worker has ready, waits for the first source, and decides
    /// whether the frame is touched at all.
    pub(super) fn prepare(&self, stream: &mut Stream) -> Result<(), gst::FlowError> {
        let loader = self.loader().ok_or(gst::FlowError::Flushing)?;
        let next = loader.next();
        // Read after the wait, which a change of `source` may have ended.
        let (wanted, idle) = {
            let settings = lock(&self.settings);
            (settings.is_wanted(), settings.params.opacity <= 0.0 && !settings.meta)
        };
        match next {
            loader::Next::Ready(loaded) => match stream.install(loaded, self.release()) {
                Ok(old) => loader.recycle(old),
                Err(e) => return Err(self.fail(&e)),
            },
            loader::Next::Nothing => {}
            loader::Next::Interrupted => return Err(gst::FlowError::Flushing),
            loader::Next::Failed => return Err(gst::FlowError::Error),
        }
        if !wanted && let Some(old) = stream.source.take() {
            loader.recycle(Loaded { engine: None, source: Some(old), origin: None });
        }
        let passthrough = idle || stream.source.is_none();
        if stream.passthrough != Some(passthrough) {
            gst::debug!(CAT, imp = self, "Passing frames through: {passthrough}");
            self.obj().set_passthrough(passthrough);
            stream.passthrough = Some(passthrough);
            stream.reset();
        }
        // Where the output must be repeatable, no frame may depend on how soon a network or a reference
        // is there.
        if !passthrough && self.is_deterministic(stream) {
            if !loader.settle() {
                return Err(gst::FlowError::Flushing);
            }
            if loader.is_failed() {
                return Err(gst::FlowError::Error);
            }
        }
        stream.begun = Some(Instant::now());
        Ok(())
    }

    fn is_deterministic(&self, stream: &mut Stream) -> bool {
        let chosen = lock(&self.settings).deterministic;
        match chosen {
            Deterministic::Auto => !*stream.live.get_or_insert_with(|| self.upstream_is_live()),
            chosen => chosen == Deterministic::True,
        }
    }

    /// As [`is_deterministic`](Self::is_deterministic), from any thread, as far as can be known.
    pub(super) fn is_repeatable(&self) -> bool {
        let known = self.with_stream(|stream| stream.live).flatten();
        let chosen = lock(&self.settings).deterministic;
        match chosen {
            Deterministic::Auto => !known.unwrap_or_else(|| self.upstream_is_live()),
            chosen => chosen == Deterministic::True,
        }
    }

    /// Time that a frame has.
    pub(super) fn frame_period(&self) -> Duration {
        let (target, usual) = {
            let settings = lock(&self.settings);
            (settings.target_fps, settings.params.quality.target_fps())
        };
        let period = self.with_stream(|stream| stream.period(target, usual));
        period.unwrap_or_else(|| Duration::from_secs(1) / if target > 0 { target } else { usual })
    }

    /// Pixels a side that a face is brought to for the network; 0: its own.
    pub(super) fn pixel_boost(&self) -> usize {
        lock(&self.settings).params.pixel_boost
    }

    /// What holds for a frame that is to be swapped, and its position in the stream.
    fn arrival(&self, stream: &mut Stream, buffer: &gst::BufferRef) -> (Ticket, Params, Duration) {
        let (mut params, mark, meta, auto_quality, target_fps) = {
            let s = lock(&self.settings);
            let params = Params { mapped_only: s.source.is_none(), ..s.params };
            (params, s.mark, s.meta, s.auto_quality, s.target_fps)
        };
        params.label = mark == Mark::Visible;
        params.deterministic = self.is_deterministic(stream);
        let position = self.running_time(buffer);
        let period = || stream.period(target_fps, params.quality.target_fps());
        let pace = (!params.deterministic).then(period);
        let governed = pace.filter(|_| auto_quality);
        params.effort = self.effort(governed.is_some(), position);
        let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);
        let time = stream.advance(position, discont);
        let begun = stream.begun.take().unwrap_or_else(Instant::now);
        let size = stream.layout.as_ref().map_or((0, 0), |l| (l.info.width(), l.info.height()));
        let origin = stream.origin.clone();
        let pixel_boost = params.pixel_boost;
        (Ticket { position, begun, mark, meta, pace, governed, pixel_boost, origin, size }, params, time)
    }

    /// Swaps a frame now.
    pub(super) fn swap(&self, stream: &mut Stream, buffer: &mut gst::BufferRef) -> Result<(), SwapError> {
        let (ticket, params, time) = self.arrival(stream, buffer);
        let report = stream.swap(buffer, &params, time)?;
        let elapsed = ticket.begun.elapsed();
        let marked = self.depart(buffer, report, &ticket, Spent { elapsed, busy: elapsed, queue: 0 });
        if marked && let Some(event) = stream.tags.first_mark() {
            self.obj().src_pad().push_event(event);
        }
        Ok(())
    }

    /// Lets a frame join those in flight, or remembers that it is to pass untouched.
    pub(super) fn enqueue(&self, stream: &mut Stream) -> Result<(), gst::FlowError> {
        let Some(mut buffer) = self.take_queued_buffer() else { return Ok(()) };
        if std::mem::take(&mut stream.gap) {
            buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
        }
        if stream.passthrough == Some(true) {
            stream.passing = Some(buffer);
            return Ok(());
        }
        let own = buffer.is_writable() && buffer.is_all_memory_writable();
        let submitted = (|| {
            let buffer = if own { buffer } else { stream.copy(&buffer)? };
            let (ticket, params, time) = self.arrival(stream, &buffer);
            stream.submit(buffer, ticket, params, time)
        })();
        submitted.map_err(|e| self.fail(&e))
    }

    /// Pushes finished frames until at most `keep` are in flight, waiting for them.
    ///
    /// # Errors
    /// The first frame's that failed or was not wanted downstream.
    pub(super) fn emit(&self, flight: &Flight, keep: usize) -> Result<(), gst::FlowError> {
        let mut result = Ok(());
        loop {
            match flight.next(keep) {
                Next::Idle => return result,
                Next::Interrupted => return result.and(Err(gst::FlowError::Flushing)),
                Next::Done(pending) => result = result.and(self.push(flight, pending)),
            }
        }
    }

    /// Pushes overdue frames, when called on any thread but the streaming one.
    fn release(&self) -> impl Fn() + Send + use<> {
        let element = self.obj().downgrade();
        move || {
            let Some(element) = element.upgrade() else { return };
            let own = element.imp();
            let Some(flight) = own.flight() else { return };
            let _streaming = element.sink_pad().stream_lock();
            while let Some(pending) = flight.next_overdue() {
                if let Err(e) = own.push(&flight, pending) {
                    own.answer_later(e);
                }
            }
        }
    }

    /// Finishes and pushes a frame that has left the flight.
    fn push(&self, flight: &Flight, mut pending: Box<Pending>) -> Result<(), gst::FlowError> {
        let finished = self.finish(&mut pending, flight);
        flight.recycle(pending);
        match finished {
            Ok(Some(buffer)) => self.obj().src_pad().push(buffer).map(|_| ()),
            Ok(None) => Ok(()),
            Err(e) => {
                flight.discard();
                Err(self.fail(&e))
            }
        }
    }

    /// What is left to do on a frame that the workers have finished.
    fn finish(&self, pending: &mut Pending, flight: &Flight) -> Result<Option<gst::Buffer>, SwapError> {
        std::mem::replace(&mut pending.result, Ok(()))?;
        let (Some(task), Some(mut buffer)) = (pending.task.take(), pending.buffer.take()) else {
            return Ok(None);
        };
        let ended = pending.ended.unwrap_or_else(Instant::now);
        let elapsed = ended.saturating_duration_since(task.ticket.begun);
        let spent = Spent { elapsed, busy: pending.busy, queue: flight.len() };
        let marked = self.depart(buffer.make_mut(), &pending.report, &task.ticket, spent);
        let event = if marked { self.with_stream(|s| s.tags.first_mark()).flatten() } else { None };
        if let Some(event) = event {
            self.obj().src_pad().push_event(event);
        }
        Ok(Some(buffer))
    }

    /// Marks a swapped frame, counts it and tells of its faces; whether it was marked.
    fn depart(&self, buffer: &mut gst::BufferRef, report: &Report, ticket: &Ticket, spent: Spent) -> bool {
        let marked = report.altered && ticket.mark != Mark::None;
        if marked && let Err(e) = mark::mark(buffer, report, &ticket.origin) {
            gst::warning!(CAT, imp = self, "Marking the frame: {e}");
        }
        if ticket.meta {
            mark::regions(buffer, &report.faces, ticket.size.0, ticket.size.1);
        }
        if let Some(fault) = &report.fault {
            self.network_failed(fault);
        }
        if let Some(fault) = &report.enhancer_fault {
            self.enhancer_failed(fault);
        }
        self.count(report, &spent);
        self.govern(ticket, &spent);
        self.reconsider(report, ticket);
        for face in &report.faces {
            if let Some(event) = face.event {
                messages::post(&self.obj(), messages::face(face, event), ticket.position);
            }
        }
        marked
    }

    /// Tells the user that the mesh engine has taken over, and asks for the network on the CPU.
    fn network_failed(&self, Fault { error, provider }: &Fault) {
        let until =
            if *provider == Provider::Cpu { "from now on" } else { "until the network runs on the CPU" };
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Failed,
            ("{error}; the mesh engine swaps {until}")
        );
        self.engine_lost();
        self.faults.network.store(true, Ordering::Relaxed);
        if let Some(loader) = self.loader() {
            loader.poke();
        }
    }

    /// Tells the user that faces stay as the swap leaves them, and asks for the enhancer on the CPU.
    fn enhancer_failed(&self, Fault { error, provider }: &Fault) {
        let until =
            if *provider == Provider::Cpu { "from now on" } else { "until the enhancer runs on the CPU" };
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Failed,
            ("{error}; faces are not enhanced {until}")
        );
        self.faults.enhancer.store(true, Ordering::Relaxed);
        if let Some(loader) = self.loader() {
            loader.poke();
        }
    }

    fn count(&self, report: &Report, spent: &Spent) {
        let frame = Processed {
            elapsed: spent.elapsed,
            queue: spent.queue as u32,
            times: report.times,
            faces: report.faces.iter().filter(|face| !face.landmarks.is_empty()).count() as u32,
            swapped: report.swapped > 0,
            held: report.held > 0,
            network: report.network.as_ref().map(|facts| (facts.provider, facts.batch)),
            network_time: report.network_time,
            network_runs: report.network_runs,
            network_images: report.network_images,
            hybrid: report.hybrid,
        };
        lock(&self.stats).processed(&frame, Instant::now());
    }

    pub(super) fn running_time(&self, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
        let segment = self.obj().segment();
        segment.downcast_ref::<gst::ClockTime>()?.to_running_time(buffer.pts())
    }

    fn upstream_is_live(&self) -> bool {
        let mut query = gst::query::Latency::new();
        let live = self.obj().sink_pad().peer_query(&mut query) && query.result().0;
        gst::info!(CAT, imp = self, "Upstream is live: {live}");
        live
    }

    /// Posts an element error.
    pub(super) fn fail(&self, error: &SwapError) -> gst::FlowError {
        if matches!(error, SwapError::Panicked(_)) {
            let _ = self.use_stream(Stream::lose_engine);
        }
        gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
        gst::FlowError::Error
    }
}
