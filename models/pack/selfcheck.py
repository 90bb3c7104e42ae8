"""Checks each model of the pack on real face crops against what it was made from.

The crops are cut from the two demo photos; the faces' places in them are written down here.
"""

import os

import numpy as np
import onnxruntime
from PIL import Image

# Five points a face, in pixels of the photo: the eye and the mouth corner on its left, nose between.
FACES = {
    "grace_hopper.jpg": ((221.4, 200.0), (304.3, 192.2), (265.9, 237.4), (235.9, 279.7), (304.0, 273.1)),
    "astronaut.png": ((203.2, 101.7), (247.0, 104.5), (223.3, 125.1), (203.4, 142.3), (241.3, 144.4)),
}
# Turn in degrees, side in eye distances, shift in sides: upright, turned, near, far, off-centre.
CROPS = (
    (0, 3.6, 0, 0),
    (12, 3.6, 0, 0),
    (-25, 3.6, 0.03, -0.02),
    (45, 4.0, 0, 0),
    (0, 2.8, 0, 0),
    (0, 5.0, 0, 0.04),
    (5, 3.8, 0.12, 0.05),
    (-8, 3.4, -0.1, -0.08),
)
# Where a face 112 pixels wide has those points for a recogniser (arcface_112_v2).
TEMPLATE = 112 * np.array(
    ((0.34191607, 0.46157411), (0.65653393, 0.45983393), (0.500225, 0.64050536), (0.37097589, 0.82469196),
     (0.63151696, 0.82325089))
)


class Failed(Exception):
    pass


