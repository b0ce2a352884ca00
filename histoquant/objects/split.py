"""Clumps without a dip of darkness between their nuclei, cut at their necks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.label_runs import in_turn
from histoquant.objects.label_shapes import draw_runs
from histoquant.objects.loose_runs import LooseRuns, box_of
from histoquant.objects.nearest import UNIT
from histoquant.objects.necks import DIAGONAL, may_narrow

IntArray = npt.NDArray[np.integer]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]

# Rows of what is known of each pixel of an object; the order is not needed once parts are numbered.
_ORDER, _PART, _UP, _PEAK, _SIZE, _BESIDE = range(6)
_NUMBER = _ORDER
# Above every number of a part
_NOBODY = 2**32 - 1
# Unsigned, as places are where every pixel is asked: a signed one would be asked whether it is negative.
_ONE = np.uint64(1)


class _Room(NamedTuple):
    """Where an object is drawn and flooded: its pixels, their depths, and what is known of each."""

    inside: UInt8Array
    depth: Int32Array
    of_pixel: Int32Array

    @classmethod
    def of(cls, pixels: int) -> _Room:
        return cls(np.zeros(pixels, np.uint8), np.empty(pixels, np.int32), np.empty(6 * pixels, np.int32))


def split_necks(runs: LooseRuns, neck_share: float | FloatArray, least_px: int) -> LooseRuns:
    """Cut objects where they narrow.

    The depth of a pixel is its distance to the object's edge. Flooded from the deepest pixels outwards,
    two parts that meet stay apart if the neck between them is no deeper than ``neck_share`` of the
    shallower part, and both are large enough. Every object is cut by itself.

    Parameters
    ----------
    runs : LooseRuns
        Objects, each a connected set of pixels (along edges or corners).
    neck_share : float, or ndarray of float64, shape (n,)
        0 to 1, for all objects or for each; 0 cuts nothing.
    least_px : int
        Smallest part, pixels.

    Returns
    -------
    LooseRuns
        The same objects; further parts follow from n + 1 on.
    """
    shares = np.array(np.broadcast_to(np.asarray(neck_share, np.float64), len(runs.first)))
    waists, pixels = may_narrow(runs, shares, least_px)
    rows, more, counts = _split_all(runs, waists, shares, least_px, _Room.of(pixels))
    return runs.changed(rows, more, counts)


@njit(cache=True, nogil=True)
def _split_all(
    runs: LooseRuns, waists: Int64Array, neck_share: FloatArray, least_px: int, room: _Room
) -> tuple[Int64Array, Int32Array, Int64Array]:
    """Parts of those objects that are cut: their numbers, their runs, and how many each has."""
    rows, parts, fresh = np.empty(256, np.int64), 0, runs.first.size
    # part, row, first column and one past the last
    found, n = np.empty((1024, 4), np.int32), 0
    for i in waists:
        own = runs.spans[runs.first[i] : runs.last[i]]
        number = _cut(own, neck_share[i], least_px, room)
        most = number.max()
        if most < 2:
            continue
        while parts + most > rows.size:
            rows = np.concatenate((rows, rows))
        while n + number.size > found.shape[0]:
            found = np.concatenate((found, np.empty_like(found)))
        for k in range(most):
            rows[parts + k] = i if k == 0 else fresh + k - 1
        n += _note_parts(own, number, parts - 1, found[n:])
        parts, fresh = parts + most, fresh + most - 1
    start, spans = in_turn(found[:n], parts)
    return rows[:parts].copy(), spans, np.diff(start)


@njit(cache=True, nogil=True)
def _note_parts(own: Int32Array, number: Int32Array, before: int, found: Int32Array) -> int:
    """Note the runs of an object's parts, whose numbers follow on ``before``; how many there are."""
    y0, x0, _, _ = box_of(own)
    n = 0
    for k in range(own.shape[0]):
        # the frame is one pixel wide
        y, begin, row = own[k, 0], own[k, 1], number[own[k, 0] - y0 + 1]
        for x in range(own[k, 1], own[k, 2]):
            part = row[np.uint64(x - x0 + 1)]
            if x + 1 == own[k, 2] or row[np.uint64(x - x0 + 2)] != part:
                found[n, 0], found[n, 1], found[n, 2], found[n, 3] = before + part, y, begin, x + 1
                begin = x + 1
                n += 1
    return n


