"""What a pixel is to the cell that owns it: rim or core of the nucleus, or so far outside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

BoolArray = npt.NDArray[np.bool_]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
UInt16Array = npt.NDArray[np.uint16]

NUCLEUS, RING, CYTOPLASM = range(3)
# Rim of the nucleus, close outside it, farther outside: a membrane lies in one of them, wherever exactly
# the nucleus was outlined.
SHELLS = 3
# Between rim and beyond lie those that the four reaches outside a nucleus part.
_RIM, _BEYOND, _CORE = 0, 5, 6
KINDS = 7


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
    in_part : ndarray of bool, shape (kinds, 3)
        Whether nucleus, ring and cytoplasm hold the kind.
    shell : ndarray of int64, shape (kinds,)
        `SHELLS` for none.
    """

    ends: UInt16Array
    in_part: BoolArray
    shell: Int64Array

    @classmethod
    def of(cls, reaches: Reaches) -> Kinds:
        """Kinds that these reaches part."""
        ends = np.unique([reaches.ring, reaches.close, reaches.around, reaches.cytoplasm])
        in_part, shell = np.zeros((KINDS, 3), np.bool_), np.full(KINDS, SHELLS, np.int64)
        in_part[[_RIM, _CORE], NUCLEUS] = True
        shell[_RIM] = 0
        for kind, end in enumerate(ends, 1):
            in_part[kind, CYTOPLASM] = end <= reaches.cytoplasm
            in_part[kind, RING] = end <= min(reaches.ring, reaches.cytoplasm)
            if end <= reaches.around:
                shell[kind] = 1 if end <= reaches.close else 2
        return cls(np.pad(ends, (0, 4 - len(ends)), mode="edge").astype(np.uint16), in_part, shell)

    def image(self, labels: Int32Array, distance: UInt16Array, rim_px: int) -> UInt8Array:
        """Kind of every pixel that a cell owns.

        Parameters
        ----------
        labels : ndarray of int32, shape (h, w)
            Nuclei.
        distance : ndarray of uint16, shape (h, w)
            As `Territories.distance`.
        rim_px : int
            A pixel of a nucleus lies on its rim where another label or the end of the window lies so far
            from it, in any of eight directions.

        Returns
        -------
        ndarray of uint8, shape (h, w)
            Means nothing where no cell owns the pixel.
        """
        out = np.empty(labels.shape, np.uint8)
        _tell(labels, distance, self.ends, rim_px, out)
        return out


@njit(cache=True, nogil=True)
def _tell(labels: Int32Array, distance: UInt16Array, ends: UInt16Array, rim: int, out: UInt8Array) -> None:
    """Whole rows without a branch, which compilers turn into vector instructions."""
    height, width = labels.shape
    first, second, third, fourth = ends
    other = np.empty(width, np.int32)
    inner = other[rim : width - rim] if width > 2 * rim else other[:0]
    for y in range(height):
        here, far, row = labels[y], distance[y], out[y]
        other[:] = 1
        if rim <= y < height - rim and inner.size > 0:
            inner[:] = 0
            for beside in (labels[y - rim], here, labels[y + rim]):
                _differ(beside, here[rim : width - rim], inner)
        for x in range(width):
            outside = 1 + (far[x] > first) + (far[x] > second) + (far[x] > third) + (far[x] > fourth)
            inside = _RIM if other[x] != 0 else _CORE
            row[x] = inside if far[x] == 0 else outside


@njit(cache=True, nogil=True)
def _differ(beside: Int32Array, here: Int32Array, out: Int32Array) -> None:
    """Not 0 where a row holds another label left of, at or right of a pixel."""
    rim = (beside.size - here.size) // 2
    middle, right = beside[rim : rim + here.size], beside[2 * rim :]
    for x in range(here.size):
        out[x] |= (beside[x] ^ here[x]) | (middle[x] ^ here[x]) | (right[x] ^ here[x])
