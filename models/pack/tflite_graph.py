"""Reads a float TFLite file into plain lists: operators, shapes, constants."""

from dataclasses import dataclass, field

import numpy as np
import tflite

_OPERATORS = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
_DTYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
_OPTIONS = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
    "MAX_POOL_2D": tflite.Pool2DOptions,
    "ADD": tflite.AddOptions,
    "SUB": tflite.SubOptions,
    "MUL": tflite.MulOptions,
    "CONCATENATION": tflite.ConcatenationOptions,
    "FULLY_CONNECTED": tflite.FullyConnectedOptions,
    "RESIZE_BILINEAR": tflite.ResizeBilinearOptions,
    "MEAN": tflite.ReducerOptions,
}


@dataclass
class Operator:
    kind: str
    inputs: list  # tensor numbers; -1 where an optional input is absent
    output: int
    options: object


@dataclass
class Graph:
    inputs: list
    outputs: list
    operators: list
    shapes: dict  # tensor number -> list of dimensions
    constants: dict = field(default_factory=dict)  # tensor number -> float32 or int32 array


def read(path):
    """Reads `path`; half-precision weights come back as float32, their DEQUANTIZE operators removed."""
    with open(path, "rb") as file:
        model = tflite.Model.GetRootAsModel(file.read(), 0)
    if model.SubgraphsLength() != 1:
        raise ValueError(f"{path}: {model.SubgraphsLength()} subgraphs, one expected")
    source = model.Subgraphs(0)
    graph = Graph(
        inputs=[int(i) for i in source.InputsAsNumpy()],
        outputs=[int(i) for i in source.OutputsAsNumpy()],
        operators=[],
        shapes={},
    )
    for number in range(source.TensorsLength()):
        tensor = source.Tensors(number)
        shape = [int(d) for d in tensor.ShapeAsNumpy()] if tensor.ShapeLength() else []
        graph.shapes[number] = shape
        data = model.Buffers(tensor.Buffer()).DataAsNumpy()
        if isinstance(data, np.ndarray) and data.size:
            if tensor.Type() not in _DTYPES:
                raise ValueError(f"{path}: tensor {tensor.Name()} has type {tensor.Type()}; only float and int32 are read")
            values = data.view(_DTYPES[tensor.Type()]).reshape(shape)
            graph.constants[number] = values if values.dtype == np.int32 else values.astype(np.float32)
    for number in range(source.OperatorsLength()):
        entry = source.Operators(number)
        code = model.OperatorCodes(entry.OpcodeIndex())
        kind = _OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [int(i) for i in entry.InputsAsNumpy()]
        output = int(entry.Outputs(0))
        if kind == "DEQUANTIZE" and inputs[0] in graph.constants:
            graph.constants[output] = graph.constants[inputs[0]]
            continue
        options = None
        if kind in _OPTIONS:
            options = _OPTIONS[kind]()
            options.Init(entry.BuiltinOptions().Bytes, entry.BuiltinOptions().Pos)
        graph.operators.append(Operator(kind, inputs, output, options))
    return graph
