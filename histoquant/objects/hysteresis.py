"""Weak stain counts near strong stain: a level followed from a higher one, so far and no farther."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.bit_rows import Bits, covered
from histoquant.objects.lane_rows import at_least
from histoquant.objects.marks import WORD
from histoquant.objects.smoothing import Band, give_rows, take_rows

BoolArray = npt.NDArray[np.bool_]
Int16Array = npt.NDArray[np.int16]
Int64Array = npt.NDArray[np.int64]
IntArray = npt.NDArray[np.signedinteger]

_NOTHING, _ONE = np.uint64(0), np.uint64(1)
_WORD, _TOP = np.uint64(WORD), np.uint64(WORD - 1)
# Rows above the first
_ABOVE = 2
# Nobody counts who holds the rows of a band.
_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


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
    weak, strong, held = _room(1, height, width)
    flat, words = dab.ravel(), weak.shape[2]
    row = np.zeros(words * WORD, dab.dtype)
    # a word may hold pixels of the next row, too; past the last row there is nothing to read
    together = (flat.size - words * WORD) // max(width, 1) + 1
    for y in range(height):
        start, source = np.uint64(y * width), flat
        if y >= together:
            row[:width] = dab[y]
            start, source = _NOTHING, row
        at = y + _ABOVE
        held[0, at] = _tell(source, start, width, low, high, weak[0, at], strong[0, at])
    found: Bits = _reached(weak[0], strong[0], held[0], steps)
    return found


def smooth_strong_and_beside(
    dab: Int16Array, valid: BoolArray | None, sigma_px: float, levels: Int64Array, steps: int
) -> list[Bits]:
    """As `strong_and_beside` of a plane smoothed by `smooth`, at several pairs of levels.

    Rows are told while they are in the cache, and none is kept.

    Parameters
    ----------
    dab : ndarray of int16, shape (h, w)
    valid : ndarray of bool, shape (h, w), or None
        None for all. Elsewhere the smoothed plane counts as 0.
    sigma_px : float
    levels : ndarray of int64, shape (n, 2)
        Low and high ones.
    steps : int

    Returns
    -------
    list of ndarray of uint64, shape (h, words)
        One for each pair.
    """
    weak, strong, held = _room(len(levels), *dab.shape)
    _smooth_and_tell(dab, valid, Band.of(sigma_px, dab.shape[1]), levels, (weak, strong, held))
    return [_reached(weak[i], strong[i], held[i], steps) for i in range(len(levels))]


@_kernel
def _smooth_and_tell(
    dab: Int16Array,
    valid: BoolArray | None,
    band: Band,
    levels: Int64Array,
    room: tuple[Bits, Bits, BoolArray],
) -> None:
    (height, width), (weak, strong, held) = dab.shape, room
    for y in range(0, height, 2):
        take_rows(band, y, dab)
        give_rows(band, y, band.given[0], band.given[1], dab)
        for k in range(min(2, height - y)):
            row, at = band.given[k], y + k + _ABOVE
            _clear(row[:width], valid, y + k)
            for i in range(levels.shape[0]):
                low, high = levels[i, 0], levels[i, 1]
                held[i, at] = _tell(row, _NOTHING, width, low, high, weak[i, at], strong[i, at])


@njit(cache=True, nogil=True)
def _room(count: int, height: int, width: int) -> tuple[Bits, Bits, BoolArray]:
    """Weak and strong pixels at so many pairs of levels, none yet, and rows that hold something strong."""
    # so much is free around every row that no neighbour is asked whether it lies in the window; left of a row
    # lies the end of the one above
    weak = np.zeros((count, height + _ABOVE + 1, width // WORD + 1), np.uint64)
    return weak, np.zeros_like(weak), np.zeros(weak.shape[:2], np.bool_)


@njit(cache=True, nogil=True)
def _reached(weak: Bits, strong: Bits, held: BoolArray, steps: int) -> Bits:
    if steps > 0 and held.any():
        places, front = _beside_strong(weak, strong, held)
        _follow(weak, strong, places, front, steps)
    return strong[_ABOVE:-1]


@_kernel
def _clear(row: Int16Array, valid: BoolArray | None, y: int) -> None:
    if valid is not None:
        known = valid[y]
        for x in range(row.size):
            row[x] = row[x] if known[x] else 0


@_kernel
def _tell(
    source: IntArray, start: np.uint64, width: int, low: int, high: int, weak: Bits, strong: Bits
) -> bool:
    """Set what is strong in a row and what is weak only; whether something is strong."""
    some, last = _NOTHING, weak.size - 1
    tail = covered(0, width - last * WORD)
    for k in range(np.uint64(weak.size)):
        over = at_least(source, start + _WORD * k, high)
        over &= tail if k == last else ~_NOTHING
        weak[k] = at_least(source, start + _WORD * k, low) & ~over
        strong[k] = over
        some |= over
    weak[last] &= tail
    return bool(some != 0)


@njit(cache=True, nogil=True)
def _beside_strong(weak: Bits, strong: Bits, held: BoolArray) -> tuple[Int64Array, Bits]:
    """Words that hold weak pixels with a strong one in any of eight directions, and which those are."""
    words = weak.shape[1]
    found, count = np.empty(1024, np.int64), 0
    front = np.zeros_like(weak)
    column = np.zeros(words + 2, np.uint64)
    for y in range(_ABOVE, held.size - 1):
        if not (held[y - 1] | held[y] | held[y + 1]):
            continue
        if count + words > found.size:
            found = np.concatenate((found, np.empty(found.size + words, np.int64)))
        for k in range(words):
            column[k + 1] = strong[y - 1, k] | strong[y, k] | strong[y + 1, k]
        for k in range(words):
            near = column[k + 1] | (column[k + 1] << _ONE) | (column[k + 1] >> _ONE)
            near |= (column[k] >> _TOP) | (column[k + 2] << _TOP)
            near &= weak[y, k]
            if near:
                front[y, k] = near
                found[count] = y * words + k
                count += 1
    return found[:count], front


@njit(cache=True, nogil=True)
def _follow(weak: Bits, strong: Bits, places: Int64Array, front: Bits, steps: int) -> None:
    """Make weak pixels strong: those of a front, and what lies beside them, so many steps in all.

    A front is known by its words, 64 pixels of a row each; what is beside it is told of all of them at once.
    """
    left, reached, words = weak.ravel(), strong.ravel(), weak.shape[1]
    now, then = front.ravel(), np.zeros(front.size, np.uint64)
    for place in places:
        left[place] &= ~now[place]
        reached[place] |= now[place]
    for _ in range(steps - 1):
        farther = np.empty(9 * places.size, np.int64)
        count = _step(left, reached, places, now, then, words, farther)
        places, now, then = farther[:count], then, now


@_kernel
def _step(
    left: Bits, reached: Bits, places: Int64Array, now: Bits, then: Bits, words: int, farther: Int64Array
) -> int:
    """Go on from a front to the next one, and clear the first; return how many words the next one has."""
    count = 0
    for k in range(places.size):
        place = places[k]
        bits = now[np.uint64(place)]
        now[np.uint64(place)] = _NOTHING
        inside, before, after = bits | (bits << _ONE) | (bits >> _ONE), bits << _TOP, bits >> _TOP
        for row in range(place - words, place + words + 1, words):
            count = _join(left, reached, then, row, inside, farther, count)
            if before:
                count = _join(left, reached, then, row - 1, before, farther, count)
            if after:
                count = _join(left, reached, then, row + 1, after, farther, count)
    return count


@_kernel
def _join(
    left: Bits, reached: Bits, then: Bits, place: int, near: np.uint64, farther: Int64Array, count: int
) -> int:
    """Make weak pixels of a word strong that lie near; the word is noted when its first one is."""
    at = np.uint64(place)
    more = left[at] & near
    if more:
        left[at] ^= more
        reached[at] |= more
        if not then[at]:
            farther[count] = place
            count += 1
        then[at] |= more
    return count
