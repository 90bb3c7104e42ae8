"""Our element beside what is used today, on this machine, the same frames and the same network.

    python3 benches/peers/run.py

makes a virtual environment and frames in target/peers, and the full-size stand-in for inswapper_128 in
target/standin, where they are not there yet. Each row is measured in a process of its own, the rows
take turns, and the medians of all rounds are printed. Nothing but Python packages is downloaded.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import venv
from pathlib import Path

import pipelines

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
WORK = REPO / "target" / "peers"
NETWORK = REPO / "target" / "standin" / "inswapper_128.onnx"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=12, help="frames of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, default=NETWORK, help="inswapper_128.onnx, the recognizer beside it")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    if arguments.frames < 6 or arguments.rounds < 1:
        parser.error("at least 6 frames and one round")
    python = environment()
    if not arguments.model.is_file():
        if arguments.model != NETWORK:
            sys.exit(f"{arguments.model}: no such file")
        call("cargo", "run", "--release", "--quiet", "--example", "standin", "--", NETWORK.parent, "full")
    call("cargo", "build", "--release", "--quiet", "--lib")
    frames = WORK / f"frames-{arguments.frames}.bgr"
    if not frames.is_file():
        call(python, HERE / "frames.py", frames, arguments.frames)

    plugins = Path(os.environ.get("CARGO_TARGET_DIR", REPO / "target")) / "release"
    rows = {
        "ours": lambda: pipelines.faceswap(plugins, WORK, frames, "neural", arguments.model),
        "insightface": lambda: python_row(python, "insightface", arguments.model, frames),
        "onnxruntime": lambda: python_row(python, "onnxruntime", arguments.model, frames),
        "ours, mesh": lambda: pipelines.faceswap(plugins, WORK, frames, "mesh", None),
        "facedetect": lambda: pipelines.facedetect(WORK, frames),
    }
    measured = {name: [] for name in rows}
    for round_number in range(arguments.rounds):
        for name, measure in rows.items():
            print(f"round {round_number + 1} of {arguments.rounds}: {name}", file=sys.stderr)
            measured[name].append(measure())
    figures = {name: median(rounds) for name, rounds in measured.items()}
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    show(figures)


def environment():
    """The virtual environment's Python, made where it is not what requirements.txt asks for."""
    folder, wanted = WORK / "venv", (HERE / "requirements.txt").read_text()
    python, stamp = folder / "bin" / "python", folder / "made-for.txt"
    if not stamp.is_file() or stamp.read_text() != wanted:
        print("bringing insightface, OpenCV and ONNX Runtime", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        call(python, "-m", "pip", "install", "--quiet", "--requirement", HERE / "requirements.txt")
        stamp.write_text(wanted)
    return python


def call(*command):
    subprocess.run([str(part) for part in command], check=True, cwd=REPO)


def python_row(python, kind, model, frames):
    command = [str(python), str(HERE / "plain.py"), kind, str(model), str(frames)]
    output, peak = pipelines.run(command)
    return json.loads(output.splitlines()[-1]) | {"peak-mb": peak}


def median(rounds):
    """Of each figure; None, where a row could not be measured."""
    rounds = [figures for figures in rounds if figures]
    keys = rounds[0] if rounds else {}
    return {key: statistics.median(figures[key] for figures in rounds) for key in keys}


def show(figures):
    ours, plain, floor = (figures[name] for name in ("ours", "insightface", "onnxruntime"))
    detect, mesh = figures["facedetect"], figures["ours, mesh"]
    print("\n| 1920×1080, one 400-pixel face | frames/s | ms a frame | ms outside the network | beside ours | peak memory, MB |")
    print("|---|---|---|---|---|---|")

    def row(name, row, outside, ratio=""):
        outside = f"{outside:.1f}" if outside else ""
        print(f"| {name} | {1e3 / row['frame-ms']:.2f} | {row['frame-ms']:.1f} | {outside} | {ratio} | {row['peak-mb']:.0f} |")

    row("this element, `engine=neural`: finds, swaps and pastes", ours, ours["outside-ms"])
    print(f"| of that, without finding the face | | | {ours['given-ms']:.1f} | | |")
    ratios = [plain["outside-ms"] / ours[of] for of in ("given-ms", "outside-ms")]
    told = f"{ratios[0]:.1f}× what does the same, {ratios[1]:.1f}× all"
    row("insightface's `INSwapper.get` with paste-back, points given", plain, plain["outside-ms"], told)
    row("ONNX Runtime: the network alone", floor, None)
    row("this element, `engine=mesh`: all of it", mesh, None)
    print("\n| finding the face | ms a frame | peak memory, MB |\n|---|---|---|")
    found = mesh["detect-ms"] + mesh["landmarks-ms"]
    print(f"| this element: detector now and then, 468 landmarks in each frame | {found:.2f} | |")
    if detect:
        print(f"| OpenCV's `facedetect` in GStreamer: boxes | {detect['frame-ms']:.2f} | {detect['peak-mb']:.0f} |")
    else:
        print("| OpenCV's `facedetect` in GStreamer: not installed (gstreamer1.0-opencv, opencv-data) | | |")


if __name__ == "__main__":
    main()
