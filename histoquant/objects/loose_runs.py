"""Objects as runs that lie anywhere in one table: to change one costs as much as that one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.label_runs import LabelRuns, in_turn, mark_ends, picked
from histoquant.objects.marks import WORD, places
from histoquant.objects.prefetch import prefetch

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
IntpArray = npt.NDArray[np.intp]

# Below every darkness
_NO_DARKNESS = -(1 << 40)
# Runs ahead that are fetched: as many as arrive while that many are read
_AHEAD = 8


class LooseRuns(NamedTuple):
    """Runs of objects.

    Attributes
    ----------
    first, last : ndarray of int64, shape (n,)
        Runs of object ``i`` are numbers ``first[i]`` to ``last[i] - 1``, in raster order.
    spans : ndarray of int32, shape (runs, 3)
        Row, first column and one past the last column of each run; some may be nobody's.
    """

    first: Int64Array
    last: Int64Array
    spans: Int32Array

    @classmethod
    def met(cls, labels: Int32Array, count: int) -> tuple[LooseRuns, Int32Array]:
        """Objects in the order in which their first pixels are met, so that those near each other follow.

        Parameters
        ----------
        labels : ndarray of int32, shape (h, w)
            Labels 1 to ``count``; 0 for none.
        count : int

        Returns
        -------
        runs : LooseRuns
        names : ndarray of int32, shape (n,)
            Label of each object; labels without pixels are left out.
        """
        start, spans, names = _meet(labels, count)
        return cls(start[:-1], start[1:], spans), names

    def taken(self, order: IntpArray) -> LabelRuns:
        """Runs of some of the objects, in this order."""
        return LabelRuns(*picked(self.first, self.last, self.spans, order))

    def changed(self, rows: IntArray, more: Int32Array, counts: Int64Array) -> LooseRuns:
        """With other runs for some objects.

        Parameters
        ----------
        rows : ndarray of int, shape (m,)
            Which objects; one past the last is a further one, and so on.
        more : ndarray of int32, shape (k, 3)
            Their runs, one after the other.
        counts : ndarray of int64, shape (m,)
            How many runs each of them has.

        Returns
        -------
        LooseRuns
        """
        size = max(len(self.first), int(rows.max(initial=-1)) + 1)
        first, last = np.zeros((2, size), np.int64)
        first[: len(self.first)], last[: len(self.last)] = self.first, self.last
        last[rows] = len(self.spans) + np.cumsum(counts)
        first[rows] = last[rows] - counts
        return LooseRuns(first, last, np.concatenate([self.spans, more]))

    def darkest(self, dark: IntArray) -> Int32Array:
        """Place (y, x) of each object's darkest pixel, the first in raster order where several are.

        Parameters
        ----------
        dark : ndarray of int16 or int32, shape (h, w)

        Returns
        -------
        ndarray of int32, shape (n, 2)
        """
        out = np.empty((len(self.first), 2), np.int32)
        _darkest(self, dark, out)
        return out

    def stains(self, blue: Int16Array, brown: Int16Array) -> Int64Array:
        """Sums of two planes over each object, negative values as 0; int64, shape (n, 2)."""
        out = np.zeros((len(self.first), 2), np.int64)
        _stains(self, blue, brown, out)
        return out


@njit(cache=True, nogil=True)
def _meet(labels: Int32Array, count: int) -> tuple[Int64Array, Int32Array, Int32Array]:
    height, width = labels.shape
    # object, row, first column and one past the last, in raster order
    found = np.empty((max(1024, width), 4), np.int32)
    ends, columns = np.zeros(width + WORD, np.uint8), np.empty(width + WORD, np.int32)
    names, rank = np.empty(count + 1, np.int32), np.full(count + 1, -1, np.int32)
    n = met = 0
    for y in range(height):
        row = labels[y]
        mark_ends(row, ends)
        while n + width > found.shape[0]:
            found = np.concatenate((found, np.empty_like(found)))
        begin = 0
        for k in range(places(ends, width, columns)):
            last = columns[k]
            label = row[last]
            if rank[label] < 0 and label > 0:
                rank[label], names[met] = met, label
                met += 1
            found[n, 0], found[n, 1], found[n, 2], found[n, 3] = rank[label], y, begin, last + 1
            # what lies between objects is written over
            n += int(label > 0)
            begin = last + 1
    start, spans = in_turn(found[:n], met)
    return start, spans, names[:met].copy()


@njit(cache=True, nogil=True)
def box_of(own: Int32Array) -> tuple[int, int, int, int]:
    """Box (y0, x0, y1, x1), half open, of an object's runs."""
    left, right = own[0, 1], own[0, 2]
    for k in range(np.uint64(1), np.uint64(own.shape[0])):
        left, right = min(left, own[k, 1]), max(right, own[k, 2])
    return int(own[0, 0]), int(left), int(own[-1, 0]) + 1, int(right)


@njit(cache=True, nogil=True)
def _darkest(runs: LooseRuns, dark: IntArray, out: Int32Array) -> None:
    spans = runs.spans
    for i in range(out.shape[0]):
        best, found = _NO_DARKNESS, runs.first[i]
        for k in range(runs.first[i], runs.last[i]):
            ahead = min(k + _AHEAD, spans.shape[0] - 1)
            prefetch(dark, spans[ahead, 0], spans[ahead, 1])
            row = dark[spans[k, 0]]
            most = best
            for x in range(np.uint64(spans[k, 1]), np.uint64(spans[k, 2])):
                most = max(most, int(row[x]))
            if most > best:
                best, found = most, k
        row, x = dark[spans[found, 0]], spans[found, 1]
        while row[x] < best:
            x += 1
        out[i, 0], out[i, 1] = spans[found, 0], x


@njit(cache=True, nogil=True)
def _stains(runs: LooseRuns, blue: Int16Array, brown: Int16Array, out: Int64Array) -> None:
    for i in range(out.shape[0]):
        one = two = 0
        for k in range(runs.first[i], runs.last[i]):
            blue_row, brown_row = blue[runs.spans[k, 0]], brown[runs.spans[k, 0]]
            for x in range(np.uint64(runs.spans[k, 1]), np.uint64(runs.spans[k, 2])):
                one += max(int(blue_row[x]), 0)
                two += max(int(brown_row[x]), 0)
        out[i, 0], out[i, 1] = one, two