def _session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _reference(path, batch):
    """Runs a TFLite file with its own interpreter on each image of `batch`; outputs in the file's order."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    outputs = interpreter.get_output_details()
    fixed = entry["shape"][0]
    results = []
    for image in batch:
        interpreter.set_tensor(entry["index"], np.repeat(image[None], fixed, axis=0))
        interpreter.invoke()
        results.append([interpreter.get_tensor(o["index"])[0].ravel() for o in outputs])
    return [np.stack(column) for column in zip(*results)]


def _photos(paths):
    return {os.path.basename(path): Image.open(path).convert("RGB") for path in paths}


def _warp(image, matrix, size):
    """The crop of `size` pixels whose pixel p shows the photo at matrix · (p, 1)."""
    flat = tuple(np.asarray(matrix, float).ravel())
    crop = image.transform((size, size), Image.Transform.AFFINE, flat, Image.Resampling.BILINEAR)
    return np.asarray(crop, np.float32)


def _crops(photos, size):
    """Square RGB crops of both faces, 0–255, in the order of CROPS."""
    for name, image in _photos(photos).items():
        points = np.array(FACES[name])
        eyes = points[1] - points[0]
        level = np.degrees(np.arctan2(eyes[1], eyes[0]))
        for turn, side, right, down in CROPS:
            side *= np.hypot(*eyes)
            angle = np.radians(level + turn)
            step = side / size * np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
            centre = points.mean(axis=0) + side * np.array((right, down))
            yield _warp(image, np.column_stack((step, centre - step @ (size / 2, size / 2))), size)


def _aligned(image, points):
    """The 112-pixel crop by the least-squares similarity transform of TEMPLATE onto the points."""
    x, y = TEMPLATE.T
    zero, one = np.zeros(5), np.ones(5)
    rows = np.concatenate((np.column_stack((x, -y, one, zero)), np.column_stack((y, x, zero, one))))
    (a, b, c, d), *_ = np.linalg.lstsq(rows, np.concatenate((points[:, 0], points[:, 1])), rcond=None)
    return _warp(image, ((a, -b, c), (b, a, d)), 112)


def _worst(a, b):
    return float(np.abs(a - b).max())


def _require(condition, message):
    if not condition:
        raise Failed(message)


def _run_each(path, batch):
    session = _session(path)
    results = [session.run(None, {"image": image[None]}) for image in batch]
    return [np.concatenate(column).reshape(len(batch), -1) for column in zip(*results)]


def _report(differences, crops):
    return f"self-check on {crops} crops, largest difference: " + ", ".join(
        f"{name} {value:.1e}{unit}" for name, value, unit in differences
    )


def centerface(source, made, photos):
    """The freed graph gives the frozen one's numbers at its only shape, and finds both faces at theirs."""
    onnxruntime.set_default_logger_severity(3)  # the original has weights that nothing uses
    batch = np.stack([c.transpose(2, 0, 1) for c in _crops(photos, 32)])[:10]
    session = _session(made)
    pairs = zip(_session(source).run(None, {"input.1": batch}), session.run(None, {"image": batch}))
    worst = max(_worst(a, b) for a, b in pairs)
    _require(worst < 1e-4, f"differs from the original by {worst}")
    distance = 0.0
    for name, image in _photos(photos).items():
        width, height = (32 * (side // 32) for side in image.size)
        pixels = np.asarray(image, np.float32)[:height, :width].transpose(2, 0, 1)[None]
        heatmap, scale, offset, landmarks = session.run(None, {"image": pixels})
        row, column = np.unravel_index(heatmap[0, 0].argmax(), heatmap.shape[2:])
        _require(heatmap[0, 0, row, column] > 0.5, f"no face found in {name}")
        size = 4 * np.exp(scale[0, :, row, column])
        centre = 4 * (np.array((row, column)) + offset[0, :, row, column] + 0.5)
        points = landmarks[0, :, row, column].reshape(5, 2) * size + centre - size / 2
        distance = max(distance, _worst(points[:, ::-1], np.array(FACES[name])))
    _require(distance < 3, f"points are {distance:.1f} pixels off")
    return _report([("outputs", worst, ""), ("points", distance, " px")], len(batch))


def face_mesh(source, made, photos):
    crops = [c / 255 for c in _crops(photos, 192)]
    landmarks, flag = _run_each(made, crops)
    reference, reference_flag = _reference(source, crops)
    _require(flag.min() > 0, f"a face is not recognised as one (logit {flag.min():.2f})")
    mesh, presence = _worst(landmarks, reference), _worst(flag, reference_flag)
    _require(mesh < 2e-3, f"landmarks differ by {mesh} pixels")
    _require(presence < 1e-3, f"the presence logit differs by {presence}")
    return _report([("landmarks", mesh, " px"), ("logit", presence, "")], len(crops))


def mobilefacenet(source, made, photos):
    """Also at a batch that the original does not have, and tells the two people apart."""
    faces = []
    for name, image in _photos(photos).items():
        points = np.array(FACES[name])
        for shift in (0, 1.5, -1.5):
            moved = points + shift * np.array((1, 0.5))
            faces.append((_aligned(image, moved) - 127.5) / 128)
    batch = np.stack(faces)
    (embedding,) = _session(made).run(None, {"image": batch})
    (reference,) = _reference(source, batch)
    embedding, reference = (e / np.linalg.norm(e, axis=1, keepdims=True) for e in (embedding, reference))
    worst = _worst(embedding, reference)
    _require(worst < 1e-4, f"embeddings differ by {worst}")
    cosine = embedding @ embedding.T
    same, other = min(cosine[:3, :3].min(), cosine[3:, 3:].min()), cosine[:3, 3:].max()
    _require(same > 0.8 and other < 0.5, f"cosine of one person {same:.2f}, of two {other:.2f}")
    return _report([("embedding", worst, "")], len(faces))


def palm_detection(source, made, photos):
    crops = [c / 255 for c in _crops(photos, 192)]
    boxes, scores = (_worst(a, b) for a, b in zip(_run_each(made, crops), _reference(source, crops)))
    _require(boxes < 5e-3, f"boxes differ by {boxes} pixels")
    _require(scores < 2e-3, f"score logits differ by {scores}")
    return _report([("boxes", boxes, " px"), ("score logits", scores, "")], len(crops))


def hand_landmark(source, made, photos):
    crops = [c / 255 for c in _crops(photos, 224)]
    pairs = zip(_run_each(made, crops), _reference(source, crops))
    landmarks, presence, handedness = (_worst(a, b) for a, b in pairs)
    _require(landmarks < 5e-3, f"landmarks differ by {landmarks} pixels")
    _require(max(presence, handedness) < 1e-3, f"presence or handedness differs by {max(presence, handedness)}")
    return _report([("landmarks", landmarks, " px"), ("presence", presence, "")], len(crops))
