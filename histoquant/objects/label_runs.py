"""Labelled objects as runs of pixels in rows: what is asked of an object costs as much as its rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.marks import WORD, places
from histoquant.objects.runs import Runs

BoolArray = npt.NDArray[np.bool_]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
IntpArray = npt.NDArray[np.intp]

# Columns of moments
PIXELS, SUM_X, SUM_Y, SUM_XX, SUM_YY, SUM_XY, CUT_STRAIGHT, CUT_DIAGONAL = range(8)


class LabelRuns(NamedTuple):
    """Runs of chosen labels, object by object.

    Attributes
    ----------
    start : ndarray of int64, shape (n + 1,)
        Runs of object ``i`` are numbers ``start[i]`` to ``start[i + 1] - 1``, in raster order.
    spans : ndarray of int32, shape (runs, 3)
        Row, first column and one past the last column of each run.
    """

    start: Int64Array
    spans: Int32Array

    @classmethod
    def of(cls, labels: Int32Array, rows: Int32Array) -> LabelRuns:
        """Runs of an image.

        Parameters
        ----------
        labels : ndarray of int32, shape (h, w)
        rows : ndarray of int32, shape (largest label + 1,)
            Number of the object that a label stands for; -1 for none.

        Returns
        -------
        LabelRuns
            Of objects 0 to the largest number.
        """
        return cls(*_find(labels, rows, int(rows.max(initial=-1)) + 1))

    @classmethod
    def of_all(cls, labels: Int32Array, count: int | None = None) -> LabelRuns:
        """Runs of an image in which label ``i + 1`` is object ``i``, up to the largest or so many."""
        largest = int(labels.max(initial=0)) if count is None else count
        return cls.of(labels, np.arange(-1, largest, dtype=np.int32))

    @classmethod
    def of_runs(cls, runs: Runs, numbers: Int32Array) -> LabelRuns:
        """Runs of a mask, with the object of each; -1 for none."""
        there = np.flatnonzero(numbers >= 0)
        row = np.repeat(np.arange(len(runs.rows) - 1), np.diff(runs.rows))
        found = np.column_stack([numbers[there], row[there], runs.spans[there]]).astype(np.int32)
        return cls(*in_turn(found, int(numbers.max(initial=-1)) + 1))

    def taken(self, order: IntpArray) -> LabelRuns:
        """Runs of some of the objects, in this order."""
        return LabelRuns(*picked(self.start[:-1], self.start[1:], self.spans, order))

    def first(self) -> Int32Array:
        """Place (y, x) of each object's first pixel in raster order; shape (n, 2), -1 without pixels."""
        there = self.start[1:] > self.start[:-1]
        out = np.full((len(there), 2), -1, np.int32)
        out[there] = self.spans[self.start[:-1][there], :2]
        return out

    def paint(self, labels: Int32Array, numbers: Int32Array) -> None:
        """Give the pixels of every object a number, in place."""
        _paint(self.start, self.spans, numbers, labels)

    def boxes(self) -> Int32Array:
        """Bounding boxes (y0, x0, y1, x1), half open; int32, shape (n, 4), zeros without pixels."""
        out = np.zeros((len(self.start) - 1, 4), np.int32)
        _boxes(self.start, self.spans, out)
        return out

    def moments(self) -> Int64Array:
        """Area, moments and boundary of every object.

        Returns
        -------
        ndarray of int64, shape (n, 8)
            Pixels; sums of x, y, xx, yy and xy; pairs of a pixel inside and one outside that lie beside each
            other along the axes, and along the diagonals.
        """
        out = np.zeros((len(self.start) - 1, 8), np.int64)
        _sums(self.start, self.spans, out)
        _cuts(self.start, self.spans, out)
        return out


