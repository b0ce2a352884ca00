"""Nuclei among all nested regions of a window, found in one flood that keeps no tree.

Thresholding a quantised image at every level gives nested connected regions: a region is a property of the
image, not of the window or of the order of processing. The flood walks from dark to light along the image
(Nister and Stewenius, ECCV 2008), so that neighbouring pixels are met one after the other. A region is
scored when it closes; what is too large to be a nucleus, and all around it, is walked through and forgotten.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.choose import ScoreRules, score_of
from histoquant.objects.edge_words import edge_words

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]

# Columns of an open region: sums over its pixels, what was chosen inside it, and its place.
AREA, SUM_X, SUM_Y, SUM_XX, SUM_YY, SUM_XY, EDGES, BLOCKED, STEP = range(9)
_MIN_X, _MAX_X, _MIN_Y, _MAX_Y, _INSIDE, _COVERED, _LEVEL, _START, _LAST, _DEAD = range(9, 19)
_COLUMNS = 19
_FAR = 1 << 30
# Columns of a chosen region
_FROM, _TO, _AT_LEVEL, _LAST_PIXEL = range(4)


def best_labels(
    levels: UInt8Array,
    darkness: Int32Array,
    doubt: Int32Array | None,
    blocked: UInt8Array | None,
    reach_px: int,
    rules: ScoreRules,
) -> Int32Array:
    """Disjoint regions with the largest total score, decided from the inside out.

    A region is taken if its score is at least that of the best choice inside it, which is credited with
    ``(area of the region / area of the choice) ** regrowth``, because parts come apart only after they lost
    area. Only regions around a pixel decide about the pixel, so the choice is exact within the length of
    the longest region.

    Parameters
    ----------
    levels : ndarray of uint8, shape (h, w)
        0 for background; regions are the 4-connected sets of pixels at or above each level.
    darkness : ndarray of int32, shape (h, w)
        Where the step across a region's boundary is measured: from ``reach_px`` inside the inner pixel
        of an edge to ``reach_px`` outside the outer one.
    doubt : ndarray of int32, shape (h, w), or None
        Taken off the step across an edge, at its outer pixel; None for nothing.
    blocked : ndarray of uint8, shape (h, w), or None
        1 for pixels that are taken: in no region, and an edge to them tells nothing.
    reach_px : int
        0 for the two pixels of the edge themselves.
    rules : ScoreRules

    Returns
    -------
    ndarray of int32, shape (h, w)
        Labels from 1 on, 0 for none; by the level of the region, then by its last pixel at that level.
    """
    height, width = levels.shape
    state = np.zeros((height + 2, width + 2), np.uint8)
    inner = state[1:-1, 1:-1]
    inner[:] = levels
    if blocked is not None:
        inner[blocked > 0] = 0
    words = edge_words(state, darkness, doubt, blocked, reach_px)
    order = np.empty(state.size, np.int32)
    chosen = _flood(state, words, order, rules)
    labels = np.zeros(state.shape, np.int32)
    _paint(labels.ravel(), order, chosen, np.lexsort((-chosen[:, _LAST_PIXEL], chosen[:, _AT_LEVEL])))
    return np.ascontiguousarray(labels[1:-1, 1:-1])


@njit(cache=True, nogil=True)
def _flood(state: UInt8Array, words: Int32Array, order: Int32Array, rules: ScoreRules) -> Int64Array:
    """Walk all pixels above 0 and clear them; rows of chosen regions as parts of ``order``."""
    stride = state.shape[1]
    left, edge = state.ravel(), words.ravel()
    below = np.empty(left.size, np.int32)  # the pixel that waited before, at the same level
    waiting = np.full(256, -1, np.int32)
    stack = np.zeros((257, _COLUMNS), np.int64)
    chosen = np.empty((1024, 4), np.int64)
    count = filled = 0
    around = (-stride, -1, 1, stride)
    for seed in range(left.size):
        if left[seed] == 0:
            continue
        here, level = np.int64(seed), np.int64(left[seed])
        left[seed] = 0
        top = 0
        _begin(stack[0], level, filled)
        while True:
            darker = np.int64(-1)
            for step in around:
                beside = here + step
                other = np.int64(left[beside])
                if other == 0:
                    continue
                left[beside] = 0
                if other > level:
                    darker = other
                    below[here] = waiting[level]
                    waiting[level] = here
                    here = beside
                    break
                below[beside] = waiting[other]
                waiting[other] = beside
            if darker >= 0:
                level = darker
                top += 1
                _begin(stack[top], level, filled)
                continue
            if stack[top, _DEAD] == 0:
                order[filled] = here
                filled += 1
                _add(stack[top], here, stride, edge[here])
            lower = level
            while lower > 0 and waiting[lower] < 0:
                lower -= 1
            if lower < level:
                if count == chosen.shape[0]:
                    chosen = np.concatenate((chosen, np.empty_like(chosen)))
                top, count = _descend(stack, top, lower, filled, chosen, count, rules)
                if lower == 0:
                    break
                level = lower
            here = np.int64(waiting[level])
            waiting[level] = below[here]
    return chosen[:count].copy()


@njit(cache=True, nogil=True)
def _begin(row: Int64Array, level: int, filled: int) -> None:
    row[:] = 0
    row[_MIN_X] = row[_MIN_Y] = _FAR
    row[_MAX_X] = row[_MAX_Y] = -1
    row[_LEVEL] = level
    row[_START] = filled
    row[_LAST] = -1


@njit(cache=True, nogil=True)
def _add(row: Int64Array, pixel: int, stride: int, word: int) -> None:
    y = pixel // stride
    x = pixel - y * stride
    row[AREA] += 1
    row[SUM_X] += x
    row[SUM_Y] += y
    row[SUM_XX] += x * x
    row[SUM_YY] += y * y
    row[SUM_XY] += x * y
    row[EDGES] += (word & 15) - 8
    row[BLOCKED] += (word >> 4) & 15
    row[STEP] += word >> 8
    row[_MIN_X] = min(row[_MIN_X], x)
    row[_MAX_X] = max(row[_MAX_X], x)
    row[_MIN_Y] = min(row[_MIN_Y], y)
    row[_MAX_Y] = max(row[_MAX_Y], y)
    row[_LAST] = max(row[_LAST], pixel)


@njit(cache=True, nogil=True)
def _descend(
    stack: Int64Array, top: int, lower: int, filled: int, chosen: Int64Array, count: int, rules: ScoreRules
) -> tuple[int, int]:
    """Close regions above a level; the last of them goes on there, alone or within the one around it."""
    while stack[top, _LEVEL] > lower:
        count = _close(stack[top], filled, chosen, count, rules)
        if top > 0 and stack[top - 1, _LEVEL] >= lower:
            _join(stack[top - 1], stack[top])
            top -= 1
        elif lower == 0:
            break
        else:
            stack[top, _LEVEL] = lower
            stack[top, _LAST] = -1
    return top, count


@njit(cache=True, nogil=True)
def _join(into: Int64Array, row: Int64Array) -> None:
    if row[_DEAD] or into[_DEAD]:
        into[_DEAD] = 1
        return
    for column in range(_MIN_X):
        into[column] += row[column]
    into[_MIN_X] = min(into[_MIN_X], row[_MIN_X])
    into[_MAX_X] = max(into[_MAX_X], row[_MAX_X])
    into[_MIN_Y] = min(into[_MIN_Y], row[_MIN_Y])
    into[_MAX_Y] = max(into[_MAX_Y], row[_MAX_Y])
    into[_INSIDE] += row[_INSIDE]
    into[_COVERED] += row[_COVERED]


@njit(cache=True, nogil=True)
def _close(row: Int64Array, filled: int, chosen: Int64Array, count: int, rules: ScoreRules) -> int:
    """Take a finished region if it is worth more than what was taken inside it."""
    area = row[AREA] * rules.px_um2
    long = max(row[_MAX_X] - row[_MIN_X], row[_MAX_Y] - row[_MIN_Y]) >= rules.length_px
    if row[_DEAD] or area > rules.most_um2 or long:
        row[_DEAD] = 1
        return count
    if area < rules.least_um2:
        return count
    score = score_of(row[: STEP + 1], rules)
    if score == 0:
        return count
    credit = 1.0
    if row[_COVERED] > 0:
        credit = math.pow(row[AREA] / row[_COVERED], rules.regrowth)
    if score < row[_INSIDE] * credit:
        return count
    row[_INSIDE], row[_COVERED] = score, row[AREA]
    while count > 0 and chosen[count - 1, _FROM] >= row[_START]:
        count -= 1
    chosen[count, _FROM], chosen[count, _TO] = row[_START], filled
    chosen[count, _AT_LEVEL], chosen[count, _LAST_PIXEL] = row[_LEVEL], row[_LAST]
    return count + 1


@njit(cache=True, nogil=True)
def _paint(labels: Int32Array, order: Int32Array, chosen: Int64Array, ranked: Int64Array) -> None:
    for k in range(ranked.size):
        for t in range(chosen[ranked[k], _FROM], chosen[ranked[k], _TO]):
            labels[order[t]] = k + 1
