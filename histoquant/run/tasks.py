"""The three tasks of a slide - plan, batch, commit - as workers run them, with disk on both sides."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from histoquant.errors import SlideFailedError
from histoquant.run.backgrounds import Backgrounds
from histoquant.run.build import refuse_other_build
from histoquant.run.cross_check import cross_check
from histoquant.run.heap import keep_freed_memory, make_room, make_room_for_slide, trim_maps
from histoquant.run.job import SlideJob, file_state
from histoquant.run.kept_plane import keeping, plane_of
from histoquant.run.plan import Planned, SlidePlan, plan_of
from histoquant.run.prepared import forget_prepared, prepared, remember
from histoquant.run.regions import with_regions
from histoquant.run.segmenter import open_segmenter
from histoquant.run.source import refuse_other_bytes, source_facts, source_files, source_sha256
from histoquant.run.tile import quantify_tile, sum_tiles
from histoquant.slides import Slide, open_slide, printable_name
from histoquant.slides.unread import Unread
from histoquant.store.atomic import file_sha256, json_bytes, make_folder, write_bytes
from histoquant.store.batch_file import read_batch, write_batch
from histoquant.store.layout import OutputFolder
from histoquant.store.parquet_table import parquet_bytes
from histoquant.tiling.grid import Tile

if TYPE_CHECKING:
    from histoquant.run.assemble import SlideResult

_SEAL = "plan.seal"
_BACKGROUND = "background-"


class PlanReceipt(NamedTuple):
    """What the schedule needs to know of a plan."""

    batches: int
    tiles: int


class BatchReceipt(NamedTuple):
    """What the schedule needs to know of a finished batch."""

    tiles: int
    cells: int
    megapixels: float


class CommitReceipt(NamedTuple):
    """The committed slide's row of ``slides.csv``."""

    row: dict[str, Any]


def start_task(job: SlideJob) -> None:
    """What every task does first: refuse another build's work, keep to one core, and keep freed memory."""
    refuse_other_build(job.build, job.path.name)
    cv2.setNumThreads(1)
    keep_freed_memory()


def plan_slide(job: SlideJob) -> PlanReceipt:
    """Decide everything slide-global and write it down; a plan already there under the same key is kept."""
    start_task(job)
    forget_prepared()
    folder = OutputFolder(job.out).work(job.slide_id, job.work_key)
    if not _plan_is_whole(folder):
        make_folder(folder)
        planned = with_regions(_plan(job), job.annotations)
        digests = {name: write_bytes(folder / name, *data) for name, data in _plan_files(planned)}
        # last, because it says that the plan is whole
        write_bytes(folder / _SEAL, json_bytes(digests))
        remember(job, planned)
    planned, batches = prepared(job)
    # a survey's blocks are not a tile's, which would come on top of them
    trim_maps(planned.plan.plane_size_px)
    return PlanReceipt(len(batches), sum(map(len, batches)))


def _plan(job: SlideJob) -> Planned:
    if job.expected_sha256:
        refuse_other_bytes(job, source_files(job.path))
    parameters = job.parameters
    unread = Unread() if parameters.unread_limit_percent else None
    with open_job(job, unread) as slide:
        with keeping(job, slide) as plane:
            make_room_for_slide(plane.size_px)
            planned = plan_of(slide, job.marker, parameters.working_mpp_um, job.locked, plane)
        checked = None
        if parameters.cross_check_tiles:
            checked = cross_check(slide, planned.tissue, parameters.cross_check_tiles)
        source = source_facts(job, slide, unread, planned.tissue, checked)
    planned = planned.model_copy(update={"plan": planned.plan.model_copy(update={"source": source})})
    if job.segmenter is None:
        return planned
    return planned.searched_by(open_segmenter(job.segmenter), job.segmenter.identity)


