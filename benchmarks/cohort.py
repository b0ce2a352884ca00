"""A cohort of thousands of slides without their pixels: what scheduling, disk and report cost at that size.

python benchmarks/cohort.py [--slides 10000] [--tiles 570] [--batch-tiles 64] [--workers 2] [-o FILE]

Everything runs as for real slides - intake, schedule, Dask cluster, commits, tables, report, seals, verify,
resume - but a task returns at once what it would have computed. A committed slide holds the files of one real
small slide. What processes spend beside these tasks is overhead; it is set against what a batch of that many
tiles costs where it is computed, measured on the same machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import psutil
from cohort_fakes import TILE_PX, fake_batch, fake_commit, fake_plan

from histoquant.markers import get_marker
from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide
from histoquant.run import intake as intake_module
from histoquant.run import parameters as parameters_module
from histoquant.run import schedule
from histoquant.run.job import RunParameters
from histoquant.run.options import RunOptions
from histoquant.run.plan import plan_of
from histoquant.run.runner import run_slides
from histoquant.run.tile import quantify_tile
from histoquant.slides import open_slide, working_plane
from histoquant.store.verify import verify
from histoquant.tiling.grid import Tile

_TEMPLATE_ID: Final = "P00_T1_V1_CD68"


def real_tile_s(folder: Path) -> float:
    """Processor seconds of one tile of 1024 x 1024 px full of tissue, decoding included."""
    rgb, truth = render_field("CD68", 700.0, seed=5, mpp=0.5)
    path = folder / "tile.tif"
    write_slide(path, rgb, float(truth.summary["mpp"]))
    with open_slide(path) as slide:
        planned = plan_of(slide, get_marker("CD68"), 0.5)
        plane = working_plane(slide, 0.5)
        spent = []
        for _ in range(3):  # the first compiles
            started = time.process_time()
            quantify_tile(plane, Tile(180, 180, TILE_PX, TILE_PX), planned)
            spent.append(time.process_time() - started)
    return min(spent)


def make_template(folder: Path) -> Path:
    """Output of one real slide of 0.1 mm2."""
    rgb, truth = render_field("CD68", 320.0, seed=3)
    path = folder / f"{_TEMPLATE_ID}.tif"
    write_slide(path, rgb, float(truth.summary["mpp"]))
    if run_slides(RunOptions((path,), folder / "template", workers=0)) != 0:
        sys.exit("the template slide failed")
    return folder / "template" / "slides" / _TEMPLATE_ID


def make_inputs(folder: Path, slides: int) -> Path:
    """Files that look like slides from outside: 2 timepoints, 3 markers, as many patients as it takes."""
    folder.mkdir()
    for number in range(slides):
        patient, rest = divmod(number, 6)
        timepoint, marker = divmod(rest, 3)
        name = f"P{patient + 1:05d}_T1_V{timepoint + 1}_{('CD68', 'CD20', 'CD31')[marker]}.tif"
        (folder / name).write_bytes(b"II*\0")
    return folder


class Watch:
    """Samples memory of this process, which holds client and scheduler, and of its workers."""

    def __init__(self) -> None:
        self.samples: list[dict[str, float]] = []
        self.listeners: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Watch:
        self._started_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(2.0):
            sample = {"s": time.monotonic() - self._started_s, "rss_mb": me.memory_info().rss / 1e6}
            sample["files"] = me.num_fds()
            workers = []
            for child in me.children(recursive=True):
                try:
                    workers.append(child.memory_info().rss / 1e6)
                    self._hear(child)
                except psutil.Error:
                    continue
            self._hear(me)
            sample["worker_rss_mb"] = max(workers, default=0.0)
            self.samples.append(sample)

    def _hear(self, process: psutil.Process) -> None:
        listening = [one for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
        self.listeners.update(one.laddr.ip for one in listening)


def _processor_s() -> float:
    """Of this process and of all children that ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def _timed(what: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, seconds of the clock, seconds of processors."""
    wall, spent = time.monotonic(), _processor_s()
    result = what()
    return result, time.monotonic() - wall, _processor_s() - spent


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run, verify and resume the cohort."""
    tile_s = real_tile_s(folder)
    template = make_template(folder)
    inputs = make_inputs(folder / "slides", arguments.slides)
    parameters_module.RunParameters = partial(RunParameters, batch_tiles=arguments.batch_tiles)  # type: ignore
    schedule.plan_slide = partial(fake_plan, tiles=arguments.tiles)  # type: ignore[assignment]
    schedule.run_batch = fake_batch
    schedule.commit_slide = partial(fake_commit, template=template)  # type: ignore[assignment]
    options = RunOptions((inputs,), folder / "out", workers=arguments.workers)
    _, intake_s, _ = _timed(lambda: intake_module.take_in(options).jobs(folder / "out"))
    with Watch() as watch:
        status, run_s, run_processor_s = _timed(lambda: run_slides(options))
    faults, verify_s, _ = _timed(lambda: verify(folder / "out"))
    again, resume_s, _ = _timed(lambda: run_slides(options))
    batches = -(-arguments.tiles // arguments.batch_tiles)
    tasks = arguments.slides * (batches + 2)
    computed_s = arguments.slides * arguments.tiles * tile_s
    page = folder / "out" / "report.html"
    return {
        **{name: getattr(arguments, name) for name in ("slides", "tiles", "batch_tiles", "workers")},
        "tasks": tasks,
        "status": [status, again, len(faults)],
        "intake_s": intake_s,
        "run_s": run_s,
        "processor_s": run_processor_s,
        "ms_per_task": 1e3 * run_processor_s / tasks,
        "real_tile_s": tile_s,
        "compute_s": computed_s,
        "overhead_percent": 100 * run_processor_s / computed_s,
        "verify_s": verify_s,
        "resume_s": resume_s,
        "report_mb": page.stat().st_size / 1e6,
        "listeners": sorted(watch.listeners),
        "samples": watch.samples,
    }


def main() -> None:
    """Print figures; write them, with memory over time, as JSON."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--slides", type=int, default=10_000)
    parser.add_argument("--tiles", type=int, default=570, help="tiles with tissue per slide")
    parser.add_argument("--batch-tiles", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("-o", type=Path, default=Path("cohort.json"))
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        result = measure(folder, arguments)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    arguments.o.write_text(json.dumps(result, indent=1))
    print(json.dumps({name: value for name, value in result.items() if name != "samples"}, indent=1))
    half = [s["rss_mb"] for s in result["samples"]]
    if half:
        print(f"memory: {half[len(half) // 4]:.0f} MB after a quarter, {half[-1]:.0f} at the end")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
