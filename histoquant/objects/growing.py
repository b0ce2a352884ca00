"""Labelled objects grow downhill, a pixel at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.marks import WORD, places

Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
UInt8Array = npt.NDArray[np.uint8]

_NEVER = 1 << 30
# What joins in a row: columns and labels
_COLUMN, _LABEL = range(2)


def grow(
    labels: Int32Array, dark: IntArray, levels: UInt8Array, steps: int, count: int | None = None
) -> None:
    """Grow objects downhill, in place, a pixel per step, down to half the lowest level they hold.

    A free pixel joins the darkest of its four neighbours that is in an object and at least as dark as
    itself; of equally dark ones the first in the order up, left, right, down.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    dark : ndarray of int16 or int32, shape (h, w)
    levels : ndarray of uint8, shape (h, w)
        0 where nothing may grow.
    steps : int
    count : int, optional
        Largest label, where it is known already.
    """
    if steps == 0:
        return
    lowest = _lowest(labels, levels, int(labels.max(initial=0)) if count is None else count)
    _grow(labels, dark, levels, steps, lowest)


@njit(cache=True, nogil=True)
def _lowest(labels: Int32Array, levels: UInt8Array, count: int) -> Int32Array:
    lowest = np.full(count + 1, 255, np.int32)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            if labels[y, x] > 0:
                lowest[labels[y, x]] = min(lowest[labels[y, x]], levels[y, x])
    # what is in no object never grows
    lowest[0] = _NEVER
    return lowest


@njit(cache=True, nogil=True)
def _grow(labels: Int32Array, dark: IntArray, levels: UInt8Array, steps: int, lowest: Int32Array) -> None:
    """All steps in one go down the rows: a step follows two rows behind the one before.

    What joins in a row is written down when the step has looked at the next row, which must not see it.
    """
    height, width = labels.shape
    joined, count = np.empty((steps, 2, 2, width + WORD), np.int32), np.zeros((steps, 2), np.int64)
    marks, nobody = np.zeros(width + WORD, np.uint8), np.zeros(width, np.int32)
    for front in range(height + 2 * steps - 1):
        for step in range(steps):
            y = front - 2 * step
            if 0 <= y < height:
                rows = (
                    labels[y - 1] if y > 0 else nobody,
                    labels[y],
                    labels[y + 1] if y < height - 1 else nobody,
                )
                darkness = (dark[max(y - 1, 0)], dark[y], dark[min(y + 1, height - 1)])
                _mark_beside(rows, levels[y], marks)
                count[step, y % 2] = _join_row(rows, darkness, levels[y], lowest, marks, joined[step, y % 2])
            if 0 < y <= height:
                before = joined[step, (y - 1) % 2]
                for k in range(count[step, (y - 1) % 2]):
                    labels[y - 1, before[_COLUMN, k]] = before[_LABEL, k]


@njit(cache=True, nogil=True)
def _join_row(
    rows: tuple[Int32Array, Int32Array, Int32Array],
    darkness: tuple[IntArray, IntArray, IntArray],
    levels: UInt8Array,
    lowest: Int32Array,
    marks: UInt8Array,
    joined: Int32Array,
) -> int:
    """Which marked pixels join which object; how many do."""
    column, label = joined
    count = 0
    # a pixel's place is written over by a later one's only after it was read
    for k in range(places(marks, levels.size, column)):
        x = column[k]
        best = _uphill(rows, darkness, x, 2 * np.int32(levels[x]), lowest)
        column[count], label[count] = x, best
        count += int(best > 0)
    return count


@njit(cache=True, nogil=True)
def _mark_beside(
    rows: tuple[Int32Array, Int32Array, Int32Array], levels: UInt8Array, marks: UInt8Array
) -> None:
    """1 for free pixels that may be in an object and have one above, left, right or below."""
    above, here, under = rows
    width = here.size
    marks[0] = width > 1 and here[1] != 0
    marks[width - 1] = width > 1 and here[width - 2] != 0
    for x in range(1, width - 1):
        marks[x] = (here[x - 1] | here[x + 1]) != 0
    for x in range(width):
        beside = (marks[x] != 0) | ((above[x] | under[x]) != 0)
        marks[x] = beside & (here[x] == 0) & (levels[x] != 0)


@njit(cache=True, nogil=True)
def _uphill(
    labels: tuple[Int32Array, Int32Array, Int32Array],
    darkness: tuple[IntArray, IntArray, IntArray],
    x: int,
    twice: int,
    lowest: Int32Array,
) -> np.int32:
    """The object that a free pixel joins, of those in the rows above, here and below; 0 for none."""
    above, here, under = labels
    # at the window's edge a pixel meets itself, and is in no object
    at, left, right = np.uint64(x), np.uint64(max(x - 1, 0)), np.uint64(min(x + 1, here.size - 1))
    joins, best = np.int32(0), int(darkness[1][at]) - 1
    joins, best = _darker(above[at], darkness[0][at], twice, lowest, joins, best)
    joins, best = _darker(here[left], darkness[1][left], twice, lowest, joins, best)
    joins, best = _darker(here[right], darkness[1][right], twice, lowest, joins, best)
    joins, best = _darker(under[at], darkness[2][at], twice, lowest, joins, best)
    return np.int32(joins)


@njit(cache=True, nogil=True)
def _darker(
    label: np.int32, dark: int, twice: int, lowest: Int32Array, joins: np.int32, best: int
) -> tuple[np.int32, int]:
    """The darker choice, without a branch: either is as likely."""
    better = (twice > lowest[np.uint32(label)]) & (dark > best)
    return label if better else joins, dark if better else best
