"""What a pixel is to the cell that owns it: rim or core of the nucleus, or so far outside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
Int16Array = npt.NDArray[np.int16]
UInt16Array = npt.NDArray[np.uint16]

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

    def words(
        self, labels: Int32Array, distance: UInt16Array, dab: Int16Array, rim_px: int, stained_mod: int
    ) -> UInt16Array:
        """What every pixel that a cell owns is to that cell.

        Parameters
        ----------
        labels : ndarray of int32, shape (h, w)
            Nuclei.
        distance : ndarray of uint16, shape (h, w)
            As `Territories.distance`.
        dab : ndarray of int16, shape (h, w)
        rim_px : int
            A pixel of a nucleus lies on its rim where another label or the end of the window lies so far
            from it, in any of eight directions.
        stained_mod : int
            DAB (mOD) from which a pixel of nucleus or cytoplasm is stained.

        Returns
        -------
        ndarray of uint16, shape (h, w)
            Bin of DAB, and from bit `PLACE_BITS`, `KIND_BITS` and `STAINED_BITS` on what these say. Means
            nothing where no cell owns the pixel.
        """
        out = np.empty(labels.shape, np.uint16)
        _tell((labels, distance, dab), (self.ends, self.place_ends), rim_px, stained_mod, out)
        return out


@njit(cache=True, nogil=True)
def _tell(
    images: tuple[Int32Array, UInt16Array, Int16Array],
    ends: tuple[UInt16Array, UInt16Array],
    rim: int,
    stained_mod: int,
    out: UInt16Array,
) -> None:
    """Whole rows without a branch, which compilers turn into vector instructions."""
    labels, distance, dab = images
    height, width = labels.shape
    first, second, third, fourth = ends[0]
    ring, cytoplasm = ends[1]
    other = np.empty(width, np.int32)
    inner = other[rim : width - rim] if width > 2 * rim else other[:0]
    for y in range(height):
        here, far, row = labels[y], distance[y], out[y]
        other[:] = 1
        if rim <= y < height - rim and inner.size > 0:
            _differ(labels[y - rim], here, labels[y + rim], inner)
        for x in range(width):
            kind = 1 + (far[x] > first) + (far[x] > second) + (far[x] > third) + (far[x] > fourth)
            place = RING + (far[x] > ring) + (far[x] > cytoplasm)
            inside = _RIM << KIND_BITS if other[x] != 0 else _CORE << KIND_BITS
            row[x] = inside if far[x] == 0 else (kind << KIND_BITS) | (place << PLACE_BITS)
        _add_dab(dab[y], stained_mod, row)


@njit(cache=True, nogil=True)
def _add_dab(dab: Int16Array, stained_mod: int, word: UInt16Array) -> None:
    for x in range(word.size):
        held = min(max(int(dab[x]) - FIRST_MOD, 0) // BIN_MOD, BINS - 1)
        inside = ((word[x] >> PLACE_BITS) & 3) != NOWHERE
        word[x] |= held | (int(inside & (dab[x] >= stained_mod)) << STAINED_BITS)


@njit(cache=True, nogil=True)
def _differ(above: Int32Array, here: Int32Array, below: Int32Array, out: Int32Array) -> None:
    """Not 0 where another label lies in one of eight directions."""
    rim = (here.size - out.size) // 2
    middle, right = np.uint64(rim), np.uint64(2 * rim)
    for x in range(np.uint64(out.size)):
        own = here[x + middle]
        over = (above[x] ^ own) | (above[x + middle] ^ own) | (above[x + right] ^ own)
        under = (below[x] ^ own) | (below[x + middle] ^ own) | (below[x + right] ^ own)
        out[x] = over | under | (here[x] ^ own) | (here[x + right] ^ own)
