"""Which pixels are black, grey or brown, and which do not count."""

from __future__ import annotations

import numpy as np
from numba import njit

from histoquant.tiling.square_sums import PLACE

# Opaque padding of scanners is (0, 0, 0), up to 8 after lossy compression; DAB this dark is 1.5 OD in red.
BLACK_MAX = 8

_GREY_MAX = 64  # brightest channel of a "dark" pixel: about 0.58 OD in every channel on usual glass
_GREY_MIN = 12  # darker pixels keep no trace of their colour
_GREY_CHROMA = 24  # largest channel difference of a "grey" one; haematoxylin this dark differs by 50 and more
_GREEN_SLACK = 8  # haematoxylin and DAB together are dark in green, pigment and carbon are not
_BROWN_CHROMA = 25  # least excess of red over blue, so that no pixel is grey and brown


@njit(cache=True, nogil=True)
def mark(rows, marks):  # type: ignore[no-untyped-def]
    """Count marked pixels of columns.

    Everything is 8 bits wide, and nothing branches.

    Parameters
    ----------
    rows : ndarray of uint8, shape (3, h, w)
        Red, green and blue.
    marks : ndarray of uint8, shape (3, w)
        Receives how many pixels of each column are black, grey and brown.

    Returns
    -------
    bool
        Whether any is black.
    """
    black, grey, brown = marks[0], marks[1], marks[2]
    marks[:] = 0
    for y in range(rows.shape[1]):
        red, green, blue = rows[0, y], rows[1, y], rows[2, y]
        for x in range(PLACE(black.size)):
            r, g, b = red[x], green[x], blue[x]
            high, low = max(r, max(g, b)), min(r, min(g, b))
            black[x] += np.uint8(high <= np.uint8(BLACK_MAX))
            dark = np.uint8(high - np.uint8(_GREY_MIN + 1)) <= np.uint8(_GREY_MAX - _GREY_MIN - 1)
            flat = np.uint8(high - low) <= np.uint8(_GREY_CHROMA)
            # 2 g + slack is no less than r + b; where g is too large for this, it is not dark
            middle = np.uint8(np.uint16(np.uint16(np.uint16(r) + b) + np.uint16(1)) >> np.uint16(1))
            dull = middle <= np.uint8(g + np.uint8(_GREEN_SLACK // 2))
            grey[x] += np.uint8(dark) & np.uint8(flat) & np.uint8(dull)
            # three quarters of red, rounded down
            most = np.uint8(r - np.uint8((r >> np.uint8(2)) + min(np.uint8(r & np.uint8(3)), np.uint8(1))))
            warm = np.uint8(r >= b) & np.uint8(np.uint8(r - b) >= np.uint8(_BROWN_CHROMA))
            brown[x] += np.uint8(b <= most) & np.uint8(g >= b) & warm
    return black.max() > 0


@njit(cache=True, nogil=True)
def count_marks(marks, counts):  # type: ignore[no-untyped-def]
    """Marks of columns, uint8 (3, 16 w), to those of map pixels, uint16 (3, w or less)."""
    for k in range(3):
        columns, into = marks[k], counts[k]
        for mx in range(min(PLACE(columns.size // 16), PLACE(into.size))):
            total = np.uint16(0)
            for x in range(PLACE(16)):
                total += columns[PLACE(16) * mx + x]
            into[mx] = total


@njit(cache=True, nogil=True)
def whiten(rows, known):  # type: ignore[no-untyped-def]
    """Make pixels white that are not known: neither black nor grey nor brown. Whether there are any."""
    lost = np.uint8(0)
    for y in range(known.shape[0]):
        red, green, blue, seen = rows[0, y], rows[1, y], rows[2, y], known[y]
        for x in range(PLACE(seen.size)):
            white = np.uint8(0) if seen[x] else np.uint8(255)
            red[x], green[x], blue[x], lost = red[x] | white, green[x] | white, blue[x] | white, lost | white
    return lost > 0


@njit(cache=True, nogil=True)
def leave_out(rows, known, counted):  # type: ignore[no-untyped-def]
    """Tell which pixels count, known ones that are not black, and make all others 0.

    Parameters
    ----------
    rows : ndarray of uint8, shape (3, h, w)
    known : ndarray of bool, shape (h, w), or empty
        Empty where all are.
    counted : ndarray of uint8, shape (h, w)
        Receives 1 where a pixel counts, else 0.
    """
    for y in range(rows.shape[1]):
        red, green, blue, on = rows[0, y], rows[1, y], rows[2, y], counted[y]
        for x in range(PLACE(on.size)):
            on[x] = max(red[x], max(green[x], blue[x])) > np.uint8(BLACK_MAX)
        if known.size:
            seen = known[y]
            for x in range(PLACE(on.size)):
                on[x] &= seen[x]
        for x in range(PLACE(on.size)):
            red[x], green[x], blue[x] = red[x] * on[x], green[x] * on[x], blue[x] * on[x]
