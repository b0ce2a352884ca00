"""A slide's plan and its batches of tiles, as every task after the plan needs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from histoquant.run.heap import give_back_freed_memory
from histoquant.run.job import SlideJob
from histoquant.run.plan import Planned, SlidePlan
from histoquant.run.segmenter import open_segmenter
from histoquant.run.tile import batches_of
from histoquant.stains.uneven import HazeMap
from histoquant.store.layout import OutputFolder
from histoquant.tiling.grid import Tile
from histoquant.tiling.tissue_map import TissueMap


class Prepared(NamedTuple):
    """What was decided for a slide, and where its tiles lie."""

    planned: Planned
    batches: list[list[Tile]]


# of the slide that this process worked on last, by its work folder, whose name tells plan and tiling
_last: dict[Path, Prepared] = {}


def prepared(job: SlideJob) -> Prepared:
    """Read what `plan_slide` left, or take it from the task before where that was the same slide's.

    Tasks of a slide follow each other, and of 400 mm2 each took 22 ms for this.
    """
    folder = OutputFolder(job.out).work(job.slide_id, job.work_key)
    found = _last.get(folder)
    if found is None:
        forget_prepared()
        planned = load_plan(job)
        # no survey has made room here, and tiles would come on top of what the slide before has left
        give_back_freed_memory()
        found = _last[folder] = Prepared(planned, batches_of(planned, job.parameters))
    return found


def remember(job: SlideJob, planned: Planned) -> None:
    """Take a plan that was just made and written for what `load_plan` would read, but for its preview."""
    forget_prepared()
    kept = planned.model_copy(update={"preview": None})
    folder = OutputFolder(job.out).work(job.slide_id, job.work_key)
    _last[folder] = Prepared(kept, batches_of(kept, job.parameters))


def forget_prepared() -> None:
    """Read the next plan, whosever it is."""
    _last.clear()


def load_plan(job: SlideJob) -> Planned:
    """Read what `plan_slide` left."""
    folder: Path = OutputFolder(job.out).work(job.slide_id, job.work_key)
    text = json.loads((folder / "plan.json").read_text())
    # the job carries the marker's own class, which JSON does not
    plan = SlidePlan.model_validate({**text, "marker": job.marker})
    with np.load(folder / "tissue.npz", allow_pickle=False) as arrays:
        held = {name: arrays[name] for name in arrays.files}
    lumen = held.pop("lumen", None)
    haze = HazeMap.from_arrays(held) if plan.background_sha256 else None
    tissue = TissueMap.from_arrays(held)
    segmenter = open_segmenter(job.segmenter) if job.segmenter is not None else None
    return Planned(plan=plan, tissue=tissue, lumen=lumen, haze=haze, segmenter=segmenter)
