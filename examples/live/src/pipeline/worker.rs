//! The thread that owns the pipeline.

use std::sync::{
    Arc,
    mpsc::{Receiver, Sender},
};

use gst::prelude::*;
use gstfaceswap::control::platform::{Platform, platform};

use super::{
    Command, Event, Frames, Setup, Stage, Teller, Work,
    build::{self, Built},
    input::cameras,
    side::{Kind, Side},
    telling,
};
use crate::settings::InputKind;

pub(super) struct Worker {
    teller: Teller,
    frames: Arc<Frames>,
    work: Sender<Work>,
    todo: Receiver<Work>,
    platform: Box<dyn Platform>,
    built: Option<Built>,
    input: InputKind,
    stage: Stage,
    recorder: Option<Side>,
    output: Option<Side>,
}

impl Worker {
    pub fn new(teller: Teller, frames: Arc<Frames>, work: Sender<Work>, todo: Receiver<Work>) -> Worker {
        Worker {
            teller,
            frames,
            work,
            todo,
            platform: platform(),
            built: None,
            input: InputKind::Test,
            stage: Stage::Stopped,
            recorder: None,
            output: None,
        }
    }

    pub fn run(mut self) {
        while let Ok(work) = self.todo.recv() {
            match work {
                Work::Command(command) => self.obey(command),
                Work::Message(message) => self.hear(&message),
                Work::Quit => break,
            }
        }
        self.stop();
        let sides = self.recorder.take().into_iter().chain(self.output.take());
        for finishing in sides.map(Side::finish).collect::<Vec<_>>() {
            let _ = finishing.join();
        }
    }

    fn enter(&mut self, stage: Stage) {
        if self.stage != stage {
            self.stage = stage.clone();
            self.teller.tell(Event::Stage(stage));
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Start(setup) => self.start(&setup),
            Command::Stop => {
                self.stop();
                self.enter(Stage::Stopped);
            }
            Command::Set(name, value) => {
                let Some(built) = &self.built else { return };
                if let Err(error) = build::set(&built.swap, &name, &value) {
                    self.teller.tell(Event::Warning(format!("{error:#}")));
                }
            }
            Command::Output(target) => {
                finish(&self.teller, &mut self.output);
                self.output = target.and_then(|(kind, address)| self.side(Kind::Output(kind, address)));
                if self.output.is_some() {
                    self.teller.tell(Event::Output(true));
                }
            }
            Command::Record(path) => {
                finish(&self.teller, &mut self.recorder);
                self.recorder = path.clone().and_then(|path| self.side(Kind::Recorder(path)));
                if self.recorder.is_some() {
                    self.teller.tell(Event::Recording(path));
                }
            }
            Command::Look => self.teller.tell(Event::Cameras(cameras())),
        }
    }

    fn side(&self, kind: Kind) -> Option<Side> {
        let side = Side::start(kind, &self.frames, &self.teller);
        side.map_err(|error| self.teller.tell(Event::Error(format!("{error:#}")))).ok()
    }

    fn start(&mut self, setup: &Setup) {
        self.stop();
        self.enter(Stage::Starting);
        let built = match build::build(setup, &self.frames) {
            Ok(built) => built,
            Err(error) => return self.enter(Stage::Failed(format!("{error:#}"))),
        };
        self.input = setup.input;
        if let Some(bus) = built.pipeline.bus() {
            let work = self.work.clone();
            bus.set_sync_handler(move |_, message| {
                let _ = work.send(Work::Message(message.clone()));
                gst::BusSyncReply::Drop
            });
        }
        let refused = built.pipeline.set_state(gst::State::Playing).is_err();
        self.built = Some(built);
        if refused {
            // Why follows on the bus.
            self.enter(Stage::Failed("The pipeline does not start.".into()));
        }
    }

    fn stop(&mut self) {
        if let Some(built) = self.built.take() {
            let _ = built.pipeline.set_state(gst::State::Null);
            if let Some(bus) = built.pipeline.bus() {
                bus.unset_sync_handler();
            }
        }
        self.frames.clear();
        self.teller.tell(Event::Loading(false));
    }

    fn hear(&mut self, message: &gst::Message) {
        use gst::MessageView;
        let Some(built) = &self.built else { return };
        let is_own = message
            .src()
            .is_some_and(|source| *source == built.pipeline || source.has_as_ancestor(&built.pipeline));
        if !is_own {
            return;
        }
        match message.view() {
            MessageView::Error(error) => {
                let said = telling::fault(&error.error(), error.debug().as_deref());
                self.stop();
                self.enter(Stage::Failed(said));
            }
            MessageView::Warning(warning) => {
                let said = telling::fault(&warning.error(), warning.debug().as_deref());
                self.teller.tell(Event::Warning(said));
            }
            MessageView::Eos(_) if self.input == InputKind::File => {
                let again = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
                if built.pipeline.seek_simple(again, gst::ClockTime::ZERO).is_err() {
                    self.stop();
                    self.enter(Stage::Stopped);
                    self.teller.tell(Event::Note("The video has ended.".into()));
                }
            }
            MessageView::Eos(_) => {
                self.stop();
                self.enter(Stage::Failed("The input has ended.".into()));
            }
            MessageView::StateChanged(change)
                if change.current() == gst::State::Playing && telling::is_from(message, &built.pipeline) =>
            {
                self.enter(Stage::Running);
            }
            MessageView::Latency(_) => _ = built.pipeline.recalculate_latency(),
            MessageView::Progress(progress) => self.teller.tell(Event::Loading(telling::loading(progress))),
            MessageView::Element(element) => {
                let event = element.structure().and_then(|said| telling::event(said, &mut *self.platform));
                event.into_iter().for_each(|event| self.teller.tell(event));
            }
            _ => {}
        }
    }
}

/// Ends it in the background.
fn finish(teller: &Teller, side: &mut Option<Side>) {
    if let Some(side) = side.take() {
        teller.tell(side.kind().over());
        side.finish();
    }
}
