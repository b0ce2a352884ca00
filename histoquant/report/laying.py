"""A coarse map laid over a picture that takes steps of whole 128ths of its pixels on it: compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]


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
