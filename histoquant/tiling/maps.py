"""Small exact operations on map-sized arrays."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

BoolMap = npt.NDArray[np.bool_]
Int64Map = npt.NDArray[np.int64]


def box_sum(values: npt.NDArray[np.integer | np.bool_], radius: int) -> Int64Map:
    """Sum over a square window, in integers; nothing beyond the border.

    Parameters
    ----------
    values : ndarray of integer or bool, shape (h, w)
        What to add up.
    radius : int
        The window is ``2 radius + 1`` wide.

    Returns
    -------
    ndarray of int64, shape (h, w)
    """
    found = np.empty(values.shape, np.int64)
    for band, sums in band_sums(values, radius):
        found[band] = sums
    return found


def band_sums(values: npt.NDArray[np.integer | np.bool_], radius: int) -> Iterator[tuple[slice, Int64Map]]:
    """Sums of `box_sum`, a band of rows at a time, for who needs no map of them.

    Parameters
    ----------
    values : ndarray of integer or bool, shape (h, w)
    radius : int

    Yields
    ------
    rows : slice
    sums : ndarray of int64, shape (rows, w)
    """
    columns = np.zeros(values.shape[1], np.int64)
    for row in values[:radius]:
        columns += row
    for band in bands(len(values), 128):  # a whole slide's sums are four times its map
        sums = np.empty((band.stop - band.start, values.shape[1]), np.int64)
        _slide(values, radius, band.start, columns, sums)
        yield band, sums


@njit(cache=True, nogil=True)
def _slide(values, radius, top, columns, sums):  # type: ignore[no-untyped-def]
    """Sums of rows from ``top`` on; ``columns`` holds those of the rows around the one before."""
    height, width = values.shape
    for y in range(top, top + sums.shape[0]):
        if y + radius < height:
            columns += values[y + radius]
        if y > radius:
            columns -= values[y - radius - 1]
        total = columns[:radius].sum()
        # a branch in the middle, where most of a row is, would take as long as the sum
        start, stop = min(radius + 1, width), max(width - radius, 0)
        line = sums[y - top]
        for x in range(start):
            total += columns[x + radius] if x < stop else 0
            line[x] = total
        if start < stop:
            coming, going, inner = columns[start + radius :], columns[: stop - start], line[start:stop]
            for x in range(np.uint64(inner.size)):
                total += coming[x] - going[x]
                inner[x] = total
        for x in range(max(start, stop), width):
            total -= columns[x - radius - 1]
            line[x] = total


@njit(cache=True, nogil=True)
def add_pairs(values, sums):  # type: ignore[no-untyped-def]
    """Add up each two neighbours of a row, in its own numbers."""
    for x in range(np.uint64(sums.size)):
        sums[x] = values[np.uint64(2) * x] + values[np.uint64(2) * x + np.uint64(1)]


@njit(cache=True, nogil=True)
def add_fours(values, sums):  # type: ignore[no-untyped-def]
    """Add up each four neighbours of a row, in its own numbers."""
    for x in range(np.uint64(sums.size)):
        left = np.uint64(4) * x
        pair = values[left] + values[left + np.uint64(1)]
        sums[x] = pair + (values[left + np.uint64(2)] + values[left + np.uint64(3)])


def bands(rows: int, height: int = 64) -> Iterator[slice]:
    """Rows of a map, a band at a time: what needs wide numbers need not hold them for the whole slide.

    Parameters
    ----------
    rows : int
        Of the map.
    height : int
        Of a band.
    """
    for top in range(0, rows, height):
        yield slice(top, min(top + height, rows))


def grown(mask: BoolMap, radius: int) -> BoolMap:
    """Mask grown by a disc of the given radius in map pixels."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def closed(mask: BoolMap, radius: int) -> BoolMap:
    """Closing by a square; what lies outside the slide continues its edge."""
    return _morph(mask, cv2.MORPH_CLOSE, 2 * radius + 1)


