"""Exact smoothing of integer planes: a pixel gets the same value in every window that shows its support."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Int32Array = npt.NDArray[np.int32]
Int16Array = npt.NDArray[np.int16]
UInt16Array = npt.NDArray[np.uint16]
Pair = tuple[UInt16Array, UInt16Array]

# Weights sum to 4096: with planes of 15 bits no sum leaves 31, and rounding errs by under 0.1 mOD.
_SHIFT = 12
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
        return np.array([1 << _SHIFT], dtype=np.int32)
    offset = np.arange(-radius, radius + 1, dtype=np.float64)
    bell = np.exp(-(offset**2) / (2.0 * sigma_px**2))
    taps = np.rint(bell / bell.sum() * (1 << _SHIFT)).astype(np.int32)
    taps[radius] += (1 << _SHIFT) - int(taps.sum())
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
    reach = radius_px(sigma_px)
    if reach == 0:
        return np.maximum(plane, np.int16(0))
    # the middle with two pairs of pixels, then three pairs at a time; those beyond the kernel weigh nothing
    pairs = 2 + 3 * max(1, math.ceil((reach - 2) / 3))
    taps = np.zeros(pairs + 1, np.int32)
    taps[: reach + 1] = weights(sigma_px)[reach:]
    height, width = plane.shape
    rows, row = np.empty((2 * pairs + 1, width), np.uint16), np.empty(width + 2 * pairs, np.uint16)
    out = np.empty((height, width), np.int16)
    _smooth(plane, taps, (rows, row, np.empty(width, np.int32)), out.view(np.uint16))
    return out


@_kernel
def _smooth(
    plane: Int16Array, taps: Int32Array, room: tuple[UInt16Array, UInt16Array, Int32Array], out: UInt16Array
) -> None:
    """Each row down the columns and then along itself, while it is in the cache."""
    rows, padded, total = room
    height, width = plane.shape
    pairs = taps.size - 1
    middle = padded[pairs : pairs + width]
    for y in range(height):
        for new in range(y + pairs if y > 0 else 0, min(y + pairs + 1, height)):
            _clip(plane[new], rows[new % rows.shape[0]])
        here = rows[y % rows.shape[0]]
        _start(here, _above(rows, y, 1, height), _above(rows, y, 2, height), taps[:3], total)
        for k in range(3, pairs - 2, 3):
            _add(_three_above(rows, y, k, height), taps[k : k + 3], total)
        _end(_three_above(rows, y, pairs - 2, height), taps[pairs - 2 :], total, middle)
        _repeat_ends(padded, middle, pairs)
        _start(middle, _beside(padded, pairs, 1), _beside(padded, pairs, 2), taps[:3], total)
        for k in range(3, pairs - 2, 3):
            _add(_three_beside(padded, pairs, k), taps[k : k + 3], total)
        _end(_three_beside(padded, pairs, pairs - 2), taps[pairs - 2 :], total, out[y])


@_kernel
def _clip(row: Int16Array, out: UInt16Array) -> None:
    for x in range(out.size):
        out[x] = max(row[x], 0)


@_kernel
def _repeat_ends(padded: UInt16Array, middle: UInt16Array, pairs: int) -> None:
    padded[:pairs] = middle[0]
    padded[pairs + middle.size :] = middle[-1]


@_kernel
def _above(rows: UInt16Array, y: int, k: int, height: int) -> Pair:
    """Rows so far above and below another, among the last ones."""
    return rows[max(y - k, 0) % rows.shape[0]], rows[min(y + k, height - 1) % rows.shape[0]]


@_kernel
def _three_above(rows: UInt16Array, y: int, k: int, height: int) -> tuple[Pair, Pair, Pair]:
    return _above(rows, y, k, height), _above(rows, y, k + 1, height), _above(rows, y, k + 2, height)


@_kernel
def _beside(padded: UInt16Array, middle: int, k: int) -> Pair:
    return padded[middle - k :], padded[middle + k :]


@_kernel
def _three_beside(padded: UInt16Array, middle: int, k: int) -> tuple[Pair, Pair, Pair]:
    return _beside(padded, middle, k), _beside(padded, middle, k + 1), _beside(padded, middle, k + 2)


@_kernel
def _start(row: UInt16Array, near: Pair, far: Pair, taps: Int32Array, out: Int32Array) -> None:
    (before, after), (farther_before, farther_after) = near, far
    middle, tap, next_tap = taps[0], taps[1], taps[2]
    for x in range(out.size):
        total = np.int32(1 << (_SHIFT - 1)) + middle * np.int32(row[x])
        # amounts of 15 bits: two make 16
        total += tap * np.int32(np.uint16(before[x] + after[x]))
        out[x] = total + next_tap * np.int32(np.uint16(farther_before[x] + farther_after[x]))


@_kernel
def _add(three: tuple[Pair, Pair, Pair], taps: Int32Array, out: Int32Array) -> None:
    """Three pairs of rows with their weights: the sums are fetched and put back a third as often."""
    (a, b), (c, d), (e, f) = three
    first, second, third = taps[0], taps[1], taps[2]
    for x in range(out.size):
        total = first * np.int32(np.uint16(a[x] + b[x])) + second * np.int32(np.uint16(c[x] + d[x]))
        out[x] += total + third * np.int32(np.uint16(e[x] + f[x]))


@_kernel
def _end(three: tuple[Pair, Pair, Pair], taps: Int32Array, sums: Int32Array, out: UInt16Array) -> None:
    """The last three pairs, and the sums rounded."""
    (a, b), (c, d), (e, f) = three
    first, second, third = taps[0], taps[1], taps[2]
    for x in range(out.size):
        total = first * np.int32(np.uint16(a[x] + b[x])) + second * np.int32(np.uint16(c[x] + d[x]))
        total += third * np.int32(np.uint16(e[x] + f[x]))
        out[x] = np.int32(sums[x] + total) >> _SHIFT
