"""Masks as runs of pixels in rows: their components cost as much as their edges, not as their area."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.marks import WORD, places

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.integer]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]


class Components(NamedTuple):
    """Connected sets of runs, numbered from 0 by their first pixel in raster order.

    Attributes
    ----------
    of_run : ndarray of int32, shape (runs,)
        Component of each run.
    first : ndarray of int32, shape (n, 2)
        (y, x) of the first pixel in raster order.
    boxes : ndarray of int32, shape (n, 4)
        Left, top, width and height.
    pixels : ndarray of int64, shape (n,)
        Area.
    """

    of_run: Int32Array
    first: Int32Array
    boxes: Int32Array
    pixels: Int64Array


class Runs(NamedTuple):
    """The pixels of a mask.

    Attributes
    ----------
    rows : ndarray of int64, shape (h + 1,)
        Runs of row ``y`` are numbers ``rows[y]`` to ``rows[y + 1] - 1``.
    spans : ndarray of int32, shape (runs, 2)
        First column of each run and one past its last; runs of a row never touch.
    width : int
        Of the mask.
    """

    rows: Int64Array
    spans: Int32Array
    width: int

    @classmethod
    def of_mask(cls, mask: IntArray, least: int = 1) -> Runs:
        """Runs of the pixels that are at least so much; shape (h, w)."""
        rows, spans = _find(np.ascontiguousarray(mask), least)
        return cls(rows, spans, mask.shape[1])

    def gaps(self) -> Runs:
        """Runs of all other pixels; every row begins and ends with one, which may be empty."""
        rows, spans = _between(self.rows, self.spans, self.width)
        return Runs(rows, spans, self.width)

    def with_gaps(self, gaps: Runs, chosen: BoolArray) -> Runs:
        """These runs and the chosen ones of their `gaps`."""
        rows, spans = _bridged(self.rows, self.spans, gaps.spans, chosen)
        return Runs(rows, spans, self.width)

    def only(self, chosen: BoolArray) -> Runs:
        """Runs picked by a mask over them."""
        before = np.concatenate([[0], np.cumsum(chosen)])
        return Runs(before[self.rows], self.spans[chosen], self.width)

    def components(self, connectivity: int) -> Components:
        """Sets of runs that touch, along edges (4) or corners too (8); empty runs belong to none.

        Returns
        -------
        Components
            ``of_run`` is -1 for an empty run.
        """
        return Components(*_components(self.rows, self.spans, 1 if connectivity == 8 else 0))

    def mask(self) -> BoolArray:
        """The pixels, bool, shape (h, w)."""
        out = np.zeros((len(self.rows) - 1, self.width), np.bool_)
        _paint_mask(self.rows, self.spans, out)
        return out

    def labels(self, of_run: Int32Array) -> Int32Array:
        """Image of component numbers plus 1; 0 elsewhere."""
        out = np.zeros((len(self.rows) - 1, self.width), np.int32)
        _paint_labels(self.rows, self.spans, of_run, out)
        return out


@njit(cache=True, nogil=True)
def _find(mask: IntArray, least: int) -> tuple[Int64Array, Int32Array]:
    height, width = mask.shape
    rows = np.zeros(height + 1, np.int64)
    spans = np.empty((max(1024, height), 2), np.int32)
    turns, columns = np.zeros(width + 1 + WORD, np.uint8), np.empty(width + 1 + WORD, np.int32)
    count = 0
    for y in range(height):
        ends = 0
        # most rows of most masks are empty
        if width > 0 and most_of(mask[y]) >= least:
            _mark_turns(mask[y], least, turns)
            ends = places(turns, width + 1, columns)
        while count + ends // 2 > spans.shape[0]:
            spans = np.concatenate((spans, np.empty_like(spans)))
        for k in range(0, ends, 2):
            spans[count, 0], spans[count, 1] = columns[k], columns[k + 1]
            count += 1
        rows[y + 1] = count
    return rows, spans[:count].copy()


@njit(cache=True, nogil=True)
def most_of(row: IntArray) -> int:
    """The largest number of a row of at least one; of its own type, so that vectors hold the most."""
    most = row[0]
    for x in range(row.size):
        most = max(most, row[x])
    return int(most)


@njit(cache=True, nogil=True)
def _mark_turns(row: IntArray, least: int, turns: UInt8Array) -> None:
    """1 where a run begins or has just ended."""
    width = row.size
    if width == 0:
        return
    turns[0] = row[0] >= least
    turns[width] = row[width - 1] >= least
    for x in range(1, width):
        turns[x] = (row[x] >= least) != (row[x - 1] >= least)


@njit(cache=True, nogil=True)
def _between(rows: Int64Array, spans: Int32Array, width: int) -> tuple[Int64Array, Int32Array]:
    height = rows.size - 1
    out_rows = rows + np.arange(height + 1)
    out = np.empty((spans.shape[0] + height, 2), np.int32)
    count = 0
    for y in range(height):
        start = 0
        for i in range(rows[y], rows[y + 1]):
            out[count, 0], out[count, 1] = start, spans[i, 0]
            start = spans[i, 1]
            count += 1
        out[count, 0], out[count, 1] = start, width
        count += 1
    return out_rows, out


@njit(cache=True, nogil=True)
def _bridged(
    rows: Int64Array, spans: Int32Array, gaps: Int32Array, chosen: BoolArray
) -> tuple[Int64Array, Int32Array]:
    """Runs and chosen gaps in turn, joined where they touch."""
    height = rows.size - 1
    out_rows = np.zeros(height + 1, np.int64)
    out = np.empty((spans.shape[0] + gaps.shape[0], 2), np.int32)
    count = 0
    for y in range(height):
        first = count
        for i in range(rows[y], rows[y + 1] + 1):
            gap = i + y
            if chosen[gap] and gaps[gap, 0] < gaps[gap, 1]:
                if count > first and out[count - 1, 1] == gaps[gap, 0]:
                    out[count - 1, 1] = gaps[gap, 1]
                else:
                    out[count, 0], out[count, 1] = gaps[gap, 0], gaps[gap, 1]
                    count += 1
            if i == rows[y + 1]:
                break
            if count > first and out[count - 1, 1] == spans[i, 0]:
                out[count - 1, 1] = spans[i, 1]
            else:
                out[count, 0], out[count, 1] = spans[i, 0], spans[i, 1]
                count += 1
        out_rows[y + 1] = count
    return out_rows, out[:count].copy()


@njit(cache=True, nogil=True)
def root_of(up: Int32Array, i: int) -> int:
    """Follow a chain of runs to its end, and shorten it."""
    while up[i] != i:
        up[i] = up[up[i]]
        i = up[i]
    return i


@njit(cache=True, nogil=True)
def linked(rows: Int64Array, spans: Int32Array, reach: int) -> Int32Array:
    """Number of the earliest run of each run's component so far; a chain to it."""
    up = np.arange(spans.shape[0]).astype(np.int32)
    for y in range(1, rows.size - 1):
        above = rows[y - 1]
        for i in range(rows[y], rows[y + 1]):
            if spans[i, 0] == spans[i, 1]:
                continue
            while above < rows[y] and spans[above, 1] + reach <= spans[i, 0]:
                above += 1
            k = above
            while k < rows[y] and spans[k, 0] < spans[i, 1] + reach:
                if spans[k, 0] < spans[k, 1]:
                    a, b = root_of(up, k), root_of(up, i)
                    up[max(a, b)] = min(a, b)
                k += 1
    return up


