//! Facts of an ONNX file that ONNX Runtime does not tell.

mod change;
mod convolution;
mod scan;
pub mod schema;
mod wire;

use std::path::{Component, Path, PathBuf};

use half::f16;
use memmap2::Mmap;
use prost::{Message, bytes::Bytes};

pub(super) use change::{Changed, Changes, Weights, change};

use super::ModelError;
use crate::files;
use scan::Need;
use schema::{EXTERNAL, ModelProto, TensorProto, element};

/// Bytes of a model file at most: protobuf's own limit. Larger models keep their weights in files
/// beside theirs.
pub(crate) const MOST_BYTES: u64 = 1 << 31;
/// Bytes of the tensor that is read here at most.
const MOST_TENSOR: usize = 1 << 28;

/// A model's bytes, through a mapping of its file: weights stay in the file until they are looked at.
///
/// # Errors
/// The file cannot be opened, is no regular file, or is too large to be a model.
pub fn map(path: &Path) -> Result<Bytes, ModelError> {
    let unreadable = |e: std::io::Error| ModelError::Unreadable { path: path.into(), reason: e.to_string() };
    let file = files::open(path, MOST_BYTES).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the mapping is private and read only. A program that truncated the file while it is
    // read here would end this process, as it would end ONNX Runtime, which maps files too.
    let mapping = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
    Ok(Bytes::from_owner(mapping))
}

fn decode(path: &Path, bytes: Bytes) -> Result<ModelProto, ModelError> {
    let model = ModelProto::decode(bytes);
    model.map_err(|e| ModelError::Invalid { path: path.into(), reason: e.to_string() })
}

/// Sees that a model keeps to itself, before the runtime is given it: its weights lie in it or in
/// regular files of its own folder, and it brings nothing compiled along that a provider would run.
///
/// # Errors
/// Says what the model asks for.
pub fn check(path: &Path) -> Result<(), ModelError> {
    let model = map(path)?;
    let invalid = |reason: String| ModelError::Invalid { path: path.into(), reason };
    scan::needs(&model, &mut |need| match need {
        Need::Operator(b"EPContext") => {
            Err("it holds something compiled for one execution provider, which is not run; export it without"
                .into())
        }
        Need::Operator(_) => Ok(()),
        Need::File(name) => beside(path, name),
    })
    .map_err(invalid)
}

/// See [`crate::fuzzing`].
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzzing(model: &[u8]) {
    let _ = scan::needs(model, &mut |need| match need {
        Need::File(name) => beside(Path::new("/nowhere/model.onnx"), name),
        Need::Operator(_) => Ok(()),
    });
    if let Ok(ModelProto { graph: Some(graph), .. }) = ModelProto::decode(model) {
        let _ = convolution::fates(&graph);
    }
}

/// Whether a file that a model names lies in the model's folder. A model that is a link may also have
/// it beside what the link leads to.
fn beside(model: &Path, name: &[u8]) -> Result<(), String> {
    let shown = String::from_utf8_lossy(name);
    let wrong = |what: &str| {
        format!(
            "its weights lie in {shown:?}, {what}; weights must be regular files in the model's own folder"
        )
    };
    let name = std::str::from_utf8(name).map_err(|_| wrong("which is no name"))?;
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.is_empty() || name.contains('\0') || !Path::new(name).components().all(inside) {
        return Err(wrong("which leads out of the folder"));
    }
    let folder = |file: &Path| match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let there = folder(model).join(name);
    let found = there.canonicalize().map_err(|e| wrong(&e.to_string()))?;
    let real = |file: &Path| folder(file).canonicalize().ok();
    let homes = [real(model), model.canonicalize().ok().and_then(|target| real(&target))];
    if !homes.iter().flatten().any(|home| found.starts_with(home)) {
        return Err(wrong("a link that leads out of the folder"));
    }
    match found.is_file() {
        true => Ok(()),
        false => Err(wrong("which is no regular file")),
    }
}

