"""When worker processes die on a slide: its tiles apart, or its pixels read by a process that may die."""

from __future__ import annotations

import faulthandler
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from histoquant.errors import SlideError, SlideFailedError
from histoquant.run.job import SlideJob
from histoquant.run.kept_plane import plane_of
from histoquant.run.prepared import prepared
from histoquant.run.tasks import (
    BatchReceipt,
    open_job,
    quantified_megapixels,
    start_task,
)
from histoquant.run.tile import quantify_tile, sum_tiles
from histoquant.slides import open_slide
from histoquant.store.batch_file import join_batches, read_batch, write_batch
from histoquant.store.layout import OutputFolder
from histoquant.tiling.limits import WorkerDiedError

_SEARCH_PX: Final = 256  # windows of the search: the size most scanners store tiles in
_WINDOW_S: Final = 60.0  # of which decoding takes milliseconds
_ANSWERED: Final = 3  # exit status of a search that a reader ended in its own words
_PROGRAM: Final = "import sys; from histoquant.run.rescue import read_through; read_through(*sys.argv[1:])"


class PartReceipt(NamedTuple):
    """A tile that was computed apart from its batch."""

    tile: int


class CrashReceipt(NamedTuple):
    """Where a slide's pixels crash the process that reads them; empty where they do not."""

    place: str


def tile_places(job: SlideJob, number: int) -> list[str]:
    """Where the tiles of a batch lie, in words, in their order."""
    planned, batches = prepared(job)
    factor_x, factor_y = planned.plan.plane_factor_xy
    return [
        f"level-0 x {round(tile.x_px * factor_x)}, y {round(tile.y_px * factor_y)}, "
        f"{round(tile.width_px * factor_x)} x {round(tile.height_px * factor_y)} px"
        for tile in batches[number]
    ]


def run_part(job: SlideJob, number: int, index: int) -> PartReceipt:
    """Quantify one tile of a batch into a file of its own; a whole file already there is kept."""
    start_task(job)
    path = _part(job, number, index)
    if read_batch(path) is None:
        planned, batches = prepared(job)
        tile = batches[number][index]
        with open_job(job, planned.plan.source.known_unread()) as slide:
            write_batch(path, sum_tiles([quantify_tile(plane_of(job, slide), tile, planned)]))
    return PartReceipt(index)


def join_parts(job: SlideJob, number: int) -> BatchReceipt:
    """Make a batch file of its tiles' files; it holds what the batch computed at once does."""
    start_task(job)
    tiles = prepared(job).batches[number]
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
    lost = done.returncode not in {0, _ANSWERED}
    return CrashReceipt(places[-1] if lost and places else "")


def read_through(path: str, mpp: str = "") -> None:
    """Read every pixel of a slide, window by window, each told on standard output before it is read.

    Ends the process with a status of its own where the reader refuses, and where one window takes a minute.

    Parameters
    ----------
    path : str
        The slide.
    mpp : str
        Micrometres per pixel, for a file that does not say.
    """
    try:
        with open_slide(path, mpp=float(mpp) if mpp else None) as slide:
            width, height = slide.size_px
            for y in range(0, height, _SEARCH_PX):
                for x in range(0, width, _SEARCH_PX):
                    size = min(_SEARCH_PX, width - x), min(_SEARCH_PX, height - y)
                    print(f"level-0 x {x}, y {y}, {size[0]} x {size[1]} px", flush=True)
                    faulthandler.dump_traceback_later(_WINDOW_S, exit=True)
                    slide.read_level0(x, y, *size)
    except SlideError:
        sys.exit(_ANSWERED)
    finally:
        faulthandler.cancel_dump_traceback_later()


def crash_error(job: SlideJob, place: str, death: WorkerDiedError) -> SlideFailedError:
    """The end of a slide whose worker processes died: with the place, where it is known."""
    name = job.path.name
    if place:
        return SlideFailedError(
            f"TILE_{death.cause}",
            f"{name}: the process that reads the tile at {place} {death.happened} each time. {death.way_out}",
        )
    if death.cause == "CRASH":
        return SlideFailedError(
            death.code,
            f"{name}: the worker processes of this slide died repeatedly (out of memory, or a crash). "
            "Run it alone with --workers 1, or check the file with another viewer.",
        )
    return SlideFailedError(
        death.code, f"{name}: each worker process of this slide {death.happened}. {death.way_out}"
    )
