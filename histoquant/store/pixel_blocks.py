"""Blocks of pixels, summed and copied."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def sums_of(blocks, number):  # type: ignore[no-untyped-def]
    """Sums that prove blocks: of 64-bit words, each times an odd number of its own.

    Parameters
    ----------
    blocks : ndarray of uint8, shape (n, bytes)
        A multiple of 8 bytes each.
    number : uint64
        Place of the first; a block in another one's place has another sum.

    Returns
    -------
    ndarray of uint64, shape (n,)
        Whatever changes in one word changes the sum.
    """
    sums = np.empty(len(blocks), np.uint64)
    for k in range(len(blocks)):
        words = blocks[k].view(np.uint64)
        total = (number + np.uint64(k)) << np.uint64(32)
        # the index and not a second counter, or the compiler takes one word at a time
        for i in range(words.size):
            total += (words[i] ^ np.uint64(0x9E3779B97F4A7C15)) * np.uint64(2 * i + 1)
        sums[k] = total
    return sums


@njit(cache=True, nogil=True)
def copy_blocks(blocks, whole, lines, place, rows):  # type: ignore[no-untyped-def]
    """Copy lines of those blocks that are whole, side by side, into rows of pixels.

    Parameters
    ----------
    blocks : ndarray of uint8, shape (m, h, 3 w)
    whole : ndarray of bool, shape (n,)
        Of the first blocks.
    lines : tuple of int
        First line and one past the last.
    place : tuple of int
        Row of the first line, byte in it where the first block begins, which may be before the rows do, and
        one past the last byte that may be written.
    rows : ndarray of uint8, shape (rows, bytes)
    """
    width, (top, left, end) = blocks.shape[2], place
    for k in range(len(whole)):
        start = left + k * width
        first, stop = max(start, 0), min(start + width, end)
        if not whole[k] or first >= stop:
            continue
        for line in range(lines[0], lines[1]):
            to = rows[top + line - lines[0], first:stop]
            source = blocks[k, line, first - start : stop - start]
            for i in range(np.uint64(to.size)):
                to[i] = source[i]
