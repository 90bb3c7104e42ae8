//! Reading of single operators.

use super::depthwise::{Depthwise, SIDE};
use super::graph::{Image, Op, Reader, View, Window, single};
use super::lanes::LANES;
use super::packed::Packed;
use super::proto::{dims, floats, integer, integers, longs, only, text};
use crate::models::onnx::schema::NodeProto;

/// Largest side and stride of a kernel.
const MAX_KERNEL: usize = 16;

/// Reads one node into the `reader`.
pub(super) fn read<'a>(reader: &mut Reader<'a>, node: &'a NodeProto) -> Result<(), String> {
    if !matches!(node.domain.as_str(), "" | "ai.onnx") {
        return Err(format!("this operator is of `{}`", node.domain));
    }
    match (node.op_type.as_str(), node.input.as_slice()) {
        ("Transpose", [input]) => transpose(reader, node, input),
        ("Conv", [input, weights]) => conv(reader, node, input, weights, ""),
        ("Conv", [input, weights, bias]) => conv(reader, node, input, weights, bias),
        ("Relu", [input]) => relu(reader, node, input),
        ("PRelu", [input, slope]) => prelu(reader, node, input, slope),
        ("Add", [a, b]) => add(reader, node, a, b),
        ("MaxPool", [input]) => max_pool(reader, node, input),
        ("Pad", [input, pads]) => pad(reader, node, input, pads, ""),
        ("Pad", [input, pads, value]) => pad(reader, node, input, pads, value),
        ("Flatten", [input]) => {
            only(node, &["axis"])?;
            flat(reader, node, input, integer(node, "axis", 1) == 1)
        }
        ("Reshape", [input, shape]) => {
            only(node, &["allowzero"])?;
            let shape = longs(reader.tensor(shape)?)?;
            let (id, _) = reader.value(input)?;
            let channels = i64::try_from(reader.images[id].channels).unwrap_or(i64::MAX);
            flat(reader, node, input, shape == [1, channels] || shape == [1, -1] || shape == [-1, channels])
        }
        (_, inputs) => Err(format!("this operator with {} inputs is unknown", inputs.len())),
    }
}

fn transpose<'a>(reader: &mut Reader<'a>, node: &'a NodeProto, input: &str) -> Result<(), String> {
    only(node, &["perm"])?;
    let order: [usize; 4] = integers(node, "perm", 0, (0, 3))?;
    match reader.value(input)? {
        (id, View::ChannelsLast) if order == [0, 3, 1, 2] => reader.name(single(node)?, id, View::Planes),
        _ => Err(format!("order {order:?} of `{input}` is unknown")),
    }
}

/// Names a picture of one pixel as a row.
fn flat<'a>(reader: &mut Reader<'a>, node: &'a NodeProto, input: &str, to_row: bool) -> Result<(), String> {
    let (id, image) = reader.picture(input)?;
    if !to_row || image.height != 1 || image.width != 1 {
        return Err(format!("`{input}` is not one pixel that becomes one row"));
    }
    reader.name(single(node)?, id, View::Flat)
}

