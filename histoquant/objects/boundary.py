"""The darkest pixel of each nucleus, and how sharply the nucleus stands out from what lies beside it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.lane_rows import largest, same, weighed
from histoquant.objects.lanes import Masks
from histoquant.objects.loose_runs import LooseRuns, box_of, read_row
from histoquant.objects.marks import WORD, bits_set, lowest_bit

Bits = npt.NDArray[np.uint64]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

# Rows of words of one object: itself, what is in no object, and its pixels beside such, by their side
_OWN, _FREE, _UP, _DOWN, _BEFORE, _AFTER = range(6)
_ROLES = 6
# Of an object, as far as steps go, and as far again; all are cleared, which takes less than to count them.
_ROWS = 96
# Below every darkness, a row less
_MOST_FIRST = np.int64(-(1 << 40))
_ONE = np.uint64(1)
_TOP = np.uint64(WORD - 1)
_NARROW = 32

_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


class _Look(NamedTuple):
    """Darkness, as a plane and as one row, what is in objects, and how far a step goes."""

    plane: IntArray
    dark: IntArray
    held: Bits
    margin: int
    reach: int


def darkest_and_steps(
    runs: LooseRuns, held: Bits, dark: IntArray, reach_px: int
) -> tuple[Int32Array, FloatArray]:
    """Darkest pixel of each object and mean step of darkness across its free boundary.

    The step is read from ``reach_px`` inside the inner pixel of an edge to ``reach_px`` outside the outer
    one. Edges towards another object tell nothing about the object's surroundings and are left out.

    Parameters
    ----------
    runs : LooseRuns
        Objects that are asked for.
    held : ndarray of uint64, shape (h, words + 1)
        Pixels of all objects of the window, as `LooseRuns.bits`.
    dark : ndarray of int16 or int32, shape (h, w)
        Within +-2^20.
    reach_px : int

    Returns
    -------
    darkest : ndarray of int32, shape (n, 2)
        (y, x), the first in raster order where several are.
    steps : ndarray of float64, shape (n,)
        In units of ``dark``, a quotient of two whole numbers; NaN for an object without a free edge.
    """
    count = len(runs.first)
    darkest, sums = np.empty((count, 2), np.int32), np.zeros((count, 2), np.int64)
    plane = np.ascontiguousarray(dark)
    look = _Look(plane, plane.ravel(), held, reach_px + 1, reach_px)
    _look_at_all(runs, look, darkest, sums)
    steps = np.divide(sums[:, 1], sums[:, 0], out=np.full(count, np.nan), where=sums[:, 0] > 0)
    return darkest, np.asarray(steps, np.float64)


@njit(cache=True, nogil=True)
def _look_at_all(runs: LooseRuns, look: _Look, darkest: Int32Array, sums: Int64Array) -> int:
    """Look at objects, which lie down the window; returns what nobody needs, so that rows are read ahead."""
    height, width = look.plane.shape
    margin, read, values = look.margin, 0, 0
    narrow, wide = np.empty((_ROLES, _ROWS), np.uint32), np.empty((_ROLES, _ROWS), np.uint64)
    for i in range(runs.first.size):
        own = runs.spans[runs.first[i] : runs.last[i]]
        y0, x0, y1, x1 = box_of(own)
        while read < min(y1 + margin, height):
            values += read_row(look.plane[read])
            read += 1
        across, frame = x1 - x0 + 2 * margin, y1 - y0 + 4 * margin
        bits = _NARROW if across <= _NARROW else WORD
        inside = min(y0, x0) >= margin and y1 + margin <= height and x1 + margin <= width
        inside &= (y1 + margin - 1) * width + x0 - margin + bits <= look.dark.size
        if not inside or across > WORD or frame > _ROWS:
            _look_plainly(own, look, darkest[i], sums[i])
        elif bits == _NARROW:
            _look_at(own, (y0, x0, y1), look, narrow, darkest[i], sums[i])
        else:
            _look_at(own, (y0, x0, y1), look, wide, darkest[i], sums[i])
    return values


@_kernel
def _look_at(
    own: Int32Array,
    corner: tuple[int, int, int],
    look: _Look,
    rows: Masks,
    darkest: Int32Array,
    sums: Int64Array,
) -> None:
    """An object whose box, wider by the margin, lies in the window."""
    y0, x0, y1 = corner
    margin, width = np.uint64(look.margin), np.uint64(look.plane.shape[1])
    first, count = np.uint64(y0) - margin, np.uint64(y1 - y0) + margin + margin
    left = np.uint64(x0) - margin
    place = first * width + left
    rows[:] = 0
    _draw(own, first, left, rows[_OWN])
    most = _MOST_FIRST
    for k in range(margin, count - margin):
        # of equally dark ones the upper row
        key = (np.int64(largest(look.dark, place + k * width, rows[_OWN, k])) << 8) - np.int64(k)
        most = max(most, key)
    at = np.uint64(-most & 255)
    best = (most + np.int64(at)) >> 8
    found = same(look.dark, place + at * width, best, rows[_OWN, at])
    darkest[0], darkest[1] = first + at, left + lowest_bit(np.uint64(found))
    for k in range(count):
        rows[_FREE, k] = ~_bits_from(look.held[first + k], left)
    sums[0] = _free_edges(rows, margin, count)
    sums[1] = _steps(look, rows, place, count)


@_kernel
def _steps(look: _Look, rows: Masks, place: int, count: int) -> int:
    """Sum of darkness inside less that outside over all edges, a row of pixels at a time."""
    word = rows.dtype.type
    up, down, before, after = rows[_UP], rows[_DOWN], rows[_BEFORE], rows[_AFTER]
    margin, reach, width = np.uint64(look.margin), np.uint64(look.reach), np.uint64(look.plane.shape[1])
    far, inner = word(margin), word(reach)
    total = 0
    for k in range(count):
        plus = (
            up[k + margin - reach],
            down[k + margin + reach],
            word(before[k] << inner),
            word(after[k] >> inner),
        )
        minus = (up[k + margin + margin], down[k], word(before[k] >> far), word(after[k] << far))
        total += weighed(look.dark, place + k * width, plus, minus)
    return total


@_kernel
def _draw(own: Int32Array, top: int, left: int, rows: Masks) -> None:
    one = rows.dtype.type(1)
    for k in range(np.uint64(own.shape[0])):
        begin, end = np.uint64(own[k, 1]) - left, np.uint64(own[k, 2]) - left
        rows[np.uint64(own[k, 0]) - top] |= (one << end) - (one << begin)


@_kernel
def _bits_from(row: Bits, x: int) -> np.uint64:
    """64 bits of a row from column ``x`` on."""
    k, shift = x >> np.uint64(6), x & _TOP
    return np.uint64((row[k] >> shift) | ((row[k + _ONE] << _ONE) << (_TOP - shift)))


@_kernel
def _free_edges(rows: Masks, margin: int, count: int) -> int:
    """Mark where an object lies beside free pixels; how many such edges there are."""
    word = rows.dtype.type
    own, free, up, down = rows[_OWN], rows[_FREE], rows[_UP], rows[_DOWN]
    before, after = rows[_BEFORE], rows[_AFTER]
    far, one, edges = word(margin), word(1), np.uint64(0)
    for k in range(margin, count - margin):
        here, beside = own[k], free[k]
        beyond = beside | here
        # ways up and down are kept a margin further down: what lies outside the frame is none
        up[k + margin] = here & free[k - _ONE] & (free[k - margin] | own[k - margin])
        down[k + margin] = here & free[k + _ONE] & (free[k + margin] | own[k + margin])
        before[k] = here & word(beside << one) & word(beyond << far)
        after[k] = here & (beside >> one) & (beyond >> far)
        edges += bits_set(up[k + margin]) + bits_set(down[k + margin])
        edges += bits_set(before[k]) + bits_set(after[k])
    return int(edges)


@_kernel
def _look_plainly(own: Int32Array, look: _Look, darkest: Int32Array, sums: Int64Array) -> None:
    """An object anywhere, a pixel at a time."""
    height, width = look.plane.shape
    darkest[0], darkest[1] = own[0, 0], own[0, 1]
    for k in range(own.shape[0]):
        y = int(own[k, 0])
        for x in range(int(own[k, 1]), int(own[k, 2])):
            if look.plane[y, x] > look.plane[darkest[0], darkest[1]]:
                darkest[0], darkest[1] = y, x
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                # what lies beyond the window's edge is as the pixel on it: nothing is free there
                far_y, far_x = _held(y + dy * look.margin, height), _held(x + dx * look.margin, width)
                if _is_free(look.held, _held(y + dy, height), _held(x + dx, width)) and (
                    _is_free(look.held, far_y, far_x) or _is_in(own, far_y, far_x)
                ):
                    near_y, near_x = _held(y - dy * look.reach, height), _held(x - dx * look.reach, width)
                    sums[0] += 1
                    sums[1] += int(look.plane[near_y, near_x]) - int(look.plane[far_y, far_x])


@_kernel
def _held(place: int, size: int) -> int:
    """A place, or the nearest in the window."""
    return min(max(place, 0), size - 1)


@_kernel
def _is_free(held: Bits, y: int, x: int) -> bool:
    return bool(_bits_from(held[y], np.uint64(x)) & _ONE == 0)


@_kernel
def _is_in(own: Int32Array, y: int, x: int) -> bool:
    found = 0
    for k in range(own.shape[0]):
        found += (own[k, 0] == y) & (own[k, 1] <= x) & (x < own[k, 2])
    return found > 0
