"""Speed against decoders and other pipelines on the same pixels in one run, stage by stage; writes a page.

python benchmarks/performance.py [--side 4096] [--repeats 3] [--histomicstk PYTHON] [-o docs/performance.md]

Processor seconds, because other programs on the machine change them least; medians of repeats in which
everything is measured in turn, ratios taken within a repeat. One slide at a time, one process, unless said.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from performance_page import write_page
from performance_peers import decode_all, histomicstk, openslide_all, textbook
from performance_slides import slide
from performance_stages import job_of, watched, whole_slide

_CLI = "from histoquant.cli import main; main()"
_LAUNCH = """
import os, sys, time
start = time.monotonic()
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(child, 0)
print(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
_FIRST_TILE = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import histoquant.run.tile as tile
from performance_stages import job_of, whole_slide
real = tile.quantify_tile
def first(*arguments):
    print(time.process_time(), flush=True)
    raise SystemExit
import histoquant.run.tasks as tasks
tasks.quantify_tile = first
whole_slide(job_of(Path(sys.argv[1]), Path(sys.argv[2])))
"""


@dataclass
class Measured:
    """Everything the page tells; seconds are of the processor, per megapixel of the working plane.

    Attributes
    ----------
    per_mpx : dict of str to list of float
        One value per repeat for each contender, in the same order.
    stages : Counter
        Seconds by stage of one slide.
    law : list of (megapixels, plan, tiles, commit)
        Seconds by size of the slide.
    runs : dict of str to (wall, processor seconds, peak MiB)
        Whole command lines.
    said : dict of str to str
        Remarks and single numbers.
    """

    per_mpx: dict[str, list[float]] = field(default_factory=dict)
    stages: Counter[str] = field(default_factory=Counter)
    stages_mpx: float = 0.0
    law: list[tuple[float, float, float, float]] = field(default_factory=list)
    runs: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)


def _seconds_per_mpx(work: Callable[[Path], float], path: Path) -> float:
    start = time.process_time()
    megapixels = work(path)
    return (time.process_time() - start) / megapixels


def _histoquant(path: Path, folder: Path) -> float:
    """Processor seconds of plan, tiles and commit together."""
    return sum(whole_slide(job_of(path, folder / "out")).values())


def contenders(found: Measured, folder: Path, side_px: int, repeats: int, python: str) -> None:
    """Everything on the same tissue in turn, as often as asked."""
    path, large = slide(folder, side_px), slide(folder, side_px // 2, 2)
    plane_mpx, large_mpx = side_px**2 / 1e6, (side_px // 2) ** 2 / 1e6
    _histoquant(slide(folder, 512), folder)  # compiled and imported before anything is timed
    _histoquant(slide(folder, 512, 2), folder)
    textbook(path)
    for _ in range(repeats):
        turn = {
            "decode": _seconds_per_mpx(decode_all, path),
            "OpenSlide": _seconds_per_mpx(openslide_all, path),
            "textbook": _seconds_per_mpx(textbook, path),
            "histoquant": _histoquant(path, folder) / plane_mpx,
            "OpenSlide, 40x": 4 * _seconds_per_mpx(openslide_all, large),
            "histoquant, 40x": _histoquant(large, folder) / large_mpx,
        }
        for name, value in turn.items():
            found.per_mpx.setdefault(name, []).append(value)
            print(f"{name}: {1e3 * value:.1f} ms per Mpx", file=sys.stderr, flush=True)
    seconds, found.said["HistomicsTK"] = histomicstk(path, python, repeats, folder)
    if seconds:
        found.per_mpx["HistomicsTK"] = seconds


def stages(found: Measured, folder: Path, side_px: int) -> None:
    """Where the time of one slide goes."""
    with watched() as told:
        total = sum(whole_slide(job_of(slide(folder, side_px), folder / "out")).values())
    found.stages = told.seconds
    found.stages["all else"] = total - sum(told.seconds.values())
    found.stages_mpx = side_px**2 / 1e6


def cost_law(found: Measured, folder: Path, largest_px: int) -> None:
    """Time of slides of growing size."""
    side_px = 1024
    while side_px <= largest_px:
        took = whole_slide(job_of(slide(folder, side_px), folder / "out"))
        found.law.append((side_px**2 / 1e6, took["plan"], took["tiles"], took["commit"]))
        print(f"{side_px} px: {took}", file=sys.stderr, flush=True)
        side_px *= 2


def _command(code: str, *arguments: str) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak MiB of one process and what it started and awaited."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    # a child counts its parent's memory until it is another program: the parent is a small one
    command = [sys.executable, "-S", "-c", _LAUNCH, sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed: {done.stderr[-500:]}")
    wall, seconds, peak_kib = (float(word) for word in done.stdout.split())
    return wall, seconds, peak_kib / 1024


def commands(found: Measured, folder: Path, side_px: int) -> None:
    """The command line: start, workers, what Dask adds, memory."""
    path, out = slide(folder, side_px), str(folder / "run")
    found.runs["histoquant --help"] = _command(_CLI, "--help")
    for workers in ("0", "1", "2"):
        name = f"histoquant run, --workers {workers}"
        found.runs[name] = _command(_CLI, "run", str(path), "-o", f"{out}{workers}", "--workers", workers)
    here, small = str(Path(__file__).parent), str(slide(folder, 512))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", _FIRST_TILE, small, f"{out}-first", here], env=environment,
                          capture_output=True, text=True, check=True)  # fmt: skip
    found.said["first tile"] = done.stdout.strip().splitlines()[-1]


def main() -> None:
    """Measure, then write the page with its chart."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=4096, help="slide edge in px at 0.5 um/px")
    parser.add_argument("--largest", type=int, default=8192, help="edge of the largest slide of the cost law")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--histomicstk", default="", help="interpreter that has HistomicsTK")
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/performance.md"))
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    found = Measured()
    found.said["machine"] = (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        load = [os.getloadavg()[0]]
        contenders(found, folder, asked.side, asked.repeats, asked.histomicstk)
        load.append(os.getloadavg()[0])
        stages(found, folder, asked.side)
        cost_law(found, folder, asked.largest)
        load.append(os.getloadavg()[0])
        commands(found, folder, asked.side)
        load.append(os.getloadavg()[0])
    found.said["load"] = f"{min(load):.1f} to {max(load):.1f}"
    found.said["side"] = f"{asked.side} x {asked.side} px, {asked.side**2 * 0.25 / 1e6:.1f} mm2"
    sizes = np.log([row[0] for row in found.law])
    if len(sizes) > 1:
        slope = np.polyfit(sizes, np.log([sum(row[1:]) for row in found.law]), 1)[0]
        found.said["slope"] = f"{slope:.2f}"
    write_page(asked.out, found)
    print(f"{asked.out}: {1 / statistics.median(found.per_mpx['histoquant']):.1f} Mpx/s", file=sys.stderr)


if __name__ == "__main__":
    main()
