"""Exact integer sums of every cell: nucleus, ring, cytoplasm, and what lies around the nucleus."""

from __future__ import annotations

import math
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
# What is held of each kind and direction
_PIXELS, _DAB, _HEMATOXYLIN = range(3)
_HELD = 8 * SECTORS
# Runs ahead that are fetched: as many as arrive while that many are summed.
_AHEAD = 4

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
    sector_pixels, sector_dab, sector_hematoxylin : ndarray of int64, shape (n, 3, 8)
        Pixels and summed stains (mOD) in three shells, rim of the nucleus, close outside and farther
        outside, and eight directions from the centroid of the nucleus.
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
            np.zeros((count, SHELLS, SECTORS), np.int64),
            np.zeros((count, SHELLS, SECTORS), np.int64),
            np.zeros((count, SHELLS, SECTORS), np.int64),
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
    held = np.zeros((3, _HELD), np.int64)
    for i in range(sums.shape.shape[0]):
        centre = (sums.shape[i, PIXELS], sums.shape[i, SUM_X], sums.shape[i, SUM_Y])
        limits = (runs.start[i], runs.start[i + 1])
        sums.stained_pixels[i] = _sum_pixels(images, runs.spans, limits, centre, held, histogram.ravel())
        _share_out(held, kinds, i, sums)
        held[:] = 0
        # the ring is a part of the cytoplasm
        histogram[CYTOPLASM, :BINS] += histogram[RING, :BINS]
        for part in range(3):
            _quantiles(histogram[part], sums.pixels[i, part], sums.quantiles[i, part])
        histogram[:, :BINS] = 0


@njit(cache=True, nogil=True)
def _sum_pixels(
    images: tuple[UInt16Array, Int16Array, Int16Array],
    spans: Int32Array,
    limits: tuple[int, int],
    centre: tuple[int, int, int],
    held: Int64Array,
    histogram: Int32Array,
) -> int:
    """Sums by kind and direction, and a histogram of each place; how many pixels are stained.

    Eight directions told by signs and by the longer side, in integers: n x - sum(x) is n (x - mean).
    """
    words, dab, hematoxylin = images
    n, sum_x, sum_y = centre
    stained = 0
    for k in range(limits[0], limits[1]):
        _fetch_run(images, spans, min(k + _AHEAD, spans.shape[0] - 1))
        y = spans[k, 0]
        word, brown, blue = words[y], dab[y], hematoxylin[y]
        down = n * y - sum_y
        side, steep = 2 * (down >= 0), abs(down)
        for x in range(np.uint64(spans[k, 1]), np.uint64(spans[k, 2])):
            right = n * np.int64(x) - sum_x
            told = int(word[x])
            sector = 4 * (right >= 0) + side + (abs(right) >= steep)
            at = np.uint64(SECTORS * (told >> KIND_BITS & 7) + sector)
            held[_PIXELS, at] += 1
            held[_DAB, at] += brown[x]
            held[_HEMATOXYLIN, at] += blue[x]
            histogram[np.uint64(told & ((1 << KIND_BITS) - 1))] += 1
            stained += told >> STAINED_BITS
    return stained


@njit(cache=True, nogil=True)
def _fetch_run(images: tuple[UInt16Array, Int16Array, Int16Array], spans: Int32Array, k: int) -> None:
    """Cells lie in scattered rows; waiting for their pixels would take as long as summing them."""
    y, begin, end = spans[k, 0], spans[k, 1], spans[k, 2]
    words, dab, hematoxylin = images
    for x in (begin, end):
        prefetch(words, y, x)
        prefetch(dab, y, x)
        prefetch(hematoxylin, y, x)


@_kernel
def _share_out(held: Int64Array, kinds: Kinds, i: int, sums: CellSums) -> None:
    """What was held of each kind goes to the compartments and shells of cell ``i``."""
    cell = np.uint64(i)
    for kind in range(np.uint64(KINDS)):
        place, shell = kinds.place[kind], np.uint64(kinds.shell[kind])
        first = np.uint64(SECTORS) * kind
        pixels = dab = hematoxylin = 0
        for at in range(first, first + np.uint64(SECTORS)):
            pixels += held[_PIXELS, at]
            dab += held[_DAB, at]
            hematoxylin += held[_HEMATOXYLIN, at]
        if shell < SHELLS:
            for sector in range(np.uint64(SECTORS)):
                sums.sector_pixels[cell, shell, sector] += held[_PIXELS, first + sector]
                sums.sector_dab[cell, shell, sector] += held[_DAB, first + sector]
                sums.sector_hematoxylin[cell, shell, sector] += held[_HEMATOXYLIN, first + sector]
        if place != NOWHERE:
            sums.pixels[cell, place] += pixels
            sums.dab[cell, place] += dab
        if place == NUCLEUS:
            sums.hematoxylin[cell] += hematoxylin
    sums.pixels[cell, CYTOPLASM] += sums.pixels[cell, RING]
    sums.dab[cell, CYTOPLASM] += sums.dab[cell, RING]


@_kernel
def _quantiles(counts: Int32Array, total: int, out: FloatArray) -> None:
    """Middle of the bin in which each share of the pixels is reached."""
    if total == 0:
        return
    seen, b = 0, np.uint64(0)
    for k in range(len(SHARES)):
        least = math.ceil(SHARES[k] * total)
        while seen < least:
            seen += counts[b]
            b += np.uint64(1)
        out[k] = FIRST_MOD + BIN_MOD * (np.int64(b) - 1) + 0.5 * BIN_MOD
