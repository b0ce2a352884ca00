"""A part of a finished slide quantified anew with other parameters, by the run's own functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from histoquant.errors import UsageError
from histoquant.markers import get_marker
from histoquant.markers.definition import MarkerDefinition
from histoquant.objects.caps import CapLimits, limits_of_kept
from histoquant.objects.countable import JUDGED_COLUMNS
from histoquant.review.tissue_grid import fill
from histoquant.run.object_tables import cell_table
from histoquant.run.options import changed_marker
from histoquant.run.plan import Planned, SlidePlan
from histoquant.run.tile import quantify_tile
from histoquant.slides import Slide, working_plane
from histoquant.store.layout import OutputFolder
from histoquant.store.parquet_table import read_parquet
from histoquant.tiling.artefacts import EXCLUSIONS
from histoquant.tiling.grid import Tile
from histoquant.tiling.survey import SCALE_PX
from histoquant.tiling.tissue_map import TissueMap

LARGEST_UM = 1500.0
"""Edge beyond which a region is a run of its own: 9 Mpx, seconds of one core."""
# A cell is judged beside its neighbours within 10 um, and told by its seed, not its middle.
_AROUND_UM = 24.0
_CODES = {name: code for code, name in EXCLUSIONS.items()}


@dataclass(frozen=True)
class RegionTrial:
    """What a region holds under other parameters.

    Attributes
    ----------
    marker : MarkerDefinition
        What was used.
    cells : pandas.DataFrame
        Columns of ``cells.parquet``, of the cells whose seed lies in the region.
    tissue_mm2 : float
        Quantifiable tissue of the region.
    box_um : tuple of float
        Left, top, right, bottom of what was quantified, in micrometres of the slide.
    """

    marker: MarkerDefinition
    cells: pd.DataFrame
    tissue_mm2: float
    box_um: tuple[float, float, float, float]
    _tile: Tile

    def holds(self, cell_id: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which cells of the slide are the region's, by their ids."""
        return self._tile.owns(cell_id & 0xFFFFFFFF, cell_id >> 32)


@dataclass(frozen=True)
class FinishedSlide:
    """What a run has decided about a slide.

    Attributes
    ----------
    planned : Planned
        White point, stain vectors, threshold, tissue.
    limits : CapLimits
        What a nucleus of the slide must reach to count.
    """

    planned: Planned
    limits: CapLimits


def read_finished(root: Path, slide_id: str) -> FinishedSlide:
    """Read what a run has decided about a slide, from its results alone.

    Parameters
    ----------
    root : Path
        Results folder.
    slide_id : str

    Raises
    ------
    StoreError
        If the slide is not there, or a file of it is not what was written.
    UsageError
        If results do not hold all that its cells depend on: a background that was taken off, a plug-in.
    """
    folder = OutputFolder(root).whole_slide(slide_id)
    text: dict[str, Any] = json.loads((folder / "plan.json").read_text("utf-8"))
    regions = read_parquet(folder / "regions.parquet")
    plan = SlidePlan.model_validate({**text, "marker": _marker(text["marker"])})
    if plan.background_sha256 or plan.segmenter:
        what = (
            "an uneven background was taken off" if plan.background_sha256 else "a plug-in finds its nuclei"
        )
        raise UsageError(
            f"{slide_id}: {what}, so no part can be quantified on its own. Run the slide with --set instead."
        )
    cells = read_parquet(folder / "cells.parquet", columns=_judged(folder / "cells.parquet"))
    limits = limits_of_kept({str(name): cells[name].to_numpy() for name in cells}, plan.marker)
    return FinishedSlide(Planned(plan=plan, tissue=_tissue(plan, regions)), limits)


