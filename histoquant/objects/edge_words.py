"""What every pixel adds to the boundary of a region that it joins, in one word."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import literal_unroll, njit

from histoquant.objects.edge_lanes import LANES, Band, Rows, tell_edges
from histoquant.objects.prefetch import prefetch, prefetch_to_write
from histoquant.objects.room import kept_room
from histoquant.objects.steep_zone import BLOCK

Plane = npt.NDArray[Any] | None
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
UInt8Array = npt.NDArray[np.uint8]

# Rows are views, and nobody counts who holds them.
_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def edge_words(
    framed: UInt8Array,
    darkness: IntArray,
    doubt: IntArray | None,
    blocked: UInt8Array | None,
    reach_px: int,
    steepest: IntArray | None = None,
) -> Int32Array:
    """Edges that open less edges that close when a pixel joins the darker pixels beside it.

    An edge opens with the darker of its pixels and closes with the lighter one, so that sums over the
    pixels of a region are sums over its boundary.

    Parameters
    ----------
    framed : ndarray of uint8, shape (h + 2, w + 2 or more)
        Levels within a frame of zeros; 0 where blocked.
    darkness : ndarray of int16 or int32, shape (h, w)
        Within +-2^17, and so is the doubt: four steps fit above the low byte. Where both are of 16 bits, a
        step less a doubt must be, too.
    doubt : ndarray of int16 or int32, shape (h, w), or None
    blocked : ndarray of uint8, shape (h, w), or None
    reach_px : int
    steepest : ndarray, shape (rows of blocks, w), or None
        Where the largest steps are noted, from `steep_zone.steepest_room`.

    Returns
    -------
    ndarray of int32, of its shape
        Bits 0 to 3: free edges plus 8; bits 4 to 7: edges to blocked pixels; above: step of darkness across
        the free ones. Not set in the frame nor where blocked. An edge of the window is none. Written over
        when this thread asks again.
    """
    width, kind = darkness.shape[1], step_kind(darkness, doubt)
    room, wide = reach_px + 1, -(-width // LANES) * LANES + 2 * (reach_px + 1)
    rows = (reach_px + max(reach_px, 1) + 2, wide)
    band = Band(
        np.empty(rows, np.uint8),
        None if blocked is None else np.empty(rows, np.uint8),
        np.empty(rows, kind),
        None if doubt is None else np.empty(rows, kind),
        np.zeros((2, wide), kind),
        steepest,
        room,
    )
    # so many words are written at once, beyond the last of a row, too
    words = kept_room("words", framed.size + LANES, np.int32)
    _words((framed[1:, 1:], blocked, darkness, doubt), band, framed.shape[1], words)
    return words[: framed.size].reshape(framed.shape)


def step_kind(darkness: IntArray, doubt: IntArray | None) -> type[np.signedinteger]:
    """Type of steps of darkness, less a doubt."""
    return np.result_type(darkness, darkness if doubt is None else doubt).type


@_kernel
def _words(
    planes: tuple[UInt8Array, Plane, IntArray, Plane],
    band: Band,
    stride: int,
    words: Int32Array,
) -> None:
    (height, width), turn, reach = planes[2].shape, band.levels.shape[0], band.room - 1
    last = height - 1
    for y in range(min(reach + 1, height)):
        _take(planes, y, band)
    for y in range(height):
        if y + reach + 1 < height:
            _take(planes, y + reach + 1, band)
        # at the window's own edge a row meets itself and adds nothing
        over, under = max(y - 1, 0) % turn, min(y + 1, last) % turn
        back, ahead = max(y - reach, 0) % turn, min(y + reach + 1, last) % turn
        rows = Rows(over, y % turn, under, back, ahead, y % 2, (y + 1) % 2, (y + 1) // BLOCK)
        start = np.uint64((y + 1) * stride + 1)
        row, to_come = words[start:], np.uint64(min(y + reach + 2, last))
        for x in range(np.uint64(0), np.uint64(width), np.uint64(LANES)):
            for plane in literal_unroll(planes):
                _fetch(plane, to_come, x)
            prefetch_to_write(words, start + stride + x)
            prefetch_to_write(words, start + stride + x + np.uint64(LANES // 2))
            tell_edges(band, rows, x, row)


@_kernel
def _take(planes: tuple[UInt8Array, Plane, IntArray, Plane], y: int, band: Band) -> None:
    levels, blocked, darkness, doubt = planes
    width = darkness.shape[1]
    _repeat(levels, y, width, band.room, band.levels)
    _repeat(blocked, y, width, band.room, band.taken)
    _repeat(darkness, y, width, band.room, band.dark)
    _repeat(doubt, y, width, band.room, band.doubt)


@_kernel
def _fetch(plane: Plane, y: np.uint64, x: np.uint64) -> None:
    """Have pixels of a row to come fetched while others are told."""
    if plane is not None:
        prefetch(plane, y, x)


@_kernel
def _repeat(plane: Plane, y: int, width: int, room: int, band: Plane) -> None:
    """Copy so much of a row, and its first and last pixel before and after it."""
    if plane is not None and band is not None:
        row, out = plane[y, :width], band[y % band.shape[0]]
        _copy(row, out[room : room + width])
        _fill(row[0], out[:room])
        _fill(row[-1], out[room + width :])


@_kernel
def _copy(row: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    for x in range(out.size):
        out[x] = row[x]


@_kernel
def _fill(value: int, out: npt.NDArray[Any]) -> None:
    for x in range(out.size):
        out[x] = value
