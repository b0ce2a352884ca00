"""Outlines as steps: small numbers, which a batch of tiles holds in a fifth of the room of coordinates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.tracing import Outlines

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]


def steps_of(shapes: Outlines, seeds: npt.NDArray[np.integer]) -> Int16Array:
    """Each corner as the way to it from the one before, the first from the object's seed.

    Parameters
    ----------
    shapes : Outlines
        Of a window; its coordinates fit into 16 bits, and so do differences of them.
    seeds : ndarray of int, shape (n, 2)
        Row and column of each object's seed in the same window.

    Returns
    -------
    ndarray of int16, shape (k, 2)
        x, y for each corner of ``shapes``; no coordinate of the window is left in it.
    """
    return np.asarray(_steps(shapes.corners, shapes.offsets, seeds.astype(np.int16)), np.int16)


@njit(cache=True, nogil=True)
def _steps(corners: Int16Array, offsets: Int32Array, seeds: Int16Array) -> Int16Array:
    out = np.empty_like(corners)
    for i in range(seeds.shape[0]):
        x, y = seeds[i, 1], seeds[i, 0]
        for k in range(offsets[i], offsets[i + 1]):
            out[k, 0], out[k, 1] = corners[k, 0] - x, corners[k, 1] - y
            x, y = corners[k, 0], corners[k, 1]
    return out


@njit(cache=True, nogil=True)
def walk_steps(
    steps: Int16Array,
    offsets: Int32Array,
    seeds_xy: tuple[Int32Array, Int32Array],
    place: Int64Array,
    factor_xy: tuple[np.float32, np.float32],
    out: Float32Array,
) -> None:
    """Put the corners of some polygons where they belong, in the pixels of level 0.

    Parameters
    ----------
    steps : ndarray of int16, shape (m,)
        x, y, x, y, ... of `steps_of`.
    offsets : ndarray of int32, shape (n + 1,)
        Polygon ``i`` is ``steps[offsets[i]:offsets[i + 1]]``.
    seeds_xy : tuple of ndarray of int32, shape (n,)
        Where they start, in pixels of a plane.
    place : ndarray of int64, shape (n,)
        Where in ``out`` each polygon begins; -1 for one that is left out.
    factor_xy : tuple of float32
        Pixels of level 0 per pixel of the plane.
    out : ndarray of float32
        x, y, x, y, ... Corner 0 of a polygon is the edge of pixel 0, whose centre is coordinate 0.
    """
    half = np.float32(0.5)
    for i in range(place.size):
        to = place[i]
        if to < 0:
            continue
        x, y = seeds_xy[0][i], seeds_xy[1][i]
        for at in range(offsets[i], offsets[i + 1], 2):
            x += steps[at]
            y += steps[at + 1]
            out[to] = np.float32(x) * factor_xy[0] - half
            out[to + 1] = np.float32(y) * factor_xy[1] - half
            to += 2
