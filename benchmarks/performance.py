"""Speed against decoders and other pipelines on the same pixels in one run, stage by stage; writes a page.

python benchmarks/performance.py [--side 8192] [--largest 40000] [--repeats 3] [--histomicstk PYTHON]

Takes about twenty minutes on an idle machine, 6 GB of memory to draw the largest slide, and 2 GB of disk.

Processor seconds, because other programs on the machine change them least; medians of repeats in which
everything is measured in turn, ratios taken within a repeat. One slide at a time, one process, unless said;
histoquant runs in one of its own and others in theirs, both of which have done it all once before.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from performance_dask import Shares, dask_shares
from performance_page import write_page
from performance_pairs import WORK, two_over_one
from performance_peers import decode_all, histomicstk, openslide_all, textbook
from performance_slides import slide
from performance_stages import job_of, watched, whole_slide
from performance_workers import CLI, Steady, Took, command, steady, surroundings

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


# A process of its own for each size, so that its peak is known and drawing the slide does not count.
_WHOLE = """
import json, sys
from pathlib import Path
import cv2
cv2.setNumThreads(1)
sys.path.insert(0, sys.argv[3])
from performance_stages import job_of, whole_slide
for _ in range(2):  # compiled, imported and in a worker's memory the second time
    took = whole_slide(job_of(Path(sys.argv[1]), Path(sys.argv[2])))
# not ru_maxrss, which a process inherits from the one that started it
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
took["peak_mib"] = int(status["VmHWM"].split()[0]) / 1024
print(json.dumps(took))
"""
_DRAW = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from performance_slides import slide
slide(Path(sys.argv[1]), int(sys.argv[2]))
"""


@dataclass
class Law:
    """One slide of the cost law: megapixels, processor seconds of each task, peak of its process."""

    mpx: float
    plan_s: float
    tiles_s: float
    commit_s: float
    peak_mib: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.plan_s + self.tiles_s + self.commit_s


@dataclass
class Measured:
    """Everything the page tells; seconds are of the processor, per megapixel of the working plane.

    Attributes
    ----------
    per_mpx : dict of str to list of float
        One value per repeat for each contender, in the same order.
    stages : Counter
        Seconds by stage of one slide.
    law : list of Law
        By size of the slide.
    runs : dict of str to Took
        Whole command lines.
    steady : dict of int to Steady
        By number of workers.
    shares : Shares, optional
        What Dask takes beside the tasks of one worker.
    pairs : dict of str to float
        What two processes get done while one gets 1 done, by what they do.
    said : dict of str to str
        Remarks and single numbers.
    """

    per_mpx: dict[str, list[float]] = field(default_factory=dict)
    stages: Counter[str] = field(default_factory=Counter)
    stages_mpx: float = 0.0
    law: list[Law] = field(default_factory=list)
    runs: dict[str, Took] = field(default_factory=dict)
    steady: dict[int, Steady] = field(default_factory=dict)
    shares: Shares | None = None
    pairs: dict[str, float] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)


