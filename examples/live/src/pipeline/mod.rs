//! The pipeline behind the window. A thread of its own builds it, changes its state and reads its
//! bus, so that the window never waits; the window sends commands and takes events and frames.

mod build;
mod frames;
mod input;
mod pan;
mod side;
mod telling;
mod worker;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use anyhow::{Context, Result};

pub use frames::{Frames, Shown, packed};
pub use side::{outputs, virtual_cameras};
pub use telling::Stats;

use crate::settings::{InputKind, OutputKind};

/// Everything that a pipeline is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    pub input: InputKind,
    pub camera: String,
    pub file: String,
    /// The element's properties, `source` and `model-file` among them.
    pub properties: Vec<(String, String)>,
}

#[derive(Debug)]
pub enum Command {
    Start(Setup),
    Stop,
    /// Sets a property that may change while playing.
    Set(String, String),
    Output(Option<(OutputKind, String)>),
    /// Records into this file, or ends the recording.
    Record(Option<PathBuf>),
    /// Looks for cameras.
    Look,
}

/// How the pipeline is.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Stage {
    #[default]
    Stopped,
    Starting,
    Running,
    Failed(String),
}

#[derive(Debug)]
pub enum Event {
    Stage(Stage),
    /// A model is being loaded, or no longer.
    Loading(bool),
    Stats(Box<Stats>),
    /// Something worth a toast.
    Note(String),
    Warning(String),
    Error(String),
    Cameras(Vec<String>),
    /// Whether an output runs.
    Output(bool),
    /// The file being written; none when it is finished.
    Recording(Option<PathBuf>),
}

enum Work {
    Command(Command),
    Message(gst::Message),
    Quit,
}

/// What the worker tells the window by.
#[derive(Clone)]
pub struct Teller {
    events: Sender<Event>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Teller {
    pub fn tell(&self, event: Event) {
        // Fails only when the window is gone.
        let _ = self.events.send(event);
        (self.wake)();
    }
}

/// Handle of the worker thread. Dropped, it ends the pipeline and waits for that.
pub struct Pipeline {
    work: Sender<Work>,
    events: Receiver<Event>,
    frames: Arc<Frames>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Pipeline {
    /// `wake` is called whenever there is something new to show.
    pub fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Result<Pipeline> {
        let ((work, todo), (events, told)) = (channel(), channel());
        let frames = Arc::new(Frames::new(wake.clone()));
        let worker = worker::Worker::new(Teller { events, wake }, frames.clone(), work.clone(), todo);
        let thread = thread::Builder::new().name("pipeline".into()).spawn(move || worker.run());
        let thread = thread.context("no thread could be started")?;
        Ok(Pipeline { work, events: told, frames, thread: Some(thread) })
    }

    pub fn send(&self, command: Command) {
        let _ = self.work.send(Work::Command(command));
    }

    /// What happened since the last call.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.events.try_iter()
    }

    pub fn frames(&self) -> &Frames {
        &self.frames
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.work.send(Work::Quit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
