//! A run without hands, for tests and for pictures: one step a line, `#` begins a comment.
//!
//! `key NAME`, `text WORDS`, `drop PATH`, `input camera|file|test`, `set PROPERTY VALUE`, `theme dark|light`,
//! `output KIND ADDRESS`,
//! `wait running|stopped|failed|loaded|swapped|toast|recorded|sending|silent`, `frames COUNT`, `rest FRAMES`, `shot PATH`, `tell`.
//! A step that does not come true within two minutes ends the run with an error.

use std::{
    collections::VecDeque,
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use eframe::egui::{self, ColorImage, Event, Key, Modifiers, RawInput, ViewportCommand};

use crate::{
    app::App,
    pipeline::Stage,
    settings::{InputKind, OutputKind, Theme},
};

const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(Key),
    Text(String),
    Drop(PathBuf),
    Input(InputKind),
    Set(String, String),
    Theme(Theme),
    Output(OutputKind, String),
    Wait(Until),
    Frames(u64),
    Rest(u32),
    Shot(PathBuf),
    Tell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Running,
    Stopped,
    Failed,
    Loaded,
    Swapped,
    Toast,
    Recorded,
    Sending,
    Silent,
}

type Failure = Arc<Mutex<Option<String>>>;
type Picture = Arc<Mutex<Option<Arc<ColorImage>>>>;

pub struct Script {
    steps: VecDeque<(usize, Step)>,
    since: Option<Instant>,
    /// Frames of the video when the step began; frames of the window that are left to rest.
    from: u64,
    rest: u32,
    keys: VecDeque<Event>,
    dropped: Vec<egui::DroppedFileHandle>,
    picture: Option<Picture>,
    failure: Failure,
}

/// A file as the window system drops it.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        fs::read(&self.0).map_err(|error| error.to_string())
    }
}

impl Script {
    /// # Errors
    /// The file cannot be read, or a line is no step.
    pub fn read(path: &Path) -> Result<Script> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let step = |(number, line): (usize, &str)| {
            let step = parse(line).with_context(|| format!("{}:{number}: {line}", path.display()))?;
            Ok((number, step))
        };
        Ok(Script {
            steps: lines.map(step).collect::<Result<_>>()?,
            since: None,
            from: 0,
            rest: 0,
            keys: VecDeque::new(),
            dropped: Vec::new(),
            picture: None,
            failure: Failure::default(),
        })
    }

    /// Where it says why it ended too early.
    pub fn failure(&self) -> Failure {
        self.failure.clone()
    }

    /// Brings keys and files in as if they came from the window system; a key's press and release are
    /// two frames.
    pub fn put_into(&mut self, input: &mut RawInput) {
        // Without a window manager nobody gives the window the keyboard.
        input.focused = true;
        input.events.extend(self.keys.pop_front());
        input.dropped_files.append(&mut self.dropped);
    }

    /// Goes on as far as it can.
    pub fn step(&mut self, app: &mut App, ctx: &egui::Context) {
        ctx.request_repaint();
        if !self.keys.is_empty() || !self.dropped.is_empty() {
            return;
        }
        let Some((number, step)) = self.steps.front().cloned() else {
            return ctx.send_viewport_cmd(ViewportCommand::Close);
        };
        if self.since.is_none() {
            self.begin(&step, app, ctx);
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        match self.is_done(&step, app) {
            Ok(true) => {
                self.since = None;
                self.steps.pop_front();
            }
            Ok(false) if since.elapsed() < PATIENCE => {}
            Ok(false) => self.fail(number, &format!("{step}: it did not come true: {}", told(app)), ctx),
            Err(error) => self.fail(number, &format!("{error:#}"), ctx),
        }
    }

    fn fail(&mut self, line: usize, why: &str, ctx: &egui::Context) {
        if let Ok(mut failure) = self.failure.lock() {
            *failure = Some(format!("line {line} of the script: {why}"));
        }
        self.steps.clear();
        ctx.send_viewport_cmd(ViewportCommand::Close);
    }

    fn begin(&mut self, step: &Step, app: &mut App, ctx: &egui::Context) {
        self.from = app.pipeline.frames().count();
        match step {
            Step::Key(key) => {
                let event = |pressed| Event::Key {
                    key: *key,
                    physical_key: None,
                    pressed,
                    repeat: false,
                    modifiers: Modifiers::NONE,
                };
                self.keys.extend([event(true), event(false)]);
            }
            Step::Text(text) => self.keys.push_back(Event::Text(text.clone())),
            Step::Drop(path) => self.dropped.push(Arc::new(Dropped(path.clone()))),
            Step::Input(kind) => app.settings.input = *kind,
            Step::Set(name, value) => _ = app.settings.properties.insert(name.clone(), value.clone()),
            Step::Theme(theme) => app.settings.theme = *theme,
            Step::Output(kind, address) => {
                app.settings.output = Some(*kind);
                app.settings.addresses.insert(kind.key().into(), address.clone());
            }
            Step::Rest(frames) => self.rest = *frames,
            Step::Shot(_) => {
                let (picture, ctx_too) = (Picture::default(), ctx.clone());
                self.picture = Some(picture.clone());
                ctx.request_screenshot(move |taken| {
                    if let Ok(mut picture) = picture.lock() {
                        *picture = Some(taken);
                    }
                    ctx_too.request_repaint();
                });
            }
            Step::Tell => println!("{}", told(app)),
            Step::Wait(_) | Step::Frames(_) => {}
        }
    }

    fn is_done(&mut self, step: &Step, app: &App) -> Result<bool> {
        Ok(match step {
            Step::Wait(Until::Running) => app.stage == Stage::Running,
            Step::Wait(Until::Stopped) => app.stage == Stage::Stopped,
            Step::Wait(Until::Failed) => matches!(app.stage, Stage::Failed(_)),
            Step::Wait(Until::Loaded) => app.stage == Stage::Running && !app.loading,
            Step::Wait(Until::Swapped) => app.plots.newest().is_some_and(|stats| stats.swapped > 0),
            Step::Wait(Until::Toast) => !app.toasts.shown().is_empty(),
            Step::Wait(Until::Recorded) => {
                app.toasts.shown().iter().any(|toast| toast.text.starts_with("Recorded"))
            }
            Step::Wait(Until::Sending) => app.sending,
            Step::Wait(Until::Silent) => !app.sending,
            Step::Frames(count) => app.pipeline.frames().count() >= self.from + count,
            Step::Rest(_) => {
                self.rest = self.rest.saturating_sub(1);
                self.rest == 0
            }
            Step::Shot(path) => {
                let Some(picture) = self.picture.clone() else { return Ok(true) };
                let Some(taken) = picture.lock().ok().and_then(|mut picture| picture.take()) else {
                    return Ok(false);
                };
                save(&taken, path)?;
                true
            }
            _ => true,
        })
    }
}

