"""Stained objects of one tile: tables and counts that add up to the slide's, whatever the tiles were."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from histoquant.objects.columns import to_table
from histoquant.objects.runs import Runs
from histoquant.objects.stained import LARGE, SHIFTS, StainedObjects

BLOCK_UM = 50.0
"""Edge of the blocks in which stained area is kept apart: six lymphocytes across."""
NO_OBJECT = 0
"""`stain_object` of a cell that lies in no stained object; `LARGE` where it is too large to be told."""

# Nobody counts who holds a row.
_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
_REPAYS = 8  # to ask all of a row takes as long as to count so much less of it
_EIGHT = np.uint64(0x0101010101010101)  # pixels that count


def block_px(mpp: float) -> int:
    """Edge of a block in pixels of the working plane."""
    return max(1, round(BLOCK_UM / mpp))


def object_id(y: NDArray[np.integer], x: NDArray[np.integer]) -> NDArray[np.int64]:
    """Id of an object, a function of its first pixel in the plane; never 0."""
    return np.asarray(((y.astype(np.int64) + 1) << 32) | x.astype(np.int64))


def cell_columns(
    stained: StainedObjects, index: NDArray[np.int64], origin_yx: tuple[int, int], mpp: float
) -> dict[str, NDArray[np.generic]]:
    """The object of each cell and its area.

    Parameters
    ----------
    stained : StainedObjects
    index : ndarray of int64, shape (n,)
        `Surroundings.linked`.
    origin_yx : tuple of int
        First pixel of the window in the plane.
    mpp : float

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``stain_object`` (int64), ``stain_object_um2`` (NaN without one and for large ones).
    """
    ids = np.append(object_id(stained.first[:, 0] + origin_yx[0], stained.first[:, 1] + origin_yx[1]), 0)
    area = np.append(stained.pixels * mpp**2, np.nan)
    large = np.append(stained.pixels == LARGE, False)
    ids[large], area[large] = LARGE, np.nan
    # -1, for none, takes what was appended
    return {"stain_object": ids[index], "stain_object_um2": area[index]}


def owned_tables(
    stained: StainedObjects,
    counted: NDArray[np.bool_],
    core_yx: tuple[int, int],
    plane_yx: tuple[int, int],
    mpp: float,
) -> tuple[dict[str, pa.Table], dict[str, int]]:
    """What a tile's core holds of the stained area.

    Parameters
    ----------
    stained : StainedObjects
    counted : ndarray of bool, shape (h, w)
        Of the core: pixels in quantifiable tissue.
    core_yx : tuple of int
        First pixel of the core in the window.
    plane_yx : tuple of int
        The same in the plane.
    mpp : float

    Returns
    -------
    tables : dict of str to pyarrow.Table
        ``stained_objects`` (``stain_object, area_um2`` of objects with their first pixel in the core) and
        ``stained_blocks`` (``block_y, block_x, stained_px``; a block may be shared with the next tile).
    counts : dict of str to int
        ``stained_px_0`` to ``stained_px_2``: stained pixels at each of `SHIFTS`.
    """
    edge = block_px(mpp)
    blocks = [_blocks(area, counted, core_yx, plane_yx, edge) for area in stained.area]
    counts = {f"stained_px_{k}": int(pixels.sum()) for k, pixels in enumerate(blocks)}
    y, x = (stained.first[:, axis].astype(np.int64) - core_yx[axis] for axis in (0, 1))
    inside = (y >= 0) & (x >= 0) & (y < counted.shape[0]) & (x < counted.shape[1])
    own = np.flatnonzero(inside & (stained.pixels != LARGE))
    own = own[counted[y[own], x[own]]]
    objects = to_table(
        {
            "stain_object": object_id(y[own] + plane_yx[0], x[own] + plane_yx[1]),
            "area_um2": stained.pixels[own] * mpp**2,
        }
    )
    pixels = blocks[SHIFTS.index(1.0)]
    block_y, block_x = np.nonzero(pixels)
    stained_blocks = to_table(
        {
            "block_y": block_y + plane_yx[0] // edge,
            "block_x": block_x + plane_yx[1] // edge,
            "stained_px": pixels[block_y, block_x],
        }
    )
    return {"stained_objects": objects, "stained_blocks": stained_blocks}, counts


def _blocks(
    area: Runs, counted: NDArray[np.bool_], core_yx: tuple[int, int], plane_yx: tuple[int, int], edge: int
) -> NDArray[np.int64]:
    """Stained and counted pixels of each block that the core touches; int64, shape (rows, columns)."""
    start = (plane_yx[0] % edge, plane_yx[1] % edge)
    rows, columns = ((start[axis] + counted.shape[axis] - 1) // edge + 1 for axis in (0, 1))
    pixels = np.zeros((rows, columns), np.int64)
    _count_blocks((area.rows, area.spans), counted, core_yx, start, edge, pixels)
    return pixels


@_kernel
def _count_blocks(
    area: tuple[NDArray[np.int64], NDArray[np.int32]],
    counted: NDArray[np.bool_],
    core_yx: tuple[int, int],
    start_yx: tuple[int, int],
    edge: int,
    pixels: NDArray[np.int64],
) -> None:
    """The core's first pixel lies at ``core_yx`` in the window and at ``start_yx`` in the first block."""
    (rows, spans), height, width = area, counted.shape[0], counted.shape[1]
    for y in range(height):
        row, known = pixels[(y + start_yx[0]) // edge], counted[y]
        first, after, stained = rows[y + core_yx[0]], rows[y + core_yx[0] + 1], 0
        for i in range(first, after):
            stained += spans[i, 1] - spans[i, 0]
        whole = _REPAYS * stained >= width and _all(known)
        for i in range(first, after):
            x, end = max(spans[i, 0] - core_yx[1], 0), min(spans[i, 1] - core_yx[1], width)
            while x < end:
                block = (x + start_yx[1]) // edge
                stop = min(end, (block + 1) * edge - start_yx[1])
                if whole:
                    row[block] += stop - x
                else:
                    for k in range(np.uint64(x), np.uint64(stop)):
                        row[block] += known[k]
                x = stop


@_kernel
def _all(known: NDArray[np.bool_]) -> bool:
    """Whether every pixel counts: told in words, where a loop that may end before would take one by one."""
    words, found = known.size // 8, _EIGHT
    for word in known[: 8 * words].view(np.uint64):
        found &= word
    for x in range(8 * words, known.size):
        found &= _EIGHT * np.uint64(known[x])
    return bool(found == _EIGHT)
