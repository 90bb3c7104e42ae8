//! Where everything is in the window.

mod face;
mod input;
mod output;
mod picture;
mod swap;

use eframe::egui::{CentralPanel, Frame, Panel, RichText, ScrollArea, Ui};

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

fn heading(ui: &mut Ui, text: &str) {
    ui.add_space(8.0);
    ui.label(RichText::new(text).strong().size(15.0));
    ui.add_space(2.0);
}