@njit(cache=True, nogil=True)
def _cut(own: Int32Array, neck_share: float, least_px: int, room: _Room) -> Int32Array:
    """Number of the part of each pixel, 1 where there is but one, in a frame; 0 outside."""
    y0, x0, y1, x1 = box_of(own)
    height, width = y1 - y0, x1 - x0
    inside = room.inside[: height * width].reshape((height, width))
    inside[:] = 0
    draw_runs(own, y0, x0, inside)
    size = (height + 2) * (width + 2)
    depth = room.depth[:size].reshape((height + 2, width + 2))
    _set_depths(inside, 1, depth)
    of_pixel = room.of_pixel[: 6 * size].reshape((6, size))
    number: Int32Array = of_pixel[_NUMBER].reshape(depth.shape)
    if _flood_depths(depth, neck_share, _count_peaks(depth), of_pixel) < 2:
        number[:] = 0
    else:
        _number(of_pixel, least_px)
    return number


@njit(cache=True, nogil=True)
def _set_depths(labels: IntArray, label: int, depth: Int32Array) -> None:
    """Chamfer distance to the nearest pixel outside, in fifths of a pixel; 0 outside and in the frame."""
    height, width = labels.shape
    depth[0] = 0
    depth[height + 1] = 0
    for y in range(1, height + 1):
        row, above, mine = depth[y], depth[y - 1], labels[y - 1]
        row[0] = row[width + 1] = beside = 0
        for x in range(_ONE, np.uint64(width + 1)):
            best = min(above[x] + UNIT, min(above[x - _ONE], above[x + _ONE]) + DIAGONAL)
            beside = min(best, beside + UNIT) if mine[x - _ONE] == label else 0
            row[x] = beside
    for y in range(height, 0, -1):
        row, below = depth[y], depth[y + 1]
        beside = 0
        for k in range(width):
            at = np.uint64(width - k)
            best = min(below[at] + UNIT, min(below[at - _ONE], below[at + _ONE]) + DIAGONAL)
            beside = min(min(row[at], best), beside + UNIT)
            row[at] = beside


@njit(cache=True, nogil=True)
def _count_peaks(depth: Int32Array) -> int:
    """Pixels that a flood from the deepest meets before all their neighbours: each begins a part."""
    flat, width = depth.ravel(), np.uint64(depth.shape[1])
    count = 0
    for p in range(width + _ONE, np.uint64(flat.size) - width - _ONE):
        before = max(
            max(flat[p - width - _ONE], flat[p - width]), max(flat[p - width + _ONE], flat[p - _ONE])
        )
        after = max(max(flat[p + width + _ONE], flat[p + width]), max(flat[p + width - _ONE], flat[p + _ONE]))
        count += (before < flat[p]) & (after <= flat[p])
    return count


@njit(cache=True, nogil=True)
def _sort_by_depth(flat: Int32Array, order: Int32Array) -> int:
    """Pixels inside, the deepest first, in raster order within a depth; returns how many."""
    deepest = flat.max()
    start = np.zeros(deepest + 2, np.int64)
    for p in range(flat.size):
        if flat[p] > 0:
            start[deepest - flat[p] + 1] += 1
    for d in range(deepest + 1):
        start[d + 1] += start[d]
    for p in range(flat.size):
        if flat[p] > 0:
            order[start[deepest - flat[p]]] = p
            start[deepest - flat[p]] += 1
    return int(start[deepest])


