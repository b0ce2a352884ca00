"""Whole planes through tables: divisions and logarithms once per value instead of once per pixel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

BoolArray = npt.NDArray[np.bool_]
Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
UInt8Array = npt.NDArray[np.uint8]


def share_table(percent: int, most: int, floor: int = 0) -> Int32Array:
    """``max(value - floor, 0) * percent // 100`` of values 0 to ``most``; shape (most + 1,)."""
    return np.asarray(np.maximum(np.arange(most + 1) - floor, 0) * percent // 100, np.int32)


def share_of(plane: IntArray, percent: int) -> IntArray:
    """``value * percent // 100`` of every pixel of a plane without negative values; of its type up to 100."""
    out = np.empty(plane.shape, plane.dtype if percent <= 100 else np.int32)
    _look_up(plane.ravel(), share_table(percent, most_of(plane)), out.ravel())
    return out


def most_of(plane: IntArray) -> int:
    """What no pixel exceeds: a table for all of 16 bits is made sooner than the largest is found."""
    return int(np.iinfo(np.int16).max if plane.dtype == np.int16 else plane.max(initial=0))


@njit(cache=True, nogil=True)
def mix(
    hematoxylin: Int16Array, dab: Int16Array, share: Int32Array, compressed: Int16Array, out: Int16Array
) -> None:
    """Compressed sum of haematoxylin and the share of DAB; negative DAB counts as none.

    Parameters
    ----------
    hematoxylin, dab, out : ndarray of int16, shape (h, w)
    share : ndarray of int32, shape (32768,)
        Of every amount of DAB.
    compressed : ndarray of int16, shape (n,)
        Of every sum; those beyond it count as the last.
    """
    for y in range(out.shape[0]):
        blue, brown, row = hematoxylin[y], dab[y], out[y]
        for x in range(row.size):
            mixed = blue[x] + share[max(brown[x], 0)]
            row[x] = compressed[min(max(mixed, 0), compressed.size - 1)]


@njit(cache=True, nogil=True)
def levels_above(
    dark: IntArray,
    around: IntArray,
    valid: BoolArray,
    off: Int32Array,
    level: UInt8Array,
    out: UInt8Array,
) -> None:
    """Level of darkness less what the surroundings take off it; 0 where invalid or not above 0.

    Parameters
    ----------
    dark, around : ndarray of int16 or int32, shape (h, w)
        Not negative.
    valid : ndarray of bool, shape (h, w)
    off : ndarray of int32
        What is taken off, for every amount around.
    level : ndarray of uint8
        Of every difference from 0 on.
    out : ndarray of uint8, shape (h, w)
    """
    for y in range(out.shape[0]):
        here, there, known, row = dark[y], around[y], valid[y], out[y]
        for x in range(row.size):
            above = here[x] - off[there[x]]
            row[x] = level[above] if above > 0 and known[x] else 0


@njit(cache=True, nogil=True)
def _look_up(plane: IntArray, table: Int32Array, out: IntArray) -> None:
    for i in range(plane.size):
        out[i] = table[plane[i]]
