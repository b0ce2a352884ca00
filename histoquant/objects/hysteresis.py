"""Weak stain counts near strong stain: a level followed from a higher one, so far and no farther."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.marks import WORD, places
from histoquant.objects.runs import most_of

UInt8Array = npt.NDArray[np.uint8]
Int64Array = npt.NDArray[np.int64]
IntArray = npt.NDArray[np.signedinteger]

STRONG = 2
"""Of a pixel that counts; 1 is weak only."""


@njit(cache=True, nogil=True)
def strong_and_beside(dab: IntArray, low: int, high: int, steps: int) -> UInt8Array:
    """Pixels at the high level, and those at the low one that are reached from them.

    Parameters
    ----------
    dab : ndarray of int16 or int32, shape (h, w)
    low, high : int
    steps : int
        How far the low level is followed, pixels in eight directions.

    Returns
    -------
    ndarray of uint8, shape (h + 2, w + 2)
        `STRONG` for them, within a frame of zeros.
    """
    state = np.empty((dab.shape[0] + 2, dab.shape[1] + 2), np.uint8)
    front = _beside_strong(dab, low, high, state)
    flat, stride = state.ravel(), state.shape[1]
    around = (-stride - 1, -stride, 1 - stride, -1, 1, stride - 1, stride, stride + 1)
    count = front.size if steps > 0 else 0
    for k in range(count):
        flat[front[k]] = STRONG
    for _ in range(steps - 1):
        farther = np.empty(8 * count, np.int64)
        joined = 0
        for k in range(count):
            for step in around:
                q = np.uint64(front[k] + step)
                if flat[q] == 1:
                    flat[q] = STRONG
                    farther[joined] = q
                    joined += 1
        front, count = farther, joined
    return state


@njit(cache=True, nogil=True)
def _beside_strong(dab: IntArray, low: int, high: int, state: UInt8Array) -> Int64Array:
    """Set what is weak (1) and strong; weak pixels with a strong one in any of eight directions, by place."""
    height, width = state.shape
    found = np.empty(max(1024, width), np.int64)
    count = 0
    column, near, columns = (
        np.empty(width, np.uint8),
        np.zeros(width + WORD, np.uint8),
        np.empty(width + WORD, np.int32),
    )
    state[0] = 0
    state[height - 1] = 0
    # whether the row above, this one or the one below is strong anywhere
    above = here = below = False
    for y in range(height):
        above, here, below = here, below, y < height - 2 and _tell(dab[y], low, high, state[y + 1])
        if not 0 < y < height - 1 or not (above | here | below):
            continue
        _near(state[y - 1], state[y], state[y + 1], column, near)
        while count + width > found.size:
            found = np.concatenate((found, np.empty_like(found)))
        for k in range(places(near, width, columns)):
            found[count] = y * width + columns[k]
            count += 1
    return found[:count]


@njit(cache=True, nogil=True)
def _tell(dab: IntArray, low: int, high: int, state: UInt8Array) -> bool:
    """Set what is weak and strong in a row; whether anything is strong."""
    most = low - 1
    if dab.size > 0:
        most = most_of(dab)
    if most < low:
        state[:] = 0
        return False
    state[0] = state[state.size - 1] = 0
    inner = state[1:]
    for x in range(dab.size):
        inner[x] = np.uint8(dab[x] >= low) + np.uint8(dab[x] >= high)
    return bool(most >= high)


@njit(cache=True, nogil=True)
def _near(
    above: UInt8Array, here: UInt8Array, below: UInt8Array, column: UInt8Array, near: UInt8Array
) -> None:
    """Not 0 for weak pixels with strong ones beside: those above, here or below, then left, here or right."""
    for x in range(column.size):
        column[x] = (above[x] | here[x] | below[x]) & STRONG
    for x in range(1, column.size - 1):
        near[x] = (column[x - 1] | column[x] | column[x + 1]) & np.uint8(2 * (here[x] == 1))
