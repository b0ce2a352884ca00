"""One tile, from pixels to the objects it owns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from histoquant.markers.cd31 import VesselMarkerDefinition
from histoquant.markers.definition import MarkerDefinition
from histoquant.objects import (
    Nuclei,
    Planes,
    VesselCore,
    VesselResult,
    cell_support_px,
    cell_surroundings,
    find_whole_vessels,
    nuclei_halo_px,
    outlines_of,
    segment_nuclei,
    vessels_halo_px,
)
from histoquant.objects.columns import to_arrow, to_table
from histoquant.objects.measure import measured_columns
from histoquant.objects.outline_steps import steps_of
from histoquant.objects.room import leave_rooms
from histoquant.objects.segmenter import segment_with, segmenter_halo_px
from histoquant.objects.stained import StainedObjects, find_stained, stained_halo_px
from histoquant.run.core_size import largest_core_px
from histoquant.run.counted import counted_pixels
from histoquant.run.dab_histogram import dab_histogram
from histoquant.run.job import RunParameters
from histoquant.run.plan import Planned
from histoquant.run.self_check import near_open_edge, stained_unclosed
from histoquant.run.stained_tile import cell_columns, owned_tables
from histoquant.slides import Plane
from histoquant.store.batch_file import Batch
from histoquant.tiling.grid import Tile, tissue_tiles, widen

# Objects count by their centroid; their first pixel may lie this far outside quantifiable tissue.
_REACH_UM = 64.0
# From where on what the search keeps ready, 5 bytes a pixel, is more than vessels leave room for.
_LARGE_TILE_PX = 3000**2


@dataclass(frozen=True)
class TileResult:
    """What one tile owns.

    Attributes
    ----------
    tables : dict of str to pyarrow.Table
        ``cells``, the same of what lies under artefacts as ``excluded_cells``, and, for vessels,
        ``vessels``; plane coordinates.
    dab_histogram : ndarray of int64
        As `dab_histogram` gives it, of the core's quantifiable pixels.
    counts : dict of str to int
    """

    tables: dict[str, pa.Table]
    dab_histogram: NDArray[np.int64]
    counts: dict[str, int]


def batches_of(planned: Planned, parameters: RunParameters) -> list[list[Tile]]:
    """Tiles with something to quantify, cut into batches; neighbours of a row are in one where they may."""
    tissue, plan = planned.tissue, planned.plan
    near = widen(tissue.tissue, round(_REACH_UM / plan.plane_mpp), tissue.scale_px)
    halo = _widest_halo_px(planned)
    core_px = parameters.tile_size_px or largest_core_px(planned)
    tiles = tissue_tiles(plan.plane_size_px, core_px, halo, near, tissue.scale_px)
    # of large tiles fewer: no batch holds more area than so many of 1024 px
    most, batches, area = parameters.batch_tiles * 1024**2, [tiles[:0]], 0
    for tile in tiles:
        if batches[-1] and (len(batches[-1]) == parameters.batch_tiles or area + tile.area_px > most):
            batches.append([])
            area = 0
        batches[-1].append(tile)
        area += tile.area_px
    return batches if tiles else []


@dataclass(frozen=True)
class _Window:
    """A core with a halo around it, clipped to the plane."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def around(cls, tile: Tile, halo: int, size_px: tuple[int, int]) -> _Window:
        x, y = max(0, tile.x_px - halo), max(0, tile.y_px - halo)
        right = min(size_px[0], tile.x_px + tile.width_px + halo)
        bottom = min(size_px[1], tile.y_px + tile.height_px + halo)
        return cls(x, y, right - x, bottom - y)

    def open_edges(self, size_px: tuple[int, int]) -> tuple[bool, bool, bool, bool]:
        """Top, left, bottom, right: whether the slide goes on beyond."""
        right, bottom = self.x + self.width < size_px[0], self.y + self.height < size_px[1]
        return self.y > 0, self.x > 0, bottom, right

    def read(self, plane: Plane, planned: Planned, *, total: bool = False) -> Planes:
        plan = planned.plan
        rgb, valid = plane.read(self.x, self.y, self.width, self.height)
        # the next window would use a seventh of it, and lies in the next batch as often as not
        plane.forget_rest()
        planes = Planes.from_rgb(rgb, valid, plan.vectors, plan.white_point, plan.plane_mpp, total=total)
        if planned.haze is not None:
            planes.clear_haze(planned.haze.window(self.x, self.y, self.width, self.height))
        return planes