def run_batch(job: SlideJob, number: int) -> BatchReceipt:
    """Quantify one batch of tiles into one file; a whole file already there is kept."""
    start_task(job)
    path = OutputFolder(job.out).batch(job.slide_id, job.work_key, number)
    planned, batches = prepared(job)
    tiles = batches[number]
    batch = read_batch(path)
    if batch is None:
        with open_job(job, planned.plan.source.known_unread()) as slide:
            plane = plane_of(job, slide)
            results = [quantify_tile(plane, tile, planned) for tile in tiles]
        batch = sum_tiles(results)
        write_batch(path, batch)
    return BatchReceipt(len(tiles), batch.tables["cells"].num_rows, quantified_megapixels(tiles))


def quantified_megapixels(tiles: list[Tile]) -> float:
    """Megapixels of the working plane in the cores of tiles."""
    return sum(tile.width_px * tile.height_px for tile in tiles) / 1e6


def commit_slide(job: SlideJob) -> CommitReceipt:
    """Merge a slide's batches, compute its metrics, draw it, and write the manifest last."""
    # pandas, SciPy, fonts and colour maps are loaded here, so that the first tile need not wait for them
    from histoquant.run.pictures import draw_pictures

    start_task(job)
    out = OutputFolder(job.out)
    done = out.manifest(job.slide_id)
    if done is not None and out.is_committed(job.slide_id, job.key):
        # a task may run twice, when the news of its end is lost with its worker
        out.drop_work(job.slide_id)
        return CommitReceipt(done["row"])
    planned, batches = prepared(job)
    forget_prepared()
    make_room_for_slide(planned.plan.plane_size_px)
    result, digests = _write_tables(job, planned, len(batches))
    folder = out.slide(job.slide_id)
    make_room(len(result.cells))
    with open_job(job, planned.plan.source.known_unread()) as slide:
        _refuse_if_changed(job)
        plane = plane_of(job, slide)
        kept = _load_backgrounds(job)
        for name, parts in draw_pictures(slide, plane, planned, result, job.slide_id, kept).items():
            digests[name] = write_bytes(folder / name, *parts)
    digests["plan.json"] = write_bytes(folder / "plan.json", _plan_bytes(planned))
    sources = source_files(job.path)
    refuse_other_bytes(job, sources)
    row = _row(job, planned.plan, result, sources)
    manifest = _manifest(job, row, result, sources)
    _refuse_if_changed(job)  # what the pictures were drawn from, and what was hashed, is what was quantified
    out.write_manifest(job.slide_id, manifest, digests)
    out.drop_work(job.slide_id)
    return CommitReceipt(row)


def _write_tables(job: SlideJob, planned: Planned, batch_count: int) -> tuple[SlideResult, dict[str, str]]:
    """Write a slide's tables into its emptied folder.

    Returns
    -------
    SlideResult
        What is left of its cells is what pictures need.
    dict of str to str
        By file name, SHA-256 of what was written.
    """
    from histoquant.run.assemble import order_cells, other_tables, summarise
    from histoquant.run.cell_files import CellFiles
    from histoquant.run.object_tables import OUTLINE
    from histoquant.run.pictures import DRAWN_COLUMNS, outlined_cells

    out, key = OutputFolder(job.out), job.work_key
    paths = [out.batch(job.slide_id, key, number) for number in range(batch_count)]
    files = CellFiles(planned.plan, paths, job.path.name)
    batches, counted, excluded = files.read_judged()
    ordered = order_cells(planned.plan, counted, excluded)
    del counted, excluded
    make_room(len(ordered.cells.rows))
    result = summarise(planned, ordered, batches, job.slide_id)
    for name in set(result.cells).difference(DRAWN_COLUMNS):
        del result.cells[name]
    drawn = outlined_cells(planned, result)
    make_room(len(result.cells))
    folder = out.clear_slide(job.slide_id)
    outlines, sha256 = files.write_table(folder / "cells.parquet", ordered.cells, drawn)
    tables = {f"{name}.parquet": table for name, table in other_tables(result).items()}
    digests = {name: write_bytes(folder / name, parquet_bytes(table)) for name, table in tables.items()}
    result.cells[OUTLINE] = outlines
    return result, {"cells.parquet": sha256, **digests}


