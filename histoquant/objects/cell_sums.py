"""Exact integer sums of every cell: nucleus, ring, cytoplasm, and what lies around the nucleus."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.cell_kinds import (
    BIN_MOD,
    BINS,
    CYTOPLASM,
    FIRST_MOD,
    KIND_BITS,
    KINDS,
    NOWHERE,
    NUCLEUS,
    PLACE_BITS,
    RING,
    SHELLS,
    STAINED_BITS,
    Kinds,
    Reaches,
)
from histoquant.objects.label_runs import PIXELS, SUM_X, SUM_Y, LabelRuns
from histoquant.objects.planes import Planes
from histoquant.objects.prefetch import prefetch
from histoquant.objects.surroundings import Surroundings

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
UInt16Array = npt.NDArray[np.uint16]

SECTORS = 8
SHARES = (0.25, 0.5, 0.75, 0.9)
# Kinds of a direction lie this far apart, a power of two; what is held of each, and in how many places,
# because neighbours are alike and adding to one number twice in a row waits
_KIND_ROOM = 8
_PIXELS, _DAB, _HEMATOXYLIN = range(3)
_TURNS = 2
# Runs ahead that are fetched: as many as arrive while that many are summed.
_AHEAD = 4


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


def sum_cells(planes: Planes, own: LabelRuns, around: Surroundings, reaches: Reaches) -> CellSums:
    """Sum cells of a window.

    Parameters
    ----------
    planes : Planes
    own : LabelRuns
        Valid pixels of the nuclei to sum.
    around : Surroundings
        Of those nuclei.
    reaches : Reaches

    Returns
    -------
    CellSums
        In the order of ``own``.
    """
    sums = CellSums.of_shapes(own.moments())
    _sum_all((around.words, planes.dab, planes.hematoxylin), around.runs, Kinds.of(reaches), sums)
    return sums


@njit(cache=True, nogil=True)
def _sum_all(
    images: tuple[UInt16Array, Int16Array, Int16Array], runs: LabelRuns, kinds: Kinds, sums: CellSums
) -> None:
    histogram = np.zeros((NOWHERE + 1, 1 << PLACE_BITS), np.int32)
    held = np.empty((_TURNS, 3, SECTORS * _KIND_ROOM), np.int64)
    for i in range(sums.shape.shape[0]):
        centre = (sums.shape[i, PIXELS], sums.shape[i, SUM_X], sums.shape[i, SUM_Y])
        held[:] = 0
        limits = (runs.start[i], runs.start[i + 1])
        first, last, stained = _sum_pixels(images, runs.spans, limits, centre, held, histogram.ravel())
        sums.stained_pixels[i] = stained
        _share_out(held, kinds, i, sums)
        for part in range(3):
            if part == CYTOPLASM:
                histogram[CYTOPLASM, first:last] += histogram[RING, first:last]
            _quantiles(histogram[part, first:last], first, sums.pixels[i, part], sums.quantiles[i, part])
        histogram[:, first:last] = 0


@njit(cache=True, nogil=True)
def _sum_pixels(
    images: tuple[UInt16Array, Int16Array, Int16Array],
    spans: Int32Array,
    limits: tuple[int, int],
    centre: tuple[int, int, int],
    held: Int64Array,
    histogram: Int32Array,
) -> tuple[int, int, int]:
    """Sums by direction and kind, and a histogram of each place.

    Eight directions told by signs and by the longer side, in integers: n x - sum(x) is n (x - mean).

    Returns
    -------
    tuple of int
        First bin in use, one past the last, and how many pixels are stained.
    """
    words, dab, hematoxylin = images
    n, sum_x, sum_y = centre
    low, high, stained = BINS - 1, 0, 0
    for k in range(limits[0], limits[1]):
        _fetch_run(images, spans, min(k + _AHEAD, spans.shape[0] - 1))
        y = spans[k, 0]
        word, brown, blue = words[y], dab[y], hematoxylin[y]
        down = n * y - sum_y
        side, steep = 2 * (down >= 0), abs(down)
        for x in range(np.uint64(spans[k, 1]), np.uint64(spans[k, 2])):
            right = n * int(x) - sum_x
            told = int(word[x])
            sector = 4 * (right >= 0) + side + (abs(right) >= steep)
            at = np.uint64(_KIND_ROOM * sector + ((told >> KIND_BITS) & (_KIND_ROOM - 1)))
            turn = held[x & np.uint64(1)]
            turn[_PIXELS, at] += 1
            turn[_DAB, at] += brown[x]
            turn[_HEMATOXYLIN, at] += blue[x]
            histogram[np.uint64(told & ((1 << KIND_BITS) - 1))] += 1
            stained += told >> STAINED_BITS
            held_bin = told & ((1 << PLACE_BITS) - 1)
            low, high = min(low, held_bin), max(high, held_bin)
    return low, high + 1, stained


@njit(cache=True, nogil=True)
def _fetch_run(images: tuple[UInt16Array, Int16Array, Int16Array], spans: Int32Array, k: int) -> None:
    """Cells lie in scattered rows; waiting for their pixels would take as long as summing them."""
    y, begin, end = spans[k, 0], spans[k, 1], spans[k, 2]
    words, dab, hematoxylin = images
    for x in (begin, end):
        prefetch(words, y, x)
        prefetch(dab, y, x)
        prefetch(hematoxylin, y, x)


@njit(cache=True, nogil=True)
def _share_out(held: Int64Array, kinds: Kinds, i: int, sums: CellSums) -> None:
    """What was held of each kind goes to the compartments and shells of cell ``i``."""
    # whole indices: a view of an array is counted, which takes longer than what is done with it here
    cell = np.uint64(i)
    for kind in range(np.uint64(KINDS)):
        pixels = dab = hematoxylin = 0
        place, shell = kinds.place[kind], kinds.shell[kind]
        for sector in range(np.uint64(SECTORS)):
            at = np.uint64(_KIND_ROOM) * sector + kind
            count = held[0, _PIXELS, at] + held[1, _PIXELS, at]
            brown = held[0, _DAB, at] + held[1, _DAB, at]
            blue = held[0, _HEMATOXYLIN, at] + held[1, _HEMATOXYLIN, at]
            pixels, dab, hematoxylin = pixels + count, dab + brown, hematoxylin + blue
            if shell < SHELLS:
                sums.sector_pixels[cell, sector, shell] += count
                sums.sector_dab[cell, sector, shell] += brown
                sums.sector_hematoxylin[cell, sector, shell] += blue
        if place != NOWHERE:
            sums.pixels[cell, place] += pixels
            sums.dab[cell, place] += dab
        if place == NUCLEUS:
            sums.hematoxylin[cell] += hematoxylin
    # the ring is a part of the cytoplasm
    sums.pixels[cell, CYTOPLASM] += sums.pixels[cell, RING]
    sums.dab[cell, CYTOPLASM] += sums.dab[cell, RING]


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
            out[k] = FIRST_MOD + BIN_MOD * (first + b) + 0.5 * BIN_MOD
            k += 1
        if k == len(SHARES):
            return
