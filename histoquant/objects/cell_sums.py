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
    planes: Planes, territory: Territories, count: int, reaches: Reaches, stained_mod: int
) -> CellSums:
    """Sum every cell of a window.

    Parameters
    ----------
    planes : Planes
    territory : Territories
    count : int
        Number of nuclei.
    reaches : Reaches
    stained_mod : int
        DAB (mOD) from which a pixel counts as stained.

    Returns
    -------
    CellSums
    """
    sums = CellSums.zeros(count)
    start, pixels = _pixels_by_owner(territory.owner, planes.valid, count)
    labels = np.where(territory.distance == 0, territory.owner, np.int32(0))
    _sum_nuclei(planes.hematoxylin, labels, start, pixels, sums.shape)
    _sum_compartments(
        planes.dab,
        territory.distance,
        start,
        pixels,
        (reaches.ring, reaches.cytoplasm, stained_mod),
        (sums.pixels, sums.dab, sums.stained_pixels),
        sums.quantiles,
    )
    _sum_sectors(
        (planes.dab, planes.hematoxylin),
        labels,
        territory.distance,
        (start, pixels),
        (reaches.rim, reaches.close, reaches.around),
        (sums.pixels, sums.shape, sums.sector_pixels, sums.sector_dab, sums.sector_hematoxylin),
    )
    return sums


@njit(cache=True, nogil=True)
def _pixels_by_owner(owner: Int32Array, valid: BoolArray, count: int) -> tuple[Int64Array, Int32Array]:
    height, width = owner.shape
    start = np.zeros(count + 2, np.int64)
    for y in range(height):
        for x in range(width):
            if owner[y, x] > 0 and valid[y, x]:
                start[owner[y, x] + 1] += 1
    for i in range(1, count + 2):
        start[i] += start[i - 1]
    pixels = np.empty(start[count + 1], np.int32)
    place = start.copy()
    for y in range(height):
        for x in range(width):
            if owner[y, x] > 0 and valid[y, x]:
                pixels[place[owner[y, x]]] = y * width + x
                place[owner[y, x]] += 1
    return start, pixels


@njit(cache=True, nogil=True)
def _sum_nuclei(
    hematoxylin: Int16Array,
    labels: Int32Array,
    start: Int64Array,
    pixels: Int32Array,
    shape: Int64Array,
) -> None:
    height, width = labels.shape
    for i in range(shape.shape[0]):
        row = shape[i]
        for k in range(start[i + 1], start[i + 2]):
            y = pixels[k] // width
            x = pixels[k] - y * width
            if labels[y, x] == 0:
                continue
            row[SUM_X] += x
            row[SUM_Y] += y
            row[SUM_XX] += x * x
            row[SUM_YY] += y * y
            row[SUM_XY] += x * y
            row[SUM_HEMATOXYLIN] += hematoxylin[y, x]
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    yo, xo = y + dy, x + dx
                    inside = 0 <= yo < height and 0 <= xo < width and labels[yo, xo] == i + 1
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
    start: Int64Array,
    pixels: Int32Array,
    limits: tuple[int, int, int],
    sums: tuple[Int64Array, Int64Array, Int64Array],
    quantiles: FloatArray,
) -> None:
    ring, cytoplasm, stained_mod = limits
    counts, total, stained = sums
    flat, far = dab.ravel(), distance.ravel()
    histogram = np.empty((3, _BINS), np.int32)
    for i in range(counts.shape[0]):
        histogram[:] = 0
        for k in range(start[i + 1], start[i + 2]):
            p = pixels[k]
            if far[p] > cytoplasm:
                continue
            value = flat[p]
            b = min(max((value - _FIRST_MOD) // _BIN_MOD, 0), _BINS - 1)
            stained[i] += value >= stained_mod
            part = NUCLEUS if far[p] == 0 else CYTOPLASM
            counts[i, part] += 1
            total[i, part] += value
            histogram[part, b] += 1
            if 0 < far[p] <= ring:
                counts[i, RING] += 1
                total[i, RING] += value
                histogram[RING, b] += 1
        for part in range(3):
            _quantiles(histogram[part], counts[i, part], quantiles[i, part])


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
    stains: tuple[Int16Array, Int16Array],
    labels: Int32Array,
    distance: UInt16Array,
    lists: tuple[Int64Array, Int32Array],
    limits: tuple[int, int, int],
    sums: tuple[Int64Array, Int64Array, Int64Array, Int64Array, Int64Array],
) -> None:
    """Eight directions told by signs and by the longer side, in integers: n x - sum(x) is n (x - mean)."""
    dab, hematoxylin = stains
    width = dab.shape[1]
    start, pixels = lists
    rim, close, around = limits
    counts, shape, sector_pixels, sector_dab, sector_hematoxylin = sums
    for i in range(counts.shape[0]):
        n = counts[i, NUCLEUS]
        for k in range(start[i + 1], start[i + 2]):
            y = pixels[k] // width
            x = pixels[k] - y * width
            far = distance[y, x]
            if far > around or (far == 0 and not _on_rim(labels, y, x, rim)):
                continue
            shell = 0 if far == 0 else (1 if far <= close else 2)
            right = n * x - shape[i, SUM_X]
            down = n * y - shape[i, SUM_Y]
            sector = 4 * (right >= 0) + 2 * (down >= 0) + 1 * (abs(right) >= abs(down))
            sector_pixels[i, sector, shell] += 1
            sector_dab[i, sector, shell] += dab[y, x]
            sector_hematoxylin[i, sector, shell] += hematoxylin[y, x]
