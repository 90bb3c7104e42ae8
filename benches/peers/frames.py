"""Writes raw BGR frames of 1920×1080 pixels: the default pack's photo of an astronaut, swaying."""

import math
import sys
from pathlib import Path

import cv2
import numpy as np

PHOTO = Path(__file__).resolve().parents[2] / "models" / "demo" / "astronaut.png"
WIDTH, HEIGHT = 1920, 1080
# Centre and width of the face in the photo, and how wide it is to be, in pixels.
CENTRE, FACE, WANTED = (224.0, 115.0), 88.0, 400.0


def main(path, count):
    photo = cv2.imread(str(PHOTO))
    if photo is None:
        sys.exit(f"{PHOTO}: no such picture; `make models` brings it")
    scale = WANTED / FACE
    part = Path(path).with_suffix(".part")
    with open(part, "wb") as out:
        for number in range(count):
            turn = 2 * math.pi * number / count
            x = WIDTH / 2 - scale * CENTRE[0] + 0.04 * WIDTH * math.sin(turn)
            y = HEIGHT / 2 - scale * CENTRE[1] + 0.02 * HEIGHT * math.sin(2 * turn)
            place = np.float32([[scale, 0, x], [0, scale, y]])
            frame = cv2.warpAffine(photo, place, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderValue=(110, 100, 90))
            out.write(frame.tobytes())
    part.rename(path)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
