"""Discs painted on a picture as OpenCV's dilation and blur would have them, only where they are.

What all discs of a call cover are rows of bits, 64 pixels in one number, which become a row of bytes when
they are mixed into the picture: to dilate and to blur masks of millions of bytes took most of an overlay's
time.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.report.mixing import Floats, as_mixed, mix_row

Bytes = npt.NDArray[np.uint8]
_Words = npt.NDArray[np.uint64]
_Floats = npt.NDArray[np.float64]
_Numbers = npt.NDArray[np.int64]

_SOFT_FROM_PX: Final = 4
_WORD_PX: Final = 64
_BEFORE: Final = 8  # bytes of a row before its first pixel, so that eight of them are a number
_EIGHT: Final = np.uint64(8)
_BYTE: Final = np.uint64(255)
_ONES: Final = ~np.uint64(0)
_BYTES_OF: Final = (
    np.unpackbits(np.arange(256, dtype=np.uint8), bitorder="little").view("<u8").astype(np.uint64)
)
"""The bits of a byte, each as a byte of its own."""


def paint_discs(
    image: Bytes, xy: _Floats, color: tuple[int, int, int], diameter_px: float, alpha: float
) -> None:
    """Mix a colour into a picture where discs lie; where they overlap it is mixed in once.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3), contiguous
        Changed in place.
    xy : ndarray of float64, shape (n, 2)
        Centres, rounded to whole pixels; a disc whose centre lies beyond the picture is left out.
    color : tuple of int
    diameter_px : float
        Rounded to whole pixels; discs of four and more have a soft edge.
    alpha : float
        0 to 1.

    Raises
    ------
    ValueError
        If the picture is a cut-out of another one.
    """
    size = max(1, round(diameter_px))
    height, width, _ = image.shape
    covered = np.zeros((height, -(-width // _WORD_PX)), np.uint64)
    _cover(covered, width, xy, _rows_of_disc(size))
    rows, paint, share = as_mixed(image, color, alpha)
    _paint(rows, covered, size >= _SOFT_FROM_PX, paint, share)


def _rows_of_disc(size: int) -> _Numbers:
    """A disc as dilation lays it round a pixel: each of its rows, with its first and last column."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)).astype(bool)
    # what dilates is turned round, which matters where its size is even
    middle, turned = size // 2, disc[::-1, ::-1]
    first, last = turned.argmax(axis=1), size - 1 - turned[:, ::-1].argmax(axis=1)
    return np.stack([np.arange(size), first, last], axis=1) - (size - 1 - middle)


@njit(cache=True, nogil=True)
def _cover(covered: _Words, width: int, xy: _Floats, disc: _Numbers) -> None:
    """Set the bits of all discs."""
    height = len(covered)
    for dot in range(len(xy)):
        across, down = np.rint(xy[dot, 0]), np.rint(xy[dot, 1])
        if not ((across >= 0) & (down >= 0) & (across < width) & (down < height)):
            continue
        x, y = int(across), int(down)
        for part in range(len(disc)):
            row = y + disc[part, 0]
            if 0 <= row < height:
                first, last = max(x + disc[part, 1], 0), min(x + disc[part, 2], width - 1)
                _set(covered[row], np.uint64(first), np.uint64(last))


@njit(cache=True, nogil=True, inline="always")
def _set(row: _Words, first: np.uint64, last: np.uint64) -> None:
    """Set bits from the first to the last."""
    six, within = np.uint64(6), np.uint64(63)
    begins, ends = first >> six, last >> six
    for word in range(begins, ends + np.uint64(1)):
        ones = _ONES
        if word == begins:
            ones <<= first & within
        if word == ends:
            ones &= _ONES >> (within - (last & within))
        row[np.uint64(word)] |= ones


@njit(cache=True, nogil=True)
def _paint(rows: Bytes, covered: _Words, soft: bool, paint: Floats, share: np.float32) -> None:
    """Mix each row where it is covered, or where one beside it is if edges are soft."""
    height, width = len(rows), rows.shape[1] // 3
    some = np.zeros(height, np.bool_)
    for y in range(height):
        some[y] = covered[y].any()
    wide = covered.shape[1] * _WORD_PX
    eights = np.zeros((3, 2 + wide // _BEFORE), np.uint64)  # three rows that are next to each other
    held = eights.view(np.uint8)
    weights, down = np.empty(wide, np.uint8), np.empty(wide + 2, np.uint8)
    shares = np.empty(paint.size, np.float32)
    known = -1
    for y in range(height):
        above, below = _inside(y - 1, height), _inside(y + 1, height)
        if not (some[y] or (soft and (some[above] or some[below]))):
            continue
        for row in range(max(known + 1, y - 1), min(y + 2, height)):
            _unpack(covered[row], eights[row % 3])
            _mirror(held[row % 3], width)
        known = min(y + 1, height - 1)
        if soft:
            _soften(held[above % 3], held[y % 3], held[below % 3], down, weights)
        else:
            for x in range(width):
                weights[x] = np.uint8(255) * held[y % 3, _BEFORE + x]
        mix_row(rows[y], weights[:width], paint, share, shares)


@njit(cache=True, nogil=True, inline="always")
def _inside(place: int, length: int) -> int:
    """A place one beyond the border, mirrored about the pixel at the border."""
    if place < 0:
        return min(1, length - 1)
    return max(length - 2, 0) if place >= length else place


@njit(cache=True, nogil=True)
def _unpack(row: _Words, eights: _Words) -> None:
    """The bits of a row as bytes, eight in a number, after eight that belong to no pixel."""
    at = np.uint64(1)
    for word in range(len(row)):
        bits = row[word]
        for _ in range(8):
            eights[at] = _BYTES_OF[bits & _BYTE]
            bits >>= _EIGHT
            at += np.uint64(1)


@njit(cache=True, nogil=True, inline="always")
def _mirror(row: Bytes, width: int) -> None:
    """Before the first pixel and after the last stands what stands on their other side."""
    row[_BEFORE - 1] = row[_BEFORE + _inside(-1, width)]
    row[_BEFORE + width] = row[_BEFORE + _inside(width, width)]


@njit(cache=True, nogil=True)
def _soften(above: Bytes, here: Bytes, below: Bytes, down: Bytes, out: Bytes) -> None:
    """Means over 3 x 3 pixels of 0 and 255, by 1, 2, 1 both ways, as whole numbers; ``down`` is room."""
    first = np.uint64(_BEFORE - 1)
    for x in range(len(down)):
        at = first + np.uint64(x)
        down[x] = np.uint8(above[at] + np.uint8(2 * here[at]) + below[at])
    for x in range(len(out)):
        sixteenths = np.uint8(down[x] + np.uint8(2 * down[x + 1]) + down[x + 2])
        out[x] = np.uint8(np.uint16(np.uint16(sixteenths) * np.uint16(255) + np.uint16(8)) >> np.uint16(4))
