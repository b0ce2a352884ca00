"""Small repairs of labelled objects: fill, renumber."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.label_runs import PIXELS, SUM_X, SUM_XX, SUM_XY, SUM_Y, SUM_YY, LabelRuns
from histoquant.objects.prefetch import prefetch_box

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
IntpArray = npt.NDArray[np.intp]


class Shapes(NamedTuple):
    """Where objects lie and how they are shaped, by label from 1 on.

    Attributes
    ----------
    boxes : ndarray of int32, shape (n, 4)
        As `LabelRuns.boxes`.
    moments : ndarray of int64, shape (n, 6)
        As `LabelRuns.sums`; `fill_holes` keeps them up to date.
    broken : ndarray of bool, shape (n,)
        As `LabelRuns.broken`.
    """

    boxes: Int32Array
    moments: Int64Array
    broken: BoolArray

    @classmethod
    def of(cls, labels: Int32Array, count: int | None = None) -> Shapes:
        """Shapes in an image with so many labels, counted where they are not."""
        runs = LabelRuns.of_all(labels, count)
        return cls(runs.boxes(), runs.sums(), runs.broken())


def fill_holes(labels: Int32Array, shapes: Shapes) -> None:
    """Give holes that lie inside one object to that object, in place.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Pixels of other objects inside a hole stay theirs.
    shapes : Shapes
        Of these labels.
    """
    _fill(labels, shapes.boxes, shapes.broken, shapes.moments)


def boxes(labels: Int32Array) -> Int32Array:
    """Bounding boxes (y0, x0, y1, x1), half open, of labels 1 to n.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)

    Returns
    -------
    ndarray of int32, shape (n, 4)
    """
    return LabelRuns.of_all(labels).boxes()


def renumber(labels: Int32Array, runs: LabelRuns, seeds: Int32Array) -> IntpArray:
    """Number objects by their seeds in raster order, in place, and drop labels without pixels.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    runs : LabelRuns
        Of all of them.
    seeds : ndarray of int32, shape (n, 2)

    Returns
    -------
    ndarray of intp, shape (m,)
        Rows of the seeds in their new order.
    """
    there = np.flatnonzero(seeds[:, 0] >= 0)
    order = there[np.lexsort((seeds[there, 1], seeds[there, 0]))]
    numbers = np.zeros(len(seeds), dtype=np.int32)
    numbers[order] = np.arange(1, len(order) + 1, dtype=np.int32)
    runs.paint(labels, numbers)
    return np.asarray(order, np.intp)


@njit(cache=True, nogil=True)
def _fill(labels: Int32Array, box: Int32Array, broken: BoolArray, moments: Int64Array) -> None:
    room = 1
    for i in range(box.shape[0]):
        room = max(room, (box[i, 2] - box[i, 0] + 4) * (box[i, 3] - box[i, 1] + 4))
    patch, stack = np.empty(room, np.uint8), np.empty(room, np.int32)
    tried = np.flatnonzero(broken)
    for k in range(tried.size):
        i = tried[k]
        prefetch_box(labels, box[tried[min(k + 1, tried.size - 1)]])
        y0, x0, y1, x1 = box[i]
        size, stride = (y1 - y0 + 4) * (x1 - x0 + 4), x1 - x0 + 4
        _draw(labels[y0:y1, x0:x1], i + 1, patch[:size])
        if _flood_outside(patch[:size], stride, stack) == size:
            continue
        for y in range(y0, y1):
            for x in range(x0, x1):
                if patch[(y - y0 + 2) * stride + x - x0 + 2] == 0 and labels[y, x] == 0:
                    labels[y, x] = i + 1
                    _add_pixel(y, x, moments[i])


@njit(cache=True, nogil=True)
def _draw(labels: Int32Array, label: int, patch: UInt8Array) -> None:
    """1 for an object's pixels, in a free frame that a shut one surrounds."""
    height, stride = labels.shape[0], labels.shape[1] + 4
    patch[:] = 0
    patch[:stride] = 1
    patch[patch.size - stride :] = 1
    for y in range(height + 4):
        patch[y * stride] = patch[(y + 1) * stride - 1] = 1
    for y in range(height):
        row, inner = labels[y], patch[(y + 2) * stride + 2 : (y + 3) * stride - 2]
        for x in range(inner.size):
            inner[x] = row[x] == label


@njit(cache=True, nogil=True)
def _flood_outside(patch: UInt8Array, stride: int, stack: Int32Array) -> int:
    """Shut what is reached along edges from the free frame; returns how much then is shut."""
    stack[0] = stride + 1
    patch[stride + 1] = 1
    top = 1
    while top > 0:
        top -= 1
        place = stack[top]
        for beside in (place - stride, place - 1, place + 1, place + stride):
            if patch[np.uint64(beside)] == 0:
                patch[np.uint64(beside)] = 1
                stack[top] = beside
                top += 1
    shut = 0
    for place in range(patch.size):
        shut += patch[place]
    return shut


@njit(cache=True, nogil=True)
def _add_pixel(y: int, x: int, row: Int64Array) -> None:
    row[PIXELS] += 1
    row[SUM_X] += x
    row[SUM_Y] += y
    row[SUM_XX] += x * x
    row[SUM_YY] += y * y
    row[SUM_XY] += x * y
