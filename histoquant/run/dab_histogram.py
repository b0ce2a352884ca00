"""How much DAB the pixels of a tile hold."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.objects.places import FOUR, place_in

# One bin per thousandth of OD; darker pixels share the last bin.
HISTOGRAM_BINS = 3001
_ONE = np.uint32(1)


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
    even, odd = np.zeros((2, HISTOGRAM_BINS + 1), np.uint32)
    words = np.empty(width // FOUR + 1, np.uint64)
    bin_of = words.view(np.uint16)
    for y in range(height):
        _tell_bins(dab[y + core_yx[0], core_yx[1] : core_yx[1] + width], counted[y], bin_of)
        for k in range(np.uint64(words.size)):
            word = words[k]
            even[place_in(word, 0)] += _ONE
            odd[place_in(word, 1)] += _ONE
            even[place_in(word, 2)] += _ONE
            odd[place_in(word, 3)] += _ONE
    return np.asarray(even[:HISTOGRAM_BINS].astype(np.int64) + odd[:HISTOGRAM_BINS])


@njit(cache=True, nogil=True)
def _tell_bins(dab: NDArray[np.int16], counted: NDArray[np.bool_], bin_of: NDArray[np.uint16]) -> None:
    for x in range(dab.size):
        bin_of[x] = min(max(dab[x], 0), HISTOGRAM_BINS - 1) if counted[x] else HISTOGRAM_BINS
    bin_of[dab.size :] = HISTOGRAM_BINS
