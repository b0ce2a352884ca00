"""What a walk over an image goes over and what it keeps: a window in a frame, and regions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.marks import WORD, places
from histoquant.objects.room import kept_room
from histoquant.objects.steep_zone import BLOCK

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
UInt32Array = npt.NDArray[np.uint32]
UInt64Array = npt.NDArray[np.uint64]
Box = tuple[int, int, int, int]

LEVELS = 256
# Columns of a region: where it begins and ends among the pixels walked, and its level; from there on sums
# over its pixels.
FROM, TO, AT_LEVEL, AREA = range(4)
SUMS = 9
# And its box.
_COLUMNS = AREA + SUMS + 4
# Of one that is chosen, after its level.
SCORE = 3
# How many regions are closed and how many chosen, and up to where closed ones hold what was walked.
CLOSED, CHOSEN, KEPT = range(3)
# Closed regions that are scored at once: they stay in the cache.
_AT_ONCE = 256


class Ground(NamedTuple):
    """A window within a frame of zeros, as one long row.

    Attributes
    ----------
    levels : ndarray of uint8, shape (1, n)
        0 for background.
    unmet : ndarray of uint8, shape (1, n)
        The same to begin with; a walk clears what it meets.
    words : ndarray of int32, shape (1, n)
        What each pixel adds to the boundary, from `edge_words`.
    peaks : ndarray of uint32, shape (k,)
        Where walks begin: pixels as dark as any beside, of neighbours that are alike the first.
    width : int
        Of a row of the window, frame included.
    """

    levels: UInt8Array
    unmet: UInt8Array
    words: Int32Array
    peaks: UInt32Array
    width: int

    @classmethod
    def of(
        cls, levels: UInt8Array, words: Int32Array, steep: UInt8Array | None = None, box: Box | None = None
    ) -> Ground:
        """Of a framed window.

        Parameters
        ----------
        levels : ndarray of uint8, shape (h, w)
            Within a frame of zeros, `framed`.
        words : ndarray of int32, shape (h, w)
        steep : ndarray of uint8, shape (rows of blocks, w), or None
            255 in columns of `BLOCK` rows whose pixels' regions are sought, 0 in others; None for all.
        box : tuple of 4 int, optional
            Of the framed window (y0, x0, y1, x1), half open: only regions of pixels within are sought.
        """
        height, width = levels.shape
        y0, x0, y1, x1 = (0, 0, height, width) if box is None else box
        meant = np.full((1, width), 255, np.uint8) if steep is None else steep.copy()
        meant[:, : max(x0, 0)] = meant[:, max(x1, 0) :] = 0
        room = (
            np.zeros((3, width), np.uint8),
            np.zeros(width + WORD, np.uint8),
            np.empty(width + WORD, np.int32),
        )
        peaks = kept_room("peaks", levels.size // 2, np.uint32)
        count = _peaks(levels, meant, (max(y0, 1), min(y1, height - 1)), room, peaks)
        row = levels.reshape(1, -1)
        return cls(row, row.copy(), words.reshape(1, -1), peaks[:count], width)


class Found(NamedTuple):
    """Pixels in the order in which they were walked, and regions as parts of it.

    Attributes
    ----------
    order : ndarray of uint32, shape (n,)
        Pixels of the ground.
    chosen : ndarray of int64, shape (m, 4)
        Disjoint regions: first pixel in ``order``, one past the last, level and score.
    regions : ndarray of int64, shape (256, 16)
        Regions that are not closed, each within the one before.
    closed : ndarray of int64, shape (12, 256)
        Those that are and were not scored, in columns: first pixel, one past the last, level and sums.
    scores : ndarray of int64, shape (256,)
        Theirs.
    counts : ndarray of int64, shape (3,)
        Regions closed, regions chosen, and one past the last pixel of what closed ones hold.
    """

    order: UInt32Array
    chosen: Int64Array
    regions: Int64Array
    closed: Int64Array
    scores: Int64Array
    counts: Int64Array

    @classmethod
    def room(cls, pixels: int, least_px: int) -> Found:
        """For regions of at least so many of these pixels; until this thread asks for room again."""
        rows = pixels // max(1, least_px) + 1
        order = kept_room("order", pixels, np.uint32)
        chosen = kept_room("chosen", 4 * rows, np.int64).reshape(rows, 4)
        regions, closed = np.empty((LEVELS, _COLUMNS), np.int64), np.empty((AREA + SUMS, _AT_ONCE), np.int64)
        return cls(order, chosen, regions, closed, np.empty(_AT_ONCE, np.int64), np.zeros(3, np.int64))


def framed(levels: UInt8Array, blocked: UInt8Array | None) -> UInt8Array:
    """A window within a frame of zeros, 0 where it is blocked, too.

    Parameters
    ----------
    levels : ndarray of uint8, shape (h, w)
    blocked : ndarray of uint8, shape (h, w), or None

    Returns
    -------
    ndarray of uint8, shape (h + 2, w + 2 or up to 9)
        Wide enough to be divisible by 8.
    """
    height, width = levels.shape
    out = np.empty((height + 2, -(-(width + 2) // 8) * 8), np.uint8)
    out[0] = out[-1] = 0
    _frame(levels, np.zeros((1, width), np.uint8) if blocked is None else blocked, out)
    return out


def counts_of(levels: UInt8Array) -> Int64Array:
    """How many pixels have each level from 1 on.

    Parameters
    ----------
    levels : ndarray of uint8, shape (h, w)

    Returns
    -------
    ndarray of int64, shape (255,)
    """
    pixels = levels.ravel()
    even = pixels.size // 8 * 8
    counts = np.zeros((8, LEVELS), np.int64)
    _count(pixels[:even], pixels[:even].view(np.uint64), counts)
    return np.asarray((counts.sum(axis=0) + np.bincount(pixels[even:], minlength=LEVELS))[1:])


@njit(cache=True, nogil=True)
def _frame(levels: UInt8Array, blocked: UInt8Array, out: UInt8Array) -> None:
    least = blocked.shape[0] - 1
    for y in range(levels.shape[0]):
        row, free, taken = out[y + 1], levels[y], blocked[min(y, least)]
        inner = row[1 : 1 + free.size]
        row[0] = 0
        row[1 + free.size :] = 0
        for x in range(inner.size):
            inner[x] = 0 if taken[x] > 0 else free[x]


@njit(cache=True, nogil=True)
def _count(levels: UInt8Array, eights: UInt64Array, counts: Int64Array) -> None:
    """Eight counters of each level: neighbours are alike, and adding to one number twice in a row waits."""
    for k in range(np.uint64(eights.size)):
        if eights[k] == 0:
            continue
        for i in range(np.uint64(8)):
            counts[i, levels[np.uint64(8) * k + i]] += 1


@njit(cache=True, nogil=True)
def _peaks(
    levels: UInt8Array,
    meant: UInt8Array,
    span: tuple[int, int],
    room: tuple[UInt8Array, UInt8Array, Int32Array],
    peaks: UInt32Array,
) -> int:
    """Peaks of what is left of the levels in a span of rows, where all that is not meant is background.

    A region that holds a pixel holds what is darker beside it, too, up to a peak.
    """
    (first, end), (rows, marks, columns) = span, room
    count, width, least = np.uint64(0), levels.shape[1], meant.shape[0] - 1
    for y in range(first, end):
        above, row, below = rows[(y - 1) % 3], rows[y % 3], rows[(y + 1) % 3]
        if y == first:
            _leave(levels[y], meant[min(y // BLOCK, least)], row)
        if y + 1 < end:
            _leave(levels[y + 1], meant[min((y + 1) // BLOCK, least)], below)
        else:
            below[:] = 0
        _mark_peaks(above[1:-1], row, below[1:-1], marks[1 : width - 1])
        found = np.uint64(places(marks, width, columns))
        for k in range(found):
            peaks[count + k] = y * width + columns[k]
        count += found
    return int(count)


@njit(cache=True, nogil=True)
def _leave(row: UInt8Array, meant: UInt8Array, out: UInt8Array) -> None:
    for x in range(out.size):
        out[x] = row[x] & meant[x]


@njit(cache=True, nogil=True)
def _mark_peaks(above: UInt8Array, row: UInt8Array, below: UInt8Array, marks: UInt8Array) -> None:
    before, here, after = row[:-2], row[1:-1], row[2:]
    for x in range(marks.size):
        sharp = (here[x] > above[x]) & (here[x] > before[x])
        marks[x] = sharp & (here[x] >= after[x]) & (here[x] >= below[x])
