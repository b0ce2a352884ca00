"""Exact smoothing of integer planes: a pixel gets the same value in every window that shows its support."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.pair_sums import AT_ONCE, SHIFT, weigh_along, weigh_down

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt32Array = npt.NDArray[np.uint32]

# A Gaussian cut at 3 sigma misses 0.3 % of its mass.
_CUT_SIGMA = 3.0
_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def radius_px(sigma_px: float) -> int:
    """Reach of the kernel of this sigma, pixels."""
    return math.ceil(_CUT_SIGMA * sigma_px) if sigma_px > 0 else 0


def weights(sigma_px: float) -> Int32Array:
    """Integer Gaussian weights that sum to exactly 4096.

    Parameters
    ----------
    sigma_px : float
        Standard deviation in pixels; 0 for no smoothing.

    Returns
    -------
    ndarray of int32, shape (2 radius + 1,)
    """
    radius = radius_px(sigma_px)
    if radius == 0:
        return np.array([1 << SHIFT], dtype=np.int32)
    offset = np.arange(-radius, radius + 1, dtype=np.float64)
    bell = np.exp(-(offset**2) / (2.0 * sigma_px**2))
    taps = np.rint(bell / bell.sum() * (1 << SHIFT)).astype(np.int32)
    taps[radius] += (1 << SHIFT) - int(taps.sum())
    return np.asarray(taps, dtype=np.int32)


def smooth(plane: Int16Array, sigma_px: float) -> Int16Array:
    """Gaussian smoothing of an amount in integers; pixels beyond the window repeat its edge.

    Parameters
    ----------
    plane : ndarray of int16, shape (h, w)
        Negative amounts count as none.
    sigma_px : float
        Standard deviation in pixels.

    Returns
    -------
    ndarray of int16, shape (h, w)
        Rounded to the nearest integer after each of the two passes.
    """
    if radius_px(sigma_px) == 0:
        return np.maximum(plane, np.int16(0))
    height, width = plane.shape
    taps = _taps(weights(sigma_px))
    reach, wide = taps.shape[1] - 1, -(-width // AT_ONCE) * AT_ONCE
    pairs, rows = np.zeros((reach + 1, wide), np.uint32), np.zeros((2, wide + 2 * reach), np.int16)
    beside = 2 * np.arange(reach + 1, dtype=np.int64)
    weighed = taps, beside, np.empty_like(beside)
    out = np.empty(height * width + AT_ONCE, np.int16)
    _smooth(plane, weighed, (pairs, pairs.ravel().view(np.int16)), rows, out)
    return out[: height * width].reshape(height, width)


def _taps(bell: Int32Array) -> Int32Array:
    """Weights of the pairs around the first and around the second pixel of a pair; shape (2, pairs)."""
    reach = bell.size // 2
    spare = reach % 2  # pairs begin at even distances
    taps = np.zeros((2, 2 * (reach + spare) + 2), np.int16)
    for second in (0, 1):
        taps[second, second + spare : second + spare + bell.size] = bell
    return taps.view(np.int32)


@_kernel
def _smooth(
    plane: Int16Array,
    weighed: tuple[Int32Array, Int64Array, Int64Array],
    held: tuple[UInt32Array, Int16Array],
    rows: Int16Array,
    out: Int16Array,
) -> None:
    """Two rows at a time down the columns and then along themselves, while they are in the cache.

    What is written beyond a row's end is where the next one will be.
    """
    (taps, beside, places), (pairs, numbers) = weighed, held
    (height, width), count = plane.shape, taps.shape[1]
    reach, last = count - 1, height - 1
    for y in range(0, height, 2):
        first = (y - reach) // 2
        for pair in range(first if y == 0 else first + reach, first + count):
            upper, lower = plane[min(max(2 * pair, 0), last)], plane[min(max(2 * pair + 1, 0), last)]
            _pair(upper, lower, pairs[pair % count, :width])
        for k in range(count):
            places[k] = 2 * pairs.shape[1] * ((first + k) % count)
        _weigh_down(numbers, places, taps, rows[:, reach:], width)
        for row in range(min(2, height - y)):
            _repeat_ends(rows[row], reach, width)
            _weigh_along(rows[row], beside, taps, out[(y + row) * width :], width)


@_kernel
def _pair(upper: Int16Array, lower: Int16Array, out: UInt32Array) -> None:
    """Two rows, none below 0, the second in the upper halves."""
    none = np.int16(0)
    for x in range(out.size):
        below = np.uint32(np.uint16(max(lower[x], none)))
        out[x] = np.uint32(np.uint16(max(upper[x], none))) | below << np.uint32(16)


@_kernel
def _repeat_ends(row: Int16Array, reach: int, width: int) -> None:
    row[:reach] = row[reach]
    row[reach + width : width + 2 * reach] = row[reach + width - 1]


@_kernel
def _weigh_down(
    numbers: Int16Array, places: Int64Array, taps: Int32Array, rows: Int16Array, width: int
) -> None:
    for x in range(np.uint64(0), np.uint64(width), np.uint64(AT_ONCE // 2)):
        weigh_down(numbers, places, taps, rows[0], rows[1], x)


@_kernel
def _weigh_along(row: Int16Array, beside: Int64Array, taps: Int32Array, out: Int16Array, width: int) -> None:
    for x in range(np.uint64(0), np.uint64(width), np.uint64(AT_ONCE)):
        weigh_along(row, beside, taps, out, x)
