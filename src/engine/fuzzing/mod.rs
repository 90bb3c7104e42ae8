//! See [`crate::fuzzing`].

mod bed;
mod frame;
mod outputs;

use std::io::{Seek, SeekFrom, Write};

use arbitrary::Unstructured;

pub use frame::frame;
pub use outputs::outputs;

use super::{detect, identity};
use crate::models::Card;

/// A detector's card, applied to a picture.
pub(crate) fn placed(card: &Card) {
    detect::fuzzing::placed(card);
}

/// Reads all of a frame and writes some of it.
pub(crate) fn touch(frame: &mut super::Frame<'_>) {
    let mut canvas = detect::Canvas::layout(frame.width(), frame.height(), 64);
    super::frame::to_canvas(frame, &mut canvas);
    let (mut layer, mut pool) = (Default::default(), bed::pool());
    let whole = super::geometry::Rect::new(0.0, 0.0, frame.width() as f32, frame.height() as f32);
    let how = super::swap::cover::Cover::Blur;
    let covered = super::swap::cover::cover(frame, whole, how, &mut layer, &mut pool);
    assert!(covered.expect("covering").is_some());
}

/// An image file. The first byte says whether the networks look at it, too; they take their time.
pub fn image(data: &[u8]) {
    let Some((first, file)) = data.split_first() else { return };
    let path = std::env::temp_dir().join(format!("faceswap-fuzz-{}.jpg", std::process::id()));
    let mut written = std::fs::File::create(&path).expect("a temporary file");
    written.write_all(file).expect("room for it");
    written.seek(SeekFrom::Start(0)).expect("a file");
    identity::fuzzing::image(&path, first % 32 == 0);
    let _ = std::fs::remove_file(path);
}

/// Lists and maps of files, and the files that they name.
pub fn strings(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let paths = super::split_list(&text);
    // Only names: nothing above the working folder is looked at.
    let harmless = |path: &std::path::PathBuf| {
        path.components().all(|part| matches!(part, std::path::Component::Normal(_)))
    };
    let _ = super::expand(&paths.into_iter().filter(harmless).collect::<Vec<_>>());
    if let Ok(pairs) = super::split_map(&text) {
        for (who, shown) in pairs {
            assert!(!super::split_list(&who).is_empty() && !super::split_list(&shown).is_empty());
        }
    }
    let mut u = Unstructured::new(data);
    let names: arbitrary::Result<Vec<String>> = u.arbitrary();
    for name in names.unwrap_or_default() {
        // Escaped, a name comes back as it was, unless its ends are blank or it is taken for a URI.
        let plain = name.trim() == name && !name.is_empty() && !name.starts_with("file://");
        if plain && !name.contains('\\') {
            let back = super::split_list(&name.replace(',', "\\,"));
            assert_eq!(back, [std::path::PathBuf::from(name)]);
        }
    }
}
