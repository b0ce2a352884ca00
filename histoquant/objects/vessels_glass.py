"""Lumens whose wall has gaps: glass-like areas that stained wall borders nearly all round."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.objects.vessels_nodes import Pieces
from histoquant.objects.vessels_params import VesselParams, pixels

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
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


@dataclass(frozen=True)
class Glass:
    """Glass-like areas of a lumen's size in one window.

    Attributes
    ----------
    labels : ndarray of int32, shape (h, w)
        0 or 1 + the row of the area below.
    box : ndarray of int64, shape (n, 4)
        y0, x0, y1, x1, half open.
    cut : ndarray of bool, shape (n,)
        The area meets an edge of the window beyond which the slide goes on.
    """

    labels: Int32
    box: NDArray[np.int64]
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
def _borders(glass: Int32, walls: Int32, radius: int) -> NDArray[np.int64]:
    """For each border pixel of an area: the area, the nearest piece of wall within reach or 0, and the
    direction (y, x) to it as a unit vector in thousandths.
    """
    height, width = glass.shape
    room = 1024
    out = np.empty((room, 4), np.int64)
    count = 0
    for y in range(height):
        for x in range(width):
            area = glass[y, x]
            if area == 0:
                continue
            inner = 0 < y < height - 1 and 0 < x < width - 1
            if (
                inner
                and glass[y - 1, x] == area
                and glass[y + 1, x] == area
                and glass[y, x - 1] == area
                and glass[y, x + 1] == area
            ):
                continue
            nearest, best, to_y, to_x = 0, radius * radius + 1, 0, 0
            for dy in range(-radius, radius + 1):
                for dx in range(-radius, radius + 1):
                    ny, nx = y + dy, x + dx
                    far = dy * dy + dx * dx
                    if far < best and 0 <= ny < height and 0 <= nx < width and walls[ny, nx] > 0:
                        nearest, best, to_y, to_x = walls[ny, nx], far, dy, dx
            if count == room:
                room *= 2
                more = np.empty((room, 4), np.int64)
                more[:count] = out
                out = more
            out[count, 0], out[count, 1] = area, nearest
            length = math.sqrt(max(1, to_y * to_y + to_x * to_x))
            out[count, 2], out[count, 3] = round(1000 * to_y / length), round(1000 * to_x / length)
            count += 1
    return out[:count]


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
    return tuple(_areas((clear < level).astype(np.uint8), open_edges, params, mpp) for level in LEVELS_MOD)


def _areas(glass: NDArray[np.uint8], open_edges: Edges, params: VesselParams, mpp: float) -> Glass:
    """Connected areas of a lumen's size."""
    if glass.size == 0:
        return Glass(glass.astype(np.int32), np.zeros((0, 4), np.int64), np.zeros(0, bool))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(glass, connectivity=4, ltype=cv2.CV_32S)
    x0, y0, width, height, area = stats.astype(np.int64).T
    pixel_um2 = mpp * mpp
    fits = np.maximum(width, height) * mpp <= params.join_extent_um
    fits &= (area * pixel_um2 <= params.lumen_max_um2) & (area * pixel_um2 >= params.lumen_min_um2)
    fits[0] = False
    top, left, bottom, right = open_edges
    cut = (top & (y0 == 0)) | (left & (x0 == 0))
    cut |= (bottom & (y0 + height == glass.shape[0])) | (right & (x0 + width == glass.shape[1]))
    kept = np.flatnonzero(fits)
    # the library may number areas in any order: raster order of their boxes is ours
    kept = kept[np.lexsort((x0[kept], y0[kept]))]
    renumber = np.zeros(len(stats), np.int32)
    renumber[kept] = np.arange(1, len(kept) + 1, dtype=np.int32)
    box = np.stack([y0, x0, y0 + height, x0 + width], axis=1)[kept]
    return Glass(renumber[labels], box, cut[kept])


def _walls(
    pairs: NDArray[np.int64], count: int, params: VesselParams, mpp: float
) -> dict[int, tuple[tuple[int, ...], bool]]:
    """Pieces that border each area that any borders, and whether wall surrounds enough of it."""
    least = pixels(LEAST_BORDER_UM, mpp)
    border = np.bincount(pairs[:, 0], minlength=count + 1)
    beside = pairs[pairs[:, 1] > 0]
    walled = np.bincount(beside[:, 0], minlength=count + 1)
    # sums of whole numbers below 2^53: exact
    to_y, to_x = (np.bincount(beside[:, 0], weights=beside[:, k], minlength=count + 1) for k in (2, 3))
    one_sided = np.hypot(to_y, to_x) > 1000 * ONE_SIDED * walled
    enough = (walled >= params.glass_wall_share * border) & ~one_sided
    unique, lengths = np.unique(beside[:, :2], axis=0, return_counts=True)
    rows: dict[int, list[int]] = {}
    for area, piece in unique[lengths >= least]:
        rows.setdefault(int(area), []).append(int(piece) - 1)
    return {area: (tuple(pieces), bool(enough[area])) for area, pieces in rows.items()}


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
        pairs = _borders(glass.labels, pieces.labels, pixels(NEAR_UM, mpp))
        for area, (rows, surrounded) in _walls(pairs, len(glass.box), params, mpp).items():
            y0, x0, y1, x1 = glass.box[area - 1]
            own = glass.labels[y0:y1, x0:x1] == area
            if (found[y0:y1, x0:x1][own] > 0).any():
                continue  # part of a lumen found at a higher level
            if glass.cut[area - 1]:
                doubtful.update(rows)  # only its full border could tell
            elif surrounded:
                boxes.append(glass.box[area - 1])
                members.append(rows)
                found[y0:y1, x0:x1][own] = len(boxes)
    return Lumens(found, np.array(boxes, np.int64).reshape(-1, 4), tuple(members), tuple(sorted(doubtful)))
