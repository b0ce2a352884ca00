"""How sharply each nucleus stands out from what lies beside it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.marks import WORD, places

Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]

# Unsigned, as columns are: a signed one would be asked whether it is negative.
_ONE = np.uint64(1)


def boundary_steps(labels: Int32Array, dark: IntArray, reach_px: int, count: int | None = None) -> FloatArray:
    """Mean step of darkness across the free boundary of each object.

    The step is read from ``reach_px`` inside the inner pixel of an edge to ``reach_px`` outside the outer
    one. Edges towards another object tell nothing about the object's surroundings and are left out.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Labels 1 to n; 0 for none.
    dark : ndarray of int16 or int32, shape (h, w)
    reach_px : int
    count : int, optional
        n, where it is known already.

    Returns
    -------
    ndarray of float64, shape (n,)
        In units of ``dark``, a quotient of two whole numbers; NaN for an object without a free edge.
    """
    sums = np.zeros((int(labels.max(initial=0)) if count is None else count, 2), np.int64)
    _steps(labels, dark, reach_px, sums)
    known = sums[:, 0] > 0
    mean = np.divide(sums[:, 1], sums[:, 0], out=np.full(len(sums), np.nan), where=known)
    return np.asarray(mean, dtype=np.float64)


@njit(cache=True, nogil=True)
def _steps(labels: Int32Array, dark: IntArray, reach: int, sums: Int64Array) -> None:
    height, width = labels.shape
    margin = reach + 1
    marks, columns = np.zeros(width + WORD, np.uint8), np.empty(width + WORD, np.int32)
    wide, wide_dark = np.empty(width + 2 * margin, np.int32), np.empty(width + 2 * margin, dark.dtype)
    for y in range(height):
        # what lies beyond the window's edge is as the pixel on it: nothing is free there
        above, here, below = labels[max(y - 1, 0)], labels[y], labels[min(y + 1, height - 1)]
        _mark_edges(above, here, below, marks)
        high, low = max(y - margin, 0), min(y + margin, height - 1)
        inner_up, inner_down = dark[min(y + reach, height - 1)], dark[max(y - reach, 0)]
        _widen(here, margin, wide)
        _widen(dark[y], margin, wide_dark)
        for k in range(places(marks, width, columns)):
            x = np.uint64(columns[k])
            middle, last = x + np.uint64(margin), x + np.uint64(2 * margin)
            label, count, total = here[x], 0, 0
            drop = int(inner_up[x]) - int(dark[high, x])
            count, total = _add_step(above[x], labels[high, x], label, drop, count, total)
            drop = int(inner_down[x]) - int(dark[low, x])
            count, total = _add_step(below[x], labels[low, x], label, drop, count, total)
            drop = int(wide_dark[last - _ONE]) - int(wide_dark[x])
            count, total = _add_step(wide[middle - _ONE], wide[x], label, drop, count, total)
            drop = int(wide_dark[x + _ONE]) - int(wide_dark[last])
            count, total = _add_step(wide[middle + _ONE], wide[last], label, drop, count, total)
            held = sums[np.uint64(label - 1)]
            held[0] += count
            held[1] += total


@njit(cache=True, nogil=True)
def _add_step(beside: int, beyond: int, label: int, drop: int, count: int, total: int) -> tuple[int, int]:
    """One side of a pixel, without a branch: half of them are free, in no order."""
    free = (beside == 0) & ((beyond == 0) | (beyond == label))
    return count + free, total + free * drop


@njit(cache=True, nogil=True)
def _widen(row: IntArray, margin: int, out: IntArray) -> None:
    middle = out[margin : margin + row.size]
    for x in range(row.size):
        middle[x] = row[x]
    out[:margin] = row[0]
    out[margin + row.size :] = row[row.size - 1]


@njit(cache=True, nogil=True)
def _mark_edges(above: Int32Array, here: Int32Array, below: Int32Array, marks: UInt8Array) -> None:
    """1 for pixels of objects with a free one above, left, right or below."""
    last = here.size - 1
    for x in range(here.size):
        marks[x] = (above[x] == 0) | (below[x] == 0)
    for x in range(1, here.size):
        marks[x] |= here[x - 1] == 0
    for x in range(last):
        marks[x] |= here[x + 1] == 0
    for x in range(here.size):
        marks[x] &= here[x] != 0
