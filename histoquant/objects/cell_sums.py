"""Exact integer sums of every cell: nucleus, ring, cytoplasm, and what lies around the nucleus."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.planes import Planes
from histoquant.objects.territory import Territories

BoolArray = npt.NDArray[np.bool_]
Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
UInt16Array = npt.NDArray[np.uint16]

NUCLEUS, RING, CYTOPLASM = range(3)
SECTORS = 8
# Rim of the nucleus, close outside it, farther outside: a membrane lies in one of them, wherever exactly
# the nucleus was outlined.
SHELLS = 3
SHARES = (0.25, 0.5, 0.75, 0.9)
# 10 mOD bins from -0.25 to 2.75 OD: finer than the noise of a pixel, wider than an 8-bit scanner reaches.
_BIN_MOD = 10
_FIRST_MOD = -250
_BINS = 300

# Columns of CellSums.shape
SUM_X, SUM_Y, SUM_XX, SUM_YY, SUM_XY, CUT_STRAIGHT, CUT_DIAGONAL, SUM_HEMATOXYLIN = range(8)


class Reaches(NamedTuple):
    """How far compartments reach from the edge of the nucleus.

    Attributes
    ----------
    ring, close, around, cytoplasm : int
        Outwards, in fifths of a pixel.
    rim : int
        Inwards, in pixels.
    """

    ring: int
    close: int
    around: int
    cytoplasm: int
    rim: int


class CellSums(NamedTuple):
    """Sums per nucleus, in label order.

    Attributes
    ----------
    shape : ndarray of int64, shape (n, 8)
        Moments of the nucleus, crossings of its boundary along the axes and the diagonals, summed
        haematoxylin (mOD).
    pixels, dab : ndarray of int64, shape (n, 3)
        Pixels and summed DAB (mOD) of nucleus, ring and cytoplasm (which holds the ring).
    quantiles : ndarray of float64, shape (n, 3, 4)
        DAB (mOD) below which 25, 50, 75 and 90 % of the pixels lie; NaN without pixels.
    sector_pixels, sector_dab, sector_hematoxylin : ndarray of int64, shape (n, 8, 3)
        Pixels and summed stains (mOD) in eight directions from the centroid of the nucleus and three
        shells: rim of the nucleus, close outside, farther outside.
    stained_pixels : ndarray of int64, shape (n,)
        Pixels of nucleus and cytoplasm with DAB at or above the given amount.
    """

    shape: Int64Array
    pixels: Int64Array
    dab: Int64Array
    quantiles: FloatArray
    sector_pixels: Int64Array
    sector_dab: Int64Array
    sector_hematoxylin: Int64Array
    stained_pixels: Int64Array

    @classmethod
    def zeros(cls, count: int) -> CellSums:
        """Empty sums of this many cells."""
        return cls(
            np.zeros((count, 8), np.int64),
            np.zeros((count, 3), np.int64),
            np.zeros((count, 3), np.int64),
            np.full((count, 3, len(SHARES)), np.nan),
            np.zeros((count, SECTORS, SHELLS), np.int64),
            np.zeros((count, SECTORS, SHELLS), np.int64),
            np.zeros((count, SECTORS, SHELLS), np.int64),
            np.zeros(count, np.int64),
        )


def sum_cells(
    planes: Planes,
    labels: Int32Array,
    territory: Territories,
    chosen: Int32Array,
    reaches: Reaches,
    stained_mod: int,
) -> CellSums:
    """Sum cells of a window.

    Parameters
    ----------
    planes : Planes
    labels : ndarray of int32, shape (h, w)
        Nuclei.
    territory : Territories
        Around those nuclei.
    chosen : ndarray of int32, shape (n,)
        Labels of the nuclei to sum, ascending.
    reaches : Reaches
    stained_mod : int
        DAB (mOD) from which a pixel counts as stained.

    Returns
    -------
    CellSums
        In the order of ``chosen``.
    """
    sums = CellSums.zeros(len(chosen))
    row_of = np.full(int(labels.max(initial=0)) + 1, -1, np.int32)
    row_of[chosen] = np.arange(len(chosen), dtype=np.int32)
    start, places = _pixels_by_owner(territory.owner, planes.valid, row_of, len(chosen))
    limits = (reaches.ring, reaches.cytoplasm, stained_mod, reaches.rim, reaches.close, reaches.around)
    images = (labels, territory.distance, planes.dab, planes.hematoxylin)
    _sum_all(images, chosen, start, places, limits, sums)
    return sums


@njit(cache=True, nogil=True)
def _pixels_by_owner(
    owner: Int32Array, valid: BoolArray, row_of: Int32Array, count: int
) -> tuple[Int64Array, Int32Array]:
    """Valid pixels of each chosen cell as ``y << 16 | x``; those of row i from start[i] on."""
    height, width = owner.shape
    start = np.zeros(count + 1, np.int64)
    for y in range(height):
        for x in range(width):
            row = row_of[owner[y, x]]
            if row >= 0 and valid[y, x]:
                start[row + 1] += 1
    for i in range(1, count + 1):
        start[i] += start[i - 1]
    places = np.empty(start[count], np.int32)
    place = start[:count].copy()
    for y in range(height):
        for x in range(width):
            row = row_of[owner[y, x]]
            if row >= 0 and valid[y, x]:
                places[place[row]] = y << 16 | x
                place[row] += 1
    return start, places


@njit(cache=True, nogil=True)
def _sum_all(
    images: tuple[Int32Array, UInt16Array, Int16Array, Int16Array],
    chosen: Int32Array,
    start: Int64Array,
    places: Int32Array,
    limits: tuple[int, int, int, int, int, int],
    sums: CellSums,
) -> None:
    labels, distance, dab, hematoxylin = images
    ring, cytoplasm, stained_mod, rim, close, around = limits
    histogram = np.zeros((3, _BINS), np.int32)
    for i in range(chosen.size):
        cell = places[start[i] : start[i + 1]]
        _sum_nucleus(labels, hematoxylin, chosen[i], cell, sums.shape[i])
        sums.stained_pixels[i] = _sum_compartments(
            dab, distance, cell, (ring, cytoplasm, stained_mod), (sums.pixels[i], sums.dab[i]), histogram
        )
        for part in range(3):
            _quantiles(histogram[part], sums.pixels[i, part], sums.quantiles[i, part])
        centre = (sums.pixels[i, NUCLEUS], sums.shape[i, SUM_X], sums.shape[i, SUM_Y])
        sectors = (sums.sector_pixels[i], sums.sector_dab[i], sums.sector_hematoxylin[i])
        _sum_sectors(images, chosen[i], cell, (rim, close, around), centre, sectors)


@njit(cache=True, nogil=True)
def _sum_nucleus(
    labels: Int32Array, hematoxylin: Int16Array, label: int, cell: Int32Array, row: Int64Array
) -> None:
    height, width = labels.shape
    for k in range(cell.size):
        y, x = cell[k] >> 16, cell[k] & 0xFFFF
        if labels[y, x] != label:
            continue
        row[SUM_X] += x
        row[SUM_Y] += y
        row[SUM_XX] += x * x
        row[SUM_YY] += y * y
        row[SUM_XY] += x * y
        row[SUM_HEMATOXYLIN] += hematoxylin[y, x]
        if 0 < y < height - 1 and 0 < x < width - 1:
            above, here, below = labels[y - 1], labels[y], labels[y + 1]
            row[CUT_STRAIGHT] += (
                (above[x] != label) + (here[x - 1] != label) + (here[x + 1] != label) + (below[x] != label)
            )
            row[CUT_DIAGONAL] += (
                (above[x - 1] != label)
                + (above[x + 1] != label)
                + (below[x - 1] != label)
                + (below[x + 1] != label)
            )
            continue
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                yo, xo = y + dy, x + dx
                inside = 0 <= yo < height and 0 <= xo < width and labels[yo, xo] == label
                if not inside:
                    row[CUT_STRAIGHT if dy == 0 or dx == 0 else CUT_DIAGONAL] += 1


@njit(cache=True, nogil=True)
def _quantiles(counts: Int32Array, total: int, out: FloatArray) -> None:
    """Middle of the bin in which each share of the pixels is reached."""
    if total == 0:
        return
    seen = 0
    k = 0
    for b in range(counts.size):
        seen += counts[b]
        while k < len(SHARES) and seen >= SHARES[k] * total:
            out[k] = _FIRST_MOD + _BIN_MOD * b + 0.5 * _BIN_MOD
            k += 1
        if k == len(SHARES):
            return


@njit(cache=True, nogil=True)
def _sum_compartments(
    dab: Int16Array,
    distance: UInt16Array,
    cell: Int32Array,
    limits: tuple[int, int, int],
    sums: tuple[Int64Array, Int64Array],
    histogram: Int32Array,
) -> int:
    """Counts, sums and histograms of the compartments of one cell; returns its stained pixels."""
    ring, cytoplasm, stained_mod = limits
    counts, total = sums
    histogram[:] = 0
    stained = 0
    for k in range(cell.size):
        y, x = cell[k] >> 16, cell[k] & 0xFFFF
        far = distance[y, x]
        if far > cytoplasm:
            continue
        value = dab[y, x]
        b = min(max((value - _FIRST_MOD) // _BIN_MOD, 0), _BINS - 1)
        stained += value >= stained_mod
        part = NUCLEUS if far == 0 else CYTOPLASM
        counts[part] += 1
        total[part] += value
        histogram[part, b] += 1
        if 0 < far <= ring:
            counts[RING] += 1
            total[RING] += value
            histogram[RING, b] += 1
    return stained


@njit(cache=True, nogil=True)
def _on_rim(labels: Int32Array, y: int, x: int, depth: int) -> bool:
    """Whether another label or the end of the window lies within the depth, in any of eight directions."""
    if y < depth or x < depth or y + depth >= labels.shape[0] or x + depth >= labels.shape[1]:
        return True
    label = labels[y, x]
    for dy in range(-depth, depth + 1, depth):
        for dx in range(-depth, depth + 1, depth):
            if labels[y + dy, x + dx] != label:
                return True
    return False


@njit(cache=True, nogil=True)
def _sum_sectors(
    images: tuple[Int32Array, UInt16Array, Int16Array, Int16Array],
    label: int,
    cell: Int32Array,
    limits: tuple[int, int, int],
    centre: tuple[int, int, int],
    sums: tuple[Int64Array, Int64Array, Int64Array],
) -> None:
    """Eight directions told by signs and by the longer side, in integers: n x - sum(x) is n (x - mean)."""
    labels, distance, dab, hematoxylin = images
    rim, close, around = limits
    n, sum_x, sum_y = centre
    pixels, sum_dab, sum_hematoxylin = sums
    for k in range(cell.size):
        y, x = cell[k] >> 16, cell[k] & 0xFFFF
        far = distance[y, x]
        if far > around or (far == 0 and not _on_rim(labels, y, x, rim)):
            continue
        shell = 0 if far == 0 else (1 if far <= close else 2)
        right = n * x - sum_x
        down = n * y - sum_y
        sector = 4 * (right >= 0) + 2 * (down >= 0) + 1 * (abs(right) >= abs(down))
        pixels[sector, shell] += 1
        sum_dab[sector, shell] += dab[y, x]
        sum_hematoxylin[sector, shell] += hematoxylin[y, x]
