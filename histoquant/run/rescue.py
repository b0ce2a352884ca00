"""When worker processes die on a slide: its tiles apart, or its pixels read by a process that may die."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from histoquant.errors import SlideFailedError
from histoquant.run.job import SlideJob
from histoquant.run.tasks import BatchReceipt, load_plan, open_job, quantified_megapixels, start_task
from histoquant.run.tile import batches_of, quantify_tile, sum_tiles
from histoquant.slides import open_slide, working_plane
from histoquant.store.batch_file import join_batches, read_batch, write_batch
from histoquant.store.layout import OutputFolder

WORKER_DIED: Final = "WORKER_DIED"
TILE_CRASH: Final = "TILE_CRASH"
_SEARCH_PX: Final = 256  # windows of the search: the size most scanners store tiles in
_PROGRAM: Final = "import sys; from histoquant.run.rescue import read_through; read_through(*sys.argv[1:])"


class PartReceipt(NamedTuple):
    """A tile that was computed apart from its batch."""

    tile: int


class CrashReceipt(NamedTuple):
    """Where a slide's pixels crash the process that reads them; empty where they do not."""

    place: str


def is_death(error: BaseException | None) -> bool:
    """Whether a task ended because its worker process did."""
    return isinstance(error, SlideFailedError) and error.code == WORKER_DIED


def tile_places(job: SlideJob, number: int) -> list[str]:
    """Where the tiles of a batch lie, in words, in their order."""
    planned = load_plan(job)
    factor_x, factor_y = planned.plan.plane_factor_xy
    return [
        f"level-0 x {round(tile.x_px * factor_x)}, y {round(tile.y_px * factor_y)}, "
        f"{round(tile.width_px * factor_x)} x {round(tile.height_px * factor_y)} px"
        for tile in batches_of(planned, job.parameters)[number]
    ]


def run_part(job: SlideJob, number: int, index: int) -> PartReceipt:
    """Quantify one tile of a batch into a file of its own; a whole file already there is kept."""
    start_task(job)
    path = _part(job, number, index)
    if read_batch(path) is None:
        planned = load_plan(job)
        tile = batches_of(planned, job.parameters)[number][index]
        with open_job(job, planned.plan.source.known_unread()) as slide:
            plane = working_plane(slide, job.parameters.working_mpp_um)
            write_batch(path, sum_tiles([quantify_tile(plane, tile, planned)]))
    return PartReceipt(index)


def join_parts(job: SlideJob, number: int) -> BatchReceipt:
    """Make a batch file of its tiles' files; it holds what the batch computed at once does."""
    start_task(job)
    tiles = batches_of(load_plan(job), job.parameters)[number]
    parts = [read_batch(_part(job, number, index)) for index in range(len(tiles))]
    whole = [part for part in parts if part is not None]
    if len(whole) != len(tiles):
        raise SlideFailedError(
            "BATCH_LOST",
            f"{job.path.name}: a tile of batch {number} was written and is gone or altered. Run again to "
            "redo it.",
        )
    batch = join_batches(whole)
    write_batch(OutputFolder(job.out).batch(job.slide_id, job.work_key, number), batch)
    return BatchReceipt(len(tiles), batch.tables["cells"].num_rows, quantified_megapixels(tiles))


def _part(job: SlideJob, number: int, index: int) -> Path:
    batch = OutputFolder(job.out).batch(job.slide_id, job.work_key, number)
    return batch.with_name(f"{batch.stem}.tile-{index:04d}{batch.suffix}")


def find_crash(job: SlideJob) -> CrashReceipt:
    """Read a slide in a process of its own, and see where that process dies, if it does."""
    mpp = job.study_mpp or job.mpp
    command = [sys.executable, "-c", _PROGRAM, str(job.path), *([str(mpp)] if mpp else [])]
    done = subprocess.run(  # noqa: S603 - this program, and a path as one argument
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
    )
    places = done.stdout.splitlines()
    return CrashReceipt(places[-1] if done.returncode < 0 and places else "")


def read_through(path: str, mpp: str = "") -> None:
    """Read every pixel of a slide, window by window, each told on standard output before it is read.

    Parameters
    ----------
    path : str
        The slide.
    mpp : str
        Micrometres per pixel, for a file that does not say.
    """
    with open_slide(path, mpp=float(mpp) if mpp else None) as slide:
        width, height = slide.size_px
        for y in range(0, height, _SEARCH_PX):
            for x in range(0, width, _SEARCH_PX):
                size = min(_SEARCH_PX, width - x), min(_SEARCH_PX, height - y)
                print(f"level-0 x {x}, y {y}, {size[0]} x {size[1]} px", flush=True)
                slide.read_level0(x, y, *size)


def crash_error(job: SlideJob, place: str) -> SlideFailedError:
    """The end of a slide whose worker processes died: with the place, where it is known."""
    if place:
        return SlideFailedError(
            TILE_CRASH,
            f"{job.path.name}: the process that reads the tile at {place} dies each time. Copy or "
            "export the slide again; if it dies again, report the decoder's crash.",
        )
    return SlideFailedError(
        WORKER_DIED,
        f"{job.path.name}: the worker processes of this slide died repeatedly (out of memory, or a crash). "
        "Run it alone with --workers 1, or check the file with another viewer.",
    )
