"""Exact smoothing of integer planes: a pixel gets the same value in every window that shows its support."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]

# Weights sum to 4096: with planes below 2^18 no sum leaves 31 bits, and rounding errs by under 0.1 mOD.
_SHIFT = 12
# A Gaussian cut at 3 sigma misses 0.3 % of its mass.
_CUT_SIGMA = 3.0


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


def smooth(plane: npt.NDArray[np.integer], sigma_px: float) -> npt.NDArray[np.signedinteger]:
    """Gaussian smoothing in integers; pixels beyond the window repeat its edge.

    Parameters
    ----------
    plane : ndarray of int, shape (h, w)
        Values within +-2^17.
    sigma_px : float
        Standard deviation in pixels.

    Returns
    -------
    ndarray of int16 or int32, shape (h, w)
        Rounded to the nearest integer after each of the two passes; int16 for a plane of int16, which no
        weighted mean leaves.
    """
    held = np.ascontiguousarray(plane)
    if held.dtype not in (np.int16, np.int32):
        held = held.astype(np.int32)
    if radius_px(sigma_px) == 0:
        return held
    out = np.empty_like(held)
    _smooth(held, weights(sigma_px), out)
    return out


@njit(cache=True, nogil=True)
def _smooth(plane: IntArray, taps: Int32Array, out: IntArray) -> None:
    """Each row down the columns and then along itself, while it is in the cache."""
    height, width = plane.shape
    radius = taps.size // 2
    padded, total = np.empty(width + 2 * radius, plane.dtype), np.empty(width, np.int32)
    middle = padded[radius : radius + width]
    for y in range(height):
        _start(plane[y], taps[radius], total)
        for k in range(1, radius, 2):
            one, two = (
                (plane[max(y - k, 0)], plane[min(y + k, height - 1)]),
                taps[radius + k : radius + k + 2],
            )
            next_one = (plane[max(y - k - 1, 0)], plane[min(y + k + 1, height - 1)])
            _add_two(one, next_one, two, total)
        if radius % 2 == 1:
            _add(plane[max(y - radius, 0)], plane[min(y + radius, height - 1)], taps[0], total)
        _round(total, middle)
        padded[:radius] = middle[0]
        padded[radius + width :] = middle[width - 1]
        _start(middle, taps[radius], total)
        for k in range(1, radius, 2):
            near = padded[radius - k :], padded[radius + k :]
            far = padded[radius - k - 1 :], padded[radius + k + 1 :]
            _add_two(near, far, taps[radius + k : radius + k + 2], total)
        if radius % 2 == 1:
            _add(padded, padded[2 * radius :], taps[0], total)
        _round(total, out[y])


@njit(cache=True, nogil=True)
def _start(row: IntArray, tap: int, out: Int32Array) -> None:
    for x in range(out.size):
        out[x] = np.int32(1 << (_SHIFT - 1)) + tap * np.int32(row[x])


@njit(cache=True, nogil=True)
def _add(one: IntArray, other: IntArray, tap: int, out: Int32Array) -> None:
    for x in range(out.size):
        out[x] += tap * (np.int32(one[x]) + np.int32(other[x]))


@njit(cache=True, nogil=True)
def _add_two(
    near: tuple[IntArray, IntArray], far: tuple[IntArray, IntArray], taps: Int32Array, out: Int32Array
) -> None:
    """Two pairs of rows with their weights: the sums are fetched and put back half as often."""
    before, after = near
    farther_before, farther_after = far
    tap, next_tap = taps[0], taps[1]
    for x in range(out.size):
        first = tap * (np.int32(before[x]) + np.int32(after[x]))
        out[x] += first + next_tap * (np.int32(farther_before[x]) + np.int32(farther_after[x]))


@njit(cache=True, nogil=True)
def _round(total: Int32Array, out: IntArray) -> None:
    for x in range(out.size):
        out[x] = total[x] >> _SHIFT
