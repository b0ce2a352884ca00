"""What a pixel is to the cell that owns it: rim or core of the nucleus, or so far outside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.nearest import KeyArray, Keys

Int64Array = npt.NDArray[np.int64]
Int16Array = npt.NDArray[np.int16]
UInt16Array = npt.NDArray[np.uint16]

_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)

NUCLEUS, RING, CYTOPLASM = range(3)
# Rim of the nucleus, close outside it, farther outside: a membrane lies in one of them, wherever exactly
# the nucleus was outlined.
SHELLS = 3
# Between rim and beyond lie those that the four reaches outside a nucleus part.
_RIM, _BEYOND, _CORE = 0, 5, 6
KINDS = 7
# What lies neither in nucleus nor in cytoplasm; `CYTOPLASM` as a place is that beyond the ring.
NOWHERE = 3
# 10 mOD bins from -0.25 to 2.75 OD: finer than the noise of a pixel, wider than an 8-bit scanner reaches.
BIN_MOD = 10
FIRST_MOD = -250
BINS = 300
# A word says all that a cell's sums ask of a pixel: bin, place, kind, and whether it is stained.
PLACE_BITS, KIND_BITS, STAINED_BITS = 9, 11, 14


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


class Kinds(NamedTuple):
    """Kinds of pixels, so that every compartment and shell is made of whole ones.

    Attributes
    ----------
    ends : ndarray of uint16, shape (4,)
        Greatest distance of each kind outside the nucleus, ascending; the last again where fewer differ.
    place_ends : ndarray of uint16, shape (2,)
        Greatest distance of the ring and of the cytoplasm.
    place : ndarray of int64, shape (kinds,)
        `NUCLEUS`, `RING`, `CYTOPLASM` beyond the ring, or `NOWHERE`.
    shell : ndarray of int64, shape (kinds,)
        `SHELLS` for none.
    """

    ends: UInt16Array
    place_ends: UInt16Array
    place: Int64Array
    shell: Int64Array

    @classmethod
    def of(cls, reaches: Reaches) -> Kinds:
        """Kinds that these reaches part."""
        ends = np.unique([reaches.ring, reaches.close, reaches.around, reaches.cytoplasm])
        place, shell = np.full(KINDS, NOWHERE, np.int64), np.full(KINDS, SHELLS, np.int64)
        place[[_RIM, _CORE]] = NUCLEUS
        shell[_RIM] = 0
        for kind, end in enumerate(ends, 1):
            if end <= reaches.cytoplasm:
                place[kind] = RING if end <= reaches.ring else CYTOPLASM
            if end <= reaches.around:
                shell[kind] = 1 if end <= reaches.close else 2
        ends = np.pad(ends, (0, 4 - len(ends)), mode="edge").astype(np.uint16)
        ring = min(reaches.ring, reaches.cytoplasm)
        return cls(ends, np.array([ring, reaches.cytoplasm], np.uint16), place, shell)

    def limits(self, keys: Keys, kind: npt.DTypeLike) -> KeyArray:
        """Greatest keys of what is inside, of each of ``ends`` and of each of ``place_ends``; shape (7,)."""
        ends = np.concatenate([[0], self.ends, self.place_ends]).astype(np.int64)
        return (((ends + 1) << keys.bits) - 1).astype(kind)


@_kernel
def tell_row(
    keys: tuple[KeyArray, KeyArray, KeyArray],
    limits: KeyArray,
    other: KeyArray,
    dab: Int16Array,
    stained_mod: int,
    out: UInt16Array,
) -> None:
    """What every pixel of a row is to the cell that owns it.

    Whole rows without a branch, which compilers turn into vector instructions.

    Parameters
    ----------
    keys : tuple of three ndarray of uint16 or int64, shape (w + 2 rim,)
        As `share_block` gives them, of the rows that lie so far above, of the row itself, and so far below: a
        pixel of a nucleus lies on its rim where another nucleus or none lies so far from it, in any of eight
        directions.
    limits : ndarray of uint16 or int64, shape (7,)
        From `Kinds.limits`.
    other : ndarray of uint16 or int64, shape (w,)
        Room.
    dab : ndarray of int16, shape (w,)
    stained_mod : int
        DAB (mOD) from which a pixel of nucleus or cytoplasm is stained.
    out : ndarray of uint16, shape (w,)
        Bin of DAB, and from bit `PLACE_BITS`, `KIND_BITS` and `STAINED_BITS` on what these say. Means nothing
        where no cell owns the pixel.
    """
    inside, first, second, third, fourth, ring, cytoplasm = limits
    _differ(keys[0], keys[1], keys[2], other)
    rim = (keys[1].size - out.size) // 2
    near = keys[1][rim : rim + out.size]
    for x in range(out.size):
        key = near[x]
        kind = 1 + (key > first) + (key > second) + (key > third) + (key > fourth)
        place = RING + (key > ring) + (key > cytoplasm)
        own = _RIM << KIND_BITS if other[x] != 0 else _CORE << KIND_BITS
        out[x] = own if key <= inside else (kind << KIND_BITS) | (place << PLACE_BITS)
    _add_dab(dab, stained_mod, out)


@_kernel
def _add_dab(dab: Int16Array, stained_mod: int, word: UInt16Array) -> None:
    for x in range(word.size):
        held = min(max(int(dab[x]) - FIRST_MOD, 0) // BIN_MOD, BINS - 1)
        inside = ((word[x] >> PLACE_BITS) & 3) != NOWHERE
        word[x] |= held | (int(inside & (dab[x] >= stained_mod)) << STAINED_BITS)


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
