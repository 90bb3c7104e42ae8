//! Facts of an ONNX file that ONNX Runtime does not tell.

mod batch;
pub mod schema;
mod wire;

use std::{fs::File, path::Path};

use half::f16;
use memmap2::Mmap;
use prost::{Message, bytes::Bytes};

pub(super) use batch::{Opened, open};

use super::ModelError;
use schema::{EXTERNAL, ModelProto, TensorProto, element};

/// Reads a model through a mapping of its file: weights stay in the file until they are looked at.
///
/// # Errors
/// The file cannot be opened, or is not a whole ONNX model.
pub fn read(path: &Path) -> Result<ModelProto, ModelError> {
    decode(path, map(path)?)
}

fn decode(path: &Path, bytes: Bytes) -> Result<ModelProto, ModelError> {
    let model = ModelProto::decode(bytes);
    model.map_err(|e| ModelError::Invalid { path: path.into(), reason: e.to_string() })
}

fn map(path: &Path) -> Result<Bytes, ModelError> {
    let unreadable = |e: std::io::Error| ModelError::Unreadable { path: path.into(), reason: e.to_string() };
    let file = File::open(path).map_err(unreadable)?;
    // SAFETY: the mapping is private and read only. A program that truncated the file while it is
    // read here would end this process, as it would end ONNX Runtime, which maps files too.
    let mapping = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
    Ok(Bytes::from_owner(mapping))
}

/// The matrix that takes an embedding to an inswapper's latent: the graph's last initializer,
/// `size`×`size`, row by row. What is wrong with it where it is none.
pub fn emap(model: &ModelProto, size: usize) -> Result<Vec<f32>, String> {
    let wanted = format!("a {size}×{size} embedding map as its last initializer");
    let last = model.graph.as_ref().and_then(|graph| graph.initializer.last());
    let tensor = last.ok_or_else(|| format!("it needs {wanted}, it has no initializer at all"))?;
    let side = size as i64;
    if tensor.dims != [side, side] {
        return Err(format!("it needs {wanted}, the last one is `{}` {:?}", tensor.name, tensor.dims));
    }
    let values = floats(tensor).map_err(|e| format!("it needs {wanted}, `{}` {e}", tensor.name))?;
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

    fn model(tensors: Vec<TensorProto>) -> ModelProto {
        let graph = GraphProto { initializer: tensors, ..Default::default() };
        ModelProto { graph: Some(graph), ..Default::default() }
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
