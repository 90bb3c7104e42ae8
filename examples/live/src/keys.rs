//! The keyboard.

use eframe::egui::{self, Key, Modifiers};

use crate::{app::App, settings::Theme};

const KEYS: [(&str, &str); 11] = [
    ("Space", "start or stop"),
    ("R", "record, or end the recording"),
    ("O", "switch the output on or off"),
    ("B", "split into before and after"),
    ("Left, Right", "move the split"),
    ("P", "show or hide the plots"),
    ("T", "dark, light, as the system"),
    ("Tab, Space", "go to the next control, use it"),
    ("Esc", "close messages"),
    ("F1", "this help"),
    ("Ctrl Q", "quit"),
];
/// Share of the picture that a press moves the split by.
const STEP: f32 = 0.02;

/// Does what a key stands for, unless it is meant for a control.
pub fn obey(app: &mut App, ctx: &egui::Context) {
    let pressed = |key: Key| ctx.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    if pressed(Key::F1) {
        app.help = !app.help;
    }
    let focused = ctx.memory(|memory| memory.focused().is_some());
    if ctx.input(|input| input.key_pressed(Key::Escape)) {
        app.toasts.clear();
        app.help = false;
    }
    if focused {
        return;
    }
    if pressed(Key::Space) {
        app.toggle();
    }
    if pressed(Key::R) {
        app.toggle_recording();
    }
    if pressed(Key::O) {
        app.toggle_output();
    }
    if pressed(Key::B) {
        app.settings.split = !app.settings.split;
    }
    if pressed(Key::P) {
        app.settings.plots = !app.settings.plots;
    }
    if pressed(Key::T) {
        app.settings.theme = match app.settings.theme {
            Theme::System => Theme::Dark,
            Theme::Dark => Theme::Light,
            Theme::Light => Theme::System,
        };
    }
    if app.settings.split {
        let step =
            f32::from(u8::from(pressed(Key::ArrowRight))) - f32::from(u8::from(pressed(Key::ArrowLeft)));
        app.settings.divider = (app.settings.divider + STEP * step).clamp(0.05, 0.95);
    }
}

pub fn help(app: &mut App, ctx: &egui::Context) {
    egui::Window::new("Keys").open(&mut app.help).resizable(false).collapsible(false).show(ctx, |ui| {
        egui::Grid::new("keys").num_columns(2).spacing([18.0, 5.0]).show(ui, |ui| {
            for (key, what) in KEYS {
                ui.strong(key);
                ui.label(what);
                ui.end_row();
            }
        });
    });
}
