//! See [`crate::fuzzing`].

use std::{path::Path, sync::Mutex};

use super::{
    cut::Cut,
    decode::{MAX_MEGAPIXELS, decode},
    portrait::Portrait,
    source::SourceLoader,
};
use crate::{
    engine::swap::mesh::{self, topology::Mesh},
    models::{Pack, Search},
    sync::lock,
};

/// An image file, through the decoder and now and then through the whole loader.
pub fn image(path: &Path, whole: bool) {
    if let Ok(image) = decode(path) {
        assert!(
            u64::from(image.width()) * u64::from(image.height())
                < 1_000_000 * (u64::from(MAX_MEGAPIXELS) + 1)
        );
    }
    static LOADER: Mutex<Option<SourceLoader>> = Mutex::new(None);
    let mut loader = lock(&LOADER);
    if whole && loader.is_none() {
        *loader = Pack::find(&Search::default()).ok().and_then(|pack| SourceLoader::new(&pack).ok());
        loader.as_mut().expect("the default pack: run `make models`").keep_portraits(true);
    }
    if let Some(loader) = loader.as_mut().filter(|_| whole) {
        let _ = loader.load(&[path.to_path_buf()]);
    }
}

/// What is cut out of a photo for a mesh of any finite numbers.
pub fn cut(photo: &image::RgbImage, mesh: &Mesh) {
    mesh::prepare();
    let portrait = Portrait::cut(photo, mesh);
    assert!(portrait.size().0 > 0 && portrait.size().1 > 0);
    let _ = mesh::bake::bake(&[Cut::new(photo, Box::new(*mesh)).photo()]);
}
