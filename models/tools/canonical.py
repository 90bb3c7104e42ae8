"""Writes face_mesh_canonical.txt: the mean frontal face of the landmark network.

    python canonical.py FOLDER_OF_FACE_PHOTOS > ../face_mesh_canonical.txt

Needs numpy, pillow and onnxruntime (the pack's virtual environment has them) and the default pack.
Every photo's mesh and its mirror image are aligned in three dimensions (generalised Procrustes
analysis), averaged and made symmetric. Units: widths of the face oval; x to the right of the
picture, y down, z away from the camera; the origin is the mean vertex.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

MODELS = Path(__file__).resolve().parent.parent


def detect(session, image):
    w, h = image.size
    scale = 320 / max(w, h)
    size = (round(w * scale), round(h * scale))
    canvas = np.zeros((1, 3, -(-size[1] // 32) * 32, -(-size[0] // 32) * 32), np.float32)
    canvas[0, :, : size[1], : size[0]] = np.asarray(image.resize(size), np.float32).transpose(2, 0, 1)
    heat, wh, offset, _ = session.run(None, {session.get_inputs()[0].name: canvas})
    y, x = np.unravel_index(heat[0, 0].argmax(), heat[0, 0].shape)
    box_h, box_w = np.exp(wh[0, :, y, x]) * 4
    centre = ((x + offset[0, 1, y, x] + 0.5) * 4, (y + offset[0, 0, y, x] + 0.5) * 4)
    return heat[0, 0, y, x], np.array(centre) / scale, max(box_w, box_h) / scale


def mesh(session, image, centre, side, angle):
    c, s = np.cos(angle) * side / 192, np.sin(angle) * side / 192
    m = (c, -s, centre[0] - 96 * (c - s), s, c, centre[1] - 96 * (s + c))
    crop = np.asarray(image.transform((192, 192), Image.Transform.AFFINE, m, Image.Resampling.BICUBIC), np.float32)
    points, flag = session.run(None, {session.get_inputs()[0].name: crop[None] / 255})
    p = points.reshape(468, 3)
    x = c * p[:, 0] - s * p[:, 1] + m[2]
    y = s * p[:, 0] + c * p[:, 1] + m[5]
    return np.stack([x, y, p[:, 2] * side / 192], 1), float(flag.ravel()[0])


def procrustes(p, q):
    """p turned, scaled and moved onto q."""
    pc, qc = p - p.mean(0), q - q.mean(0)
    u, d, vt = np.linalg.svd(pc.T @ qc)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    return pc @ (u @ sign @ vt) * ((d * np.diag(sign)).sum() / (pc**2).sum())


def pair(mean, flipped):
    """The vertex nearest to each mirrored one, closest pairs first, each vertex used once."""
    distance = ((mean[:, None] - flipped[None]) ** 2).sum(2)
    mirror = np.full(len(mean), -1)
    for at in np.argsort(distance, None):
        i, j = np.unravel_index(at, distance.shape)
        if mirror[i] < 0 and mirror[j] < 0:
            mirror[i], mirror[j] = j, i
    return mirror


def main():
    detector = ort.InferenceSession(MODELS / "centerface.onnx")
    landmarker = ort.InferenceSession(MODELS / "face_mesh.onnx")
    meshes = []
    for path in sorted(Path(sys.argv[1]).glob("*.jpg")):
        image = Image.open(path).convert("RGB")
        score, centre, size = detect(detector, image)
        angle, flag = 0.0, 0.0
        for _ in range(3):
            p, flag = mesh(landmarker, image, centre, 1.5 * size, angle)
            d = p[[263, 362]].mean(0) - p[[33, 133]].mean(0)
            angle = np.arctan2(d[1], d[0])
            low, high = p[:, :2].min(0), p[:, :2].max(0)
            centre, size = (low + high) / 2, (high - low).max()
        if score > 0.5 and flag > 0:
            meshes.append(p)
    assert len(meshes) >= 20, f"only {len(meshes)} faces found"
    unit = [(p - p.mean(0)) / np.ptp(p[:, 0]) for p in meshes]
    flip = np.array([-1, 1, 1])
    mean = unit[0]
    for _ in range(10):
        mean = np.mean([procrustes(u, mean) for u in unit], 0)
    across = mean[[263, 362]].mean(0) - mean[[33, 133]].mean(0)
    down = mean[152] - mean[10]
    x = across / np.linalg.norm(across)
    y = down - x * (down @ x)
    y /= np.linalg.norm(y)
    mean = mean @ np.stack([x, y, np.cross(x, y)], 1)
    for _ in range(20):
        mean[:, 0] -= mean[[10, 152, 1, 168], 0].mean()
        mirror = pair(mean, mean * flip)
        mean = (mean + procrustes(mean[mirror] * flip, mean)) / 2
        mean = procrustes(mean, (mean + mean[mirror] * flip) / 2)
    for _ in range(20):
        both = unit + [u[mirror] * flip for u in unit]
        mean = np.mean([procrustes(u, mean) for u in both], 0)
        mean = (mean + mean[mirror] * flip) / 2
        mean -= mean.mean(0)
        mean /= np.ptp(mean[:, 0])
    print("# Mean frontal face of face_mesh.onnx and its mirror map, written by tools/canonical.py from", len(meshes), "photos.")
    print("# One line a vertex: x y z mirror. Units: widths of the face oval; x right, y down, z away from the camera.")
    for v, m in zip(mean, mirror):
        print(f"{v[0]:.5f} {v[1]:.5f} {v[2]:.5f} {m}")


main()
