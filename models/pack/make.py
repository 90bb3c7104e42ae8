"""Makes one ONNX model and checks it before it is accepted: python -m pack.make CARD SOURCE RESULT PHOTOS...

Runs in the conversion tools' environment. Prints one line, the largest differences that the check found.
"""

import os
import sys

from . import detector, selfcheck, to_onnx


def _face_mesh(source):
    return to_onnx.convert(source, "face_mesh", "image", ["landmarks", "face_flag"])


def _mobilefacenet(source):
    return to_onnx.convert(source, "mobilefacenet", "image", ["embedding"], free_batch=True)


def _palm_detection(source):
    return to_onnx.convert(source, "palm_detection", "image", ["boxes", "scores"])


def _hand_landmark(source):
    return to_onnx.convert(source, "hand_landmark", "image", ["landmarks", "presence", "handedness", None])


RECIPES = {
    "centerface": (detector.centerface, selfcheck.centerface),
    "face_mesh": (_face_mesh, selfcheck.face_mesh),
    "mobilefacenet": (_mobilefacenet, selfcheck.mobilefacenet),
    "palm_detection": (_palm_detection, selfcheck.palm_detection),
    "hand_landmark": (_hand_landmark, selfcheck.hand_landmark),
}


def main(card, source, result, *photos):
    make, check = RECIPES[card]
    part = result + ".part"
    with open(part, "wb") as file:
        file.write(make(source).SerializeToString(deterministic=True))
    try:
        print(check(source, part, photos))
    except selfcheck.Failed as error:
        os.remove(part)
        sys.exit(f"self-check failed: {error}")
    os.replace(part, result)


if __name__ == "__main__":
    main(*sys.argv[1:])
