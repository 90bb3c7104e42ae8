//! Models, loaded once a process however many elements use them.

#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
use std::{
    collections::HashMap,
    fs::Metadata,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::SystemTime,
};

use super::{
    Model, ModelError, Options, Provider,
    identify::sha256,
    loaded::{Form, Loaded},
    measure,
    onnx::{self, Changed, Changes},
    runtime,
    session::Session,
    winograd,
};

mod batch;

/// What a file's hash was worked out from: while this stays the same, so does the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Device and inode, which a file that is put in its place has others of.
    #[cfg(unix)]
    place: (u64, u64),
    /// Seconds and nanoseconds since 1970 of the last change to content or inode, which nobody can set.
    #[cfg(unix)]
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Stamp {
        Stamp {
            bytes: found.len(),
            modified: found.modified().ok(),
            #[cfg(unix)]
            place: (found.dev(), found.ino()),
            #[cfg(unix)]
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    sha256: String,
    options: Options,
    size: Size,
    open: bool,
}

/// What a model is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Size {
    /// Runs at every frame, so what a run needs is kept.
    Small,
    /// What a run needs is given back after it.
    Large,
}

type Slot = Arc<Mutex<Weak<Loaded>>>;

static SLOTS: Mutex<Option<HashMap<Key, Slot>>> = Mutex::new(None);
static HASHES: Mutex<Option<HashMap<PathBuf, (Stamp, String)>>> = Mutex::new(None);

/// SHA-256 of a model file, worked out again only when the file has changed.
///
/// # Errors
/// [`ModelError::Unreadable`].
pub fn hash(path: &Path) -> Result<String, ModelError> {
    let unreadable = |e: std::io::Error| ModelError::Unreadable { path: path.into(), reason: e.to_string() };
    let found = path.metadata().map_err(unreadable)?;
    let stamp = Stamp::of(&found);
    let known = |hashes: &mut Option<HashMap<PathBuf, (Stamp, String)>>| {
        let known = hashes.get_or_insert_default().get(path)?;
        (known.0 == stamp && stamp.modified.is_some()).then(|| known.1.clone())
    };
    if let Some(digest) = known(&mut crate::sync::lock(&HASHES)) {
        return Ok(digest);
    }
    let digest = sha256(path)?;
    let mut hashes = crate::sync::lock(&HASHES);
    hashes.get_or_insert_default().insert(path.into(), (stamp, digest.clone()));
    Ok(digest)
}

impl Session {
    /// Loads the runtime if need be, then a small model onto the CPU, and compares its inputs and
    /// outputs with the card. All who ask with the same file content share it; it leaves memory with
    /// the last of them. `threads` (at least 1) work on each operator.
    ///
    /// # Errors
    /// The runtime or the file is missing, damaged or not what the card says; the message names
    /// the path and each input or output that differs.
    pub fn load(model: &Model, threads: usize) -> Result<Session, ModelError> {
        let options = Options { provider: Provider::Cpu, threads, ..Options::default() };
        shared(model, &options, Size::Small, false).map(|loaded| Session::of(model, loaded))
    }

    /// As [`Session::load`], for a large model and any provider. A new one is run once: it must give
    /// finite numbers, on another processor those of the CPU. What it was run on comes with it:
    /// `auto` has become a provider.
    ///
    /// # Errors
    /// As [`Session::load`]; the provider is not there, fails, or gives other numbers.
    pub fn shared(model: &Model, options: &Options) -> Result<Session, ModelError> {
        Session::large(model, options, false)
    }

    /// As [`Session::shared`], to run several images at once where that pays and is sound, which
    /// [`Session::batches`] then tells. Where the file is made for one image its batch is opened.
    ///
    /// # Errors
    /// As [`Session::shared`].
    pub fn batched(model: &Model, options: &Options) -> Result<Session, ModelError> {
        Session::large(model, options, true)
    }

    fn large(model: &Model, options: &Options, open: bool) -> Result<Session, ModelError> {
        let options = &options.resolved(model)?;
        runtime::load(model.runtime.as_deref())?;
        if let Some(candidates) = measure::candidates(options) {
            let (mut session, measured) =
                measure::measured(model, &candidates, options.cache.as_deref(), open)?;
            session.measured = Some(measured.text);
            return Ok(session);
        }
        if options.provider != Provider::Auto {
            return Session::shared_as(model, options, open);
        }
        let preferred = Provider::PREFERRED.into_iter().filter(|provider| provider.is_built_in());
        for provider in preferred {
            match shared(model, &Options { provider, ..options.clone() }, Size::Large, open) {
                Ok(loaded) => return Ok(Session::of(model, loaded)),
                Err(e) => runtime::tell(&format!("auto goes on to the next provider: {e}")),
            }
        }
        Session::shared_as(model, &options.on_cpu(), open)
    }

