"""Small masks as rows of bits: 64 pixels are joined, cut, shifted and counted at once.

Pixel ``x`` of a row is bit ``x % 64`` of its word ``x // 64``; bits past the width are 0. What lies beyond a
mask is never set and never asked for, as in OpenCV's morphology with its default border.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.marks import WORD, bits_set, lowest_bit, word_of
from histoquant.objects.runs import linked, root_of

Bits = npt.NDArray[np.uint64]
BoolArray = npt.NDArray[np.bool_]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]

_ONE = np.uint64(1)
_TOP = np.uint64(WORD - 1)
_ALL = np.uint64(2**WORD - 1)


class Regions(NamedTuple):
    """Connected regions of a mask, run by run.

    Attributes
    ----------
    rows, spans
        As of `runs.Runs`.
    root : ndarray of int32, shape (runs,)
        Number of the first run of a run's region.
    area_px, marked_px : ndarray of int64, shape (runs,)
        Pixels, and marked ones, of the region that begins with this run.
    """

    rows: Int64Array
    spans: Int32Array
    root: Int32Array
    area_px: Int64Array
    marked_px: Int64Array


@njit(cache=True, nogil=True)
def packed(mask: UInt8Array) -> Bits:
    """Pixels that are not 0, of a mask at least one pixel wide."""
    height, width = mask.shape
    words = (width + WORD - 1) // WORD
    out, flat = np.empty((height, words), np.uint64), mask.ravel()
    row, tail = np.zeros(words * WORD, np.uint8), covered(0, width - (words - 1) * WORD)
    # a word may hold pixels of the next row, too; past the last row there is nothing to read
    together = (flat.size - words * WORD) // width + 1
    for y in range(height):
        start, source = y * width, flat
        if y >= together:
            row[:width] = mask[y]
            start, source = 0, row
        for k in range(words):
            out[y, k] = word_of(source, np.uint64(start + k * WORD))
        out[y, words - 1] &= tail
    return out


@njit(cache=True, nogil=True)
def unpacked(bits: Bits, width: int) -> UInt8Array:
    """The mask, 0 and 1; shape (h, w)."""
    out = np.empty((bits.shape[0], width), np.uint8)
    for y in range(bits.shape[0]):
        for k in range(bits.shape[1]):
            word, part = bits[y, k], out[y, k * WORD : (k + 1) * WORD]
            for x in range(part.size):
                part[x] = (word >> np.uint64(x)) & _ONE
    return out


@njit(cache=True, nogil=True)
def count_bits(bits: Bits) -> int:
    """How many pixels are set."""
    count = np.uint64(0)
    for word in bits.ravel():
        count += bits_set(word)
    return int(np.int64(count))


@njit(cache=True, nogil=True)
def inverted(bits: Bits, width: int) -> Bits:
    """All other pixels."""
    out = ~bits
    out[:, -1] &= covered(0, width - (bits.shape[1] - 1) * WORD)
    return out


@njit(cache=True, nogil=True)
def covered(begin: int, end: int) -> np.uint64:
    """Bits of one word from ``begin`` to before ``end``, which may lie outside the word."""
    low, high = max(begin, 0), min(end, WORD)
    if low >= high:
        return np.uint64(0)
    return (_ALL << np.uint64(low)) & (_ALL >> np.uint64(WORD - high))


@njit(cache=True, nogil=True)
def _widened(bits: Bits, out: Bits) -> None:
    """Set pixels beside those that are set in a row, too."""
    last = bits.shape[1] - 1
    if last == 0:
        flat, to = bits.ravel(), out.ravel()
        for y in range(to.size):
            to[y] = flat[y] | (flat[y] << _ONE) | (flat[y] >> _ONE)
        return
    for y in range(bits.shape[0]):
        for k in range(last + 1):
            word = bits[y, k]
            word |= (word << _ONE) | (word >> _ONE)
            if k > 0:
                word |= bits[y, k - 1] >> _TOP
            if k < last:
                word |= bits[y, k + 1] << _TOP
            out[y, k] = word


@njit(cache=True, nogil=True)
def _join(bits: Bits, out: Bits, dy: int) -> None:
    """Set the pixels so many rows above and below those that are set, too."""
    flat, to = bits.ravel(), out.ravel()
    count = np.uint64(to.size - dy * bits.shape[1])
    below, after = to[dy * bits.shape[1] :], flat[dy * bits.shape[1] :]
    for i in range(np.uint64(0), count):
        below[i] |= flat[i]
    for i in range(np.uint64(0), count):
        to[i] |= after[i]


@njit(cache=True, nogil=True)
def half_width(radius: int, dy: int) -> int:
    """Pixels of a disc on either side of its middle, in a row so far from it."""
    half = radius
    while half * half + dy * dy > radius * radius:
        half -= 1
    return half


@njit(cache=True, nogil=True)
def dilated(bits: Bits, width: int, radius: int) -> Bits:
    """Pixels within a disc of those that are set: ``y^2 + x^2 <= radius^2``."""
    height = bits.shape[0]
    out, wide, wider = np.zeros_like(bits), bits.copy(), np.empty_like(bits)
    for half in range(radius + 1):
        if half > 0:
            _widened(wide, wider)
            wide, wider = wider, wide
        for dy in range(min(radius, height - 1) + 1):
            if half_width(radius, dy) == half:
                _join(wide, out, dy)
    out[:, -1] &= covered(0, width - (bits.shape[1] - 1) * WORD)
    return out


@njit(cache=True, nogil=True)
def eroded(bits: Bits, width: int, radius: int) -> Bits:
    """Pixels whose disc is set, as far as it lies in the mask."""
    out: Bits = inverted(dilated(inverted(bits, width), width, radius), width)
    return out


@njit(cache=True, nogil=True)
def grown(seed: Bits, into: Bits, steps: int) -> Bits:
    """Pixels of ``into`` that 4-connected growth from ``seed`` reaches in so many steps."""
    height = seed.shape[0]
    out, near = seed.copy(), np.empty_like(seed)
    for _ in range(steps):
        _widened(out, near)
        near[1:] |= out[: height - 1]
        near[: height - 1] |= out[1:]
        out |= near & into
    return out & into


@njit(cache=True, nogil=True)
def spans_of(bits: Bits) -> tuple[Int64Array, Int32Array]:
    """Runs of pixels, row by row: ``rows`` and ``spans`` as of `runs.Runs`."""
    height, words = bits.shape
    rows, columns = np.zeros(height + 1, np.int64), np.empty(256, np.int32)
    count = 0
    for y in range(height):
        before = np.uint64(0)
        while count + words * WORD + 1 > columns.size:
            columns = np.concatenate((columns, np.empty_like(columns)))
        for k in range(words):
            word = bits[y, k]
            turns = word ^ ((word << _ONE) | before)
            before = word >> _TOP
            while turns:
                columns[count] = k * WORD + np.int64(lowest_bit(turns))
                turns &= turns - _ONE
                count += 1
        if before:
            columns[count] = words * WORD
            count += 1
        rows[y + 1] = count // 2
    return rows, columns[:count].copy().reshape(-1, 2)


@njit(cache=True, nogil=True)
def regions(bits: Bits, marks: Bits, reach: int) -> Regions:
    """Connected regions of set pixels, along edges (``reach`` 0) or corners too (1), and marks in them."""
    rows, spans = spans_of(bits)
    root = linked(rows, spans, reach)
    area_px, marked_px = np.zeros(root.size, np.int64), np.zeros(root.size, np.int64)
    for y in range(bits.shape[0]):
        for i in range(rows[y], rows[y + 1]):
            own = root_of(root, i)
            root[i] = own
            begin, end = spans[i, 0], spans[i, 1]
            area_px[own] += end - begin
            for k in range(begin // WORD, (end - 1) // WORD + 1):
                held = marks[y, k] & covered(begin - k * WORD, end - k * WORD)
                marked_px[own] += np.int64(bits_set(held))
    return Regions(rows, spans, root, area_px, marked_px)


@njit(cache=True, nogil=True)
def chosen(found: Regions, keep: BoolArray, words: int) -> Bits:
    """Pixels of the regions whose first run is chosen."""
    height = found.rows.size - 1
    out = np.zeros((height, words), np.uint64)
    for y in range(height):
        for i in range(found.rows[y], found.rows[y + 1]):
            if keep[found.root[i]]:
                begin, end = found.spans[i, 0], found.spans[i, 1]
                for k in range(begin // WORD, (end - 1) // WORD + 1):
                    out[y, k] |= covered(begin - k * WORD, end - k * WORD)
    return out
