"""Where a search need not look: farther from every steep edge than a region is long.

A region counts only if the mean step of darkness across its edges exceeds the least, so that one of its edges
does. Pixels too far from any such edge are in no region that counts, and whatever holds them is too long or
has no steep edge: they are as good as given up before the walk begins.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

IntArray = npt.NDArray[np.signedinteger]
UInt8Array = npt.NDArray[np.uint8]
UInt64Array = npt.NDArray[np.uint64]

BLOCK = 8
"""Edge of the blocks of pixels that are told apart, as many as bytes of a word."""
_ALL = np.uint64(2**64 - 1)


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
        Zeros.
    """
    return np.zeros((-(-shape[0] // BLOCK), shape[1]), kind)


def give_up_far(unmet: UInt8Array, steepest: IntArray, least_mod: float, length_px: int) -> None:
    """Mark, in place, what lies too far from every edge that is steeper than the least.

    Parameters
    ----------
    unmet : ndarray of uint8, shape (h, w)
        A framed window, ``w`` divisible by `BLOCK`. What is marked becomes 255, as what a walk gave up.
    steepest : ndarray, shape (rows of blocks, w)
        Largest step from the darker pixel of an edge to the lighter one, in each column of `BLOCK` rows;
        either pixel may hold it.
    least_mod : float
        A region counts only if its mean step exceeds this.
    length_px : int
        Longest side of a region.
    """
    steep = np.empty((steepest.shape[0], steepest.shape[1] // BLOCK), np.uint8)
    _find_steep(steepest, math.floor(least_mod), steep)
    # a region's pixels lie within a pixel less than its length of each other
    reach = -(-length_px // BLOCK)
    near = cv2.dilate(steep, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    _mark(near, unmet.view(np.uint64))


@njit(cache=True, nogil=True)
def _find_steep(steepest: IntArray, least: int, out: UInt8Array) -> None:
    for y in range(out.shape[0]):
        row = steepest[y]
        for x in range(np.uint64(out.shape[1])):
            most = row[np.uint64(BLOCK) * x]
            for i in range(np.uint64(1), np.uint64(BLOCK)):
                most = max(most, row[np.uint64(BLOCK) * x + i])
            out[y, x] = most > least


@njit(cache=True, nogil=True)
def _mark(near: UInt8Array, eights: UInt64Array) -> None:
    for y in range(eights.shape[0]):
        row, known = eights[y], near[y // BLOCK]
        for x in range(row.size):
            row[x] = row[x] if known[x] > 0 else _ALL
