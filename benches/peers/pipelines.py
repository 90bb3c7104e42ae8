"""Rows that are GStreamer pipelines, run by gst-launch-1.0."""

import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "models" / "demo" / "grace_hopper.jpg"
RAW = "rawvideoparse format=bgr width=1920 height=1080 framerate=25/1"
# Messages at the start, which are of frames that waited for models.
WARM = 3
FIELDS = ["frame-time-mean-ms", "network-ms", "detect-ms", "landmarks-ms"]


def run(command, **environment):
    """What it printed, and the most memory it had, MB. The process must succeed."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=os.environ | environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}\n{out.read()[-2000:]}{err.read()[-2000:]}")
        kilobytes = usage.ru_maxrss * 1024 if os.uname().sysname == "Linux" else usage.ru_maxrss
        return out.read(), kilobytes / 1e6


def launch(line, **environment):
    return run(["gst-launch-1.0", *line.split()], **environment)


def faceswap(plugins, work, frames, engine, model):
    network = f"model-file={model} execution-provider=cpu" if model else ""
    line = (
        f"-m filesrc location={frames} ! {RAW} ! faceswap source={SOURCE} engine={engine} {network}"
        " mark=none stats-interval=1 ! fakesink"
    )
    registry = str(work / "registry-ours.bin")
    output, peak = launch(line, GST_PLUGIN_PATH=str(plugins), GST_REGISTRY=registry)
    told = [line for line in output.splitlines() if "faceswap-stats" in line]
    values = {field: [number(line, field) for line in told][WARM:] for field in FIELDS}
    assert values["network-ms"], f"gst-launch-1.0 told too little:\n{output[-2000:]}"
    assert not model or f"engine=(string){engine}" in told[-1], told[-1]
    whole = values["frame-time-mean-ms"]
    outside = [frame - inside for frame, inside in zip(whole, values["network-ms"])]
    # What is left when the face's place is given.
    given = [rest - detect - points for rest, detect, points in zip(outside, values["detect-ms"], values["landmarks-ms"])]
    middle = {field: statistics.median(values[field]) for field in ["detect-ms", "landmarks-ms"]}
    times = {"frame-ms": whole, "outside-ms": outside, "given-ms": given}
    return {name: statistics.median(of) for name, of in times.items()} | middle | {"peak-mb": peak}


def number(line, field):
    return float(re.search(rf"\b{field}=\(double\)([0-9.e+-]+)", line)[1])


def facedetect(work, frames):
    """OpenCV's element, by the difference to the same pipeline without it; None without it."""
    registry = str(work / "registry.bin")
    if subprocess.run(["gst-inspect-1.0", "--exists", "facedetect"]).returncode:
        return None
    begin = f"filesrc location={frames} ! {RAW} ! videoconvert ! video/x-raw,format=RGB !"
    spent = []
    for middle in ["facedetect display=false !", ""]:
        begun = time.perf_counter()
        _, memory = launch(f"{begin} {middle} fakesink", GST_REGISTRY=registry)
        spent.append(time.perf_counter() - begun)
        peak = memory if middle else peak
    count = frames.stat().st_size / (1920 * 1080 * 3)
    return {"frame-ms": 1e3 * (spent[0] - spent[1]) / count, "peak-mb": peak}
