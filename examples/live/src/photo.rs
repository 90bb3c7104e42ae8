//! The thumbnail of the source photo, read on a thread of its own.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, channel},
    thread,
};

use eframe::egui::{self, ColorImage, TextureHandle, TextureOptions};
use gstfaceswap::engine::{expand, split_list};
use image::{DynamicImage, ImageDecoder, ImageReader};

/// Pixels of the longer side.
const SIDE: u32 = 220;

#[derive(Default)]
pub struct Photo {
    /// As the settings have it.
    name: String,
    reading: Option<Receiver<Result<ColorImage, String>>>,
    texture: Option<TextureHandle>,
}

impl Photo {
    /// Follows the settings; what is wrong with the photo, when that turns out.
    pub fn update(&mut self, ctx: &egui::Context, name: &str) -> Option<String> {
        if self.name != name {
            self.name = name.into();
            self.texture = None;
            self.reading = match first(name) {
                Ok(path) => path.map(|path| read(ctx, path)),
                Err(fault) => return Some(fault),
            };
        }
        let read = self.reading.as_ref()?.try_recv().ok()?;
        self.reading = None;
        match read {
            Ok(picture) => {
                self.texture = Some(ctx.load_texture("photo", picture, TextureOptions::LINEAR));
                None
            }
            Err(fault) => Some(fault),
        }
    }

    pub fn texture(&self) -> Option<&TextureHandle> {
        self.texture.as_ref()
    }
}

/// The first photo of a list or folder; none of an empty list.
fn first(name: &str) -> Result<Option<PathBuf>, String> {
    let photos = expand(&split_list(name)).map_err(|error| error.to_string())?;
    Ok(photos.into_iter().next())
}

fn read(ctx: &egui::Context, path: PathBuf) -> Receiver<Result<ColorImage, String>> {
    let (sender, receiver) = channel();
    let ctx = ctx.clone();
    thread::spawn(move || {
        let picture = decode(&path).map_err(|error| format!("{}: {error}", path.display()));
        // Nobody listens where another photo was chosen meanwhile.
        let _ = sender.send(picture);
        ctx.request_repaint();
    });
    receiver
}

fn decode(path: &Path) -> image::ImageResult<ColorImage> {
    let mut decoder = ImageReader::open(path)?.with_guessed_format()?.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    let small = picture.thumbnail(SIDE, SIDE).into_rgba8();
    let size = [small.width() as usize, small.height() as usize];
    Ok(ColorImage::from_rgba_unmultiplied(size, small.as_raw()))
}
