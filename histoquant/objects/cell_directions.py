"""Stain around a nucleus in eight directions, and how much of it lies on most sides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.cell_kinds import SHELLS
from histoquant.objects.cell_lanes import SECTORS

FloatArray = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
Int8Array = npt.NDArray[np.int8]

# A dark blue nucleus shows 0.1 - 0.2 of its haematoxylin as DAB when the vectors are a few degrees off;
# brown over a nucleus is at least half as strong as the blue under it.
BLUE_SHARE = 0.4
PERCENTS = (25, 50, 75)
_MOD = 1000.0

_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


@_kernel
def brownest(shells: Int64Array, out: FloatArray) -> int:
    """DAB in each direction, which is as brown as the brownest of its shells.

    DAB weaker than `BLUE_SHARE` of the haematoxylin in its place counts less, in proportion.

    Parameters
    ----------
    shells : ndarray of int64, shape (3, shells * directions)
        Pixels, summed DAB and summed haematoxylin (mOD).
    out : ndarray of float64, shape (directions,)
        Receives mean DAB (OD); minus infinity in directions without pixels.

    Returns
    -------
    int
        Directions with pixels.
    """
    known = 0
    for sector in range(SECTORS):
        best, there = -np.inf, 0
        for shell in range(SHELLS):
            k = shell * SECTORS + sector
            pixels, dab, hematoxylin = shells[0, k], shells[1, k], shells[2, k]
            blue, brown = BLUE_SHARE * max(hematoxylin, 0), max(dab, 0)
            trust = brown / blue if blue > brown else 1.0
            value = dab / pixels / _MOD * trust if pixels > 0 else -np.inf
            # of equals the later one, as NumPy has it, whose sign may differ where both are 0
            best = best if best > value else value
            there |= pixels
        out[sector] = best
        known += there != 0
    return known


@njit(cache=True, nogil=True)
def percentiles(ascending: FloatArray, known: Int8Array) -> FloatArray:
    """Percentiles over the directions of each cell.

    Parameters
    ----------
    ascending : ndarray of float64, shape (n, directions)
        What `brownest` gives, sorted.
    known : ndarray of int8, shape (n,)
        Directions with pixels.

    Returns
    -------
    ndarray of float64, shape (percents, n)
        NaN without any.
    """
    out = np.empty((len(PERCENTS), known.size))
    for k in range(len(PERCENTS)):
        share = 1 - PERCENTS[k] / 100
        for i in range(known.size):
            last = max(known[i] - 1, 0)
            position = last * share
            low = int(position)
            part = position - low
            strongest = SECTORS - 1
            value = ascending[i, strongest - low] * (1 - part)
            value += ascending[i, strongest - min(low + 1, last)] * part
            out[k, i] = value if known[i] > 0 else np.nan
    return out