def opened(mask: BoolMap, width: int) -> BoolMap:
    """Opening by a square of the given width; what lies outside the slide continues its edge."""
    return _morph(mask, cv2.MORPH_OPEN, width)


def parts(mask: BoolMap, connectivity: int = 8) -> tuple[npt.NDArray[np.int32], Int64Map]:
    """Connected parts.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)
        What to label.
    connectivity : int
        8 or 4.

    Returns
    -------
    labels : ndarray of int32, shape (h, w)
        0 off the mask, 1 and up on it.
    boxes : ndarray of int64, shape (n + 1, 5)
        Left, top, width, height and area of each label, label 0 included.
    """
    if not mask.any():  # of ink and bubbles most slides have none
        height, width = mask.shape
        whole = np.array([[0, 0, width, height, mask.size]], np.int64)
        return np.zeros(mask.shape, np.int32), whole
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    return labels, stats.astype(np.int64)


def chosen(flags: npt.NDArray[np.bool_], labels: npt.NDArray[np.int32]) -> BoolMap:
    """Where labels of a map are flagged, a band at a time: NumPy makes 64-bit indices of what it is given.

    Parameters
    ----------
    flags : ndarray of bool, shape (n + 1,)
        By label.
    labels : ndarray of int32, shape (h, w)
    """
    found = np.zeros(labels.shape, np.bool_)
    for band in bands(len(labels) if flags.any() else 0):
        found[band] = flags[labels[band]]
    return found


def met(labels: npt.NDArray[np.int32], mask: BoolMap, number: int) -> npt.NDArray[np.bool_]:
    """Which of ``number`` labels lie somewhere on a mask, label 0 included; bool, shape (number,)."""
    found = np.zeros(number, np.bool_)
    for band in bands(len(labels)):
        found[labels[band][mask[band]]] = True
    return found


def window(box: Int64Map, margin: int) -> tuple[slice, slice]:
    """Rows and columns of a part's box with a margin, as slices that may be cut short at the border.

    Parameters
    ----------
    box : ndarray of int64, shape (5,)
        One row of the boxes `parts` gives.
    margin : int
        Map pixels to add on every side.

    Returns
    -------
    tuple of slice
    """
    left, top, width, height = (int(value) for value in box[:4])
    return (
        slice(max(top - margin, 0), top + height + margin),
        slice(max(left - margin, 0), left + width + margin),
    )


def at_least(mask: BoolMap, area_px: float) -> BoolMap:
    """Connected parts of at least the given number of map pixels."""
    if np.count_nonzero(mask) < area_px:
        return np.zeros(mask.shape, np.bool_)
    labels, boxes = parts(mask)
    keep = boxes[:, 4] >= area_px
    keep[0] = False
    return chosen(keep, labels)


def rod(rows: npt.NDArray[np.integer], columns: npt.NDArray[np.integer]) -> tuple[float, float]:
    """Length and width, in pixels, of the rod with the second moments of a set of pixels.

    Parameters
    ----------
    rows, columns : ndarray of integer, shape (n,)
        The pixels, at least one.

    Returns
    -------
    tuple of float
        A uniform rod of length L has variance L^2 / 12 along itself; each pixel adds its own extent.
    """
    if rows.size < 2:
        return 1.0, 1.0
    spread = np.linalg.eigvalsh(np.cov(np.vstack([rows, columns]).astype(np.float64), bias=True))
    across, along = np.sqrt(12.0 * np.maximum(spread, 0.0) + 1.0)
    return float(along), float(across)


def _morph(mask: BoolMap, operation: int, width: int) -> BoolMap:
    width = max(width, 1)
    kernel = np.ones((width, width), np.uint8)
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), width, width, width, width, cv2.BORDER_REPLICATE)
    done = cv2.morphologyEx(framed, operation, kernel)
    return np.asarray(done[width : done.shape[0] - width, width : done.shape[1] - width] > 0)
