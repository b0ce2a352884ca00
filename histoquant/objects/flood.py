"""Nuclei among all nested regions of a window, found in one flood that keeps no tree.

Thresholding a quantised image at every level gives nested connected regions: a region is a property of the
image, not of the window or of the order of processing. The flood walks from dark to light along the image
(Nister and Stewenius, ECCV 2008), so that neighbouring pixels are met one after the other and the pixels of
every region are met in one go: a region is a part of the walk. What is too large to be a nucleus, and all
around it, is walked through and forgotten.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.choose import FROM, TO, ScoreRules, choose_regions
from histoquant.objects.edge_words import edge_words

BoolArray = npt.NDArray[np.bool_]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
UInt32Array = npt.NDArray[np.uint32]
UInt64Array = npt.NDArray[np.uint64]

_LEVELS = 256
_AT_LEVEL = 2
_TOO_LARGE = -1
# Unsigned, as all places of the walk are: a signed one would be asked at each use whether it is negative.
_ONE = np.uint64(1)


class Seen(NamedTuple):
    """What one pass of the search looks at, all of one shape.

    Attributes
    ----------
    levels : ndarray of uint8, shape (h, w)
        0 for background; regions are the 4-connected sets of pixels at or above each level.
    darkness : ndarray of int16 or int32, shape (h, w)
        Where the step across a region's boundary is measured: from ``reach_px`` inside the inner pixel
        of an edge to ``reach_px`` outside the outer one.
    doubt : ndarray of int16 or int32, shape (h, w), or None
        Taken off the step across an edge, at its outer pixel; None for nothing.
    blocked : ndarray of uint8, shape (h, w), or None
        1 for pixels that are taken: in no region, and an edge to them tells nothing.
    reach_px : int
        0 for the two pixels of the edge themselves.
    """

    levels: UInt8Array
    darkness: IntArray
    doubt: IntArray | None
    blocked: UInt8Array | None
    reach_px: int


def label_best(labels: Int32Array, last: int, seen: Seen, rules: ScoreRules) -> int:
    """Label, in place, the disjoint regions with the largest total score, decided from the inside out.

    A region is taken if its score is at least that of the best choice inside it, which is credited with
    ``(area of the region / area of the choice) ** regrowth``, because parts come apart only after they lost
    area. Only regions around a pixel decide about the pixel, so the choice is exact within the length of
    the longest region.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        What it holds where the pass is blocked stays.
    last : int
        Its largest label: regions are numbered on from there, by their level, then by their last pixel at
        that level.
    seen : Seen
    rules : ScoreRules

    Returns
    -------
    int
        The last number given.
    """
    levels, blocked = seen.levels, seen.blocked
    height, width = levels.shape
    state = np.empty((height + 2, width + 2), np.uint8)
    counts = _frame(levels, np.zeros((1, width), np.uint8) if blocked is None else blocked, state)
    words = edge_words(state, seen.darkness, seen.doubt, blocked, seen.reach_px)
    least_px, most_px = math.ceil(rules.least_um2 / rules.px_um2), math.floor(rules.most_um2 / rules.px_um2)
    order, regions = _walk(state, counts, least_px, most_px)
    chosen = choose_regions(order, regions, words, rules)
    latest = _last_pixels(state.shape[1], levels, order, chosen)
    number = np.empty(len(chosen), np.int32)
    number[np.lexsort((-latest, chosen[:, _AT_LEVEL]))] = np.arange(last + 1, last + 1 + len(chosen))
    _paint(state.shape[1], labels, order, chosen, number)
    return last + len(chosen)


@njit(cache=True, nogil=True)
def _frame(levels: UInt8Array, blocked: UInt8Array, state: UInt8Array) -> Int64Array:
    """Levels within a frame of zeros, 0 where blocked; how many pixels have each."""
    least = blocked.shape[0] - 1
    # neighbours are alike, and adding to one number twice in a row waits
    counts = np.zeros((2, _LEVELS), np.int64)
    state[0] = 0
    state[-1] = 0
    for y in range(levels.shape[0]):
        row, free, taken = state[y + 1], levels[y], blocked[min(y, least)]
        row[0] = row[-1] = 0
        for x in range(free.size):
            row[x + 1] = 0 if taken[x] > 0 else free[x]
        for x in range(1, free.size, 2):
            counts[0, row[x]] += 1
            counts[1, row[x + 1]] += 1
        if free.size % 2:
            counts[0, row[free.size]] += 1
    return np.asarray(counts[0] + counts[1])


@njit(cache=True, nogil=True)
def _walk(
    state: UInt8Array, counts: Int64Array, least_px: int, most_px: int
) -> tuple[UInt32Array, Int32Array]:
    """Walk all pixels above 0 and clear them.

    Returns
    -------
    order : ndarray of uint32, shape (n,)
        Pixels of the frame as they were finished.
    regions : ndarray of int32, shape (m, 3)
        First pixel of each region in ``order``, one past its last, and its level; inner ones first.
    """
    left, stride = state.ravel(), np.uint64(state.shape[1])
    waiting = _nobody(counts)
    order = np.empty(waiting.pixels.size, np.uint32)
    # of the open regions, each within the one before
    levels, starts = np.empty(_LEVELS + 1, np.int64), np.empty(_LEVELS + 1, np.int64)
    regions = np.empty((1024, 3), np.int32)
    count = filled = 0
    for seed in range(left.size):
        if left[seed] == 0:
            continue
        here, level = np.uint64(seed), left[seed]
        left[seed] = 0
        top = 0
        levels[0], starts[0] = level, filled
        while True:
            above, before, after, below = _beside(left, here, stride)
            darkest = max(max(above, before), max(after, below))
            if darkest > level:
                _wait(left, here, level, waiting)
                here, level = _first_of(left, here, stride, darkest), darkest
                left[here] = 0
                top += 1
                levels[top], starts[top] = level, filled
                continue
            if darkest > 0:
                _wait(left, here - stride, above, waiting)
                _wait(left, here - _ONE, before, waiting)
                _wait(left, here + _ONE, after, waiting)
                _wait(left, here + stride, below, waiting)
            if starts[top] != _TOO_LARGE:
                order[filled] = here
                filled += 1
            if waiting.free[level] == waiting.first[level]:
                while level > 0 and waiting.free[level] == waiting.first[level]:
                    level -= np.uint8(1)
                if count + _LEVELS > regions.shape[0]:
                    regions = np.concatenate((regions, np.empty_like(regions)))
                limits_px = (least_px, most_px)
                top, count = _descend((levels, starts), top, level, filled, limits_px, regions, count)
                if level == 0:
                    break
            waiting.free[level] -= _ONE
            here = np.uint64(waiting.pixels[waiting.free[level]])
    return order[:filled], regions[:count]


class _Waiting(NamedTuple):
    """Pixels that were met, one above the other from the first place of their level on.

    Place 0 takes pixels that were met before: to put them there costs less than to ask.
    """

    pixels: UInt32Array
    first: UInt64Array
    free: UInt64Array


@njit(cache=True, nogil=True)
def _nobody(counts: Int64Array) -> _Waiting:
    first = np.zeros(_LEVELS, np.uint64)
    for level in range(1, _LEVELS):
        first[level] = 1 + counts[1:level].sum()
    return _Waiting(np.empty(1 + counts[1:].sum(), np.uint32), first, first.copy())


@njit(cache=True, nogil=True)
def _beside(
    left: UInt8Array, here: np.uint64, stride: np.uint64
) -> tuple[np.uint8, np.uint8, np.uint8, np.uint8]:
    """Levels above, before, after and below a pixel, 0 where met already."""
    return left[here - stride], left[here - _ONE], left[here + _ONE], left[here + stride]


@njit(cache=True, nogil=True)
def _first_of(left: UInt8Array, here: np.uint64, stride: np.uint64, level: np.uint8) -> np.uint64:
    """The first pixel beside another one that has this level."""
    for pixel in (here - stride, here - _ONE, here + _ONE):
        if left[pixel] == level:
            return pixel
    return here + stride


@njit(cache=True, nogil=True)
def _wait(left: UInt8Array, pixel: np.uint64, level: np.uint8, waiting: _Waiting) -> None:
    left[pixel] = 0
    place = waiting.free[level]
    waiting.pixels[place] = pixel
    waiting.free[level] = place + np.uint64(level > 0)


@njit(cache=True, nogil=True)
def _descend(
    around: tuple[Int64Array, Int64Array],
    top: int,
    lower: int,
    filled: int,
    limits_px: tuple[int, int],
    regions: Int32Array,
    count: int,
) -> tuple[int, int]:
    """Close regions above a level; the last of them goes on there, alone or within the one around it."""
    levels, starts = around
    least_px, most_px = limits_px
    while levels[top] > lower:
        if starts[top] != _TOO_LARGE:
            area = filled - starts[top]
            if area > most_px:
                starts[top] = _TOO_LARGE
            elif area >= least_px:
                regions[count, 0], regions[count, 1], regions[count, 2] = starts[top], filled, levels[top]
                count += 1
        if top > 0 and levels[top - 1] >= lower:
            if starts[top] == _TOO_LARGE:
                starts[top - 1] = _TOO_LARGE
            top -= 1
        elif lower == 0:
            break
        else:
            levels[top] = lower
    return top, count


@njit(cache=True, nogil=True)
def _last_pixels(state_width: int, levels: UInt8Array, order: UInt32Array, chosen: Int64Array) -> Int64Array:
    """Last pixel in raster order of each region among those at its own level."""
    flat, stride = levels.ravel(), np.uint64(state_width)
    last = np.full(chosen.shape[0], -1, np.int64)
    for k in range(chosen.shape[0]):
        level, latest = chosen[k, _AT_LEVEL], np.int64(-1)
        for t in range(chosen[k, FROM], chosen[k, TO]):
            pixel = order[t]
            if flat[_inner(pixel, stride)] == level:
                latest = max(latest, np.int64(pixel))
        last[k] = latest
    return last


@njit(cache=True, nogil=True)
def _paint(
    state_width: int, labels: Int32Array, order: UInt32Array, chosen: Int64Array, number: Int32Array
) -> None:
    flat, stride = labels.ravel(), np.uint64(state_width)
    for k in range(number.size):
        for t in range(chosen[k, FROM], chosen[k, TO]):
            flat[_inner(order[t], stride)] = number[k]


@njit(cache=True, nogil=True)
def _inner(pixel: np.uint32, stride: np.uint64) -> np.uint64:
    """The same pixel without the frame."""
    return np.uint64(pixel - stride + _ONE - np.uint64(2) * (pixel // stride))
