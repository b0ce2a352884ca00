"""Outlines of labelled objects as closed polygons along pixel edges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.errors import UsageError
from histoquant.objects.label_runs import LabelRuns

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


def outlines(
    labels: Int32Array, rows: npt.NDArray[np.integer] | None = None, runs: LabelRuns | None = None
) -> Outlines:
    """Outer boundary of objects.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        4-connected objects; of an object in several pieces the first is traced.
    rows : ndarray of int, shape (n,), optional
        Which labels to trace, counted from 0; all when left out.
    runs : LabelRuns, optional
        Of all labels, where they are known already.

    Returns
    -------
    Outlines
        A polygon for each of them, in their order.

    Raises
    ------
    UsageError
        If the window is wider or higher than int16 coordinates allow.
    """
    if max(labels.shape) > _LARGEST:
        raise UsageError(f"outlines need windows of at most {_LARGEST} pixels a side, got {labels.shape}")
    first = (LabelRuns.of_all(labels) if runs is None else runs).first()
    wanted = np.arange(len(first)) if rows is None else np.asarray(rows)
    corners, offsets = _trace_all(labels, first, wanted.astype(np.int32))
    return Outlines(offsets, corners)


@njit(cache=True, nogil=True)
def _inside(labels: Int32Array, y: int, x: int, label: int) -> bool:
    if y < 0 or x < 0 or y >= labels.shape[0] or x >= labels.shape[1]:
        return False
    return bool(labels[y, x] == label)


@njit(cache=True, nogil=True)
def _trace_all(labels: Int32Array, first: Int32Array, wanted: Int32Array) -> tuple[Int16Array, Int32Array]:
    """Walk pixel edges with the object on the right, from one corner of the path to the next."""
    offsets = np.zeros(wanted.size + 1, np.int32)
    corners = np.empty((64 * wanted.size + 1024, 2), np.int16)
    n = 0
    for i in range(wanted.size):
        label, start = wanted[i] + 1, first[wanted[i]]
        y, x, dy, dx = start[0], start[1], 0, 1
        while y >= 0:
            if n == corners.shape[0]:
                corners = np.concatenate((corners, np.empty_like(corners)))
            corners[n, 0] = x
            corners[n, 1] = y
            n += 1
            while True:
                y += dy
                x += dx
                # pixels ahead of the corner, left and right of the way
                left = _inside(labels, y + min(dy, 0) + min(-dx, 0), x + min(dx, 0) + min(dy, 0), label)
                right = _inside(labels, y + min(dy, 0) + min(dx, 0), x + min(dx, 0) + min(-dy, 0), label)
                if not right:
                    dy, dx = dx, -dy
                    break
                if left:
                    dy, dx = -dx, dy
                    break
            if y == start[0] and x == start[1] and dy == 0 and dx == 1:
                break
        offsets[i + 1] = n
    return corners[:n].copy(), offsets
