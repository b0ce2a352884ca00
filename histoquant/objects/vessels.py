"""Vessels of a CD31 section: stain planes of one window in, a table of the vessels it owns out.

A vessel is one connected CD31+ wall, with the pieces of wall that continue it across short gaps. It
belongs to the tile whose core holds its first raster pixel. All decisions look at the vessel and
what lies within a few micrometres of it, so a window that shows that much decides like any other;
a vessel whose surroundings a window does not show is reported, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from histoquant.errors import UsageError
from histoquant.objects.vessels_glass import LEVELS_MOD, find_glass, lumens_between
from histoquant.objects.vessels_join import Group, group_pieces
from histoquant.objects.vessels_measure import is_speck, is_vessel, measure, place, wall_mean_od
from histoquant.objects.vessels_nodes import (
    StainWindow,
    brown_mod,
    find_pieces,
    inside_rim,
    smooth_mod,
    trusted_rim,
)
from histoquant.objects.vessels_params import (
    DEFAULT_PARAMS,
    VesselParams,
    vessels_cap_halo_px,
    vessels_halo_px,
)
from histoquant.objects.vessels_parts import Scene, vessel_parts

if TYPE_CHECKING:
    from histoquant.objects.planes import Planes

__all__ = [
    "PLACE_SCHEMA",
    "SCHEMA",
    "VesselCore",
    "VesselParams",
    "VesselResult",
    "find_vessels",
    "vessels_cap_halo_px",
    "vessels_halo_px",
]

Undecided = tuple[frozenset[tuple[int, int]], ...]

SENSITIVITY = (0.8, 1.2)
"""Multiples of the threshold at which vessels are counted again (formula F17)."""

PLACE_SCHEMA = pa.schema(
    [
        ("first_y_px", pa.int32()),
        ("first_x_px", pa.int32()),
        ("centroid_y_px", pa.float64()),
        ("centroid_x_px", pa.float64()),
        ("box_y0_px", pa.int32()),
        ("box_x0_px", pa.int32()),
        ("box_y1_px", pa.int32()),
        ("box_x1_px", pa.int32()),
        ("vessel", pa.bool_()),
    ]
)
"""Where an object lies and what it is; the first columns of `SCHEMA`. Ask a tissue map about the first
pixel, which is wall: the centroid of a large vessel lies in its lumen, which looks like glass."""

SCHEMA = pa.schema(
    [
        *PLACE_SCHEMA,
        ("endothelial_area_um2", pa.float64()),
        ("lumen_area_um2", pa.float64()),
        ("outer_area_um2", pa.float64()),
        ("equivalent_diameter_um", pa.float64()),
        ("perimeter_um", pa.float64()),
        ("roundness", pa.float64()),
        ("elongation", pa.float64()),
        ("solidity", pa.float64()),
        ("bulk_share", pa.float64()),
        ("nuclei", pa.int32()),
        ("dab_od", pa.float64()),
        ("outer_xy_px", pa.list_(pa.int32())),
        ("lumens_xy_px", pa.list_(pa.list_(pa.int32()))),
    ]
)
"""Columns of `VesselResult.table`. Coordinates are plane pixels (pixel centres at whole numbers);
boxes are half open; polygons are flat x, y, x, y lists through border pixels."""


@dataclass(frozen=True)
class VesselCore:
    """What a window owns and where it lies.

    Attributes
    ----------
    y0, x0, y1, x1 : int
        Core in window pixels, half open: a vessel is ours if its first raster pixel lies in it.
    open_edges : tuple of bool
        Top, left, bottom, right: whether the slide goes on beyond that edge of the window.
    origin_yx : tuple of int
        Plane coordinates of the window's first pixel; results are given in plane coordinates.
    margin_px : int
        Extra rim at open edges in which the caller's nuclei are not final.
    """

    y0: int
    x0: int
    y1: int
    x1: int
    open_edges: tuple[bool, bool, bool, bool] = (True, True, True, True)
    origin_yx: tuple[int, int] = (0, 0)
    margin_px: int = 0


@dataclass(frozen=True)
class VesselResult:
    """Vessels owned by a core.

    Attributes
    ----------
    table : pyarrow.Table
        `SCHEMA`, one row per object, in raster order of the first pixel. Rows with ``vessel`` false
        are single cells that carry the stain (class nonvascular).
    unclosed : ndarray of int64, shape (n, 2)
        First visible pixels (y, x, plane) of objects that depend on pixels beyond the window, at the
        threshold or at its multiples in `SENSITIVITY`. While there are any, read a larger window
        around the same core and use its result instead; at `vessels_cap_halo_px` there are none.
    oversize : bool
        An object longer than ``max_extent_um`` was dropped. The same for every tiling as an "any"
        over all tiles.
    count_low, count_high : int
        Vessels owned at 0.8 and 1.2 of the threshold.
    count_excluded : int
        Vessels owned where the caller's ``excluded`` says so; none of them is in the table.
    undecided : tuple of frozenset
        ``unclosed`` at the threshold and at each of `SENSITIVITY`, for a second look at these alone.
    """

    table: pa.Table
    unclosed: NDArray[np.int64]
    oversize: bool
    count_low: int
    count_high: int
    count_excluded: int = 0
    undecided: Undecided = (frozenset(), frozenset(), frozenset())


@dataclass
class _Found:
    """Rows, undecided objects and dropped objects at one threshold."""

    rows: list[dict[str, object]]
    unclosed: list[tuple[int, int]]
    oversize: bool


def _too_long(group: Group, params: VesselParams, mpp: float) -> bool:
    y0, x0, y1, x1 = group.box
    return max(y1 - y0, x1 - x0) * mpp > params.max_extent_um


def _find(
    window: StainWindow,
    scene: Scene,
    core: VesselCore,
    params: VesselParams,
    only: frozenset[tuple[int, int]] | None,
    *,
    full: bool = False,
) -> _Found:
    """What the core owns at one threshold, or what begins at ``only``; core in coordinates of the scene."""
    pieces = find_pieces(window, params, scene.mpp)
    found = _Found([], [], False)
    oy, ox = core.origin_yx
    lumens = lumens_between(scene.glass, pieces, params, scene.mpp)
    for group in group_pieces(pieces, lumens, params, core.open_edges, scene.mpp):
        y, x = group.first
        if not (core.y0 <= y < core.y1 and core.x0 <= x < core.x1):
            continue
        if only is not None and (y + oy, x + ox) not in only:
            continue
        if _too_long(group, params, scene.mpp):
            found.oversize = True
        elif group.doubtful:
            found.unclosed.append((y + oy, x + ox))
        else:
            parts = vessel_parts(scene, pieces, lumens, group, params)
            if is_speck(parts, scene.mpp, params):
                continue
            row = {"first_y_px": y + oy, "first_x_px": x + ox, **place(parts, core.origin_yx)}
            row["vessel"] = is_vessel(parts, scene.mpp, params, wall_mean_od(parts))
            found.rows.append({**row, **measure(scene, parts, core.origin_yx)} if full else row)
    return found


def _trusted(
    planes: Planes,
    window: StainWindow,
    core: VesselCore,
    params: VesselParams,
    nuclei_yx: NDArray[np.integer] | None,
) -> tuple[Scene, VesselCore]:
    """Scene without the window's rim, and the core in its coordinates."""
    part = inside_rim(window.rim, planes.dab.shape)
    top, left = window.rim[:2]
    seeds = None if nuclei_yx is None else np.asarray(nuclei_yx, np.int64) - np.array([top, left])
    if planes.total is None:
        raise UsageError("vessels are found by what their lumens let through; give planes with total density")
    clear = smooth_mod(planes.total, planes.valid)
    clear[~planes.valid] = LEVELS_MOD[0]
    clear = np.ascontiguousarray(clear[part])
    scene = Scene(
        window.smooth[part],
        planes.dab[part],
        planes.hematoxylin[part],
        planes.total[part],
        clear,
        find_glass(clear, core.open_edges, params, planes.mpp),
        seeds,
        planes.mpp,
    )
    moved = replace(
        core,
        y0=core.y0 - top,
        y1=core.y1 - top,
        x0=core.x0 - left,
        x1=core.x1 - left,
        origin_yx=(core.origin_yx[0] + top, core.origin_yx[1] + left),
    )
    return scene, moved


