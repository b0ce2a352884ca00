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
    node_at, parent = _number_nodes(free, pixels, parent_pixel)
    sums = _sum_regions(free, darkness, doubt, blocked, reach_px, node_at.reshape(free.shape), parent)
    return LevelTree(pixels, node_at[pixels], parent, sums)


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
def _root(up: Int32Array, p: int) -> int:
    while up[p] != p:
        up[p] = up[up[p]]
        p = up[p]
    return p


@njit(cache=True, nogil=True)
def _flood(levels: UInt8Array) -> tuple[Int32Array, Int32Array]:
    """Union-find from dark to light; every pixel's parent is a pixel as light or lighter (Berger 2007).

    Sets are joined by rank, so that no chain grows long in a sheet of touching nuclei; the lightest pixel
    of a set, which is the one flooded last, is kept beside its root.
    """
    height, width = levels.shape
    pixels = _sorted_pixels(levels)
    up = np.full(height * width, -1, np.int32)
    lightest = np.empty(height * width, np.int32)
    rank = np.zeros(height * width, np.uint8)
    parent = np.empty(height * width, np.int32)
    for p in pixels:
        x = p % width
        up[p] = parent[p] = lightest[p] = p
        home = p
        for side in range(4):
            if side == 0:
                q, inside = p - width, p >= width
            elif side == 1:
                q, inside = p - 1, x > 0
            elif side == 2:
                q, inside = p + 1, x < width - 1
            else:
                q, inside = p + width, p < (height - 1) * width
            if not inside or up[q] < 0:
                continue
            root = _root(up, q)
            if root == home:
                continue
            parent[lightest[root]] = p
            if rank[root] > rank[home]:
                root, home = home, root
            elif rank[root] == rank[home]:
                rank[home] += 1
            up[root] = home
            lightest[home] = p
    return pixels, parent


@njit(cache=True, nogil=True)
def _number_nodes(
    levels: UInt8Array, pixels: Int32Array, parent_pixel: Int32Array
) -> tuple[Int32Array, Int32Array]:
    """Node of every pixel, -1 for none; the pixel flooded last stands for all of its region's level."""
    flat = levels.ravel()
    node_at = np.full(flat.size, -1, np.int32)
    parent = np.empty(pixels.size, np.int32)
    count = 0
    for t in range(pixels.size - 1, -1, -1):
        p = pixels[t]
        above = parent_pixel[p]
        if above != p and flat[above] == flat[p]:
            node_at[p] = node_at[above]
        else:
            node_at[p] = count
            parent[count] = node_at[above] if above != p else count
            count += 1
    return node_at, parent[:count].copy()


@njit(cache=True, nogil=True)
def _sum_regions(
    levels: UInt8Array,
    darkness: Int32Array,
    doubt: Int32Array,
    blocked: UInt8Array,
    reach: int,
    nodes: Int32Array,
    parent: Int32Array,
) -> Int64Array:
    height, width = levels.shape
    sums = np.zeros((parent.size, _COLUMNS), np.int64)
    for node in range(parent.size):
        sums[node, MIN_X] = _FAR
        sums[node, MIN_Y] = _FAR
        sums[node, MAX_X] = -1
        sums[node, MAX_Y] = -1
    # raster order, so that neighbouring pixels find their sums in the cache
    for y in range(height):
        for x in range(width):
            if nodes[y, x] >= 0:
                _add_pixel(sums[nodes[y, x]], y, x)
            if x > 0 and levels[y, x] != levels[y, x - 1]:
                _add_edge(levels, darkness, doubt, nodes, reach, (y, x, 0, 1), sums)
            if y > 0 and levels[y, x] != levels[y - 1, x]:
                _add_edge(levels, darkness, doubt, nodes, reach, (y, x, 1, 0), sums)
    _block_edges(blocked, darkness, doubt, nodes, reach, sums)
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
def _add_pixel(row: Int64Array, y: int, x: int) -> None:
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


@njit(cache=True, nogil=True)
def _step(
    darkness: Int32Array, doubt: Int32Array, reach: int, edge: tuple[int, int, int, int], second_inside: bool
) -> int:
    """Step of darkness across the edge between pixel (y - dy, x - dx) and (y, x), inner less outer."""
    y, x, dy, dx = edge
    ahead = darkness[min(y + reach * dy, darkness.shape[0] - 1), min(x + reach * dx, darkness.shape[1] - 1)]
    behind = darkness[max(y - (reach + 1) * dy, 0), max(x - (reach + 1) * dx, 0)]
    if second_inside:
        return int(ahead) - int(behind) - int(doubt[y - dy, x - dx])
    return int(behind) - int(ahead) - int(doubt[y, x])


@njit(cache=True, nogil=True)
def _add_edge(
    levels: UInt8Array,
    darkness: Int32Array,
    doubt: Int32Array,
    nodes: Int32Array,
    reach: int,
    edge: tuple[int, int, int, int],
    sums: Int64Array,
) -> None:
    """An edge opens with the darker of its pixels and closes with the lighter one."""
    y, x, dy, dx = edge
    second_inside = levels[y, x] > levels[y - dy, x - dx]
    step = _step(darkness, doubt, reach, edge, second_inside)
    first, second = nodes[y - dy, x - dx], nodes[y, x]
    darker, lighter = (second, first) if second_inside else (first, second)
    sums[darker, EDGES] += 1
    sums[darker, STEP] += step
    if lighter >= 0:
        sums[lighter, EDGES] -= 1
        sums[lighter, STEP] -= step


@njit(cache=True, nogil=True)
def _block_edges(
    blocked: UInt8Array,
    darkness: Int32Array,
    doubt: Int32Array,
    nodes: Int32Array,
    reach: int,
    sums: Int64Array,
) -> None:
    """Edges to blocked pixels are taken off the free ones."""
    height, width = blocked.shape
    for y in range(height):
        for x in range(width):
            if x > 0 and blocked[y, x] != blocked[y, x - 1]:
                _block_edge(darkness, doubt, nodes, reach, (y, x, 0, 1), sums)
            if y > 0 and blocked[y, x] != blocked[y - 1, x]:
                _block_edge(darkness, doubt, nodes, reach, (y, x, 1, 0), sums)


@njit(cache=True, nogil=True)
def _block_edge(
    darkness: Int32Array,
    doubt: Int32Array,
    nodes: Int32Array,
    reach: int,
    edge: tuple[int, int, int, int],
    sums: Int64Array,
) -> None:
    y, x, dy, dx = edge
    first, second = nodes[y - dy, x - dx], nodes[y, x]
    inside = max(first, second)
    if inside < 0:
        return
    sums[inside, EDGES] -= 1
    sums[inside, STEP] -= _step(darkness, doubt, reach, edge, second >= 0)
    sums[inside, BLOCKED] += 1
