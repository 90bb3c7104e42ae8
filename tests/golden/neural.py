#!/usr/bin/env python3
"""Writes neural.toml: what the stand-ins of the swap networks make of a face, worked out apart from the Rust code.

    python3 tests/golden/neural.py MODEL_DIR > tests/golden/neural.toml

Needs numpy and pillow. The photo is the default pack's; the five points on it are fixed here, near where the face is.
"""

import sys

import numpy as np
from PIL import Image

ARCFACE_112_V1 = [.35473214, .45658929, .64526786, .45658929, .5, .61154464, .37913393, .776875, .62086607, .776875]
ARCFACE_112_V2 = [.34191607, .46157411, .65653393, .45983393, .500225, .64050536, .37097589, .82469196, .63151696, .82325089]
ARCFACE_128 = [.36167656, .40387734, .63696719, .40235469, .50019687, .56044219, .38710391, .72160547, .61507734, .72034453]
FFHQ_512 = [.37691676, .46864664, .62285697, .46912813, .50123859, .61331904, .39308822, .725411, .61150205, .72490465]
MTCNN_512 = [.36562865, .46733799, .63305391, .46585885, .50019127, .61942959, .39032951, .77598822, .61178945, .77476328]

# Left and right eye, nose tip, mouth corners, pixels.
POINTS = [[204.25, 108.5], [242.5, 106.75], [223.0, 129.5], [208.5, 147.25], [241.0, 146.0]]

# File: size, template, how `source` is made, template of its image.
FAMILIES = [
    ("inswapper_128.onnx", 128, ARCFACE_128, "emap", None),
    ("hyperswap_1a_256.onnx", 256, ARCFACE_128, "unit", None),
    ("simswap_256.onnx", 256, ARCFACE_112_V1, "converted unit 0", None),
    ("simswap_unofficial_512.onnx", 512, ARCFACE_112_V1, "converted unit 0", None),
    ("ghost_1_256.onnx", 256, ARCFACE_112_V1, "converted 1", None),
    ("hififace_unofficial_256.onnx", 256, MTCNN_512, "converted unit 2", None),
    ("uniface_256.onnx", 256, FFHQ_512, "image 256", FFHQ_512),
    ("blendswap_256.onnx", 256, FFHQ_512, "image 112", ARCFACE_112_V2),
]


def align(template, points, size):
    """[a, b, c, d] of x' = a x − b y + c, y' = b x + a y + d from the crop to the photo, by least squares."""
    crop = np.array(template).reshape(5, 2) * size + 0.5
    rows, right = [], []
    for (u, v), (x, y) in zip(crop, points):
        rows += [[u, -v, 1, 0], [v, u, 0, 1]]
        right += [x, y]
    return np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]


def at(photo, x, y):
    """Bilinear; pixel centres at half-integers, edges repeated."""
    h, w = photo.shape[:2]
    x, y = x - 0.5, y - 0.5
    i, j = np.floor(x), np.floor(y)
    p, q = (x - i)[..., None], (y - j)[..., None]
    get = lambda i, j: photo[np.clip(j, 0, h - 1).astype(int), np.clip(i, 0, w - 1).astype(int)]
    top = get(i, j) * (1 - p) + get(i + 1, j) * p
    low = get(i, j + 1) * (1 - p) + get(i + 1, j + 1) * p
    return top * (1 - q) + low * q


def crop(photo, template, points, size):
    a, b, c, d = align(template, points, size)
    taps = int(np.clip(np.round(np.hypot(a, b)), 1, 8))
    assert taps < 3, "these photos are sampled bilinearly"
    place = np.arange(size)[:, None] + (np.arange(taps) + 0.5)[None, :] / taps
    u, v = np.meshgrid(place.ravel(), place.ravel())
    samples = at(photo, a * u - b * v + c, b * u + a * v + d)
    return samples.reshape(size, taps, size, taps, 3).mean(axis=(1, 3))