fn parse(line: &str) -> Result<Step> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    Ok(match word {
        "key" => Step::Key(Key::from_name(rest).context("no such key")?),
        "text" => Step::Text(rest.into()),
        "drop" => Step::Drop(rest.into()),
        "input" => Step::Input(match rest {
            "camera" => InputKind::Camera,
            "file" => InputKind::File,
            "test" => InputKind::Test,
            _ => bail!("camera, file or test"),
        }),
        "set" => {
            let (name, value) = rest.split_once(' ').context("a property and its value")?;
            Step::Set(name.into(), value.trim().into())
        }
        "theme" => Step::Theme(match rest {
            "dark" => Theme::Dark,
            "light" => Theme::Light,
            _ => bail!("dark or light"),
        }),
        "output" => {
            let (kind, address) = rest.split_once(' ').context("an output and its address")?;
            let kind =
                OutputKind::ALL.into_iter().find(|known| known.key() == kind).context("no such output")?;
            Step::Output(kind, address.trim().into())
        }
        "wait" => Step::Wait(match rest {
            "running" => Until::Running,
            "stopped" => Until::Stopped,
            "failed" => Until::Failed,
            "loaded" => Until::Loaded,
            "swapped" => Until::Swapped,
            "toast" => Until::Toast,
            "recorded" => Until::Recorded,
            "sending" => Until::Sending,
            "silent" => Until::Silent,
            _ => bail!("nothing that can be waited for"),
        }),
        "frames" => Step::Frames(rest.parse().context("a number")?),
        "rest" => Step::Rest(rest.parse().context("a number")?),
        "shot" => Step::Shot(rest.into()),
        "tell" => Step::Tell,
        _ => bail!("no such step"),
    })
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// How the window is, one line of JSON.
fn told(app: &App) -> serde_json::Value {
    let (stage, why) = match &app.stage {
        Stage::Stopped => ("stopped", ""),
        Stage::Starting => ("starting", ""),
        Stage::Running => ("running", ""),
        Stage::Failed(why) => ("failed", why.as_str()),
    };
    let toasts: Vec<&str> = app.toasts.shown().iter().map(|toast| toast.text.as_str()).collect();
    let stats = app.plots.newest();
    serde_json::json!({
        "stage": stage,
        "why": why,
        "loading": app.loading,
        "frames": app.pipeline.frames().count(),
        "painted": app.painted.0,
        "painted-while-loading": app.painted.1,
        "toasts": toasts,
        "toasts-so-far": app.toasts.count(),
        "stats": app.plots.len(),
        "engine": stats.map(|stats| stats.engine.clone()),
        "swapped": stats.map(|stats| stats.swapped),
        "recording": app.recording,
        "sending": app.sending,
        "photo": app.photo.texture().map(|texture| texture.size()),
        "settings": app.settings,
    })
}

fn save(picture: &ColorImage, path: &Path) -> Result<()> {
    let [width, height] = picture.size;
    let buffer = image::RgbaImage::from_raw(width as u32, height as u32, picture.as_raw().to_vec());
    let buffer = image::DynamicImage::from(buffer.context("a picture without pixels")?).into_rgb8();
    buffer.save(path).with_context(|| path.display().to_string())
}
