//! What the streaming thread does with one frame.

use std::time::{Duration, Instant};

use gst::{prelude::*, subclass::prelude::*};
use gst_base::prelude::*;

use super::{
    Deterministic, Mark,
    imp::FaceSwap,
    job::Loaded,
    loader::Next,
    log::CAT,
    mark, messages, settings,
    stream::{Stream, SwapError},
};
use crate::sync::lock;
use crate::{control::stats::Processed, engine::Report};

impl FaceSwap {
    /// Before each frame: takes what the worker has ready, waits for the first source, and decides
    /// whether the frame is touched at all.
    pub(super) fn prepare(&self, stream: &mut Stream) -> Result<(), gst::FlowError> {
        let loader = self.loader().ok_or(gst::FlowError::Flushing)?;
        let next = loader.next();
        // Read after the wait, which a change of `source` may have ended.
        let (wanted, idle) = {
            let settings = lock(&self.settings);
            (settings.source.is_some(), settings.params.opacity <= 0.0 && !settings.meta)
        };
        match next {
            Next::Ready(loaded) => loader.recycle(stream.install(loaded)),
            Next::Nothing => {}
            Next::Interrupted => return Err(gst::FlowError::Flushing),
            Next::Failed => return Err(gst::FlowError::Error),
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
        stream.begun = Some(Instant::now());
        Ok(())
    }

    pub(super) fn swap(&self, stream: &mut Stream, buffer: &mut gst::BufferRef) -> Result<(), SwapError> {
        let begun = stream.begun.take().unwrap_or_else(Instant::now);
        let (mut params, mark, meta, deterministic) = {
            let s = lock(&self.settings);
            (s.params, s.mark, s.meta, s.deterministic)
        };
        params.label = mark == Mark::Visible;
        params.deterministic = match deterministic {
            Deterministic::Auto => !*stream.live.get_or_insert_with(|| self.upstream_is_live()),
            chosen => chosen == Deterministic::True,
        };
        let position = self.running_time(buffer);
        let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);
        let time = stream.advance(position, discont);
        let size = stream.layout.as_ref().map(|l| (l.info.width(), l.info.height()));
        let origin = stream.origin.clone();
        let report = stream.swap(buffer, &params, time)?;
        let marked = report.altered && mark != Mark::None;
        if marked && let Err(e) = mark::mark(buffer, report, &origin) {
            gst::warning!(CAT, imp = self, "Marking the frame: {e}");
        }
        if meta && let Some((width, height)) = size {
            mark::regions(buffer, &report.faces, width, height);
        }
        self.count(report, begun.elapsed());
        for face in &report.faces {
            if let Some(event) = face.event {
                messages::post(&self.obj(), messages::face(face, event), position);
            }
        }
        if marked && let Some(event) = stream.tags.first_mark() {
            self.obj().src_pad().push_event(event);
        }
        Ok(())
    }

    fn count(&self, report: &Report, elapsed: Duration) {
        let frame = Processed {
            elapsed,
            times: report.times,
            faces: report.faces.iter().filter(|face| !face.landmarks.is_empty()).count() as u32,
            swapped: report.swapped > 0,
            held: report.held > 0,
        };
        lock(&self.stats).processed(&frame, Instant::now());
    }

    /// Posts `faceswap-stats` when it is due.
    pub(super) fn report(&self, position: Option<gst::ClockTime>) {
        let (interval, quality) = {
            let s = lock(&self.settings);
            (s.stats_interval, s.params.quality)
        };
        let period = if interval == 0 { settings::DEFAULT_STATS_INTERVAL } else { interval };
        let snapshot = {
            let mut stats = lock(&self.stats);
            let due = stats.roll(Instant::now(), Duration::from_millis(period.into()));
            (due && interval > 0).then(|| stats.snapshot())
        };
        if let Some(snapshot) = snapshot {
            messages::post(&self.obj(), messages::stats(&snapshot, quality), position);
        }
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