def _row(job: SlideJob, plan: SlidePlan, result: SlideResult, files: list[dict[str, Any]]) -> dict[str, Any]:
    flags = tuple(dict.fromkeys((*plan.flags, *plan.source.flags, *result.flags)))
    return {
        "slide_id": job.slide_id,
        "file": printable_name(job.path),
        "status": "OK_WITH_FLAGS" if flags else "OK",
        "reason": "",
        "flags": ";".join(flags),
        **plan.stated(),
        "empty_because": result.empty_because,
        "unread_percent": plan.source.unread_percent,
        "icc_sha256": plan.source.icc_sha256,
        "source_sha256": source_sha256(files),
        **result.metrics,
    }


def _manifest(
    job: SlideJob, row: dict[str, Any], result: SlideResult, files: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "key": job.key,
        "locked": job.locked.model_dump(mode="json") if job.locked is not None else None,
        "row": row,
        "self_check": result.self_check,
        "dab_histogram_mod": result.dab_histogram.tolist(),
        "source": files,
    }


def open_job(job: SlideJob, unread: Unread | None = None) -> Slide:
    """Open a job's slide, of which ``unread`` may be missing; to be closed by the caller."""
    return open_slide(job.path, mpp=job.mpp, study_mpp=job.study_mpp, unread=unread)


def _refuse_if_changed(job: SlideJob) -> None:
    if file_state(job.path) != (job.size_bytes, job.modified_ns):
        raise SlideFailedError(
            "CHANGED",
            f"{job.path.name}: the file changed while it was read. Run again on the final file.",
        )


def _maps(planned: Planned) -> dict[str, Any]:
    arrays: dict[str, Any] = dict(planned.tissue.to_arrays())
    if planned.lumen is not None:
        arrays["lumen"] = planned.lumen
    if planned.haze is not None:
        arrays |= planned.haze.to_arrays()
    return arrays


def _backgrounds(planned: Planned) -> Backgrounds:
    assert planned.preview is not None  # it was surveyed just now
    return Backgrounds.of(planned.preview, planned.tissue, planned.plan.plane_mpp)


def _plan_files(planned: Planned) -> Iterator[tuple[str, tuple[bytes | memoryview, ...]]]:
    """Files of a plan, each with its content in pieces."""
    maps = io.BytesIO()
    np.savez(maps, **_maps(planned))
    yield "tissue.npz", (maps.getbuffer(),)
    # one by one: a zip archive would add up another checksum of each, when written and when read
    for name, array in _backgrounds(planned).to_arrays().items():
        head, pixels = io.BytesIO(), np.asarray(array, order="C")
        np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(pixels))
        yield f"{_BACKGROUND}{name}.npy", (head.getvalue(), pixels.reshape(-1).data)
    yield "plan.json", (_plan_bytes(planned),)


def _plan_bytes(planned: Planned) -> bytes:
    return planned.plan.model_dump_json(indent=1).encode()


def _load_backgrounds(job: SlideJob) -> Backgrounds:
    folder: Path = OutputFolder(job.out).work(job.slide_id, job.work_key)
    paths = folder.glob(f"{_BACKGROUND}*.npy")
    return Backgrounds.from_arrays(
        {path.stem.removeprefix(_BACKGROUND): np.load(path, allow_pickle=False) for path in paths}
    )


def _plan_is_whole(folder: Path) -> bool:
    """Whether a plan is there that an earlier run finished, every byte as it was written."""
    try:
        digests: dict[str, str] = json.loads((folder / _SEAL).read_bytes())
        return all(file_sha256(folder / name) == digest for name, digest in digests.items())
    except (FileNotFoundError, ValueError):
        return False
