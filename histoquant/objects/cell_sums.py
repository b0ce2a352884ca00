"""Exact integer sums of every cell: nucleus, ring, cytoplasm, and what lies around the nucleus."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.cell_kinds import CYTOPLASM, KINDS, NUCLEUS, SHELLS, Kinds, Reaches
from histoquant.objects.label_runs import PIXELS, SUM_X, SUM_Y, LabelRuns
from histoquant.objects.nuclei import Nuclei
from histoquant.objects.planes import Planes
from histoquant.objects.territory import Territories

BoolArray = npt.NDArray[np.bool_]
Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
UInt8Array = npt.NDArray[np.uint8]
UInt16Array = npt.NDArray[np.uint16]

SECTORS = 8
SHARES = (0.25, 0.5, 0.75, 0.9)
# 10 mOD bins from -0.25 to 2.75 OD: finer than the noise of a pixel, wider than an 8-bit scanner reaches.
_BIN_MOD = 10
_FIRST_MOD = -250
_BINS = 300

# Columns of what a direction holds of each
_PIXELS, _DAB, _HEMATOXYLIN, _STAINED = range(4)


class CellSums(NamedTuple):
    """Sums per nucleus, in label order.

    Attributes
    ----------
    shape : ndarray of int64, shape (n, 8)
        Moments and boundary of the nucleus, as `LabelRuns.moments` gives them.
    hematoxylin : ndarray of int64, shape (n,)
        Summed haematoxylin of the nucleus (mOD).
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
    hematoxylin: Int64Array
    pixels: Int64Array
    dab: Int64Array
    quantiles: FloatArray
    sector_pixels: Int64Array
    sector_dab: Int64Array
    sector_hematoxylin: Int64Array
    stained_pixels: Int64Array

    @classmethod
    def of_shapes(cls, shape: Int64Array) -> CellSums:
        """Cells of these shapes, nothing else summed yet."""
        count = len(shape)
        return cls(
            shape,
            np.zeros(count, np.int64),
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
    nuclei: Nuclei,
    territory: Territories,
    chosen: npt.NDArray[np.integer],
    reaches: Reaches,
    stained_mod: int,
) -> CellSums:
    """Sum cells of a window.

    Parameters
    ----------
    planes : Planes
    nuclei : Nuclei
    territory : Territories
        Around those nuclei.
    chosen : ndarray of int, shape (n,)
        The nuclei to sum, counted from 0, ascending.
    reaches : Reaches
    stained_mod : int
        DAB (mOD) from which a pixel counts as stained.

    Returns
    -------
    CellSums
        In the order of ``chosen``.
    """
    rows = np.full(len(nuclei.seeds) + 1, -1, np.int32)
    rows[chosen + 1] = np.arange(len(chosen), dtype=np.int32)
    owner, own = territory.owner, nuclei.runs.taken(chosen.astype(np.intp))
    if not planes.valid.all():
        owner = np.where(planes.valid, owner, 0)
        own = LabelRuns.of(np.where(planes.valid, nuclei.labels, 0), rows)
    sums = CellSums.of_shapes(own.moments())
    kinds = Kinds.of(reaches)
    images = (kinds.image(nuclei.labels, territory.distance, reaches.rim), planes.dab, planes.hematoxylin)
    _sum_all(images, LabelRuns.of(owner, rows), kinds, stained_mod, sums)
    return sums


@njit(cache=True, nogil=True)
def _sum_all(
    images: tuple[UInt8Array, Int16Array, Int16Array],
    runs: LabelRuns,
    kinds: Kinds,
    stained_mod: int,
    sums: CellSums,
) -> None:
    histogram = np.zeros((KINDS, _BINS), np.int32)
    merged = np.zeros((3, _BINS), np.int32)
    held = np.empty((SECTORS, KINDS, 4), np.int64)
    for i in range(sums.shape.shape[0]):
        centre = (sums.shape[i, PIXELS], sums.shape[i, SUM_X], sums.shape[i, SUM_Y])
        held[:] = 0
        cell = runs.spans[runs.start[i] : runs.start[i + 1]]
        first, last = _sum_pixels(images, cell, stained_mod, centre, held, histogram)
        _share_out(held, kinds, i, sums)
        for kind in range(KINDS):
            for part in range(3):
                if kinds.in_part[kind, part]:
                    merged[part, first:last] += histogram[kind, first:last]
        for part in range(3):
            counts = merged[part, first:last]
            _quantiles(counts, first, sums.pixels[i, part], sums.quantiles[i, part])
            counts[:] = 0
        histogram[:, first:last] = 0


@njit(cache=True, nogil=True)
def _sum_pixels(
    images: tuple[UInt8Array, Int16Array, Int16Array],
    cell: Int32Array,
    stained_mod: int,
    centre: tuple[int, int, int],
    held: Int64Array,
    histogram: Int32Array,
) -> tuple[int, int]:
    """Sums by direction and kind, and a histogram of each kind; its first bin in use and one past the last.

    Eight directions told by signs and by the longer side, in integers: n x - sum(x) is n (x - mean).
    """
    kind_of, dab, hematoxylin = images
    n, sum_x, sum_y = centre
    low, high = _BINS - 1, 0
    for k in range(cell.shape[0]):
        y = cell[k, 0]
        kinds, brown, blue = kind_of[y], dab[y], hematoxylin[y]
        down = n * y - sum_y
        side, steep = 2 * (down >= 0), abs(down)
        for x in range(cell[k, 1], cell[k, 2]):
            kind, value = kinds[x], int(brown[x])
            right = n * x - sum_x
            row = held[4 * (right >= 0) + side + (abs(right) >= steep), kind]
            row[_PIXELS] += 1
            row[_DAB] += value
            row[_HEMATOXYLIN] += blue[x]
            row[_STAINED] += value >= stained_mod
            b = min(max(value - _FIRST_MOD, 0) // _BIN_MOD, _BINS - 1)
            histogram[kind, b] += 1
            low, high = min(low, b), max(high, b)
    return low, high + 1


@njit(cache=True, nogil=True)
def _share_out(held: Int64Array, kinds: Kinds, i: int, sums: CellSums) -> None:
    """What was held of each kind goes to the compartments and shells of cell ``i``."""
    for sector in range(SECTORS):
        for kind in range(KINDS):
            row, shell = held[sector, kind], kinds.shell[kind]
            for part in range(3):
                if kinds.in_part[kind, part]:
                    sums.pixels[i, part] += row[_PIXELS]
                    sums.dab[i, part] += row[_DAB]
            if kinds.in_part[kind, NUCLEUS]:
                sums.hematoxylin[i] += row[_HEMATOXYLIN]
            if kinds.in_part[kind, NUCLEUS] or kinds.in_part[kind, CYTOPLASM]:
                sums.stained_pixels[i] += row[_STAINED]
            if shell < SHELLS:
                sums.sector_pixels[i, sector, shell] += row[_PIXELS]
                sums.sector_dab[i, sector, shell] += row[_DAB]
                sums.sector_hematoxylin[i, sector, shell] += row[_HEMATOXYLIN]


@njit(cache=True, nogil=True)
def _quantiles(counts: Int32Array, first: int, total: int, out: FloatArray) -> None:
    """Middle of the bin in which each share of the pixels is reached; counts from bin ``first`` on."""
    if total == 0:
        return
    seen = 0
    k = 0
    for b in range(counts.size):
        seen += counts[b]
        while k < len(SHARES) and seen >= SHARES[k] * total:
            out[k] = _FIRST_MOD + _BIN_MOD * (first + b) + 0.5 * _BIN_MOD
            k += 1
        if k == len(SHARES):
            return
