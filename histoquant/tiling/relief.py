"""The energy of fine detail in green, by map pixels: 0 where a pixel does not count that is asked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.tiling.square_sums import PLACE

SCALE_PX = 16  # working px per map px: 8 um at 0.5 um/px, one small nucleus
KEPT_ROWS = SCALE_PX + 1  # of the blocks above: a map px waits for the row below it
KEPT_MAPS = 2  # rows of map pixels of which it is kept where they do not count
# Where in a map pixel something does not count: anywhere, in a row or column at its edge, in a corner.
_ANY, _TOP, _BOTTOM, _LEFT, _RIGHT = (1 << k for k in range(5))
_TOP_LEFT, _TOP_RIGHT, _BOTTOM_LEFT, _BOTTOM_RIGHT = (1 << k for k in range(5, 9))
_EVERYWHERE = (1 << 9) - 1


class GreenRows:
    """Green of a row of blocks and of the rows above it, and where something of it does not count.

    Parameters
    ----------
    across_px : int
        Length of a row of blocks.
    height_px : int
        Of a block.

    Attributes
    ----------
    green : ndarray of uint8, shape (17 + height, across + 2)
        A pixel more on either side.
    missing : ndarray of uint16, shape (2 + height / 16, across / 16 + 2)
        Where each map pixel lacks something, by `tell_missing`; outside the plane everywhere.
    """

    def __init__(self, across_px: int, height_px: int) -> None:
        self.green = np.zeros((KEPT_ROWS + height_px, across_px + 2), np.uint8)
        shape = KEPT_MAPS + height_px // SCALE_PX, across_px // SCALE_PX + 2
        self.missing = np.full(shape, _EVERYWHERE, np.uint16)

    def end(self, top: int, relief: npt.NDArray[np.uint32]) -> None:
        """Relief of what has all its neighbours now, and room for the next row of blocks.

        Parameters
        ----------
        top : int
            Map row of these blocks.
        relief : ndarray of uint32, shape (h, w)
            Receives rows from the one above these blocks to their last but one; its last row is left, for it
            has nothing below.
        """
        _relief(self.green, self.missing, relief, top)
        self.green[:KEPT_ROWS] = self.green[-KEPT_ROWS:].copy()
        self.missing[:KEPT_MAPS] = self.missing[-KEPT_MAPS:].copy()
        self.missing[KEPT_MAPS:] = _EVERYWHERE


@njit(cache=True, nogil=True)
def keep_green(rows, green, left):  # type: ignore[no-untyped-def]
    """Copy rows of a block to their place, loops being faster than slices here."""
    for y in range(len(rows)):
        source, to = rows[y], green[y][left : left + rows.shape[1]]
        for x in range(PLACE(to.size)):
            to[x] = source[x]


@njit(cache=True, nogil=True)
def tell_missing(counted, missing):  # type: ignore[no-untyped-def]
    """Tell where map pixels lack something: anywhere, at an edge, in a corner.

    Parameters
    ----------
    counted : ndarray of uint8, shape (16, 16 w)
        0 where a pixel does not count.
    missing : ndarray of uint16, shape (w or more,)
        Receives bits.
    """
    for mx in range(counted.shape[1] // SCALE_PX):
        first, last = mx * SCALE_PX, (mx + 1) * SCALE_PX - 1
        whole = np.uint8(1)
        for y in range(SCALE_PX):
            for x in range(PLACE(SCALE_PX)):
                whole &= counted[y, PLACE(first) + x]
        if whole:
            missing[mx] = 0
            continue
        bits = 0
        for y in range(SCALE_PX):
            for x in range(first, last + 1):
                if not counted[y, x]:
                    bits |= _ANY
                    bits |= _TOP if y == 0 else _BOTTOM if y == SCALE_PX - 1 else 0
                    bits |= _LEFT if x == first else _RIGHT if x == last else 0
        bits |= 0 if counted[0, first] else _TOP_LEFT
        bits |= 0 if counted[0, last] else _TOP_RIGHT
        bits |= 0 if counted[SCALE_PX - 1, first] else _BOTTOM_LEFT
        bits |= 0 if counted[SCALE_PX - 1, last] else _BOTTOM_RIGHT
        missing[mx] = bits


@njit(cache=True, nogil=True)
def _relief(green, missing, relief, top):  # type: ignore[no-untyped-def]
    """Energy of map pixels from the row above ``top`` on; 0 where one of them or beside them is missing."""
    energy = np.empty(relief.shape[1] * SCALE_PX, np.int32)
    for k in range(0 if top else 1, min(len(missing) - KEPT_MAPS, len(relief) - top)):
        energy[:] = 0
        for y in range(k * SCALE_PX + 1, (k + 1) * SCALE_PX + 1):
            _add_row(green[y - 1], green[y], green[y + 1], energy)
        above, here, below, into = missing[k], missing[k + 1], missing[k + 2], relief[top - 1 + k]
        for mx in range(into.size):
            # there is one more on either side, so that this one is in the middle
            lost = here[mx + 1] | (here[mx] & _RIGHT) | (here[mx + 2] & _LEFT)
            lost |= (above[mx] & _BOTTOM_RIGHT) | (above[mx + 1] & _BOTTOM) | (above[mx + 2] & _BOTTOM_LEFT)
            lost |= (below[mx] & _TOP_RIGHT) | (below[mx + 1] & _TOP) | (below[mx + 2] & _TOP_LEFT)
            into[mx] = 0 if lost else energy[mx * SCALE_PX : (mx + 1) * SCALE_PX].sum()


@njit(cache=True, nogil=True)
def _add_row(above, row, below, energy):  # type: ignore[no-untyped-def]
    """Add the squared Laplacian of a row to its columns: at most 16 x 1020^2, of 16 bits until then."""
    for x in range(PLACE(energy.size)):
        here, after = x + PLACE(1), x + PLACE(2)
        around = np.int16(np.int16(above[here]) + np.int16(below[here]))
        around = np.int16(around + np.int16(np.int16(row[x]) + np.int16(row[after])))
        detail = np.int32(np.int16(np.int16(np.int16(4) * np.int16(row[here])) - around))
        energy[x] += np.int32(detail * detail)
