"""Lumens whose wall has gaps: glass-like areas that stained wall borders nearly all round."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.objects.bit_rows import Bits, count_bits, dilated, eroded, packed, spans_of
from histoquant.objects.label_runs import LabelRuns, paint_runs
from histoquant.objects.runs import Runs
from histoquant.objects.vessels_nodes import Pieces
from histoquant.objects.vessels_params import VesselParams, pixels

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Edges = tuple[bool, bool, bool, bool]

NEAR_UM = 1.5
"""Blur between glass and wall is at most this wide."""
LEAST_BORDER_UM = 3.0
"""A piece of wall borders a lumen along at least this much of it; less is a corner that happens by."""
ONE_SIDED = 0.6
"""Mean direction, as a share of 1, from the border to its wall: above it, the wall lies on one side only."""
LEVELS_MOD = (30, 20, 12)
"""Glass has less mean optical density over RGB, in thousandths, after smoothing. Blur greys a narrow lumen,
so the highest level is tried first; where stroma is as pale, lumen and stroma run together and a lower one
parts them."""

# Walls are looked for in squares of a window at first
_BLOCK_PX = 16


@dataclass(frozen=True)
class Glass:
    """Glass-like areas of a lumen's size in one window.

    Attributes
    ----------
    runs : LabelRuns
        Pixels of each area.
    box : ndarray of int32, shape (n, 4)
        y0, x0, y1, x1, half open.
    cut : ndarray of bool, shape (n,)
        The area meets an edge of the window beyond which the slide goes on.
    """

    runs: LabelRuns
    box: Int32
    cut: NDArray[np.bool_]


@dataclass(frozen=True)
class Lumens:
    """Lumens of one window whose wall may have gaps, and whose they are.

    Attributes
    ----------
    labels : ndarray of int32, shape (h, w)
        0 or 1 + the row of the lumen below.
    box : ndarray of int64, shape (n, 4)
        y0, x0, y1, x1, half open.
    members : tuple of tuple of int
        Rows of `Pieces` that border each lumen.
    doubtful : tuple of int
        Rows of `Pieces` beside glass that the window does not show in full.
    """

    labels: Int32
    box: NDArray[np.int64]
    members: tuple[tuple[int, ...], ...]
    doubtful: tuple[int, ...]


@njit(cache=True, nogil=True)
def _around(radius: int) -> Int64:
    """Steps (y, x) within a disc, the nearest first, equally far ones in raster order."""
    out = np.empty(((2 * radius + 1) ** 2, 2), np.int64)
    count = 0
    for far in range(radius * radius + 1):
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                if dy * dy + dx * dx == far:
                    out[count, 0], out[count, 1] = dy, dx
                    count += 1
    return out[:count]


@njit(cache=True, nogil=True)
def _blocks(pieces: Int64, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Squares of a window that boxes of pieces lie in."""
    out = np.zeros((shape[0] // _BLOCK_PX + 1, shape[1] // _BLOCK_PX + 1), np.uint8)
    for i in range(pieces.shape[0]):
        y0, x0, y1, x1 = pieces[i] // _BLOCK_PX
        out[y0 : y1 + 1, x0 : x1 + 1] = 1
    return out


@njit(cache=True, nogil=True)
def _meets(box: Int32, margin: int, blocks: NDArray[np.uint8]) -> bool:
    """Whether a box with a margin lies in any of the squares."""
    for y in range(
        max(box[0] - margin, 0) // _BLOCK_PX, min((box[2] + margin) // _BLOCK_PX + 1, blocks.shape[0])
    ):
        for x in range(
            max(box[1] - margin, 0) // _BLOCK_PX, min((box[3] + margin) // _BLOCK_PX + 1, blocks.shape[1])
        ):
            if blocks[y, x]:
                return True
    return False


@njit(cache=True, nogil=True)
def _wall_in(box: Int32, walls: Int32, margin: int) -> NDArray[np.uint8]:
    """Whether each pixel of a box with a margin is wall; outside the window none is."""
    out = np.zeros((box[2] - box[0] + 2 * margin, box[3] - box[1] + 2 * margin), np.uint8)
    top, left = box[0] - margin, box[1] - margin
    begin, end = max(left, 0), min(left + out.shape[1], walls.shape[1])
    for y in range(max(top, 0), min(top + out.shape[0], walls.shape[0])):
        row, to = walls[y, begin:end], out[y - top, begin - left : end - left]
        for x in range(row.size):
            to[x] = row[x] > 0
    return out


@njit(cache=True, nogil=True)
def _border(spans: Int32, corner: tuple[int, int], shape: tuple[int, int]) -> Bits:
    """Pixels of an area with one of another kind beside them, in a crop with an empty margin."""
    mask = np.zeros(shape, np.uint8)
    for k in range(spans.shape[0]):
        mask[spans[k, 0] - corner[0], spans[k, 1] - corner[1] : spans[k, 2] - corner[1]] = 1
    bits = packed(mask)
    out: Bits = bits & ~eroded(bits, shape[1], 1)
    return out


@njit(cache=True, nogil=True)
def _nearest(y: int, x: int, walls: Int32, steps: Int64) -> int:
    """Number of the first step from a pixel that meets a wall; one lies within reach."""
    for k in range(steps.shape[0]):
        ny, nx = y + steps[k, 0], x + steps[k, 1]
        if 0 <= ny < walls.shape[0] and 0 <= nx < walls.shape[1] and walls[ny, nx] > 0:
            return k
    return -1


@njit(cache=True, nogil=True)
def _borders(runs: LabelRuns, box: Int32, pieces: Int64, walls: Int32, radius: int) -> tuple[Int64, Int64]:
    """What borders each area that a wall comes near.

    Returns
    -------
    sums : ndarray of int64, shape (n, 4)
        Pixels of the border; those with wall within reach; sum of the directions (y, x) from them to the
        nearest wall as unit vectors in thousandths. Zeros where no wall comes near.
    beside : ndarray of int64
        ``area << 32 | label of the nearest piece of wall``, for each pixel with wall within reach.
    """
    steps, sums = _around(radius), np.zeros((box.shape[0], 4), np.int64)
    beside, count = np.empty(1024, np.int64), 0
    margin, blocks = radius + 1, _blocks(pieces, walls.shape)
    for area in range(box.shape[0]):
        if not _meets(box[area], margin, blocks):
            continue
        wall = _wall_in(box[area], walls, margin)
        if not wall.any():
            continue
        top, left = box[area, 0] - margin, box[area, 1] - margin
        border = _border(runs.spans[runs.start[area] : runs.start[area + 1]], (top, left), wall.shape)
        sums[area, 0] = count_bits(border)
        rows, spans = spans_of(border & dilated(packed(wall), wall.shape[1], radius))
        while count + sums[area, 0] > beside.size:
            beside = np.concatenate((beside, np.empty_like(beside)))
        for y in range(wall.shape[0]):
            for i in range(rows[y], rows[y + 1]):
                for x in range(spans[i, 0], spans[i, 1]):
                    dy, dx = steps[_nearest(y + top, x + left, walls, steps)]
                    length = math.sqrt(max(1, dy * dy + dx * dx))
                    sums[area, 1] += 1
                    sums[area, 2] += round(1000 * dy / length)
                    sums[area, 3] += round(1000 * dx / length)
                    beside[count] = (area << 32) | walls[y + top + dy, x + left + dx]
                    count += 1
    return sums, beside[:count]


def find_glass(clear: Int16, open_edges: Edges, params: VesselParams, mpp: float) -> tuple[Glass, ...]:
    """Connected areas of a lumen's size at each of `LEVELS_MOD`; no threshold of the marker enters.

    Parameters
    ----------
    clear : ndarray of int16, shape (h, w)
        Smoothed mean optical density over RGB in thousandths; above every level where there is no image.
    open_edges : tuple of bool
        Top, left, bottom, right: whether the slide goes on beyond that edge.
    params : VesselParams
        Sizes of a lumen.
    mpp : float
        Micrometres per pixel.
    """
    return tuple(_areas(clear, level, open_edges, params, mpp) for level in LEVELS_MOD)


def _areas(clear: Int16, level: int, open_edges: Edges, params: VesselParams, mpp: float) -> Glass:
    """Connected areas of a lumen's size below a level."""
    pale = Runs.of_mask(clear, level).gaps()
    found = pale.components(4)
    x0, y0, width, height = found.boxes.T
    area_um2 = found.pixels * (mpp * mpp)
    fits = np.maximum(width, height) * mpp <= params.join_extent_um
    fits &= (area_um2 <= params.lumen_max_um2) & (area_um2 >= params.lumen_min_um2)
    top, left, bottom, right = open_edges
    cut = (top & (y0 == 0)) | (left & (x0 == 0))
    cut |= (bottom & (y0 + height == clear.shape[0])) | (right & (x0 + width == clear.shape[1]))
    kept = np.flatnonzero(fits)
    number = np.full(len(fits) + 1, -1, np.int32)  # the last is that of empty runs
    number[kept] = np.arange(len(kept), dtype=np.int32)
    box = np.stack([y0, x0, y0 + height, x0 + width], axis=1)[kept]
    return Glass(LabelRuns.of_runs(pale, number[found.of_run]), box, cut[kept])


def _walls(glass: Glass, pieces: Pieces, params: VesselParams, mpp: float) -> dict[int, tuple[int, ...]]:
    """Pieces that border each area that wall surrounds enough of, or that the window shows in part."""
    sums, beside = _borders(glass.runs, glass.box, pieces.box, pieces.labels, pixels(NEAR_UM, mpp))
    border, walled, to_y, to_x = sums.T
    one_sided = np.hypot(to_y, to_x) > 1000 * ONE_SIDED * walled
    enough = (walled >= params.glass_wall_share * border) & ~one_sided
    pairs, lengths = np.unique(beside, return_counts=True)
    told = (lengths >= pixels(LEAST_BORDER_UM, mpp)) & (enough | glass.cut)[pairs >> 32]
    rows: dict[int, list[int]] = {}
    for pair in pairs[told].tolist():
        rows.setdefault(pair >> 32, []).append((pair & 0xFFFFFFFF) - 1)
    return {area: tuple(walls) for area, walls in rows.items()}


def lumens_between(levels: tuple[Glass, ...], pieces: Pieces, params: VesselParams, mpp: float) -> Lumens:
    """Glass areas that wall borders all but for gaps, with the pieces that do.

    A tear or a retraction crescent beside a vessel has wall on one side only. Walls that face each other
    across a lumen are one vessel (interconnected is one).

    Parameters
    ----------
    levels : tuple of Glass
        Areas from the highest level of glass to the lowest; each area lies within one of the level before.
    pieces : Pieces
        Pieces of wall of the same window.
    params : VesselParams
        Least walled share of a lumen's border.
    mpp : float
        Micrometres per pixel.

    Returns
    -------
    Lumens
    """
    found = np.zeros(pieces.labels.shape, np.int32)
    boxes: list[NDArray[np.int64]] = []
    members: list[tuple[int, ...]] = []
    doubtful: set[int] = set()
    for glass in levels if len(pieces) else ():
        for area, rows in _walls(glass, pieces, params, mpp).items():
            spans = glass.runs.spans[glass.runs.start[area] : glass.runs.start[area + 1]]
            y, x = spans[0, :2]
            if found[y, x] > 0:
                continue  # part of a lumen found at a higher level, which holds all of it
            if glass.cut[area]:
                doubtful.update(rows)  # only its full border could tell
            else:
                boxes.append(glass.box[area])
                members.append(rows)
                paint_runs(spans, len(boxes), found)
    return Lumens(found, np.array(boxes, np.int64).reshape(-1, 4), tuple(members), tuple(sorted(doubtful)))
