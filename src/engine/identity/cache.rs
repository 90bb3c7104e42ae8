//! Embeddings of photos, kept in memory and, where the user names a folder, on disk.
//!
//! A file holds `FSEM`, the version, the number of values, the values and a SHA-256 of all before it;
//! numbers are little-endian and of 32 bits. Only its owner can read it: an embedding tells a person.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use lru::LruCache;
use sha2::{Digest, Sha256};

use crate::{models::store, sync::lock};

const MAGIC: [u8; 4] = *b"FSEM";
const VERSION: u32 = 1;
/// Values of the longest embedding that is read.
const LONGEST: usize = 1 << 16;

/// What an embedding was made of: the photo's digest and that of the recognizer's file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub photo: [u8; 32],
    /// Hexadecimal.
    pub recognizer: Arc<str>,
}

/// Where an embedding came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Kept,
    Computed,
}

/// The embeddings used last, as many as fit in number and memory.
#[derive(Debug)]
pub(super) struct Embeddings {
    kept: Mutex<Kept>,
    most_bytes: usize,
}

#[derive(Debug)]
struct Kept {
    embeddings: LruCache<Key, Arc<[f32]>>,
    bytes: usize,
    most: usize,
}

impl Embeddings {
    pub fn new(most: usize, most_bytes: usize) -> Self {
        let kept = Kept { embeddings: LruCache::unbounded(), bytes: 0, most };
        Embeddings { kept: Mutex::new(kept), most_bytes }
    }

    /// Keeps no more than `most` from now on.
    pub fn limit(&self, most: usize) {
        let mut kept = lock(&self.kept);
        kept.most = most;
        kept.shrink(self.most_bytes);
    }

    /// The embedding of a photo: kept here, else in `folder`, else computed. What is wrong with the
    /// folder goes to `warnings` and stops nothing.
    ///
    /// # Errors
    /// What `compute` says.
    pub fn get<E>(
        &self,
        key: &Key,
        folder: Option<&Path>,
        warnings: &mut Vec<String>,
        compute: impl FnOnce() -> Result<Arc<[f32]>, E>,
    ) -> Result<(Arc<[f32]>, Found), E> {
        let path = folder.map(|folder| file(folder, key));
        let known = lock(&self.kept).embeddings.get(key).cloned();
        let (embedding, found, stored) = match known {
            Some(known) => (known, Found::Kept, path.as_ref().is_none_or(|path| path.exists())),
            None => {
                let stored = path.as_deref().and_then(|path| {
                    read(path).unwrap_or_else(|reason| {
                        let path = path.display();
                        warnings.push(format!("embedding {path}: {reason}; it is worked out anew"));
                        None
                    })
                });
                match stored {
                    Some(stored) => (stored, Found::Kept, true),
                    None => (compute()?, Found::Computed, false),
                }
            }
        };
        self.put(key, &embedding);
        if let Some(path) = path.filter(|_| !stored)
            && let Err(e) = store::write(&path, &written(&embedding))
        {
            let folder = path.parent().unwrap_or(&path).display();
            warnings.push(format!("model-cache-dir: embeddings cannot be kept in {folder}: {e}"));
        }
        Ok((embedding, found))
    }

    fn put(&self, key: &Key, embedding: &Arc<[f32]>) {
        let mut kept = lock(&self.kept);
        kept.bytes += size_of_val(&**embedding);
        if let Some(old) = kept.embeddings.put(key.clone(), embedding.clone()) {
            kept.bytes -= size_of_val(&*old);
        }
        kept.shrink(self.most_bytes);
    }
}

impl Kept {
    fn shrink(&mut self, most_bytes: usize) {
        while self.embeddings.len() > self.most || self.bytes > most_bytes {
            let Some((_, old)) = self.embeddings.pop_lru() else { return };
            self.bytes -= size_of_val(&*old);
        }
    }
}

fn file(folder: &Path, key: &Key) -> PathBuf {
    let mut name = key.recognizer.get(..16).unwrap_or(&key.recognizer).to_owned();
    name.push('-');
    key.photo.iter().for_each(|byte| name.push_str(&format!("{byte:02x}")));
    folder.join("embeddings").join(name)
}

/// `None` where there is no such file.
fn read(path: &Path) -> Result<Option<Arc<[f32]>>, String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("cannot be read: {e}")),
    };
    let mut bytes = Vec::new();
    let most = (4 * LONGEST + 64) as u64;
    file.by_ref().take(most).read_to_end(&mut bytes).map_err(|e| format!("cannot be read: {e}"))?;
    let damaged = || "it is damaged".to_owned();
    let (content, digest) = bytes.split_at_checked(bytes.len().wrapping_sub(32)).ok_or_else(damaged)?;
    let number = |at: usize| content.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    if !content.starts_with(&MAGIC) || digest != &Sha256::digest(content)[..] {
        return Err(damaged());
    }
    if number(4) != Some(VERSION) {
        return Err("it is of another version of this plugin".into());
    }
    let values = content.get(12..).ok_or_else(damaged)?;
    if number(8) != Some((values.len() / 4) as u32) || values.len() % 4 != 0 {
        return Err(damaged());
    }
    let values = values.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    Ok(Some(values.collect()))
}