def find_vessels(
    planes: Planes,
    core: VesselCore,
    params: VesselParams = DEFAULT_PARAMS,
    nuclei_yx: NDArray[np.integer] | None = None,
    counted: Callable[[pa.Table], NDArray[np.bool_]] | None = None,
    excluded: Callable[[pa.Table], NDArray[np.bool_]] | None = None,
    only: Undecided | None = None,
) -> VesselResult:
    """Find the vessels whose first raster pixel lies in the core of a window.

    Parameters
    ----------
    planes : Planes
        Window: ``dab``, ``hematoxylin``, ``total`` int16 in thousandths of optical density, ``valid``
        bool, all of shape (h, w), and ``mpp`` in um per pixel. Read it with `vessels_halo_px` around
        the core at first.
    core : VesselCore
        What the window owns, and at which edges the slide goes on.
    params : VesselParams
        Rules; ``threshold_od`` is the marker's locked threshold.
    nuclei_yx : ndarray of int, shape (n, 2), optional
        Seed pixels (y, x) of nuclei in the window; they are counted per vessel.
    counted : callable, optional
        Says of each row of a `PLACE_SCHEMA` table whether it counts, for example whether it lies in
        quantifiable tissue; other rows are left out, at all three thresholds.
    excluded : callable, optional
        Says of each row that does not count whether it would, had no tissue been excluded.
    only : tuple of frozenset, optional
        ``undecided`` of a smaller window: all else that the core owns is left out.

    Returns
    -------
    VesselResult
    """
    rim = trusted_rim(core.open_edges, core.margin_px, params, planes.mpp)
    smooth = smooth_mod(planes.dab, planes.valid)
    brown = brown_mod(smooth, planes.hematoxylin, round(params.hematoxylin_ratio * 1000))
    window = StainWindow(smooth, brown, core.open_edges, rim)
    scene, moved = _trusted(planes, window, core, params, nuclei_yx)
    wanted = (None,) * 3 if only is None else only
    found = _find(window, scene, moved, params, wanted[0], full=True)
    low, high = (
        _find(window, scene, moved, replace(params, threshold_od=params.threshold_od * factor), begin)
        for factor, begin in zip(SENSITIVITY, wanted[1:], strict=True)
    )
    undecided = tuple(frozenset(each.unclosed) for each in (found, low, high))
    unclosed = sorted(frozenset().union(*undecided))
    table = _counted(found.rows, SCHEMA, counted)
    counts = [_vessels_in(_counted(each.rows, PLACE_SCHEMA, counted)) for each in (low, high)]
    lost = 0 if excluded is None else _vessels_in(_counted(found.rows, PLACE_SCHEMA, excluded))
    open_yx = np.array(unclosed, np.int64).reshape(-1, 2)
    return VesselResult(table, open_yx, found.oversize, counts[0], counts[1], lost, undecided)


def _counted(
    rows: list[dict[str, object]], schema: pa.Schema, counted: Callable[[pa.Table], NDArray[np.bool_]] | None
) -> pa.Table:
    """Rows that count, as a table."""
    columns = {field.name: pa.array([row[field.name] for row in rows], field.type) for field in schema}
    table = pa.table(columns, schema=schema)
    if counted is None:
        return table
    return table.filter(pa.array(counted(table.select(PLACE_SCHEMA.names)), pa.bool_()))


def _vessels_in(table: pa.Table) -> int:
    return int(np.count_nonzero(table["vessel"].to_numpy()))
