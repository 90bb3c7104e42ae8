//! The window: what it knows, and what happens in each of its frames.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use eframe::egui::{self, Key, ThemePreference};

use crate::{
    choices::{Choices, needs_restart},
    keys, panels,
    photo::Photo,
    pipeline::{Command, Event, Pipeline, Setup, Stage},
    plots::Plots,
    preview::Preview,
    script::Script,
    settings::{InputKind, OutputKind, Settings, Theme},
    toasts::{Kind, Toasts},
};

/// After a change, so that a drag of a slider is one write.
const SAVE_AFTER: Duration = Duration::from_secs(1);

pub struct App {
    pub settings: Settings,
    saved: Settings,
    changed: Option<Instant>,
    path: PathBuf,
    pub pipeline: Pipeline,
    /// What the pipeline was started with.
    setup: Option<Setup>,
    pub stage: Stage,
    pub loading: bool,
    pub cameras: Vec<String>,
    pub outputs: Vec<OutputKind>,
    pub sending: bool,
    pub recording: Option<PathBuf>,
    pub choices: Choices,
    pub toasts: Toasts,
    pub plots: Plots,
    pub photo: Photo,
    pub preview: Preview,
    pub help: bool,
    /// Times that the window was drawn: in all, and while a pipeline started or a model was loaded.
    pub painted: (u64, u64),
    script: Option<Script>,
}

impl App {
    /// # Errors
    /// No thread could be started.
    pub fn new(ctx: &egui::Context, path: PathBuf, script: Option<Script>) -> Result<App> {
        let mut toasts = Toasts::default();
        let choices = Choices::of_element();
        let mut settings = Settings::load(&path).unwrap_or_else(|error| {
            toasts.add(Kind::Warning, format!("{error:#}. The defaults are used."));
            Settings::default()
        });
        settings.properties.retain(|name, value| {
            let has = choices.allow(name, value);
            if !has {
                toasts.add(Kind::Warning, format!("{}: {name} cannot be “{value}” any more", path.display()));
            }
            has
        });
        let wake = {
            let ctx = ctx.clone();
            Arc::new(move || ctx.request_repaint())
        };
        let app = App {
            saved: settings.clone(),
            settings,
            changed: None,
            path,
            pipeline: Pipeline::new(wake)?,
            setup: None,
            stage: Stage::Stopped,
            loading: false,
            cameras: Vec::new(),
            outputs: crate::pipeline::outputs(),
            sending: false,
            recording: None,
            choices,
            toasts,
            plots: Plots::new(),
            photo: Photo::default(),
            preview: Preview::default(),
            help: false,
            painted: (0, 0),
            script,
        };
        app.pipeline.send(Command::Look);
        Ok(app)
    }

    fn wanted(&self) -> Setup {
        let settings = &self.settings;
        let mut properties: Vec<(String, String)> =
            settings.properties.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let paths = [("source", &settings.photo), ("model-file", &settings.model)];
        let given = paths.into_iter().filter(|(_, path)| !path.is_empty());
        properties.extend(given.map(|(name, path)| (name.to_owned(), path.clone())));
        Setup {
            input: settings.input,
            camera: settings.camera.clone(),
            file: settings.file.clone(),
            properties,
        }
    }

    pub fn is_on(&self) -> bool {
        matches!(self.stage, Stage::Starting | Stage::Running)
    }

    pub fn start(&mut self) {
        let setup = self.wanted();
        self.stage = Stage::Starting;
        self.pipeline.send(Command::Start(setup.clone()));
        self.setup = Some(setup);
    }

    pub fn stop(&mut self) {
        self.setup = None;
        self.pipeline.send(Command::Stop);
    }

    pub fn toggle(&mut self) {
        if self.is_on() { self.stop() } else { self.start() }
    }

    pub fn toggle_recording(&mut self) {
        let to = match self.recording {
            Some(_) => None,
            None if self.stage != Stage::Running => {
                return self.toasts.add(Kind::Note, "Start the picture before you record it.");
            }
            None => Some(self.recording_path()),
        };
        self.pipeline.send(Command::Record(to));
    }

    fn recording_path(&self) -> PathBuf {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        PathBuf::from(&self.settings.recordings).join(format!("faceswap-{seconds}.mp4"))
    }

    pub fn toggle_output(&mut self) {
        let to = self.settings.output.filter(|_| !self.sending);
        self.pipeline.send(Command::Output(to.map(|kind| (kind, self.settings.address(kind)))));
    }

