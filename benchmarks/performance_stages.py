"""Where the processor time of a slide goes: the stages of the real tasks, timed from outside."""

from __future__ import annotations

import functools
import importlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from histoquant.run.intake import take_in
from histoquant.run.job import SlideJob
from histoquant.run.options import RunOptions
from histoquant.run.tasks import commit_slide, plan_slide, run_batch

# stage, module that calls it, name there; a stage counts what is not in another one inside it
_STAGES: Final = (
    ("read and decode", "histoquant.slides.plane", "Plane.read"),
    ("read and decode", "histoquant.run.kept_plane", "KeptPlane.read"),
    ("read and decode", "histoquant.slides.tiff_slide", "TiffSlide._read_block"),
    ("read and decode", "histoquant.store.kept_pixels", "KeptPixels.keep"),
    ("unmix", "histoquant.objects.planes", "unmix_mod"),
    ("unmix", "histoquant.objects.planes", "total_od_mod"),
    ("unmix", "histoquant.objects.planes", "plane_at_gain"),
    ("smooth, levels", "histoquant.objects.nuclei", "smooth"),
    ("smooth, levels", "histoquant.objects.views", "smooth"),
    ("smooth, levels", "histoquant.objects.views", "smooth_share"),
    ("smooth, levels", "histoquant.objects.views", "levels_over"),
    ("darkness", "histoquant.objects.views", "mix"),
    ("edges of all regions", "histoquant.objects.flood", "edge_words"),
    ("flood: regions scored and chosen", "histoquant.objects.nuclei", "tell"),
    ("flood: regions scored and chosen", "histoquant.objects.nuclei", "walk_over"),
    ("flood: regions scored and chosen", "histoquant.objects.nuclei", "label"),
    ("grow, fill, split, number", "histoquant.run.tile", "segment_nuclei"),
    ("surroundings of nuclei", "histoquant.run.tile", "cell_surroundings"),
    ("measure cells", "histoquant.run.tile", "measured_columns"),
    ("outlines", "histoquant.run.tile", "outlines_of"),
    ("stained area", "histoquant.run.tile", "find_stained"),
    ("stained area", "histoquant.run.tile", "owned_tables"),
    ("vessels", "histoquant.run.tile", "_vessels"),
    ("write batches", "histoquant.run.tasks", "write_batch"),
    ("survey and tissue map", "histoquant.run.plan", "survey"),
    ("survey and tissue map", "histoquant.run.plan", "map_tissue"),
    ("stains of the slide", "histoquant.run.slide_stains", "slide_vectors"),
    ("stains of the slide", "histoquant.run.slide_stains", "_strength"),
    ("join, score, metrics", "histoquant.run.cell_files", "CellFiles.read_judged"),
    ("join, score, metrics", "histoquant.run.assemble", "order_cells"),
    ("join, score, metrics", "histoquant.run.assemble", "summarise"),
    ("encode tables", "histoquant.run.cell_files", "CellFiles.write_table"),
    ("encode tables", "histoquant.run.tasks", "parquet_bytes"),
    ("pictures", "histoquant.run.pictures", "draw_pictures"),
)


class Stages:
    """Processor seconds by stage, each without the stages inside it."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inside: list[float] = []

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time added to the stage."""

        @functools.wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            self._inside.append(0.0)
            start = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                took = time.process_time() - start
                self.seconds[stage] += took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took

        return run


@contextmanager
def watched() -> Iterator[Stages]:
    """Time the stages of everything that runs in this process meanwhile."""
    stages, kept = Stages(), []
    for stage, module, name in _STAGES:
        owner: Any = importlib.import_module(module)
        *holders, last = name.split(".")
        for holder in holders:
            owner = getattr(owner, holder)
        kept.append((owner, last, getattr(owner, last)))
        setattr(owner, last, stages.timed(stage, getattr(owner, last)))
    try:
        yield stages
    finally:
        for owner, last, function in kept:
            setattr(owner, last, function)


def job_of(path: Path, out: Path) -> SlideJob:
    """The order for one slide as `histoquant run` would make it, into an empty folder."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return take_in(RunOptions(slides=(path,), out=out)).jobs(out)[0]


def whole_slide(job: SlideJob) -> dict[str, float]:
    """Plan, all batches and commit in this process; processor seconds of each task."""
    times = [time.process_time()]
    batches = plan_slide(job).batches
    times.append(time.process_time())
    for number in range(batches):
        run_batch(job, number)
    times.append(time.process_time())
    commit_slide(job)
    times.append(time.process_time())
    return dict(zip(("plan", "tiles", "commit"), np.diff(times).tolist(), strict=True))
