"""Which pixels of a tile count."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def counted_pixels(
    valid: NDArray[np.bool_],
    core_yx: tuple[int, int],
    quantifiable: NDArray[np.bool_],
    plane_yx: tuple[int, int],
    scale_px: int,
    shape: tuple[int, int],
) -> NDArray[np.bool_]:
    """Pixels of a core that are valid and lie in quantifiable tissue.

    Parameters
    ----------
    valid : ndarray of bool, shape (h, w), or (1, w) for all rows
        Where the window has pixels.
    core_yx : tuple of int
        First pixel of the core in the window.
    quantifiable : ndarray of bool
        Map of the whole plane.
    plane_yx : tuple of int
        First pixel of the core in the plane.
    scale_px : int
        Edge of a pixel of the map in the plane.
    shape : tuple of int
        Height and width of the core.

    Returns
    -------
    ndarray of bool, of that shape
    """
    (height, width), last = shape, valid.shape[0] - 1
    out, tissue = np.empty((height, width), np.bool_), np.empty(width, np.bool_)
    # to divide for every row of the map took longer than all else
    column = (plane_yx[1] + np.arange(width)) // scale_px
    for y in range(height):
        row = (plane_yx[0] + y) // scale_px
        if y == 0 or (plane_yx[0] + y) % scale_px == 0:
            for x in range(width):
                tissue[x] = quantifiable[row, column[x]]
        known, counted = valid[min(core_yx[0] + y, last), core_yx[1] : core_yx[1] + width], out[y]
        for x in range(width):
            counted[x] = known[x] & tissue[x]
    return out
