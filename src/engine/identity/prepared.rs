//! What was made of photos, shared by all sources of the same photos for as long as one of them lives.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
};

use super::{cut::Cut, decode::MAX_BYTES, portrait::Portrait, source::SourceWarning};
use crate::{
    engine::{
        SourceError,
        swap::mesh::{
            bake::{Photo, Skin, bake},
            shape::Shape,
            texture::Texture,
            topology::VERTICES,
        },
    },
    files,
    sync::lock,
};

/// The person put in, as the mesh engine draws them.
#[derive(Debug)]
pub(crate) struct View {
    pub skin: Skin,
    pub shape: Shape,
    /// The best photo's face, for what lies inside eyes and mouth.
    pub photo: Texture,
    /// Its pixels of every vertex.
    pub uv: Box<[[f32; 2]; VERTICES]>,
}

/// Photos of one person, prepared by the networks that find faces; not yet for any swap network.
#[derive(Debug)]
pub(super) struct Prepared {
    pub view: View,
    /// Of every photo, where these are kept.
    pub portraits: Vec<Portrait>,
    /// What was worth telling the user.
    pub warnings: Vec<SourceWarning>,
}

impl Prepared {
    /// Of the best photos, the best first, of which there is one at least.
    pub fn new(mut cuts: Vec<Cut>, portraits: Vec<Portrait>, warnings: Vec<SourceWarning>) -> Prepared {
        let photos: Vec<Photo<'_>> = cuts.iter().map(Cut::photo).collect();
        let skin = bake(&photos);
        let best = cuts.swap_remove(0);
        let view = View { skin, shape: Shape::of(&best.mesh), photo: best.texture, uv: best.uv };
        Prepared { view, portraits, warnings }
    }
}

/// What it depends on: the files and what is in them, the networks that look at them, and what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    photos: Vec<(PathBuf, String)>,
    networks: [String; 2],
    portraits: bool,
}

type Slot = Arc<Mutex<Weak<Prepared>>>;

static SLOTS: Mutex<Vec<(Key, Slot)>> = Mutex::new(Vec::new());

/// What is there of these photos, or else what `prepare` makes; whoever asks for the same meanwhile
/// waits. `networks` are digests of the files of the networks, `portraits` is whether these are kept.
///
/// # Errors
/// What `prepare` says.
pub(super) fn shared(
    photos: &[PathBuf],
    networks: &[String; 2],
    portraits: bool,
    prepare: impl FnOnce() -> Result<Prepared, SourceError>,
) -> Result<Arc<Prepared>, SourceError> {
    let digest = |path: &PathBuf| Some((path.clone(), files::sha256(path, MAX_BYTES).ok()?));
    let Some(photos) = photos.iter().map(digest).collect() else {
        // A photo that cannot be read: `prepare` tells why, or leaves it out.
        return prepare().map(Arc::new);
    };
    let slot = slot(Key { photos, networks: networks.clone(), portraits });
    let mut known = lock(&slot);
    if let Some(prepared) = known.upgrade() {
        return Ok(prepared);
    }
    let prepared = Arc::new(prepare()?);
    *known = Arc::downgrade(&prepared);
    Ok(prepared)
}

fn slot(key: Key) -> Slot {
    let mut slots = lock(&SLOTS);
    // Those that nobody waits for and that hold nothing are forgotten.
    slots.retain(|(_, slot)| Arc::strong_count(slot) > 1 || lock(slot).strong_count() > 0);
    if let Some((_, slot)) = slots.iter().find(|(known, _)| *known == key) {
        return slot.clone();
    }
    let slot = Slot::default();
    slots.push((key, slot.clone()));
    slot
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use image::{Rgb, RgbImage};

    use super::*;
    use crate::engine::swap::mesh::{prepare, topology::topology};

    fn face() -> Prepared {
        prepare();
        let mut mesh = topology().canonical.clone();
        mesh.iter_mut().for_each(|p| *p = [120.0 * p[0] + 100.0, 120.0 * p[1] + 100.0, 120.0 * p[2]]);
        let photo = RgbImage::from_pixel(200, 200, Rgb([170, 140, 125]));
        Prepared::new(vec![Cut::new(&photo, mesh)], Vec::new(), Vec::new())
    }

    #[test]
    fn the_same_photos_are_prepared_once_while_that_lives() {
        let folder = std::env::temp_dir().join(format!("faceswap-prepared-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("photo");
        std::fs::write(&path, "one").unwrap();
        let made = Cell::new(0);
        let get = |path: &PathBuf, network: &str, portraits: bool| {
            let networks = [network.to_owned(), "landmarks".to_owned()];
            shared(std::slice::from_ref(path), &networks, portraits, || {
                made.set(made.get() + 1);
                Ok(face())
            })
            .unwrap()
        };
        let first = get(&path, "a", true);
        assert!(Arc::ptr_eq(&first, &get(&path, "a", true)) && made.get() == 1);
        // Another network, other needs, another photo under the same name.
        let others = [get(&path, "b", true), get(&path, "a", false)];
        assert_eq!(made.get(), 3);
        std::fs::write(&path, "two").unwrap();
        drop((get(&path, "a", true), others));
        assert_eq!(made.get(), 4);
        drop(get(&path, "a", true));
        assert_eq!(made.get(), 5, "nobody held it any more");
        // What cannot be read, or is not prepared, is asked for again each time.
        let fails = || Err(SourceError::Missing { path: path.clone() });
        assert!(shared(&[folder.join("none")], &[String::new(), String::new()], true, fails).is_err());
        assert!(shared(std::slice::from_ref(&path), &["a".into(), "landmarks".into()], true, fails).is_err());
        drop(get(&path, "a", true));
        assert_eq!(made.get(), 6);
        let of_here = |(key, slot): &(Key, Slot)| {
            key.photos.iter().any(|(photo, _)| photo.starts_with(&folder)) && lock(slot).strong_count() == 0
        };
        drop(get(&folder.join("photo"), "c", true));
        assert!(lock(&SLOTS).iter().filter(|slot| of_here(slot)).count() <= 1, "old slots stay");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
