//! Checked reading of a node's attributes and of constant tensors.

use crate::models::onnx::schema::{EXTERNAL, NodeProto, TensorProto, element};

/// How a node is named in errors.
pub(super) fn label(node: &NodeProto) -> String {
    let name = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
    format!("{} `{}`", node.op_type, name.map_or("", String::as_str))
}

/// Fails if the node has an attribute that is not in `known`.
pub(super) fn only(node: &NodeProto, known: &[&str]) -> Result<(), String> {
    match node.attribute.iter().find(|a| !known.contains(&a.name.as_str())) {
        Some(a) => Err(format!("unknown attribute `{}`", a.name)),
        None => Ok(()),
    }
}

pub(super) fn integer(node: &NodeProto, name: &str, default: i64) -> i64 {
    node.attribute.iter().find(|a| a.name == name).and_then(|a| a.i).unwrap_or(default)
}

pub(super) fn text<'a>(node: &'a NodeProto, name: &str) -> Option<&'a [u8]> {
    node.attribute.iter().find(|a| a.name == name).and_then(|a| a.s.as_deref())
}

/// `N` integers of `low..=high`; all are `default` if the attribute is missing.
pub(super) fn integers<const N: usize>(
    node: &NodeProto,
    name: &str,
    default: usize,
    (low, high): (usize, usize),
) -> Result<[usize; N], String> {
    let Some(attribute) = node.attribute.iter().find(|a| a.name == name) else {
        return Ok([default; N]);
    };
    let read = |&v: &i64| usize::try_from(v).ok().filter(|v| (low..=high).contains(v));
    let values: Option<Vec<usize>> = attribute.ints.iter().map(read).collect();
    let values = values.and_then(|v| <[usize; N]>::try_from(v).ok());
    values.ok_or_else(|| format!("attribute `{name}` is {:?}", attribute.ints))
}

/// A tensor's dimensions and the number of its elements.
pub(super) fn dims(tensor: &TensorProto) -> Result<(Vec<usize>, usize), String> {
    let wrong = || format!("tensor `{}` has dimensions {:?}", tensor.name, tensor.dims);
    let dims: Option<Vec<usize>> =
        tensor.dims.iter().map(|&d| usize::try_from(d).ok().filter(|&d| d > 0)).collect();
    let dims = dims.ok_or_else(wrong)?;
    let count = dims.iter().try_fold(1usize, |count, &d| count.checked_mul(d)).ok_or_else(wrong)?;
    Ok((dims, count))
}

/// The elements of a tensor of floats.
pub(super) fn floats(tensor: &TensorProto) -> Result<Vec<f32>, String> {
    elements(tensor, element::FLOAT, &tensor.float_data, f32::from_le_bytes)
}

/// The elements of a tensor of 64-bit integers.
pub(super) fn longs(tensor: &TensorProto) -> Result<Vec<i64>, String> {
    elements(tensor, element::INT64, &tensor.int64_data, i64::from_le_bytes)
}

/// The elements of a tensor of one `kind`: `listed`, or of `N` raw bytes each.
fn elements<T: Clone, const N: usize>(
    tensor: &TensorProto,
    kind: i32,
    listed: &[T],
    read: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, String> {
    let (_, count) = stored(tensor, kind)?;
    if tensor.raw_data.is_empty() {
        return sized(tensor, listed.to_vec(), count);
    }
    let (chunks, rest) = tensor.raw_data.as_chunks::<N>();
    let whole = if rest.is_empty() { chunks.len() } else { 0 };
    sized(tensor, chunks[..whole].iter().map(|&bytes| read(bytes)).collect(), count)
}

fn stored(tensor: &TensorProto, kind: i32) -> Result<(Vec<usize>, usize), String> {
    if tensor.data_type != kind || tensor.data_location == EXTERNAL {
        return Err(format!("tensor `{}` has data of type {} or elsewhere", tensor.name, tensor.data_type));
    }
    dims(tensor)
}

fn sized<T>(tensor: &TensorProto, values: Vec<T>, count: usize) -> Result<Vec<T>, String> {
    if values.len() != count {
        return Err(format!("tensor `{}` has {} elements, not {count}", tensor.name, values.len()));
    }
    Ok(values)
}
