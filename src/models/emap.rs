//! Embedding maps, read once a process however many elements use them.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, Weak},
};

use super::{ModelError, onnx, shared::hash};
use crate::sync::lock;

/// By the file's SHA-256 and the map's side.
type Maps = HashMap<(String, usize), Weak<[f32]>>;

static MAPS: Mutex<Option<Maps>> = Mutex::new(None);

/// The embedding map of a swapper's file, `side`×`side`, row by row, as [`onnx::emap`] finds it. All
/// who ask for that of the same file content share it; it leaves memory with the last of them.
///
/// # Errors
/// The file cannot be read, or has no such map.
pub(crate) fn emap(path: &Path, side: usize) -> Result<Arc<[f32]>, ModelError> {
    let key = (hash(path)?, side);
    // Held while reading, so that whoever asks for the same meanwhile waits for it.
    let mut maps = lock(&MAPS);
    let maps = maps.get_or_insert_default();
    if let Some(map) = maps.get(&key).and_then(Weak::upgrade) {
        return Ok(map);
    }
    let values = onnx::emap(&onnx::map(path)?, side).map_err(|reason| without(path, &reason))?;
    let map: Arc<[f32]> = values.into();
    maps.retain(|_, map| map.strong_count() > 0);
    maps.insert(key, Arc::downgrade(&map));
    Ok(map)
}

fn without(path: &Path, reason: &str) -> ModelError {
    let reason = format!(
        "{reason}; programs that simplify a model drop it: fetch the file as it was published, or put a card \
        without emap beside it, named {}",
        path.with_extension("toml").display()
    );
    ModelError::Unusable { path: path.into(), reason }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::models::fuzzing::seed;

    #[test]
    fn a_map_is_held_once_and_leaves_with_its_last_user() {
        let folder = std::env::temp_dir().join(format!("faceswap-emap-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let [one, two, other] = ["one", "two", "other"].map(|name| folder.join(name).with_extension("onnx"));
        fs::write(&one, seed()).unwrap();
        fs::write(&two, seed()).unwrap();
        // The last value of the last initializer.
        let mut bytes = seed();
        let at = bytes.windows(4).rposition(|window| window == 1f32.to_le_bytes()).unwrap();
        bytes[at..at + 4].copy_from_slice(&3f32.to_le_bytes());
        fs::write(&other, bytes).unwrap();

        let (first, second) = (emap(&one, 2).unwrap(), emap(&two, 2).unwrap());
        assert!(Arc::ptr_eq(&first, &second), "held twice");
        assert_eq!(
            (&*first, &*emap(&other, 2).unwrap()),
            (&[1.0, 0.0, 0.0, 1.0][..], &[1.0, 0.0, 0.0, 3.0][..])
        );
        assert!(emap(&one, 3).unwrap_err().to_string().contains("3×3 embedding map"));
        let left = Arc::downgrade(&first);
        drop(first);
        assert!(left.upgrade().is_some());
        drop(second);
        assert!(left.upgrade().is_none(), "held by nobody");
        fs::remove_dir_all(folder).unwrap();
    }
}