@njit(cache=True, nogil=True)
def _flood_depths(depth: Int32Array, neck_share: float, peaks: int, of_pixel: Int32Array) -> int:
    """Parts of one object, deeper pixels first, until it is known to be one; returns how many stay apart.

    ``of_pixel`` receives for each pixel 1 plus the first pixel of its part, and for each first pixel the
    part it was joined to, its greatest depth, its size, and the part beside it across a neck or -1.
    """
    width, flat = np.uint64(depth.shape[1]), depth.ravel()
    order, part, up = of_pixel[_ORDER], of_pixel[_PART], of_pixel[_UP]
    part[:] = 0
    count = 0
    for t in range(_sort_by_depth(flat, order) if peaks > 1 else 0):
        if peaks == 0 and count < 2:
            break
        p = np.uint64(order[t])
        only = _only_part(part, p, width)
        if only > 0:
            home = np.int64(_top(up, only - 1))
            part[p] = home + 1
            of_pixel[_SIZE, home] += 1
            continue
        steepest, home, met = p, np.int64(-1), np.int32(0)
        for row in (p - width, p, p + width):
            for q in (row - _ONE, row, row + _ONE):
                if part[q] == 0:
                    continue
                # the pixel itself is in none yet
                if steepest == p or flat[q] > flat[steepest]:
                    steepest = q
                if part[q] == met:
                    continue
                met = part[q]
                root = np.int64(_top(up, met - 1))
                if home < 0:
                    home = root
                elif root != home:
                    home, joined = _meet(home, root, flat[p], neck_share, of_pixel)
                    count -= joined
        if home < 0:
            home = np.int64(p)
            count, peaks = count + 1, peaks - 1
            up[p], of_pixel[_PEAK, p], of_pixel[_SIZE, p], of_pixel[_BESIDE, p] = p, flat[p], 0, -1
        else:
            # uphill, so that no part creeps around another one
            home = _top(up, part[steepest] - 1)
        part[p] = home + 1
        of_pixel[_SIZE, home] += 1
    return count


@njit(cache=True, nogil=True)
def _only_part(part: Int32Array, p: np.uint64, width: np.uint64) -> int:
    """The part in which all neighbours of a pixel lie that are in one, as most do; 0 for several or none."""
    least, most = np.uint32(_NOBODY), np.uint32(0)
    for row in (p - width, p, p + width):
        for held in (part[row - _ONE], part[row], part[row + _ONE]):
            # none is less than any, or more than all
            most = max(most, np.uint32(held))
            least = min(least, np.uint32(held - 1))
    return int(most) if least + np.uint32(1) == most else 0


@njit(cache=True, nogil=True)
def _meet(a: int, b: int, neck: int, share: float, of_pixel: Int32Array) -> tuple[int, int]:
    """Join two parts (1) unless a neck keeps them apart (0); the deeper, then the earlier, is the home."""
    peak, beside = of_pixel[_PEAK], of_pixel[_BESIDE]
    if peak[b] > peak[a] or (peak[b] == peak[a] and b < a):
        a, b = b, a
    if neck <= share * peak[b]:
        if beside[b] < 0:
            beside[b] = a
        return a, 0
    of_pixel[_UP, b] = a
    of_pixel[_SIZE, a] += of_pixel[_SIZE, b]
    return a, 1


@njit(cache=True, nogil=True)
def _top(up: Int32Array, p: int) -> int:
    while up[p] != p:
        p = up[p]
    return p


@njit(cache=True, nogil=True)
def _number(of_pixel: Int32Array, least_px: int) -> int:
    """Parts 1 to n in raster order, in place of the order; one too small goes back where it came from."""
    part, up, size, beside = of_pixel[_PART], of_pixel[_UP], of_pixel[_SIZE], of_pixel[_BESIDE]
    for p in range(part.size):
        if part[p] == p + 1:
            root = _top(up, p)
            if size[root] < least_px and beside[root] >= 0:
                target = _top(up, beside[root])
                up[root] = target
                size[target] += size[root]
    number, of_part = of_pixel[_NUMBER], of_pixel[_PEAK]
    number[:] = 0
    of_part[:] = 0
    count, last, given = 0, 0, 0
    for p in range(np.uint64(part.size)):
        # most are of the same part as the one before
        if part[p] != last and part[p] > 0:
            root = _top(up, part[p] - 1)
            if of_part[root] == 0:
                count += 1
                of_part[root] = count
            last, given = part[p], of_part[root]
        number[p] = given if part[p] > 0 else 0
    return count