def embedding(photo, points):
    pixels = crop(photo, ARCFACE_112_V2, points, 112) / 127.5 - 1
    means = pixels.reshape(8, 14, 8, 14, 3).mean(axis=(1, 3)).transpose(2, 0, 1).ravel()
    m, k = np.arange(192)[:, None], np.arange(512)[None, :]
    return means @ (0.2 * np.sin(0.017 * (m + 1) * (k + 3))) + 0.1 * np.cos(np.arange(512))


def drive(how, photo, points, image_template):
    """What the gains of the channels are made of."""
    words = how.split()
    if words[0] == "image":
        size = int(words[1])
        pixels = crop(photo, image_template, points, size) / 255
        x, y = np.meshgrid(np.arange(size), np.arange(size))
        return (pixels * (8 * np.sin(0.11 * x) * np.cos(0.07 * y))[..., None]).mean(axis=(0, 1))
    e, k = embedding(photo, points), np.arange(512)
    gain = 1.0
    if words[0] == "emap":
        e = (e / np.linalg.norm(e)) @ (0.1 * np.sin(0.013 * (k[:, None] + 1) * (k[None, :] + 2)))
    if words[0] == "converted":
        e = e * (0.5 + 0.5 * np.sin(k + float(words[-1]))) + 0.3 * np.cos(3 * k)
    if words == ["converted", "1"]:
        gain = 0.05
    else:
        e = e / np.linalg.norm(e)
    return gain * e @ np.sin(0.37 * (k[:, None] + 1) * (np.arange(3)[None, :] + 1))


def box(size):
    blur = int(size * 0.5 * 0.3)
    edge = max(blur // 2, 1)
    mask = np.zeros((size, size))
    mask[edge:-edge, edge:-edge] = 1
    sigma = 0.25 * blur
    radius = int(np.round(4 * sigma))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        pad = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(mask, pad, mode="reflect")
        mask = np.apply_along_axis(lambda line: np.convolve(line, weights, mode="valid"), axis, padded)
    return mask


def paste(photo, template, points, swapped, mask):
    size = len(mask)
    a, b, c, d = align(template, points, size)
    h, w = photo.shape[:2]
    px, py = np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)
    back = np.linalg.inv(np.array([[a, -b], [b, a]]))
    u = back[0, 0] * (px - c) + back[0, 1] * (py - d)
    v = back[1, 0] * (px - c) + back[1, 1] * (py - d)
    colour = np.round(at(swapped, u, v))
    border = np.pad(mask, 1)[..., None]
    alpha = at(border, u + 1, v + 1)[..., 0]
    alpha[(u < -0.5) | (v < -0.5) | (u > size + 0.5) | (v > size + 0.5)] = 0
    alpha = np.round(255 * alpha)[..., None] / 255
    return np.round(photo + (colour - photo) * alpha)


