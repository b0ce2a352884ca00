"""A process that has everything imported and computed once; each run is a fork of it, with one fault planted.

Reads one JSON object per line: ``{"slides", "out", "computed", "point", "fault", "delay_s"}``; writes one per
run: ``{"status", "points"}``. What plan, tiles and pictures return depends on their arguments alone, as other
tests show, so forks take it from memory where the arguments are those of the first run: tested is all that
lies between. A *point* is a call that changes the disk: open for writing, write, fsync, rename, unlink,
mkdir, removal of a folder. ``fault`` is ``"kill"`` (SIGKILL at that point, half of a write done) or an errno
name (that call and all after it fail, as on a full disk).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import pathlib
import pickle
import shutil
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import cv2

import histoquant.report.html as html_module
import histoquant.run.parameters as parameters_module
import histoquant.run.pictures as pictures_module
import histoquant.run.tasks as tasks_module
from histoquant.errors import StoreError
from histoquant.run.job import RunParameters
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides
from histoquant.slides import Plane, Slide

_WRITING = frozenset("wxa+")


class Points:
    """Counts the calls that change the disk and plants the fault at one of them."""

    def __init__(self, fault: str, at: int) -> None:
        self.count, self.fault, self.at = 0, fault, at

    def reach(self, half: Any = None) -> None:
        self.count += 1
        if not self.at or self.count < self.at:
            return
        if self.fault == "kill":
            if half is not None:
                half()
            os.kill(os.getpid(), signal.SIGKILL)
        code = getattr(errno, self.fault)
        if half is not None and self.fault == "ENOSPC":
            half()
        raise OSError(code, os.strerror(code))


class _File:
    """A file whose writes are points."""

    def __init__(self, file: Any, points: Points) -> None:
        self._file, self._points = file, points

    def write(self, data: Any) -> Any:
        def half() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._points.reach(half)
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


def plant(points: Points, out: str) -> None:
    """Make every call that changes the disk a point; a plain open only below ``out``: compilers cache too."""

    def watched(owner: Any, name: str) -> None:
        whole = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            points.reach()
            return whole(*arguments, **options)

        setattr(owner, name, call)

    whole_open, whole_os_open = Path.open, os.open

    def path_open(self: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if not _WRITING & set(mode):
            return whole_open(self, mode, *arguments, **options)
        points.reach()
        return _File(whole_open(self, mode, *arguments, **options), points)

    def os_open(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and str(path).startswith(out):
            points.reach()
        return whole_os_open(path, flags, *arguments, **options)

    Path.open, os.open = path_open, os_open  # type: ignore[assignment,method-assign]
    for owner, name in (
        (os, "fsync"),
        (os, "link"),
        (Path, "replace"),
        (Path, "unlink"),
        (Path, "mkdir"),
        (shutil, "rmtree"),
    ):
        watched(owner, name)


class _Memory:
    """Results of functions that depend on their arguments alone, by name and the bytes of the arguments."""

    def __init__(self) -> None:
        self._held: dict[bytes, Any] = {}

    def remember(self, owner: Any, name: str) -> None:
        """Let a module's function answer from memory what it was asked before."""
        whole = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            text = pickle.dumps([name, [_plain(value) for value in arguments], sorted(options)])
            key = hashlib.sha256(text).digest()
            if key not in self._held:
                self._held[key] = whole(*arguments, **options)
            return self._held[key]

        setattr(owner, name, call)


def _plain(value: Any) -> Any:
    """What can be pickled: an open slide or plane stands for its file."""
    if isinstance(value, Plane):
        value = value.slide
    return str(value.path) if isinstance(value, Slide) else value


def compute_once(order: dict[str, Any]) -> None:
    """An unbroken run elsewhere, in this process, whose results and compiled kernels every fork finds."""
    memory = _Memory()
    for owner, name in (
        (tasks_module, "plan_of"),
        (tasks_module, "quantify_tile"),
        (pictures_module, "draw_pictures"),
        (html_module, "draw_timepoints"),
    ):
        memory.remember(owner, name)
    with tempfile.TemporaryDirectory() as folder:
        run_slides(_options(order, Path(folder) / "out"))


def _options(order: dict[str, Any], out: Path) -> RunOptions:
    parameters_module.RunParameters = partial(RunParameters, batch_tiles=1, tile_size_px=1024)  # type: ignore[misc,assignment]
    return RunOptions((Path(order["slides"]),), out, workers=0, tile_size_px=256)


def note_tiles(computed: str) -> None:
    """Append a line to a file, past all points, for every tile whose computation starts."""
    whole = tasks_module.quantify_tile
    handle = os.open(computed, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def quantify(plane: Any, tile: Any, planned: Any) -> Any:
        os.write(handle, f"{plane.slide.path.name} {tile.x_px} {tile.y_px}\n".encode())
        return whole(plane, tile, planned)

    tasks_module.quantify_tile = quantify


def run(order: dict[str, Any]) -> tuple[int, int]:
    """One run; exit status as of the command line, and the points passed."""
    points = Points(order.get("fault", ""), order.get("point", 0))
    note_tiles(order["computed"])
    plant(points, order["out"])
    try:
        return run_slides(_options(order, Path(order["out"]))), points.count
    except (StoreError, OSError):
        return 2, points.count


def serve() -> None:
    """Fork for each order; the parent computes on one thread and ends those of its run before it forks."""
    cv2.setNumThreads(1)
    for number, line in enumerate(sys.stdin):
        order = json.loads(line)
        if number == 0:
            with contextlib.redirect_stderr(io.StringIO()):
                compute_once(order)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            sys.stderr = io.StringIO()
            status, points = 99, 0
            with contextlib.suppress(Exception):
                status, points = run(order)
            os.write(writer, json.dumps([status, points]).encode())
            os._exit(0)
        os.close(writer)
        if order.get("delay_s"):
            time.sleep(order["delay_s"])
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with os.fdopen(reader) as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
        status, count = json.loads(said) if said else (-int(signal.SIGKILL), 0)
        print(json.dumps({"status": status, "points": count}), flush=True)


assert pathlib.Path is Path
if __name__ == "__main__":
    serve()
