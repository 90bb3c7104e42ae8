//! Recording, and where else the picture goes.

use eframe::egui::{Button, Color32, ComboBox, RichText, Ui, vec2};

use super::{field, heading};
use crate::{
    app::App,
    pipeline::virtual_cameras,
    settings::{OutputKind, Settings},
};

pub fn show(app: &mut App, ui: &mut Ui) {
    heading(ui, "Record");
    let on = app.recording.is_some();
    let label = match &app.recording {
        Some(path) => format!("End {}", path.file_name().unwrap_or_default().to_string_lossy()),
        None => "Record".into(),
    };
    let text = RichText::new(label).color(if on { Color32::WHITE } else { Color32::from_rgb(215, 65, 60) });
    let mut button = Button::new(text).min_size(vec2(ui.available_width(), 26.0));
    if on {
        button = button.fill(Color32::from_rgb(190, 50, 46));
    }
    if ui.add(button).on_hover_text("R").clicked() {
        app.toggle_recording();
    }
    ui.add_enabled_ui(!on, |ui| {
        let folder = &mut app.settings.recordings;
        field(ui, "recordings", folder, "folder; else the current one", f32::INFINITY);
    });

    heading(ui, "Output");
    if app.outputs.is_empty() {
        ui.weak("GStreamer has no element for any");
        return;
    }
    let label = app.settings.output.map_or("none", OutputKind::label);
    ui.add_enabled_ui(!app.sending, |ui| {
        ComboBox::from_id_salt("output").selected_text(label).width(ui.available_width()).show_ui(ui, |ui| {
            ui.selectable_value(&mut app.settings.output, None, "none");
            for kind in app.outputs.clone() {
                ui.selectable_value(&mut app.settings.output, Some(kind), kind.label());
            }
        });
    });
    let Some(kind) = app.settings.output else { return };
    ui.add_enabled_ui(!app.sending, |ui| address(&mut app.settings, kind, ui));
    let label = if app.sending { "Stop sending" } else { "Send" };
    if ui.add(Button::new(label).min_size(vec2(ui.available_width(), 26.0))).on_hover_text("O").clicked() {
        app.toggle_output();
    }
}

fn address(settings: &mut Settings, kind: OutputKind, ui: &mut Ui) {
    let mut address = settings.address(kind);
    let before = address.clone();
    if kind == OutputKind::VirtualCamera {
        let devices = virtual_cameras();
        if address.is_empty() {
            address = devices.first().cloned().unwrap_or_default();
        }
        ComboBox::from_id_salt("device").selected_text(&address).width(ui.available_width()).show_ui(
            ui,
            |ui| {
                for device in devices {
                    ui.selectable_value(&mut address, device.clone(), device);
                }
            },
        );
    } else {
        field(ui, kind.key(), &mut address, "", f32::INFINITY);
    }
    if address != before {
        settings.addresses.insert(kind.key().into(), address);
    }
}
