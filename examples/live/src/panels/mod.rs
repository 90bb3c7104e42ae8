//! Where everything is in the window.

mod face;
mod input;
mod output;
mod picture;
mod swap;

use eframe::egui::{CentralPanel, Frame, Id, Panel, Response, RichText, ScrollArea, TextEdit, Ui};

use crate::app::App;

const SIDE: f32 = 292.0;

pub fn show(app: &mut App, ui: &mut Ui) {
    Panel::left("settings").exact_size(SIDE).resizable(false).show(ui, |ui| {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.add_space(6.0);
            input::show(app, ui);
            face::show(app, ui);
            swap::show(app, ui);
            output::show(app, ui);
            ui.add_space(8.0);
            ui.weak("F1: keys");
        });
    });
    if app.settings.plots {
        Panel::bottom("plots").resizable(false).show(ui, |ui| {
            ui.add_space(4.0);
            app.plots.show(ui);
            ui.add_space(2.0);
        });
    }
    let frame = Frame::central_panel(ui.style()).inner_margin(0.0);
    CentralPanel::default().frame(frame).show(ui, |ui| picture::show(app, ui));
}

/// A text that is taken over when the field is left, by Enter or Tab: what is half typed is no path.
fn field(ui: &mut Ui, name: &str, value: &mut String, hint: &str, width: f32) -> Response {
    let id = Id::unique(("field", name));
    let kept = ui.data(|data| data.get_temp::<String>(id));
    let mut draft = kept.unwrap_or_else(|| value.clone());
    let response = ui.add(TextEdit::singleline(&mut draft).hint_text(hint.to_owned()).desired_width(width));
    if response.lost_focus() {
        *value = draft.trim().to_owned();
        ui.data_mut(|data| data.remove::<String>(id));
    } else if response.has_focus() {
        ui.data_mut(|data| data.insert_temp(id, draft));
    } else {
        ui.data_mut(|data| data.remove::<String>(id));
    }
    response
}

fn heading(ui: &mut Ui, text: &str) {
    ui.add_space(8.0);
    ui.label(RichText::new(text).strong().size(15.0));
    ui.add_space(2.0);
}
