"""Amounts of stain at another strength, in whole numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.stains.settings import GAIN_UNIT

Int16Array = npt.NDArray[np.int16]

_BITS = GAIN_UNIT.bit_length() - 1
# Products of 16 bits with a gain up to 31 fit into 32 bits, of which twice as many are reckoned at once.
_HALF, _SHIFT = np.int32(GAIN_UNIT >> 1), np.int32(_BITS)
_LEAST, _MOST = np.int32(-(1 << 15)), np.int32((1 << 15) - 1)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def at_gain(amount: np.int16, gain: np.int32) -> np.int32:
    """An amount times a gain in 1/1024, rounded half up, cut off where 16 bits end.

    Of a gain of 1024 the amount itself.
    """
    wide = np.int32(np.int32(np.int32(amount) * gain) + _HALF) >> _SHIFT
    return min(max(wide, _LEAST), _MOST)


def plane_at_gain(plane: Int16Array, gain: int) -> Int16Array:
    """`at_gain` of every pixel; int16, of the same shape."""
    out = np.empty(plane.shape, np.int16)
    _fill(np.ascontiguousarray(plane).ravel(), np.int32(gain), out.ravel())
    return out


@njit(cache=True, nogil=True)
def _fill(plane: Int16Array, gain: np.int32, out: Int16Array) -> None:
    for i in range(plane.size):
        out[i] = at_gain(plane[i], gain)
