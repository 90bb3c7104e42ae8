//! What events do to the stream: a flush ends all waiting, and what is serialized does not overtake
//! frames in flight.

use super::{imp::FaceSwap, mark::StreamTags, stream::Stream};
use crate::{models::Interrupter, sync::lock};

impl FaceSwap {
    /// Acts on an event from upstream; what is to be passed on.
    pub(super) fn follow(&self, event: gst::Event) -> gst::Event {
        if event.is_serialized() && event.type_() != gst::EventType::FlushStop {
            self.drain();
        }
        match event.view() {
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
        }
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
    pub(super) fn interrupt(&self) {
        lock(&self.interrupters).iter().flatten().for_each(Interrupter::interrupt);
        if let Some(loader) = self.loader() {
            loader.interrupt();
        }
        if let Some(flight) = self.flight() {
            flight.interrupt();
        }
    }

    /// Lets waiting be again, after a flush.
    pub(super) fn resume(&self) {
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
    pub(super) fn drain(&self) {
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
}