    /// As [`Session::shared`] or, where it is to be `open`, [`Session::batched`], for exactly this provider
    /// and device.
    pub(super) fn shared_as(model: &Model, options: &Options, open: bool) -> Result<Session, ModelError> {
        shared(model, options, Size::Large, open).map(|loaded| Session::of(model, loaded))
    }
}

fn shared(model: &Model, options: &Options, size: Size, open: bool) -> Result<Arc<Loaded>, ModelError> {
    if !model.path.is_file() {
        return Err(ModelError::NoSuchFile { role: model.role, path: model.path.clone() });
    }
    let key = Key { sha256: hash(&model.path)?, options: options.clone(), size, open };
    let slot = {
        let mut slots = crate::sync::lock(&SLOTS);
        let slots = slots.get_or_insert_default();
        slots.retain(|_, slot| {
            Arc::strong_count(slot) > 1
                || slot.lock().unwrap_or_else(PoisonError::into_inner).strong_count() > 0
        });
        slots.entry(key).or_default().clone()
    };
    // Held while loading, so that whoever asks for the same meanwhile waits for it.
    let mut slot = crate::sync::lock(&slot);
    // By another's name or card the same content may have become something else.
    if let Some(loaded) = slot.upgrade()
        && loaded.card_for(model)? == loaded.card
    {
        return Ok(loaded);
    }
    let loaded = match size {
        Size::Small => Arc::new(Loaded::new(model, options, Form::default())?),
        Size::Large if open => batch::proved_open(model, options)?,
        Size::Large => single(model, options)?,
    };
    *slot = Arc::downgrade(&loaded);
    Ok(loaded)
}

/// A large model, changed for its use: its batch is opened if it is to be, and on the CPU its
/// convolutions are run by [`winograd`] where that pays and the runtime takes it. `None` where there is
/// nothing to change.
fn changed(model: &Model, options: &Options, batch: bool) -> Result<Option<Arc<Loaded>>, ModelError> {
    let changes = Changes { batch, winograd: options.provider == Provider::Cpu && winograd::pays() };
    let Some(changed) = onnx::change(&model.path, changes)? else { return Ok(None) };
    match proved(model, options, Some(&changed)) {
        Err(e) if changed.changes.winograd => {
            runtime::tell(&format!("its convolutions are left to ONNX Runtime: {e}"));
        }
        loaded => return loaded.map(Some),
    }
    let changed = onnx::change(&model.path, Changes { winograd: false, ..changes })?;
    changed.map(|changed| proved(model, options, Some(&changed))).transpose()
}

/// As [`changed`], for one image at a time or as the file has it; else as it is.
fn single(model: &Model, options: &Options) -> Result<Arc<Loaded>, ModelError> {
    changed(model, options, false)?.map_or_else(|| proved(model, options, None), Ok)
}

/// A large model that gives numbers, on another processor those of the CPU.
fn proved(model: &Model, options: &Options, changed: Option<&Changed>) -> Result<Arc<Loaded>, ModelError> {
    let expected = match options.provider {
        Provider::Cpu => None,
        _ => {
            options.check(model)?;
            let form = Form { lean: true, ..Form::default() };
            Some(probe(&Arc::new(Loaded::new(model, &options.on_cpu(), form)?))?)
        }
    };
    let attempt = |recorded| {
        let loaded = Arc::new(Loaded::new(model, options, Form { lean: true, changed, recorded })?);
        let given = probe(&loaded)?;
        match &expected {
            Some(expected) => compare(&given, expected).map_err(|reason| options.error(reason)),
            None => Ok(()),
        }
        .map(|()| loaded)
    };
    if options.provider == Provider::Cuda {
        match attempt(true) {
            Ok(loaded) => return Ok(loaded),
            Err(e) => runtime::tell(&format!("runs are not recorded as CUDA graphs: {e}")),
        }
    }
    attempt(false)
}

