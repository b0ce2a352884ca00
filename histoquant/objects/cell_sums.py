"""Exact integer sums of every cell: nucleus, ring, cytoplasm, and what lies around the nucleus."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.cell_desk import PLACES, Desk, Sight, clear, compass_of, sum_cell
from histoquant.objects.cell_directions import brownest
from histoquant.objects.cell_kinds import CYTOPLASM, NOWHERE, NUCLEUS, RING
from histoquant.objects.cell_lanes import BIN_MOD, FIRST_MOD, SECTORS
from histoquant.objects.label_runs import PIXELS, SUM_X, SUM_Y, LabelRuns
from histoquant.objects.planes import Planes
from histoquant.objects.surroundings import Surroundings

Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

SHARES = (0.25, 0.5, 0.75, 0.9)

_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


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
    around : ndarray of float64, shape (n, 8)
        DAB (OD) in eight directions from the centroid of the nucleus, as `brownest` tells it.
    directions : ndarray of int8, shape (n,)
        How many of them have pixels.
    stained_pixels : ndarray of int64, shape (n,)
        Pixels of nucleus and cytoplasm with DAB at or above the given amount.
    """

    shape: Int64Array
    hematoxylin: Int64Array
    pixels: Int64Array
    dab: Int64Array
    quantiles: FloatArray
    around: FloatArray
    directions: Int8Array
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
            np.empty((count, SECTORS)),
            np.zeros(count, np.int8),
            np.zeros(count, np.int64),
        )


def sum_cells(planes: Planes, own: LabelRuns, around: Surroundings, stained_mod: int) -> CellSums:
    """Sum cells of a window.

    Parameters
    ----------
    planes : Planes
    own : LabelRuns
        Valid pixels of the nuclei to sum.
    around : Surroundings
        Of those nuclei.
    stained_mod : int
        DAB (mOD) from which a pixel of nucleus or cytoplasm is stained.

    Returns
    -------
    CellSums
        In the order of ``own``.
    """
    sums = CellSums.of_shapes(own.moments())
    _sum_all(Sight.of(around.kinds, planes, stained_mod), around.runs, Desk.empty(), sums)
    return sums


@njit(cache=True, nogil=True)
def _sum_all(sight: Sight, runs: LabelRuns, desk: Desk, sums: CellSums) -> None:
    for i in range(sums.shape.shape[0]):
        compass = compass_of(sums.shape[i, PIXELS], sums.shape[i, SUM_X], sums.shape[i, SUM_Y])
        sums.stained_pixels[i] = sum_cell(sight, runs, i, compass, desk)
        _join_ring(desk.places)
        _copy_sums(desk.places, np.uint64(i), sums)
        sums.directions[i] = brownest(desk.shells, sums.around[i])
        for part in range(NOWHERE):
            _quantiles(desk.counts, part, sums.pixels[i, part], sums.quantiles[i, part])
        clear(desk)


@_kernel
def _join_ring(places: Int64Array) -> None:
    """The ring is a part of the cytoplasm."""
    for k in range(3):
        places[k, CYTOPLASM] += places[k, RING]


@_kernel
def _copy_sums(places: Int64Array, i: np.uint64, sums: CellSums) -> None:
    for part in range(np.uint64(NOWHERE)):
        sums.pixels[i, part], sums.dab[i, part] = places[0, part], places[1, part]
    sums.hematoxylin[i] = places[2, NUCLEUS]


@_kernel
def _quantiles(counts: Int32Array, part: int, total: int, out: FloatArray) -> None:
    """Middle of the bin in which each share of the pixels is reached."""
    if total == 0:
        return
    seen, b, one = 0, np.uint64(0), np.uint64(part)
    # the ring is a part of the cytoplasm; else what is added once is nothing
    other = np.uint64(RING)
    also = np.int64(part == CYTOPLASM)
    for k in range(len(SHARES)):
        least = math.ceil(SHARES[k] * total)
        while seen < least:
            seen += counts[b + one] + also * counts[b + other]
            b += np.uint64(PLACES)
        out[k] = FIRST_MOD + BIN_MOD * (np.int64(b) // PLACES - 1) + 0.5 * BIN_MOD