def quantify_tile(plane: Plane, tile: Tile, planned: Planned) -> TileResult:
    """Find and measure what one tile owns.

    Parameters
    ----------
    plane : Plane
        Working plane of the slide.
    tile : Tile
        The core; objects whose first or seed pixel lies in it are the tile's.
    planned : Planned
        The slide's frozen decisions.

    Returns
    -------
    TileResult
        Independent of the tiling, when all tiles of a slide are taken together.
    """
    marker = planned.plan.marker
    found = _quantify_window(plane, tile, planned)
    if isinstance(marker, VesselMarkerDefinition):
        # in a window of their own, when nothing is held of the cells'
        if tile.area_px > _LARGE_TILE_PX:
            leave_rooms()
        vessels = _vessels(plane, tile, planned, marker)
        found.tables["vessels"] = vessels.table
        found.counts["vessels_low"], found.counts["vessels_high"] = vessels.count_low, vessels.count_high
        found.counts["vessels_oversize"] = int(vessels.oversize)
        found.counts["vessels_excluded"] = vessels.count_excluded
        found.counts["vessels_unclosed"] = len(vessels.unclosed)
    return found


def _quantify_window(plane: Plane, tile: Tile, planned: Planned) -> TileResult:
    """Everything of a tile but its vessels."""
    marker = planned.plan.marker
    window = _Window.around(tile, _halo_px(planned), planned.plan.plane_size_px)
    planes = window.read(plane, planned)
    # searched at standard strength, measured as stained; first, because the search needs the most memory
    nuclei = _nuclei(planes.scaled(planned.plan.search_gain), plane, window, tile, planned)
    stained = find_stained(planes, planned.plan.threshold_od) if counts_area(marker) else None
    tables, unclosed = _cells(planes, nuclei, window, tile, planned, stained)
    counts = {"tiles": 1} | unclosed
    tissue, shape = planned.tissue, (tile.height_px, tile.width_px)
    core, start = (tile.y_px - window.y, tile.x_px - window.x), (tile.y_px, tile.x_px)
    counted = counted_pixels(planes.known, core, tissue.quantifiable, start, tissue.scale_px, shape)
    if stained is not None:
        more, areas = owned_tables(stained, counted, core, start, planned.plan.plane_mpp)
        tables, counts = tables | more, counts | areas
    return TileResult(tables, dab_histogram(planes.dab, core, counted), counts)


def counts_area(marker: MarkerDefinition) -> bool:
    """Whether the marker's cells are counted by their stained area, too."""
    return "positive_by_area" in marker.readouts


def _halo_px(planned: Planned) -> int:
    mpp, marker = planned.plan.plane_mpp, planned.plan.marker
    nuclei = nuclei_halo_px(mpp, marker)
    if planned.segmenter is not None:
        nuclei = segmenter_halo_px(planned.segmenter, mpp, marker)
    return max(nuclei, stained_halo_px(mpp, marker)) if counts_area(marker) else nuclei


def _widest_halo_px(planned: Planned) -> int:
    """Of a tile's windows, that for vessels as it is read at first."""
    marker, mpp = planned.plan.marker, planned.plan.plane_mpp
    if not isinstance(marker, VesselMarkerDefinition):
        return _halo_px(planned)
    return max(_halo_px(planned), vessels_halo_px(mpp, marker.vessel_params(planned.plan.threshold_od)))


def _nuclei(planes: Planes, plane: Plane, window: _Window, tile: Tile, planned: Planned) -> Nuclei:
    if planned.segmenter is None:
        top, left = tile.y_px - window.y, tile.x_px - window.x
        core = (top, left, top + tile.height_px, left + tile.width_px)
        return segment_nuclei(planes, planned.plan.marker, core=core)
    rgb, valid = plane.read(window.x, window.y, window.width, window.height)
    return segment_with(planned.segmenter, rgb, valid, planes, planned.plan.marker)


