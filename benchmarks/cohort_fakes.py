"""Tasks that return what real ones would, without pixels; in a module, as real ones, so sent by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from histoquant.run.job import SlideJob
from histoquant.run.tasks import BatchReceipt, CommitReceipt, PlanReceipt
from histoquant.store.atomic import write_bytes
from histoquant.store.layout import OutputFolder

TILE_PX: Final = 1024
_CELLS: Final = 3000  # per tile, as of an infiltrated biopsy
_NOT_COPIED: Final = "manifest.json"


def fake_plan(job: SlideJob, tiles: int) -> PlanReceipt:
    """What `plan_slide` returns."""
    return PlanReceipt(-(-tiles // job.parameters.batch_tiles), tiles)


def fake_batch(job: SlideJob, number: int) -> BatchReceipt:
    """What `run_batch` returns."""
    tiles = job.parameters.batch_tiles
    return BatchReceipt(tiles, tiles * _CELLS, tiles * TILE_PX**2 / 1e6)


def fake_commit(job: SlideJob, template: Path) -> CommitReceipt:
    """Commit the files of a real small slide under this slide's name."""
    out = OutputFolder(job.out)
    folder = out.clear_slide(job.slide_id)
    for path in sorted(template.iterdir()):
        if path.name != _NOT_COPIED:
            write_bytes(folder / path.name, path.read_bytes())
    manifest = json.loads((template / _NOT_COPIED).read_text())
    row = {**manifest["row"], "slide_id": job.slide_id, "file": job.path.name}
    out.write_manifest(job.slide_id, {**manifest, "key": job.key, "row": row})
    out.drop_work(job.slide_id)
    return CommitReceipt(row)
