//! The source photo.

use eframe::egui::{self, Align2, Color32, FontId, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use super::{field, heading};
use crate::app::App;

const HEIGHT: f32 = 116.0;

pub fn show(app: &mut App, ui: &mut Ui) {
    heading(ui, "Face to show");
    let hovered = ui.ctx().input(|input| !input.raw.hovered_files.is_empty());
    let (place, _) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
    let visuals = ui.visuals();
    let line =
        if hovered { visuals.selection.bg_fill } else { visuals.widgets.noninteractive.bg_stroke.color };
    ui.painter().rect(place, 6.0, visuals.extreme_bg_color, Stroke::new(1.5, line), StrokeKind::Inside);
    match app.photo.texture() {
        Some(texture) => {
            let size = texture.size_vec2();
            let scale = ((place.width() - 8.0) / size.x).min((place.height() - 8.0) / size.y);
            let inside = Rect::from_center_size(place.center(), size * scale);
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter().image(texture.id(), inside, whole, Color32::WHITE);
        }
        None => {
            let (text, font) = ("drop a photo here", FontId::proportional(14.0));
            ui.painter().text(place.center(), Align2::CENTER_CENTER, text, font, visuals.weak_text_color());
        }
    }
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        let width = ui.available_width() - 30.0;
        field(ui, "photo", &mut app.settings.photo, "photo, list or folder", width)
            .on_hover_text("A comma in a name is written \\,");
        if ui
            .add_enabled(!app.settings.photo.is_empty(), egui::Button::new("×"))
            .on_hover_text("No face")
            .clicked()
        {
            app.settings.photo.clear();
        }
    });
}