@njit(cache=True, nogil=True)
def _find(labels: Int32Array, rows: Int32Array, count: int) -> tuple[Int64Array, Int32Array]:
    height, width = labels.shape
    # object, row, first column and one past the last, in raster order
    found = np.empty((max(1024, width), 4), np.int32)
    ends, columns = np.zeros(width + WORD, np.uint8), np.empty(width + WORD, np.int32)
    n = 0
    for y in range(height):
        row = labels[y]
        mark_ends(row, ends)
        while n + width > found.shape[0]:
            found = np.concatenate((found, np.empty_like(found)))
        begin = 0
        for k in range(places(ends, width, columns)):
            last = columns[k]
            held = rows[row[last]]
            found[n, 0], found[n, 1], found[n, 2], found[n, 3] = held, y, begin, last + 1
            # what is not asked for is written over
            n += int(held >= 0)
            begin = last + 1
    out: tuple[Int64Array, Int32Array] = in_turn(found[:n], count)
    return out


@njit(cache=True, nogil=True)
def in_turn(found: Int32Array, count: int) -> tuple[Int64Array, Int32Array]:
    """Runs (object, row, first column, one past the last) object by object, else in their order."""
    n = found.shape[0]
    start = np.zeros(count + 1, np.int64)
    for k in range(np.uint64(n)):
        start[np.uint64(found[k, 0]) + np.uint64(1)] += 1
    for i in range(count):
        start[i + 1] += start[i]
    spans, place = np.empty((n, 3), np.int32), start.copy()
    for k in range(np.uint64(n)):
        number = np.uint64(found[k, 0])
        at = np.uint64(place[number])
        spans[at, 0], spans[at, 1], spans[at, 2] = found[k, 1], found[k, 2], found[k, 3]
        place[number] += 1
    return start, spans


@njit(cache=True, nogil=True)
def picked(
    first: Int64Array, last: Int64Array, spans: Int32Array, order: IntpArray
) -> tuple[Int64Array, Int32Array]:
    """Runs of some objects, in this order, of which each has those from ``first`` to before ``last``."""
    start = np.zeros(order.size + 1, np.int64)
    for i in range(order.size):
        start[i + 1] = start[i] + last[order[i]] - first[order[i]]
    out = np.empty((start[order.size], 3), np.int32)
    for i in range(order.size):
        n = start[i]
        for k in range(first[order[i]], last[order[i]]):
            out[n, 0], out[n, 1], out[n, 2] = spans[k, 0], spans[k, 1], spans[k, 2]
            n += 1
    return start, out


@njit(cache=True, nogil=True)
def mark_ends(row: Int32Array, ends: UInt8Array) -> None:
    """1 where the next pixel is another label's, and at the end of the row."""
    for x in range(row.size - 1):
        ends[x] = row[x] != row[x + 1]
    ends[row.size - 1] = 1


@njit(cache=True, nogil=True)
def _sums(start: Int64Array, spans: Int32Array, out: Int64Array) -> None:
    """Sums of each object, which are divided once: no run is a multiple by itself."""
    for i in range(out.shape[0]):
        pixels = twice_x = y_sum = twelve_xx = yy = twice_xy = 0
        for k in range(np.uint64(start[i]), np.uint64(start[i + 1])):
            y, begin, end = int(spans[k, 0]), int(spans[k, 1]), int(spans[k, 2])
            n, twice = end - begin, begin + end - 1
            pixels += n
            twice_x += twice * n
            y_sum += y * n
            twelve_xx += n * (3 * twice * twice + n * n - 1)
            yy += y * y * n
            twice_xy += y * twice * n
        row = out[i]
        row[PIXELS], row[SUM_X], row[SUM_Y] = pixels, twice_x // 2, y_sum
        row[SUM_XX], row[SUM_YY], row[SUM_XY] = twelve_xx // 12, yy, twice_xy // 2


@njit(cache=True, nogil=True)
def _cuts(start: Int64Array, spans: Int32Array, out: Int64Array) -> None:
    for i in range(out.shape[0]):
        own = spans[start[i] : start[i + 1]]
        straight, diagonal = _pairs_of_stack(own) if is_stack(own) else _pairs(own)
        runs, pixels = start[i + 1] - start[i], out[i, PIXELS]
        out[i, CUT_STRAIGHT] = 2 * (runs + pixels - straight)
        out[i, CUT_DIAGONAL] = 2 * (2 * pixels - diagonal)


