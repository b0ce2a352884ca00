"""Objects that may have a neck, told by their shape and by what is left of them as their edge is taken off.

The pixels of at least some depth, as `split` counts depths, are what of an object is left when all others are
taken off. A neck keeps two parts apart where these are in two pieces just above the neck's depth, and still
are at more than its depth over the share. Most objects never come apart as they shrink, or only on their last
pixels, and need not be flooded.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.lanes import LARGE, SMALL, Masks, draw, pieces, shrink
from histoquant.objects.loose_runs import LooseRuns, box_of
from histoquant.objects.nearest import UNIT

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

# Two blurred discs that overlap, as the tests draw them, fill 0.95 of their ellipse of inertia.
_NECKLESS = 0.97
DIAGONAL = 7
"""Step of a distance across a corner, as in `nearest`."""
# Depths that there are, up to more than fit; mask 0 is everything, mask 1 the object.
_STEPS = np.arange(LARGE)
_DEPTHS = np.unique(UNIT * _STEPS[:, None] + DIAGONAL * _STEPS)
_DEPTHS = _DEPTHS[_DEPTHS <= UNIT * LARGE]
_ALL, _OBJECT = 0, 1
# Masks in which the pixels beside and across a corner of one must lie for it to be as deep
_NEAR = np.searchsorted(_DEPTHS, np.maximum(_DEPTHS - UNIT, 0))
_ACROSS = np.searchsorted(_DEPTHS, np.maximum(_DEPTHS - DIAGONAL, 0))


@njit(cache=True, nogil=True)
def may_narrow(runs: LooseRuns, neck_share: FloatArray, least_px: int) -> tuple[Int64Array, int]:
    """Objects that may have to be cut, and pixels of the largest box of one of them within a frame.

    Parameters
    ----------
    runs : LooseRuns
    neck_share : ndarray of float64, shape (n,)
        As of `split_necks`.
    least_px : int
        Smallest part.

    Returns
    -------
    rows : ndarray of int64, shape (m,)
    pixels : int
    """
    small = np.empty((_DEPTHS.size, SMALL + 2), np.uint32)
    large = np.empty((_DEPTHS.size, LARGE + 2), np.uint64)
    small[_ALL], large[_ALL] = ~np.uint32(0), ~np.uint64(0)
    rows, count, room = np.empty(runs.first.size, np.int64), 0, 4
    for i in range(runs.first.size):
        own, pixels = runs.spans[runs.first[i] : runs.last[i]], 0
        for k in range(np.uint64(own.shape[0])):
            pixels += own[k, 2] - own[k, 1]
        if pixels < 2 * least_px:
            continue
        top, left, bottom, right = box_of(own)
        side = max(bottom - top, right - left)
        if side <= SMALL:
            draw(own, top, left, small[_OBJECT])
            apart = _comes_apart(small, neck_share[i])
        elif side <= LARGE:
            draw(own, top, left, large[_OBJECT])
            apart = _comes_apart(large, neck_share[i])
        else:
            apart = True
        # few come apart: of all others nobody asks whether they are as good as convex
        if apart and _ellipse_share(own, pixels) <= _NECKLESS:
            rows[count] = i
            count += 1
            room = max(room, (bottom - top + 2) * (right - left + 2))
    return rows[:count].copy(), room


@njit(cache=True, nogil=True)
def _comes_apart(masks: Masks, neck_share: float) -> bool:
    """Whether a neck may be narrow enough, of a drawn object; in any case where it has holes or pieces."""
    if pieces(masks, _OBJECT) != 1 or neck_share >= 1.0:
        return True
    neck = -1
    for k in range(_OBJECT + 1, _DEPTHS.size):
        parts = shrink(masks, k, _OBJECT, _NEAR[k], _ACROSS[k])
        if parts == 0:
            return False
        if parts == 1:
            neck = -1
            continue
        # in one piece as far as the last depth
        neck = _DEPTHS[k - 1] if neck < 0 else neck
        if neck <= neck_share * _DEPTHS[k]:
            return True
    return True


@njit(cache=True, nogil=True)
def _ellipse_share(own: Int32Array, n: int) -> float:
    """Share of its ellipse of inertia that a shape of ``n`` pixels fills; sums from its first pixel on."""
    y0, x0 = int(own[0, 0]), int(own[0, 1])
    sx = sy = sxx = syy = sxy = 0
    for k in range(np.uint64(own.shape[0])):
        y, begin, end = own[k, 0] - y0, own[k, 1] - x0, own[k, 2] - x0
        along = (begin + end - 1) * (end - begin) // 2
        sx += along
        sy += y * (end - begin)
        sxx += _squares(end - 1) - _squares(begin - 1)
        syy += y * y * (end - begin)
        sxy += y * along
    vx = (n * sxx - sx * sx) / (n * n) + 1.0 / 12.0
    vy = (n * syy - sy * sy) / (n * n) + 1.0 / 12.0
    vxy = (n * sxy - sx * sy) / (n * n)
    return float(n / (4.0 * math.pi * math.sqrt(vx * vy - vxy * vxy)))


@njit(cache=True, nogil=True)
def _squares(m: int) -> int:
    """Sum of the squares up to that of ``m``."""
    return m * (m + 1) * (2 * m + 1) // 6