def _alone() -> ProcessPoolExecutor:
    """A process of its own, which stays: as a worker's, and nobody's settings of memory are another's."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), cv2.setNumThreads, (1,))


def _seconds_per_mpx(work: Callable[[Path], float], path: Path) -> float:
    start = time.process_time()
    megapixels = work(path)
    return (time.process_time() - start) / megapixels


def _histoquant(path: Path, folder: Path, plane_mpx: float) -> float:
    """Processor seconds of plan, tiles and commit together, per megapixel."""
    return sum(whole_slide(job_of(path, folder / "out")).values()) / plane_mpx


def _stages(path: Path, folder: Path) -> Counter[str]:
    with watched() as told:
        total = sum(whole_slide(job_of(path, folder / "out")).values())
    return told.seconds + Counter({"all else": total - sum(told.seconds.values())})


def contenders(found: Measured, folder: Path, side_px: int, repeats: int, python: str) -> None:
    """Everything on the same tissue in turn, as often as asked, each in a process that has done it before."""
    path, large = slide(folder, side_px), slide(folder, side_px, 2)
    plane_mpx = side_px**2 / 1e6
    with _alone() as peers, _alone() as worker:
        turn: dict[str, tuple[float, Callable[[], Future[float]]]] = {
            "decode": (1, lambda: peers.submit(_seconds_per_mpx, decode_all, path)),
            "OpenSlide": (1, lambda: peers.submit(_seconds_per_mpx, openslide_all, path)),
            "textbook": (1, lambda: peers.submit(_seconds_per_mpx, textbook, path)),
            "histoquant": (1, lambda: worker.submit(_histoquant, path, folder, plane_mpx)),
            "OpenSlide, 40x": (4, lambda: peers.submit(_seconds_per_mpx, openslide_all, large)),
            "histoquant, 40x": (1, lambda: worker.submit(_histoquant, large, folder, plane_mpx)),
        }
        # the first turn compiles and imports, and is not counted
        for counted in range(repeats + 1):
            for name, (planes, work) in turn.items():
                value = planes * work().result()
                if counted:
                    found.per_mpx.setdefault(name, []).append(value)
                    print(f"{name}: {1e3 * value:.1f} ms per Mpx", file=sys.stderr, flush=True)
        found.stages, found.stages_mpx = worker.submit(_stages, path, folder).result(), plane_mpx
    seconds, found.said["HistomicsTK"] = histomicstk(path, python, repeats, folder)
    if seconds:
        found.per_mpx["HistomicsTK"] = seconds


def _python(code: str, *arguments: str) -> str:
    """Last line that Python code prints in a process of its own."""
    words = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(words, env=surroundings(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed: {done.stderr[-500:]}")
    return (done.stdout.strip().splitlines() or [""])[-1]


def cost_law(found: Measured, folder: Path, largest_px: int) -> None:
    """Time and memory of slides of growing size, from 1 mm2 on."""
    here = str(Path(__file__).parent)
    doubled = [2048 << k for k in range(16) if 2048 << k < largest_px]
    for side_px in (*doubled, largest_px):
        # as many bytes as the slide has pixels, three times over: not in this process
        _python(_DRAW, str(folder), str(side_px), here)
        path = slide(folder, side_px)
        took = json.loads(_python(_WHOLE, str(path), str(folder / "law"), here))
        row = Law(side_px**2 / 1e6, took["plan"], took["tiles"], took["commit"], took["peak_mib"])
        found.law.append(row)
        print(f"{side_px} px: {row}", file=sys.stderr, flush=True)


def commands(found: Measured, folder: Path, side_px: int) -> None:
    """The command line: start, workers, what Dask adds."""
    path = slide(folder, side_px)
    # the first writes byte code, as an installation does
    _, *helps = (command(CLI, "--help") for _ in range(4))
    found.runs["histoquant --help"] = sorted(helps, key=lambda took: took.processor_s)[1]
    out = str(folder / "run")
    found.runs["histoquant run, --workers 0"] = command(CLI, "run", str(path), "-o", out, "--workers", "0")
    found.steady = steady(path, folder / "steady", (0, 1, 2))
    print(f"workers: {found.steady}", file=sys.stderr, flush=True)
    found.shares = dask_shares(path, folder / "shares")
    print(f"threads: {found.shares}", file=sys.stderr, flush=True)
    for what, work in WORK.items():
        found.pairs[what] = two_over_one(work, path)
        print(f"two processes {what}: {found.pairs[what]:.2f} times one", file=sys.stderr, flush=True)
    here, small = str(Path(__file__).parent), str(slide(folder, 512))
    _, *firsts = (float(_python(_FIRST_TILE, small, f"{out}-first", here)) for _ in range(4))
    found.said["first tile"] = f"{statistics.median(firsts):.3f}"


def main() -> None:
    """Measure, then write the page with its chart."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=8192, help="slide edge in px at 0.5 um/px")
    parser.add_argument("--largest", type=int, default=40_000, help="largest edge of the cost law")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--histomicstk", default=os.environ.get("HISTOMICSTK_PYTHON", ""),
                        help="interpreter that has HistomicsTK; HISTOMICSTK_PYTHON otherwise")  # fmt: skip
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/performance.md"))
    asked = parser.parse_args()
    found = Measured()
    found.said["machine"] = (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        load = [os.getloadavg()[0]]
        contenders(found, folder, asked.side, asked.repeats, asked.histomicstk)
        load.append(os.getloadavg()[0])
        cost_law(found, folder, asked.largest)
        load.append(os.getloadavg()[0])
        commands(found, folder, asked.side)
        load.append(os.getloadavg()[0])
    found.said["load"] = f"{min(load):.1f} to {max(load):.1f}"
    found.said["side"] = f"{asked.side} x {asked.side} px, {asked.side**2 * 0.25 / 1e6:.1f} mm2"
    if len(found.law) > 1:
        sizes, seconds = np.log([row.mpx for row in found.law]), np.log([row.seconds for row in found.law])
        found.said["slope"] = f"{np.polyfit(sizes, seconds, 1)[0]:.2f}"
        found.said["slope of the largest"] = f"{np.polyfit(sizes[-3:], seconds[-3:], 1)[0]:.2f}"
    write_page(asked.out, found)
    print(f"{asked.out}: {1 / statistics.median(found.per_mpx['histoquant']):.1f} Mpx/s", file=sys.stderr)


if __name__ == "__main__":
    main()
