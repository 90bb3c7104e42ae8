#!/usr/bin/env python3
"""Writes detect.toml: what the detectors give on test photos, worked out apart from the Rust code.

    python3 tests/golden/detect.py MODEL_DIR ../shared > tests/golden/detect.toml

Needs onnxruntime, numpy and pillow. Boxes and points are in pixels of the photo.
"""

import os
import sys

import numpy as np
import onnxruntime as ort
from PIL import Image


def bilinear(image, width, height, scale):
    """`scale` is output pixels a source pixel; centres at half-integers, edges repeated."""

    def taps(n, source):
        at = np.clip((np.arange(n) + 0.5) / scale - 0.5, 0, source - 1)
        first = at.astype(int)
        return first, np.minimum(first + 1, source - 1), (at - first)

    r0, r1, fr = taps(height, image.shape[0])
    c0, c1, fc = taps(width, image.shape[1])
    fc, fr = fc[None, :, None], fr[:, None, None]
    top = image[r0][:, c0] * (1 - fc) + image[r0][:, c1] * fc
    bottom = image[r1][:, c0] * (1 - fc) + image[r1][:, c1] * fc
    return top * (1 - fr) + bottom * fr


def canvas(photo, crop, long_side):
    image = np.asarray(Image.open(photo).convert("RGB")).astype(np.float64)
    left, top, right, bottom = crop or (0, 0, image.shape[1], image.shape[0])
    image = image[top:bottom, left:right]
    scale = long_side / max(image.shape[:2])
    width, height = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return bilinear(image, width, height, scale), scale


def put(content, width, height, x=0, y=0):
    out = np.zeros((height, width, 3))
    out[y : y + content.shape[0], x : x + content.shape[1]] = content
    return out


def nchw(image, mean=0.0, std=1.0):
    return ((image - mean) / std).astype(np.float32).transpose(2, 0, 1)[None]


def up(n):
    return (n + 31) // 32 * 32


def centerface(session, image, threshold):
    heat, scale, offset, marks = session.run(None, {"image": nchw(image)})
    for r, c in zip(*np.where(heat[0, 0] >= threshold)):
        h, w = np.exp(scale[0, :, r, c]) * 4
        y, x = (np.array([r, c]) + offset[0, :, r, c] + 0.5) * 4 - np.array([h, w]) / 2
        points = [(marks[0, 2 * i + 1, r, c] * w + x, marks[0, 2 * i, r, c] * h + y) for i in range(5)]
        yield heat[0, 0, r, c], x, y, w, h, points


def yunet(session, image, threshold):
    names = [o.name for o in session.get_outputs()]
    out = dict(zip(names, session.run(None, {"input": nchw(image[:, :, ::-1])})))
    for s in (8, 16, 32):
        columns = image.shape[1] // s
        score = np.sqrt(np.clip(out[f"cls_{s}"], 0, 1) * np.clip(out[f"obj_{s}"], 0, 1)).ravel()
        for i in np.where(score >= threshold)[0]:
            grid = np.array([i % columns, i // columns])
            b, k = out[f"bbox_{s}"][0, i], out[f"kps_{s}"][0, i].reshape(5, 2)
            (x, y), (w, h) = (grid + b[:2]) * s, np.exp(b[2:]) * s
            yield score[i], x - w / 2, y - h / 2, w, h, [tuple((grid + p) * s) for p in k]


def scrfd(session, image, threshold):
    out = session.run(None, {session.get_inputs()[0].name: nchw(image, 127.5, 128.0)})
    for level, s in enumerate((8, 16, 32)):
        columns = image.shape[1] // s
        score = out[level].ravel()
        for i in np.where(score >= threshold)[0]:
            x, y = (i // 2 % columns) * s, (i // 2 // columns) * s
            left, top, right, bottom = out[3 + level].reshape(-1, 4)[i] * s
            points = out[6 + level].reshape(-1, 5, 2)[i] * s + (x, y)
            yield score[i], x - left, y - top, left + right, top + bottom, [tuple(p) for p in points]


def iou(a, b):
    w = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    h = min(a[2] + a[4], b[2] + b[4]) - max(a[2], b[2])
    inter = max(w, 0) * max(h, 0)
    return inter / (a[3] * a[4] + b[3] * b[4] - inter)


def nms(found, overlap):
    kept = []
    for one in sorted(found, key=lambda f: -f[0]):
        if all(iou(one, k) <= overlap for k in kept):
            kept.append(one)
    return kept


def detect(decode, session, photo, crop, long_side, threshold, overlap, fixed=None):
    content, scale = canvas(photo, crop, long_side)
    height, width = content.shape[:2]
    size = (fixed, fixed) if fixed else (up(width), up(height))
    k = min(size[0] / width, size[1] / height) if fixed else 1.0
    shown = content if k == 1 else bilinear(content, round(width * k), round(height * k), k)
    found, x, y, note = nms(decode(session, put(shown, *size), threshold), overlap), 0, 0, "whole"
    if not found and decode is scrfd:
        k, note = k / 2, "shrunk"
        shown = bilinear(content, round(width * k), round(height * k), k)
        x, y = int((size[0] - width * k) // 2), int((size[1] - height * k) // 2)
        found = nms(decode(session, put(shown, *size, x, y), threshold), overlap)
    k *= scale
    rows = []
    for score, bx, by, bw, bh, points in found:
        flat = [v for px, py in points for v in ((px - x) / k, (py - y) / k)]
        rows.append([score, (bx - x) / k, (by - y) / k, bw / k, bh / k, *flat])
    return rows, note


def main(models, shared):
    demo = os.path.join(models, "demo")
    photos = os.path.join(shared, "media", "photos")
    some = [(demo, "demo", "astronaut.png", crop) for crop in (None, (180, 75, 268, 190))]
    some += [(demo, "demo", "grace_hopper.jpg", None)]
    some += [(photos, "photos", n, None) for n in ("group_6.jpg", "group_7.jpg", "group_dark.jpg", "portrait_s0.jpg", "portrait_s5.jpg")]
    brought = os.path.join(shared, "models")
    kinds = [
        (centerface, models, "centerface.onnx", 0.5, 0.3, (320, 480, 640), None),
        (yunet, brought, "yunet_n_dynamic.onnx", 0.6, 0.45, (480,), None),
        (scrfd, brought, "scrfd_500m_kps.onnx", 0.5, 0.4, (640, 480), 640),
        (scrfd, brought, "scrfd_2.5g_kps.onnx", 0.5, 0.4, (640,), 640),
    ]
    print("# Written by detect.py. A face a row: score, box x, y, width, height, then five points x, y.")
    for decode, folder, name, threshold, overlap, sides, fixed in kinds:
        session = ort.InferenceSession(os.path.join(folder, name), providers=["CPUExecutionProvider"])
        for where, label, photo, crop in some:
            for side in sides:
                rows, note = detect(decode, session, os.path.join(where, photo), crop, side, threshold, overlap, fixed)
                print(f'\n[[case]]\nmodel = "{name}"\nphoto = "{label}/{photo}"\nlong_side = {side}')
                if crop:
                    print(f"crop = {list(crop)} # left, top, right, bottom")
                print(f"threshold = {threshold}\nplaced = \"{note}\"\nfaces = [")
                for row in rows:
                    print("    [" + ", ".join(f"{v:.3f}" for v in row) + "],")
                print("]")


main(*sys.argv[1:])
