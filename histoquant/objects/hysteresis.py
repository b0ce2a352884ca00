"""Weak stain counts near strong stain: a level followed from a higher one, so far and no farther."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.bit_rows import Bits, covered
from histoquant.objects.lane_rows import at_least
from histoquant.objects.marks import WORD, lowest_bit

BoolArray = npt.NDArray[np.bool_]
Int64Array = npt.NDArray[np.int64]
IntArray = npt.NDArray[np.signedinteger]

_NOTHING, _ONE = np.uint64(0), np.uint64(1)
_WORD, _TOP = np.uint64(WORD), np.uint64(WORD - 1)
# Rows above the first
_ABOVE = 2
# Of a place among all bits: its word lies above these.
_BITS = np.uint64(6)


@njit(cache=True, nogil=True)
def strong_and_beside(dab: IntArray, low: int, high: int, steps: int) -> Bits:
    """Pixels at the high level, and those at the low one that are reached from them.

    Parameters
    ----------
    dab : ndarray of int16 or int32, shape (h, w)
    low, high : int
        The low level is not over the high one.
    steps : int
        How far the low level is followed, pixels in eight directions.

    Returns
    -------
    ndarray of uint64, shape (h, words)
        As of `bit_rows`; the last bit of every row is free.
    """
    height, width = dab.shape
    # so much is free around every row that no neighbour is asked whether it lies in the window; left of a row
    # lies the end of the one above
    weak = np.zeros((height + _ABOVE + 1, width // WORD + 1), np.uint64)
    strong = np.zeros_like(weak)
    held = _tell(dab, low, high, weak, strong)
    if steps > 0 and held.any():
        _follow(weak, strong, _beside_strong(weak, strong, held), steps)
    return strong[_ABOVE : height + _ABOVE]


@njit(cache=True, nogil=True)
def _tell(dab: IntArray, low: int, high: int, weak: Bits, strong: Bits) -> BoolArray:
    """Set what is strong and what is weak only; which rows hold something strong."""
    height, width = dab.shape
    flat, words = dab.ravel(), weak.shape[1]
    held, row = np.zeros(weak.shape[0], np.bool_), np.zeros(words * WORD, dab.dtype)
    # a word may hold pixels of the next row, too; past the last row there is nothing to read
    together = (flat.size - words * WORD) // max(width, 1) + 1
    tail = covered(0, width - (words - 1) * WORD)
    for y in range(height):
        start, source = np.uint64(y * width), flat
        if y >= together:
            row[:width] = dab[y]
            start, source = _NOTHING, row
        some, here, there = _NOTHING, weak[y + _ABOVE], strong[y + _ABOVE]
        for k in range(np.uint64(words)):
            over = at_least(source, start + _WORD * k, high)
            over &= tail if k == words - 1 else ~_NOTHING
            here[k] = at_least(source, start + _WORD * k, low) & ~over
            there[k] = over
            some |= over
        here[words - 1] &= tail
        held[y + _ABOVE] = some != 0
    return held


@njit(cache=True, nogil=True)
def _beside_strong(weak: Bits, strong: Bits, held: BoolArray) -> Int64Array:
    """Places of weak pixels with a strong one in any of eight directions."""
    words = weak.shape[1]
    found, count = np.empty(1024, np.int64), 0
    column = np.zeros(words + 2, np.uint64)
    for y in range(_ABOVE, held.size - 1):
        if not (held[y - 1] | held[y] | held[y + 1]):
            continue
        while count + words * WORD > found.size:
            found = np.concatenate((found, np.empty_like(found)))
        for k in range(words):
            column[k + 1] = strong[y - 1, k] | strong[y, k] | strong[y + 1, k]
        for k in range(words):
            near = column[k + 1] | (column[k + 1] << _ONE) | (column[k + 1] >> _ONE)
            near |= (column[k] >> _TOP) | (column[k + 2] << _TOP)
            near &= weak[y, k]
            while near:
                found[count] = (y * words + k) * WORD + np.int64(lowest_bit(near))
                near &= near - _ONE
                count += 1
    return found[:count]


@njit(cache=True, nogil=True)
def _follow(weak: Bits, strong: Bits, front: Int64Array, steps: int) -> None:
    """Make weak pixels strong: those of a front, and what lies beside them, so many steps in all."""
    left, reached, stride = weak.ravel(), strong.ravel(), weak.shape[1] * WORD
    around = (-stride - 1, -stride, 1 - stride, -1, 1, stride - 1, stride, stride + 1)
    count = front.size
    for k in range(count):
        word, bit = np.uint64(front[k]) >> _BITS, _ONE << (np.uint64(front[k]) & _TOP)
        left[word] &= ~bit
        reached[word] |= bit
    for _ in range(steps - 1):
        farther = np.empty(8 * count, np.int64)
        joined = 0
        for k in range(count):
            for step in around:
                place = np.uint64(front[k] + step)
                word, bit = place >> _BITS, _ONE << (place & _TOP)
                if left[word] & bit:
                    left[word] ^= bit
                    reached[word] |= bit
                    farther[joined] = place
                    joined += 1
        front, count = farther, joined
