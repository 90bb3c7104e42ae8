"""One row in Python: insightface's swapper as programs call it, or its network alone. Prints JSON."""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

from frames import HEIGHT, WIDTH

DETECTOR = Path(__file__).resolve().parents[2] / "models" / "centerface.onnx"
WARM = 2
PROVIDERS = ["CPUExecutionProvider"]


def frames(path):
    size = WIDTH * HEIGHT * 3
    with open(path, "rb") as file:
        while data := file.read(size):
            yield np.frombuffer(data, np.uint8).reshape(HEIGHT, WIDTH, 3)


def points(detector, frame, side=480):
    """Eyes, nose and mouth corners of the likeliest face, by the default pack's CenterFace."""
    import cv2

    scale = side / frame.shape[1]
    height = round(frame.shape[0] * scale / 32) * 32
    small = cv2.resize(frame, (side, height))
    fit = (frame.shape[1] / side, frame.shape[0] / height)
    blob = small[:, :, ::-1].astype(np.float32).transpose(2, 0, 1)[None]
    heat, size, offset, marks = detector.run(None, {detector.get_inputs()[0].name: blob})
    row, column = np.unravel_index(np.argmax(heat[0, 0]), heat[0, 0].shape)
    assert heat[0, 0, row, column] > 0.5, "no face"
    box = np.exp(size[0, :, row, column]) * 4
    centre = (np.array([row, column]) + offset[0, :, row, column] + 0.5) * 4
    corner = centre - box / 2
    pairs = marks[0, :, row, column].reshape(5, 2) * box + corner
    return np.stack([pairs[:, 1] * fit[0], pairs[:, 0] * fit[1]], axis=1).astype(np.float32)


class Timed:
    """A session whose runs are timed."""

    def __init__(self, session):
        self.session = session
        self.spent = 0.0

    def run(self, *arguments):
        begun = time.perf_counter()
        result = self.session.run(*arguments)
        self.spent = time.perf_counter() - begun
        return result

    def __getattr__(self, name):
        return getattr(self.session, name)


def insightface(model, path):
    from insightface.app.common import Face
    from insightface.model_zoo import get_model

    swapper = get_model(str(model), providers=PROVIDERS)
    swapper.session = Timed(swapper.session)
    detector = onnxruntime.InferenceSession(str(DETECTOR), providers=PROVIDERS)
    source = Face(embedding=np.random.default_rng(1).standard_normal(512).astype(np.float32))
    whole, outside = [], []
    for frame in frames(path):
        target = Face(kps=points(detector, frame))
        begun = time.perf_counter()
        swapped = swapper.get(frame, target, source, paste_back=True)
        spent = time.perf_counter() - begun
        assert not np.array_equal(swapped, frame), "nothing was pasted"
        whole.append(spent)
        outside.append(spent - swapper.session.spent)
    return whole[WARM:], outside[WARM:]


def network(model, path):
    session = onnxruntime.InferenceSession(str(model), providers=PROVIDERS)
    shapes = [[side if isinstance(side, int) else 1 for side in entry.shape] for entry in session.get_inputs()]
    names = [entry.name for entry in session.get_inputs()]
    values = {name: np.full(shape, 0.1, np.float32) for name, shape in zip(names, shapes)}
    whole = []
    for _ in frames(path):
        begun = time.perf_counter()
        session.run(None, values)
        whole.append(time.perf_counter() - begun)
    return whole[WARM:], [0.0]


def main(kind, model, path):
    whole, outside = {"insightface": insightface, "onnxruntime": network}[kind](model, path)
    milliseconds = lambda values: 1e3 * statistics.median(values)
    print(json.dumps({"frame-ms": milliseconds(whole), "outside-ms": milliseconds(outside)}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