    /// Takes dropped files for what their names say they are; several photos are of one person.
    pub fn take<'a>(&mut self, paths: impl Iterator<Item = &'a Path>) {
        let mut photos = Vec::new();
        for path in paths {
            let Some(name) = path.to_str() else {
                self.toasts.add(Kind::Warning, format!("{}: not a UTF-8 name", path.display()));
                continue;
            };
            let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
            match extension.as_str() {
                "jpg" | "jpeg" | "png" | "webp" | "bmp" | "gif" => photos.push(name.replace(',', "\\,")),
                "" if path.is_dir() => photos.push(name.replace(',', "\\,")),
                "onnx" => self.settings.model = name.into(),
                "mp4" | "mov" | "mkv" | "webm" | "avi" | "m4v" | "ts" | "mpg" | "mpeg" => {
                    self.settings.file = name.into();
                    self.settings.input = InputKind::File;
                }
                _ => {
                    let said = format!("{name}: neither a photo, a video nor a swap network");
                    self.toasts.add(Kind::Warning, said);
                }
            }
        }
        if !photos.is_empty() {
            self.settings.photo = photos.join(",");
        }
    }

    /// Brings what changed in the settings to the pipeline: at once where it can, else by a new start.
    fn apply(&mut self) {
        let Some(setup) = self.setup.clone().filter(|_| self.is_on()) else { return };
        let wanted = self.wanted();
        if wanted == setup {
            return;
        }
        let old = |name: &str| setup.properties.iter().find(|(n, _)| n == name).map(|(_, value)| value);
        let gone =
            setup.properties.iter().filter(|(name, _)| !wanted.properties.iter().any(|(n, _)| n == name));
        let mut changed: Vec<(String, String)> =
            gone.map(|(name, _)| (name.clone(), self.default_of(name))).collect();
        changed.extend(wanted.properties.iter().filter(|(name, value)| old(name) != Some(value)).cloned());
        let same_input =
            (setup.input, &setup.camera, &setup.file) == (wanted.input, &wanted.camera, &wanted.file);
        if !same_input || changed.iter().any(|(name, _)| needs_restart(name)) {
            return self.start();
        }
        for (name, value) in changed {
            self.pipeline.send(Command::Set(name, value));
        }
        self.setup = Some(wanted);
    }

    fn default_of(&self, name: &str) -> String {
        let list =
            self.choices.lists.iter().find(|choice| choice.name == name).map(|choice| choice.default.clone());
        let amount = self.choices.amounts.iter().find(|amount| amount.name == name);
        list.or_else(|| amount.map(|amount| amount.default.to_string())).unwrap_or_default()
    }

    fn hear(&mut self) {
        let events: Vec<Event> = self.pipeline.events().collect();
        for event in events {
            match event {
                Event::Stage(stage) => {
                    if let Stage::Failed(why) = &stage {
                        self.toasts.add(Kind::Error, why);
                    }
                    self.stage = stage;
                }
                Event::Loading(loading) => self.loading = loading,
                Event::Stats(stats) => self.plots.add(&stats),
                Event::Note(text) => self.toasts.add(Kind::Note, text),
                Event::Warning(text) => self.toasts.add(Kind::Warning, text),
                Event::Error(text) => self.toasts.add(Kind::Error, text),
                Event::Cameras(cameras) => self.cameras = cameras,
                Event::Output(on) => self.sending = on,
                Event::Recording(path) => self.recording = path,
            }
        }
    }

    fn remember(&mut self, ctx: &egui::Context) {
        if self.settings == self.saved {
            self.changed = None;
            return;
        }
        let changed = *self.changed.get_or_insert_with(Instant::now);
        let left = SAVE_AFTER.saturating_sub(changed.elapsed());
        if !left.is_zero() {
            return ctx.request_repaint_after(left);
        }
        self.save();
    }

    fn save(&mut self) {
        if let Err(error) = self.settings.save(&self.path) {
            self.toasts.add(Kind::Warning, format!("{error:#}"));
        }
        // Not again before the next change.
        (self.saved, self.changed) = (self.settings.clone(), None);
    }

    fn theme(&self, ctx: &egui::Context) {
        ctx.set_theme(match self.settings.theme {
            Theme::System => ThemePreference::System,
            Theme::Dark => ThemePreference::Dark,
            Theme::Light => ThemePreference::Light,
        });
    }
}

impl eframe::App for App {
    fn raw_input_hook(&mut self, _: &egui::Context, input: &mut egui::RawInput) {
        if let Some(script) = &mut self.script {
            script.put_into(input);
        }
    }

    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        self.hear();
        let dropped = ctx.input(|input| input.raw.dropped_files.clone());
        self.take(dropped.iter().map(|file| file.path()));
        keys::obey(self, ctx);
        if let Some(fault) = self.photo.update(ctx, &self.settings.photo.clone()) {
            self.toasts.add(Kind::Warning, fault);
        }
        self.pipeline.frames().keep_originals(self.settings.split);
        match self.pipeline.frames().take() {
            Some(shown) => self.preview.update(ctx, &shown),
            None if !self.is_on() => self.preview.clear(),
            None => {}
        }
        if let Some(mut script) = self.script.take() {
            script.step(self, ctx);
            self.script = Some(script);
        }
        self.apply();
        self.theme(ctx);
        self.remember(ctx);
        self.painted.0 += 1;
        if self.loading || self.stage == Stage::Starting {
            self.painted.1 += 1;
            ctx.request_repaint();
        }
        if ctx.input(|input| input.modifiers.command && input.key_pressed(Key::Q)) {
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        panels::show(self, ui);
        let ctx = ui.ctx().clone();
        self.toasts.show(&ctx);
        keys::help(self, &ctx);
    }

    fn on_exit(&mut self, _: Option<&eframe::glow::Context>) {
        if self.settings != self.saved {
            self.save();
        }
    }
}