@njit(cache=True, nogil=True)
def is_stack(own: Int32Array) -> bool:
    """Whether an object is one run in every row, each beside the one above, as most are."""
    apart = 0
    for k in range(np.uint64(1), np.uint64(own.shape[0])):
        above = k - np.uint64(1)
        apart += own[k, 0] != own[above, 0] + 1
        apart += min(own[k, 2], own[above, 2]) <= max(own[k, 1], own[above, 1])
    return apart == 0


@njit(cache=True, nogil=True)
def _pairs_of_stack(own: Int32Array) -> tuple[int, int]:
    """As `_pairs`, where each run has one above it."""
    straight = diagonal = 0
    for k in range(np.uint64(1), np.uint64(own.shape[0])):
        above = k - np.uint64(1)
        begin, end, first, last = own[k, 1], own[k, 2], own[above, 1], own[above, 2]
        straight += min(end, last) - max(begin, first)
        diagonal += max(0, min(end + 1, last) - max(begin + 1, first))
        diagonal += max(0, min(end - 1, last) - max(begin - 1, first))
    return straight, diagonal


@njit(cache=True, nogil=True)
def _pairs(own: Int32Array) -> tuple[int, int]:
    """Pairs within an object of a pixel and one of the row above, along the axis and along the diagonals."""
    straight = diagonal = above = 0
    for k in range(own.shape[0]):
        y, begin, end = int(own[k, 0]), int(own[k, 1]), int(own[k, 2])
        while own[above, 0] < y - 1:
            above += 1
        j = above
        while own[j, 0] < y:
            first, last = int(own[j, 1]), int(own[j, 2])
            straight += _shared(begin, end, first, last)
            diagonal += _shared(begin + 1, end + 1, first, last) + _shared(begin - 1, end - 1, first, last)
            j += 1
    return straight, diagonal


@njit(cache=True, nogil=True)
def _shared(begin: int, end: int, first: int, last: int) -> int:
    """Columns that two spans share."""
    return max(0, min(end, last) - max(begin, first))


@njit(cache=True, nogil=True)
def add_run(y: int, begin: int, end: int, row: Int64Array) -> None:
    """Add the pixels of a run to the columns up to `SUM_XY`."""
    n = end - begin
    along = (begin + end - 1) * n // 2
    row[PIXELS] += n
    row[SUM_X] += along
    row[SUM_Y] += y * n
    row[SUM_XX] += _squares(end - 1) - _squares(begin - 1)
    row[SUM_YY] += y * y * n
    row[SUM_XY] += y * along


@njit(cache=True, nogil=True)
def _squares(m: int) -> int:
    """Sum of the squares up to that of ``m``."""
    return m * (m + 1) * (2 * m + 1) // 6


@njit(cache=True, nogil=True)
def _paint(start: Int64Array, spans: Int32Array, numbers: Int32Array, labels: Int32Array) -> None:
    for i in range(numbers.size):
        paint_runs(spans[start[i] : start[i + 1]], numbers[i], labels)


@njit(cache=True, nogil=True)
def paint_runs(spans: Int32Array, number: int, labels: Int32Array) -> None:
    """Give the pixels of runs (row, first column, one past the last) a number, in place."""
    for k in range(spans.shape[0]):
        labels[spans[k, 0], spans[k, 1] : spans[k, 2]] = number


@njit(cache=True, nogil=True)
def _boxes(start: Int64Array, spans: Int32Array, out: Int32Array) -> None:
    for i in range(out.shape[0]):
        first, end = start[i], start[i + 1]
        if first == end:
            continue
        box = out[i]
        box[0], box[1], box[2], box[3] = spans[first, 0], spans[first, 1], spans[end - 1, 0] + 1, 0
        for k in range(first, end):
            box[1], box[3] = min(box[1], spans[k, 1]), max(box[3], spans[k, 2])
