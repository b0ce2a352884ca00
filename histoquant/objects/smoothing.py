"""Exact smoothing of integer planes: a pixel gets the same value in every window that shows its support."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.gains import at_gain, plane_at_gain
from histoquant.objects.pair_sums import AT_ONCE, SHIFT, weigh_along, weigh_down
from histoquant.objects.prefetch import prefetch
from histoquant.stains.settings import GAIN_UNIT

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt32Array = npt.NDArray[np.uint32]

# A Gaussian cut at 3 sigma misses 0.3 % of its mass.
_CUT_SIGMA = 3.0
_AS_IT_IS = np.int32(GAIN_UNIT)
# Pixels that come from memory at once
_LINE = 32
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


class Band(NamedTuple):
    """The rows around those that are smoothed, in pairs, each at its number less whole turns.

    What lies a reach around two pixels that follow each other is pairs: they begin at odd rows if the reach
    is odd.

    Attributes
    ----------
    gain : int32
        In 1/1024, by which rows are taken in.
    taps : ndarray of int32, shape (2, pairs)
        As of `pair_sums.weigh_down`.
    beside, places : ndarray of int64, shape (pairs,)
        Where pairs of a row lie, and where pairs of rows do.
    pairs : ndarray of uint32, shape (pairs, wide)
        A pixel of the upper row and, in the upper half, the one below it; ``wide`` is the width to the next
        multiple of `AT_ONCE`.
    numbers : ndarray of int16
        The same memory.
    rows : ndarray of int16, shape (2, wide + 2 reach)
        Two rows that are smoothed along the columns.
    given : ndarray of int16, shape (2, wide + AT_ONCE)
        Room for two that are smoothed along both, where these are kept no longer.
    """

    gain: np.int32
    taps: Int32Array
    beside: Int64Array
    places: Int64Array
    pairs: UInt32Array
    numbers: Int16Array
    rows: Int16Array
    given: Int16Array

    @classmethod
    def of(cls, sigma_px: float, width: int, gain: int = GAIN_UNIT) -> Band:
        """For rows of this width, before the first of them; amounts count at this gain."""
        taps = _taps(weights(sigma_px))
        count, wide = taps.shape[1], -(-width // AT_ONCE) * AT_ONCE
        pairs = np.zeros((count, wide), np.uint32)
        beside = 2 * np.arange(count, dtype=np.int64)
        rows = np.zeros((2, wide + 2 * (count - 1)), np.int16)
        numbers, given = pairs.ravel().view(np.int16), np.empty((2, wide + AT_ONCE), np.int16)
        return cls(np.int32(gain), taps, beside, np.empty_like(beside), pairs, numbers, rows, given)


def smooth(plane: Int16Array, sigma_px: float, gain: int = GAIN_UNIT) -> Int16Array:
    """Gaussian smoothing of an amount in integers; pixels beyond the window repeat its edge.

    Parameters
    ----------
    plane : ndarray of int16, shape (h, w)
        Negative amounts count as none.
    sigma_px : float
        Standard deviation in pixels.
    gain : int
        In 1/1024: `at_gain` of the amounts is smoothed.

    Returns
    -------
    ndarray of int16, shape (h, w)
        Rounded to the nearest integer after each of the two passes.
    """
    if radius_px(sigma_px) == 0:
        return np.maximum(plane_at_gain(plane, gain), np.int16(0))
    flat, out = room_for(plane.shape)
    _smooth(plane, Band.of(sigma_px, plane.shape[1], gain), flat)
    return out


def room_for(shape: tuple[int, ...]) -> tuple[Int16Array, Int16Array]:
    """A plane as one row, with room beyond its end, and the plane."""
    height, width = shape
    flat = np.empty(height * width + AT_ONCE, np.int16)
    return flat, flat[: height * width].reshape(height, width)


def _taps(bell: Int32Array) -> Int32Array:
    """Weights of the pairs around the first and around the second pixel of a pair; shape (2, pairs)."""
    taps = np.zeros((2, bell.size + 1), np.int16)
    for second in (0, 1):
        taps[second, second : second + bell.size] = bell
    return taps.view(np.int32)


@_kernel
def _smooth(plane: Int16Array, band: Band, out: Int16Array) -> None:
    height, width = plane.shape
    for y in range(0, height, 2):
        second = out[(y + 1) * width :] if y + 1 < height else band.given[1]
        take_rows(band, y, plane)
        give_rows(band, y, out[y * width :], second, plane)


@_kernel
def take_rows(band: Band, y: int, plane: Int16Array) -> None:
    """Take in what the rows from the even ``y`` on need and those before did not."""
    count, last = band.taps.shape[1], plane.shape[0] - 1
    first = _first_pair(band, y)
    for pair in range(first if y == 0 else first + count - 1, first + count):
        row = _first_row(band, pair)
        upper, lower = plane[min(max(row, 0), last)], plane[min(max(row + 1, 0), last)]
        out = band.pairs[pair % count, : upper.size]
        if band.gain == _AS_IT_IS:
            _pair(upper, lower, out)
        else:
            _pair_at_gain(upper, lower, band.gain, out)


@_kernel
def give_rows(band: Band, y: int, first: Int16Array, second: Int16Array, plane: Int16Array) -> None:
    """Smooth rows ``y`` and ``y + 1``, each into a place with room for `AT_ONCE` pixels more.

    Both go down the columns and then along themselves, while they are in the cache. What is written beyond
    the end of the first may be where the second begins. The rows taken in next are fetched meanwhile.
    """
    (height, width), count = plane.shape, band.taps.shape[1]
    reach, pair = count - 1, _first_pair(band, y)
    for k in range(count):
        band.places[k] = 2 * band.pairs.shape[1] * ((pair + k) % count)
    _weigh_down(band.numbers, band.places, band.taps, band.rows[:, reach:], width)
    for k in range(2):
        _repeat_ends(band.rows[k], reach, width)
        ahead = np.uint64(min(max(_first_row(band, pair + count) + k, 0), height - 1))
        _weigh_along(band.rows[k], band, first if k == 0 else second, plane, ahead)


@_kernel
def _first_pair(band: Band, y: int) -> int:
    """The pair of rows with which begins what is around row ``y``."""
    return int((y - band.taps.shape[1] + 2) // 2)


@_kernel
def _first_row(band: Band, pair: int) -> int:
    return int(2 * pair - (band.taps.shape[1] - 1) % 2)


@_kernel
def _pair(upper: Int16Array, lower: Int16Array, out: UInt32Array) -> None:
    """Two rows, none below 0, the second in the upper halves."""
    none = np.int16(0)
    for x in range(out.size):
        below = np.uint32(np.uint16(max(lower[x], none)))
        out[x] = np.uint32(np.uint16(max(upper[x], none))) | below << np.uint32(16)


@_kernel
def _pair_at_gain(upper: Int16Array, lower: Int16Array, gain: np.int32, out: UInt32Array) -> None:
    none = np.int32(0)
    for x in range(out.size):
        above, below = max(at_gain(upper[x], gain), none), max(at_gain(lower[x], gain), none)
        out[x] = np.uint32(above) | np.uint32(below) << np.uint32(16)


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
def _weigh_along(row: Int16Array, band: Band, out: Int16Array, plane: Int16Array, ahead: int) -> None:
    for x in range(np.uint64(0), np.uint64(plane.shape[1]), np.uint64(AT_ONCE)):
        for more in range(np.uint64(0), np.uint64(AT_ONCE), np.uint64(_LINE)):
            prefetch(plane, ahead, x + more)
        weigh_along(row, band.beside, band.taps, out, x)
