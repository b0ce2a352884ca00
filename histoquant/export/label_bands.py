"""Objects of a slide as a label image, one band of rows at a time, so that no slide must fit in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.export.object_rings import ObjectRings

Int32Array = NDArray[np.int32]


def label_bands(rings: ObjectRings, size_px: tuple[int, int], band_px: int) -> Iterator[Int32Array]:
    """Label image of the working plane from top to bottom.

    Parameters
    ----------
    rings : ObjectRings
    size_px : tuple of int
        Width and height of the plane.
    band_px : int
        Rows per band.

    Yields
    ------
    ndarray of int32, shape (<= band_px, width)
        0 for none, else the object's number; exactly the pixels that the outline was traced around.
    """
    width, height = size_px
    top, bottom = _extent(rings)
    for start in range(0, height, band_px):
        stop = min(height, start + band_px)
        band = np.zeros((stop - start, width), np.int32)
        chosen = np.flatnonzero((top < stop) & (bottom > start))
        _paint(band, start, rings.offsets, rings.corners, rings.owner, chosen)
        yield band


def half(labels: Int32Array) -> Int32Array:
    """Every second pixel: ids are kept as they are, none is mixed from two."""
    return np.ascontiguousarray(labels[::2, ::2])


def _extent(rings: ObjectRings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row and last row + 1 of the object each ring belongs to, so that its rings go together."""
    count = len(rings.owner)
    if not count:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    y = rings.corners[:, 1].astype(np.int64)
    starts = rings.offsets[:-1]
    objects, first = np.unique(rings.owner, return_index=True)
    low = np.minimum.reduceat(np.minimum.reduceat(y, starts), first)
    high = np.maximum.reduceat(np.maximum.reduceat(y, starts), first)
    place = np.searchsorted(objects, rings.owner)
    return low[place], high[place]


@njit(cache=True, nogil=True)
def _paint(
    band: Int32Array,
    start: int,
    offsets: NDArray[np.int64],
    corners: Int32Array,
    owner: Int32Array,
    chosen: NDArray[np.int64],
) -> None:
    """Toggle at every vertical edge, then sweep each row of the object's box."""
    height, width = band.shape
    at = 0
    while at < len(chosen):
        last = at
        while last + 1 < len(chosen) and owner[chosen[last + 1]] == owner[chosen[at]]:
            last += 1
        left, right, top, bottom = width, 0, height, 0
        for k in range(at, last + 1):
            for i in range(offsets[chosen[k]], offsets[chosen[k] + 1]):
                left, right = min(left, corners[i, 0]), max(right, corners[i, 0])
                top, bottom = min(top, corners[i, 1] - start), max(bottom, corners[i, 1] - start)
        left, right, top, bottom = max(left, 0), min(right, width), max(top, 0), min(bottom, height)
        toggled = np.zeros((max(bottom - top, 0), max(right - left, 0) + 1), np.uint8)
        for k in range(at, last + 1):
            first, end = offsets[chosen[k]], offsets[chosen[k] + 1]
            for i in range(first, end):
                j = i + 1 if i + 1 < end else first
                if corners[i, 0] != corners[j, 0]:
                    continue
                low, high = min(corners[i, 1], corners[j, 1]), max(corners[i, 1], corners[j, 1])
                x = min(max(corners[i, 0], left), right) - left
                for y in range(max(low - start, top), min(high - start, bottom)):
                    toggled[y - top, x] ^= 1
        for y in range(toggled.shape[0]):
            inside = np.uint8(0)
            for x in range(toggled.shape[1] - 1):
                inside ^= toggled[y, x]
                if inside:
                    band[y + top, x + left] = owner[chosen[at]]
        at = last + 1
