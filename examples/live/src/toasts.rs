//! Short messages over the picture, newest below.

use std::time::{Duration, Instant};

use eframe::egui::{self, Align2, Area, Color32, Frame, Id, Sense, Stroke, vec2};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Note,
    Warning,
    Error,
}

#[derive(Debug, Clone)]
pub struct Toast {
    pub kind: Kind,
    pub text: String,
    until: Instant,
}

#[derive(Debug, Default)]
pub struct Toasts {
    shown: Vec<Toast>,
    /// How many there were so far.
    count: u64,
}

/// At once, at most.
const MOST: usize = 5;

impl Kind {
    fn lasts(self) -> Duration {
        Duration::from_secs(match self {
            Kind::Note => 4,
            Kind::Warning => 8,
            Kind::Error => 12,
        })
    }

    fn colour(self) -> Color32 {
        match self {
            Kind::Note => Color32::from_rgb(70, 130, 200),
            Kind::Warning => Color32::from_rgb(215, 150, 30),
            Kind::Error => Color32::from_rgb(205, 65, 60),
        }
    }
}

impl Toasts {
    /// Shows it; one that says the same stays longer instead.
    pub fn add(&mut self, kind: Kind, text: impl Into<String>) {
        let (text, until) = (text.into(), Instant::now() + kind.lasts());
        if let Some(same) = self.shown.iter_mut().find(|toast| toast.text == text) {
            same.until = until;
            return;
        }
        self.count += 1;
        self.shown.push(Toast { kind, text, until });
        if self.shown.len() > MOST {
            self.shown.remove(0);
        }
    }

    pub fn shown(&self) -> &[Toast] {
        &self.shown
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn clear(&mut self) {
        self.shown.clear();
    }

    pub fn show(&mut self, ctx: &egui::Context) {
        let now = Instant::now();
        self.shown.retain(|toast| toast.until > now);
        let Some(next) = self.shown.iter().map(|toast| toast.until).min() else { return };
        ctx.request_repaint_after(next - now);
        let mut closed = None;
        let area = Area::new(Id::unique("toasts")).anchor(Align2::RIGHT_TOP, vec2(-14.0, 14.0));
        area.order(egui::Order::Foreground).show(ctx, |ui| {
            ui.set_max_width(380.0);
            for (at, toast) in self.shown.iter().enumerate() {
                let frame = Frame::popup(ui.style()).stroke(Stroke::new(1.5, toast.kind.colour()));
                frame.inner_margin(10.0).show(ui, |ui| {
                    ui.horizontal_top(|ui| {
                        let (dot, _) = ui.allocate_exact_size(vec2(10.0, 16.0), Sense::hover());
                        ui.painter().circle_filled(dot.center(), 4.5, toast.kind.colour());
                        ui.add(egui::Label::new(&toast.text).wrap());
                        if ui.small_button("×").on_hover_text("Close (Esc closes all)").clicked() {
                            closed = Some(at);
                        }
                    });
                });
                ui.add_space(6.0);
            }
        });
        closed.map(|at| self.shown.remove(at));
    }
}