/// One run on made-up inputs; free dimensions are 1.
fn probe(loaded: &Arc<Loaded>) -> Result<Vec<f32>, ModelError> {
    let mut session = Session::on(loaded.clone());
    for index in 0..loaded.inputs.len() {
        let shape: Vec<i64> = session.input_shape(index).iter().map(|&d| if d < 0 { 1 } else { d }).collect();
        let values = session.input(index, &shape)?;
        make_up(values, shape.len(), 0);
    }
    session.run()?;
    // The next is recorded, and the one after it replayed.
    for _ in 0..if loaded.recorded { 2 } else { 0 } {
        session.run()?;
    }
    let output = session.output(0).1.to_vec();
    if output.is_empty() || output.iter().any(|v| !v.is_finite()) {
        let reason = "it gives values that are no numbers, as damaged or wrongly converted 16-bit files do; \
            fetch it again, or use its 32-bit version";
        return Err(ModelError::Unusable { path: loaded.path.clone(), reason: reason.into() });
    }
    Ok(output)
}

/// Values for one input of so many dimensions: of unit norm where it is a vector, like the pixels of a
/// normalised picture otherwise. They differ by `seed`.
fn make_up(values: &mut [f32], dimensions: usize, seed: u32) {
    let scale = if dimensions == 2 { (3.0 / values.len() as f32).sqrt() } else { 1.0 };
    let mut state = 0x2545_f491u32 ^ seed.wrapping_mul(0x9e37_79b9);
    for value in values {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = scale * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0);
    }
}

/// Whether a provider's output is the CPU's, as far as 16-bit or TF32 arithmetic can tell.
fn compare(given: &[f32], expected: &[f32]) -> Result<(), String> {
    if given.len() != expected.len() {
        return Err(format!("it gives {} values, the CPU {}", given.len(), expected.len()));
    }
    let n = given.len() as f32;
    let apart = given.iter().zip(expected).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / n;
    let mean = expected.iter().sum::<f32>() / n;
    let spread = expected.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
    let ratio = (apart / spread.max(1e-12)).sqrt();
    // Written so that what is no number fails.
    if ratio < 0.05 {
        Ok(())
    } else {
        Err(format!("its numbers differ from the CPU's by {:.0} %", 100.0 * ratio))
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;
    use crate::models::Search;

    fn folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("faceswap-shared-{}-{name}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[cfg(unix)]
    #[test]
    fn a_file_in_another_s_place_is_noticed_though_size_and_time_are_the_same() {
        let folder = folder("stamp");
        let (path, new) = (folder.join("model.onnx"), folder.join("new.onnx"));
        fs::write(&path, "one").unwrap();
        let before = hash(&path).unwrap();
        fs::write(&new, "two").unwrap();
        let time = path.metadata().unwrap().modified().unwrap();
        fs::File::options().write(true).open(&new).unwrap().set_modified(time).unwrap();
        fs::rename(&new, &path).unwrap();
        let found = path.metadata().unwrap();
        assert_eq!((found.len(), found.modified().unwrap()), (3, time));
        assert_ne!(hash(&path).unwrap(), before);
        assert_eq!(hash(&path).unwrap(), sha256(&path).unwrap());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_model_is_loaded_once_and_leaves_with_its_last_session() {
        let folder = folder("sessions");
        let own = Search::default().recognizer().unwrap();
        let copy = Model { path: folder.join("copy.onnx"), ..own.clone() };
        fs::copy(&own.path, &copy.path).unwrap();
        // Threads that no other test asks for.
        let load = |model, threads| {
            let options = Options { provider: Provider::Cpu, threads, ..Options::default() };
            shared(model, &options, Size::Small, false).unwrap()
        };
        let (one, two) = (load(&own, 3), load(&copy, 3));
        assert!(Arc::ptr_eq(&one, &two), "the same content was loaded twice");
        assert!(!Arc::ptr_eq(&one, &load(&own, 5)), "it runs on as many threads as another asked for");
        let left = Arc::downgrade(&one);
        let sessions = [Session::of(&own, one), Session::of(&copy, two)];
        let another = sessions[0].another();
        drop(sessions);
        assert!(left.upgrade().is_some());
        drop(another);
        assert!(left.upgrade().is_none(), "it stays without a user");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn only_the_cpu_s_numbers_pass() {
        let cpu: Vec<f32> = (0..100).map(|i| (i as f32 * 0.7).sin()).collect();
        let off = |by: f32| cpu.iter().map(|v| v * (1.0 + by)).collect::<Vec<_>>();
        assert_eq!(compare(&off(0.001), &cpu), Ok(()));
        assert!(compare(&off(0.2), &cpu).unwrap_err().contains("20 %"));
        assert!(compare(&vec![f32::NAN; 100], &cpu).is_err());
        assert!(compare(&cpu[1..], &cpu).unwrap_err().contains("99 values"));
        assert!(compare(&[0.0; 100], &cpu).is_err());
    }
}
