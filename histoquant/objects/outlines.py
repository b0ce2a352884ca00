"""Outlines of labelled objects as closed polygons along pixel edges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.errors import UsageError
from histoquant.objects.label_shapes import boxes

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]

_LARGEST = np.iinfo(np.int16).max


class Outlines(NamedTuple):
    """Polygons of labels 1 to n, one after the other.

    Attributes
    ----------
    offsets : ndarray of int32, shape (n + 1,)
        Polygon ``i`` is ``corners[offsets[i]:offsets[i + 1]]``.
    corners : ndarray of int16, shape (k, 2)
        (x, y) of pixel corners, clockwise on the screen; pixel (0, 0) spans 0 to 1. The last corner joins
        the first, which is the upper left corner of the object's first raster pixel.
    """

    offsets: Int32Array
    corners: Int16Array

    def polygon(self, index: int) -> Int16Array:
        """Corners (k, 2) of one object, counted from 0."""
        return self.corners[self.offsets[index] : self.offsets[index + 1]]


def outlines(labels: Int32Array) -> Outlines:
    """Outer boundary of every object.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        4-connected objects; of an object in several pieces the first is traced.

    Returns
    -------
    Outlines

    Raises
    ------
    UsageError
        If the window is wider or higher than int16 coordinates allow.
    """
    if max(labels.shape) > _LARGEST:
        raise UsageError(f"outlines need windows of at most {_LARGEST} pixels a side, got {labels.shape}")
    box = boxes(labels)
    first = _first_pixels(labels, box)
    offsets = np.zeros(len(first) + 1, dtype=np.int32)
    np.cumsum(_trace_all(labels, first, offsets, np.empty((0, 2), np.int16)), out=offsets[1:])
    corners = np.empty((int(offsets[-1]), 2), dtype=np.int16)
    _trace_all(labels, first, offsets, corners)
    return Outlines(offsets, corners)


@njit(cache=True, nogil=True)
def _first_pixels(labels: Int32Array, box: Int32Array) -> Int32Array:
    first = np.full((box.shape[0], 2), -1, np.int32)
    for i in range(box.shape[0]):
        for x in range(box[i, 1], box[i, 3]):
            if labels[box[i, 0], x] == i + 1:
                first[i, 0] = box[i, 0]
                first[i, 1] = x
                break
    return first


@njit(cache=True, nogil=True)
def _inside(labels: Int32Array, y: int, x: int, label: int) -> bool:
    if y < 0 or x < 0 or y >= labels.shape[0] or x >= labels.shape[1]:
        return False
    return bool(labels[y, x] == label)


@njit(cache=True, nogil=True)
def _trace_all(labels: Int32Array, first: Int32Array, offsets: Int32Array, corners: Int16Array) -> Int32Array:
    """Walk pixel edges with the object on the right; without room for corners only count them."""
    counts = np.zeros(first.shape[0], np.int32)
    for i in range(first.shape[0]):
        if first[i, 0] < 0:
            continue
        y, x, dy, dx = first[i, 0], first[i, 1], 0, 1
        n = 0
        while True:
            if corners.shape[0] > 0:
                corners[offsets[i] + n, 0] = x
                corners[offsets[i] + n, 1] = y
            n += 1
            while True:
                y += dy
                x += dx
                # pixels ahead of the corner, left and right of the way
                left = _inside(labels, y + min(dy, 0) + min(-dx, 0), x + min(dx, 0) + min(dy, 0), i + 1)
                right = _inside(labels, y + min(dy, 0) + min(dx, 0), x + min(dx, 0) + min(-dy, 0), i + 1)
                if not right:
                    dy, dx = dx, -dy
                    break
                if left:
                    dy, dx = -dx, dy
                    break
            if y == first[i, 0] and x == first[i, 1] and dy == 0 and dx == 1:
                break
        counts[i] = n
    return counts