def soften(mask, size):
    """A mask at another size, blurred by 5 pixels, its upper half stretched."""
    side = len(mask)
    place = (np.arange(size) + 0.5) * side / size
    x, y = np.meshgrid(place, place)
    mask = at(mask[..., None], x, y)[..., 0]
    weights = np.exp(-0.5 * (np.arange(-20, 21) / 5) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        pad = [(20, 20) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(mask, pad, mode="reflect")
        mask = np.apply_along_axis(lambda line: np.convolve(line, weights, mode="valid"), axis, padded)
    return (np.clip(mask, 0.5, 1) - 0.5) * 2


def occlusion(photo, template, points, size):
    a, b, c, d = align(template, points, size)
    place = (np.arange(256) + 0.5) * size / 256
    u, v = np.meshgrid(place, place)
    r, g, blue = np.moveaxis(at(photo, a * u - b * v + c, b * u + a * v + d) / 255, 2, 0)
    return soften(np.clip(1.2 * blue - 0.5 * g + 0.4 * r + 0.5 * np.arange(256) / 255, 0, 1), size)


def region(swapped):
    size = len(swapped)
    place = (np.arange(512) + 0.5) * size / 512
    x, y = np.meshgrid(place, place)
    colour = (at(swapped, x, y) - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
    scores = np.stack([np.full((512, 512), -1.4), colour @ [0.6, 0.3, 0.4], colour @ [-0.4, 0.2, 0.9] - 1.2])
    return soften((scores.argmax(axis=0) == 1).astype(float), size)


# File: size, template, whether it has a weight.
ENHANCERS = [
    ("gfpgan_1.4.onnx", 512, FFHQ_512, False),
    ("codeformer.onnx", 512, FFHQ_512, True),
    ("gpen_bfr_256.onnx", 256, ARCFACE_128, False),
    ("gpen_bfr_512.onnx", 512, FFHQ_512, False),
    ("gpen_bfr_1024.onnx", 1024, FFHQ_512, False),
]


def enhanced(photo, template, points, size, weight):
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    ramp = 0.6 + 0.3 * x / (size - 1) + 0.1 * y / (size - 1)
    gain = np.array([1.6, 0.8, 0.5]) * (0.5 + 0.4 if weight else 1)
    values = crop(photo, template, points, size) / 255 * gain * ramp[..., None] + np.array([0.02, 0.05, 0.2])
    # The network's output, clipped, and brought back.
    return 255 * (np.clip((values - 0.5) / 0.5, -1, 1) + 1) / 2


def main(folder):
    # Source and target: a PNG, since JPEG decoders differ by a level.
    photo = np.asarray(Image.open(f"{folder}/demo/astronaut.png").convert("RGB")).astype(np.float64)
    print("# Made by neural.py.")
    print(f"points = {POINTS}")
    for file, size, template, how, image_template in FAMILIES:
        gains = 0.55 + 0.3 * np.tanh(drive(how, photo, POINTS, image_template))
        pixels = crop(photo, template, POINTS, size)
        x, y = np.meshgrid(np.arange(size), np.arange(size))
        ramp = 0.6 + 0.3 * x / (size - 1) + 0.1 * y / (size - 1)
        swapped = pixels / 255 * gains * ramp[..., None] + 0.02 * np.array([1, 2, 3])
        swapped = 255 * np.clip(swapped, 0, 1)
        out = paste(photo, template, POINTS, swapped, box(size))
        numbers = lambda values: "[" + ", ".join(f"{v:.6f}" for v in values) + "]"
        print(f'\n[[family]]\nfile = "{file}"\ngains = {numbers(gains)}')
        print("# x, y, R, G, B: of the swapped crop, then of the frame it is pasted into.")
        places = [(size // 2, size // 2), (size // 3, size // 4), (size - 9, 7), (5, size - 3), (size // 4, 2 * size // 3)]
        print("crop = [" + ", ".join(numbers([x, y, *swapped[y, x]]) for x, y in places) + "]")
        places = [(223, 129), (204, 108), (190, 90), (256, 160), (223, 165), (181, 133), (262, 76), (20, 20)]
        print("frame = [" + ", ".join(numbers([x, y, *out[y, x]]) for x, y in places) + "]")
        if file == "inswapper_128.onnx":
            masks = [("occlusion", occlusion(photo, template, POINTS, size)), ("region", region(swapped))]
    for file, size, template, weight in ENHANCERS:
        picture = enhanced(photo, template, POINTS, size, weight)
        out = paste(photo, template, POINTS, picture, box(size))
        print(f'\n[[enhancer]]\nfile = "{file}"')
        places = [(size // 2, size // 2), (size // 3, size // 4), (size - 9, 7), (5, size - 3), (size // 4, 2 * size // 3)]
        print("crop = [" + ", ".join(numbers([x, y, *picture[y, x]]) for x, y in places) + "]")
        places = [(223, 129), (204, 108), (190, 90), (256, 160), (223, 165), (181, 133), (262, 76), (20, 20)]
        print("frame = [" + ", ".join(numbers([x, y, *out[y, x]]) for x, y in places) + "]")
    for name, mask in masks:
        print(f'\n[[mask]]\nname = "{name}"\n# x, y, mask of inswapper_128\'s crop.')
        places = [(x, y) for y in range(9, 128, 27) for x in range(9, 128, 27)]
        print("at = [" + ", ".join(numbers([x, y, mask[y, x]]) for x, y in places) + "]")


if __name__ == "__main__":
    main(sys.argv[1])
