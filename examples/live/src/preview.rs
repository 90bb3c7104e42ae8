//! The picture: swapped, or split into before and after.

use eframe::egui::{
    self, Align2, Color32, ColorImage, CursorIcon, FontId, Pos2, Rect, Sense, Shape, Stroke, TextureHandle,
    TextureOptions, pos2, vec2,
};

use crate::pipeline::{Shown, packed};

const WHOLE: Rect = Rect { min: Pos2::ZERO, max: Pos2 { x: 1.0, y: 1.0 } };

#[derive(Default)]
pub struct Preview {
    after: Option<TextureHandle>,
    before: Option<TextureHandle>,
    size: [usize; 2],
    scratch: Vec<u8>,
}

impl Preview {
    /// Takes a new frame over.
    pub fn update(&mut self, ctx: &egui::Context, shown: &Shown) {
        self.size = [shown.info.width() as usize, shown.info.height() as usize];
        if packed(&shown.after, &shown.info, &mut self.scratch) {
            upload(ctx, "after", &mut self.after, self.size, &self.scratch);
        }
        match &shown.before {
            Some(before) if packed(before, &shown.info, &mut self.scratch) => {
                upload(ctx, "before", &mut self.before, self.size, &self.scratch);
            }
            _ => self.before = None,
        }
    }

    pub fn clear(&mut self) {
        (self.after, self.before) = (None, None);
    }

    /// Draws the picture as large as it fits; `divider` (0–1) can be drawn along where `split`.
    pub fn show(&self, ui: &mut egui::Ui, split: bool, divider: &mut f32) {
        let Some(after) = &self.after else { return };
        let (room, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
        let size = vec2(self.size[0] as f32, self.size[1] as f32);
        let scale = (room.width() / size.x).min(room.height() / size.y);
        let place = Rect::from_center_size(room.center(), size * scale);
        let painter = ui.painter_at(room);
        painter.image(after.id(), place, WHOLE, Color32::WHITE);
        let Some(before) = self.before.as_ref().filter(|_| split) else { return };
        if let Some(at) = response.interact_pointer_pos().filter(|_| response.dragged() || response.clicked())
        {
            *divider = ((at.x - place.left()) / place.width()).clamp(0.05, 0.95);
        }
        let x = place.left() + *divider * place.width();
        let (left, part) = (Rect::from_min_max(place.min, pos2(x, place.bottom())), pos2(*divider, 1.0));
        painter.image(before.id(), left, Rect::from_min_max(Pos2::ZERO, part), Color32::WHITE);
        painter
            .line_segment([pos2(x, place.top()), pos2(x, place.bottom())], Stroke::new(2.0, Color32::WHITE));
        painter.circle_filled(pos2(x, place.center().y), 9.0, Color32::WHITE);
        for side in [-1.0, 1.0] {
            let corner = |dx: f32, dy: f32| pos2(x + side * dx, place.center().y + dy);
            let points = vec![corner(6.5, 0.0), corner(2.5, -3.5), corner(2.5, 3.5)];
            painter.add(Shape::convex_polygon(points, Color32::BLACK, Stroke::NONE));
        }
        for (text, at, align) in [
            ("before", pos2(x - 10.0, place.top() + 10.0), Align2::RIGHT_TOP),
            ("after", pos2(x + 10.0, place.top() + 10.0), Align2::LEFT_TOP),
        ] {
            let font = FontId::proportional(15.0);
            painter.text(at + vec2(1.0, 1.0), align, text, font.clone(), Color32::BLACK);
            painter.text(at, align, text, font, Color32::WHITE);
        }
        response.on_hover_cursor(CursorIcon::ResizeHorizontal);
    }
}

fn upload(
    ctx: &egui::Context,
    name: &str,
    texture: &mut Option<TextureHandle>,
    size: [usize; 2],
    pixels: &[u8],
) {
    let picture = ColorImage::from_rgba_premultiplied(size, pixels);
    match texture {
        Some(texture) => texture.set(picture, TextureOptions::LINEAR),
        None => *texture = Some(ctx.load_texture(name, picture, TextureOptions::LINEAR)),
    }
}
