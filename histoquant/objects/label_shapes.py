"""Small repairs of labelled objects: fill, renumber."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.label_runs import PIXELS, SUM_X, SUM_XX, SUM_XY, SUM_Y, SUM_YY, LabelRuns

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
IntpArray = npt.NDArray[np.intp]


class Shapes(NamedTuple):
    """Where objects lie and how they are shaped, by label from 1 on.

    Attributes
    ----------
    boxes : ndarray of int32, shape (n, 4)
        As `LabelRuns.boxes`.
    moments : ndarray of int64, shape (n, 8)
        As `LabelRuns.moments`; `fill_holes` keeps all but the boundary up to date.
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
        return cls(runs.boxes(), runs.moments(), runs.broken())


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
        room = max(room, (box[i, 2] - box[i, 0]) * (box[i, 3] - box[i, 1]))
    stack = np.empty(room, np.int32)
    marks = np.empty(room, np.uint8)
    for i in range(box.shape[0]):
        y0, x0, y1, x1 = box[i]
        height, width = y1 - y0, x1 - x0
        if not broken[i]:
            continue
        marks[: height * width] = 0
        outside = marks[: height * width].reshape((height, width))
        top = 0
        for y in range(height):
            for x in range(width):
                rim = y == 0 or x == 0 or y == height - 1 or x == width - 1
                if rim and labels[y0 + y, x0 + x] != i + 1:
                    outside[y, x] = 1
                    stack[top] = y * width + x
                    top += 1
        while top > 0:
            top -= 1
            y = stack[top] // width
            x = stack[top] - y * width
            for side in range(4):
                yo = y + (side == 3) - (side == 0)
                xo = x + (side == 2) - (side == 1)
                if not (0 <= yo < height and 0 <= xo < width) or outside[yo, xo]:
                    continue
                if labels[y0 + yo, x0 + xo] != i + 1:
                    outside[yo, xo] = 1
                    stack[top] = yo * width + xo
                    top += 1
        for y in range(height):
            for x in range(width):
                if not outside[y, x] and labels[y0 + y, x0 + x] == 0:
                    labels[y0 + y, x0 + x] = i + 1
                    _add_pixel(y0 + y, x0 + x, moments[i])


@njit(cache=True, nogil=True)
def _add_pixel(y: int, x: int, row: Int64Array) -> None:
    row[PIXELS] += 1
    row[SUM_X] += x
    row[SUM_Y] += y
    row[SUM_XX] += x * x
    row[SUM_YY] += y * y
    row[SUM_XY] += x * y
