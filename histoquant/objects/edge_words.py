"""What every pixel adds to the boundary of a region that it joins, in one word."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
UInt8Array = npt.NDArray[np.uint8]

# Level of a blocked pixel, for comparisons only.
_SHUT = -1


def edge_words(
    framed: UInt8Array,
    darkness: IntArray,
    doubt: IntArray | None,
    blocked: UInt8Array | None,
    reach_px: int,
) -> Int32Array:
    """Edges that open less edges that close when a pixel joins the darker pixels beside it.

    An edge opens with the darker of its pixels and closes with the lighter one, so that sums over the
    pixels of a region are sums over its boundary.

    Parameters
    ----------
    framed : ndarray of uint8, shape (h + 2, w + 2 or more)
        Levels within a frame of zeros; 0 where blocked.
    darkness : ndarray of int16 or int32, shape (h, w)
        Within +-2^17, and so is the doubt: four steps fit above the low byte.
    doubt : ndarray of int16 or int32, shape (h, w), or None
    blocked : ndarray of uint8, shape (h, w), or None
    reach_px : int

    Returns
    -------
    ndarray of int32, of its shape
        Bits 0 to 3: free edges plus 8; bits 4 to 7: edges to blocked pixels; above: step of darkness across
        the free ones. Not set in the frame. An edge of the window is none.
    """
    words = np.empty(framed.shape, np.int32)
    unsure = np.zeros((1, darkness.shape[1]), darkness.dtype) if doubt is None else doubt
    shut = np.zeros((1, darkness.shape[1]), np.uint8) if blocked is None else blocked
    _words(framed, darkness, unsure, shut, reach_px, words)
    return words


@njit(cache=True, nogil=True)
def _words(
    framed: UInt8Array,
    darkness: IntArray,
    doubt: IntArray,
    blocked: UInt8Array,
    reach: int,
    words: Int32Array,
) -> None:
    """Loops over few arrays each, which compilers turn into vector instructions."""
    height, width = darkness.shape
    levels = np.zeros((3, width), np.int16)
    padded = np.empty(width + 2 * reach + 1, darkness.dtype)
    # at place x the edge between x - 1 and x, seen from x
    step_across, edge_across = np.zeros(width + 1, np.int32), np.zeros(width + 1, np.int16)
    step, edge, taken = np.empty(width, np.int32), np.empty(width, np.int16), np.zeros(width, np.int16)
    least_doubt, least_shut = doubt.shape[0] - 1, blocked.shape[0] - 1
    _compared(framed[1], blocked[0], levels[0])
    for y in range(height):
        over, under = max(y - 1, 0), min(y + 1, height - 1)
        here, below = levels[y % 3], levels[(y + 1) % 3]
        _compared(framed[under + 1], blocked[min(under, least_shut)], below)
        # at the window's own edge a row meets itself and adds nothing
        above = levels[(y + 2) % 3] if y > 0 else here
        sure = doubt[min(y, least_doubt)]
        outer = darkness[max(y - reach - 1, 0)]
        step[:] = 0
        _add_steps(here, above, darkness[min(y + reach, height - 1)], outer, sure,
                   doubt[min(over, least_doubt)], step)  # fmt: skip
        outer = darkness[min(y + reach + 1, height - 1)]
        _add_steps(here, below, darkness[max(y - reach, 0)], outer, sure,
                   doubt[min(under, least_doubt)], step)  # fmt: skip
        edge[:] = 0
        _add_edges(here, above, edge)
        _add_edges(here, below, edge)
        padded[: reach + 1] = darkness[y, 0]
        padded[reach : reach + width] = darkness[y]
        padded[reach + width :] = darkness[y, width - 1]
        step_across[:] = 0
        edge_across[:] = 0
        inner, behind = padded[2 * reach + 1 : 2 * reach + width], padded[: width - 1]
        _add_steps(here[1:], here[:-1], inner, behind, sure[1:], sure[:-1], step_across[1:width])
        _add_edges(here[1:], here[:-1], edge_across[1:width])
        if least_shut > 0:
            taken[:] = 0
            _add_taken(here, above, taken)
            _add_taken(here, below, taken)
            _add_taken(here[1:], here[:-1], taken[1:])
            _add_taken(here[:-1], here[1:], taken[:-1])
        _pack((step, edge, taken), (step_across, edge_across), words[y + 1, 1 : width + 1])


@njit(cache=True, nogil=True)
def _compared(framed: UInt8Array, blocked: UInt8Array, levels: Int16Array) -> None:
    for x in range(levels.size):
        levels[x] = _SHUT if blocked[x] > 0 else framed[x + 1]


@njit(cache=True, nogil=True)
def _add_steps(
    here: Int16Array,
    there: Int16Array,
    inner: IntArray,
    outer: IntArray,
    doubt_here: IntArray,
    doubt_there: IntArray,
    step: Int32Array,
) -> None:
    for x in range(step.size):
        drop = np.int32(inner[x]) - np.int32(outer[x])
        opens, closes = drop - np.int32(doubt_there[x]), drop + np.int32(doubt_here[x])
        signed = opens if here[x] > there[x] else closes
        step[x] += 0 if (here[x] == there[x]) | (min(here[x], there[x]) < 0) else signed


@njit(cache=True, nogil=True)
def _add_edges(here: Int16Array, there: Int16Array, edge: Int16Array) -> None:
    for x in range(edge.size):
        sign = 1 if here[x] > there[x] else -1
        edge[x] += 0 if (here[x] == there[x]) | (min(here[x], there[x]) < 0) else sign


@njit(cache=True, nogil=True)
def _add_taken(here: Int16Array, there: Int16Array, taken: Int16Array) -> None:
    for x in range(taken.size):
        taken[x] += 1 if (there[x] < 0) & (here[x] >= 0) else 0


@njit(cache=True, nogil=True)
def _pack(
    along: tuple[Int32Array, Int16Array, Int16Array], across: tuple[Int32Array, Int16Array], word: Int32Array
) -> None:
    step, edge, taken = along
    step_across, edge_across = across
    for x in range(word.size):
        step[x] += step_across[x] - step_across[x + 1]
    for x in range(word.size):
        edge[x] += edge_across[x] - edge_across[x + 1]
    for x in range(word.size):
        word[x] = step[x] * 256 + np.int32(taken[x]) * 16 + np.int32(edge[x]) + 8
