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
# Rows that are finished at a time: with what lies within reach of them they stay in a core's own cache.
_BAND = 64


class _Keys(NamedTuple):
    """How distance and label are one whole number: the smaller, the nearer, then the earlier label.

    Attributes
    ----------
    reach : int
        In fifths of a pixel.
    bits : int
        Of a label; the distance lies above.
    far : int
        Of no nucleus; with the longest step added it is a number of the type still.
    stride : int
        The longest along a row, a power of 4.
    """

    reach: int
    bits: int
    far: int
    stride: int


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

    Two passes, down and up, of lexicographic (distance, label) minima over paths no longer than the reach:
    what a pixel gets depends on nuclei within reach only.

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
    stride = 1
    while UNIT * (4 * stride - 1) < reach:
        stride *= 4
    narrow = (reach + 2 * _KNIGHT + 3 * UNIT * stride) << bits < 1 << 30
    steps = np.array([UNIT << bits, _DIAGONAL << bits, _KNIGHT << bits], np.int32 if narrow else np.int64)
    owner = np.empty(labels.shape, np.int32)
    distance = np.empty(labels.shape, np.uint16)
    keys = _Keys(reach, bits, 1 << 30 if narrow else 1 << 62, stride)
    _share(labels, keys, steps, owner, distance)
    return Territories(owner, distance)


@njit(cache=True, nogil=True)
def _share(
    labels: Int32Array, keys: _Keys, steps: IntArray, owner: Int32Array, distance: UInt16Array
) -> None:
    """Down over all rows, and up over each band and what lies below it within reach."""
    height, width = labels.shape
    halo, edge = keys.reach // UNIT, 3 * keys.stride
    span = (np.uint64(edge), np.uint64(edge + width))
    # keys on the way down, from two rows above the band, and up, to two rows below; ``far`` beside the window
    down = np.full((_BAND + halo + 2, width + 2 * edge), keys.far, steps.dtype)
    up, spare = down.copy(), down[:2].copy()
    done = 0
    for top in range(0, height, _BAND):
        for k in range(halo + 2 if top > 0 else 0):
            down[k] = down[k + _BAND]
        end = min(top + _BAND + halo, height)
        for y in range(done, end):
            k = y - top + 2
            _set_keys(labels[y], keys.far, down[k, edge:])
            _behind(down[k], down[k - 1], down[k - 2], steps, span, spare[0])
            _along(spare, steps[0], keys.stride, 1, span, down[k])
        done = end
        up[end - top : end - top + 2] = keys.far
        for y in range(end - 1, top - 1, -1):
            k = y - top
            _behind(down[k + 2], up[k + 1], up[k + 2], steps, span, spare[0])
            _along(spare, steps[0], keys.stride, -1, span, up[k])
            if k < _BAND:
                _unpack(up[k, edge:], keys, owner[y], distance[y])


@njit(cache=True, nogil=True)
def _set_keys(labels: Int32Array, far: int, key: IntArray) -> None:
    for x in range(labels.size):
        key[x] = labels[x] if labels[x] > 0 else far


@njit(cache=True, nogil=True)
def _behind(
    row: IntArray, one: IntArray, two: IntArray, steps: IntArray, span: tuple[int, int], out: IntArray
) -> None:
    """Minima of a row and the two behind it, which need no order."""
    straight, diagonal, knight = steps
    key = out.dtype.type
    near, wide = np.uint64(1), np.uint64(2)
    for x in range(span[0], span[1]):
        best = min(row[x], key(one[x] + straight))
        best = min(best, key(min(one[x - near], one[x + near]) + diagonal))
        far = min(min(one[x - wide], one[x + wide]), min(two[x - near], two[x + near]))
        out[x] = min(best, key(far + knight))


@njit(cache=True, nogil=True)
def _along(
    spare: IntArray, straight: int, longest: int, way: int, span: tuple[int, int], out: IntArray
) -> None:
    """Minima along a row from the left (1) or right (-1), as far as the reach: of four at each stride."""
    row, other, stride = spare[0], spare[1], 1
    while stride < longest:
        _four(row, stride, straight * stride, way, span, other)
        row, other, stride = other, row, 4 * stride
    _four(row, stride, straight * stride, way, span, out)


@njit(cache=True, nogil=True)
def _four(row: IntArray, stride: int, step: int, way: int, span: tuple[int, int], out: IntArray) -> None:
    key = out.dtype.type
    one, two, three = np.uint64(stride), np.uint64(2 * stride), np.uint64(3 * stride)
    once, twice, thrice = key(step), key(2 * step), key(3 * step)
    if way > 0:
        for x in range(span[0], span[1]):
            near = min(row[x], key(row[x - one] + once))
            out[x] = min(near, min(key(row[x - two] + twice), key(row[x - three] + thrice)))
    else:
        for x in range(span[0], span[1]):
            near = min(row[x], key(row[x + one] + once))
            out[x] = min(near, min(key(row[x + two] + twice), key(row[x + three] + thrice)))


@njit(cache=True, nogil=True)
def _unpack(row: IntArray, keys: _Keys, owner: Int32Array, distance: UInt16Array) -> None:
    key = row.dtype.type
    label, farthest = key((1 << keys.bits) - 1), key(((keys.reach + 1) << keys.bits) - 1)
    for x in range(owner.size):
        owner[x] = row[x] & label if row[x] <= farthest else 0
    for x in range(owner.size):
        distance[x] = row[x] >> keys.bits if row[x] <= farthest else 0
