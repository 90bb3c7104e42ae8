"""TFLite to ONNX for the few operators that the pack's models use.

TFLite is NHWC, ONNX convolutions are NCHW: the input is transposed once, every four-dimensional tensor
inside stays NCHW, and only a RESHAPE of a feature map turns one back. Names and bytes of the result
depend on the input file alone.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import tflite_graph

IR_VERSION = 8
OPSET = 17
NCHW = (0, 3, 1, 2)
NHWC = (0, 2, 3, 1)
_SAME = 0
_ACTIVATIONS = {0: None, 1: "Relu", 3: "Relu6"}


class Unsupported(ValueError):
    pass


def convert(path, name, input_name, output_names, free_batch=False):
    """Returns the ONNX model of the TFLite file `path`.

    `output_names` follow the TFLite outputs' order; None leaves an output out. Outputs of shape
    [N, 1, 1, C] become [N, C]. `free_batch` makes a fixed first dimension the symbol `batch`.
    """
    return _Converter(tflite_graph.read(path), free_batch).model(name, input_name, output_names)


class _Converter:
    def __init__(self, graph, free_batch):
        self.graph = graph
        self.free_batch = free_batch
        self.nodes = []
        self.weights = {}
        self.names = {}  # tensor number -> name of its value in the ONNX graph
        self.padding = {}  # output of a folded PAD -> (tensor padded, (top, left, bottom, right))
        self.uses = {}
        for operator in graph.operators:
            for number in operator.inputs:
                self.uses.setdefault(number, []).append(operator)
        self.prelus = self._composed_prelus()

    def model(self, name, input_name, output_names):
        (source,) = self.graph.inputs
        self.names[source] = self._node("Transpose", [input_name], f"t{source}", perm=NCHW)
        for operator in self.graph.operators:
            if operator.output in self.prelus:
                if self.prelus[operator.output]:
                    self._leaky(operator.output, *self.prelus[operator.output])
                continue
            method = getattr(self, "_" + operator.kind.lower(), None)
            if method is None:
                raise Unsupported(f"operator {operator.kind} is not converted")
            method(operator, *operator.inputs)
        outputs = [self._output(n, label) for n, label in zip(self.graph.outputs, output_names) if label]
        graph = helper.make_graph(
            self._needed_nodes({o.name for o in outputs}),
            name,
            [self._value(input_name, self.graph.shapes[source])],
            outputs,
        )
        needed = {i for node in graph.node for i in node.input}
        graph.initializer.extend(numpy_helper.from_array(w, n) for n, w in self.weights.items() if n in needed)
        model = helper.make_model(
            graph, producer_name="gst-plugin-faceswap", opset_imports=[helper.make_opsetid("", OPSET)]
        )
        model.ir_version = IR_VERSION
        model.producer_version = ""
        onnx.checker.check_model(model, full_check=True)
        return model

    def _value(self, name, shape):
        shape = ["batch", *shape[1:]] if self.free_batch else shape
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def _output(self, number, label):
        shape = self.graph.shapes[number]
        if len(shape) == 4:
            if shape[1:3] != [1, 1]:
                raise Unsupported(f"output {label} of shape {shape}")
            self._node("Flatten", [self.names[number]], label, axis=1)
            shape = [shape[0], shape[3]]
        else:
            made = self.names[number]
            for node in self.nodes:
                node.input[:] = [label if i == made else i for i in node.input]
                node.output[:] = [label if o == made else o for o in node.output]
        return self._value(label, shape)

    def _needed_nodes(self, wanted):
        """The nodes that lead to `wanted`, so that an output left out costs nothing."""
        kept = []
        for node in reversed(self.nodes):
            if wanted & set(node.output):
                kept.append(node)
                wanted = wanted | set(node.input)
        return kept[::-1]

    def _node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def _weight(self, name, values):
        self.weights[name] = np.ascontiguousarray(values)
        return name

    def _set(self, operator, kind, inputs, **attributes):
        """Adds the node that makes the operator's output, then its fused activation."""
        output = f"t{operator.output}"
        fused = getattr(operator.options, "FusedActivationFunction", lambda: 0)()
        if fused not in _ACTIVATIONS:
            raise Unsupported(f"activation {fused} of {operator.kind}")
        activation = _ACTIVATIONS[fused]
        made = self._node(kind, inputs, output + "_linear" if activation else output, **attributes)
        if activation == "Relu":
            self._node("Relu", [made], output)
        elif activation == "Relu6":
            low = self._weight("zero", np.float32(0))
            self._node("Clip", [made, low, self._weight("six", np.float32(6))], output)
        self.names[operator.output] = output

    def _operand(self, number):
        """The name of an input of an elementwise operator; a constant gets its channels first."""
        if number in self.names:
            return self.names[number]
        values = self.graph.constants[number]
        if values.ndim > 1 and values.size != values.shape[-1]:
            raise Unsupported(f"elementwise constant of shape {values.shape}")
        return self._weight(f"w{number}", values.reshape(-1, 1, 1))

    def _window(self, operator, source, kernel, dilation=(1, 1)):
        """Attributes of a sliding window; TFLite's SAME puts the odd pixel at the end."""
        options = operator.options
        strides = (options.StrideH(), options.StrideW())
        source, before = self.padding.get(source, (source, (0, 0, 0, 0)))
        pads = list(before)
        if options.Padding() == _SAME:
            for axis in (0, 1):
                size = self.graph.shapes[source][axis + 1] + before[axis] + before[axis + 2]
                reach = (kernel[axis] - 1) * dilation[axis] + 1
                total = max((-(-size // strides[axis]) - 1) * strides[axis] + reach - size, 0)
                pads[axis] += total // 2
                pads[axis + 2] += total - total // 2
        return self.names[source], dict(kernel_shape=kernel, strides=strides, pads=pads)

    def _convolution(self, operator, source, weights, bias, group):
        dilation = (operator.options.DilationHFactor(), operator.options.DilationWFactor())
        value, window = self._window(operator, source, weights.shape[2:], dilation)
        inputs = [value, self._weight(f"w{operator.inputs[1]}", weights)]
        if bias >= 0:
            inputs.append(self._weight(f"w{bias}", self.graph.constants[bias]))
        self._set(operator, "Conv", inputs, dilations=dilation, group=group, **window)

    def _conv_2d(self, operator, source, weights, bias=-1):
        self._convolution(operator, source, self.graph.constants[weights].transpose(0, 3, 1, 2), bias, 1)

    def _depthwise_conv_2d(self, operator, source, weights, bias=-1):
        kernels = self.graph.constants[weights].transpose(3, 0, 1, 2)
        self._convolution(operator, source, kernels, bias, self.graph.shapes[source][3])

    def _max_pool_2d(self, operator, source):
        if source in self.padding:
            raise Unsupported("MAX_POOL_2D of a padded tensor")
        kernel = (operator.options.FilterHeight(), operator.options.FilterWidth())
        value, window = self._window(operator, source, kernel)
        self._set(operator, "MaxPool", [value], **window)

    def _pad(self, operator, source, amounts):
        (n0, n1), (top, bottom), (left, right), (c0, c1) = self.graph.constants[amounts].tolist()
        convolutions = ("CONV_2D", "DEPTHWISE_CONV_2D")
        if not (n0 or n1 or c0 or c1) and all(u.kind in convolutions for u in self.uses[operator.output]):
            self.padding[operator.output] = (source, (top, left, bottom, right))
            return
        pads = np.array([n0, c0, top, left, n1, c1, bottom, right], np.int64)
        self._set(operator, "Pad", [self.names[source], self._weight(f"w{operator.output}_pads", pads)])

    def _prelu(self, operator, source, slope):
        self._leaky(operator.output, source, self.graph.constants[slope])

    def _leaky(self, output, source, slope):
        """PReLU as slope·x + (1 − slope)·relu(x), the factors as depthwise 1×1 convolutions.

        ONNX Runtime keeps convolutions in its blocked layout and leaves it for every PRelu; this way the
        face mesh takes 1.1 instead of 3.7 ms.
        """
        if slope.size != slope.shape[-1]:
            raise Unsupported(f"PRELU slope of shape {slope.shape}")
        x, y = self.names[source], f"t{output}"
        kernels = dict(kernel_shape=(1, 1), group=slope.size)
        slope = self._weight(f"w{output}_slope", slope.reshape(-1, 1, 1, 1))
        rest = self._weight(f"w{output}_rest", 1 - self.weights[slope])
        below = self._node("Conv", [x, slope], y + "_below", **kernels)
        relu = self._node("Relu", [x], y + "_relu")
        above = self._node("Conv", [relu, rest], y + "_above", **kernels)
        self.names[output] = self._node("Add", [below, above], y)

    def _composed_prelus(self):
        """Finds relu(x) + c·(x − |x|), an older exporter's PReLU of slope 2c.

        Returns output -> (x, slope) for each sum found, and output -> None for the parts it replaces.
        """
        made = {o.output: o for o in self.graph.operators}
        found = {}
        for add in (o for o in self.graph.operators if o.kind == "ADD"):
            relu, mul = (made.get(n) for n in add.inputs)
            if not (relu and mul and relu.kind == "RELU" and mul.kind == "MUL"):
                continue
            scale, sub = mul.inputs[0], made.get(mul.inputs[1])
            if scale not in self.graph.constants or not sub or sub.kind != "SUB":
                continue
            x, absolute = sub.inputs[0], made.get(sub.inputs[1])
            if absolute and absolute.kind == "ABS" and absolute.inputs == [x] and relu.inputs == [x]:
                found.update({o.output: None for o in (relu, mul, sub, absolute)})
                found[add.output] = (x, 2 * self.graph.constants[scale])
        return found

    def _binary(self, operator, kind, a, b):
        self._set(operator, kind, [self._operand(a), self._operand(b)])

    def _add(self, operator, a, b):
        self._binary(operator, "Add", a, b)

    def _logistic(self, operator, source):
        self._set(operator, "Sigmoid", [self.names[source]])

    def _concatenation(self, operator, *sources):
        rank = len(self.graph.shapes[operator.output])
        axis = operator.options.Axis() % rank
        axis = NCHW.index(axis) if rank == 4 else axis
        self._set(operator, "Concat", [self.names[n] for n in sources], axis=axis)

    def _fully_connected(self, operator, source, weights, bias=-1):
        inputs = [self.names[source], self._weight(f"w{weights}", self.graph.constants[weights])]
        if bias >= 0:
            inputs.append(self._weight(f"w{bias}", self.graph.constants[bias]))
        self._set(operator, "Gemm", inputs, transB=1)

    def _mean(self, operator, source, axes):
        if sorted(self.graph.constants[axes].tolist()) != [1, 2]:
            raise Unsupported("MEAN over other than height and width")
        axes = dict(axes=[2, 3], keepdims=int(operator.options.KeepDims()))
        self._set(operator, "ReduceMean", [self.names[source]], **axes)

    def _reshape(self, operator, source, _shape):
        before, after = self.graph.shapes[source], list(self.graph.shapes[operator.output])
        if len(before) != 4 or len(after) == 4:
            raise Unsupported(f"RESHAPE {before} to {after}")
        value = self.names[source]
        if before[1:3] != [1, 1]:
            value = self._node("Transpose", [value], f"t{operator.output}_nhwc", perm=NHWC)
        after[0] = 0  # keeps the batch
        self._set(operator, "Reshape", [value, self._weight(f"w{operator.output}_shape", np.array(after, np.int64))])

    def _resize_bilinear(self, operator, source, _size):
        options = operator.options
        mode = "align_corners" if options.AlignCorners() else "half_pixel" if options.HalfPixelCenters() else "asymmetric"
        (_, h, w, _), (_, out_h, out_w, _) = (self.graph.shapes[n] for n in (source, operator.output))
        scales = self._weight(f"w{operator.output}_scales", np.array([1, 1, out_h / h, out_w / w], np.float32))
        inputs = [self.names[source], "", scales]
        self._set(operator, "Resize", inputs, mode="linear", coordinate_transformation_mode=mode)
