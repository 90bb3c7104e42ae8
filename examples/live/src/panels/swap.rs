//! How the face is swapped.

use eframe::egui::{ComboBox, Grid, Slider, Ui};

use super::{field, heading};
use crate::{
    app::App,
    choices::{Amount, Choice},
};

const WIDTH: f32 = 158.0;

pub fn show(app: &mut App, ui: &mut Ui) {
    heading(ui, "Swap");
    let choices = app.choices.clone();
    Grid::new("swap").num_columns(2).spacing([10.0, 5.0]).show(ui, |ui| {
        for choice in &choices.lists {
            let label = ui.label(choice.label);
            list(app, ui, choice).labelled_by(label.id);
            ui.end_row();
        }
        for amount in &choices.amounts {
            let label = ui.label(amount.label).on_hover_text(&amount.blurb);
            slider(app, ui, amount).labelled_by(label.id);
            ui.end_row();
        }
        ui.label("Network");
        field(ui, "model", &mut app.settings.model, "none; an .onnx file", WIDTH);
        ui.end_row();
        ui.label("Before/after");
        ui.checkbox(&mut app.settings.split, "split").on_hover_text("B; Left, Right or the mouse move it");
        ui.end_row();
    });
}

fn list(app: &mut App, ui: &mut Ui, choice: &Choice) -> eframe::egui::Response {
    let properties = &mut app.settings.properties;
    let mut chosen = properties.get(choice.name).unwrap_or(&choice.default).clone();
    let before = chosen.clone();
    let shown = ComboBox::from_id_salt(choice.name).selected_text(&chosen).width(WIDTH).show_ui(ui, |ui| {
        for (nick, description) in &choice.values {
            ui.selectable_value(&mut chosen, nick.clone(), nick).on_hover_text(description);
        }
    });
    if chosen != before {
        keep(properties, choice.name, chosen, &choice.default);
    }
    shown.response
}

fn slider(app: &mut App, ui: &mut Ui, amount: &Amount) -> eframe::egui::Response {
    let properties = &mut app.settings.properties;
    let mut value = properties.get(amount.name).and_then(|text| text.parse().ok()).unwrap_or(amount.default);
    ui.spacing_mut().slider_width = WIDTH - 52.0;
    let response = ui.add(Slider::new(&mut value, amount.range.clone()).fixed_decimals(2));
    if response.changed() {
        keep(properties, amount.name, format!("{value:.2}"), &format!("{:.2}", amount.default));
    }
    response
}

/// Only what differs from the element's defaults is kept.
fn keep(
    properties: &mut std::collections::BTreeMap<String, String>,
    name: &str,
    value: String,
    default: &str,
) {
    if value == default {
        properties.remove(name);
    } else {
        properties.insert(name.into(), value);
    }
}
