"""A coarse map laid over a picture whose pixels part its own into halves, quarters, eighths ...: compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]


@njit(cache=True, nogil=True)
def laid_smooth(values: Bytes, shape: tuple[int, int], per_px: tuple[int, int]) -> Bytes:
    """Return ``values`` between their pixels, bilinear, nothing beyond; all sums are exact in 32 bits.

    Parameters
    ----------
    values : ndarray of uint8, shape (rows, columns)
    shape : (h, w)
        Of the picture, which begins where the map begins.
    per_px : (y, x)
        Pixels of the picture in one of the map; powers of 2.
    """
    rows, columns = values.shape
    high, wide = per_px
    padded = np.zeros((rows + 3, columns + 3), np.uint8)  # and so is all that lies farther off
    padded[1 : rows + 1, 1 : columns + 1] = values
    out = np.zeros(shape, np.uint8)
    one, middle = np.float32(1), np.float32(0.5)
    for y in range(min(shape[0], (rows + 1) * high)):
        row = (y + high // 2) // high
        down = (np.float32(y - row * high) + middle) / np.float32(high) + middle
        above, below = padded[row], padded[row + 1]
        for column in range(columns + 1):
            first, last = column * wide - wide // 2, min(column * wide + wide - wide // 2, shape[1])
            a, b, c, d = above[column], above[column + 1], below[column], below[column + 1]
            if (a == b) & (a == c) & (a == d):  # most of a mask
                out[y, max(first, 0) : last] = a
                continue
            left = np.float32(a) * (one - down) + np.float32(c) * down
            right = np.float32(b) * (one - down) + np.float32(d) * down
            for x in range(max(first, 0), last):
                along = (np.float32(x - column * wide) + middle) / np.float32(wide) + middle
                out[y, x] = np.uint8(np.rint(left * (one - along) + right * along))
    return out
