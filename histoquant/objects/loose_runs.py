"""Objects as runs that lie anywhere in one table: to change one costs as much as that one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.label_runs import LabelRuns, in_turn, picked
from histoquant.objects.lane_rows import positive
from histoquant.objects.marks import WORD, noted, turns_of

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
IntegerArray = npt.NDArray[np.integer]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
Bits = npt.NDArray[np.uint64]
IntpArray = npt.NDArray[np.intp]

# Of a place in a row of bits: its word lies so many bits up, its bit in those below
_SHIFT = np.uint64(6)
_TOP = np.uint64(WORD - 1)
_ALL = np.uint64(2**WORD - 1)
# Pixels of 16 bits that are read, or come from memory, at once
_SHORT = 32

_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


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

    def touching(self, box: tuple[int, int, int, int]) -> Int64Array:
        """Objects whose own box shares a pixel with a box (y0, x0, y1, x1), half open; their numbers."""
        rows: Int64Array = _touching(self, box)
        return rows

    def some(self, rows: IntArray) -> LooseRuns:
        """Some of the objects, the runs of the others being nobody's."""
        return self._replace(first=self.first[rows], last=self.last[rows])

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

    def bits(self, shape: tuple[int, int]) -> Bits:
        """Which pixels of a window are in an object: bit ``x % 64`` of word ``x // 64``; a word more.

        Parameters
        ----------
        shape : tuple of int
            Height and width.

        Returns
        -------
        ndarray of uint64, shape (h, words + 1)
        """
        out = np.zeros((shape[0], (shape[1] + WORD - 1) // WORD + 1), np.uint64)
        _set_bits(self, out)
        return out

    def stains(self, blue: Int16Array, brown: Int16Array) -> Int64Array:
        """Sums of two planes over each object, negative values as 0; int64, shape (n, 2)."""
        out = np.zeros((len(self.first), 2), np.int64)
        _stains(self, np.ascontiguousarray(blue), np.ascontiguousarray(brown), out)
        return out


@njit(cache=True, nogil=True)
def _meet(labels: Int32Array, count: int) -> tuple[Int64Array, Int32Array, Int32Array]:
    height, width = labels.shape
    found, n = np.empty((run_room(labels.shape), 4), np.int32), 0
    row, columns = np.zeros(width + 2 * WORD, np.int32), np.empty(width + 2 * WORD, np.int32)
    names, rank, met = np.empty(count + 1, np.int32), np.full(count + 1, -1, np.int32), 0
    rank[0] = 0
    for y in range(height):
        while n + width > found.shape[0]:
            found = np.concatenate((found, np.empty_like(found)))
        copy_row(labels[y], row[1 : width + 1])
        k, met = note_runs(row, y, columns, found[n:], rank, names, met)
        n += k
    start, spans = in_turn(found[:n], met)
    return start, spans, names[:met].copy()


@_kernel
def run_room(shape: tuple[int, int]) -> int:
    """Room for more runs than dense tissue has: what is not used is never given by the system."""
    height, width = shape
    return int(max(height, 16) * (width // 32 + 1) + width)


@_kernel
def copy_row(row: IntegerArray, out: IntegerArray) -> None:
    """Copy a row into another; as a slice it takes more than twice as long."""
    for x in range(row.size):
        out[x] = row[x]


@_kernel
def note_runs(
    row: IntegerArray,
    y: int,
    columns: Int32Array,
    found: Int32Array,
    rank: Int32Array,
    names: Int32Array,
    met: int,
) -> tuple[int, int]:
    """Note the runs of a row of labels, and the labels that were never met; how many runs, and how many met.

    Parameters
    ----------
    row : ndarray of uint16 or int32, shape (w + 2 * WORD,)
        The labels from place 1 on, zeros around them.
    y : int
    columns : ndarray of int32, shape (w + 2 * WORD,)
        To work in.
    found : ndarray of int32, shape (at least w, 4)
        Receives object, row, first column and one past the last.
    rank, names : ndarray of int32, shape (n + 1,)
        Object of each label, -1 for none yet (of 0 any other number), and label of each object.
    met : int
        Objects so far.
    """
    turns = np.uint64(0)
    for start in range(np.uint64(0), np.uint64(row.size - WORD), np.uint64(WORD)):
        turns = noted(turns_of(row, start), start, turns, columns)
    n, begin = np.uint64(0), 0
    for k in range(turns):
        end = columns[k]
        label = row[np.uint64(end)]
        if rank[np.uint64(label)] < 0:
            rank[np.uint64(label)], names[met] = met, label
            met += 1
        out = found[n]
        out[0], out[1], out[2], out[3] = rank[np.uint64(label)], y, begin, end
        # what lies between objects is written over
        n += np.uint64(label > 0)
        begin = end
    return int(n), met


@njit(cache=True, nogil=True)
def box_of(own: Int32Array) -> tuple[int, int, int, int]:
    """Box (y0, x0, y1, x1), half open, of an object's runs."""
    left, right = own[0, 1], own[0, 2]
    for k in range(np.uint64(1), np.uint64(own.shape[0])):
        left, right = min(left, own[k, 1]), max(right, own[k, 2])
    return int(own[0, 0]), int(left), int(own[-1, 0]) + 1, int(right)


@njit(cache=True, nogil=True)
def _touching(runs: LooseRuns, box: tuple[int, int, int, int]) -> Int64Array:
    rows, count = np.empty(runs.first.size, np.int64), 0
    for i in range(runs.first.size):
        y0, x0, y1, x1 = box_of(runs.spans[runs.first[i] : runs.last[i]])
        rows[count] = i
        count += (y0 < box[2]) & (y1 > box[0]) & (x0 < box[3]) & (x1 > box[1])
    return rows[:count].copy()


@njit(cache=True, nogil=True)
def _set_bits(runs: LooseRuns, out: Bits) -> None:
    for i in range(runs.first.size):
        for k in range(runs.first[i], runs.last[i]):
            row, begin, last = out[runs.spans[k, 0]], runs.spans[k, 1], runs.spans[k, 2] - 1
            first_word, last_word = np.uint64(begin) >> _SHIFT, np.uint64(last) >> _SHIFT
            head, tail = _ALL << (np.uint64(begin) & _TOP), _ALL >> (_TOP - (np.uint64(last) & _TOP))
            if first_word == last_word:
                row[first_word] |= head & tail
            else:
                row[first_word] |= head
                row[last_word] |= tail
                for word in range(first_word + np.uint64(1), last_word):
                    row[word] = _ALL


@_kernel
def read_row(row: IntArray) -> int:
    """Read a row from end to end, as memory likes best, where objects have a few pixels of many rows.

    What it returns is of no use but that the row must be read.
    """
    values = 0
    for x in range(np.uint64(0), np.uint64(row.size), np.uint64(_SHORT)):
        values += row[x]
    return values


@njit(cache=True, nogil=True)
def _stains(runs: LooseRuns, blue: Int16Array, brown: Int16Array, out: Int64Array) -> int:
    """Sums over objects, which lie down the window; returns what nobody needs."""
    height, width = blue.shape
    flat_blue, flat_brown, read, values = blue.ravel(), brown.ravel(), 0, 0
    for i in range(out.shape[0]):
        one = two = 0
        while read < min(runs.spans[runs.last[i] - 1, 0] + 1, height):
            values += read_row(blue[read]) + read_row(brown[read])
            read += 1
        for k in range(runs.first[i], runs.last[i]):
            begin, end = int(runs.spans[k, 1]), int(runs.spans[k, 2])
            place = runs.spans[k, 0] * width + begin
            if end - begin < _SHORT and place + _SHORT <= flat_blue.size:
                word = np.uint32((1 << (end - begin)) - 1)
                one += positive(flat_blue, place, word)
                two += positive(flat_brown, place, word)
                continue
            for at in range(np.uint64(place), np.uint64(place + end - begin)):
                one += max(int(flat_blue[at]), 0)
                two += max(int(flat_brown[at]), 0)
        out[i, 0], out[i, 1] = one, two
    return values
