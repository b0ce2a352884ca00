"""A coarse map laid over a picture, between its pixels: compiled.

Once for pictures that take steps of whole 128ths of a map's pixel, once for all others.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.report.fused import fused

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_Pair = tuple[np.float32, np.float32]
_AROUND_PX: Final = 2  # two pixels farther off it is as far as it matters: both beside it are the border's


@njit(cache=True, nogil=True)
def laid_smooth(values: Bytes, shape: tuple[int, int], steps: tuple[int, int]) -> Bytes:
    """Return ``values`` between their pixels, bilinear, nothing beyond; all sums are exact in 32 bits.

    Parameters
    ----------
    values : ndarray of uint8, shape (rows, columns)
    shape : (h, w)
        Of the picture, which begins where the map begins.
    steps : (y, x)
        From pixel to pixel of the picture, in 128ths of a pixel of the map; 1 to 128.
    """
    rows, columns = values.shape
    down, across = steps
    padded = np.zeros((rows + 3, columns + 3), np.uint8)  # and so is all that lies farther off
    padded[1 : rows + 1, 1 : columns + 1] = values
    firsts = np.empty(columns + 2, np.int64)  # pixel at or beyond the middle of each of the map's
    for column in range(columns + 2):
        firsts[column] = min(max(-((across + 128 - 256 * column) // (2 * across)), 0), shape[1])
    out = np.zeros(shape, np.uint8)
    one, part = np.float32(1), np.float32(1 / 256)
    for y in range(shape[0]):
        place = (2 * y + 1) * down + 128
        row = place >> 8
        if row > rows:
            break
        below = np.float32(place & 255) * part
        upper, lower = padded[row], padded[row + 1]
        column = -1
        while column < columns:
            column += 1
            first = firsts[column]
            a, b, c, d = upper[column], upper[column + 1], lower[column], lower[column + 1]
            if (a == b) & (a == c) & (a == d):  # most of a mask
                while column < columns and (upper[column + 2] == a) & (lower[column + 2] == a):
                    column += 1
                out[y, first : firsts[column + 1]] = a
                continue
            left = np.float32(a) * (one - below) + np.float32(c) * below
            right = np.float32(b) * (one - below) + np.float32(d) * below
            for x in range(first, firsts[column + 1]):
                beyond = np.float32(((2 * x + 1) * across + 128) & 255) * part
                out[y, x] = np.uint8(np.rint(left * (one - beyond) + right * beyond))
    return out


def laid_between(
    values: npt.NDArray[np.generic],
    shape: tuple[int, int],
    steps: tuple[float, float],
    first: tuple[float, float],
    border: Literal["constant", "edge"],
) -> Floats:
    """Return ``values`` between their pixels, bilinear, reckoned as OpenCV's ``warpAffine`` does.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        Of which single precision holds every number.
    shape : (h, w)
        Of the picture.
    steps : (y, x)
        From pixel to pixel of the picture, in pixels of the map.
    first : (y, x)
        Where the picture's first pixel lies on the map.
    border : "constant" or "edge"
        What lies beyond the map: nothing, or what lies at its edge.
    """
    around = np.pad(values.astype(np.float32), _AROUND_PX, border)
    laid: Floats = _lay(around, shape, _single(steps), _single(first))
    return laid


def _single(pair: tuple[float, float]) -> _Pair:
    return np.float32(pair[0]), np.float32(pair[1])


@njit(cache=True, nogil=True)
def _lay(values: Floats, shape: tuple[int, int], steps: _Pair, first: _Pair) -> Floats:
    """A row of the map is spread once for all of the picture's rows beside it: a tenth of the time."""
    height, width = shape
    lefts, beyond = np.empty(width, np.int64), np.empty(width, np.float32)
    for x in range(width):
        place = fused(steps[1], np.float32(x), first[1])
        left = np.floor(place)
        lefts[x], beyond[x] = _within(left, values.shape[1]), place - left
    spread, held = np.empty((2, width), np.float32), -2
    out = np.empty(shape, np.float32)
    for y in range(height):
        place = np.float32(steps[0] * np.float32(y)) + first[0]
        top = np.floor(place)
        row, below = _within(top, values.shape[0]), place - top
        for one in range(row, row + 2):
            if not held <= one < held + 2:
                _spread(values[one], lefts, beyond, spread[one & 1])
        held = row
        upper, lower = spread[row & 1], spread[(row + 1) & 1]
        for x in range(np.uint64(width)):
            out[y, x] = fused(below, lower[x] - upper[x], upper[x])
    return out


@njit(cache=True, nogil=True)
def _within(place: np.float32, size: int) -> int:
    """The pixel there of a map with what lies around it, not its last."""
    return min(max(int(place) + _AROUND_PX, 0), size - 2)


@njit(cache=True, nogil=True)
def _spread(line: Floats, lefts: npt.NDArray[np.int64], beyond: Floats, out: Floats) -> None:
    for x in range(np.uint64(out.size)):
        left, right = line[lefts[x]], line[lefts[x] + 1]
        out[x] = fused(beyond[x], right - left, left)
