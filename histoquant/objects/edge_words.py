"""What every pixel adds to the boundary of a region that it joins, in one word."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.steep_zone import BLOCK

Plane = npt.NDArray[Any] | None
Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
UInt8Array = npt.NDArray[np.uint8]

# In one byte each, as sums of Python's numbers would be reckoned in eight.
_OPENS, _CLOSES, _NONE = np.int8(1), np.int8(-1), np.int8(0)
# Rows are views, and nobody counts who holds them: ten of them are handed over for every row of the window.
_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def edge_words(
    framed: UInt8Array,
    darkness: IntArray,
    doubt: IntArray | None,
    blocked: UInt8Array | None,
    reach_px: int,
    steepest: IntArray | None = None,
) -> Int32Array:
    """Edges that open less edges that close when a pixel joins the darker pixels beside it.

    An edge opens with the darker of its pixels and closes with the lighter one, so that sums over the
    pixels of a region are sums over its boundary.

    Parameters
    ----------
    framed : ndarray of uint8, shape (h + 2, w + 2 or more)
        Levels within a frame of zeros; 0 where blocked.
    darkness : ndarray of int16 or int32, shape (h, w)
        Within +-2^17, and so is the doubt: four steps fit above the low byte. Where both are of 16 bits, a
        step less a doubt must be, too.
    doubt : ndarray of int16 or int32, shape (h, w), or None
    blocked : ndarray of uint8, shape (h, w), or None
    reach_px : int
    steepest : ndarray, shape (rows of blocks, w), or None
        Where the largest steps are noted, from `steep_zone.steepest_room`.

    Returns
    -------
    ndarray of int32, of its shape
        Bits 0 to 3: free edges plus 8; bits 4 to 7: edges to blocked pixels; above: step of darkness across
        the free ones. Not set in the frame nor where blocked. An edge of the window is none.
    """
    words = np.empty(framed.shape, np.int32)
    width = darkness.shape[1]
    kind = step_kind(darkness, doubt)
    # of the edges above a row, below it, and before each pixel and after the last
    signs, steps = np.zeros((3, width + 1), np.int8), np.zeros((3, width + 1), kind)
    room = (signs, steps, np.empty(width + 2 * reach_px + 1, darkness.dtype), np.empty(width, np.int8))
    _words(framed, darkness, doubt, blocked, reach_px, (*room, steepest), words)
    return words


def step_kind(darkness: IntArray, doubt: IntArray | None) -> type[np.signedinteger]:
    """Type of steps of darkness, less a doubt."""
    return np.result_type(darkness, darkness if doubt is None else doubt).type


@_kernel
def _words(
    framed: UInt8Array,
    darkness: IntArray,
    doubt: IntArray | None,
    blocked: UInt8Array | None,
    reach: int,
    room: tuple[Int8Array, IntArray, IntArray, Int8Array, Plane],
    words: Int32Array,
) -> None:
    """Loops over few arrays each, which compilers turn into vector instructions."""
    signs, steps, padded, low, steepest = room
    height, width = darkness.shape
    for y in range(height):
        # an edge adds to one of its pixels what it takes off the other: it is measured once, from below; at
        # the window's own edge a row meets itself and adds nothing
        over, under = max(y - 1, 0), min(y + 1, height - 1)
        row, next_row = framed[y + 1, 1 : width + 1], framed[under + 1, 1 : width + 1]
        above, below, across = y % 2, (y + 1) % 2, 2
        shut, shut_below = _row(blocked, y), _row(blocked, under)
        _compare(next_row, row, shut_below, shut, signs[below, :width])
        inner, outer = darkness[min(y + reach + 1, height - 1)], darkness[max(y - reach, 0)]
        sure, sure_below = _row(doubt, y), _row(doubt, under)
        _measure(signs[below, :width], inner, outer, sure_below, sure, steps[below, :width])
        _pad(darkness[y], padded[:reach], padded[reach : reach + width], padded[reach + width :])
        _compare(row[1:], row[:-1], _later(shut), _earlier(shut), signs[across, 1:width])
        inner, outer = padded[2 * reach + 1 : 2 * reach + width], padded[: width - 1]
        _measure(signs[across, 1:width], inner, outer, _later(sure), _earlier(sure), steps[across, 1:width])
        most = _row(steepest, (y + 1) // BLOCK)
        _note(signs[below, :width], steps[below, :width], most)
        _note(signs[across, :width], steps[across, :width], most)
        _count(signs[above, :width], signs[below, :width], signs[across], low)
        if blocked is not None:
            _add_taken(shut, blocked[over], shut_below, low)
        _pack(steps[above, :width], steps[below, :width], steps[across], low, words[y + 1, 1 : width + 1])


@_kernel
def _row(plane: Plane, y: int) -> Plane:
    return None if plane is None else plane[y]


@_kernel
def _later(row: Plane) -> Plane:
    return None if row is None else row[1:]


@_kernel
def _earlier(row: Plane) -> Plane:
    return None if row is None else row[:-1]


@_kernel
def _compare(here: UInt8Array, there: UInt8Array, shut: Plane, shut_there: Plane, sign: Int8Array) -> None:
    """1 for edges that open with the pixel here, -1 for those that close, 0 for none."""
    if shut is None or shut_there is None:
        for x in range(sign.size):
            sign[x] = _OPENS if here[x] > there[x] else (_CLOSES if here[x] < there[x] else _NONE)
    else:
        for x in range(sign.size):
            edge = _OPENS if here[x] > there[x] else (_CLOSES if here[x] < there[x] else _NONE)
            sign[x] = _NONE if (shut[x] | shut_there[x]) > 0 else edge


@_kernel
def _measure(
    sign: Int8Array, inner: IntArray, outer: IntArray, sure: Plane, sure_there: Plane, step: IntArray
) -> None:
    if sure is None or sure_there is None:
        for x in range(step.size):
            step[x] = inner[x] - outer[x] if sign[x] != 0 else 0
    else:
        for x in range(step.size):
            doubt = -sure_there[x] if sign[x] > 0 else sure[x]
            step[x] = inner[x] - outer[x] + doubt if sign[x] != 0 else 0


@_kernel
def _note(sign: Int8Array, step: IntArray, most: Plane) -> None:
    """The largest step from the darker pixel of an edge to the lighter one, in the columns of the frame."""
    if most is not None:
        inner = most[1 : step.size + 1]
        for x in range(step.size):
            inner[x] = max(inner[x], step[x] if sign[x] > 0 else -step[x])


@_kernel
def _pad(row: IntArray, before: IntArray, middle: IntArray, after: IntArray) -> None:
    for x in range(before.size):
        before[x] = row[0]
    for x in range(middle.size):
        middle[x] = row[x]
    for x in range(after.size):
        after[x] = row[-1]


@_kernel
def _count(above: Int8Array, below: Int8Array, across: Int8Array, low: Int8Array) -> None:
    before, after = across[:-1], across[1:]
    for x in range(low.size):
        low[x] = above[x] - below[x] + before[x] - after[x] + 8


@_kernel
def _add_taken(row: UInt8Array, above: UInt8Array, below: UInt8Array, low: Int8Array) -> None:
    for x in range(low.size):
        low[x] += 16 * (np.int8(above[x] > 0) + np.int8(below[x] > 0))
    for beside, at in ((row[:-1], low[1:]), (row[1:], low[:-1])):
        for x in range(at.size):
            at[x] += 16 * np.int8(beside[x] > 0)


@_kernel
def _pack(above: IntArray, below: IntArray, across: IntArray, low: Int8Array, word: Int32Array) -> None:
    before, after = across[:-1], across[1:]
    for x in range(word.size):
        word[x] = (np.int32(above[x]) - below[x] + before[x] - after[x]) * 256 + low[x]