@njit(cache=True, nogil=True)
def _components(
    rows: Int64Array, spans: Int32Array, reach: int
) -> tuple[Int32Array, Int32Array, Int32Array, Int64Array]:
    up = linked(rows, spans, reach)
    number = np.full(spans.shape[0], -1, np.int32)
    count = 0
    for i in range(spans.shape[0]):
        if spans[i, 0] < spans[i, 1]:
            root = root_of(up, i)
            if root == i:
                number[i] = count
                count += 1
            else:
                number[i] = number[root]
    first, boxes = np.empty((count, 2), np.int32), np.empty((count, 4), np.int32)
    pixels = np.zeros(count, np.int64)
    for y in range(rows.size - 1):
        for i in range(rows[y], rows[y + 1]):
            n = number[i]
            if n < 0:
                continue
            begin, end = spans[i, 0], spans[i, 1]
            box = boxes[n]
            if pixels[n] == 0:
                first[n, 0], first[n, 1] = y, begin
                box[0], box[1], box[2] = begin, y, end
            box[0], box[2], box[3] = min(box[0], begin), max(box[2], end), y + 1
            pixels[n] += end - begin
    boxes[:, 2] -= boxes[:, 0]
    boxes[:, 3] -= boxes[:, 1]
    return number, first, boxes, pixels


@njit(cache=True, nogil=True)
def _paint_mask(rows: Int64Array, spans: Int32Array, out: BoolArray) -> None:
    for y in range(out.shape[0]):
        for i in range(rows[y], rows[y + 1]):
            out[y, spans[i, 0] : spans[i, 1]] = True


@njit(cache=True, nogil=True)
def _paint_labels(rows: Int64Array, spans: Int32Array, of_run: Int32Array, out: Int32Array) -> None:
    for y in range(out.shape[0]):
        for i in range(rows[y], rows[y + 1]):
            out[y, spans[i, 0] : spans[i, 1]] = of_run[i] + 1