def try_region(
    slide: Slide,
    finished: FinishedSlide,
    box_um: tuple[float, float, float, float],
    settings: Mapping[str, float],
) -> RegionTrial:
    """Quantify a rectangle of a slide.

    Parameters
    ----------
    slide : Slide
        Open.
    finished : FinishedSlide
        From `read_finished`: white point, stain vectors, tissue and what a nucleus must reach stay those of
        the whole slide.
    box_um : tuple of float
        Left, top, right, bottom in micrometres of the slide.
    settings : mapping of str to float
        Fields of the marker to change, as ``--set`` does.

    Returns
    -------
    RegionTrial
        With no settings its cells are those of ``cells.parquet``, to the last digit.

    Raises
    ------
    UsageError
        If the region is too large, off the slide, or a setting does not fit.
    """
    planned = finished.planned
    plan, inside = planned.plan, _tile(planned.plan, box_um)
    marker = changed_marker(plan.marker, settings)
    threshold_od = float(settings.get("threshold_od", plan.threshold_od))
    marker = marker.model_copy(update={"threshold_od": threshold_od})
    changed = plan.model_copy(update={"marker": marker, "threshold_od": threshold_od})
    read = planned.model_copy(update={"plan": changed})
    around = round(_AROUND_UM / plan.plane_mpp)
    left, top = max(0, inside.x_px - around), max(0, inside.y_px - around)
    right = min(plan.plane_size_px[0], inside.x_px + inside.width_px + around)
    bottom = min(plan.plane_size_px[1], inside.y_px + inside.height_px + around)
    found = quantify_tile(
        working_plane(slide, plan.plane_mpp), Tile(left, top, right - left, bottom - top), read
    )
    cells = cell_table(changed, [found.tables["cells"]], finished.limits)
    mpp_x, mpp_y = plan.plane_mpp_xy
    box = (
        *(inside.x_px * mpp_x, inside.y_px * mpp_y),
        *((inside.x_px + inside.width_px) * mpp_x, (inside.y_px + inside.height_px) * mpp_y),
    )
    trial = RegionTrial(marker, cells, _tissue_mm2(planned.tissue, inside), box, inside)
    kept = cells[trial.holds(cells["cell_id"].to_numpy(np.int64))].reset_index(drop=True)
    return replace(trial, cells=kept)


def _judged(path: Path) -> list[str]:
    """Columns that tell a nucleus from a cap of one."""
    names = pq.read_schema(path).names
    return [name for name in JUDGED_COLUMNS if name in names]


def _marker(said: Mapping[str, Any]) -> MarkerDefinition:
    """The marker in its own class, which JSON does not hold."""
    try:
        known: type[MarkerDefinition] = type(get_marker(str(said["name"])))
    except UsageError:  # of a TOML file that is not here
        known = MarkerDefinition
    return known.model_validate(said)


def _tissue(plan: SlidePlan, regions: pd.DataFrame) -> TissueMap:
    """The tissue map again: outlines run along the edges of its pixels, so nothing is lost."""
    width, height = plan.plane_size_px
    shape = -(-height // SCALE_PX), -(-width // SCALE_PX)
    scale = np.asarray(plan.plane_factor_xy) * SCALE_PX
    tissue, excluded = np.zeros(shape, bool), np.zeros(shape, np.uint8)
    for kind, rows in regions.groupby("kind", sort=False):
        rings = [
            (np.asarray(flat, np.float64).reshape(-1, 2) + 0.5) / scale for flat in rows["outline_xy_px"]
        ]
        mask = fill(rings, shape, 1.0)
        if kind == "tissue":
            tissue = mask
        else:
            excluded[mask] = _CODES[str(kind)]
    columns, rows_px = (
        np.minimum(SCALE_PX, size - SCALE_PX * np.arange(n))
        for size, n in ((width, shape[1]), (height, shape[0]))
    )
    mpp_x, mpp_y = plan.plane_mpp_xy
    area_px = np.outer(rows_px, columns).astype(np.uint16)
    return TissueMap(tissue, excluded, area_px, (mpp_x * SCALE_PX, mpp_y * SCALE_PX))


def _tile(plan: SlidePlan, box_um: tuple[float, float, float, float]) -> Tile:
    (mpp_x, mpp_y), (width, height) = plan.plane_mpp_xy, plan.plane_size_px
    left, top, right, bottom = box_um
    if max(right - left, bottom - top) > LARGEST_UM:
        raise UsageError(
            f"the region is {max(right - left, bottom - top):.0f} um wide; zoom in to {LARGEST_UM:.0f} um."
        )
    x, y = max(0, int(left / mpp_x)), max(0, int(top / mpp_y))
    end_x, end_y = min(width, int(np.ceil(right / mpp_x))), min(height, int(np.ceil(bottom / mpp_y)))
    if end_x <= x or end_y <= y:
        raise UsageError("the region lies off the slide; show a part of the tissue.")
    return Tile(x, y, end_x - x, end_y - y)


def _tissue_mm2(tissue: TissueMap, tile: Tile) -> float:
    """Quantifiable tissue within a tile; map pixels on its edge count by the part that lies in it."""

    def part(start: int, size: int, count: int) -> NDArray[np.float64]:
        edges = np.clip(np.arange(count + 1) * tissue.scale_px, start, start + size)
        return np.diff(edges) / tissue.scale_px

    rows, columns = tissue.tissue.shape
    share = np.outer(part(tile.y_px, tile.height_px, rows), part(tile.x_px, tile.width_px, columns))
    pixel_um2 = tissue.mpp_xy[0] * tissue.mpp_xy[1]
    return float((share * tissue.quantifiable).sum()) * pixel_um2 * 1e-6
