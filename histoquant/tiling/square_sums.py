"""Sums of squares of pixels, each side twice the last: what a survey counts and what pictures show."""

from __future__ import annotations

import numpy as np
from numba import njit

_LOW, _BYTE = np.uint16(255), np.uint16(8)
_ONE, _TWO = np.uint64(1), np.uint64(2)
PLACE = np.uint64
"""Places in rows: of signed ones kernels ask every time whether they are negative."""


@njit(cache=True, nogil=True)
def split(pixels, rows, left):  # type: ignore[no-untyped-def]
    """Pixels to rows of each colour, by places: views of these would take as long as a block's pixels.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (16, 3 w)
    rows : ndarray of uint8, shape (3, 16, w or more)
        Red, green and blue; receive pixels from place ``left`` on.
    left : int
    """
    for y in range(len(pixels)):
        for x in range(PLACE(pixels.shape[1] // 3)):
            at, to = PLACE(3) * x, PLACE(left) + x
            rows[0, y, to] = pixels[y, at]
            rows[1, y, to] = pixels[y, at + _ONE]
            rows[2, y, to] = pixels[y, at + _TWO]


@njit(cache=True, nogil=True)
def sum_up(rows, sums):  # type: ignore[no-untyped-def]
    """Sums over squares of 2, 4, 8 and 16 px.

    Parameters
    ----------
    rows : ndarray of uint8, shape (3, 16, w)
        Red, green and blue.
    sums : tuple of 4 ndarray of uint16, shapes (3, 8, w / 2) to (3, 1, w / 16)
        Receive them: even 256 pixels fit.
    """
    _sum_pixels(rows.view(np.uint16), sums[0])
    for k in range(3):
        _sum_squares(sums[k], sums[k + 1])


@njit(cache=True, nogil=True)
def _sum_pixels(pairs, sums):  # type: ignore[no-untyped-def]
    """Sums over 2 x 2 pixels, of which each number of ``pairs`` holds two."""
    for c in range(3):
        for y in range(sums.shape[1]):
            upper, lower, total = pairs[c, 2 * y], pairs[c, 2 * y + 1], sums[c, y]
            for x in range(PLACE(total.size)):
                first = np.uint16(np.uint16(upper[x] & _LOW) + np.uint16(lower[x] & _LOW))
                total[x] = np.uint16(first + np.uint16(np.uint16(upper[x] >> _BYTE) + (lower[x] >> _BYTE)))


@njit(cache=True, nogil=True)
def _sum_squares(values, sums):  # type: ignore[no-untyped-def]
    """Sums over 2 x 2 sums."""
    for c in range(3):
        for y in range(sums.shape[1]):
            upper, lower, total = values[c, 2 * y], values[c, 2 * y + 1], sums[c, y]
            for x in range(PLACE(total.size)):
                left = _TWO * x
                right = left + _ONE
                first = np.uint16(upper[left] + upper[right])
                total[x] = np.uint16(first + np.uint16(lower[left] + lower[right]))


@njit(cache=True, nogil=True)
def mean_colours(sums, scale, place, preview):  # type: ignore[no-untyped-def]
    """Means of squares into their places, rounded as OpenCV does: of 2 px half up, of more half to even.

    Parameters
    ----------
    sums : tuple of 4 ndarray of uint16
        As of `sum_up`.
    scale : int
        Side of the squares in pixels: 2, 4, 8 or 16.
    place : tuple of int
        Row and column of the first 16 x 16 px; what lies beyond the preview is left out.
    preview : ndarray of uint8, shape (h, w, 3)
    """
    bits = 2
    while 1 << bits < scale * scale:
        bits += 2
    of = sums[bits // 2 - 1]
    top, left = place[0] * of.shape[1], place[1] * of.shape[1]
    right = min(left + of.shape[2], preview.shape[1])
    for y in range(min(of.shape[1], preview.shape[0] - top)):
        means = preview[top + y][left:right].ravel()
        if scale == 2:
            _half_up(of[0, y], of[1, y], of[2, y], means)
            continue
        for k in range(3):
            _half_even(of[k, y], np.uint16(bits), means[k:])


@njit(cache=True, nogil=True)
def _half_up(red, green, blue, means):  # type: ignore[no-untyped-def]
    for x in range(PLACE(means.size) // PLACE(3)):
        at = PLACE(3) * x
        means[at] = np.uint8(np.uint16(red[x] + np.uint16(2)) >> np.uint16(2))
        means[at + _ONE] = np.uint8(np.uint16(green[x] + np.uint16(2)) >> np.uint16(2))
        means[at + _TWO] = np.uint8(np.uint16(blue[x] + np.uint16(2)) >> np.uint16(2))


@njit(cache=True, nogil=True)
def _half_even(sums, bits, means):  # type: ignore[no-untyped-def]
    """Sums of 2^bits numbers to every third of the means; nothing overflows."""
    below_half = np.uint16((1 << bits) // 2 - 1)
    for x in range(PLACE(means.size + 2) // PLACE(3)):
        odd = np.uint16(np.uint16(sums[x] >> bits) & np.uint16(1))
        means[PLACE(3) * x] = np.uint8(np.uint16(sums[x] + below_half + odd) >> bits)