/// The matrix that takes an embedding to an inswapper's latent: the graph's last initializer,
/// `size`×`size`, row by row. What is wrong with it where it is none.
pub fn emap(model: &Bytes, size: usize) -> Result<Vec<f32>, String> {
    let wanted = format!("a {size}×{size} embedding map as its last initializer");
    let last = scan::last_initializer(model)?;
    let bytes = last.ok_or_else(|| format!("it needs {wanted}, it has no initializer at all"))?;
    if bytes.len() > MOST_TENSOR {
        return Err(format!("it needs {wanted}, the last one has {} bytes", bytes.len()));
    }
    let tensor =
        TensorProto::decode(model.slice_ref(bytes)).map_err(|e| format!("it needs {wanted}: {e}"))?;
    let side = size as i64;
    if tensor.dims != [side, side] {
        let dims = &tensor.dims[..tensor.dims.len().min(8)];
        return Err(format!("it needs {wanted}, the last one is `{}` {dims:?}", tensor.name));
    }
    let values = floats(&tensor).map_err(|e| format!("it needs {wanted}, `{}` {e}", tensor.name))?;
    if values.len() != size * size || values.iter().any(|v| !v.is_finite()) {
        return Err(format!("its last initializer, `{}`, is damaged", tensor.name));
    }
    Ok(values)
}

/// Elements of a 32- or 16-bit float tensor.
fn floats(tensor: &TensorProto) -> Result<Vec<f32>, String> {
    if tensor.data_location == EXTERNAL {
        return Err("lies in another file".into());
    }
    let raw = &tensor.raw_data;
    match tensor.data_type {
        element::FLOAT if raw.is_empty() => Ok(tensor.float_data.clone()),
        element::FLOAT => {
            Ok(raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        }
        element::FLOAT16 if raw.is_empty() => {
            Ok(tensor.int32_data.iter().map(|&v| f16::from_bits(v as u16).to_f32()).collect())
        }
        element::FLOAT16 => {
            Ok(raw.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect())
        }
        other => Err(format!("holds elements of type {other}, not floats")),
    }
}

#[cfg(test)]
mod tests {
    use super::{schema::GraphProto, *};

    fn model(tensors: Vec<TensorProto>) -> Bytes {
        let graph = GraphProto { initializer: tensors, ..Default::default() };
        ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec().into()
    }

    fn tensor(name: &str, dims: &[i64], data_type: i32) -> TensorProto {
        TensorProto { name: name.into(), dims: dims.into(), data_type, ..Default::default() }
    }

    #[test]
    fn the_emap_is_the_last_initializer_in_all_its_encodings() {
        let values = [1.0f32, -2.5, 0.125, 3.0];
        let single = |v: &f32| v.to_le_bytes();
        let half = |v: &f32| f16::from_f32(*v).to_le_bytes();
        let mut kinds = vec![tensor("emap", &[2, 2], element::FLOAT); 4];
        kinds[0].raw_data = values.iter().flat_map(single).collect();
        kinds[1].float_data = values.into();
        kinds[2].raw_data = values.iter().flat_map(half).collect();
        kinds[3].int32_data = values.iter().map(|v| i32::from(f16::from_f32(*v).to_bits())).collect();
        (kinds[2].data_type, kinds[3].data_type) = (element::FLOAT16, element::FLOAT16);
        for emap_tensor in kinds {
            let other = tensor("weight", &[2, 2], element::FLOAT);
            assert_eq!(emap(&model(vec![other, emap_tensor]), 2), Ok(values.to_vec()));
        }
    }

    #[test]
    fn what_is_no_emap_is_named() {
        let says = |tensors| emap(&model(tensors), 512).unwrap_err();
        assert!(says(vec![]).contains("no initializer at all"));
        let wrong = says(vec![tensor("conv.bias", &[3], element::FLOAT)]);
        assert!(wrong.contains("512×512") && wrong.contains("`conv.bias` [3]"), "{wrong}");
        let integers = says(vec![tensor("map", &[512, 512], element::INT64)]);
        assert!(integers.contains("type 7"), "{integers}");
        let short = says(vec![tensor("map", &[512, 512], element::FLOAT)]);
        assert!(short.contains("damaged"), "{short}");
        let mut outside = tensor("map", &[512, 512], element::FLOAT);
        outside.data_location = EXTERNAL;
        assert!(says(vec![outside]).contains("another file"));
    }
}
