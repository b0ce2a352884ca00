"""Clumps without a dip of darkness between their nuclei, cut at their necks."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.label_shapes import boxes
from histoquant.objects.territory import UNIT

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

# Chamfer steps as in `territory`.
_DIAGONAL = 7
# Two blurred discs that overlap, as the tests draw them, fill 0.95 of their ellipse of inertia.
_NECKLESS = 0.97


def split_necks(labels: Int32Array, neck_share: float | FloatArray, least_px: int) -> Int32Array:
    """Cut objects where they narrow.

    The depth of a pixel is its distance to the object's edge. Flooded from the deepest pixels outwards,
    two parts that meet stay apart if the neck between them is no deeper than ``neck_share`` of the
    shallower part, and both are large enough. Every object is cut by itself.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    neck_share : float, or ndarray of float64, shape (n,)
        0 to 1, for all objects or for each; 0 cuts nothing.
    least_px : int
        Smallest part, pixels.

    Returns
    -------
    ndarray of int32, shape (h, w)
        Labels 1 to n as before, further parts from n + 1 on.
    """
    out = labels.copy()
    areas = np.bincount(labels.ravel(), minlength=1)
    box = boxes(labels)
    shares = np.ascontiguousarray(np.broadcast_to(np.asarray(neck_share, np.float64), len(box)))
    _split_all(out, box, areas.astype(np.int64), shares, least_px)
    return out


@njit(cache=True, nogil=True)
def _split_all(
    labels: Int32Array, box: Int32Array, areas: Int64Array, neck_share: FloatArray, least_px: int
) -> None:
    fresh = box.shape[0]
    for i in range(box.shape[0]):
        if areas[i + 1] < 2 * least_px:
            continue
        y0, x0, y1, x1 = box[i]
        if _ellipse_share(labels[y0:y1, x0:x1] == i + 1) > _NECKLESS:
            continue
        depth = _depths(labels[y0:y1, x0:x1] == i + 1)
        part = _flood_depths(depth, neck_share[i], least_px)
        most = part.max()
        for y in range(depth.shape[0]):
            for x in range(depth.shape[1]):
                if part[y, x] > 1:
                    labels[y0 + y, x0 + x] = fresh + part[y, x] - 1
        fresh += max(0, most - 1)


@njit(cache=True, nogil=True)
def _ellipse_share(mask: npt.NDArray[np.bool_]) -> float:
    """Share of its ellipse of inertia that a shape fills."""
    n = sx = sy = sxx = syy = sxy = 0
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x]:
                n += 1
                sx += x
                sy += y
                sxx += x * x
                syy += y * y
                sxy += x * y
    vx = (n * sxx - sx * sx) / (n * n) + 1.0 / 12.0
    vy = (n * syy - sy * sy) / (n * n) + 1.0 / 12.0
    vxy = (n * sxy - sx * sy) / (n * n)
    return n / (4.0 * math.pi * math.sqrt(vx * vy - vxy * vxy))


@njit(cache=True, nogil=True)
def _depths(mask: npt.NDArray[np.bool_]) -> Int32Array:
    """Chamfer distance to the nearest pixel outside, in fifths of a pixel; 0 outside."""
    height, width = mask.shape
    depth = np.zeros((height + 2, width + 2), np.int32)
    for y in range(1, height + 1):
        for x in range(1, width + 1):
            if mask[y - 1, x - 1]:
                best = min(depth[y - 1, x], depth[y, x - 1]) + UNIT
                depth[y, x] = min(best, min(depth[y - 1, x - 1], depth[y - 1, x + 1]) + _DIAGONAL)
    for y in range(height, 0, -1):
        for x in range(width, 0, -1):
            if depth[y, x] > 0:
                best = min(depth[y, x], min(depth[y + 1, x], depth[y, x + 1]) + UNIT)
                depth[y, x] = min(best, min(depth[y + 1, x + 1], depth[y + 1, x - 1]) + _DIAGONAL)
    inner = np.empty((height, width), np.int32)
    inner[:] = depth[1:-1, 1:-1]
    return inner


@njit(cache=True, nogil=True)
def _by_depth(flat: Int32Array) -> Int64Array:
    """Pixels inside, the deepest first, in raster order within a depth."""
    deepest = flat.max()
    start = np.zeros(deepest + 2, np.int64)
    for p in range(flat.size):
        if flat[p] > 0:
            start[deepest - flat[p] + 1] += 1
    for d in range(deepest + 1):
        start[d + 1] += start[d]
    order = np.empty(start[deepest + 1], np.int64)
    for p in range(flat.size):
        if flat[p] > 0:
            order[start[deepest - flat[p]]] = p
            start[deepest - flat[p]] += 1
    return order


@njit(cache=True, nogil=True)
def _flood_depths(depth: Int32Array, neck_share: float, least_px: int) -> Int32Array:
    """Parts 1 to n of one object, numbered by their first raster pixel; deeper pixels first."""
    height, width = depth.shape
    flat = depth.ravel()
    order = _by_depth(flat)
    up = np.arange(flat.size)
    part = np.zeros(flat.size, np.int64)
    peak = np.zeros(flat.size, np.int64)
    size = np.zeros(flat.size, np.int64)
    beside = np.full(flat.size, -1, np.int64)
    for t in range(order.size):
        p = order[t]
        y = p // width
        x = p - y * width
        steepest = np.int64(-1)
        home = np.int64(-1)
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                if not (0 <= y + dy < height and 0 <= x + dx < width):
                    continue
                q = (y + dy) * width + x + dx
                if q == p or part[q] == 0:
                    continue
                if steepest < 0 or flat[q] > flat[steepest]:
                    steepest = q
                root = _top(up, part[q] - 1)
                if home < 0:
                    home = root
                elif root != home:
                    home = _meet(home, root, flat[p], neck_share, up, peak, size, beside)
        if home < 0:
            home = p
            peak[p] = flat[p]
        else:
            # uphill, so that no part creeps around another one
            home = _top(up, part[steepest] - 1)
        part[p] = home + 1
        size[home] += 1
    parts: Int32Array = _numbered(part, up, size, beside, least_px, height, width)
    return parts


@njit(cache=True, nogil=True)
def _meet(
    a: int,
    b: int,
    neck: int,
    share: float,
    up: Int64Array,
    peak: Int64Array,
    size: Int64Array,
    beside: Int64Array,
) -> int:
    """Join two parts unless a neck keeps them apart; the deeper, then the earlier, is the home."""
    if peak[b] > peak[a] or (peak[b] == peak[a] and b < a):
        a, b = b, a
    if neck <= share * peak[b]:
        if beside[b] < 0:
            beside[b] = a
        return a
    up[b] = a
    size[a] += size[b]
    return a


@njit(cache=True, nogil=True)
def _top(up: Int64Array, p: int) -> int:
    while up[p] != p:
        p = up[p]
    return p


@njit(cache=True, nogil=True)
def _numbered(
    part: Int64Array,
    up: Int64Array,
    size: Int64Array,
    beside: Int64Array,
    least_px: int,
    height: int,
    width: int,
) -> Int32Array:
    """Parts in raster order; one too small goes back to the deeper part it was cut from."""
    for p in range(part.size):
        if part[p] == p + 1:
            root = _top(up, p)
            if size[root] < least_px and beside[root] >= 0:
                target = _top(up, beside[root])
                up[root] = target
                size[target] += size[root]
    number = np.zeros(part.size, np.int32)
    out = np.zeros((height, width), np.int32)
    count = 0
    for p in range(part.size):
        if part[p] > 0:
            root = _top(up, part[p] - 1)
            if number[root] == 0:
                count += 1
                number[root] = count
            out[p // width, p - (p // width) * width] = number[root]
    return out
