//! Where the picture comes from, start and stop.

use eframe::egui::{Button, ComboBox, Ui, vec2};

use super::{field, heading};
use crate::{app::App, pipeline::Command, settings::InputKind};

pub fn show(app: &mut App, ui: &mut Ui) {
    heading(ui, "Input");
    ui.horizontal(|ui| {
        let kinds =
            [(InputKind::Camera, "Camera"), (InputKind::File, "File"), (InputKind::Test, "Test picture")];
        for (kind, label) in kinds {
            ui.selectable_value(&mut app.settings.input, kind, label);
        }
    });
    match app.settings.input {
        InputKind::Camera => camera(app, ui),
        InputKind::File => {
            field(ui, "file", &mut app.settings.file, "path of a video, or drop it here", f32::INFINITY);
        }
        InputKind::Test => _ = ui.weak("a camera that moves over a photo"),
    }
    ui.add_space(4.0);
    let label = if app.is_on() { "Stop" } else { "Start" };
    let button = Button::new(label).min_size(vec2(ui.available_width(), 30.0));
    if ui.add(button).on_hover_text("Space").clicked() {
        app.toggle();
    }
}

fn camera(app: &mut App, ui: &mut Ui) {
    if app.cameras.is_empty() {
        ui.horizontal(|ui| {
            ui.weak("no camera was found");
            if ui.small_button("look again").clicked() {
                app.pipeline.send(Command::Look);
            }
        });
        return;
    }
    let first = app.cameras[0].clone();
    let shown = if app.settings.camera.is_empty() { first } else { app.settings.camera.clone() };
    ComboBox::from_id_salt("camera").selected_text(shown).width(ui.available_width()).show_ui(ui, |ui| {
        for camera in &app.cameras {
            ui.selectable_value(&mut app.settings.camera, camera.clone(), camera);
        }
    });
}
