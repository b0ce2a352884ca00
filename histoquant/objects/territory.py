"""Which nucleus a pixel belongs to, and how far it lies from that nucleus's edge."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.errors import UsageError

Int32Array = npt.NDArray[np.int32]
UInt16Array = npt.NDArray[np.uint16]
IntArray = npt.NDArray[np.signedinteger]

# Borgefors' 5-7-11 chamfer: within 2 % of the Euclidean distance, in integers.
UNIT = 5
_DIAGONAL = 7
_KNIGHT = 11


class Territories(NamedTuple):
    """Nearest nucleus of every pixel within reach.

    Attributes
    ----------
    owner : ndarray of int32, shape (h, w)
        Label of the nearest nucleus, itself inside nuclei; 0 beyond reach. Of equally near ones the
        lower label, which is the earlier seed in raster order.
    distance : ndarray of uint16, shape (h, w)
        Distance to it in fifths of a pixel; 0 inside nuclei and beyond reach.
    """

    owner: Int32Array
    distance: UInt16Array


def territories(labels: Int32Array, reach_px: float, count: int | None = None) -> Territories:
    """Share the surroundings of nuclei among them.

    Two passes of lexicographic (distance, label) minima over paths no longer than the reach: what a pixel
    gets depends on nuclei within reach only.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    reach_px : float
    count : int, optional
        Largest label, where it is known already.

    Returns
    -------
    Territories

    Raises
    ------
    UsageError
        If the reach exceeds 10000 pixels.
    """
    if not 0.0 <= reach_px <= 10_000.0:
        raise UsageError(f"the reach of a cell must lie between 0 and 10000 pixels, got {reach_px:g}")
    reach = round(reach_px * UNIT)
    bits = (int(labels.max(initial=0)) if count is None else count).bit_length()
    # distance and label in one whole number: the smaller, the nearer, then the earlier label
    narrow = (reach + 2 * _KNIGHT) << bits < 1 << 30
    key = np.empty((labels.shape[0] + 4, labels.shape[1] + 4), np.int32 if narrow else np.int64)
    _set_keys(labels, key.dtype.type(1 << 30 if narrow else 1 << 62), key)
    steps = np.array([UNIT << bits, _DIAGONAL << bits, _KNIGHT << bits], key.dtype)
    _pass(key, steps, 1)
    _pass(key, steps, -1)
    owner = np.empty(labels.shape, np.int32)
    distance = np.empty(labels.shape, np.uint16)
    _unpack(key, reach, bits, owner, distance)
    return Territories(owner, distance)


@njit(cache=True, nogil=True)
def _set_keys(labels: Int32Array, far: int, key: IntArray) -> None:
    """Labels within a frame; ``far`` in the frame and where there is none."""
    height, width = labels.shape
    key[:2] = far
    key[height + 2 :] = far
    for y in range(height):
        row, here = key[y + 2], labels[y]
        row[:2] = far
        row[width + 2 :] = far
        for x in range(width):
            row[x + 2] = here[x] if here[x] > 0 else far


@njit(cache=True, nogil=True)
def _pass(key: IntArray, steps: IntArray, way: int) -> None:
    """Minima over the two rows behind, which need no order, then along the row, down (1) or up (-1)."""
    height, width = key.shape[0] - 4, key.shape[1] - 4
    straight, diagonal, knight = steps
    best = np.empty(width, key.dtype)
    for k in range(2, height + 2):
        y = k if way > 0 else height + 3 - k
        row, one, two = key[y, 2 : width + 2], key[y - way], key[y - 2 * way]
        best[:] = row
        _least(one[2:], one[2:], straight, best)
        _least(one[1:], one[3:], diagonal, best)
        _least(two[1:], two[3:], knight, best)
        _least(one, one[4:], knight, best)
        beside = best[0] + straight if way > 0 else best[width - 1] + straight
        for i in range(width):
            x = i if way > 0 else width - 1 - i
            beside = min(best[x], beside)
            row[x] = beside
            beside += straight


@njit(cache=True, nogil=True)
def _least(one: IntArray, other: IntArray, step: int, out: IntArray) -> None:
    for x in range(out.size):
        nearer = one[x] if one[x] < other[x] else other[x]
        moved = nearer + step
        out[x] = moved if moved < out[x] else out[x]


@njit(cache=True, nogil=True)
def _unpack(key: IntArray, reach: int, bits: int, owner: Int32Array, distance: UInt16Array) -> None:
    mask = (1 << bits) - 1
    for y in range(owner.shape[0]):
        row, owners, distances = key[y + 2, 2:], owner[y], distance[y]
        for x in range(owners.size):
            far = row[x] >> bits
            owners[x] = row[x] & mask if far <= reach else 0
            distances[x] = far if far <= reach else 0