def _cells(
    planes: Planes,
    nuclei: Nuclei,
    window: _Window,
    tile: Tile,
    planned: Planned,
    stained: StainedObjects | None,
) -> tuple[dict[str, pa.Table], dict[str, int]]:
    """Cells the tile owns whose centroid lies in tissue, under artefacts apart; coordinates of the plane.

    Beside them, how many of those the window does not show whole.
    """
    marker, unclosed = planned.plan.marker, {}
    edges = window.open_edges(planned.plan.plane_size_px)
    seed_y, seed_x = nuclei.seeds[:, 0] + window.y, nuclei.seeds[:, 1] + window.x
    # what another tile owns is in the way of this tile's cells and is measured there
    own = np.flatnonzero(tile.owns(seed_x, seed_y))
    seed_y, seed_x = seed_y[own], seed_x[own]
    around = cell_surroundings(planes, nuclei, marker, own, stained)
    columns = measured_columns(planes, nuclei, marker, own, around)
    boxes, margin = nuclei.runs.taken(own).boxes(), cell_support_px(planes.mpp, marker)
    near = near_open_edge(boxes, planes.shape, edges, margin)
    unclosed["nuclei_unclosed"] = int(np.count_nonzero(near))
    if stained is not None:
        unclosed["stained_unclosed"] = stained_unclosed(stained, edges, around.linked)
        columns |= cell_columns(stained, around.linked, (window.y, window.x), planes.mpp)
    pixels = columns["nucleus_px"].astype(np.int64)
    x = _plane_centroid(columns.pop("centroid_x_px"), pixels, window.x)
    y = _plane_centroid(columns.pop("centroid_y_px"), pixels, window.y)
    kept = np.flatnonzero(planned.tissue.contains(x, y))
    excluded = np.flatnonzero(planned.tissue.reason(x, y) > 0)
    del columns["seed_y_px"], columns["seed_x_px"]
    # places go last, in the plane
    columns |= {"seed_y_px": seed_y, "seed_x_px": seed_x, "centroid_y_px": y, "centroid_x_px": x}
    # outlines of those alone: lists take longer to pick from than to make
    polygons = outlines_of(nuclei.runs, nuclei.shape, own[kept])
    steps = steps_of(polygons, nuclei.seeds[own[kept]])
    lists = pa.ListArray.from_arrays(to_arrow(2 * polygons.offsets), to_arrow(steps.ravel()))
    cells = _rows(columns, kept).append_column("outline", lists)
    # what artefacts hold is counted once, to tell their effect, and never drawn
    return {"cells": cells, "excluded_cells": _rows(columns, excluded)}, unclosed


def _rows(columns: dict[str, NDArray[Any]], kept: NDArray[np.int64]) -> pa.Table:
    return to_table({name: values[kept] for name, values in columns.items()})


def _plane_centroid(centroid: NDArray[Any], pixels: NDArray[np.int64], origin_px: int) -> NDArray[np.float64]:
    """Centroid in the plane, divided once from whole sums, so that no window's origin rounds it."""
    total = np.rint(centroid * pixels).astype(np.int64) + pixels * origin_px
    return np.asarray(total / pixels)


def _vessels(plane: Plane, tile: Tile, planned: Planned, marker: VesselMarkerDefinition) -> VesselResult:
    """Vessels of the tile that begin in quantifiable tissue; the window grows until each lies in it whole."""
    mpp, size_px = planned.plan.plane_mpp, planned.plan.plane_size_px
    params = marker.vessel_params(planned.plan.threshold_od).over(planned.plan.unstained_od)

    def in_tissue(table: pa.Table) -> NDArray[np.bool_]:
        # the first pixel is wall; a centroid may lie in a lumen as wide as a gap in the tissue
        return planned.tissue.contains(table["first_x_px"].to_numpy(), table["first_y_px"].to_numpy())

    def under_artefact(table: pa.Table) -> NDArray[np.bool_]:
        x, y = table["first_x_px"].to_numpy(), table["first_y_px"].to_numpy()
        return np.asarray(planned.tissue.reason(x, y) > 0)

    def read(box: tuple[int, int, int, int], halo: int) -> tuple[Planes, VesselCore]:
        y0, x0, y1, x1 = box
        window = _Window.around(Tile(x0, y0, x1 - x0, y1 - y0), halo, size_px)
        core = VesselCore(
            y0=y0 - window.y,
            x0=x0 - window.x,
            y1=y1 - window.y,
            x1=x1 - window.x,
            open_edges=window.open_edges(size_px),
            origin_yx=(window.y, window.x),
        )
        return window.read(plane, planned, total=True), core

    box = (tile.y_px, tile.x_px, tile.y_px + tile.height_px, tile.x_px + tile.width_px)
    return find_whole_vessels(read, box, mpp, params, in_tissue, under_artefact)


def sum_tiles(results: list[TileResult]) -> Batch:
    """Join tiles to one batch: tables appended, counts and histograms added."""
    tables = {
        name: pa.concat_tables([result.tables[name] for result in results]) for name in results[0].tables
    }
    totals: dict[str, Any] = {
        name: sum(result.counts[name] for result in results) for name in results[0].counts
    }
    totals["dab_histogram"] = np.sum([result.dab_histogram for result in results], axis=0).tolist()
    return Batch(tables, totals)
