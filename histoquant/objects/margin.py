"""What lies at or near labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.marks import WORD, put_bits, word_of
from histoquant.objects.room import kept_room

Bits = npt.NDArray[np.uint64]
Int32Array = npt.NDArray[np.int32]
Labels = npt.NDArray[np.integer]
UInt8Array = npt.NDArray[np.uint8]

_ONE = np.uint64(1)
_TOP = np.uint64(WORD - 1)

_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def near(labels: Labels, steps: int) -> UInt8Array:
    """Pixels that so many steps along rows and columns lead to from a label.

    A dilation by a cross, repeated, of 64 pixels at once.

    Parameters
    ----------
    labels : ndarray of uint16 or int32, shape (h, w)
        0 for none.
    steps : int
        0 for the labels themselves.

    Returns
    -------
    ndarray of uint8, shape (h, w)
        1 or 0; written over when this thread asks or walks again.
    """
    height, width = labels.shape
    # within a frame of one row or word
    found = np.zeros((height + 2, (width + WORD - 1) // WORD + 2), np.uint64)
    other = np.zeros_like(found)
    spare = np.zeros(WORD, np.int32)
    _pack(np.ascontiguousarray(labels), found, spare)
    for _ in range(steps):
        _spread(found, other)
        found, other = other, found
    # pixels of the walk before lay there, and are labels now
    out = kept_room("order", labels.size, np.uint8).reshape(labels.shape)
    _unpack(found, out, spare.view(np.uint8)[:WORD])
    return out


@_kernel
def _pack(labels: Labels, found: Bits, spare: Int32Array) -> None:
    width = np.uint64(labels.shape[1])
    for y in range(labels.shape[0]):
        row, words = labels[y], found[y + 1, 1:]
        for k in range(width // np.uint64(WORD)):
            words[k] = word_of(row, k * np.uint64(WORD))
        whole = width - width % np.uint64(WORD)
        if whole < width:
            for x in range(whole, width):
                spare[x - whole] = row[x]
            words[width // np.uint64(WORD)] = word_of(spare, 0)


@_kernel
def _spread(found: Bits, out: Bits) -> None:
    """What is beyond the last column is spread to as well; no shorter way leads through it."""
    for y in range(1, out.shape[0] - 1):
        above, row, below, wider = found[y - 1, 1:-1], found[y], found[y + 1, 1:-1], out[y, 1:-1]
        before, here, after = row[:-2], row[1:-1], row[2:]
        for k in range(wider.size):
            word = here[k]
            beside = (word << _ONE) | (word >> _ONE) | (before[k] >> _TOP) | (after[k] << _TOP)
            wider[k] = word | beside | above[k] | below[k]


@_kernel
def _unpack(found: Bits, out: UInt8Array, spare: UInt8Array) -> None:
    width = np.uint64(out.shape[1])
    for y in range(out.shape[0]):
        row, words = out[y], found[y + 1, 1:]
        for k in range(width // np.uint64(WORD)):
            put_bits(row, k * np.uint64(WORD), words[k])
        whole = width - width % np.uint64(WORD)
        if whole < width:
            put_bits(spare, 0, words[width // np.uint64(WORD)])
            for x in range(whole, width):
                row[x] = spare[x - whole]
