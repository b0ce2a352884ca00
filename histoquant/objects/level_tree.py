"""Component tree: all connected regions darker than some level, with the shape and edge of each.

Thresholding at every level gives nested connected regions. A region is a property of the image, not of
the window or of the order of processing, so whatever is decided from a region and from the regions
around it is the same in every window that shows them whole.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]

# Columns of LevelTree.sums
AREA, SUM_X, SUM_Y, SUM_XX, SUM_YY, SUM_XY, EDGES, BLOCKED, STEP, MIN_X, MAX_X, MIN_Y, MAX_Y = range(13)
_COLUMNS = 13
_FAR = 1 << 30


class LevelTree(NamedTuple):
    """Nested regions of one window; a parent comes before its children.

    Attributes
    ----------
    pixels : ndarray of int32, shape (m,)
        Raster indices of all pixels in some region.
    node_of : ndarray of int32, shape (m,)
        Smallest region that holds the pixel.
    parent : ndarray of int32, shape (n,)
        Next larger region; a root is its own parent.
    sums : ndarray of int64, shape (n, 13)
        Exact sums over the region: area, moments of x and y; over its boundary: free edges, edges to
        blocked pixels, darkness step over the free ones; bounding box.
    """

    pixels: Int32Array
    node_of: Int32Array
    parent: Int32Array
    sums: Int64Array


def level_tree(
    levels: UInt8Array, darkness: Int32Array, doubt: Int32Array, blocked: UInt8Array, reach_px: int
) -> LevelTree:
    """Nested regions of a quantised image.

    Parameters
    ----------
    levels : ndarray of uint8, shape (h, w)
        0 for background; regions are the 4-connected sets of pixels at or above each level.
    darkness : ndarray of int32, shape (h, w)
        Where the step across a region's boundary is measured: from ``reach_px`` inside the inner pixel
        of an edge to ``reach_px`` outside the outer one.
    doubt : ndarray of int32, shape (h, w)
        Taken off the step across an edge, at its outer pixel.
    blocked : ndarray of uint8, shape (h, w)
        1 for pixels that are taken: in no region, and an edge to them tells nothing.
    reach_px : int
        0 for the two pixels of the edge themselves.

    Returns
    -------
    LevelTree
    """
    free = np.where(blocked > 0, np.uint8(0), levels)
    pixels, parent_pixel = _flood(free)
    node_of, parent = _number_nodes(free, pixels, parent_pixel)
    sums = _sum_regions(free, darkness, doubt, blocked, reach_px, pixels, node_of, parent)
    return LevelTree(pixels, node_of, parent, sums)


@njit(cache=True, nogil=True)
def _sorted_pixels(levels: UInt8Array) -> Int32Array:
    flat = levels.ravel()
    start = np.zeros(257, np.int64)
    for i in range(flat.size):
        start[255 - flat[i] + 1] += 1
    for i in range(256):
        start[i + 1] += start[i]
    pixels = np.empty(start[255], np.int32)
    for i in range(flat.size):
        level = flat[i]
        if level > 0:
            slot = 255 - level
            pixels[start[slot]] = i
            start[slot] += 1
    return pixels


@njit(cache=True, nogil=True)
def _root(up: Int32Array, t: int) -> int:
    root = t
    while up[root] != root:
        root = up[root]
    while up[t] != root:
        above = up[t]
        up[t] = root
        t = above
    return root


@njit(cache=True, nogil=True)
def _flood(levels: UInt8Array) -> tuple[Int32Array, Int32Array]:
    """Union-find from dark to light; parents are positions in the list of pixels (Berger et al. 2007)."""
    height, width = levels.shape
    pixels = _sorted_pixels(levels)
    position = np.full(height * width, -1, np.int32)
    up = np.empty(pixels.size, np.int32)
    parent = np.empty(pixels.size, np.int32)
    for t in range(pixels.size):
        p = pixels[t]
        x = p % width
        position[p] = t
        up[t] = t
        parent[t] = t
        for side in range(4):
            if side == 0:
                q = p - width
                inside = q >= 0
            elif side == 1:
                q = p - 1
                inside = x > 0
            elif side == 2:
                q = p + 1
                inside = x < width - 1
            else:
                q = p + width
                inside = q < height * width
            if inside and position[q] >= 0:
                root = _root(up, position[q])
                if root != t:
                    up[root] = t
                    parent[root] = t
    return pixels, parent


@njit(cache=True, nogil=True)
def _number_nodes(
    levels: UInt8Array, pixels: Int32Array, parent_pixel: Int32Array
) -> tuple[Int32Array, Int32Array]:
    """One node per region: the pixel flooded last stands for all pixels of its level."""
    flat = levels.ravel()
    node_of = np.empty(pixels.size, np.int32)
    parent = np.empty(pixels.size, np.int32)
    count = 0
    for t in range(pixels.size - 1, -1, -1):
        above = parent_pixel[t]
        if above != t and flat[pixels[above]] == flat[pixels[t]]:
            node_of[t] = node_of[above]
        else:
            node_of[t] = count
            parent[count] = node_of[above] if above != t else count
            count += 1
    return node_of, parent[:count].copy()


@njit(cache=True, nogil=True)
def _sum_regions(
    levels: UInt8Array,
    darkness: Int32Array,
    doubt: Int32Array,
    blocked: UInt8Array,
    reach: int,
    pixels: Int32Array,
    node_of: Int32Array,
    parent: Int32Array,
) -> Int64Array:
    width = levels.shape[1]
    sums = np.zeros((parent.size, _COLUMNS), np.int64)
    for node in range(parent.size):
        sums[node, MIN_X] = _FAR
        sums[node, MIN_Y] = _FAR
        sums[node, MAX_X] = -1
        sums[node, MAX_Y] = -1
    for t in range(pixels.size):
        row = sums[node_of[t]]
        y = pixels[t] // width
        x = pixels[t] - y * width
        row[AREA] += 1
        row[SUM_X] += x
        row[SUM_Y] += y
        row[SUM_XX] += x * x
        row[SUM_YY] += y * y
        row[SUM_XY] += x * y
        row[MIN_X] = min(row[MIN_X], x)
        row[MAX_X] = max(row[MAX_X], x)
        row[MIN_Y] = min(row[MIN_Y], y)
        row[MAX_Y] = max(row[MAX_Y], y)
        _add_edges(levels, darkness, doubt, blocked, reach, y, x, row)
    for node in range(parent.size - 1, 0, -1):
        above = parent[node]
        if above != node:
            into, row = sums[above], sums[node]
            for column in range(MIN_X):
                into[column] += row[column]
            into[MIN_X] = min(into[MIN_X], row[MIN_X])
            into[MAX_X] = max(into[MAX_X], row[MAX_X])
            into[MIN_Y] = min(into[MIN_Y], row[MIN_Y])
            into[MAX_Y] = max(into[MAX_Y], row[MAX_Y])
    return sums


@njit(cache=True, nogil=True)
def _add_edges(
    levels: UInt8Array,
    darkness: Int32Array,
    doubt: Int32Array,
    blocked: UInt8Array,
    reach: int,
    y: int,
    x: int,
    row: Int64Array,
) -> None:
    """Edges this pixel opens towards lighter neighbours and closes towards darker ones."""
    height, width = levels.shape
    level = levels[y, x]
    for side in range(4):
        dy = (side == 3) - (side == 0)
        dx = (side == 2) - (side == 1)
        yo, xo = y + dy, x + dx
        if yo < 0 or xo < 0 or yo >= height or xo >= width or levels[yo, xo] == level:
            continue
        if blocked[yo, xo]:
            row[BLOCKED] += 1
            continue
        inner = darkness[min(max(y - reach * dy, 0), height - 1), min(max(x - reach * dx, 0), width - 1)]
        outer = darkness[min(max(yo + reach * dy, 0), height - 1), min(max(xo + reach * dx, 0), width - 1)]
        # seen from the lighter pixel the same edge has the opposite step: closing it adds, too
        if levels[yo, xo] < level:
            row[EDGES] += 1
            row[STEP] += inner - outer - doubt[yo, xo]
        else:
            row[EDGES] -= 1
            row[STEP] += inner - outer + doubt[y, x]
