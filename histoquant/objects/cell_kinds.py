"""What a pixel is to the cell that owns it: rim or core of the nucleus, or so far outside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.nearest import KeyArray, Keys

UInt8Array = npt.NDArray[np.uint8]

_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)

NUCLEUS, RING, CYTOPLASM = range(3)
# Rim of the nucleus, close outside it, farther outside: a membrane lies in one of them, wherever exactly
# the nucleus was outlined. The number of shells stands for none.
SHELLS = 3
# What lies neither in nucleus nor in cytoplasm; `CYTOPLASM` as a place is that beyond the ring.
NOWHERE = 3
# Of what is told of a pixel: its shell lies below its place.
SHELL_BITS = 2
# The two kinds of pixels that a nucleus has
_RIM, _CORE = np.uint8(NUCLEUS << SHELL_BITS), np.uint8(NUCLEUS << SHELL_BITS | SHELLS)


class Reaches(NamedTuple):
    """How far compartments reach from the edge of the nucleus.

    Attributes
    ----------
    ring, close, around, cytoplasm : int
        Outwards, in fifths of a pixel.
    rim : int
        Inwards, in pixels.
    """

    ring: int
    close: int
    around: int
    cytoplasm: int
    rim: int


def limits_of(reaches: Reaches, keys: Keys, kind: npt.DTypeLike) -> KeyArray:
    """Greatest keys inside, in both shells outside, in the ring and in the cytoplasm; shape (5,)."""
    close, ring = min(reaches.close, reaches.around), min(reaches.ring, reaches.cytoplasm)
    ends = np.array([0, close, reaches.around, ring, reaches.cytoplasm], np.int64)
    return (((ends + 1) << keys.bits) - 1).astype(kind)


@_kernel
def tell_row(
    keys: tuple[KeyArray, KeyArray, KeyArray], limits: KeyArray, other: KeyArray, out: UInt8Array
) -> None:
    """What every pixel of a row is to the cell that owns it.

    Whole rows without a branch, which compilers turn into vector instructions.

    Parameters
    ----------
    keys : tuple of three ndarray of uint16 or int64, shape (w + 2 rim,)
        As `share_block` gives them, of the rows that lie so far above, of the row itself, and so far below: a
        pixel of a nucleus lies on its rim where another nucleus or none lies so far from it, in any of eight
        directions.
    limits : ndarray of uint16 or int64, shape (5,)
        From `limits_of`.
    other : ndarray of uint16 or int64, shape (w,)
        Room.
    out : ndarray of uint8, shape (w,)
        Shell, and from bit `SHELL_BITS` on the place. Means nothing where no cell owns the pixel.
    """
    inside, close, around, ring, cytoplasm = limits
    _differ(keys[0], keys[1], keys[2], other)
    rim = (keys[1].size - out.size) // 2
    near = keys[1][rim : rim + out.size]
    for x in range(out.size):
        key = near[x]
        shell = np.uint8(1) + np.uint8(key > close) + np.uint8(key > around)
        place = np.uint8(RING) + np.uint8(key > ring) + np.uint8(key > cytoplasm)
        own = _RIM if other[x] != 0 else _CORE
        out[x] = own if key <= inside else (place << SHELL_BITS) | shell


@_kernel
def _differ(above: KeyArray, here: KeyArray, below: KeyArray, out: KeyArray) -> None:
    """Not 0 where another object lies in one of eight directions."""
    rim = (here.size - out.size) // 2
    middle, right = np.uint64(rim), np.uint64(2 * rim)
    for x in range(np.uint64(out.size)):
        own = here[x + middle]
        over = (above[x] ^ own) | (above[x + middle] ^ own) | (above[x + right] ^ own)
        under = (below[x] ^ own) | (below[x + middle] ^ own) | (below[x + right] ^ own)
        out[x] = over | under | (here[x] ^ own) | (here[x + right] ^ own)
