"""What workers and Dask cost once they are there: folders of few and of more slides, and the difference."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

CLI = "from histoquant.cli import main; main()"
# The start of a run and its end are the same for both, so that they cancel: that of two workers as well, for
# each has a slide in the smaller folder.
FEW, MORE = 2, 10
_REPEATS = 3

# A child counts its parent's memory until it is another program: the parent is a small one. Its children's
# processor time is theirs and that of all they waited for; the peak is that of the largest of them.
_LAUNCH = """
import os, sys, time
start = time.monotonic()
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(child, 0)
print(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Took(NamedTuple):
    """Wall and processor seconds of a process and what it started, and the peak of the largest in MiB."""

    wall_s: float
    processor_s: float
    peak_mib: float


def surroundings() -> dict[str, str]:
    """The environment of a process that finds what this one does, and keeps byte code as if installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": os.pathsep.join(sys.path)}


def command(code: str, *arguments: str) -> Took:
    """Run Python code in a process of its own."""
    words = [sys.executable, "-S", "-c", _LAUNCH, sys.executable, "-c", code, *arguments]
    done = subprocess.run(words, env=surroundings(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed: {done.stderr[-500:]}")
    wall, seconds, peak_kib = (float(word) for word in done.stdout.split())
    return Took(wall, seconds, peak_kib / 1024)


@dataclass(frozen=True)
class Steady:
    """Runs of a few and of more slides with the same workers.

    Attributes
    ----------
    few, more : Took
    slides : tuple of int
        How many slides each held.
    """

    few: Took
    more: Took
    slides: tuple[int, int] = (FEW, MORE)

    @property
    def wall_s(self) -> float:
        """Wall seconds of one slide more."""
        return (self.more.wall_s - self.few.wall_s) / (self.slides[1] - self.slides[0])

    @property
    def processor_s(self) -> float:
        """Processor seconds of one slide more, all processes together."""
        return (self.more.processor_s - self.few.processor_s) / (self.slides[1] - self.slides[0])

    @property
    def start(self) -> tuple[float, float]:
        """Wall and processor seconds that a run takes beside its slides."""
        few = self.slides[0]
        return self.few.wall_s - few * self.wall_s, self.few.processor_s - few * self.processor_s


def folder_of(place: Path, slide: Path, count: int) -> Path:
    """A folder with a slide under as many patients' names."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for number in range(1, count + 1):
        os.link(slide, place / f"P{number:02d}_T1_V1_CD68.tif")
    return place


def steady(
    slide: Path, folder: Path, workers: tuple[int, ...], run: Callable[..., Took] = command
) -> dict[int, Steady]:
    """Measure some numbers of workers in turn, so that what changes on the machine changes all of them.

    Parameters
    ----------
    slide : Path
    folder : Path
        For copies of the slide, which are links, and results.
    workers : tuple of int
        0 for one process without Dask.
    run : callable
        `command`, or what a test puts in its place.
    """
    took: dict[tuple[int, int], list[Took]] = {}
    for _, count, each in itertools.product(range(_REPEATS), (FEW, MORE), workers):
        slides = folder_of(folder / f"slides-{count}", slide, count)
        out = folder / f"out-{each}-{count}"
        told = run(CLI, "run", str(slides), "-o", str(out), "--workers", str(each))
        took.setdefault((each, count), []).append(told)
        shutil.rmtree(out, ignore_errors=True)
    # what disturbs a run only ever adds to it
    best = {key: min(runs, key=lambda one: one.processor_s) for key, runs in took.items()}
    return {each: Steady(best[each, FEW], best[each, MORE]) for each in workers}
