"""Places in a table, four of 16 bits in a word, which is loaded once."""

from __future__ import annotations

import numpy as np
from numba import njit

FOUR = 4
"""Places of a word."""
_BITS, _PLACE = np.uint64(16), np.uint64(0xFFFF)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def place_in(word: np.uint64, k: int) -> np.uint64:
    """The ``k``-th place of a word, from 0."""
    return (word >> (np.uint64(k) * _BITS)) & _PLACE
