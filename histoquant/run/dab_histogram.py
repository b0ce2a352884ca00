"""How much DAB the pixels of a tile hold."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

# One bin per thousandth of OD; darker pixels share the last bin.
HISTOGRAM_BINS = 3001
_ONE = np.uint64(1)


@njit(cache=True, nogil=True)
def dab_histogram(
    dab: NDArray[np.int16], core_yx: tuple[int, int], counted: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Pixels of a core by their DAB.

    Parameters
    ----------
    dab : ndarray of int16, shape (h, w)
        Of the window (mOD).
    core_yx : tuple of int
        First pixel of the core in the window.
    counted : ndarray of bool
        Which pixels of the core count; its shape.

    Returns
    -------
    ndarray of int64, shape (HISTOGRAM_BINS,)
        One bin per thousandth of OD, negatives in the first.
    """
    height, width = counted.shape
    # neighbours are alike, and adding to one number twice in a row waits; the last bin is of all others
    bins, bin_of = np.zeros((2, HISTOGRAM_BINS + 1), np.int64), np.empty(width + 1, np.uint16)
    for y in range(height):
        row = dab[y + core_yx[0], core_yx[1] : core_yx[1] + width]
        _tell_bins(row, counted[y], bin_of)
        for x in range(np.uint64(0), np.uint64(width), np.uint64(2)):
            bins[0, bin_of[x]] += 1
            bins[1, bin_of[x + _ONE]] += 1
    return np.asarray(bins[0, :HISTOGRAM_BINS] + bins[1, :HISTOGRAM_BINS])


@njit(cache=True, nogil=True)
def _tell_bins(dab: NDArray[np.int16], counted: NDArray[np.bool_], bin_of: NDArray[np.uint16]) -> None:
    for x in range(dab.size):
        bin_of[x] = min(max(dab[x], 0), HISTOGRAM_BINS - 1) if counted[x] else HISTOGRAM_BINS
    bin_of[dab.size] = HISTOGRAM_BINS
