"""Where a search begins and where it need not look: at steep edges, and farther away than a region is long.

A region counts only if the mean step of darkness across its edges exceeds the least, so that one of its edges
does, and the darker pixel of that edge is in the region: it is enough to walk from such pixels. Pixels too
far from any such edge are in no region that counts, and whatever holds them is too long or has no steep edge:
they are as good as given up before the walk begins.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.edge_lanes import LANES

IntArray = npt.NDArray[np.signedinteger]
UInt8Array = npt.NDArray[np.uint8]
UInt64Array = npt.NDArray[np.uint64]

BLOCK = 8
"""Edge of the blocks of pixels that are told apart, as many as bytes of a word."""
_ALL = np.uint64(2**64 - 1)
_STEEP = np.uint8(255)


def steepest_room(shape: tuple[int, ...], kind: type[np.signedinteger]) -> IntArray:
    """Room for the largest steps in a framed window, `BLOCK` rows together.

    Parameters
    ----------
    shape : tuple of int
        Of the framed window.
    kind : type
        Of the steps.

    Returns
    -------
    ndarray, shape (rows of blocks, w)
        Zeros, with room beyond the end of every row: so many are noted at once as there are lanes.
    """
    height, width = shape
    return np.zeros((-(-height // BLOCK), width + LANES), kind)[:, :width]


def steep_columns(steepest: IntArray, least_mod: float) -> UInt8Array:
    """Where a pixel may have an edge that is steeper than the least.

    Parameters
    ----------
    steepest : ndarray, shape (rows of blocks, w)
        Largest step from the darker pixel of an edge to the lighter one, in each column of `BLOCK` rows;
        of two side by side the later one holds it, of one above the other the upper one.
    least_mod : float
        A region counts only if its mean step exceeds this.

    Returns
    -------
    ndarray of uint8, shape (rows of blocks, w)
        255 in each column of `BLOCK` rows that holds either pixel of such an edge; 0 elsewhere.
    """
    held = steepest > math.floor(least_mod)
    either = held.copy()
    either[1:] |= held[:-1]
    either[:, :-1] |= held[:, 1:]
    return either * _STEEP


def give_up_far(unmet: UInt8Array, steep: UInt8Array, length_px: int) -> None:
    """Mark, in place, what lies too far from every edge that is steeper than the least.

    Parameters
    ----------
    unmet : ndarray of uint8, shape (h, w)
        A framed window, ``w`` divisible by `BLOCK`. What is marked becomes 255, as what a walk gave up.
    steep : ndarray of uint8, shape (rows of blocks, w)
        Not 0 where such edges are, from `steep_columns`.
    length_px : int
        Longest side of a region.
    """
    # a region's pixels lie within a pixel less than its length of each other
    reach = -(-length_px // BLOCK)
    blocks = (steep.view(np.uint64) > 0).view(np.uint8)
    near = cv2.dilate(blocks, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    _mark(near, unmet.view(np.uint64))


@njit(cache=True, nogil=True)
def _mark(near: UInt8Array, eights: UInt64Array) -> None:
    for y in range(eights.shape[0]):
        row, known = eights[y], near[y // BLOCK]
        for x in range(row.size):
            row[x] = row[x] if known[x] > 0 else _ALL