fn conv<'a>(
    reader: &mut Reader<'a>,
    node: &'a NodeProto,
    input: &str,
    weights: &str,
    bias: &str,
) -> Result<(), String> {
    only(node, &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"])?;
    let (input, image) = reader.picture(input)?;
    let tensor = reader.tensor(weights)?;
    let &[outputs, inputs, height, width] = dims(tensor)?.0.as_slice() else {
        return Err(format!("weights `{weights}` have dimensions {:?}", tensor.dims));
    };
    let window = window(node, [height, width])?;
    let depthwise = outputs == image.channels && inputs == 1 && outputs > 1;
    let groups = integer(node, "group", 1);
    let matches = if groups == 1 { inputs == image.channels } else { depthwise };
    if !matches || usize::try_from(groups) != Ok(if groups == 1 { 1 } else { outputs }) {
        return Err(format!("{groups} groups, {} channels, weights {:?}", image.channels, tensor.dims));
    }
    let result = convolved(image, &window, outputs)?;
    // What the weights take once they are packed, and what a run multiplies.
    let packed = if groups == 1 {
        let depth = image.groups().checked_mul(LANES * height * width);
        depth.and_then(|depth| Packed::floats(depth, outputs))
    } else {
        Depthwise::floats(outputs)
    };
    reader.charge(packed, packed.and_then(|floats| floats.checked_mul(result.height * result.width)))?;
    let weights = floats(tensor)?;
    let scale = groups != 1 && [height, width] == [1, 1];
    if scale && bias.is_empty() && window.stride == [1, 1] && window.pads == [0; 4] {
        return reader.push(node, Op::Scale { input, factors: weights }, result);
    }
    let bias = if bias.is_empty() { vec![0.0; outputs] } else { floats(reader.tensor(bias)?)? };
    if bias.len() != outputs {
        return Err(format!("{} biases for {outputs} channels", bias.len()));
    }
    let op = if groups == 1 {
        Op::Conv { input, window, weights, bias }
    } else if [height, width] == [SIDE, SIDE] && window.stride[0] == window.stride[1] {
        Op::Depthwise { input, window, weights, bias }
    } else {
        return Err(format!("a depthwise kernel of {height}x{width} in steps of {:?}", window.stride));
    };
    reader.push(node, op, result)
}

fn window(node: &NodeProto, kernel: [usize; 2]) -> Result<Window, String> {
    if integers(node, "dilations", 1, (1, 1))? != [1, 1]
        || text(node, "auto_pad").is_some_and(|p| p != b"NOTSET")
    {
        return Err("dilations or automatic padding".into());
    }
    let shape: [usize; 2] = match node.attribute.iter().any(|a| a.name == "kernel_shape") {
        true => integers(node, "kernel_shape", 1, (1, MAX_KERNEL))?,
        false => kernel,
    };
    let stride = integers(node, "strides", 1, (1, MAX_KERNEL))?;
    let pads: [usize; 4] = integers(node, "pads", 0, (0, MAX_KERNEL))?;
    let [height, width] = kernel;
    // Padding of a whole kernel would make pixels that see nothing of the picture.
    let padded = pads[0].max(pads[2]) >= height || pads[1].max(pads[3]) >= width;
    if shape != kernel || padded || height.max(width) > MAX_KERNEL {
        return Err(format!("kernel {shape:?}, pads {pads:?}, but weights of {kernel:?}"));
    }
    Ok(Window { kernel, stride, pads })
}

/// The size of what a window makes of `image`.
fn convolved(image: Image, window: &Window, channels: usize) -> Result<Image, String> {
    let [top, left, bottom, right] = window.pads;
    let count = |size: usize, pads: usize, axis: usize| {
        let room = (size + pads).checked_sub(window.kernel[axis])?;
        Some(room / window.stride[axis] + 1)
    };
    match (count(image.height, top + bottom, 0), count(image.width, left + right, 1)) {
        (Some(height), Some(width)) => Image::checked(height, width, channels),
        _ => Err(format!("kernel {:?} is larger than {}x{}", window.kernel, image.height, image.width)),
    }
}

fn relu<'a>(reader: &mut Reader<'a>, node: &'a NodeProto, input: &str) -> Result<(), String> {
    only(node, &[])?;
    let (input, image) = reader.picture(input)?;
    reader.charge(Some(image.channels), Some(0))?;
    let (below, above) = (vec![0.0; image.channels], vec![1.0; image.channels]);
    reader.push(node, Op::Rectify { input, below, above }, image)
}

fn prelu<'a>(reader: &mut Reader<'a>, node: &'a NodeProto, input: &str, slope: &str) -> Result<(), String> {
    only(node, &[])?;
    let (input, image) = reader.picture(input)?;
    reader.charge(Some(image.channels), Some(0))?;
    let tensor = reader.tensor(slope)?;
    let below = match dims(tensor)?.0.as_slice() {
        &[c, 1, 1] | &[1, c, 1, 1] if c == image.channels => floats(tensor)?,
        &[1] | &[1, 1, 1] | &[1, 1, 1, 1] => vec![floats(tensor)?[0]; image.channels],
        dims => return Err(format!("slopes {dims:?} for {} channels", image.channels)),
    };
    let above = vec![1.0; image.channels];
    reader.push(node, Op::Rectify { input, below, above }, image)
}

fn add<'a>(reader: &mut Reader<'a>, node: &'a NodeProto, a: &str, b: &str) -> Result<(), String> {
    only(node, &[])?;
    let ((a, image), (b, other)) = (reader.picture(a)?, reader.picture(b)?);
    if image != other {
        return Err(format!("a sum of {image:?} and {other:?}"));
    }
    reader.push(node, Op::Add(a, b), image)
}

fn max_pool<'a>(reader: &mut Reader<'a>, node: &'a NodeProto, input: &str) -> Result<(), String> {
    only(node, &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"])?;
    let (input, image) = reader.picture(input)?;
    let window = window(node, [2, 2])?;
    let explicit = node.attribute.iter().any(|a| a.name == "kernel_shape");
    if !explicit || window.stride != [2, 2] || window.pads != [0; 4] || integer(node, "ceil_mode", 0) != 0 {
        return Err(format!("pooling with {window:?}"));
    }
    let result = convolved(image, &window, image.channels)?;
    reader.push(node, Op::Pool(input), result)
}

fn pad<'a>(
    reader: &mut Reader<'a>,
    node: &'a NodeProto,
    input: &str,
    pads: &str,
    value: &str,
) -> Result<(), String> {
    only(node, &["mode"])?;
    let (input, image) = reader.picture(input)?;
    let pads = longs(reader.tensor(pads)?)?;
    let zero = value.is_empty() || floats(reader.tensor(value)?)?.iter().all(|&v| v == 0.0);
    let mode = text(node, "mode").unwrap_or(b"constant");
    let &[0, 0, 0, 0, 0, more, 0, 0] = pads.as_slice() else {
        return Err(format!("padding by {pads:?}"));
    };
    let channels = usize::try_from(more).ok().and_then(|more| image.channels.checked_add(more));
    let channels = channels.filter(|_| zero && mode == b"constant").ok_or("padding other than zeros")?;
    reader.push(node, Op::Extend(input), Image::checked(image.height, image.width, channels)?)
}