/// What [`read`] takes.
fn written(embedding: &[f32]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((embedding.len() as u32).to_le_bytes());
    bytes.extend(embedding.iter().flat_map(|v| v.to_le_bytes()));
    let digest = Sha256::digest(&bytes);
    bytes.extend(&digest[..]);
    bytes
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::PermissionsExt,
        process,
        sync::atomic::{AtomicU32, Ordering},
    };

    use super::*;

    fn key(photo: u8) -> Key {
        Key { photo: [photo; 32], recognizer: "0123456789abcdef0123".into() }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("faceswap-embeddings-{}-{name}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    /// What is got of a cache that holds nothing yet, whether it was computed, and what is said.
    fn fresh(folder: &Path, value: f32) -> (Vec<f32>, Found, Vec<String>) {
        let mut warnings = Vec::new();
        let cache = Embeddings::new(8, 1 << 20);
        let got = cache.get(&key(1), Some(folder), &mut warnings, || Ok::<_, ()>([value, -0.5].into()));
        let (embedding, found) = got.unwrap();
        (embedding.to_vec(), found, warnings)
    }

    #[test]
    fn what_is_on_disk_outlives_the_process() {
        let folder = folder("whole");
        assert_eq!(fresh(&folder, 1.5), (vec![1.5, -0.5], Found::Computed, vec![]));
        assert_eq!(fresh(&folder, 7.0), (vec![1.5, -0.5], Found::Kept, vec![]));
        let path = file(&folder, &key(1));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&folder)), (0o600, 0o700, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "a part lies about");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_damaged_is_worked_out_anew() {
        let folder = folder("damaged");
        fresh(&folder, 1.5);
        let path = file(&folder, &key(1));
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[13] ^= 1;
        let mut other = whole.clone();
        other[4] = 9;
        let end = other.len() - 32;
        let digest = Sha256::digest(&other[..end]);
        other[end..].copy_from_slice(&digest);
        for (bytes, says) in
            [(flipped, "damaged"), (whole[..30].to_vec(), "damaged"), (vec![], "damaged"), (other, "version")]
        {
            fs::write(&path, bytes).unwrap();
            let (embedding, found, warnings) = fresh(&folder, 2.5);
            assert_eq!((embedding, found), (vec![2.5, -0.5], Found::Computed));
            assert!(warnings.len() == 1 && warnings[0].contains(says), "{warnings:?}");
            assert!(warnings[0].contains(path.to_str().unwrap()), "{warnings:?}");
            assert_eq!(fresh(&folder, 3.5).1, Found::Kept, "the damaged file was left");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_takes_nothing_stops_nothing() {
        let folder = folder("taken");
        fs::write(&folder, "a file where the folder would be").unwrap();
        let (embedding, found, warnings) = fresh(&folder, 1.0);
        assert_eq!((embedding, found), (vec![1.0, -0.5], Found::Computed));
        assert!(warnings.iter().any(|text| text.contains("model-cache-dir")), "{warnings:?}");
        fs::remove_file(&folder).unwrap();
        fs::create_dir_all(folder.join("embeddings")).unwrap();
        fs::set_permissions(folder.join("embeddings"), fs::Permissions::from_mode(0o777)).unwrap();
        let (_, found, warnings) = fresh(&folder, 1.0);
        assert_eq!(found, Found::Computed);
        assert!(warnings[0].contains("others may write there (mode 777)"), "{warnings:?}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn memory_is_bounded_in_number_and_size() {
        let (mut warnings, computed) = (Vec::new(), AtomicU32::new(0));
        let mut get = |cache: &Embeddings, photo: u8| {
            let made = cache.get(&key(photo), None, &mut warnings, || {
                computed.fetch_add(1, Ordering::Relaxed);
                Ok::<_, ()>([0.0; 4].into())
            });
            made.unwrap().1
        };
        for cache in [Embeddings::new(2, 1 << 20), Embeddings::new(100, 39)] {
            assert_eq!([1, 2, 1, 3].map(|photo| get(&cache, photo)), {
                use Found::{Computed, Kept};
                [Computed, Computed, Kept, Computed]
            });
            assert_eq!((get(&cache, 1), get(&cache, 2)), (Found::Kept, Found::Computed));
            cache.limit(1);
            assert_eq!((get(&cache, 2), get(&cache, 1)), (Found::Kept, Found::Computed));
        }
    }
}
