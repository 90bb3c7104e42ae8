//! The picture, or what there is to say in its place.

use eframe::egui::{Align2, Area, Button, Color32, Frame, Id, Order, RichText, Spinner, Ui, vec2};

use crate::{app::App, pipeline::Stage};

pub fn show(app: &mut App, ui: &mut Ui) {
    let place = ui.max_rect();
    app.preview.show(ui, app.settings.split, &mut app.settings.divider);
    let line = match &app.stage {
        Stage::Running if app.loading => Some("loading the models".to_owned()),
        Stage::Running if app.settings.photo.is_empty() => {
            Some("no face chosen: the picture is untouched".into())
        }
        Stage::Running => status(app),
        _ => None,
    };
    if let Some(line) = line {
        chip(ui, &line, app.loading, place.left_bottom() + vec2(12.0, -12.0));
    }
    let centre = ui.ctx().content_rect().center() - place.center();
    let area = Area::new(Id::unique("said")).anchor(Align2::CENTER_CENTER, -centre).order(Order::Middle);
    match app.stage.clone() {
        Stage::Running => {}
        Stage::Starting => {
            area.show(ui.ctx(), |ui| {
                ui.vertical_centered(|ui| {
                    ui.add(Spinner::new().size(34.0));
                    ui.label("starting");
                });
            });
        }
        Stage::Stopped => {
            area.show(ui.ctx(), |ui| {
                ui.set_max_width(380.0);
                ui.vertical_centered(|ui| {
                    ui.label(RichText::new("faceswap live").size(26.0).strong());
                    ui.label("Drop a photo of the face to show, choose an input, and press Space.");
                    ui.add_space(10.0);
                    ui.weak("Swap only faces of people who agreed to it.");
                });
            });
        }
        Stage::Failed(why) => {
            area.show(ui.ctx(), |ui| {
                ui.set_max_width(460.0);
                ui.vertical_centered(|ui| {
                    ui.label(
                        RichText::new("It does not run")
                            .size(22.0)
                            .strong()
                            .color(ui.visuals().error_fg_color),
                    );
                    ui.label(why);
                    ui.add_space(10.0);
                    if ui.add(Button::new("Try again").min_size(vec2(120.0, 28.0))).clicked() {
                        app.start();
                    }
                });
            });
        }
    }
}

fn status(app: &App) -> Option<String> {
    let stats = app.plots.newest()?;
    let level = if stats.level > 0 { format!(" · level {}", stats.level) } else { String::new() };
    let provider = if stats.provider.is_empty() || stats.engine == "mesh" {
        String::new()
    } else {
        format!(" on {}", stats.provider)
    };
    Some(format!(
        "{:.0} frames/s · {:.1} ms · {} face{} · {}{provider} · {}{level} · {:.0} MiB",
        stats.fps,
        stats.frame_ms,
        stats.faces,
        if stats.faces == 1 { "" } else { "s" },
        stats.engine,
        stats.quality,
        stats.rss_mib,
    ))
}

fn chip(ui: &Ui, text: &str, turning: bool, at: eframe::egui::Pos2) {
    let area = Area::new(Id::unique("status")).fixed_pos(at).pivot(Align2::LEFT_BOTTOM).order(Order::Middle);
    area.interactable(false).show(ui.ctx(), |ui| {
        Frame::new().fill(Color32::from_black_alpha(170)).corner_radius(6.0).inner_margin(6.0).show(
            ui,
            |ui| {
                ui.horizontal(|ui| {
                    if turning {
                        ui.add(Spinner::new().size(14.0).color(Color32::WHITE));
                    }
                    ui.label(RichText::new(text).color(Color32::WHITE).size(13.0));
                });
            },
        );
    });
}
